import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import pg from "pg";
import { afterEach, describe, expect, test } from "vitest";
import { postgresUrl, type TestDatabase, testDatabase, testWorld } from "./postgres.test-support.ts";
import { openPostgresStore } from "./postgres.ts";
import { postgresAddress } from "./postgres-address.ts";
import { createConnections, LIMITS } from "./postgres-connections.ts";
import { explained } from "./postgres-errors.ts";
import { type BreakingProxy, startProxy } from "./proxy.test-support.ts";
import { storeSuite } from "./store.test-suite.ts";
import { aBatch, aConsumer, aKey, mustCommit } from "./store.test-support.ts";
import { put, StorageFullError, type Store, StoreConfigurationError, StoreUnavailableError } from "./store.ts";

let databases: TestDatabase[] = [];
let proxies: BreakingProxy[] = [];
const fresh = async () => {
  const database = await testDatabase();
  databases.push(database);
  return database;
};
const through = async (database: TestDatabase) => {
  const proxy = await startProxy(database.url);
  proxies.push(proxy);
  return proxy;
};
afterEach(async () => {
  for (const database of databases) await database.drop();
  for (const proxy of proxies) await proxy.stop();
  databases = [];
  proxies = [];
});

storeSuite("the store on PostgreSQL", async () => {
  const store = await (await fresh()).open();
  return { ...store, close: async () => {} }; // with its schema, above
});

/** Resolves with the first message that `wanted` takes. */
const heard = async (store: Store, wanted: (message: string) => boolean) => {
  let resolve: (message: string) => void = () => {};
  const first = new Promise<string>((done) => {
    resolve = done;
  });
  await store.listen((message) => wanted(message) && resolve(message));
  return { first };
};

describe("the bell", () => {
  test("is heard by the other processes, also that something was committed", async () => {
    const database = await fresh();
    const [one, two] = await Promise.all([database.open(), database.open()]);
    const rung = await heard(two, (message) => message !== "again" && message !== "log");
    const logged = await heard(two, (message) => message === "log");
    one.ring("use rot_1");
    expect(await rung.first).toBe("use rot_1");
    await mustCommit(one, aBatch([put("key", aKey())]));
    expect(await logged.first).toBe("log");
  });

  test("of one database is not heard in another schema of it", async () => {
    const [own, foreign] = await Promise.all([fresh(), fresh()]);
    const store = await own.open();
    const rung = await heard(store, (message) => message !== "again");
    (await foreign.open()).ring("foreign");
    await new Promise((resolve) => setTimeout(resolve, 50));
    store.ring("own");
    expect(await rung.first).toBe("own");
  });

  test("is listened for again when the connection was lost, and the hearers are told to look themselves", async () => {
    const database = await fresh();
    const proxy = await through(database);
    const store = await database.open({ url: proxy.url });
    const beginning = await heard(store, (message) => message === "again");
    await beginning.first;
    const again = await heard(store, (message) => message === "again");
    proxy.close();
    proxy.open();
    await again.first;
    const rung = await heard(store, (message) => message === "hello");
    (await database.open()).ring("hello");
    expect(await rung.first).toBe("hello");
  });

  test("is left alone by those who no longer listen", async () => {
    const store = await (await fresh()).open();
    let times = 0;
    const end = await store.listen((message) => message === "x" && times++);
    await end();
    const other = await heard(store, (message) => message === "x");
    store.ring("x");
    await other.first;
    expect(times).toBe(0);
  });
});

