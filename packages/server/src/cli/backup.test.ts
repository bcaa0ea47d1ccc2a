/** `keyover backup` and `keyover restore`: a copy under load, files that are not whole, folders that are not empty. */
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { testDatabase } from "../store/postgres.test-support.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { aBatch, aConsumer, fill, mustCommit } from "../store/store.test-support.ts";
import { put, type Store } from "../store/store.ts";
import { sealBackup } from "./backup-file.ts";
import { type Ran, runProgram } from "./cli.test-world.ts";

let folder: string;
let data: string;
let backup: string;
let store: Store | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "keyover-backup-"));
  data = join(folder, "data");
  backup = join(folder, "a.backup");
  mkdirSync(data, { mode: 0o700 });
  store = openSqliteStore(data, Date.now);
  await fill(store, 5);
});
afterEach(async () => {
  await close();
  rmSync(folder, { recursive: true, force: true });
});

async function close(): Promise<void> {
  await store?.close();
  store = undefined;
}

const run = (args: string[], env: Record<string, string> = {}): Promise<Ran> => runProgram(args, { env });
const take = (to = backup) => run(["backup", "--data", data, "--to", to]);
const bringBack = (from: string, to: string, ...more: string[]) =>
  run(["restore", "--from", from, "--data", to, ...more]);
const into = (name: string) => join(folder, name);

async function refused(ran: Promise<Ran>, code: number, sentence: RegExp): Promise<void> {
  const { code: found, out, err } = await ran;
  expect(err).toMatch(sentence);
  expect(err.trim().split("\n")).toHaveLength(1);
  expect({ code: found, out }).toEqual({ code, out: "" });
}

async function opened<T>(where: string, look: (store: Store) => Promise<T>): Promise<T> {
  const there = openSqliteStore(where, Date.now);
  try {
    return await look(there);
  } finally {
    await there.close();
  }
}

