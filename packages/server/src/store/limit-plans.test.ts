/** What limits cost: a report is a handful of statements, however many limits it speaks of, and each finds its rows by an index. */
import type { Limit } from "@keyover/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AT, aReport, aUse } from "./store.test-support.ts";
import { DAY_MS, type Store } from "./store.ts";
import { openWatchedStore, type WatchedStore } from "./watched-store.test-support.ts";

const quota: Limit = { kind: "quota", name: "q", per: "key", units: 1_000_000, period: "day", zone: "UTC" };

let watched: WatchedStore;
let store: Store;
beforeEach(async () => {
  watched = openWatchedStore(() => AT);
  store = watched.store;
  await store.record({ rows: [], reports: [aReport()] });
});
afterEach(() => store.close());

const charges = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    subject: `key_${i}`,
    limit: quota,
    units: 1,
    from: AT,
    period: AT - (AT % DAY_MS),
  }));
const limits = (count: number) => ({
  apiId: "api_a",
  charges: charges(count),
  now: AT,
  verifiers: 1,
  reportEveryMs: 1_000,
});
let rev = 1;
const statementsFor = async (count: number) => {
  watched.taken();
  await store.record({ rows: [], reports: [{ ...aReport({ reportNumber: rev }, rev), limits: limits(count) }] });
  rev++;
  return watched.taken().filter((query) => /^(insert|select|update|delete)/i.test(query));
};
const scans = (queries: readonly string[]) =>
  [...new Set(queries)]
    .flatMap(watched.planOf)
    .filter(
      (detail) =>
        /\bSCAN\b/.test(detail) &&
        !/CONSTANT ROW|VALUES|\(subquery-\d+\)|SCAN part|SCAN wanted(_plan)?|CO-ROUTINE|SCAN 2-ARRAY/.test(detail),
    );

test("a report of a hundred limits is as many statements as one of one, and none looks through a table", async () => {
  rev = 1;
  const [one, hundred, again] = [await statementsFor(1), await statementsFor(100), await statementsFor(100)];
  // The boot's row, the rows of limits, their boots, the rows again.
  expect(again).toHaveLength(4);
  expect(hundred).toHaveLength(4);
  expect(one.length).toBeLessThanOrEqual(4);
  expect((await statementsFor(2_000)).length).toBeLessThanOrEqual(1 + 4 + 1 + 4);
  expect(scans([...one, ...again])).toEqual([]);
});

test("what is asked of limits, plans and use by time is found by an index", async () => {
  await store.record({ rows: [aUse()], reports: [] });
  watched.taken();
  await store.limitUses("api_a", charges(3));
  await store.planRecords("api_a");
  await store.keysOfPlan("api_a", "pln_a", 9);
  for (const environments of [[], ["live"]])
    await store.plansOfConsumers("api_a", ["con_a", "con_b"], ["pln_a", null], environments);
  await store.days("key_a", 0, AT);
  await store.buckets("key_a", 0, AT, 60_000);
  await store.countLive("api_a", AT);
  await store.prune({ feedKeep: 9, idempotency: 0, buckets: 0, boots: 0, days: 0, limits: 0 });
  const queries = watched.taken().filter((query) => /limit_use|feed_plan|"key"|usage_|from boot/.test(query));
  expect(queries.length).toBeGreaterThanOrEqual(10);
  expect(scans(queries)).toEqual([]);
  const plans = queries.flatMap(watched.planOf);
  for (const index of ["limit_use_by_end", "feed_plan_by_api", "key_by_6", "usage_day_by_age", "boot_by_unknown"])
    expect(
      plans.filter((detail) => detail.includes(index)),
      index,
    ).not.toEqual([]);
  expect(plans.some((detail) => /SEARCH limit_use USING .*\(api_id=\? AND subject=\? AND name=\?\)/.test(detail))).toBe(
    true,
  );
  // Both exact, and neither goes over all keys of the consumer or of the plan.
  expect(
    plans.filter((detail) => /key_by_6 \(api_id=\? AND plan_id=\? AND consumer_id=\?\)/.test(detail)),
  ).toHaveLength(6);
});

test("of thousands of consumers it is asked at once which plans their keys have", async () => {
  const consumers = Array.from({ length: 5_000 }, (_, i) => `con_${i}`);
  const plans = Array.from({ length: 200 }, (_, i) => `pln_${i}`);
  watched.taken();
  expect(await store.plansOfConsumers("api_a", consumers, [...plans, null], ["live", "test"])).toEqual([]);
  expect(watched.taken()).toHaveLength(1);
});
