/** Several processes on one database that was restored: one carries out the choice, and all know of it. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, random, SECOND, TestAuthority, TestClock } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import type { Batch } from "../store/store.ts";
import { markRestored } from "./mark.ts";

let a: TestAuthority;
let b: TestAuthority;
let api: Answer["body"];
let key: Answer["body"];

beforeEach(async () => {
  const clock = new TestClock();
  a = await TestAuthority.start({ clock, store: openMemoryStore({ shared: true, now: () => clock.at }) });
  b = await a.beside();
  api = await a.api();
  key = await a.key({ api, consumer: await a.consumer() });
  await pass();
});
afterEach(() => {
  a.die();
  b.die();
});

async function pass(ms = 2 * SECOND): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await a.clock.advance(500);
    await a.tick();
    await b.tick();
  }
}

const code = async (at: TestAuthority) =>
  (await at.call("POST", "/v1/verify", { api: api.id, key: key.secret })).body.code;
const restored = () => markRestored(a.store, { now: a.now(), random });

test("a mark holds the api at all of them within a second, and a choice asked of one frees it at all", async () => {
  const verifier = await a.verifier(api);
  verifier.authority = b;
  expect([await code(a), await code(b)]).toEqual(["ok", "ok"]);
  await restored();
  await a.clock.advance(SECOND);
  expect([await code(a), await code(b)]).toEqual(["reconciling", "reconciling"]);
  expect((await verifier.report()).body.code).toBe("reconciling");
  await b.ok("POST", `/v1/apis/${api.id}/reconciliation`, { choose: "backup", reason: "restored" });
  await pass();
  expect([await code(a), await code(b)]).toEqual(["ok", "ok"]);
  const done = (await a.store.audit(0, 1_000)).filter(({ action }) => action === "restore.reconciled");
  expect(done).toHaveLength(1);
});

test("the process that was to carry it out dies: another does, and proves that it is its turn", async () => {
  const batches: Batch[] = [];
  const commit = b.store.commit.bind(b.store);
  b.store.commit = (batch) => {
    batches.push(batch);
    return commit(batch);
  };
  await restored();
  await a.ok("POST", `/v1/apis/${api.id}/reconciliation`, { choose: "backup", reason: "restored" });
  a.die();
  for (let i = 0; i < 20; i++) {
    await b.clock.advance(500);
    await b.tick();
  }
  expect(await code(b)).toBe("ok");
  const done = batches.filter(({ audit }) => audit.some(({ action }) => action === "restore.reconciled"));
  expect(done.map(({ fence }) => fence?.shard)).toEqual([0]);
});

test("what two of them hear at once from verifiers is all kept", async () => {
  const token = await a.token("verifier", { apis: [api.id] });
  const record = (await a.store.recordOfKey(key.id)) ?? expect.fail();
  await restored();
  await a.clock.advance(SECOND);
  const seq = record.seq + 1;
  const told = (instance: string) => {
    const records = [{ ...record, seq, scopes: [] }];
    return [`/v1/apis/${api.id}/remembered`, { instance, epoch: api.id, seq, n: 1, last: true, records }] as const;
  };
  const answers = await Promise.all([a, b, a, b].map((each, i) => each.call("POST", ...told(`web-${i}`), { token })));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  const [difference] = (await a.ok("GET", `/v1/apis/${api.id}/reconciliation/keys`)).items;
  expect(difference.instances.toSorted()).toEqual(["web-0", "web-1", "web-2", "web-3"]);
});
