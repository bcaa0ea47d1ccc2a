/** R26: a key that nobody uses is announced, suspended, and at last revoked; never one of which that is not known. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND, type TestAuthority } from "../authority.test-support.ts";
import type { ScriptedVerifier } from "../verifier.test-support.ts";
import { IDLE, IdleRig, LIFE } from "./idleness.test-support.ts";

let rig: IdleRig;
let keyover: TestAuthority;
let verifier: ScriptedVerifier;
beforeEach(async () => {
  rig = await IdleRig.start();
  ({ keyover } = rig);
  verifier = await rig.verifier();
});
afterEach(() => rig.close());

describe("a key that nobody uses", () => {
  test("is announced at the policy's steps, suspended, and revoked; each is told with what comes next", async () => {
    await rig.turnOn();
    const { id, secret, createdAt: from } = await rig.newKey();
    await rig.days(51);
    const suspended = await rig.look(id);
    expect(suspended).toMatchObject({ status: "suspended", idle: { since: from } });
    expect(suspended.statusReason).toBe(`unused since ${new Date(from).toISOString().slice(0, 10)}`);
    expect(await keyover.store.recordOfKey(id)).toMatchObject({ status: "suspended" });
    await rig.days(44);
    expect(await rig.look(id)).toMatchObject({ status: "revoked" });
    expect(await rig.verdict(secret)).toBe("revoked");
    expect(await rig.story(id, from)).toEqual(LIFE);
    const notices = await rig.told(id);
    const events = ["key.idle", "key.idle", "key.idle", "key.suspended", "key.revoked"];
    expect(notices.map(({ event }) => event)).toEqual(events);
    const [first, , , then] = notices;
    expect(first?.details).toMatchObject({ since: from, suspendAt: Number(first?.at) + IDLE.suspendAfterMs });
    expect(then?.details).toMatchObject({ idle: true, revokeAt: Number(then?.at) + IDLE.revokeAfterMs });
  });

  test("and is checked over HTTP, is in use", async () => {
    await rig.turnOn();
    const { id, secret, createdAt: from } = await rig.newKey();
    await rig.days(25);
    expect(await rig.verdict(secret)).toBe("ok");
    await rig.days(29);
    expect(await rig.story(id, from)).toEqual([]);
    await rig.days(2);
    expect(await rig.story(id, from)).toEqual(["idle 55"]);
  });

  test("and is used again after it was announced, is let alone; its rotations go on", async () => {
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey();
    await rig.days(35);
    expect((await rig.look(id)).idle).toMatchObject({ suspendedAt: null });
    verifier.see(id, 1);
    await rig.days(2);
    expect(await rig.look(id)).toMatchObject({ status: "active", idle: null });
    await rig.days(27);
    expect(await rig.story(id, from)).toEqual(["idle 30", expect.stringMatching(/^no-longer-idle 3[56]$/)]);
    await rig.days(2);
    expect((await rig.story(id, from)).at(-1)).toMatch(/^idle 6[56]$/);
  });

  test("is refused to whom only tries it: refused uses keep no key alive", async () => {
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey();
    await rig.days(55, () => verifier.see(id, 1, { accepted: 0, refused: 3 }));
    expect((await rig.story(id, from)).slice(0, 4)).toEqual(LIFE.slice(0, 4));
  });

  test("costs a key in use one look in the time after which it would be idle, and no write to it for a use", async () => {
    await rig.turnOn();
    const { id } = await rig.newKey();
    await rig.days(1);
    const before = (await keyover.store.get("key", id))?.rev ?? 0;
    await rig.days(100, () => verifier.see(id, 1));
    expect(await rig.look(id)).toMatchObject({ status: "active", idle: null });
    expect(((await keyover.store.get("key", id))?.rev ?? 0) - before).toBeLessThanOrEqual(4);
  });
});

describe("a key that was suspended because nobody used it", () => {
  const suspended = async () => {
    await rig.turnOn();
    const made = await rig.newKey();
    await rig.days(51);
    expect((await rig.look(made.id)).status).toBe("suspended");
    return made;
  };

  test("and is tried, is told of at once, and its revocation put off; not told again each hour", async () => {
    const { id, createdAt: from } = await suspended();
    await rig.days(20);
    verifier.see(id, 1, { accepted: 0, refused: 5 });
    const triedAt = keyover.now();
    await keyover.pass(SECOND);
    const [notice] = (await rig.told(id)).filter(({ event }) => event === "key.refused-uses");
    expect(notice?.details).toMatchObject({ idle: true, sources: [{ network: "203.0.113.0/24" }] });
    const { idle } = await rig.look(id);
    expect(idle.revokeAt).toBe(triedAt + IDLE.revokeAfterMs);
    // For some days more, and for the last time on day 74.
    await rig.days(4, () => verifier.see(id, 1, { accepted: 0, refused: 5 }));
    expect((await rig.told(id)).filter(({ event }) => event === "key.refused-uses")).toHaveLength(1);
    await rig.days(37);
    expect((await rig.look(id)).status).toBe("suspended");
    await rig.days(5);
    expect((await rig.look(id)).status).toBe("revoked");
    const all = await rig.story(id, from);
    expect(all.filter((line: string) => line.startsWith("tried"))).toEqual(["tried 71", "tried 111"]);
    expect(all.at(-1)).toBe("revoked 114");
  });

  test("and restored, counts from there", async () => {
    const { id, secret } = await suspended();
    await keyover.ok("POST", `/v1/keys/${id}/restore`, { reason: "still needed" });
    const restored = keyover.now();
    expect(await rig.look(id)).toMatchObject({ status: "active", idle: null });
    await rig.days(29);
    expect((await rig.look(id)).idle).toBeNull();
    await rig.days(100);
    expect((await rig.story(id, restored)).filter((line: string) => !/ -/.test(line))).toEqual(["restored 0", ...LIFE]);
    expect(await rig.verdict(secret)).not.toBe("ok");
  });

  test("is not one that a person has suspended: that one is never revoked for it, nor one that a person takes over", async () => {
    const { id, createdAt: from } = await suspended();
    await keyover.ok("POST", `/v1/keys/${id}/suspend`, { reason: "we keep it" });
    expect(await rig.look(id)).toMatchObject({ status: "suspended", statusReason: "we keep it", idle: null });
    const other = await rig.newKey();
    await keyover.ok("POST", `/v1/keys/${other.id}/suspend`, { reason: "not paid" });
    await rig.days(120);
    expect((await rig.look(id)).status).toBe("suspended");
    expect((await rig.look(other.id)).status).toBe("suspended");
    expect((await rig.story(id, from)).at(-1)).toBe("suspended 51");
  });
});

describe("unknown is not unused", () => {
  test("what a lost verifier may have seen: silence counts from when it can't have answered any more", async () => {
    await rig.turnOn();
    const other = await rig.verifier();
    const { id, createdAt: from } = await rig.newKey();
    await rig.days(20);
    other.alive = false;
    await rig.days(29);
    expect(await rig.story(id, from)).toEqual([]);
    await rig.days(2);
    expect(await rig.story(id, from)).toEqual(["idle 50"]);
  });

  test("while no verifier answers, nobody can use a key: nothing happens until they are back, and then it all begins anew", async () => {
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey();
    await rig.days(35);
    expect((await rig.look(id)).idle).not.toBeNull();
    // Goes with a goodbye: no hole is left.
    await verifier.close();
    await rig.days(60);
    expect(await rig.look(id)).toMatchObject({ status: "active", idle: null });
    verifier = await rig.verifier();
    await rig.days(29);
    expect((await rig.look(id)).idle).toBeNull();
    await rig.days(2);
    expect((await rig.look(id)).idle).toMatchObject({ suspendedAt: null });
    expect((await rig.story(id, from)).filter((line: string) => line.startsWith("suspended"))).toEqual([]);
  });

  test("a deployment is no such time", async () => {
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey();
    await rig.days(25);
    await verifier.close();
    await keyover.pass(HOUR);
    verifier = await rig.verifier();
    await rig.days(6);
    expect(await rig.story(id, from)).toEqual(["idle 30"]);
  });

  test("a verifier that is cut off, and has yet to report, holds the announcement back", async () => {
    await rig.close();
    rig = await IdleRig.start({ leaseMs: 10 * MINUTE, onStale: "static", staticMs: 7 * DAY });
    ({ keyover } = rig);
    verifier = await rig.verifier();
    const cutOff = await rig.verifier();
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey();
    await rig.days(28);
    cutOff.alive = false;
    await rig.days(4);
    expect(await rig.story(id, from)).toEqual([]);
    // It is back, on the same boot, and has seen it.
    cutOff.see(id, 1, { first: keyover.now() - DAY, last: keyover.now() - DAY });
    cutOff.alive = true;
    await rig.days(10);
    expect(await rig.story(id, from)).toEqual([]);
  });
});
