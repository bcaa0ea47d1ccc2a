/** Counts for the metrics, where there are more keys than may be gone through in one go. */
import type { Clock } from "@keyover/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type GaugeDeps, gaugesOf } from "./gauges.ts";
import { openMemoryStore } from "./store/sqlite.ts";
import { aBatch, aKey, mustCommit } from "./store/store.test-support.ts";
import { put, type Store } from "./store/store.ts";

type Sqlite = Parameters<NonNullable<Parameters<typeof openMemoryStore>[0]["tune"]>>[0];

/** Three parts, the last one short. */
const KEYS = 25_000;
const SUSPENDED = 7;

let sqlite: Sqlite;
let store: Store;
let asked: string[];
let elapsed = 0;
let turns = 0;
const clock: Clock = {
  now: () => 0,
  elapsed: () => elapsed,
  after(_delayMs, run) {
    turns += 1;
    setImmediate(run);
    return () => {};
  },
};

beforeEach(() => {
  asked = [];
  turns = 0;
  const plain = openMemoryStore({
    now: () => 0,
    tune(opened) {
      sqlite = opened;
    },
  });
  store = {
    ...plain,
    async countSome(table, column, value, after) {
      asked.push(`${table} ${value}`);
      return plain.countSome(table, column, value, after);
    },
  };
});
afterEach(() => store.close());

/** Rows of one key, copied: every hundredth row is gone, as after a removal. */
async function fill(): Promise<void> {
  await mustCommit(store, aBatch([put("key", aKey({ id: "key_0" }))]));
  const columns = (sqlite.pragma("table_info(key)") as { name: string }[]).map(({ name }) => name);
  const given = columns.map((name) =>
    name === "id" ? "'key_' || n" : name === "status" ? `iif(n <= ${SUSPENDED}, 'suspended', 'active')` : name,
  );
  sqlite.exec(`insert into key (${columns.join(", ")}) with recursive numbers(n) as (select 1 union all select n + 1 from numbers
    where n < ${KEYS}) select ${given.join(", ")} from key, numbers where key.id = 'key_0'`);
  sqlite.exec("delete from key where rowid % 100 = 50");
}

const gauges = () => gaugesOf({ store, clock } as unknown as GaugeDeps);

test("all are counted, a part at a time, and other work comes between", async () => {
  await fill();
  const { n } = sqlite.prepare("select count(*) as n from key where status = 'active'").get() as { n: number };
  expect(await gauges().keys()).toEqual({ active: n, suspended: SUSPENDED, revoked: 0 });
  expect(asked).toEqual(["key active", "key suspended", "key revoked", "key active", "key active"]);
  expect(turns).toBe(2);
});

test("a count stands for ten seconds, and whoever asks while it is made gets the same", async () => {
  const measured = gauges();
  const keys = () => measured.keys();
  await mustCommit(store, aBatch([put("key", aKey({ id: "key_0" }))]));
  expect(await Promise.all([keys(), keys()])).toEqual([
    { active: 1, suspended: 0, revoked: 0 },
    { active: 1, suspended: 0, revoked: 0 },
  ]);
  expect(asked).toHaveLength(3);
  await mustCommit(store, aBatch([put("key", aKey({ id: "key_1" }))]));
  elapsed += 9_999;
  expect(await keys()).toMatchObject({ active: 1 });
  elapsed += 1;
  expect(await keys()).toMatchObject({ active: 2 });
});

test("a count that failed is made anew", async () => {
  const whole = store;
  let away = true;
  store = {
    ...whole,
    countSome: async (...given) => (away ? Promise.reject(new Error("away")) : whole.countSome(...given)),
  };
  const measured = gauges();
  await expect(measured.keys()).rejects.toThrow("away");
  away = false;
  expect(await measured.keys()).toEqual({ active: 0, suspended: 0, revoked: 0 });
});

test("a part is counted by a search in an index, whatever lies behind it", async () => {
  await fill();
  const plan = sqlite
    .prepare(
      "explain query plan select count(*) as n, max(place) as last from (select rowid as place from key where status = ? and rowid > ? order by rowid limit 10000)",
    )
    .all("active", 0) as { detail: string }[];
  const details = plan.map(({ detail }) => detail);
  expect(details).toContainEqual(
    expect.stringContaining("SEARCH key USING COVERING INDEX key_by_5 (status=? AND rowid>?)"),
  );
  expect(details.join()).not.toContain("TEMP B-TREE");
  await expect(store.countSome("key", "body", "x", 0)).rejects.toThrow("no lifted column");
});