describe("a backup", () => {
  test("of a running server's folder holds what was committed, is one private file, and leaves the folder as it was", async () => {
    const before = readdirSync(data).sort();
    const { code, out } = await take();
    expect(code).toBe(0);
    expect(out).toMatch(
      /a\.backup: \d.* as of .* in \d+ms\.\nAudit log: \d+ entries, last hash \S{43}\nThe master key .* is not in it/,
    );
    expect(statSync(backup).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(["a.backup", "data"]);
    expect(readdirSync(data).sort()).toEqual(before);
    expect((await bringBack(backup, into("back"))).code).toBe(0);
    const [keys, entries] = [await store?.count("key", {}), await store?.audit(0, 1_000)];
    const back = await opened(
      into("back"),
      async (there) => [await there.count("key", {}), await there.audit(0, 1_000)] as const,
    );
    expect(back[0]).toBe(keys);
    expect(back[1].slice(0, -1)).toEqual(entries);
    expect(back[1].at(-1)).toMatchObject({ action: "database.restored", actor: "system", subjects: ["api_a"] });
  });

  test("taken while somebody writes all the time ends, and is of one moment", async () => {
    let writing = true;
    let n = 0;
    const writer = (async () => {
      while (writing) {
        await mustCommit(store as Store, aBatch([put("consumer", aConsumer({ id: `con_${++n}`, name: `c${n}` }))]));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let i = 0; i < 5; i++) {
      const to = into(`${i}.backup`);
      const least = n;
      expect((await take(to)).code).toBe(0);
      expect((await bringBack(to, into(`back-${i}`))).code).toBe(0);
      const [consumers, entries] = await opened(into(`back-${i}`), async (there) => [
        await there.count("consumer", {}),
        (await there.audit(0, 100_000)).length,
      ]);
      const [before] = [await store?.audit(0, 100_000)];
      expect(consumers).toBeGreaterThanOrEqual(least);
      // One entry for each of them, beside those from before and that of the restore.
      const others = (before ?? []).length - n;
      expect(Math.abs((entries as number) - (consumers as number) - others - 1)).toBeLessThanOrEqual(1);
    }
    writing = false;
    await writer;
    expect(n).toBeGreaterThan(20);
  }, 30_000);

  test("of a folder whose server was killed holds what its log holds", async () => {
    const killed = into("killed");
    mkdirSync(killed, { mode: 0o700 });
    for (const name of readdirSync(data))
      if (name.startsWith("keyover.sqlite")) copyFileSync(join(data, name), join(killed, name));
    expect(statSync(join(killed, "keyover.sqlite-wal")).size).toBeGreaterThan(0);
    expect((await run(["backup", "--data", killed, "--to", backup])).code).toBe(0);
    expect((await bringBack(backup, into("back"))).code).toBe(0);
    expect(await opened(into("back"), (there) => there.count("key", {}))).toBe(5);
  });

  test("never takes the place of a file, and says so as JSON too", async () => {
    writeFileSync(backup, "mine");
    await refused(take(), 2, /a\.backup exists already and is not overwritten/);
    expect(readFileSync(backup, "utf8")).toBe("mine");
    const { out } = await run(["backup", "--data", data, "--to", into("b.backup"), "--json"]);
    expect(JSON.parse(out)).toMatchObject({
      file: into("b.backup"),
      bytes: statSync(into("b.backup")).size,
      audit: { seq: 6 },
    });
  });

  test("needs a database in the folder, and of PostgreSQL is not ours to take", async () => {
    await refused(run(["backup", "--data", into("none"), "--to", backup]), 4, /there is no database in/);
    const url = "postgres://keyover@db.example.com/keyover";
    await refused(run(["backup", "--to", backup], { DATABASE_URL: url }), 2, /pg_dump.*keyover restore --mark/);
    await refused(
      run(["restore", "--from", backup], { DATABASE_URL: url }),
      2,
      /PostgreSQL's own tools.*keyover restore --mark/,
    );
    expect(existsSync(backup)).toBe(false);
  });
});

describe("a restore", () => {
  beforeEach(async () => {
    await take();
    await close();
  });
  const nothingDone = () => expect(existsSync(into("back"))).toBe(false);

  test("refuses a backup that was cut off, at any place", async () => {
    const { size } = statSync(backup);
    for (const length of [0, 15, 4_096, size >> 1, size - 40, size - 1]) {
      copyFileSync(backup, into("torn"));
      truncateSync(into("torn"), length);
      await refused(bringBack(into("torn"), into("back")), 1, /is cut off|no backup of Keyover's|was damaged/);
      nothingDone();
    }
  });

  test("refuses a backup that is not there, or is a folder", async () => {
    await refused(bringBack(into("none"), into("back")), 2, /the backup .*none can't be read: there is no such file/);
    await refused(bringBack(folder, into("back")), 2, /can't be read: it is a folder. Nothing was done/);
    nothingDone();
  });

  test("refuses a backup in which any byte was changed, or that something was put behind", async () => {
    const whole = readFileSync(backup);
    for (let at = 3; at < whole.length; at += Math.ceil(whole.length / 25)) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ 1;
      writeFileSync(into("flipped"), bytes);
      await refused(bringBack(into("flipped"), into("back")), 1, /was damaged or altered/);
    }
    for (let at = whole.length - 64; at < whole.length; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ 1;
      writeFileSync(into("flipped"), bytes);
      await refused(bringBack(into("flipped"), into("back")), 1, /damaged or altered|is cut off|of format/);
    }
    copyFileSync(backup, into("longer"));
    appendFileSync(into("longer"), "x");
    await refused(bringBack(into("longer"), into("back")), 1, /is cut off/);
    nothingDone();
  });

  test("refuses what is no backup: another file, a bare database, another program's, a newer one", async () => {
    writeFileSync(into("text"), "x".repeat(10_000));
    await refused(bringBack(into("text"), into("back")), 1, /is no backup of Keyover's/);
    await refused(bringBack(join(data, "keyover.sqlite"), into("back")), 1, /was not made by keyover backup/);

    const seal = (path: string) =>
      sealBackup(path, { takenAt: 0, software: "other", schema: 1, audit: { seq: 0, hash: "" } });
    const foreign = new SqliteDatabase(into("foreign"));
    foreign.exec("create table invoices (id integer)");
    foreign.close();
    await seal(into("foreign"));
    await refused(bringBack(into("foreign"), into("back")), 4, /belongs to another program/);

    copyFileSync(join(data, "keyover.sqlite"), into("shorter"));
    await seal(into("shorter"));
    await refused(bringBack(into("shorter"), into("back")), 1, /audit log in .* ends elsewhere/);

    const bytes = readFileSync(join(data, "keyover.sqlite"));
    bytes.fill(0xff, 3 * 4_096, 20 * 4_096);
    writeFileSync(into("rotten"), bytes);
    await seal(into("rotten"));
    await refused(bringBack(into("rotten"), into("back")), 1, /the database in .* is damaged/);

    copyFileSync(join(data, "keyover.sqlite"), into("newer"));
    const newer = new SqliteDatabase(into("newer"));
    newer.exec("insert into schema_version (version, works_from) values (9000, 9000)");
    newer.close();
    await seal(into("newer"));
    await refused(bringBack(into("newer"), into("back")), 4, /schema 9000.*Start the newer program/);
    nothingDone();
  });

  test("refuses a database whose audit log was altered, and says at which entry", async () => {
    const altered = into("altered");
    mkdirSync(altered, { mode: 0o700 });
    copyFileSync(join(data, "keyover.sqlite"), join(altered, "keyover.sqlite"));
    const sqlite = new SqliteDatabase(join(altered, "keyover.sqlite"));
    sqlite.exec("update audit set body = replace(body, 'tok_1', 'tok_2') where seq = 3");
    sqlite.close();
    const { code, err } = await run(["backup", "--data", altered, "--to", into("b.backup")]);
    expect([code, err]).toEqual([0, expect.stringMatching(/broken at entry 3: keyover restore would refuse/)]);
    await refused(
      bringBack(into("b.backup"), into("back")),
      1,
      /is broken: entry 3 is missing or not what was written/,
    );
    nothingDone();
  });

  test("refuses a folder in use, or one with a database in it; --replace puts that aside and loses nothing of it", async () => {
    store = openSqliteStore(data, Date.now);
    await refused(bringBack(backup, data, "--replace"), 4, /another process is using .*; stop it first/);
    await mustCommit(store, aBatch([put("consumer", aConsumer({ id: "con_since", name: "since" }))]));
    await close();
    const before = readFileSync(join(data, "keyover.sqlite"));
    await refused(bringBack(backup, data), 2, /holds a database already.*--replace/);
    expect(readFileSync(join(data, "keyover.sqlite"))).toEqual(before);

    const { code, out } = await bringBack(backup, data, "--replace");
    expect(code).toBe(0);
    expect(out).toMatch(/No verifier is served for market yet(.|\n)*keyover reconcile/);
    const aside = readdirSync(data).find((name) => name.startsWith("keyover.sqlite.before-")) as string;
    expect(await opened(data, (there) => there.count("consumer", { equals: { name: "since" } }))).toBe(0);
    mkdirSync(into("old"), { mode: 0o700 });
    copyFileSync(join(data, aside), join(into("old"), "keyover.sqlite"));
    expect(await opened(into("old"), (there) => there.count("consumer", { equals: { name: "since" } }))).toBe(1);
  });

  test("does not mix the log of the database before into the new one, whole or damaged", async () => {
    for (const damaged of [false, true]) {
      const there = into(`there-${damaged}`);
      mkdirSync(there, { mode: 0o700 });
      const live = openSqliteStore(there, Date.now);
      await fill(live, 40);
      for (const name of readdirSync(there))
        if (!name.includes("lock")) copyFileSync(join(there, name), join(there, `${name}.kept`));
      await live.close();
      for (const name of readdirSync(there)) {
        if (name.endsWith(".kept")) copyFileSync(join(there, name), join(there, name.slice(0, -5)));
      }
      if (damaged) writeFileSync(join(there, "keyover.sqlite"), "x".repeat(8_192));
      expect((await bringBack(backup, there, "--replace")).code).toBe(0);
      expect(existsSync(join(there, "keyover.sqlite-wal"))).toBe(false);
      expect(await opened(there, (back) => back.count("key", {}))).toBe(5);
    }
  });

  test("removes what an earlier one left when it was killed", async () => {
    const there = into("there");
    mkdirSync(there, { mode: 0o700 });
    for (const end of ["", "-wal", "-journal"]) writeFileSync(join(there, `keyover.sqlite.restoring${end}`), "half");
    expect((await bringBack(backup, there)).code).toBe(0);
    expect(readdirSync(there).filter((name) => name.includes("restoring"))).toEqual([]);
  });

  test("of PostgreSQL is told with --mark, by the same master key", async () => {
    const database = await testDatabase();
    try {
      const there = await database.open();
      await fill(there, 2);
      await there.close();
      const env = { DATABASE_URL: database.url };
      const key = into("master.key");
      expect((await run(["init", "--master-key-file", key], env)).code).toBe(0);
      const { code, out } = await run(["restore", "--mark", "--master-key-file", key], env);
      expect(code).toBe(0);
      expect(out).toMatch(/^the database .* is marked as restored\.\n(.|\n)*No verifier is served for market yet/);
      const rows = await database.sql("select id, waits from restoration");
      expect(rows).toMatchObject([{ id: "api_a" }]);
      expect(Number(rows[0]?.waits)).toBe(1);
      const other = await run(["restore", "--mark", "--master-key-file", into("other.key")], env);
      expect(other.code).toBe(4);
    } finally {
      await database.drop();
    }
  });

  test("asks for one way to do it, and --mark marks what was brought back by hand", async () => {
    await refused(run(["restore", "--data", data]), 2, /give --from .*or --mark/);
    await refused(run(["restore", "--data", data, "--from", backup, "--mark"]), 2, /and not both/);
    await refused(
      run(["restore", "--data", data, "--from", backup, "--everything"]),
      2,
      /--everything goes with --mark/,
    );
    await refused(run(["restore", "--data", into("none"), "--mark"]), 4, /there is no database in/);
    writeFileSync(join(data, "master.key"), `${Buffer.alloc(32, 7).toString("base64url")}\n`, { mode: 0o600 });
    const { code, out } = await run(["restore", "--data", data, "--mark", "--everything", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      place: data,
      takenAt: null,
      audit: null,
      apis: [{ id: "api_a", name: "market" }],
      aside: null,
    });
    const marked = await opened(data, (there) => there.get("restoration", "api_a"));
    expect(marked?.value).toMatchObject({ after: 0, reconciledAt: null, formerEpoch: "api_a" });
  });
});
