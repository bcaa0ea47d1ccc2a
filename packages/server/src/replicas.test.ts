/** Several authority processes on one database: they share the work, hear of each other's changes, and none does another's work. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, MINUTE, SECOND, TestAuthority, TestClock } from "./authority.test-support.ts";
import { openMemoryStore } from "./store/sqlite.ts";
import type { Batch, CommitOutcome, Store } from "./store/store.ts";
import type { ScriptedVerifier } from "./verifier.test-support.ts";

let a: TestAuthority;
let b: TestAuthority;
let api: Answer["body"];
let key: Answer["body"];
let verifier: ScriptedVerifier;
/** What B's calls go through. */
let onTheWay: Partial<Store>;

const LEASE = 5 * SECOND;

beforeEach(async () => {
  onTheWay = {};
  const clock = new TestClock();
  a = await TestAuthority.start({ clock, store: openMemoryStore({ shared: true, now: () => clock.at }) });
  b = await a.beside((store) => new Proxy(store, { get: (_, name: keyof Store) => onTheWay[name] ?? store[name] }));
  api = await a.api();
  key = await a.key({ api, consumer: await a.consumer() });
  verifier = await a.verifier(api);
  await settle();
});
afterEach(async () => {
  a.die();
  b.die();
});

/** Time passes for both, as much as their leases, beats and polls need. */
async function settle(ms = 3 * SECOND): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await a.clock.advance(500);
    await a.tick();
    await b.tick();
  }
}

const rotate = async (by: TestAuthority = a, of: { id: string } = key): Promise<Answer["body"]> =>
  by.ok("POST", `/v1/keys/${of.id}/rotations`, { reason: "test" });
/** So many that each process has some of their rotations. */
const severalKeys = async (count: number): Promise<Answer["body"][]> => {
  const keys = await Promise.all(
    Array.from({ length: count }, async () => a.key({ api, consumer: await a.consumer() })),
  );
  await verifier.catchUp();
  return keys;
};
const phase = async (id: string) => (await a.ok("GET", `/v1/rotations/${id}`)).phase;
const shardsOf = async (each: TestAuthority) =>
  Number(/keyover_engine_shards (\d+)/.exec((await each.call("GET", "/metrics")).text)?.[1]);
describe("two processes", () => {
  test("share the engine's work, and one of them takes all of it when the other leaves", async () => {
    expect([await shardsOf(a), await shardsOf(b)]).toEqual([8, 8]);
    await b.close();
    await settle();
    expect(await shardsOf(a)).toBe(16);
  });

  test("carry every rotation on, whoever was asked for it", async () => {
    const begun = await Promise.all((await severalKeys(20)).map((each, i) => rotate(i % 2 ? a : b, each)));
    await verifier.catchUp();
    await settle();
    const phases = await Promise.all(begun.map(({ id }) => phase(id)));
    expect(phases).toEqual(phases.map(() => "offered"));
    const steps = async (each: TestAuthority) => (await each.call("GET", "/metrics")).text;
    for (const each of [a, b])
      expect(await steps(each)).toMatch(/keyover_rotation_steps_total\{event="acknowledged"\} [1-9]/);
  });

  test("one that dies is missed for its lease, and then the other does its work", async () => {
    b.die();
    const alone = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 500) {
        await a.clock.advance(500);
        await verifier.report();
        await a.tick();
      }
    };
    await alone(LEASE + 2 * SECOND);
    expect(await shardsOf(a)).toBe(16);
    const { id } = await rotate();
    await verifier.catchUp();
    await alone(2 * SECOND);
    expect(await phase(id)).toBe("offered");
  });
});

describe("a verifier", () => {
  test("may speak to either: nothing of its time is lost, and no boot is needed", async () => {
    verifier.authority = b;
    verifier.see(key.id, 1);
    await settle(SECOND);
    await verifier.catchUp();
    const seen = await a.ok("GET", `/v1/apis/${api.id}/verifiers`);
    expect(seen.items).toMatchObject([{ boot: verifier.boot, state: "live" }]);
    expect(seen.watermark).toBe(verifier.coveredTo);
    verifier.authority = a;
    await verifier.catchUp();
    expect((await b.ok("GET", `/v1/apis/${api.id}/verifiers`)).watermark).toBe(verifier.coveredTo);
  });

  test("that repeats a report to the other process, because the answer was lost, is counted once", async () => {
    verifier.see(key.id, 1);
    const sightings = [...verifier.sightings];
    const [from, n] = [verifier.coveredTo, verifier.n];
    expect((await verifier.report()).status).toBe(200);
    Object.assign(verifier, { authority: b, coveredTo: from, n, sightings });
    expect((await verifier.report({ to: verifier.authority.now() })).status).toBe(200);
    const uses = await a.store.uses(key.id);
    expect(uses.map(({ versions }) => versions[1]?.accepted)).toEqual([1]);
  });

  test("holds an offer back at every process while it has not acknowledged to any", async () => {
    const { id } = await rotate(b);
    await verifier.report();
    await settle();
    expect(await phase(id)).toBe("propagating");
    verifier.authority = b;
    await verifier.read();
    await verifier.ack();
    await verifier.report();
    await settle();
    expect(await phase(id)).toBe("offered");
  });

  test("that moved is not taken to be as far as the others of its new host", async () => {
    // B hosts one that is level; its fold says so.
    const other = await a.verifier(api);
    other.authority = b;
    await other.catchUp();
    const { id } = await rotate();
    await other.catchUp();
    // The late one moves to B and reports, without having applied the successor.
    verifier.authority = b;
    await verifier.report();
    await settle();
    expect(await phase(id)).toBe("propagating");
    await verifier.catchUp();
    await settle();
    expect(await phase(id)).toBe("offered");
  });

  test("that was removed at one process is unknown to the other", async () => {
    await b.ok("DELETE", `/v1/apis/${api.id}/verifiers/${verifier.boot}`);
    expect((await verifier.report()).body.code).toBe("unknown_boot");
  });
});