describe("other transactions", () => {
  test("that wait for us while we wait for them cost time, not the commit", async () => {
    const database = await fresh();
    const store = await database.open();
    const ids = ["con_a", "con_b"];
    const row = (id: string, name: string) => aConsumer({ id, name: `${id} ${name}` });
    await mustCommit(store, aBatch(ids.map((id) => put("consumer", row(id, "0")))));
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await other.query("begin; update consumer set body = body where id = 'con_b'");
    const commit = store.commit(
      aBatch(ids.map((id) => put("consumer", row(id, "1"), { value: row(id, "0"), rev: 1 }))),
    );
    // It holds the first and waits for the second. Whoever has waited longer is told of the deadlock, and that is the commit.
    const waits =
      "select 1 from pg_locks where not granted and pid in (select pid from pg_locks where relation = 'consumer'::regclass)";
    while ((await database.sql(waits)).length === 0) await new Promise((resolve) => setImmediate(resolve));
    await other.query("update consumer set body = body where id = 'con_a'");
    await other.query("commit");
    expect(await commit).toMatchObject({ ok: true });
    await other.end();
  });

  test("find a database that is serializable by default: we are not", async () => {
    const database = await fresh();
    const url = new URL(database.url);
    url.searchParams.set("options", `${url.searchParams.get("options")} -cdefault_transaction_isolation=serializable`);
    const stores = await Promise.all([database.open({ url: url.href }), database.open({ url: url.href })]);
    const commits = Array.from({ length: 40 }, (_, i) =>
      (stores[i % 2] as Store).commit(aBatch([put("key", aKey({ id: `key_${i}` }))])),
    );
    expect((await Promise.all(commits)).every(({ ok }) => ok)).toBe(true);
  });

  test("that hold what a commit needs for too long end it, in words", async () => {
    const database = await fresh();
    const store = await database.open({ limits: { waitMs: 200 } });
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    await holder.query("begin; select seq from audit_head for update");
    const commit = store.commit(aBatch([put("key", aKey())]));
    await expect(commit).rejects.toThrow(StoreUnavailableError);
    await expect(commit).rejects.toThrow(/kept this waiting for too long|does not answer/);
    await holder.end();
    expect(await store.get("key", "key_a")).toBeUndefined();
    await mustCommit(await database.open(), aBatch([put("key", aKey())]));
  });

  test("and a server that ends our connections are no reason to fail", async () => {
    const database = await fresh();
    const url = new URL(database.url);
    url.searchParams.set("application_name", database.schema);
    const store = await database.open({ url: url.href });
    const endAll = () =>
      database.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", [
        database.schema,
      ]);
    for (let i = 0; i < 10; i++) {
      const [, ended] = await Promise.all([
        mustCommit(store, aBatch([put("key", aKey({ id: `key_${i}` }))])),
        endAll(),
      ]);
      if (i > 0) expect(ended.length).toBeGreaterThan(0);
      expect(await store.count("key", {})).toBe(i + 1);
    }
    expect(await store.audit(0, 99)).toHaveLength(10);
  });
});

describe("what is stored", () => {
  test("holds no text that would end a search: U+0000 and halves of characters are replaced", async () => {
    const store = await (await fresh()).open();
    const strange = { notes: "a\0b\\u0000", labels: { team: "\ud800x", note: "\\\0" } };
    await mustCommit(store, aBatch([put("key", aKey({ id: "key_strange", ...strange }))]));
    await mustCommit(store, aBatch([put("key", aKey({ id: "key_plain", labels: { team: "desk" } }))]));
    const found = await store.list("key", { labels: { team: "desk" } }, { limit: 9 });
    expect(found.map(({ value }) => value.id)).toEqual(["key_plain"]);
    const kept = (await store.get("key", "key_strange"))?.value;
    expect([kept?.notes, kept?.labels]).toEqual(["a\ufffdb\\u0000", { team: "\ufffdx", note: "\\\ufffd" }]);
    expect(await store.get("key", "key\0")).toBeUndefined();
    await mustCommit(store, aBatch([put("consumer", aConsumer({ name: "a\0b" }))]));
  });

  test("is on the disk when it is acknowledged, also where the role's setting is otherwise", async () => {
    const database = await fresh();
    const url = new URL(database.url);
    url.searchParams.set("options", "-csynchronous_commit=off");
    const connections = createConnections(postgresAddress(url.href), testWorld, LIMITS);
    const setting = async (name: string) => {
      const { rows } = await connections.read({
        sql: `select current_setting('${name}') as value`,
        parameters: [],
      } as never);
      return rows[0]?.value;
    };
    expect(await setting("synchronous_commit")).toBe("on");
    expect(await setting("idle_in_transaction_session_timeout")).toBe("3s");
    await connections.close();
  });
});

