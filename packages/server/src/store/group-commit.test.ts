/** Writes that share a transaction: each whole by itself, in order, and nothing answered before it is on the disk. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type SqliteDatabase from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chainStart, verifyChain } from "./audit-chain.ts";
import { inspectSqlite, openMemoryStore, openSqliteStore } from "./sqlite.ts";
import { storeSuite } from "./store.test-suite.ts";
import { AT, aBatch, aConsumer, aRecord, aReport, aUse, picture } from "./store.test-support.ts";
import { type Batch, type CommitOutcome, put, StorageFullError, type Store } from "./store.ts";

type Sqlite = InstanceType<typeof SqliteDatabase>;

let folder: string;
let stores: Store[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "keyover-group-"));
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  rmSync(folder, { recursive: true });
});

/** Runs when it is told to. */
class Turn {
  #waiting: (() => void)[] = [];
  later = (run: () => void): void => void this.#waiting.push(run);
  get asked(): number {
    return this.#waiting.length;
  }
  comes(): void {
    for (const run of this.#waiting.splice(0)) run();
  }
}

/** `alone`: as it was without grouping. */
function open({ tune, alone = false, path }: { tune?: (sqlite: Sqlite) => void; alone?: boolean; path?: string } = {}) {
  const turn = new Turn();
  let transactions = 0;
  const watch = (sqlite: Sqlite) => {
    tune?.(sqlite);
    const begin = sqlite.transaction.bind(sqlite);
    sqlite.transaction = ((work: () => unknown) => {
      transactions += 1;
      return begin(work);
    }) as typeof sqlite.transaction;
  };
  const store =
    path === undefined
      ? openMemoryStore({ now: () => AT, tune: watch, ...(alone ? {} : { later: turn.later }) })
      : openSqliteStore(path, () => AT, watch, turn.later);
  stores.push(store);
  // From here on: its own migration is one, too.
  transactions = 0;
  return { store, turn, transactions: () => transactions };
}

const named = (name: string, expect = 0): Batch =>
  aBatch([{ put: "consumer", value: aConsumer({ id: `con_${name}`, name, notes: `${expect}` }), expect }], {
    feed: [{ apiId: "api_a", record: aRecord(`key_${name}`) }],
  });

const settled = (all: Promise<unknown>[]) => Promise.allSettled(all).then((each) => each.map(outcomeOf));

function outcomeOf(each: PromiseSettledResult<unknown>): string {
  if (each.status === "rejected") return (each.reason as Error).name;
  const value = each.value as CommitOutcome;
  return value.ok ? `ok ${value.feed.map(({ entry }) => entry.seq).join()}` : value.conflict;
}

const names = async (store: Store) => (await store.list("consumer", {}, { limit: 500 })).map(({ value }) => value.name);

storeSuite("the store in memory, writes in groups", async () =>
  openMemoryStore({ now: Date.now, later: setImmediate }),
);

describe("writes that come together", () => {
  test("share a transaction, in the order in which they came", async () => {
    const { store, turn, transactions } = open();
    const all = ["a", "b", "c"].map((name) => store.commit(named(name)));
    all.push(store.commit(named("a", 1)));
    expect(turn.asked).toBe(1);
    turn.comes();
    expect(await settled(all)).toEqual(["ok 1", "ok 2", "ok 3", "ok 4"]);
    expect(transactions()).toBe(1);
    expect(await store.get("consumer", "con_a")).toMatchObject({ rev: 2, value: { notes: "1" } });
    expect(verifyChain(chainStart, await store.audit(0, 99))).toMatchObject({ seq: 4 });
  });

  test("are answered, and seen by others, only once they are written", async () => {
    const { store, turn } = open({ path: folder });
    let answered = 0;
    const all = ["a", "b"].map((name) => store.commit(named(name)).then(() => answered++));
    await new Promise(setImmediate);
    const beside = inspectSqlite(folder, () => AT);
    expect([answered, await beside.reads.count("consumer", {})]).toEqual([0, 0]);
    turn.comes();
    expect([answered, await beside.reads.count("consumer", {})]).toEqual([0, 2]);
    beside.close();
    await Promise.all(all);
    expect(answered).toBe(2);
  });

  test("a conflict, or a defect, is one write's own, and leaves nothing of it", async () => {
    const { store, turn, transactions } = open();
    const idempotency = { id: "asked", request: "r", status: 200, body: {}, sealedId: null, createdAt: AT };
    const all = [
      store.commit({ ...named("a"), idempotency }),
      store.commit(named("a", 5)),
      store.commit(named("b", 7)),
      store.commit({ ...named("half"), writes: [...named("half").writes, ...named("a", 5).writes] }),
      store.commit({ ...named("c"), idempotency }),
      store.commit(aBatch([put("consumer", aConsumer({ id: "con_other", name: "a" }))])),
      store.commit({ ...named("d"), audit: [] }),
      store.commit(named("e")),
    ];
    turn.comes();
    expect(await settled(all)).toEqual(["ok 1", "row", "row", "row", "idempotency", "unique", "Error", "ok 2"]);
    expect(transactions()).toBe(1);
    expect(await names(store)).toEqual(["a", "e"]);
    expect(verifyChain(chainStart, await store.audit(0, 99))).toMatchObject({ seq: 2 });
  });

  test("more than a group's worth take turns, so that other work comes between", async () => {
    const { store, turn, transactions } = open();
    const all = Array.from({ length: 150 }, (_, i) => store.commit(named(String(i).padStart(3, "0"))));
    turn.comes();
    expect([transactions(), turn.asked]).toEqual([1, 1]);
    turn.comes();
    turn.comes();
    expect([transactions(), turn.asked]).toEqual([3, 0]);
    expect(await settled(all)).toEqual(all.map((_, i) => `ok ${i + 1}`));
  });

  test("closing writes what still waits", async () => {
    const { store, turn } = open({ path: folder });
    stores.pop();
    const all = ["a", "b"].map((name) => store.commit(named(name)));
    await store.close();
    expect(await settled(all)).toEqual(["ok 1", "ok 2"]);
    turn.comes();
    const after = inspectSqlite(folder, () => AT);
    expect(await after.reads.count("consumer", {})).toBe(2);
    after.close();
  });

  test("come out just as they would one by one, whatever they are", async () => {
    const one = fc.constantFrom("a", "b", "c");
    const step = fc.oneof(
      fc.record({ what: fc.constant("put" as const), name: one, expect: fc.nat(2) }),
      fc.record({ what: fc.constant("both" as const), name: one, to: one, expect: fc.nat(2) }),
      fc.record({ what: fc.constant("rename" as const), name: one, to: one, expect: fc.nat(2) }),
      fc.record({ what: fc.constant("use" as const), name: one }),
      fc.record({ what: fc.constant("boot" as const), expect: fc.nat(1) }),
      fc.record({ what: fc.constant("settle" as const), name: one, to: one }),
      fc.record({ what: fc.constant("broken" as const), name: one }),
    );
    const perform = (store: Store) => (each: typeof step extends fc.Arbitrary<infer T> ? T : never) => {
      if (each.what === "put") return store.commit(named(each.name, each.expect));
      if (each.what === "both") {
        const writes = [...named(`new ${each.name}`).writes, ...named(each.to, each.expect).writes];
        return store.commit({ ...named(each.name), writes });
      }
      if (each.what === "rename") {
        const value = aConsumer({ id: `con_${each.name}`, name: each.to });
        return store.commit(aBatch([{ put: "consumer", value, expect: each.expect }]));
      }
      if (each.what === "use") return store.record({ rows: [aUse({ keyId: each.name })], reports: [] });
      if (each.what === "boot") return store.record({ rows: [], reports: [aReport({}, each.expect)] });
      if (each.what === "settle") return store.settle(each.name, each.to);
      return store.commit({ ...named(each.name), audit: [] });
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 12 }), async (steps) => {
        const [together, apart] = [open(), open({ alone: true })];
        const results = await Promise.all(
          [together, apart].map(async ({ store, turn }) => {
            const all = steps.map(perform(store));
            turn.comes();
            const answers = (await Promise.allSettled(all)).map((each) =>
              each.status === "fulfilled" ? each.value : String(each.reason),
            );
            const boots = await store.boots("api_a", 9);
            const uses = await Promise.all(["a", "b", "c"].map((key) => store.uses(key)));
            return { answers, picture: await picture(store), boots, uses };
          }),
        );
        for (const { store } of [together, apart]) await store.close();
        stores.splice(-2);
        expect(together.transactions()).toBe(1);
        expect(results[0]).toEqual(results[1]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("when the database itself fails", () => {
  test("a full disk refuses those that find no room, and keeps those that do, whole", async () => {
    let roomFor: (pages: number) => void = () => {};
    const { store, turn } = open({
      path: folder,
      tune: (sqlite) => {
        const pages = Number(sqlite.pragma("page_count", { simple: true }));
        roomFor = (more) => void sqlite.pragma(`max_page_count = ${pages + more}`);
      },
    });
    roomFor(12);
    const large = (name: string) => aBatch([put("consumer", aConsumer({ id: name, name, notes: "x".repeat(90_000) }))]);
    const all = [named("a"), large("too"), named("b"), large("much"), named("c")].map((batch) => store.commit(batch));
    turn.comes();
    expect(await settled(all)).toEqual(["ok 1", "StorageFullError", "ok 2", "StorageFullError", "ok 3"]);
    expect(await names(store)).toEqual(["a", "b", "c"]);
    expect(await store.feedHead("api_a")).toBe(3);
    expect(verifyChain(chainStart, await store.audit(0, 99))).toMatchObject({ seq: 3 });

    roomFor(0);
    const refused = Array.from({ length: 40 }, (_, i) => large(`n${i}`)).map((batch) => store.commit(batch));
    turn.comes();
    for (const each of await Promise.allSettled(refused))
      expect(each).toMatchObject({ status: "rejected", reason: expect.any(StorageFullError) });
    expect(await store.count("consumer", {})).toBe(3);

    roomFor(1_000);
    const again = store.commit(large("fits"));
    turn.comes();
    expect(await settled([again])).toEqual(["ok "]);
  });

  test("where SQLite gives the whole transaction up, the others are written all the same", async () => {
    const { store, turn } = open({
      path: folder,
      tune: (sqlite) =>
        sqlite.exec(`create trigger poison before insert on consumer when new.name = 'poison'
          begin select raise(rollback, 'poison'); end`),
    });
    const all = ["a", "poison", "b"].map((name) => store.commit(named(name)));
    turn.comes();
    expect(await settled(all)).toEqual(["ok 1", "SqliteError", "ok 2"]);
    expect(await names(store)).toEqual(["a", "b"]);
  });

  test("a read or write of the file that fails is no reason to go on with the others in the same transaction", async () => {
    const { store, turn, transactions } = open({
      tune: (sqlite) => {
        const prepare = sqlite.prepare.bind(sqlite);
        sqlite.prepare = ((sql: string) => {
          const statement = prepare(sql);
          const run = statement.run.bind(statement);
          const value = (...given: unknown[]) => {
            if (given.includes("bad sector")) throw Object.assign(new Error("read"), { code: "SQLITE_IOERR_READ" });
            return run(...given);
          };
          return Object.defineProperty(statement, "run", { value });
        }) as typeof sqlite.prepare;
      },
    });
    const all = ["a", "bad sector", "b"].map((name) => store.commit(named(name)));
    turn.comes();
    expect(await settled(all)).toEqual(["ok 1", "Error", "ok 2"]);
    expect(transactions()).toBe(1 + all.length);
    expect(await names(store)).toEqual(["a", "b"]);
  });

  test("where the group can't be made durable, nobody is told so before each was tried by itself", async () => {
    let broken = false;
    const { store, turn, transactions } = open({
      tune: (sqlite) => {
        const begin = sqlite.transaction.bind(sqlite);
        sqlite.transaction = ((work: () => unknown) =>
          begin(() => {
            const value = work();
            if (broken && Array.isArray(value)) throw Object.assign(new Error("sync"), { code: "SQLITE_IOERR_FSYNC" });
            return value;
          })) as typeof sqlite.transaction;
      },
    });
    broken = true;
    // The second can stand only on the first.
    const all = [named("a"), named("a", 1), named("a", 1)].map((batch) => store.commit(batch));
    turn.comes();
    expect(await settled(all)).toEqual(["ok 1", "ok 2", "row"]);
    expect(transactions()).toBe(4);
    expect(await store.get("consumer", "con_a")).toMatchObject({ rev: 2 });
  });
});
