import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type HandleKind, handlePrefixes, isHandle, makeHandle } from "./ids.ts";
import { parseKeyText, prefixProblem, TOKEN_PREFIX } from "./key-text.ts";

/** Bytes that look random and are the same in each run. */
function chance(seed: string): (length: number) => Uint8Array {
  let draws = 0;
  return (length) => {
    const bytes = createHash("sha512").update(`${seed} ${draws++}`).digest();
    return new Uint8Array(bytes.buffer, bytes.byteOffset, Math.min(length, 64));
  };
}

const kinds = Object.keys(handlePrefixes) as HandleKind[];
const NOW = 1_767_225_600_000;

describe("handles", () => {
  test("each kind has its own prefix and is taken for no other", () => {
    expect(new Set(Object.values(handlePrefixes)).size).toBe(kinds.length);
    for (const kind of kinds) {
      const handle = makeHandle(kind, NOW, chance(kind));
      expect(handle).toMatch(/^[a-z]{3}_[0-9A-Za-z]{22}$/);
      expect(kinds.filter((other) => isHandle(other, handle))).toEqual([kind]);
    }
  });

  test("they sort by age", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 47), fc.integer({ min: 1, max: 2 ** 40 }), (at, later) => {
        const older = makeHandle("key", at, chance("z"));
        const newer = makeHandle("key", at + later, chance("a"));
        expect(older < newer).toBe(true);
      }),
    );
  });

  test("two made in the same millisecond differ", () => {
    const random = chance("one");
    const made = new Set(Array.from({ length: 1_000 }, () => makeHandle("key", NOW, random)));
    expect(made.size).toBe(1_000);
  });

  test.each([
    "",
    "key_",
    "key_short",
    `key_${"a".repeat(21)}`,
    `key_${"a".repeat(23)}`,
    `key_${"a".repeat(21)}-`,
    `KEY_${"a".repeat(22)}`,
    `key_${"a".repeat(22)}\n`,
    `ver_${"a".repeat(22)}`,
  ])("%j is no key's handle", (text) => {
    expect(isHandle("key", text)).toBe(false);
  });

  test("R20: a handle is no secret's text, and no api may take a handle's prefix", () => {
    for (const kind of kinds) {
      expect(prefixProblem(handlePrefixes[kind])).toContain("Keyover's own");
      expect(parseKeyText(makeHandle(kind, NOW, chance(kind)))).toBeUndefined();
    }
    expect(Object.values(handlePrefixes)).not.toContain(TOKEN_PREFIX);
  });
});
