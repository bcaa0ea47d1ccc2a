/** The program on PostgreSQL: first starts, refusals, migrations, the doctor's look, and two processes side by side. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createAuthority } from "../authority.ts";
import { type TestDatabase, testDatabase, testWorld } from "../store/postgres.test-support.ts";
import { postgresAddress } from "../store/postgres-address.ts";
import { aReplica } from "../store/store.test-support.ts";
import { runProgram } from "./cli.test-world.ts";
import { openDatabase } from "./database.ts";

let folder: string;
let database: TestDatabase;
let password: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "keyover-database-"));
  database = await testDatabase();
  password = new URL(database.url).password;
});
afterEach(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const keyOf = (name: string) => join(folder, name, "master.key");
const place = (name: string, masterKeyPath = keyOf(name)) => ({
  data: join(folder, name),
  masterKeyPath,
  database: postgresAddress(database.url),
});
const open = (at: ReturnType<typeof place>, world = testWorld) => openDatabase(at.database, at, world);
const withStore = async (at: ReturnType<typeof place>) => (await open(at)).store.close();
const run = async (args: string[], env: Record<string, string> = {}) => {
  const ran = await runProgram(args, { env: { DATABASE_URL: database.url, ...env } });
  expect(ran.out + ran.err).not.toContain(password);
  return ran;
};

describe("a start on PostgreSQL", () => {
  it("makes the master key in the data folder, and nothing else", async () => {
    await withStore(place("one"));
    expect(readdirSync(join(folder, "one"))).toEqual(["master.key"]);
    await withStore(place("one"));
    const elsewhere = place("nowhere", keyOf("one"));
    await withStore(elsewhere);
    expect(existsSync(elsewhere.data)).toBe(false);
  });

  it("of several at once, one makes the key; the others leave nothing behind, and come with a copy of it", async () => {
    const names = ["a", "b", "c", "d"];
    const outcomes = await Promise.allSettled(names.map((name) => open(place(name))));
    const made = names.filter((name) => existsSync(keyOf(name)));
    expect(made).toHaveLength(1);
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") {
        expect([names[i]]).toEqual(made);
        await outcome.value.store.close();
      } else expect(String(outcome.reason)).toMatch(/had another one.*--master-key-file/);
    }
    const [first = ""] = made;
    for (const name of names.filter((each) => each !== first)) {
      expect(existsSync(join(folder, name))).toBe(false);
      await withStore(place(name, keyOf(first)));
    }
  });

  it("refuses another master key, and to make one where the database has one", async () => {
    await withStore(place("one"));
    await runProgram(["init", "--data", join(folder, "sqlite")]);
    await expect(open(place("two", keyOf("sqlite")))).rejects.toThrow(
      /does not belong to this database.*--master-key-file/,
    );
    await expect(open(place("two"))).rejects.toThrow(/there is no master key at .*two/);
    expect(existsSync(join(folder, "two"))).toBe(false);
    chmodSync(keyOf("one"), 0o644);
    await expect(open(place("one"))).rejects.toThrow(/can be read by others/);
  });

  it("refuses a clock that is more than a minute away from the database's", async () => {
    const shifted = (byMs: number) => ({
      ...testWorld,
      clock: { ...testWorld.clock, now: () => testWorld.clock.now() + byMs },
    });
    await withStore(place("one"));
    await expect(open(place("one"), shifted(120_000))).rejects.toThrow(
      /the clock of the database .* says \d{4}-.*this machine's \d{4}-.*NTP/,
    );
    await expect(open(place("one"), shifted(-120_000))).rejects.toThrow(/NTP/);
    const { store } = await open(place("one"), shifted(50_000));
    await store.close();
  });

  it("shows one first token, however many processes begin", async () => {
    await withStore(place("one"));
    const authorities = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const { store, masterKey } = await open(place("one"));
        return createAuthority(testWorld, store, { masterKey, logger: false, trustProxy: false });
      }),
    );
    const tokens = await Promise.all(authorities.map((authority) => authority.firstToken()));
    expect(tokens.filter((token) => token !== undefined)).toHaveLength(1);
    expect(await database.sql("select count(*)::int as n from token")).toEqual([{ n: 1 }]);
    await Promise.all(authorities.map((authority) => authority.close()));
  });
});

describe("the database's URL", () => {
  it("comes from a private file, or from the environment, and is never shown", async () => {
    const file = join(folder, "database.url");
    writeFileSync(file, `${database.url}\n`, { mode: 0o600 });
    const named = await run(["migrate", "--plan", "--database-url-file", file], {
      DATABASE_URL: "postgres://nobody@127.0.0.1:1/x",
    });
    expect([named.code, named.out]).toEqual([0, expect.stringContaining("has no schema yet")]);
    chmodSync(file, 0o644);
    const open = await run(["migrate", "--plan"], { DATABASE_URL: "", KEYOVER_DATABASE_URL_FILE: file });
    expect([open.code, open.err]).toEqual([4, expect.stringMatching(/can be read by others.*chmod 600/)]);
  });

  it("that leads nowhere ends with 3, one that is refused with 4", { timeout: 30_000 }, async () => {
    const wrong = (change: { port?: string; password?: string }) => {
      const url = Object.assign(new URL(database.url), change);
      return run(["migrate", "--plan"], { DATABASE_URL: url.href });
    };
    expect(await wrong({ port: "1" })).toMatchObject({
      code: 3,
      err: expect.stringContaining("nothing listens there"),
    });
    expect(await wrong({ password: "x" })).toMatchObject({
      code: 4,
      err: expect.stringContaining("refuses: password"),
    });
    expect(await run(["migrate"], { DATABASE_URL: "mysql://x:y@z/w" })).toMatchObject({
      code: 4,
      err: expect.stringContaining("postgres://"),
    });
  });
});

describe("migrate", () => {
  it("plans, does, and then has nothing to do", async () => {
    const plan = await run(["migrate", "--plan"]);
    expect(plan.out).toMatch(
      /^the database postgres at 127\.0\.0\.1:\d+ as \w+ has no schema yet;.*\nTo be done:\n {2}1 {2}makes the tables\n {2}2 {2}/,
    );
    const done = await run(["migrate"]);
    expect(done.out).toMatch(/\nDone:\n {2}1 {2}makes the tables/);
    expect((await run(["migrate"])).out).toMatch(/has schema \d+; .* There is nothing to do\./);
    const json = JSON.parse((await run(["migrate", "--plan", "--json"])).out);
    expect(json).toMatchObject({ run: [], wait: [], waitFor: [] });
  });

  it("looks at a data folder too", async () => {
    const data = join(folder, "sqlite");
    expect(await run(["migrate", "--data", data], { DATABASE_URL: "" })).toMatchObject({
      code: 4,
      err: expect.stringContaining("there is no database in"),
    });
    await run(["init", "--data", data], { DATABASE_URL: "" });
    expect((await run(["migrate", "--data", data], { DATABASE_URL: "" })).out).toMatch(
      /has schema \d+;.*nothing to do/,
    );
  });
});

describe("doctor", () => {
  const look = (name = "one") => run(["doctor", "--data", join(folder, name)]);

  it("finds a whole database whole, and says who runs on it", async () => {
    const { store } = await open(place("one"));
    await store.share(aReplica("rep_a", { software: "keyover/9" }), 60_000);
    const { code, out } = await look();
    expect(out).not.toContain("✗");
    expect(out).toMatch(/✓ database: postgres at .*PostgreSQL \d+/);
    expect(out).toContain("✓ processes: 1 running: keyover/9 (rep_a)");
    expect(out).toContain("✓ clock");
    expect(code).toBe(0);
    await store.close();
  });

  it("names an altered audit entry, a foreign master key, and a database that holds nothing", async () => {
    expect((await look()).out).toContain("✗ schema: the database holds nothing of Keyover's");
    await run(["init", "--data", join(folder, "one"), "--admin-token-file", join(folder, "token")]);
    await run(["init", "--data", join(folder, "other")], { DATABASE_URL: "" });
    await database.sql("update audit set body = replace(body, 'first', 'other')");
    copyFileSync(keyOf("other"), keyOf("one"));
    const { code, out } = await look();
    expect(code).toBe(1);
    expect(out).toContain("✗ audit: entry 1 is missing or not what was written");
    expect(out).toContain("✗ sealed secrets: 1 of 1 don't open");
    await database.sql("delete from sealed");
    expect((await look()).out).toContain("✗ sealed secrets: none is waiting, but this is not the master key");
  });
});

it("two processes serve one database, each says which, and stops when it is too old for it", {
  timeout: 60_000,
}, async () => {
  const main = join(import.meta.dirname, "../main.ts");
  const serve = (name: string) => {
    const args = [
      "--conditions=keyover-source",
      main,
      "serve",
      "--listen",
      "127.0.0.1:0",
      "--data",
      join(folder, name),
    ];
    const env = { PATH: process.env.PATH, DATABASE_URL: database.url, KEYOVER_MASTER_KEY_FILE: keyOf("one") };
    const child = spawn(process.execPath, args, { cwd: folder, env });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += String(chunk)));
    const url = async () => {
      await expect
        .poll(() => said, { timeout: 20_000 })
        .toMatch(/Keyover listens on \S+ .*, database postgres at 127\.0\.0\.1:\d+ as \w+\./);
      return /Keyover listens on (\S+)/.exec(said)?.[1] ?? "";
    };
    return { child, url, said: () => said };
  };
  await withStore(place("one"));
  const processes = [serve("one"), serve("two")];
  const urls = await Promise.all(processes.map(({ url }) => url()));
  const token = /kot_admin_\w{38}/.exec(processes.map(({ said }) => said()).join())?.[0] ?? "";
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const [first = "", second = ""] = urls;
  const made = await fetch(`${first}/v1/consumers`, {
    method: "POST",
    headers,
    body: JSON.stringify({ name: "desk" }),
  });
  expect(made.status).toBe(201);
  const { id } = (await made.json()) as { id: string };
  expect((await fetch(`${second}/v1/consumers/${id}`, { headers })).status).toBe(200);
  expect(existsSync(join(folder, "two"))).toBe(false);
  const [one, two] = processes.map(({ child }) => ({ child, exit: once(child, "exit") }));
  one?.child.kill("SIGTERM");
  expect(await one?.exit).toEqual([0, null]);
  // A newer program has taken away what this one needs.
  await database.sql("insert into schema_version (version, works_from) values (99, 98)");
  expect(await two?.exit).toEqual([4, null]);
  expect(processes[1]?.said()).toMatch(
    /keyover: the database was brought to a schema .* at least schema 98;.*Start the newer program/,
  );
  for (const { said } of processes) expect(said()).not.toContain(password);
});
