/** What was done between a backup and its restore, and leaves a trace in nobody's records: hand-outs, numbers, uses. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, SECOND } from "../authority.test-support.ts";
import { actsOn, type Lineage, openScene, type RememberingVerifier, type Scene } from "./scene.test-support.ts";

let lineage: Lineage;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
let other: Answer["body"];
let web: RememberingVerifier;
let scene: Scene;
const { post, because, rotate, revoke, shown, phase } = actsOn(() => scene);
const sides = ["verifiers", "backup"] as const;

beforeEach(async () => {
  scene = await openScene();
  ({ lineage, api, consumer, key, other, web } = scene);
});
afterEach(() => lineage.keyover.die());

const claim = async (rotation: string) => {
  const token = await lineage.keyover.token("consumer", { consumer: consumer.id });
  return lineage.keyover.ok("POST", `/v1/rotations/${rotation}/claim`, {}, { token });
};
const running = async () => lineage.keyover.ok("GET", `/v1/rotations/${(await shown()).rotation}`);
const stateOf = async (number: number) =>
  (await shown()).versions.find((version: { number: number }) => version.number === number)?.state;

describe("a successor that was claimed after the backup", () => {
  test.each(sides)("is not destroyed by a rollback at once: %s chosen, offered in the backup", async (side) => {
    const { id } = await rotate();
    await lineage.pass(SECOND);
    expect(await phase(id)).toBe("offered");
    const image = lineage.backup();
    await claim(id);
    await lineage.restore(image);
    await lineage.reconcile(api, side);
    await post(`/v1/rotations/${id}/rollback`, because);
    expect(await stateOf(2)).toBe("retiring");
  });

  test.each(sides)("can't be cancelled once it is offered again: %s chosen, on its way in the backup", async (side) => {
    const { id } = await rotate();
    const image = lineage.backup();
    await lineage.pass(SECOND);
    await claim(id);
    await lineage.restore(image);
    await lineage.reconcile(api, side);
    await lineage.pass(60 * SECOND);
    expect(await phase(id)).toBe("offered");
    expect((await lineage.keyover.call("POST", `/v1/rotations/${id}/cancel`, {})).status).toBe(409);
    expect(await stateOf(2)).toBe("pending");
  });
});

test.each(sides)(
  "a brownout that ran in the backup is over where its rotation is offered again: %s chosen",
  async (side) => {
    const { id } = await rotate();
    await lineage.pass(SECOND);
    await post(`/v1/rotations/${id}/brownout`, { ...because, forMs: 600 * SECOND });
    const image = lineage.backup();
    await lineage.restore(image);
    await lineage.reconcile(api, side);
    expect(await phase(id)).toBe("propagating");
    const { store } = lineage.keyover;
    const versions = await store.list("version", { equals: { key_id: key.id } }, { limit: 10 });
    expect(versions.map(({ value }) => value.brownoutUntil ?? null)).toEqual([null, null]);
  },
);

test("a successor on offer in the backup, and cancelled since, goes to every verifier before it is claimed again", async () => {
  const { id } = await rotate();
  await lineage.pass(SECOND);
  const image = lineage.backup();
  await post(`/v1/rotations/${id}/cancel`);
  await lineage.pass(SECOND);
  expect(web.states(key.id)).toEqual({ 1: "active" });
  await lineage.restore(image);
  expect(await web.comeBack()).toBe("reconciling");
  await lineage.choose(api, "backup");
  await lineage.pass(SECOND);
  expect(await phase(id)).toBe("propagating");
  expect(await web.comeBack()).toBe("welcome");
  await lineage.pass(60 * SECOND);
  expect(await phase(id)).toBe("offered");
  expect(web.states(key.id)).toEqual({ 1: "active", 2: "pending" });
});

test("what the backup has on offer is on its way again: a verifier may be about that nobody knows of", async () => {
  const { id } = await rotate();
  await lineage.pass(SECOND);
  expect(await phase(id)).toBe("offered");
  const image = lineage.backup();
  await lineage.restore(image);
  await lineage.choose(api, "verifiers");
  await lineage.pass(SECOND);
  expect((await lineage.look(api)).state).toBe("served");
  expect(await phase(id)).toBe("propagating");
  expect((await lineage.keyover.call("POST", `/v1/rotations/${id}/cancel`, {})).body.code).toBe("successor_claimed");
  const token = await lineage.keyover.token("consumer", { consumer: consumer.id });
  const claimed = await lineage.keyover.call("POST", `/v1/rotations/${id}/claim`, {}, { token });
  expect(claimed.body.code).toBe("rotation_not_offered");
  // Its consumer may have it: the secret is not forgotten at once, nor the version refused.
  await post(`/v1/rotations/${id}/rollback`, because);
  await lineage.pass(SECOND);
  expect((await running()).claimEndedAt).toBeNull();
  expect(await stateOf(2)).toBe("retiring");
});

test("a kill while the api is held stands, whatever a verifier that comes late remembers of the version", async () => {
  await rotate();
  const desk = await lineage.verifier(api, "desk");
  const image = lineage.backup();
  web.serving = false;
  await lineage.keyover.ok("PATCH", `/v1/keys/${key.id}`, { scopes: ["market:read"] });
  await desk.follow();
  desk.alive = false;
  await lineage.restore(image);
  await post(`/v1/keys/${key.id}/emergency`, { ...because, mode: "kill", version: 1 });
  await lineage.reconcile(api, "verifiers");
  expect(await stateOf(1)).toBe("retired");
  expect(await desk.comeBack()).toBe("reconciling");
  await lineage.choose(api, "verifiers");
  await lineage.pass(SECOND);
  expect(await stateOf(1)).toBe("retired");
  expect(await desk.comeBack()).toBe("welcome");
  for (const verifier of [web, desk]) expect(verifier.states(key.id)?.[1]).toBe("retired!");
});

test("a kill before a late verifier tells of a rollback leaves the successor in force: there is no way back to what was killed", async () => {
  const desk = await lineage.verifier(api, "desk");
  const { id } = await rotate();
  await lineage.pass(SECOND);
  const image = lineage.backup();
  web.serving = false;
  await claim(id);
  await post(`/v1/rotations/${id}/rollback`, because);
  await desk.follow();
  expect(desk.states(key.id)).toEqual({ 1: "active", 2: "retiring" });
  desk.alive = false;
  await lineage.restore(image);
  await lineage.reconcile(api, "verifiers");
  await post(`/v1/keys/${key.id}/emergency`, { ...because, mode: "kill", version: 1 });
  expect(await desk.comeBack()).toBe("reconciling");
  await lineage.choose(api, "verifiers");
  await lineage.pass(SECOND);
  expect([await stateOf(1), await stateOf(2)]).toEqual(["retired", "active"]);
  expect((await running()).phase).toBe("retired");
});

describe("a rotation that was to begin after the backup, and has", () => {
  test("makes another successor, under another handle and number", async () => {
    const startsAt = lineage.clock.at + SECOND;
    const { id } = await post(`/v1/keys/${key.id}/rotations`, { reason: "routine", startsAt });
    const image = lineage.backup();
    web.serving = false;
    await lineage.pass(2 * SECOND);
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    expect(await phase(id)).toBe("cancelled");
    const next = await running();
    expect(next).toMatchObject({ from: 1, to: 3, reason: "routine" });
    expect(next.id).not.toBe(id);
  });

  test("is not begun by a kill while the api is held: who has its successor is not believed to hold the new one", async () => {
    const startsAt = lineage.clock.at + 3_600 * SECOND;
    const { id } = await post(`/v1/keys/${key.id}/rotations`, { reason: "routine", startsAt });
    const image = lineage.backup();
    await post(`/v1/keys/${key.id}/emergency`, { ...because, mode: "kill", version: 1 });
    await lineage.pass(SECOND);
    const token = await lineage.keyover.token("consumer", { consumer: consumer.id });
    await claim(id);
    await lineage.restore(image);
    const killed = await post(`/v1/keys/${key.id}/emergency`, { ...because, mode: "kill", version: 1 });
    expect(killed.id).not.toBe(id);
    expect(killed).toMatchObject({ from: 1, fromCompromised: true, phase: "propagating" });
    expect(await phase(id)).toBe("cancelled");
    await lineage.choose(api, "backup");
    await lineage.pass(SECOND);
    const confirm = await lineage.keyover.call("POST", `/v1/rotations/${id}/confirm`, { version: 2 }, { token });
    expect(confirm.status).not.toBe(200);
    expect((await running()).id).toBe(killed.id);
  });

  test("has another number, with the backup chosen against who knows the first one", async () => {
    const startsAt = lineage.clock.at + 3_600 * SECOND;
    await post(`/v1/keys/${key.id}/rotations`, { reason: "routine", startsAt });
    const image = lineage.backup();
    await lineage.clock.advance(3_601 * SECOND);
    await lineage.pass(SECOND);
    await lineage.restore(image);
    await lineage.reconcile(api, "backup");
    expect((await running()).to).toBeGreaterThan(2);
  });
});

test("a use of a secret that is gone does not count for the one that got its number", async () => {
  const image = lineage.backup();
  web.serving = false;
  await rotate();
  await lineage.pass(SECOND);
  const usedAt = lineage.clock.at;
  await lineage.restore(image);
  await lineage.reconcile(api, "verifiers");
  const { id } = await rotate();
  await lineage.pass(60 * SECOND);
  web.see(key.id, 2, usedAt);
  await lineage.pass(SECOND);
  expect(await phase(id)).toBe("offered");
  expect((await claim(id)).version).toBe(2);
  web.see(key.id, 2);
  await lineage.pass(30 * SECOND);
  expect(await phase(id)).toBe("overlapping");
});

test("a use of a secret that gives way to a late verifier's does not count for that one", async () => {
  const desk = await lineage.verifier(api, "desk");
  await lineage.pass(SECOND);
  const image = lineage.backup();
  web.serving = false;
  const first = await rotate();
  await lineage.pass(120 * SECOND);
  expect(await phase(first.id)).toBe("offered");
  desk.alive = false;
  await lineage.restore(image);
  await lineage.reconcile(api, "verifiers");
  await rotate();
  await lineage.pass(60 * SECOND);
  web.see(key.id, 2);
  await lineage.pass(SECOND);
  expect((await running()).usedAt).not.toBeNull();
  expect(await desk.comeBack()).toBe("reconciling");
  await lineage.choose(api, "verifiers");
  await lineage.pass(SECOND);
  expect(await desk.comeBack()).toBe("welcome");
  await lineage.pass(60 * SECOND);
  expect(await running()).toMatchObject({ id: first.id, to: 2, usedAt: null });
});

test("a report that the backup has is not sent again", async () => {
  await lineage.pass(SECOND);
  const { boot, seq } = web;
  await lineage.restore(lineage.backup());
  const report = { boot, n: 2, from: 0, to: 1, applied: seq, sightings: [] };
  const { body } = await web.call("POST", "/reports", report);
  expect(body).toMatchObject({ code: "reconciling" });
  expect(body.counted).toBeGreaterThan(0);
  // That was the last word: one that was long on its way does not count any more.
  await lineage.choose(api, "backup");
  await lineage.pass(SECOND);
  const late = { boot, n: body.counted + 1, from: lineage.clock.at, to: lineage.clock.at, applied: seq, sightings: [] };
  expect((await web.call("POST", "/reports", late)).body).toMatchObject({
    code: "unknown_boot",
    counted: body.counted,
  });
});

test("a verifier that has slept through all of it does not follow on: it registers, and is asked", async () => {
  await lineage.pass(SECOND);
  const { boot } = web;
  const image = lineage.backup();
  await revoke(other);
  await lineage.pass(SECOND);
  await lineage.restore(image);
  await lineage.choose(api, "backup");
  await lineage.pass(SECOND);
  for (const old of [boot, `${boot.slice(0, -1)}0`])
    expect((await web.call("GET", `/feed?after=${web.seq}&boot=${old}`)).body.code).toBe("unknown_boot");
  expect(await web.comeBack()).toBe("reconciling");
});

test("what a verifier has of before the restore, and nobody has put into force, gives way", async () => {
  const desk = await lineage.verifier(api, "desk");
  await lineage.pass(SECOND);
  const image = lineage.backup();
  const { seq } = web;
  await revoke(other);
  await lineage.pass(SECOND);
  // It has the record by the side, not by the feed: it counts itself no further than the backup.
  web.seq = seq;
  desk.alive = false;
  await lineage.restore(image);
  await lineage.reconcile(api, "backup", { revive: true });
  expect(web.states(other.id)).toEqual({ 1: "active" });
  const { epoch } = await lineage.look(api);
  expect(epoch).not.toBe(api.id);
  for (const record of web.records.values()) expect(record.seq).toBeGreaterThan(1_000_000);
  const sha256 = web.records.get(other.id)?.versions[0]?.sha256;
  const { body } = await web.call("POST", "/misses", { sha256 });
  expect(body.record.seq).toBeGreaterThan(1_000_000);
});
