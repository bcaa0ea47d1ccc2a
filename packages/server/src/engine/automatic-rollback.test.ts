/** After a retirement: refused uses of the old version are told of, and take it back where the policy says so. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, MINUTE, SECOND, TestAuthority, TestClock } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import { bot, type ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let key: Answer["body"];
let verifier: ScriptedVerifier;
let holder: string;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  const consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  holder = await keyover.token("consumer", { consumer: consumer.id });
  verifier = await keyover.verifier(api);
});
afterEach(() => keyover.close());

const rule = { refusals: 5, sources: 2, coolDownMs: 30 * DAY };
const other = { ...bot, instance: "other" };
const look = (id: string) => keyover.ok("GET", `/v1/rotations/${id}`);
const told = async () =>
  (await keyover.store.list("notice_event", {}, { limit: 1_000 }))
    .map(({ value }) => value)
    .filter(({ event }) => event === "key.refused-uses");

/** Both sources use the old version, then one moves, and the policy retires it at the deadline. */
async function retired(policy: object = {}): Promise<string> {
  const { currentVersion: from } = await keyover.ok("GET", `/v1/keys/${key.id}`);
  verifier.see(key.id, from).see(key.id, from, { source: other });
  await keyover.pass(SECOND);
  const { id, to } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {
    policy: { onDeadline: "retire", automaticRollback: rule, rollbackMs: DAY, ...policy },
  });
  await keyover.pass(SECOND);
  await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
  verifier.see(key.id, to);
  await keyover.pass(SECOND);
  for (let i = 0; i < 13; i++) {
    verifier.see(key.id, from, { source: other });
    await keyover.pass(5 * MINUTE);
  }
  expect(await look(id)).toMatchObject({ phase: "retired", forced: { by: "policy" } });
  await keyover.pass(SECOND);
  return id;
}

const refuse = async (count: number, source = bot, version = 1) => {
  verifier.see(key.id, version, { source, accepted: 0, refused: count });
  await verifier.catchUp();
  await keyover.clock.advance(2 * SECOND);
};

describe("R10: refused uses after a retirement", () => {
  test("take it back once there are enough, by enough sources that had used it; soon, and on record", async () => {
    const id = await retired();
    await refuse(4);
    expect((await look(id)).phase).toBe("retired");
    await refuse(1, other);
    expect(await look(id)).toMatchObject({
      phase: "rolled-back",
      rollbackReason: expect.stringContaining("5 requests of 2 sources"),
    });
    const { versions, currentVersion } = await keyover.ok("GET", `/v1/keys/${key.id}`);
    expect([currentVersion, versions.map(({ state }: { state: string }) => state)]).toEqual([
      1,
      ["active", "retiring"],
    ]);
    const { items } = await keyover.ok("GET", `/v1/audit?subject=${id}&limit=1000`);
    expect(items.at(-1)).toMatchObject({
      actor: "engine",
      action: "rotation.rolled-back",
      details: { cause: "refused", refusals: 5, sources: 2 },
    });
  });

  test("are told of at the first by somebody who had used it, and again when there are ten times as many", async () => {
    const id = await retired({ automaticRollback: null });
    await refuse(3, { ...bot, instance: "stranger" });
    expect(await told()).toEqual([]);
    await refuse(1);
    await refuse(2);
    expect((await told()).map(({ details }) => details.count)).toEqual([1]);
    await refuse(9);
    expect((await told()).map(({ details }) => details.count).sort((a, b) => Number(a) - Number(b))).toEqual([1, 12]);
    expect(await look(id)).toMatchObject({ phase: "retired" });
  });

  test("by one source where two are asked for, or by strangers, change nothing", async () => {
    const id = await retired();
    await refuse(500);
    await refuse(500, { ...bot, instance: "stranger" });
    expect((await look(id)).phase).toBe("retired");
  });

  test("do not bring back what a person has retired by force: they are told, and decide", async () => {
    verifier.see(key.id, 1).see(key.id, 1, { source: other });
    await keyover.pass(SECOND);
    const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {
      policy: { automaticRollback: rule, rollbackMs: DAY },
    });
    await keyover.pass(SECOND);
    await keyover.ok("POST", `/v1/rotations/${id}/retire`, { reason: "the partner is gone" });
    await refuse(20);
    await refuse(20, other);
    expect(await look(id)).toMatchObject({ phase: "retired" });
    expect(await told()).not.toEqual([]);
  });

  test("nor a version in wrong hands", async () => {
    const id = await retired();
    await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "kill", version: 1, reason: "leaked" });
    await refuse(20);
    await refuse(20, other);
    expect((await look(id)).phase).not.toBe("rolled-back");
  });

  test("nor a second time within the cool-down", async () => {
    const first = await retired();
    await refuse(5);
    await refuse(5, other);
    expect((await look(first)).phase).toBe("rolled-back");
    await keyover.ok("POST", `/v1/rotations/${first}/retire`, { reason: "begin anew" });
    const second = await retired();
    await refuse(5);
    await refuse(5, other);
    expect((await look(second)).phase).toBe("retired");
    expect((await told()).length).toBeGreaterThan(1);
  });

  test("nor once the rollback window is over", async () => {
    const id = await retired({ rollbackMs: HOUR });
    await keyover.pass(HOUR + SECOND);
    await refuse(20);
    await refuse(20, other);
    expect(await look(id)).toMatchObject({ phase: "completed" });
  });
});

test("R10: reported to one of two processes, they wake the one whose rotation it is", async () => {
  const clock = new TestClock();
  const a = await TestAuthority.start({ clock, store: openMemoryStore({ shared: true, now: () => clock.at }) });
  const b = await a.beside();
  const settle = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 500) {
      await clock.advance(500);
      for (const each of a.verifiers) await each.catchUp();
      await a.tick();
      await b.tick();
    }
  };
  const shared = await a.api();
  const keys = await Promise.all(
    Array.from({ length: 6 }, async () => a.key({ api: shared, consumer: await a.consumer() })),
  );
  const watcher = await a.verifier(shared);
  await settle(3 * SECOND);
  for (const { id } of keys) watcher.see(id, 1);
  await settle(SECOND);
  const lived = { overlapMs: 5 * SECOND, overlapMinMs: SECOND, quietMs: DAY, rollbackMs: DAY };
  const policy = { ...lived, onDeadline: "retire", automaticRollback: { ...rule, refusals: 2, sources: 1 } };
  const begun = await Promise.all(keys.map(({ id }) => a.ok("POST", `/v1/keys/${id}/rotations`, { policy })));
  await settle(8 * SECOND);
  const phases = async () => Promise.all(begun.map(async ({ id }) => (await a.ok("GET", `/v1/rotations/${id}`)).phase));
  expect(await phases()).toEqual(Array(6).fill("retired"));
  watcher.authority = b;
  for (const { id } of keys) watcher.see(id, 1, { accepted: 0, refused: 2 });
  await settle(3 * SECOND);
  expect(await phases()).toEqual(Array(6).fill("rolled-back"));
  a.die();
  b.die();
});
