/** R26: whatever comes in between, no key is suspended that was not announced for the whole time. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, SECOND, type TestAuthority } from "../authority.test-support.ts";
import { put } from "../store/store.ts";
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

describe("what was told is kept", () => {
  test("a policy that is turned on for old keys suspends none that was not announced for the whole time", async () => {
    await rig.apply({ unusedMs: null });
    await keyover.ok("POST", "/v1/policies/idle/attachments", { target: { kind: "api", api: rig.api.id } });
    const keys = [];
    for (let i = 0; i < 5; i++) keys.push(await rig.newKey());
    const busy = keys[0];
    for (let i = 0; i < 30; i++) {
      verifier.see(busy.id, 1);
      await keyover.pass(10 * DAY);
    }
    await rig.apply();
    const from = keyover.now();
    await rig.days(19, () => verifier.see(busy.id, 1));
    for (const { id } of keys.slice(1)) {
      expect(await rig.story(id, from)).toEqual(["idle 0", "idle 13"]);
      expect((await rig.look(id)).status).toBe("active");
    }
    await rig.days(3, () => verifier.see(busy.id, 1));
    for (const { id } of keys.slice(1)) expect((await rig.look(id)).status).toBe("suspended");
    expect(await rig.look(busy.id)).toMatchObject({ status: "active", idle: null });
  });

  test("after a time in which the authority was away, the announcement begins anew", async () => {
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey();
    await rig.days(40);
    await keyover.clock.advance(30 * DAY);
    await keyover.crash();
    await rig.days(1);
    // Its verifier has gone on reporting to nobody; now it has told all.
    expect(await rig.look(id)).toMatchObject({ status: "active" });
    expect((await rig.story(id, from)).filter((line: string) => line.startsWith("suspended"))).toEqual([]);
    await rig.days(60);
    const all = await rig.story(id, from);
    const again = all.filter((line: string) => line.startsWith("idle")).map((line: string) => Number(line.slice(5)));
    const suspendedOn = Number(all.find((line: string) => line.startsWith("suspended"))?.slice(10));
    const announcedOn = again.find((day: number) => day >= 70);
    expect(suspendedOn).toBe((announcedOn ?? 0) + 20);
  });

  test("a restart in between changes nothing", async () => {
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey();
    for (let i = 0; i < 19; i++) {
      await rig.days(5);
      await keyover.crash();
    }
    expect(await rig.story(id, from)).toEqual(LIFE);
  });

  test("a policy that is tightened brings no date nearer; one that is turned off lets go", async () => {
    await rig.turnOn();
    const { id } = await rig.newKey();
    const later = await rig.newKey();
    await rig.days(31);
    await rig.apply({ ...IDLE, suspendAfterMs: 2 * DAY });
    await rig.days(18);
    expect((await rig.look(id)).status).toBe("active");
    await rig.days(2);
    expect((await rig.look(id)).status).toBe("suspended");
    await keyover.ok("POST", `/v1/keys/${later.id}/restore`, { reason: "still needed" });
    await rig.days(31);
    expect((await rig.look(later.id)).idle).not.toBeNull();
    await rig.apply({ unusedMs: null });
    await rig.days(60);
    expect(await rig.look(later.id)).toMatchObject({ status: "active", idle: null });
    expect((await rig.look(id)).status).toBe("suspended");
    // On again: what had been told is long past; there is the whole time anew.
    await rig.apply(IDLE);
    const on = keyover.now();
    await rig.days(39);
    expect(await rig.story(id, on)).toContain("revocation-put-off 0");
    expect((await rig.look(id)).status).toBe("suspended");
    await rig.days(3);
    expect((await rig.look(id)).status).toBe("revoked");
  });

  test("a policy that only announces never suspends; told to suspend, it announces anew first", async () => {
    await rig.turnOn({ ...IDLE, suspendAfterMs: null });
    const { id, createdAt: from } = await rig.newKey();
    await rig.days(120);
    expect(await rig.story(id, from)).toEqual(["idle 30"]);
    await rig.apply(IDLE);
    const on = keyover.now();
    await rig.days(19);
    expect((await rig.look(id)).status).toBe("active");
    await rig.days(3);
    expect((await rig.story(id, on)).slice(1)).toEqual(["idle 0", "idle 13", "idle 19", "suspended 20"]);
  });
});

describe("a key", () => {
  test("in rotation is let alone, and one that is announced does not rotate by itself", async () => {
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey();
    await rig.days(28);
    const rotation = await keyover.ok("POST", `/v1/keys/${id}/rotations`, { reason: "by hand" });
    await rig.days(60);
    expect(await rig.story(id, from)).toEqual([]);
    await keyover.ok("POST", `/v1/rotations/${rotation.id}/cancel`, {});
    await rig.days(2);
    expect(await rig.story(id, from)).toEqual([expect.stringMatching(/^idle 8[89]$/)]);
    await keyover.ok("PUT", "/v1/policies/idle", {
      spec: { schedule: { maxAgeMs: 60 * DAY, jitterMs: 0 }, idle: IDLE },
    });
    await rig.days(17);
    expect(await rig.look(id)).toMatchObject({ status: "active", rotation: null, rotateAt: null });
    verifier.see(id, 1);
    await rig.days(3);
    expect(await rig.look(id)).toMatchObject({ status: "active", idle: null });
    expect((await rig.look(id)).rotation).not.toBeNull();
  });

  test("that nobody uses is not rotated by its age when its announcement is near; one in use is", async () => {
    const spec = { schedule: { maxAgeMs: 80 * DAY, jitterMs: 0 }, idle: { ...IDLE, unusedMs: 90 * DAY } };
    await keyover.ok("PUT", "/v1/policies/idle", { spec });
    await keyover.ok("POST", "/v1/policies/idle/attachments", { target: { kind: "api", api: rig.api.id } });
    const [idle, busy] = [await rig.newKey(), await rig.newKey()];
    await rig.days(60, () => verifier.see(busy.id, 1));
    await rig.days(25);
    expect((await rig.look(busy.id)).rotation).not.toBeNull();
    expect((await rig.look(idle.id)).rotation).toBeNull();
    await rig.days(7);
    expect(await rig.look(idle.id)).toMatchObject({ rotation: null, rotateAt: null, idle: { since: idle.createdAt } });
  });

  test("of an api that is held is let alone; after the restore silence counts from when it was served again", async () => {
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey();
    await rig.days(28);
    const restoration = {
      id: rig.api.id,
      restore: "r",
      formerEpoch: "",
      after: 0,
      restoredAt: keyover.now(),
      asOf: keyover.now(),
      reconciledAt: null as number | null,
      choice: null,
      late: false,
      compared: {},
      raisedTo: 0,
    };
    const audit = [{ at: keyover.now(), actor: "system", action: "restored", subjects: [rig.api.id], details: {} }];
    await keyover.store.commit({ writes: [put("restoration", restoration)], audit, feed: [] });
    const later = async (count: number) => {
      for (let i = 0; i < count; i++) {
        await keyover.clock.advance(DAY);
        await keyover.tick();
      }
    };
    await later(60);
    expect(await rig.story(id, from)).toEqual([]);
    const held = await keyover.store.get("restoration", rig.api.id);
    const served = { ...restoration, reconciledAt: keyover.now() };
    await keyover.store.commit({ writes: [put("restoration", served, held)], audit, feed: [] });
    await keyover.crash();
    verifier.alive = false;
    verifier = await rig.verifier();
    await rig.days(29);
    expect(await rig.story(id, from)).toEqual([]);
    await rig.days(2);
    expect(await rig.story(id, from)).toEqual([expect.stringMatching(/^idle (118|119)$/)]);
  });

  test("of a restored api counts from when that was served again, though nothing shows that it was away", async () => {
    const bare = await keyover.api({ policy: {} });
    await rig.turnOn();
    await keyover.ok("POST", "/v1/policies/idle/attachments", { target: { kind: "api", api: bare.id } });
    const { id, createdAt: from } = await keyover.key({ api: bare, consumer: rig.consumer });
    await rig.days(28);
    const now = keyover.now();
    const restoration = {
      id: bare.id,
      restore: "r",
      formerEpoch: "",
      after: 0,
      restoredAt: now,
      asOf: from,
      late: false,
    };
    const served = { ...restoration, reconciledAt: now, choice: null, compared: {}, raisedTo: 0 };
    const audit = [{ at: now, actor: "system", action: "restored", subjects: [bare.id], details: {} }];
    await keyover.store.commit({ writes: [put("restoration", served)], audit, feed: [] });
    await rig.days(29);
    expect(await rig.story(id, from)).toEqual([]);
    await rig.days(2);
    expect(await rig.story(id, from)).toEqual(["idle 58"]);
  });

  test("that has expired is not looked at; prolonged, it counts from then", async () => {
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey({ expiresAt: keyover.now() + 20 * DAY });
    await rig.days(80);
    expect(await rig.story(id, from)).toEqual([]);
    await keyover.ok("PATCH", `/v1/keys/${id}`, { expiresAt: null });
    await rig.days(29);
    expect(await rig.story(id, from)).toEqual([]);
    await rig.days(2);
    expect(await rig.story(id, from)).toEqual(["idle 110"]);
  });

  test("of before there were such dates gets one from the patrol", async () => {
    await rig.turnOn();
    const { id } = await rig.newKey();
    await rig.days(1);
    const held = await keyover.store.get("key", id);
    if (held === undefined) throw new Error("it is there");
    const { idleAt, idle: _idle, ...older } = held.value;
    expect(idleAt).toBe(held.value.createdAt + IDLE.unusedMs);
    const audit = [{ at: keyover.now(), actor: "system", action: "older", subjects: [id], details: {} }];
    await keyover.store.commit({ writes: [put("key", older, held)], audit, feed: [] });
    await keyover.pass(11 * SECOND);
    expect((await keyover.store.get("key", id))?.value.idleAt).toBe(idleAt);
  });

  test("shows in the calendar what lies ahead of it", async () => {
    await rig.turnOn();
    const { id, createdAt: from } = await rig.newKey();
    const calendar = async () =>
      (await keyover.ok("GET", `/v1/keys/${id}/policy`)).calendar
        .filter(({ what }: Answer["body"]) => what.startsWith("idle"))
        .map(({ what, at }: Answer["body"]) => `${what.slice(5)} ${Math.round((at - from) / DAY)}`);
    const ahead = ["announce 30", "announce 43", "announce 49", "suspend 50", "revoke 90"];
    expect(await calendar()).toEqual(ahead);
    await rig.days(31);
    expect(await calendar()).toEqual(ahead.slice(1));
    await rig.days(20);
    expect(await calendar()).toEqual(["revoke 90"]);
  });
});

test("whoever tries a version that was killed is no sign of life: it keeps no revocation off", async () => {
  await rig.turnOn();
  const { id, consumer } = await rig.newKey();
  await keyover.ok("POST", `/v1/keys/${id}/emergency`, { mode: "kill", reason: "leaked" });
  await keyover.pass(SECOND);
  const { rotation } = await rig.look(id);
  const token = await keyover.token("consumer", { consumer });
  await keyover.ok("POST", `/v1/rotations/${rotation}/claim`, undefined, { token });
  verifier.see(id, 2);
  await rig.days(1);
  expect(await rig.look(id)).toMatchObject({ rotation: null, currentVersion: 2 });
  const from = keyover.now();
  await rig.days(95, () => verifier.see(id, 1, { accepted: 0, refused: 5 }));
  const all = await rig.story(id, from);
  expect(all.filter((line: string) => /tried|put-off/.test(line))).toEqual([]);
  expect(await rig.look(id)).toMatchObject({ status: "revoked" });
});

describe("a policy", () => {
  const warnings = async (idle: object) =>
    (await keyover.ok("PUT", "/v1/policies/p", { spec: { idle }, dryRun: true })).warnings;

  test("that is probably not what was meant says so", async () => {
    expect(await warnings({ unusedMs: 90 * DAY })).toEqual([]);
    expect(await warnings({ unusedMs: 14 * DAY })).toEqual([expect.stringContaining("a monthly job")]);
    expect(await warnings({ suspendAfterMs: 5 * DAY })).toEqual([expect.stringContaining("says nothing of unusedMs")]);
    const early = { unusedMs: 90 * DAY, suspendAfterMs: 5 * DAY, announceMs: [7 * DAY, DAY] };
    expect(await warnings(early)).toEqual([expect.stringContaining("7 days, which is before")]);
    const never = { unusedMs: 90 * DAY, suspendAfterMs: null, revokeAfterMs: 9 * DAY };
    expect(await warnings(never)).toEqual([expect.stringContaining("nothing is revoked")]);
  });

  test("whose numbers are out of range is refused", async () => {
    for (const idle of [
      { unusedMs: DAY },
      { unusedMs: 400 * DAY },
      { suspendAfterMs: HOUR },
      { unusedMs: "90d" },
      { unused: 1 },
    ])
      await keyover.refused("invalid_request", "PUT", "/v1/policies/p", { spec: { idle } });
  });
});
