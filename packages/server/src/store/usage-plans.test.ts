/** What evidence costs depends on the key alone: every statement searches by key, and what is kept of a source is bounded. */
import { GAP_FLOOR_MS, usualGap } from "@keyover/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AT, aUse } from "./store.test-support.ts";
import type { Store } from "./store.ts";
import { openWatchedStore, type WatchedStore } from "./watched-store.test-support.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let watched: WatchedStore;
let store: Store;
beforeEach(() => {
  watched = openWatchedStore(() => AT);
  store = watched.store;
});
afterEach(() => store.close());

const see = (at: number, change: object = {}) =>
  store.record({ rows: [aUse({ first: at, last: at, ...change })], reports: [] });

function plans(): string[] {
  const queries = watched.taken().filter((query) => /\b(source_use|source_gap|version_use|usage_bucket)\b/.test(query));
  return [...new Set(queries)].flatMap(watched.planOf);
}

test("reading the uses of a key, and writing one that ends a silence, search by key", async () => {
  await see(AT);
  watched.taken();
  await see(AT + 40 * DAY, { longestGapMs: HOUR, first: AT + 39 * DAY });
  await store.uses("key_a");
  await store.lastUses(["key_a", "key_b"]);
  await store.buckets("key_a", AT, AT + DAY);
  const all = plans();
  const scans = all.filter(
    (detail) =>
      /\bSCAN\b/.test(detail) && !/SCAN (gap|around|CONSTANT ROW|\(subquery-\d+\)|\d+ CONSTANT ROWS?)$/.test(detail),
  );
  expect(scans).toEqual([]);
  expect(all.filter((detail) => /SEARCH source_gap USING .*\(key_id=\?/.test(detail)).length).toBeGreaterThanOrEqual(2);
});

test("a source that is seen all the time writes nothing of silences", async () => {
  await see(AT);
  watched.taken();
  for (let second = 1; second <= 100; second++) await see(AT + second * 1_000);
  expect(watched.taken().filter((query) => query.includes("source_gap"))).toEqual([]);
  await see(AT + 100_000 + GAP_FLOOR_MS);
  expect(watched.taken().some((query) => query.includes("source_gap"))).toBe(true);
});

test("a year of minutes, with nights and weekends, is a handful of rows", async () => {
  const minutes: number[] = [];
  for (let at = 0; at < 365 * DAY; at += 10 * 60_000) {
    const open = (at / DAY) % 7 < 5 && (at / HOUR) % 24 >= 9 && (at / HOUR) % 24 < 17;
    if (open) minutes.push(AT + at);
  }
  for (let i = 0; i < minutes.length; i += 1_000) {
    const rows = minutes.slice(i, i + 1_000).map((at) => aUse({ first: at, last: at }));
    await store.record({ rows, reports: [] });
  }
  const [use] = await store.uses("key_a");
  expect(usualGap(use as never)).toMatchObject({ lengthMs: 64 * HOUR + 10 * 60_000, rank: 2 });
  const [kept] = watched.sql("select count(*) as n from source_gap");
  expect(kept?.n).toBeLessThanOrEqual(3 * 7);
});

test("after a program that tallies no silences has written, its longest counts as if it could come again", async () => {
  for (let day = 0; day <= 300; day++) await see(AT + day * DAY);
  const usual = async () => usualGap((await store.uses("key_a"))[0] as never).lengthMs;
  expect(await usual()).toBe(DAY);
  // As schema 5's program wrote it.
  const older = (at: number, gap: number) =>
    watched.sql(
      `insert into source_use (key_id, source_id, network, client, instance, last_seen, longest_gap_ms) values (?, ?, 'n', 'c', '', ?, 0)
        on conflict (key_id, source_id) do update set longest_gap_ms = max(longest_gap_ms, ?), last_seen = excluded.last_seen`,
      "key_a",
      aUse().sourceId,
      at,
      gap,
    );
  older(AT + 330 * DAY, 30 * DAY);
  expect(await usual()).toBe(30 * DAY);
  await see(AT + 331 * DAY);
  expect(await usual()).toBe(30 * DAY);
  expect((await store.uses("key_a"))[0]).toMatchObject({ gapsSince: AT + 330 * DAY });
  for (let day = 332; day <= 330 + 151; day++) await see(AT + day * DAY);
  expect(await usual()).toBe(DAY);
});

test("so does what was there before silences were tallied", async () => {
  await see(AT);
  await see(AT + 9 * DAY);
  watched.sql("delete from source_gap");
  watched.sql("update source_use set gaps_since = null, gaps_to = null");
  expect((await store.uses("key_a"))[0]).toMatchObject({ gapsSince: AT + 9 * DAY, gaps: [], longestGapMs: 9 * DAY });
  await see(AT + 10 * DAY);
  const [use] = await store.uses("key_a");
  expect(use).toMatchObject({ gapsSince: AT + 9 * DAY, gaps: [{ count: 1, longestMs: DAY }] });
  expect(usualGap(use as never).lengthMs).toBe(9 * DAY);
});
