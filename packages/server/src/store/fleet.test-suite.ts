/** What every store promises of boots and folds; part of store.test-suite.ts. */
import { describe, expect, test } from "vitest";
import { AT, aBoot, aReport, aUse } from "./store.test-support.ts";
import type { Store } from "./store.ts";

export function fleetSuite(current: () => Store): void {
  const used = async (key: string) => (await current().uses(key))[0]?.versions[1]?.accepted ?? 0;

  describe("boots", () => {
    test("are remembered as last written, and each write moves the revision by one", async () => {
      const store = current();
      const reports = [aReport(), aReport({ boot: "boo_b", apiId: "api_b" })];
      expect(await store.record({ rows: [], reports })).toEqual({ lost: [] });
      expect(await store.boot("boo_a")).toEqual({ rev: 1, value: aBoot() });
      const next = aReport({ coveredTo: AT + 0.5, answersUntil: AT + 0.75, closed: true }, 1);
      expect(await store.record({ rows: [], reports: [next] })).toEqual({ lost: [] });
      expect(await store.boot("boo_a")).toEqual({ rev: 2, value: next.boot });
      expect(await store.boot("boo_none")).toBeUndefined();
      expect(await store.boots("api_b", 9)).toEqual([reports[1]?.boot]);
    });

    test("a report over a row that has changed is lost, with all that it saw; the others are not", async () => {
      const store = current();
      await store.record({ rows: [], reports: [aReport(), aReport({ boot: "boo_b" })] });
      const first = aReport({ reportNumber: 1 }, 1, [aUse({ keyId: "key_1" })]);
      expect(await store.record({ rows: [], reports: [first] })).toEqual({ lost: [] });
      // Heard again by another process, together with one that is in time, and with what that process saw itself.
      const late = aReport({ reportNumber: 1, host: "rep_b" }, 1, [aUse({ keyId: "key_1" })]);
      const other = aReport({ boot: "boo_b", reportNumber: 1 }, 1, [aUse({ keyId: "key_2" })]);
      const answer = await store.record({ rows: [aUse({ keyId: "key_3" })], reports: [other, late] });
      expect(answer).toEqual({ lost: ["boo_a"] });
      expect(await store.boot("boo_a")).toEqual({ rev: 2, value: first.boot });
      expect([await used("key_1"), await used("key_2"), await used("key_3")]).toEqual([1, 1, 1]);
    });

    test("the very same report again is no conflict, and counts once", async () => {
      const store = current();
      const registered = { rows: [], reports: [aReport({}, 0, [aUse({ keyId: "key_1" })])] };
      const reported = { rows: [], reports: [aReport({ reportNumber: 1 }, 1, [aUse({ keyId: "key_2" })])] };
      for (const usage of [registered, registered, reported, reported])
        expect(await store.record(usage)).toEqual({ lost: [] });
      expect([await used("key_1"), await used("key_2"), (await store.boot("boo_a"))?.rev]).toEqual([1, 1, 2]);
      expect(await store.record(registered)).toEqual({ lost: ["boo_a"] });
    });

    test("a registration over one that exists is lost", async () => {
      await current().record({ rows: [], reports: [aReport()] });
      const again = aReport({ instance: "web-2" }, 0, [aUse()]);
      expect(await current().record({ rows: [], reports: [again] })).toEqual({ lost: ["boo_a"] });
      expect((await current().boot("boo_a"))?.value.instance).toBe("web-1");
      expect(await used("key_a")).toBe(0);
    });

    test("are listed with the newest first, as many as asked for", async () => {
      const ids = ["boo_01", "boo_0A", "boo_0a", "boo_02"];
      await current().record({ rows: [], reports: ids.map((boot) => aReport({ boot })) });
      const listed = async (limit: number) => (await current().boots("api_a", limit)).map(({ boot }) => boot);
      expect(await listed(9)).toEqual(["boo_0a", "boo_0A", "boo_02", "boo_01"]);
      expect(await listed(2)).toEqual(["boo_0a", "boo_0A"]);
    });
  });

  describe("the fleet", () => {
    test("is what may still answer, and the latest holes of what may not", async () => {
      const now = AT + 100_000;
      const ended = (boot: string, until: number, more = {}) => aReport({ boot, answersUntil: until, ...more });
      await current().record({
        rows: [],
        reports: [
          ended("boo_live", now + 1),
          ended("boo_over", now - 10),
          ended("boo_said_all", now - 20, { coveredTo: now - 20 }),
          ended("boo_closed", now + 50_000, { closed: true }),
          ended("boo_replaced", now + 50_000, { replacedAt: now - 30 }),
          ended("boo_removed", now + 50_000, { removedAt: now - 40 }),
          ended("boo_removed_after_all", now + 50_000, { removedAt: AT }),
          ended("boo_elsewhere", now + 1, { apiId: "api_b" }),
        ],
      });
      const { live, holes } = await current().fleet("api_a", now);
      expect(live.map(({ rev, value }) => [value.boot, rev])).toEqual([["boo_live", 1]]);
      expect(holes.map(({ boot }) => boot)).toEqual(["boo_over", "boo_replaced", "boo_removed"]);
    });

    test("of many holes the latest twenty are told", async () => {
      const boots = Array.from({ length: 30 }, (_, i) => aReport({ boot: `boo_${i}`, answersUntil: AT + 1_000 + i }));
      await current().record({ rows: [], reports: boots });
      const { holes } = await current().fleet("api_a", AT + 50_000);
      expect(holes.map(({ boot }) => boot)).toEqual(Array.from({ length: 20 }, (_, i) => `boo_${29 - i}`));
    });

    test("a fold is replaced by a higher version alone", async () => {
      const fold = (version: number, applied: number, replica = "rep_a", apiId = "api_a") =>
        current().fold({ replica, apiId, version, applied, adoption: version });
      await fold(2, 20);
      await fold(1, 10);
      await fold(2, 99);
      await fold(1, 5, "rep_b");
      await fold(1, 7, "rep_a", "api_b");
      const folds = async () => {
        const { folds } = await current().fleet("api_a", AT);
        return folds.sort((a, b) => (a.replica < b.replica ? -1 : 1));
      };
      const b = { replica: "rep_b", apiId: "api_a", version: 1, applied: 5, adoption: 1 };
      expect(await folds()).toEqual([{ replica: "rep_a", apiId: "api_a", version: 2, applied: 20, adoption: 2 }, b]);
      await fold(3, 15);
      expect(await folds()).toEqual([{ replica: "rep_a", apiId: "api_a", version: 3, applied: 15, adoption: 3 }, b]);
    });
  });
}
