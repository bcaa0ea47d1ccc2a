import fc from "fast-check";
import { expect, test } from "vitest";
import { Buckets } from "./buckets.ts";

const step = fc.record({
  kind: fc.constantFrom("add", "add", "add", "remove", "replace"),
  /** Often the same few, so that runs of buckets are long and wrap around. */
  hash: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom(-1, -2, 2 ** 31 - 1), fc.integer()),
  at: fc.nat(),
});

test("whatever is added, removed and replaced while it grows, what is in it is found, and nothing else is", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.constantFrom(0, 9_980), (steps, before) => {
      const hashes = new Map<number, number>();
      let end = 0;
      const slots = {
        hashOf: (slot: number) => hashes.get(slot) as number,
        isIn: (slot: number) => hashes.has(slot),
        end: () => end,
      };
      const buckets = new Buckets(slots, 0.8);
      const add = (hash: number) => {
        buckets.prepare(1);
        hashes.set(end, hash);
        buckets.add(end++, hash);
      };
      // Beyond some thousands it grows in parts, with most of these steps in between.
      for (let i = 0; i < before; i++) add(Math.imul(i, 0x9e37_79b1));
      for (const { kind, hash, at } of steps) {
        // One of any age, or one of the last, whose hashes collide.
        const any = end === 0 ? 0 : at % end;
        const slot = hashes.has(any) && at % 2 === 0 ? any : [...hashes.keys()].at(-1 - (at % 40));
        if (kind === "add" || slot === undefined) add(hash);
        else if (kind === "remove") {
          buckets.remove(slot, hashes.get(slot) as number);
          hashes.delete(slot);
        } else {
          buckets.prepare(1);
          const same = hashes.get(slot) as number;
          hashes.set(end, same);
          buckets.replace(slot, end++, same);
          hashes.delete(slot);
        }
      }
      // Until the larger table, if one is being filled, has taken its place.
      for (let i = 0; i < 200; i++) buckets.prepare(1);
      expect(buckets.size).toBe(hashes.size);
      expect(buckets.table.buckets.reduce((count, bucket) => count + (bucket === 0 ? 0 : 1), 0)).toBe(hashes.size);
      for (const [slot, hash] of hashes) expect(buckets.table.find(hash, (each) => each === slot)).toBe(slot);
    }),
    { numRuns: 100 },
  );
});

test("made large at once, it holds as many as were said without growing", () => {
  const hashes = Array.from({ length: 5_000 }, (_, i) => Math.imul(i, 0x9e37_79b1));
  let end = 0;
  const buckets = new Buckets(
    {
      hashOf: (slot) => hashes[slot] as number,
      isIn: () => true,
      end: () => end,
    },
    0.8,
  );
  buckets.reserve(5_000);
  const { table } = buckets;
  for (const hash of hashes) {
    buckets.prepare(1);
    buckets.add(end++, hash);
  }
  expect(buckets.table).toBe(table);
  expect(table.capacity).toBeLessThan(5_000 / 0.75);
});
