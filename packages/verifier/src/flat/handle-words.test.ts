import { makeHandle } from "@keyover/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { handleHash, handleText, packBeside, packHandle, sameHandle, seqOfWords } from "./handle-words.ts";

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const handle = fc
  .array(fc.constantFrom(...DIGITS.split("")), { minLength: 22, maxLength: 22 })
  .map((each) => `key_${each.join("")}`);

test("a handle, a record's number and a version's number come out as they went in", () => {
  const seqs = fc.oneof(
    fc.integer({ min: 0, max: 1_000 }),
    fc.maxSafeNat().map((seq) => seq % 2 ** 44),
    fc.constant(2 ** 44 - 1),
  );
  fc.assert(
    fc.property(handle, seqs, fc.integer({ min: 0, max: 65_535 }), (text, seq, number) => {
      const [words, bare] = [new Int32Array(5), new Int32Array(5)];
      expect(packHandle(text, "key", words)).toBe(true);
      bare.set(words);
      packBeside(words, seq, number);
      const read = [handleText("key", words, 0), seqOfWords(seq | 0, words, 0), (words[4] as number) >>> 16];
      expect(read).toEqual([text, seq, number]);
      expect(sameHandle(words, 0, bare, 0)).toBe(true);
      expect(handleHash(words, 0)).toBe(handleHash(bare, 0));
    }),
  );
});

test("handles that differ in any digit differ", () => {
  fc.assert(
    fc.property(handle, fc.integer({ min: 4, max: 25 }), fc.constantFrom(...DIGITS.split("")), (text, at, digit) => {
      const other = text.slice(0, at) + digit + text.slice(at + 1);
      const [a, b] = [new Int32Array(5), new Int32Array(5)];
      packHandle(text, "key", a);
      packHandle(other, "key", b);
      packBeside(a, 2 ** 43, 7);
      packBeside(b, 5, 9);
      expect(sameHandle(a, 0, b, 0)).toBe(text === other);
    }),
  );
});

test("what is not of the form is not packed", () => {
  const words = new Int32Array(5);
  const good = makeHandle("key", 1_790_000_000_000, (length) => new Uint8Array(length).fill(61));
  expect(packHandle(good, "key", words)).toBe(true);
  for (const text of ["key_1", "", good.slice(0, -1), `${good}0`, good.replace("key_", "con_"), good.replace("_", "-")])
    expect(packHandle(text, "key", words)).toBe(false);
  expect(packHandle(`${good.slice(0, -1)}é`, "key", words)).toBe(false);
  expect(packHandle(`${good.slice(0, -1)}-`, "key", words)).toBe(false);
});
