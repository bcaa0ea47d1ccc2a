/** What is due is found by an index, however many keys there are: the plans of both databases for the queries that the stores really ask. */
import { afterEach, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "./postgres.test-support.ts";
import { AT, aBatch, aKey, mustCommit } from "./store.test-support.ts";
import { type DueDate, put, type Store } from "./store.ts";
import { openWatchedStore } from "./watched-store.test-support.ts";

const KEYS = 5_000;
const PAGE = 500;

let database: TestDatabase | undefined;
afterEach(() => database?.drop());

const dates = (at: number) => ({ rotateAt: at, expiryAt: at, idleAt: at });

async function fill(store: Store): Promise<void> {
  for (let i = 0; i < KEYS; i += PAGE) {
    const page = Array.from({ length: PAGE }, (_, n) => String(i + n).padStart(6, "0"));
    await mustCommit(store, aBatch(page.map((n) => put("key", aKey({ id: `key_${n}`, ...dates(AT + Number(n)) })))));
  }
}

const looks: [name: string, column: DueDate, held: string[], index: string][] = [
  ["rotations that are to be started", "rotate_at", [], "key_by_2"],
  ["the same, with an api that is held", "rotate_at", ["api_held"], "key_by_2"],
  ["expiries that are to be looked at", "expiry_at", [], "key_by_3"],
  ["keys whose use is to be looked at", "idle_at", [], "key_by_4"],
  ["the same, with an api that is held", "idle_at", ["api_held"], "key_by_4"],
];

test.each(looks)("SQLite finds %s by searching an index, in its order", async (_name, column, held, index) => {
  const { store, taken, planOf } = openWatchedStore(() => AT);
  await fill(store);
  const found = await store.dueKeys(column, AT + 10, held, 5);
  expect(found.map(({ value }) => value.id)).toEqual([
    "key_000000",
    "key_000001",
    "key_000002",
    "key_000003",
    "key_000004",
  ]);
  const plan = planOf(taken().at(-1) ?? "");
  expect(plan).toEqual([expect.stringContaining(`SEARCH key USING INDEX ${index} (${column}>? AND ${column}<?)`)]);
  await store.close();
});

test.each(looks)("PostgreSQL finds %s by an index scan, in its order", async (_name, column, held, index) => {
  database = await testDatabase();
  const store = await database.open();
  await fill(store);
  await database.sql("analyze key");
  const rotating = column === "expiry_at" ? "" : "and rotation_id is null";
  const except = held.length === 0 ? "" : "and api_id not in ('api_held')";
  const rows = await database.sql(
    `explain select rev, body from "key" where ${column} <= ${AT + 10} and ${column} is not null ${rotating} ${except} order by ${column} limit 5`,
  );
  const plan = rows.map((row) => String(row["QUERY PLAN"])).join("\n");
  expect(plan).toContain(`Index Scan using ${index} on key`);
  expect(plan).not.toMatch(/Seq Scan|Sort/);
  await store.close();
});
