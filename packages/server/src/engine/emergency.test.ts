import { isAccepted, type KeyRecord, type Phase } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Answer,
  DAY,
  HOUR,
  MINUTE,
  type Options,
  SECOND,
  TestAuthority,
  TestClock,
} from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import { unhurried } from "../store/store.test-support.ts";
import { bot, type ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let key: Answer["body"];
let holder: string;
let verifier: ScriptedVerifier;
beforeEach(() => begin());
async function begin(options: Options = {}): Promise<void> {
  keyover = await TestAuthority.start(options);
  api = await keyover.api();
  const consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  holder = await keyover.token("consumer", { consumer: consumer.id });
  verifier = await keyover.verifier(api);
  verifier.see(key.id, 1).see(key.id, 1, { source: { ...bot, network: "2001:db8:1::/48" } });
  await keyover.pass(SECOND);
}
afterEach(() => keyover.close());

const because = { reason: "found in a public repository" };
const act = (id: string, name: string, body: unknown = because) =>
  keyover.ok("POST", `/v1/rotations/${id}/${name}`, body);
const strike = (body: Record<string, unknown>) =>
  keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { ...because, ...body });
const look = (id: string) => keyover.ok("GET", `/v1/rotations/${id}`);
const claim = (id: string) => keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
const record = async (): Promise<KeyRecord> => (await keyover.store.recordOfKey(key.id)) ?? expect.fail("no record");
const version = async (number: number) => (await record()).versions.find((each) => each.number === number);
const accepted = async () =>
  (await record()).versions.filter(({ state }) => isAccepted(state)).map(({ number }) => number);

/** A rotation in this phase; undefined for none. */
async function reach(phase: Phase | "none"): Promise<string> {
  if (phase === "none") return "";
  const startsAt = phase === "planned" ? { startsAt: keyover.now() + DAY } : {};
  const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, startsAt);
  if (phase !== "planned" && phase !== "propagating") {
    await keyover.pass(SECOND);
    if (phase !== "offered") {
      await claim(id);
      verifier.see(key.id, 2);
      await keyover.pass(SECOND);
    }
    if (phase === "retired") await act(id, "retire");
    if (phase === "rolled-back") await act(id, "rollback");
  }
  expect((await look(id)).phase).toBe(phase);
  return id;
}

/** What one call did to the feed: a single entry. */
async function inOneCommit<T>(work: () => Promise<T>): Promise<T> {
  const head = await keyover.store.feedHead(api.id);
  const value = await work();
  expect(await keyover.store.feedHead(api.id)).toBe(head + 1);
  return value;
}

const striking = ["none", "planned", "propagating", "offered", "overlapping", "rolled-back"] as const;

describe.each(striking)("in phase %s", (phase) => {
  test("kill refuses the leaked version in one commit, and a successor is there or on its way (I11)", async () => {
    const id = await reach(phase);
    const rotation = await inOneCommit(() => strike({ mode: "kill", version: 1 }));
    expect(await version(1)).toMatchObject({ state: "retired", compromised: true });
    expect(await accepted()).toEqual([2]);
    if (phase !== "none") expect(rotation.id).toBe(id);
    expect(rotation).toMatchObject({ fromCompromised: true, endedAt: null, from: 1, to: 2 });
    await keyover.refused("version_compromised", "POST", `/v1/rotations/${rotation.id}/rollback`, because);

    await keyover.pass(SECOND);
    const sealed = await keyover.store.count("sealed", { equals: { rotation_id: rotation.id } });
    if (sealed > 0) expect((await claim(rotation.id)).version).toBe(2);
    verifier.see(key.id, 2);
    await keyover.pass(SECOND);
    for (let i = 0; i < 5; i++) await keyover.pass(HOUR);
    expect((await look(rotation.id)).phase).toBe("completed");
    // Whoever restores an older database learns of the leak from verifiers alone.
    expect((await record()).versions).toMatchObject([
      { number: 1, state: "retired", compromised: true },
      { number: 2, state: "active" },
    ]);
  });

  test("contain fences it to where it was seen, and leaves no way back to it", async () => {
    const id = await reach(phase);
    const rotation = await inOneCommit(() =>
      strike({ mode: "contain", version: 1, fence: { scopes: ["market:read"] } }),
    );
    const fence = { scopes: ["market:read"], networks: ["2001:db8:1::/48", "203.0.113.0/24"] };
    const fenced = await version(1);
    expect({ ...fenced?.fence, networks: fenced?.fence?.networks?.toSorted() }).toEqual(fence);
    expect(fenced?.compromised).toBe(true);
    expect(await accepted()).toEqual([1, 2]);
    if (phase !== "none") expect(rotation.id).toBe(id);
    await keyover.refused("version_compromised", "POST", `/v1/rotations/${rotation.id}/rollback`, because);
    if (!["overlapping", "rolled-back"].includes(phase)) {
      await keyover.refused("version_compromised", "POST", `/v1/rotations/${rotation.id}/cancel`, {});
    }
    await keyover.pass(SECOND);
    expect(["offered", "overlapping"]).toContain((await look(rotation.id)).phase);
  });
});

