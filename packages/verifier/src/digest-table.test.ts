import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DigestIndex, DigestTable, LINE, RULE } from "./digest-table.ts";

/** Few different digests that collide often: in the bucket, in bucket and tag, and in all words but one. */
const digest = fc
  .tuple(fc.constantFrom(0, 1, 62, 63, 64, 127, -1), fc.constantFrom(5, 6), fc.integer({ min: 0, max: 40 }))
  .map(([first, tag, rest]) => Int32Array.of(first, tag, 0, 0, 0, 0, 0, rest));

const step = fc.record({ kind: fc.constantFrom("add", "add", "remove", "find"), digest });

const tables: [name: string, make: () => DigestIndex][] = [["typed arrays", () => new DigestTable()]];

describe.each(tables)("a digest index of %s", (_, make) => {
  test("answers as a Map does, through growth and removals", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = make();
        const model = new Map<string, number>();
        for (const { kind, digest } of steps) {
          const name = digest.join();
          if (kind === "add") {
            const slot = table.add(digest);
            const before = model.get(name);
            if (before === undefined) expect([...model.values()]).not.toContain(slot);
            else expect(slot).toBe(before);
            model.set(name, slot);
            expect(table.lines[LINE * slot + RULE]).toBe(0);
          } else if (kind === "remove") {
            expect(table.remove(digest)).toBe(model.get(name) ?? -1);
            model.delete(name);
          }
          expect(table.find(digest)).toBe(model.get(name) ?? -1);
          expect(table.size).toBe(model.size);
        }
        for (const [name, slot] of model) expect(table.find(Int32Array.from(name.split(","), Number))).toBe(slot);
      }),
      { numRuns: 300 },
    );
  });

  test("does not grow under steady change", () => {
    const table = make();
    for (let i = 0; i < 50_000; i++) {
      table.add(Int32Array.of(i * 7, i, 0, 0, 0, 0, 0, i));
      if (i >= 20)
        expect(table.remove(Int32Array.of((i - 20) * 7, i - 20, 0, 0, 0, 0, 0, i - 20))).toBeGreaterThanOrEqual(0);
    }
    expect(table.size).toBe(20);
    expect(table.lines.length).toBe(LINE * 64);
  });

  test("a digest that differs in any one word is another", () => {
    const table = make();
    const held = Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    table.add(held);
    for (let word = 0; word < 8; word++) {
      const other = held.slice();
      other[word] = (other[word] as number) ^ 0x10000;
      expect(table.find(other)).toBe(-1);
    }
  });
});