describe("what one process has committed", () => {
  test("is refused or let in by the other at once when the bell rings, and soon when it does not", async () => {
    const token = await a.token("auditor");
    expect((await b.call("GET", "/v1/keys", undefined, { token })).status).toBe(200);
    const id = (await a.ok("GET", "/v1/tokens")).items.find(({ role }: Answer["body"]) => role === "auditor").id;
    await a.ok("POST", `/v1/tokens/${id}/revoke`, {});
    await b.tick();
    expect((await b.call("GET", "/v1/keys", undefined, { token })).status).toBe(401);
  });

  test("that a successor was used, reported to the one, moves the rotation at the other, though bells are lost", async () => {
    onTheWay.ring = () => {};
    const keys = await severalKeys(8);
    const begun = await Promise.all(keys.map((each) => rotate(a, each)));
    await verifier.catchUp();
    await settle();
    verifier.authority = b;
    for (const { id } of keys) verifier.see(id, 2);
    await verifier.report();
    await settle(6 * SECOND);
    const phases = await Promise.all(begun.map(({ id }) => phase(id)));
    expect(phases).toEqual(phases.map(() => "overlapping"));
  });

  test("a request that both are asked with one Idempotency-Key is done once, and answered alike", async () => {
    const ask = (each: TestAuthority) =>
      each.call("POST", `/v1/keys/${key.id}/rotations`, { reason: "test" }, { idempotencyKey: "same" });
    // B has looked for an earlier answer before A commits its own.
    const known = Promise.withResolvers<void>();
    onTheWay.idempotency = async (id) => {
      const found = await a.store.idempotency(id);
      await known.promise;
      return found;
    };
    const late = ask(b);
    const first = await ask(a);
    onTheWay.idempotency = undefined as never;
    known.resolve();
    const second = await late;
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    expect((await a.ok("GET", `/v1/rotations?key=${key.id}`)).items).toHaveLength(1);
  });
});

describe("a process that slept through its lease", () => {
  test("changes nothing when it wakes: its commit comes with a number that counts no more", async () => {
    const asleep: { batch: Batch; wake: (outcome: Promise<CommitOutcome>) => void }[] = [];
    const commit: Store["commit"] = (batch) =>
      batch.fence === undefined ? a.store.commit(batch) : new Promise((wake) => asleep.push({ batch, wake }));
    onTheWay.commit = commit;
    for (const each of await severalKeys(12)) await rotate(a, each);
    await verifier.catchUp();
    void b.authority.tick();
    await a.clock.advance(SECOND);
    expect(asleep.length).toBeGreaterThan(0);
    // B sleeps in the middle of its commit; A takes over.
    b.die();
    for (let passed = 0; passed < LEASE + 3 * SECOND; passed += 500) {
      await a.clock.advance(500);
      await verifier.report();
      await a.tick();
    }
    const before = await a.entries();
    for (const { batch } of asleep) expect(await a.store.commit(batch)).toEqual({ ok: false, conflict: "fence" });
    expect(await a.entries()).toBe(before);
    const phases = await Promise.all(
      (await a.ok("GET", "/v1/rotations?limit=100")).items.map(({ id }: Answer["body"]) => phase(id)),
    );
    expect(new Set(phases)).toEqual(new Set(["offered"]));
  });
});

test("secrets past their time are swept by one process, with one audit entry each, however late the other looks", async () => {
  await a.clock.advance(3 * 3_600 * SECOND);
  const over = await a.store.list("sealed", {}, { limit: 500 });
  expect(over.length).toBeGreaterThan(0);
  onTheWay.list = (async (table, filter, page) =>
    table === "sealed" ? over : a.store.list(table, filter, page)) as Store["list"];
  await settle(2 * MINUTE);
  const entries = await a.store.audit(0, 10_000);
  const expired = entries.filter(({ action }) => action === "secret.expired").map(({ subjects }) => subjects[0]);
  expect(new Set(expired)).toEqual(new Set(over.map(({ value }) => value.id)));
  expect(expired.length).toBe(over.length);
});
