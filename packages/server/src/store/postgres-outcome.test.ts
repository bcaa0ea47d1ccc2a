/** What becomes of a commit when the way to the database breaks: it is done once, and its answer is what really happened (I6). */
import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chainStart, verifyChain } from "./audit-chain.ts";
import { type TestDatabase, testDatabase, testWorld } from "./postgres.test-support.ts";
import { openPostgresStore } from "./postgres.ts";
import { postgresAddress } from "./postgres-address.ts";
import { startPostgres } from "./postgres-server.test-support.ts";
import { type BreakingProxy, type Cut, hasCommit, startProxy } from "./proxy.test-support.ts";
import { aBatch, aKey, anEntry, aRecord, aReport, aUse, mustCommit } from "./store.test-support.ts";
import { OutcomeUnknownError, put, type Store, StoreUnavailableError } from "./store.ts";

let database: TestDatabase;
let proxy: BreakingProxy;
/** Through the proxy: one that waits for long, and those that give up at once. */
let store: Store;
let hasty: Store;
let incurious: Store;
/** Without the proxy. */
let direct: Store;
const PATIENT = { waitMs: 20_000, lookMs: 20_000, silentMs: 200 };

beforeAll(async () => {
  database = await testDatabase();
  proxy = await startProxy(database.url);
  store = await database.open({ url: proxy.url, limits: PATIENT });
  hasty = await database.open({ url: proxy.url, limits: { waitMs: 200 } });
  incurious = await database.open({ url: proxy.url, limits: { ...PATIENT, lookMs: 200 } });
  direct = await database.open();
  await mustCommit(direct, aBatch([put("key", aKey({ name: "0" }))]));
});
beforeEach(() => proxy.open());
afterEach(() => proxy.disarm());
afterAll(async () => {
  await database.drop();
  await proxy.stop();
});

const always = { idempotency: undefined, feed: [{ apiId: "api_a", record: aRecord() }] };
const change = async (through: Store) => {
  const held = await direct.get("key", "key_a");
  const batch = aBatch([put("key", aKey({ name: String(held?.rev) }), held)], always);
  return { before: held?.rev ?? 0, outcome: through.commit(batch) };
};
const state = async () => {
  const audit = await direct.audit(0, 9_999);
  expect(verifyChain(chainStart, audit)).toMatchObject({ seq: audit.length });
  return {
    rev: (await direct.get("key", "key_a"))?.rev ?? 0,
    audit: audit.length,
    feed: (await direct.feedAfter("api_a", 0, 9_999)).map(({ seq }) => seq),
  };
};

/** One commit with this cut on its way: taken once, answered as it was. */
async function survives(cut: Cut): Promise<void> {
  const before = await state();
  const struck = proxy.cut(cut);
  const { outcome } = await change(store);
  const answer = await outcome;
  await struck;
  const after = await state();
  expect(after).toEqual({
    rev: before.rev + 1,
    audit: before.audit + 1,
    feed: Array.from({ length: before.feed.length + 1 }, (_, i) => i + 1),
  });
  expect(answer).toMatchObject({ ok: true, feed: [{ apiId: "api_a", entry: { seq: after.feed.length } }] });
}

describe("a connection that breaks", () => {
  test("after the COMMIT was done, before it was answered: found, and not done again", async () => {
    let sent = false;
    await survives({
      when: (bytes, direction) => {
        sent ||= hasCommit(bytes, direction);
        return sent && direction === "toClient" && bytes.includes("COMMIT\0");
      },
      passes: "none",
      ends: "both",
    });
  });

  test("with the COMMIT on its way, which still arrives", async () => {
    await survives({ when: hasCommit, passes: "all", ends: "both" });
  });

  test("with the COMMIT on its way, which does not arrive", async () => {
    await survives({ when: hasCommit, passes: "none", ends: "both" });
  });

  test("with the COMMIT on its way, and the database not learning that we are gone: it lets go of the locks in time", async () => {
    await survives({ when: hasCommit, passes: "none", ends: "client" });
  });

  test("with a COMMIT that arrives while we look for it", async () => {
    const looking = `select 1 from pg_locks where not granted and pid in (
      select pid from pg_locks where relation in ('audit_head'::regclass, 'key'::regclass))`;
    const late = async () => {
      while ((await database.sql(looking)).length === 0) await new Promise((resolve) => setImmediate(resolve));
    };
    await survives({ when: hasCommit, passes: "late", late, ends: "client" });
  });

  test.each(["toServer", "toClient"] as const)("at every piece of traffic %s, whole, lost or torn", async (towards) => {
    for (const passes of ["all", "none", "half"] as const) {
      for (let piece = 0; ; piece++) {
        const before = await state();
        let seen = -1;
        let struck = false;
        void proxy
          .cut({ when: (_, direction) => direction === towards && ++seen === piece, passes, ends: "both" })
          .then(() => {
            struck = true;
          });
        const { outcome } = await change(store);
        expect({ passes, piece, ok: (await outcome).ok }).toEqual({ passes, piece, ok: true });
        expect({ passes, piece, ...(await state()) }).toMatchObject({
          passes,
          piece,
          rev: before.rev + 1,
          audit: before.audit + 1,
        });
        proxy.disarm();
        if (!struck) break;
        expect(piece).toBeLessThan(40);
      }
    }
  });
});

