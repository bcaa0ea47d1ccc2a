/** What every store promises of usage by time; part of store.test-suite.ts. */
import { describe, expect, test } from "vitest";
import { AT, aUse } from "./store.test-support.ts";
import { DAY_MS, type Store } from "./store.ts";

export function historySuite(current: () => Store): void {
  const day = AT - (AT % DAY_MS);
  const see = (at: number, change: object = {}) =>
    current().record({
      rows: [aUse({ first: at, last: at, accepted: 3, refused: 1, limited: 1, ...change })],
      reports: [],
    });
  const prune = (buckets: number, days = 0) =>
    current().prune({ feedKeep: 9, idempotency: 0, buckets, boots: 0, days });

  describe("usage by time", () => {
    test("is summed by minute and by day, by version", async () => {
      for (const at of [0, 10_000, 59_999, 60_000, DAY_MS]) await see(day + at);
      const twice = aUse({ version: 2, first: day + 5, last: day + 5, accepted: 2, refused: 1, limited: 1 });
      await current().record({ rows: [twice, { ...twice, accepted: 3 }], reports: [] });
      const minutes = await current().buckets("key_a", day, day + 120_000, 60_000);
      expect(minutes).toEqual([
        { version: 1, start: day, accepted: 9, refused: 3, limited: 3 },
        { version: 2, start: day, accepted: 5, refused: 2, limited: 2 },
        { version: 1, start: day + 60_000, accepted: 3, refused: 1, limited: 1 },
      ]);
      expect((await current().days("key_a", day, day + 2 * DAY_MS)).map(({ accepted }) => accepted)).toEqual([
        12, 5, 3,
      ]);
    });

    test("days are the same before and after buckets have moved into them, however late a report comes", async () => {
      for (let hour = 0; hour < 60; hour++) await see(day + hour * 3_600_000);
      const before = await current().days("key_a", day, day + 3 * DAY_MS);
      for (const hours of [5, 30, 30, 200]) {
        await prune(day + hours * 3_600_000);
        expect(await current().days("key_a", day, day + 3 * DAY_MS)).toEqual(before);
      }
      expect(await current().buckets("key_a", day, day + 3 * DAY_MS)).toEqual([]);
      await see(day + 1);
      await prune(day + DAY_MS);
      const [first] = await current().days("key_a", day, day + DAY_MS);
      expect(first).toEqual({ version: 1, start: day, accepted: 25 * 3, refused: 25, limited: 25 });
    });

    test("days past keeping go", async () => {
      await see(day);
      await see(day + DAY_MS);
      await prune(day + 5 * DAY_MS, day + DAY_MS);
      expect((await current().days("key_a", 0, day + 5 * DAY_MS)).map(({ start }) => start)).toEqual([day + DAY_MS]);
    });
  });
}