test("a retired version is only marked; a second kill changes nothing more", async () => {
  const id = await reach("retired");
  await strike({ mode: "kill", version: 1 });
  expect(await version(1)).toMatchObject({ state: "retired", compromised: true });
  await keyover.refused("version_compromised", "POST", `/v1/rotations/${id}/rollback`, because);
  expect(await accepted()).toEqual([2]);
});

test("a killed successor gives the old version back, in one commit", async () => {
  const id = await reach("overlapping");
  const rotation = await inOneCommit(() => strike({ mode: "kill", version: 2 }));
  expect(rotation).toMatchObject({ id, phase: "rolled-back", endedAt: expect.any(Number) });
  expect(await accepted()).toEqual([1]);
  expect((await record()).current).toBe(1);
  expect(await version(2)).toMatchObject({ state: "retired", compromised: true });
});

test("with both versions lost a new rotation starts in the same commit, and again, and is the one that is answered", async () => {
  await reach("overlapping");
  await strike({ mode: "kill", version: 1 });
  const chain = [];
  for (const lost of [2, 3, 4]) {
    const rotation = await inOneCommit(() => strike({ mode: "kill", version: lost }));
    chain.push(rotation.id);
    expect(rotation).toMatchObject({ phase: "propagating", from: lost, to: lost + 1, endedAt: null });
    expect(await accepted()).toEqual([lost + 1]);
    expect((await keyover.ok("GET", `/v1/keys/${key.id}`)).rotation).toBe(rotation.id);
    await keyover.pass(SECOND);
    expect((await claim(rotation.id)).version).toBe(lost + 1);
  }
  expect(new Set(chain).size).toBe(3);
  verifier.see(key.id, 5);
  await keyover.pass(SECOND);
  for (let i = 0; i < 3; i++) await keyover.pass(2 * HOUR);
  expect(await keyover.store.count("rotation", { equals: { ended: false } })).toBe(0);
  expect(await accepted()).toEqual([5]);
});

test("a contained version whose successor is lost too goes on, fenced, and gets another successor", async () => {
  await reach("overlapping");
  await strike({ mode: "contain", version: 1 });
  const rotation = await inOneCommit(() => strike({ mode: "kill", version: 2 }));
  expect(rotation).toMatchObject({ phase: "propagating", from: 1, to: 3, fromCompromised: true });
  expect(await accepted()).toEqual([1, 3]);
  expect((await version(1))?.fence).toBeDefined();
});

test("a version that was never seen anywhere is fenced to no network at all", async () => {
  const other = await keyover.key({ api, consumer: { id: key.consumer } });
  await keyover.ok("POST", `/v1/keys/${other.id}/emergency`, { ...because, mode: "contain" });
  const held = await keyover.store.recordOfKey(other.id);
  expect(held?.versions[0]?.fence).toEqual({ networks: [] });
  const ask = { api: api.id, key: other.secret, network: "203.0.113.7" };
  expect(await keyover.ok("POST", "/v1/verify", ask)).toMatchObject({ valid: false, code: "network_denied" });
});

test("what can't be is refused: no reason, no such version, unknown scopes, a successor contained, an unclear target", async () => {
  const emergency = `/v1/keys/${key.id}/emergency`;
  await keyover.refused("invalid_request", "POST", emergency, { mode: "kill" });
  await keyover.refused("no_such_version", "POST", emergency, { ...because, mode: "kill", version: 9 });
  const misspelt = { ...because, mode: "contain", fence: { scopes: ["market:raed"] } };
  expect((await keyover.refused("unknown_scope", "POST", emergency, misspelt)).known).toEqual(api.scopes);
  await reach("overlapping");
  await keyover.refused("contain_needs_old_version", "POST", emergency, { ...because, mode: "contain", version: 2 });
  const unclear = await keyover.refused("invalid_request", "POST", emergency, { ...because, mode: "kill" });
  expect(unclear).toMatchObject({ accepted: [1, 2] });
  await keyover.refused("not_found", "POST", "/v1/keys/key_none/emergency", { ...because, mode: "kill" });
  await keyover.ok("POST", `/v1/keys/${key.id}/revoke`, because);
  await keyover.refused("key_is_revoked", "POST", emergency, { ...because, mode: "kill", version: 1 });
});

test("a kill while others change the same key is never undone by an older picture of it", async () => {
  await keyover.close();
  const clock = new TestClock();
  await begin({ clock, store: unhurried(openMemoryStore({ now: () => clock.at })) });
  for (let round = 0; round < 20; round++) {
    key = await keyover.key({ api, consumer: { id: key.consumer } });
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
    await keyover.pass(MINUTE);
    const patch = (i: number) => () =>
      keyover.call("PATCH", `/v1/keys/${key.id}`, { notes: `${i}`, networks: i % 2 ? ["203.0.113.0/24"] : [] });
    const calls = [patch(1), patch(2), patch(3), patch(4)].toSpliced(round % 5, 0, () =>
      strike({ mode: "kill", version: 1 }),
    );
    await Promise.all(calls.map((send) => send()));
    expect(await version(1)).toMatchObject({ state: "retired", compromised: true });
    const entries = await keyover.store.feedAfter(api.id, 0, 10_000);
    const own = entries.flatMap(({ record: each }) => (each !== undefined && each.key === key.id ? [each] : []));
    const marks = own.map((each) => each.versions[0]?.compromised);
    expect(marks.lastIndexOf(false)).toBeLessThan(marks.indexOf(true));
  }
});