describe("a database that stays away", () => {
  test("before the COMMIT: unavailable, and nothing is written", async () => {
    const before = await state();
    proxy.close();
    const { outcome } = await change(hasty);
    await expect(outcome).rejects.toThrow(StoreUnavailableError);
    expect(await state()).toEqual(before);
  });

  test("after the COMMIT: the outcome is unknown, and said to be", async () => {
    const before = await state();
    const struck = proxy.cut({ when: hasCommit, passes: "all", ends: "client" }).then(() => proxy.close());
    const { outcome } = await change(incurious);
    await expect(outcome).rejects.toThrow(OutcomeUnknownError);
    await struck;
    expect((await state()).audit - before.audit).toBeLessThanOrEqual(1);
  });

  test("reads say so too, and go on as soon as it is back", async () => {
    proxy.close();
    await expect(hasty.get("key", "key_a")).rejects.toThrow(
      /can't be used: (the connection was cut|nothing listens there)/,
    );
    proxy.open();
    expect((await store.get("key", "key_a"))?.value.id).toBe("key_a");
  });

  test("no error, however deep, holds the password", async () => {
    const { password } = new URL(database.url);
    proxy.close();
    const calls = await Promise.allSettled([hasty.get("key", "key_a"), hasty.commit(aBatch([])), hasty.ping()]);
    expect(calls.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(inspect(calls, { depth: 20, showHidden: true })).not.toContain(password);
  });
});

describe("a report whose answer was lost", () => {
  test("counts once: the second try finds its own row, and adds nothing", async () => {
    await direct.record({ rows: [], reports: [aReport()] });
    const report = aReport({ reportNumber: 1 }, 1, [aUse({ keyId: "key_reported" })]);
    const struck = proxy.cut({
      when: (bytes, to) => to === "toClient" && bytes.includes("COMMIT\0"),
      passes: "none",
      ends: "both",
    });
    expect(await store.record({ rows: [], reports: [report] })).toEqual({ lost: [] });
    await struck;
    expect(await direct.boot("boo_a")).toEqual({ rev: 2, value: report.boot });
    expect((await direct.uses("key_reported"))[0]?.versions[1]?.accepted).toBe(1);
  });
});

test("a server that is killed loses nothing that was acknowledged, and does nothing twice", {
  timeout: 30_000,
}, async () => {
  const server = await startPostgres();
  try {
    const address = postgresAddress(server.url);
    const open = () => openPostgresStore({ address, world: testWorld, limits: PATIENT });
    const stores = [await open(), await open()];
    let acknowledged = 0;
    let stop = false;
    const lanes = [0, 1, 2, 3].map(async (lane) => {
      for (let i = 0; !stop; i++) {
        const key = put("key", aKey({ id: `key_${lane}_${i}` }));
        const audit = [anEntry("made", [`key_${lane}_${i}`])];
        await mustCommit(stores[lane % 2] as Store, aBatch([key], { audit, ...always }));
        acknowledged++;
      }
    });
    for (let kill = 0; kill < 2; kill++) {
      const from = acknowledged;
      while (acknowledged < from + 100) await new Promise((resolve) => setImmediate(resolve));
      await server.kill("SIGKILL");
      await server.restart();
    }
    stop = true;
    await Promise.all(lanes);
    const [store] = stores as [Store];
    expect(await store.count("key", {})).toBe(acknowledged);
    const audit = await store.audit(0, 100_000);
    expect(verifyChain(chainStart, audit)).toMatchObject({ seq: acknowledged });
    expect(await store.feedHead("api_a")).toBe(acknowledged);
    for (const each of stores) await each.close();
  } finally {
    await server.stop();
  }
});