describe("a database that can't be used", () => {
  const limits = { waitMs: 300 };
  const refusal = async (change: (url: URL) => void) => {
    const url = new URL(await postgresUrl());
    change(url);
    const error: unknown = await openPostgresStore({
      address: postgresAddress(url.href),
      world: testWorld,
      limits,
    }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (url.password.length > 8) expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(url.password);
    return error as Error;
  };

  test("for its password, its name, its schema: said in words, without the password", async () => {
    const password = await refusal((url) => {
      url.password = "no";
    });
    expect(password).toBeInstanceOf(StoreConfigurationError);
    expect(password.message).toMatch(
      /^the database postgres at 127\.0\.0\.1:\d+ as keyover refuses: password authentication failed/,
    );
    const database = await refusal((url) => {
      url.pathname = "/nowhere";
    });
    expect(database).toBeInstanceOf(StoreConfigurationError);
    expect(database.message).toMatch(/refuses: database "nowhere" does not exist/);
    const schema = await refusal((url) => url.searchParams.set("options", "-csearch_path=nowhere"));
    expect(schema).toBeInstanceOf(StoreConfigurationError);
    expect(schema.message).toMatch(/has no schema that its search_path names/);
  });

  test("because nothing listens", async () => {
    const port = await refusal((url) => {
      url.port = "1";
    });
    expect(port).toBeInstanceOf(StoreUnavailableError);
    expect(port.message).toMatch(/127\.0\.0\.1:1 as keyover can't be used: nothing listens there/);
  });

  // Put together here, so that no tool that looks for forgotten passwords stumbles over them.
  const secret = "kept-secret";
  const at = (scheme: string, credentials: string, rest: string) => `${scheme}://${[credentials, rest].join("@")}`;
  test.each([
    [at("mysql", `user:${secret}`, "host/db"), /must begin with postgres:/],
    [secret, /can't be read/],
    [at("postgres", `user:${secret}#more`, "host/db"), /can't be read.*percent-encoded/],
    [at("postgres", `user:12/${secret}`, "host/db"), /can't be read/],
    [at("postgres", `user:12?${secret}`, "host/db"), /can't be read/],
    [at("postgres", `user:${secret}`, "host:port/db"), /can't be read/],
    [at("postgres", `user:${secret}`, "host/db?sslrootcert=/nowhere.pem"), /can't be used.*nowhere\.pem/],
    [at("postgres", `user:${secret}`, "host/db?sslnegotiation=strange"), /contradict/],
  ])("because its URL is wrong (%#)", (url, sentence) => {
    let error: unknown;
    try {
      postgresAddress(url);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(StoreConfigurationError);
    expect((error as Error).message).toMatch(sentence);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret);
  });

  test("a URL's parts are told apart, and who could listen", () => {
    const { name, inTheClear } = postgresAddress(at("postgresql", "op:a%40b", "db.example.com/keys"));
    expect([name, inTheClear]).toEqual(["keys at db.example.com:5432 as op", true]);
    expect(postgresAddress("postgres://op@[::1]:6000/keys").name).toBe("keys at [::1]:6000 as op");
    expect(postgresAddress("postgres://op@localhost/keys").inTheClear).toBe(false);
    expect(postgresAddress("postgres://op@db/keys?sslmode=verify-full").inTheClear).toBe(false);
    expect(postgresAddress("postgres:///keys?host=/run/postgresql").inTheClear).toBe(false);
  });

  test.each([
    ["53100", StorageFullError, /disk is full; nothing was written/],
    ["25006", StoreUnavailableError, /read-only/],
    ["53300", StoreUnavailableError, /takes no more connections/],
    ["57P01", StoreUnavailableError, /can't be used: text/],
    ["57P03", StoreUnavailableError, /can't be used: text/],
    ["55P03", StoreUnavailableError, /waiting/],
    ["40P01", StoreUnavailableError, /too many transactions/],
    ["28000", StoreConfigurationError, /refuses: text/],
    ["42501", StoreConfigurationError, /refuses: text/],
  ])("because the server says %s", (code, kind, sentence) => {
    const error = new pg.DatabaseError("text", 4, "error");
    error.code = code;
    const said = explained(error, "keys at db:5432 as op");
    expect(said).toBeInstanceOf(kind);
    expect((said as Error).message).toMatch(sentence);
  });

  test("because it takes no more connections: waited for, then said", async () => {
    const database = await fresh();
    const role = `role_${database.schema}`;
    const password = randomBytes(8).toString("hex");
    await database.sql(`create role ${role} login password '${password}' connection limit 0`);
    await database.sql(`grant all on schema ${database.schema} to ${role}`);
    const url = new URL(database.url);
    url.username = role;
    url.password = password;
    const connections = createConnections(postgresAddress(url.href), testWorld, { ...LIMITS, ...limits });
    const read = connections.read({ sql: "select 1", parameters: [] } as never);
    await expect(read).rejects.toThrow(/takes no more connections/);
    await database.sql(`alter role ${role} connection limit 1`);
    await connections.read({ sql: "select 1", parameters: [] } as never);
    await connections.close();
    await database.sql(`drop owned by ${role}; drop role ${role}`);
  });

  test("one that is read-only writes nothing, and reads go on", async () => {
    const database = await fresh();
    await database.open();
    const url = new URL(database.url);
    url.searchParams.set("options", `${url.searchParams.get("options")} -cdefault_transaction_read_only=on`);
    const store = await database.open({ url: url.href, limits });
    expect(await store.get("key", "key_a")).toBeUndefined();
    await expect(store.commit(aBatch([put("key", aKey())]))).rejects.toThrow(/read-only/);
  });
});
