/** Upgrades with processes of two versions on one database; "today" is this program, "next" one with made-up steps more. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { MigrationMode } from "./migration.ts";
import { type TestDatabase, testDatabase, testWorld } from "./postgres.test-support.ts";
import { postgresAddress } from "./postgres-address.ts";
import { migratePostgres } from "./postgres-migration.ts";
import { SCHEMA_VERSION, type SchemaStep, schemaSteps } from "./schema.ts";
import { aBatch, aKey, aReplica, aReport, aUse, fill, mustCommit } from "./store.test-support.ts";
import { put, SchemaError, type Store } from "./store.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
});
afterEach(() => database.drop());

const worksFromToday = schemaSteps.at(-1)?.worksFrom ?? 0;
const expanding: SchemaStep = {
  does: "gives keys a colour",
  worksFrom: worksFromToday,
  statements: [
    `alter table "key" add column colour text`,
    `create table palette (id text primary key, body text not null)`,
    `create index palette_by_body on palette (body)`,
    `alter table source_use add column shade integer`,
  ],
};
const contracting: SchemaStep = {
  does: "takes the notes of buckets away",
  worksFrom: SCHEMA_VERSION + 1,
  statements: ["drop table usage_bucket"],
};
const next = [...schemaSteps, expanding];
const later = [...schemaSteps, contracting];

const migrate = (mode: MigrationMode, steps?: readonly SchemaStep[]) =>
  migratePostgres(postgresAddress(database.url), testWorld, { mode, steps, waitMs: 5_000 });
const tables = async () =>
  (await database.sql("select relname from pg_class where relnamespace = current_schema()::regnamespace")).length;
const numbers = (steps: readonly { number: number }[]) => steps.map(({ number }) => number);

describe("the schema", () => {
  test("is made once, however many processes start together", async () => {
    const stores = await Promise.all(Array.from({ length: 6 }, () => database.open()));
    expect(await database.sql("select version, works_from from schema_version")).toEqual([
      { version: SCHEMA_VERSION, works_from: worksFromToday },
    ]);
    for (const [i, store] of stores.entries()) await mustCommit(store, aBatch([put("key", aKey({ id: `key_${i}` }))]));
  });

  test("is planned without a trace", async () => {
    const plan = await migrate("plan");
    expect([plan.found.version, numbers(plan.run), plan.wait]).toEqual([0, schemaSteps.map((_, i) => i + 1), []]);
    expect(await tables()).toBe(0);
  });

  test("that is made half is not made", async () => {
    const broken = [...schemaSteps, { ...expanding, statements: ["create table half (id integer)", "this is no SQL"] }];
    await expect(migrate("expand", broken)).rejects.toThrow(/syntax error/);
    expect(await tables()).toBe(0);
    await database.open();
    await expect(migrate("expand", broken)).rejects.toThrow(/syntax error/);
    expect((await migrate("plan")).found.version).toBe(SCHEMA_VERSION);
  });

  test("of a newer program is refused, and untouched", async () => {
    await database.open();
    await database.sql("insert into schema_version (version, works_from) values (99, 98)");
    await expect(database.open()).rejects.toThrow(SchemaError);
    await expect(database.open()).rejects.toThrow(
      /schema 99, for programs that know at least schema 98.*Start the newer program/s,
    );
  });

  test("another program's database is refused, and gets no table of ours", async () => {
    await database.sql("create table invoices (id integer)");
    await expect(database.open()).rejects.toThrow(SchemaError);
    await expect(database.open()).rejects.toThrow(
      /belongs to another program; give this one a database or schema of its own/,
    );
    expect(await tables()).toBe(1);
  });
});

describe("a version that adds", () => {
  test("comes while the one before works, and both go on together", async () => {
    const today = await database.open();
    await fill(today, 20);
    await today.record({ rows: [], reports: [aReport()] });
    let stop = false;
    let done = 0;
    const work = async (store: Store, lane: number) => {
      for (let turn = 0; !stop; turn++) {
        const id = `key_${String((turn * 3 + lane) % 20).padStart(4, "0")}`;
        const held = await store.get("key", id);
        if (held === undefined) throw new Error(id);
        await store.commit(aBatch([put("key", { ...held.value, name: `${lane} ${turn}` }, held)]));
        await store.record({ rows: [aUse({ keyId: id, sourceId: `n${lane}|bot|` })], reports: [] });
        await store.uses(id);
        await store.fleet("api_a", Date.now());
        await store.share(aReplica(`rep_${lane}`), 60_000);
        done++;
      }
    };
    const lanes = [0, 1, 2].map((lane) => work(today, lane));
    const more = async (count: number) => {
      for (const from = done; done < from + count; ) await new Promise((resolve) => setImmediate(resolve));
    };
    await more(20);
    const [newcomer] = await Promise.all([database.open({ steps: next }), database.open({ steps: next })]);
    lanes.push(work(newcomer, 3));
    await more(60);
    // Today's program may be started again, beside the next one.
    lanes.push(work(await database.open(), 4));
    await more(40);
    stop = true;
    await Promise.all(lanes);
    expect(
      await database.sql("select max(version) as version, max(works_from) as works_from from schema_version"),
    ).toEqual([{ version: SCHEMA_VERSION + 1, works_from: worksFromToday }]);
  });

  test("writes members that today's program does not know, and keeps when it changes others", async () => {
    const newcomer = await database.open({ steps: next });
    const today = await database.open();
    const coloured = { ...aKey(), colour: "red" };
    await mustCommit(newcomer, aBatch([put("key", coloured)]));
    const held = await today.get("key", "key_a");
    if (held === undefined) throw new Error("lost");
    await mustCommit(today, aBatch([put("key", { ...held.value, status: "suspended" }, held)]));
    expect((await newcomer.get("key", "key_a"))?.value).toEqual({ ...coloured, status: "suspended" });
  });
});

describe("a version that takes away", () => {
  test("waits until the one before has left; then that one can't come back", async () => {
    const today = await database.open();
    await today.share(aReplica("rep_today", { software: "keyover/today" }), 60_000);
    const newcomer = await database.open({ steps: later });
    await newcomer.share(aReplica("rep_next", { schema: SCHEMA_VERSION + 1 }), 60_000);

    const waiting = await migrate("contract", later);
    expect([waiting.run, numbers(waiting.wait), waiting.waitFor]).toEqual([
      [],
      [SCHEMA_VERSION + 1],
      ["keyover/today (rep_today)"],
    ]);
    expect((await migrate("plan", later)).waitFor).toEqual(["keyover/today (rep_today)"]);
    expect(await today.buckets("key_a", 0, 1)).toEqual([]);

    await today.leave("rep_today");
    expect(numbers((await migrate("contract", later)).run)).toEqual([SCHEMA_VERSION + 1]);
    await expect(today.buckets("key_a", 0, 1)).rejects.toThrow(/usage_bucket/);
    const sentence = new RegExp(
      `at least schema ${SCHEMA_VERSION + 1}; this program knows up to ${SCHEMA_VERSION}. Start the newer program`,
    );
    await expect(database.open()).rejects.toThrow(SchemaError);
    await expect(database.open()).rejects.toThrow(sentence);
    await expect(today.share(aReplica("rep_today"), 60_000)).rejects.toThrow(sentence);
    expect(
      (await newcomer.share(aReplica("rep_next", { schema: SCHEMA_VERSION + 1 }), 60_000)).replicas.map(({ id }) => id),
    ).toEqual(["rep_next"]);
  });

  test("keeps the one before from joining while it is at work", async () => {
    const today = await database.open();
    const slow = [...schemaSteps, { ...contracting, statements: ["select pg_sleep(0.3)"] }];
    const migration = migrate("contract", slow);
    const asleep = "select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'";
    while ((await database.sql(asleep)).length === 0) await new Promise((resolve) => setImmediate(resolve));
    await expect(today.share(aReplica("rep_today"), 60_000)).rejects.toThrow(SchemaError);
    expect(numbers((await migration).run)).toEqual([SCHEMA_VERSION + 1]);
  });

  test("holds back what comes behind it, and a program that needs that does not start", async () => {
    await database.open();
    const behind = { ...expanding, worksFrom: contracting.worksFrom };
    const steps = [...schemaSteps, contracting, behind];
    await expect(database.open({ steps })).rejects.toThrow(
      /gives keys a colour\) can't be made before .* run: keyover migrate/,
    );
    expect(numbers((await migrate("contract", steps)).run)).toEqual([SCHEMA_VERSION + 1, SCHEMA_VERSION + 2]);
    await database.open({ steps });
  });
});
