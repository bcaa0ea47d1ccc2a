import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chainHash, chainStart, verifyChain } from "./audit-chain.ts";
import { schemaSteps } from "./schema.ts";
import { releasedSteps } from "./schema-released.test-support.ts";
import { inspectSqlite, openSqliteStore } from "./sqlite.ts";
import {
  AT,
  aBatch,
  aBoot,
  aConsumer,
  aKey,
  anApi,
  anEntry,
  aRecord,
  aSealed,
  aVersion,
  mustCommit,
} from "./store.test-support.ts";
import { put } from "./store.ts";
import { type Lifted, lifted } from "./tables.ts";

test("a step never changes once it was released", () => {
  const words = (statements: readonly string[]) => statements.map((statement) => statement.replace(/\s+/g, " "));
  for (const [i, { statements }] of releasedSteps.entries())
    expect(words(schemaSteps[i]?.statements ?? [])).toEqual(words(statements));
});

test("each step either leaves what older programs need, or says which is the oldest that still works", () => {
  let worksFrom = 0;
  for (const [i, step] of schemaSteps.entries()) {
    expect(step.worksFrom).toBeGreaterThanOrEqual(worksFrom);
    expect(step.worksFrom).toBeLessThanOrEqual(i + 1);
    ({ worksFrom } = step);
  }
});

describe("a data folder of 0.1", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "keyover-released-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const key = aKey({ rotationId: null });
  const entries = [anEntry("api.created", ["api_a"]), anEntry("key.created", ["key_a", "con_a", "api_a"])];
  const record = { seq: 1, ...aRecord() };
  const LATER = ["rotate_at", "expiry_at", "idle_at", "owner", "plan_id"];
  /** Without what 0.1 did not know of. */
  const { applied: _, host: __, adoption: ___, ...boot } = aBoot({ coveredTo: AT + 5_000 });

  /** As the program of 0.1 filled it. */
  const make = () => {
    const sqlite = new SqliteDatabase(join(folder, "keyover.sqlite"));
    sqlite.exec("create table schema_version (version integer not null)");
    for (const statement of releasedSteps[0]?.statements ?? []) sqlite.exec(statement);
    const insert = (table: string, row: Record<string, Lifted>) => {
      const names = Object.keys(row);
      const places = names.map(() => "?").join(", ");
      sqlite.prepare(`insert into "${table}" (${names.join(", ")}) values (${places})`).run(...Object.values(row));
    };
    insert("schema_version", { version: 1 });
    const entities = { api: anApi(), consumer: aConsumer(), key, version: aVersion(), sealed: aSealed() };
    for (const [table, value] of Object.entries(entities)) {
      const all = (lifted[table as "key"] as (value: unknown) => Record<string, Lifted>)(value);
      const columns = Object.fromEntries(Object.entries(all).filter(([name]) => !LATER.includes(name)));
      insert(table, { id: value.id, rev: 3, body: JSON.stringify(value), ...columns });
    }
    insert("feed_head", { api_id: "api_a", seq: 1 });
    insert("feed_entry", { api_id: "api_a", seq: 1, key_id: "key_a", body: JSON.stringify(record) });
    insert("feed_record", { key_id: "key_a", api_id: "api_a", seq: 1, body: JSON.stringify(record) });
    let hash = "";
    for (const [i, entry] of entries.entries()) {
      const seq = i + 1;
      hash = chainHash(hash, { ...entry, seq });
      const { at, actor, action } = entry;
      insert("audit", { seq, at, actor, action, body: JSON.stringify(entry), hash });
      for (const subject of entry.subjects) insert("audit_subject", { subject, seq });
    }
    const answer = { id: "a", request: "r", status: 201, body: {}, sealedId: null, createdAt: AT };
    insert("idempotency", { id: "a", created_at: AT, body: JSON.stringify(answer) });
    const source = { network: "203.0.113.0/24", client: "bot", instance: "" };
    insert("source_use", { key_id: "key_a", source_id: "s", ...source, last_seen: AT, longest_gap_ms: 7 });
    insert("version_use", {
      key_id: "key_a",
      version: 1,
      source_id: "s",
      first_seen: AT,
      last_seen: AT,
      accepted: 5,
      refused: 1,
    });
    insert("usage_bucket", { key_id: "key_a", version: 1, start: AT, accepted: 5, refused: 1 });
    insert("boot", { boot: boot.boot, api_id: "api_a", answers_until: boot.answersUntil, body: JSON.stringify(boot) });
    sqlite.close();
  };

  test("is opened with everything in it, and goes on", async () => {
    make();
    const store = openSqliteStore(folder, Date.now);
    expect(await store.get("key", "key_a")).toEqual({ rev: 3, value: key });
    expect(await store.get("sealed", "ver_a")).toEqual({ rev: 3, value: aSealed() });
    expect(await store.list("api", { equals: { prefix: "mkt" } }, { limit: 9 })).toHaveLength(1);
    expect(await store.feedAfter("api_a", 0, 9)).toEqual([{ seq: 1, record }]);
    expect(await store.recordOfKey("key_a")).toEqual(record);
    expect((await store.uses("key_a"))[0]).toMatchObject({ longestGapMs: 7, versions: { 1: { accepted: 5 } } });
    expect(await store.idempotency("a")).toMatchObject({ status: 201 });
    const migrated = { ...boot, applied: 0, host: "", adoption: 0 };
    expect(await store.boot("boo_a")).toEqual({ rev: 1, value: migrated });
    expect((await store.fleet("api_a", AT)).live).toEqual([{ rev: 1, value: migrated }]);
    await mustCommit(
      store,
      aBatch([put("key", aKey({ name: "new" }), { rev: 3, value: key })], {
        feed: [{ apiId: "api_a", record: aRecord() }],
      }),
    );
    expect(await store.feedHead("api_a")).toBe(2);
    expect(verifyChain(chainStart, await store.audit(0, 9))).toMatchObject({ seq: 3 });
    await store.close();
  });

  test("is planned for without being touched", () => {
    make();
    const inspection = inspectSqlite(folder, Date.now);
    const plan = inspection.plan();
    expect(plan.found).toEqual({ version: 1, worksFrom: 1 });
    expect(plan.run.map(({ number }) => number)).toEqual(schemaSteps.slice(1).map((_, i) => i + 2));
    expect(plan.wait).toEqual([]);
    expect(inspection.plan()).toEqual(plan);
    expect(inspection.integrity()).toBeUndefined();
    inspection.close();
  });
});
