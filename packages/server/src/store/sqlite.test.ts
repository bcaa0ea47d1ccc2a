import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chainStart, verifyChain } from "./audit-chain.ts";
import { schemaSteps } from "./schema.ts";
import { FolderInUseError, openSqliteStore } from "./sqlite.ts";
import { storeSuite } from "./store.test-suite.ts";
import { aBatch, aConsumer, aRecord, aReport, aUse, fill, mustCommit } from "./store.test-support.ts";
import { put, SchemaError, StorageFullError, type Store } from "./store.ts";
import { liftedColumns } from "./tables.ts";

/** Overwrites 60 bytes from `offset`. */
function damage(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes.fill(0xaa, offset, offset + 60);
  writeFileSync(path, bytes);
}

let folder: string;
let open: Store[];
const openHere = (tune?: Parameters<typeof openSqliteStore>[2]) => {
  const store = openSqliteStore(folder, Date.now, tune);
  open.push(store);
  return store;
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "keyover-store-"));
  open = [];
});
afterEach(async () => {
  for (const store of open) await store.close();
  rmSync(folder, { recursive: true });
});

storeSuite("the store in an SQLite file", async () => openSqliteStore(mkdtempSync(join(folder, "suite-")), Date.now));

describe("the SQLite file", () => {
  test("keeps everything over a reopening", async () => {
    const first = openSqliteStore(folder, Date.now);
    await fill(first, 4);
    const answer = { id: "a", request: "r", status: 201, body: {}, sealedId: null, createdAt: 1 };
    await mustCommit(first, aBatch([], { idempotency: answer }));
    await first.record({ rows: [aUse()], reports: [aReport()] });
    const look = async (store: Store) => ({
      keys: await store.list("key", {}, { limit: 9 }),
      feed: await store.feedAfter("api_a", 0, 9),
      audit: await store.audit(0, 99),
      answer: await store.idempotency("a"),
      uses: await store.uses("key_a"),
      boots: await store.boots("api_a", 9),
    });
    const before = await look(first);
    await first.close();
    const second = openHere();
    expect(await look(second)).toEqual(before);
    await mustCommit(second, aBatch([], { feed: [{ apiId: "api_a", record: aRecord() }] }));
    expect(await second.feedHead("api_a")).toBe(5);
    expect(verifyChain(chainStart, await second.audit(0, 99))).toMatchObject({ seq: 7 });
  });

  test("a full disk refuses with StorageFullError, loses nothing, and all goes on once there is room", async () => {
    let makeRoom: (() => void) | undefined;
    const store = openHere((sqlite) => {
      const pages = Number(sqlite.pragma("page_count", { simple: true }));
      sqlite.pragma(`max_page_count = ${pages + 12}`);
      makeRoom = () => void sqlite.pragma("max_page_count = 1000000");
    });
    let taken = 0;
    let refusal: unknown;
    for (; refusal === undefined; taken++) {
      const consumer = aConsumer({ id: `con_${taken}`, name: `n${taken}`, notes: "x".repeat(1_500) });
      const feed = [{ apiId: "api_a", record: aRecord(`key_${taken}`) }];
      refusal = await store.commit(aBatch([put("consumer", consumer)], { feed })).then(
        () => undefined,
        (error) => error,
      );
    }
    expect(refusal).toBeInstanceOf(StorageFullError);
    const usage = Array.from({ length: 200 }, (_, i) => aUse({ keyId: `key_${i}`, sourceId: "x".repeat(400) }));
    await expect(store.record({ rows: usage, reports: [] })).rejects.toBeInstanceOf(StorageFullError);
    const whole = taken - 1;
    expect(await store.count("consumer", {})).toBe(whole);
    expect(await store.feedHead("api_a")).toBe(whole);
    expect(verifyChain(chainStart, await store.audit(0, 999))).toMatchObject({ seq: whole });
    makeRoom?.();
    await mustCommit(store, aBatch([], { feed: [{ apiId: "api_a", record: aRecord() }] }));
    await store.record({ rows: usage, reports: [] });
    expect(await store.feedHead("api_a")).toBe(whole + 1);
  });

  test("a database of a newer program is refused, and untouched", async () => {
    await openSqliteStore(folder, Date.now).close();
    const sqlite = new SqliteDatabase(join(folder, "keyover.sqlite"));
    sqlite.prepare("insert into schema_version (version, works_from) values (99, 98)").run();
    sqlite.close();
    expect(() => openSqliteStore(folder, Date.now)).toThrow(SchemaError);
    expect(() => openSqliteStore(folder, Date.now)).toThrow(
      /schema 99, for programs that know at least schema 98.*Start the newer program/s,
    );
  });

  test.each([
    [
      "is no database at all",
      (path: string) => writeFileSync(path, "not a database, but long enough to look at ".repeat(100)),
    ],
    ["has a damaged head", (path: string) => damage(path, 0)],
    ["has a damaged schema", (path: string) => damage(path, 100)],
    ["is cut off", (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 700))],
  ])("a file that %s is refused in words", async (_how, spoil) => {
    const store = openSqliteStore(folder, Date.now);
    await fill(store, 3);
    await store.close();
    spoil(join(folder, "keyover.sqlite"));
    expect(() => openSqliteStore(folder, Date.now)).toThrow(SchemaError);
    expect(() => openSqliteStore(folder, Date.now)).toThrow(/keyover\.sqlite.*backup/s);
  });

  test("another program's database is refused, and gets no table of ours", () => {
    const path = join(folder, "keyover.sqlite");
    const foreign = new SqliteDatabase(path);
    foreign.exec("create table invoices (id integer); create table schema_version (installed text)");
    foreign.close();
    expect(() => openSqliteStore(folder, Date.now)).toThrow(SchemaError);
    const again = new SqliteDatabase(path);
    const tables = again.prepare("select name from sqlite_master where type = 'table'").pluck().all();
    again.close();
    expect(tables).toEqual(["invoices", "schema_version"]);
  });

  test("a start that was refused lets go of the folder", async () => {
    writeFileSync(join(folder, "keyover.sqlite"), "x".repeat(5_000));
    expect(() => openSqliteStore(folder, Date.now)).toThrow(SchemaError);
    rmSync(join(folder, "keyover.sqlite"));
    openHere();
  });
});

