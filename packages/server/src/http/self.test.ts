/** What a key is told of its own rotation. */
import { makeKeyText } from "@keyover/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, HOUR, MINUTE, random, SECOND, TestAuthority } from "../authority.test-support.ts";
import type { ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
let verifier: ScriptedVerifier;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  verifier = await keyover.verifier(api);
});
afterEach(() => keyover.close());

const asked = (token: string, instance?: string) =>
  keyover.call("GET", "/v1/self/rotation", undefined, {
    token,
    headers: instance === undefined ? {} : { "keyover-instance": instance },
  });
const ask = async (instance?: string) => (await asked(key.secret, instance)).body;
const rotate = async (policy: object = {}): Promise<string> =>
  (
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {
      policy: { overlapMs: 4 * HOUR, claimMs: 8 * HOUR, ...policy },
    })
  ).id;

test("nothing is to be done where no rotation runs, or its successor is not accepted everywhere yet", async () => {
  const idle = { phase: null, rotation: null, successorWaits: false, claimable: false, window: null, moveAt: null };
  expect(await ask()).toMatchObject({ ...idle, key: key.id, version: 1, target: 1, endsAt: null, brownout: null });
  await rotate();
  expect(await ask()).toMatchObject(idle);
});

test("while a successor waits: the window, a time in it that is the caller's own, and when to ask again", async () => {
  const id = await rotate();
  await keyover.pass(SECOND);
  const { offeredAt, overlapEndsAt } = await keyover.ok("GET", `/v1/rotations/${id}`);
  const answer = await asked(key.secret);
  const window = { start: offeredAt, end: offeredAt + HOUR };
  expect(answer.body).toMatchObject({ phase: "offered", target: 2, successorWaits: true, claimable: false, window });
  expect(answer.body.endsAt).toBe(overlapEndsAt);
  expect(answer.headers).toMatchObject({ "retry-after": "2", "cache-control": "no-store" });
  const names = Array.from({ length: 80 }, (_, n) => `bot-${n}`);
  const times = await Promise.all(names.map(async (name) => (await ask(name)).moveAt));
  for (const time of times) {
    expect(time).toBeGreaterThanOrEqual(window.start);
    expect(time).toBeLessThan(window.end);
  }
  // Spread out: in each quarter of the hour somebody moves.
  expect(new Set(times.map((time) => Math.floor((time - window.start) / (HOUR / 4)))).size).toBe(4);
  await keyover.pass(10 * MINUTE);
  expect(await Promise.all(names.map(async (name) => (await ask(name)).moveAt))).toEqual(times);
  expect(await ask()).toEqual({ ...answer.body, now: keyover.now() });
});

test("a brownout that was announced is told, and the window ends with it", async () => {
  const id = await rotate({ overlapMs: 4 * HOUR });
  await keyover.pass(SECOND);
  const at = keyover.now() + 5 * MINUTE;
  const rotation = (await keyover.store.get("rotation", id)) ?? expect.fail();
  const slot = { from: at, until: at + MINUTE, by: "policy", begunAt: null, endedAt: null };
  const brownouts = { announcedAt: keyover.now(), slots: [slot], stopped: null };
  const write = { put: "rotation" as const, value: { ...rotation.value, brownouts }, expect: rotation.rev };
  const audit = [{ at, actor: "test", action: "test", subjects: [id], details: {} }];
  expect(await keyover.store.commit({ writes: [write], audit, feed: [] })).toMatchObject({ ok: true });
  const answer = await ask();
  expect(answer).toMatchObject({ brownout: { from: at, until: at + MINUTE }, window: { end: at } });
  expect(answer.moveAt).toBeLessThan(at);
});

test("whoever has moved has nothing to do; nor is anything waiting for him", async () => {
  const id = await rotate({ claim: "self" });
  await keyover.pass(SECOND);
  expect(await ask()).toMatchObject({ successorWaits: true, claimable: true });
  const { secret } = await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: key.secret });
  expect((await asked(secret)).body).toMatchObject({ version: 2, target: 2, successorWaits: false, window: null });
  verifier.see(key.id, 2);
  await keyover.pass(SECOND);
  expect(await ask()).toMatchObject({ phase: "overlapping", target: 2, successorWaits: false, claimable: false });
});

test("changes nothing, and holds no credential", async () => {
  await rotate({ claim: "self" });
  await keyover.pass(SECOND);
  const before = await keyover.entries();
  const { text } = await asked(key.secret);
  expect(await keyover.entries()).toBe(before);
  expect(text).not.toMatch(/mk\d+_live_|kot_|sha256|secret|envelope/);
  expect(Object.keys(JSON.parse(text))).not.toContain("sha256");
});

test("an unknown, a retired and a killed version are told what every call of a key's own tells them", async () => {
  const id = await rotate();
  await keyover.pass(SECOND);
  const other = await keyover.key({ api, consumer });
  await keyover.ok("POST", `/v1/keys/${other.id}/emergency`, { mode: "contain", reason: "leaked" });
  await keyover.ok("POST", `/v1/rotations/${id}/retire`, { reason: "test" });
  for (const secret of [makeKeyText("mkt", "live", random), key.secret, other.secret]) {
    const own = await asked(secret);
    const { status, body } = await keyover.call("POST", "/v1/changeover", {}, { token: secret });
    expect({ status: own.status, body: own.body }).toEqual({ status, body });
    expect(status).toBe(401);
  }
  const token = await keyover.token("consumer", { consumer: consumer.id });
  expect((await asked(token)).body).toMatchObject({
    code: "forbidden",
    detail: expect.stringContaining("the key itself"),
  });
});
