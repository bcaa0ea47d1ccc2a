/** What every store promises of usage; part of store.test-suite.ts. */
import { foldSighting, type Sighting, type SourceUse, sourceId } from "@keyover/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AT, aBoot, aUse, fill, picture } from "./store.test-support.ts";
import { BUCKET_MS, type Store } from "./store.ts";

const sightings = fc.array(
  fc.record({
    source: fc.constantFrom("a", "b"),
    version: fc.integer({ min: 1, max: 2 }),
    first: fc.integer({ min: 0, max: 500 }),
    length: fc.integer({ min: 0, max: 60 }),
    accepted: fc.nat(5),
    refused: fc.nat(5),
    gap: fc.nat(60),
  }),
  { minLength: 1, maxLength: 12 },
);

export function usageSuite(current: () => Store): void {
  const row = (sighting: Sighting) => {
    const { key, source, ...rest } = sighting;
    return { ...rest, keyId: key, sourceId: sourceId(source), source };
  };
  const bySource = (uses: SourceUse[]) => [...uses].sort((a, b) => (sourceId(a.source) < sourceId(b.source) ? -1 : 1));

  describe("usage", () => {
    test("adds up as core's fold says, in whatever order and batches it comes", async () => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(sightings, fc.boolean(), async (list, together) => {
          const key = `key_${run++}`;
          const all: Sighting[] = list.map(({ source, first, length, gap, ...rest }) => ({
            ...rest,
            key,
            source: { network: "203.0.113.0/24", client: source, instance: "" },
            first: AT + first,
            last: AT + first + length,
            longestGapMs: Math.min(gap, length),
          }));
          if (together) await current().record({ rows: all.map(row), boots: [] });
          else for (const each of all) await current().record({ rows: [row(each)], boots: [] });
          const folded = new Map<string, SourceUse>();
          for (const each of all)
            folded.set(sourceId(each.source), foldSighting(folded.get(sourceId(each.source)), each));
          expect(bySource(await current().uses(key))).toEqual(bySource([...folded.values()]));
        }),
        { numRuns: 60 },
      );
    });

    test("is counted in buckets by the time that a sighting ended", async () => {
      const start = AT - (AT % BUCKET_MS);
      const at = (ms: number, version = 1) =>
        aUse({ first: start, last: start + ms, version, accepted: 2, refused: 1 });
      await current().record({ rows: [at(0), at(BUCKET_MS - 1), at(BUCKET_MS), at(5, 2)], boots: [] });
      await current().record({ rows: [at(1)], boots: [] });
      const counted = await current().buckets("key_a", start, start + BUCKET_MS);
      expect(counted.sort((a, b) => a.version - b.version)).toEqual([
        { version: 1, start, accepted: 6, refused: 3 },
        { version: 2, start, accepted: 2, refused: 1 },
      ]);
      expect(await current().buckets("key_a", start + 1, start + BUCKET_MS + 1)).toHaveLength(1);
      expect(await current().buckets("key_b", 0, AT * 2)).toEqual([]);
    });

    test("boots are remembered as last written", async () => {
      await current().record({ rows: [], boots: [aBoot(), aBoot({ boot: "boo_b", apiId: "api_b" })] });
      await current().record({ rows: [], boots: [aBoot({ coveredTo: AT + 0.5, closed: true })] });
      expect(await current().boots("api_a")).toEqual([aBoot({ coveredTo: AT + 0.5, closed: true })]);
      expect(await current().boots()).toHaveLength(2);
    });

    test("touches no table that holds a credential", async () => {
      await fill(current(), 2);
      const before = await picture(current());
      await current().record({ rows: [aUse({ keyId: "key_0000" })], boots: [aBoot()] });
      expect(await picture(current())).toEqual(before);
    });
  });
}