describe("one process per folder", () => {
  const holder = async () => {
    const script = `
      import { openSqliteStore } from ${JSON.stringify(new URL("./sqlite.ts", import.meta.url).href)};
      try { globalThis.store = openSqliteStore(process.argv[1], Date.now); console.log("open"); } catch (error) { console.log(error.name, error.message); }
      process.stdin.on("end", () => process.exit(0)).resume();`;
    const child = spawn(
      process.execPath,
      ["--conditions=keyover-source", "--input-type=module", "-e", script, folder],
      {
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    const [said] = await once(child.stdout, "data");
    return { child, said: String(said).trim() };
  };
  const ended = async ({ child }: Awaited<ReturnType<typeof holder>>, signal: NodeJS.Signals) => {
    const exit = once(child, "exit");
    child.kill(signal);
    await exit;
  };

  test("a second process is refused, and told what to do", async () => {
    const first = await holder();
    expect(first.said).toBe("open");
    expect(() => openSqliteStore(folder, Date.now)).toThrow(FolderInUseError);
    const second = await holder();
    expect(second.said).toMatch(/^FolderInUseError another process is using .*stop it first/);
    await ended(second, "SIGKILL");
    await ended(first, "SIGKILL");
  });

  test("after kill -9 the folder is free, and what was acknowledged is there", async () => {
    const store = openSqliteStore(folder, Date.now);
    await fill(store, 3);
    await store.close();
    await ended(await holder(), "SIGKILL");
    const after = openHere();
    expect(await after.count("key", {})).toBe(3);
  });

  test("a second store in the same process is refused as well", () => {
    openHere();
    expect(() => openSqliteStore(folder, Date.now)).toThrow(FolderInUseError);
  });

  test("a copy of the files made after a clean end opens elsewhere", async () => {
    const store = openSqliteStore(folder, Date.now);
    await fill(store, 3);
    await store.close();
    const copy = mkdtempSync(join(folder, "copy-"));
    for (const name of readdirSync(folder)) {
      if (name.startsWith("keyover.")) copyFileSync(join(folder, name), join(copy, name));
    }
    const opened = openSqliteStore(copy, Date.now);
    expect(await opened.count("key", {})).toBe(3);
    await opened.close();
  });
});

test("the schema has just the columns that are lifted out of entities", () => {
  const sqlite = new SqliteDatabase(":memory:");
  sqlite.exec("create table schema_version (version integer not null)");
  for (const { statements } of schemaSteps) for (const statement of statements) sqlite.exec(statement);
  for (const [table, columns] of Object.entries(liftedColumns)) {
    const found = sqlite.pragma(`table_info("${table}")`) as { name: string }[];
    expect(found.map(({ name }) => name).sort()).toEqual(["id", "rev", "body", ...columns].sort());
  }
  sqlite.close();
});
