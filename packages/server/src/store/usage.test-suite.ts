/** What every store promises of usage; part of store.test-suite.ts. */
import { foldSighting, type Sighting, type SourceUse, sourceId } from "@keyover/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AT, aReport, aUse, fill, picture } from "./store.test-support.ts";
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

/** From within a second to years: silences that are tallied, and some that are forgotten. */
const units = fc.constantFrom(1, 1_000, 300_000, 86_400_000, 4 * 86_400_000);

export function usageSuite(current: () => Store): void {
  const row = (sighting: Sighting) => {
    const { key, source, ...rest } = sighting;
    return { ...rest, keyId: key, sourceId: sourceId(source), source };
  };
  const bySource = (uses: SourceUse[]) =>
    uses
      .map((use) => ({ ...use, gaps: use.gaps.toSorted((a, b) => a.slice - b.slice || a.rung - b.rung) }))
      .sort((a, b) => (sourceId(a.source) < sourceId(b.source) ? -1 : 1));

  describe("usage", () => {
    test("adds up as core's fold says, in whatever order and batches it comes", async () => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(sightings, units, fc.boolean(), async (list, unit, together) => {
          const key = `key_${run++}`;
          const all: Sighting[] = list.map(({ source, first, length, gap, ...rest }) => ({
            ...rest,
            key,
            source: { network: "203.0.113.0/24", client: source, instance: "" },
            first: AT + first * unit,
            last: AT + (first + length) * unit,
            longestGapMs: Math.min(gap, length) * unit,
          }));
          if (together) await current().record({ rows: all.map(row), reports: [] });
          else for (const each of all) await current().record({ rows: [row(each)], reports: [] });
          const folded = new Map<string, SourceUse>();
          for (const each of all)
            folded.set(sourceId(each.source), foldSighting(folded.get(sourceId(each.source)), each));
          expect(bySource(await current().uses(key))).toEqual(bySource([...folded.values()]));
        }),
        { numRuns: 120 },
      );
    });

    test("two that end one silence at the same time tally it once, whichever process hears them", async () => {
      const DAY = 86_400_000;
      const seen = (at: number) => ({ rows: [aUse({ first: at, last: at })], reports: [] });
      await current().record(seen(AT));
      for (let day = 1; day <= 10; day++)
        await Promise.all([0, 1, 2, 3].map((i) => current().record(seen(AT + day * DAY + i))));
      const [use] = await current().uses("key_a");
      expect(use?.gaps.reduce((sum, { count }) => sum + count, 0)).toBe(10);
    });

    test("of many keys is summed up to when each was last accepted and last refused", async () => {
      const use = (keyId: string, at: number, accepted: number, refused: number, change: object = {}) =>
        current().record({ rows: [aUse({ keyId, first: at, last: at, accepted, refused, ...change })], reports: [] });
      await use("key_used", AT, 3, 0);
      await use("key_used", AT + 5, 0, 1, { version: 2 });
      await use("key_refused_since", AT, 3, 0);
      await use("key_refused_since", AT + 20, 0, 1);
      await use("key_refused_since", AT + 30, 0, 1);
      await use("key_tried", AT + 7, 0, 2);
      await use("key_late", AT + 40, 3, 0);
      await use("key_late", AT + 10, 0, 1);
      await use("key_late_both", AT, 1, 0);
      await use("key_late_both", AT + 30, 0, 1);
      await use("key_late_both", AT + 20, 2, 0);
      await use("key_late_both", AT + 10, 0, 1);
      await use("key_both", AT, 2, 1, { last: AT + 50 });
      await use("key_both", AT + 60, 0, 1);
      const asked = [
        "key_used",
        "key_refused_since",
        "key_tried",
        "key_never",
        "key_late",
        "key_late_both",
        "key_both",
      ];
      const found = await current().lastUses(asked);
      expect(Object.fromEntries(found)).toEqual({
        key_used: { accepted: AT, refused: AT + 5 },
        key_refused_since: { accepted: AT + 20, refused: AT + 30 },
        key_tried: { accepted: null, refused: AT + 7 },
        // A refusal of before that is told of late is none since.
        key_late: { accepted: AT + 40, refused: null },
        key_late_both: { accepted: AT + 30, refused: AT + 30 },
        // It may have been refused first, and used until the report ended.
        key_both: { accepted: AT + 50, refused: AT + 60 },
      });
      expect(await current().lastUses([])).toEqual(new Map());
    });

    test("is counted in buckets by the time that a sighting ended", async () => {
      const start = AT - (AT % BUCKET_MS);
      const at = (ms: number, version = 1) =>
        aUse({ first: start, last: start + ms, version, accepted: 2, refused: 1 });
      await current().record({ rows: [at(0), at(BUCKET_MS - 1), at(BUCKET_MS), at(5, 2)], reports: [] });
      await current().record({ rows: [at(1)], reports: [] });
      const counted = await current().buckets("key_a", start, start + BUCKET_MS);
      expect(counted.sort((a, b) => a.version - b.version)).toEqual([
        { version: 1, start, accepted: 6, refused: 3, limited: 0 },
        { version: 2, start, accepted: 2, refused: 1, limited: 0 },
      ]);
      expect(await current().buckets("key_a", start + 1, start + BUCKET_MS + 1)).toHaveLength(1);
      expect(await current().buckets("key_b", 0, AT * 2)).toEqual([]);
    });

    test("sums stay whole numbers however many there are", async () => {
      const many = aUse({ accepted: Number.MAX_SAFE_INTEGER, refused: 2 ** 52 });
      for (let i = 0; i < 3; i++) await current().record({ rows: [many], reports: [] });
      const [use] = await current().uses("key_a");
      expect(use?.versions[1]).toMatchObject({ accepted: 2 ** 52, refused: 2 ** 52 });
      expect((await current().buckets("key_a", 0, AT * 2))[0]).toMatchObject({ accepted: 2 ** 52, refused: 2 ** 52 });
    });

    test("past 300 sources of a key the rest are one, within a report and from one to the next", async () => {
      const from = (start: number, count: number) =>
        Array.from({ length: count }, (_, i) => {
          const source = { network: `n${start + i}`, client: "bot", instance: "" };
          return aUse({ source, sourceId: sourceId(source) });
        });
      await current().record({ rows: from(0, 310), reports: [] });
      await current().record({ rows: from(290, 30), reports: [] });
      const uses = await current().uses("key_a");
      expect(uses).toHaveLength(301);
      const other = uses.find(({ source }) => source.network === "other");
      expect(other?.versions[1]?.accepted).toBe(10 + 20);
    });

    test("a great many sightings of many boots are all written, and each boot's with its report", async () => {
      const rows = (boot: string, count: number) =>
        Array.from({ length: count }, (_, i) => aUse({ keyId: `key_${boot}_${i % 50}` }));
      const reports = ["a", "b", "c", "d"].map((name, i) =>
        aReport({ boot: `boo_${name}` }, 0, rows(name, [10, 2_500, 900, 1_200][i] as number)),
      );
      await current().record({ rows: [], reports: [aReport({ boot: "boo_c", instance: "other" })] });
      expect(await current().record({ rows: rows("own", 2_100), reports })).toEqual({ lost: ["boo_c"] });
      const counted = async (name: string) => {
        const keys = Array.from({ length: 50 }, (_, i) => current().uses(`key_${name}_${i}`));
        const uses = (await Promise.all(keys)).flat();
        return uses.reduce((sum, { versions }) => sum + (versions[1]?.accepted ?? 0), 0);
      };
      expect(await Promise.all(["own", "a", "b", "c", "d"].map(counted))).toEqual([2_100, 10, 2_500, 0, 1_200]);
    });

    test("touches no table that holds a credential", async () => {
      await fill(current(), 2);
      const before = await picture(current());
      await current().record({ rows: [aUse({ keyId: "key_0000" })], reports: [aReport()] });
      await current().fold({ replica: "rep_a", apiId: "api_a", version: 1, applied: 1, adoption: 1 });
      expect(await picture(current())).toEqual(before);
    });
  });
}
