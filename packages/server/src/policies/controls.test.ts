/** R02: extend, shorten, pause and resume, by an operator and, within the policy, by the consumer itself; and when a client best moves. */
import { sha256Text } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import type { ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
let holder: string;
let verifier: ScriptedVerifier;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  holder = await keyover.token("consumer", { consumer: consumer.id });
  verifier = await keyover.verifier(api);
});
afterEach(() => keyover.close());

const look = (id: string) => keyover.ok("GET", `/v1/rotations/${id}`);
const post = (id: string, name: string, body?: unknown, token?: string) =>
  keyover.ok("POST", `/v1/rotations/${id}/${name}`, body, { token });
const because = { reason: "the exchange is closed" };

async function offered(policy: object = {}): Promise<Answer["body"]> {
  const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { policy });
  await keyover.pass(SECOND);
  return look(id);
}
async function overlapping(policy: object = {}): Promise<Answer["body"]> {
  verifier.see(key.id, 1);
  const { id } = await offered(policy);
  await post(id, "claim", undefined, holder);
  verifier.see(key.id, 2);
  await keyover.pass(SECOND);
  return look(id);
}

describe("a paused rotation", () => {
  test("holds where it is, whatever the gates and the deadline say, and goes on when it is resumed", async () => {
    const { id, overlapEndsAt } = await overlapping({ onDeadline: "retire" });
    const paused = await post(id, "pause", because);
    expect(paused.paused).toMatchObject({ at: keyover.now(), reason: because.reason });
    await keyover.pass(3 * HOUR);
    await keyover.pass(SECOND);
    expect(await look(id)).toMatchObject({ phase: "overlapping", overlapEndsAt });
    expect(
      (await keyover.ok("GET", `/v1/rotations/${id}/evidence`)).gates.every(({ met }: Answer["body"]) => met),
    ).toBe(true);
    const pausedMs = keyover.now() - paused.paused.at;
    const resumed = await post(id, "resume");
    expect(resumed).toMatchObject({ paused: null, pausedMs, overlapEndsAt: overlapEndsAt + pausedMs });
    await keyover.pass(SECOND);
    expect(await look(id)).toMatchObject({ phase: "retired", forced: null });
    const { items } = await keyover.ok("GET", `/v1/audit?subject=${id}`);
    expect(items.map(({ action }: Answer["body"]) => action)).toEqual(
      expect.arrayContaining(["rotation.pause", "rotation.resume"]),
    );
  });

  test("is not offered while it propagates, and its consumer may come late by as much", async () => {
    const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
    await post(id, "pause", because);
    await keyover.pass(5 * HOUR);
    expect((await look(id)).phase).toBe("propagating");
    await post(id, "resume");
    await keyover.pass(SECOND);
    const rotation = await look(id);
    expect(rotation).toMatchObject({ phase: "offered", pausedMs: 0, overlapEndsAt: rotation.offeredAt + HOUR });
    await post(id, "pause", because);
    await keyover.pass(5 * HOUR);
    await post(id, "resume");
    await keyover.pass(SECOND);
    // Its claim time of two hours would be long over.
    await post(id, "claim", undefined, holder);
  });

  test("does not begin while it is planned", async () => {
    const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { startsAt: keyover.now() + HOUR });
    await post(id, "pause", because);
    await keyover.pass(2 * HOUR);
    expect((await look(id)).phase).toBe("planned");
    await post(id, "resume");
    await keyover.pass(SECOND);
    expect((await look(id)).phase).not.toBe("planned");
  });

  test("says nothing of a deadline that does not count", async () => {
    const { id } = await offered();
    await post(id, "pause", because);
    await keyover.pass(2 * HOUR);
    await keyover.pass(MINUTE);
    expect(keyover.lines.join("")).not.toContain("rotation.held_at_deadline");
  });

  test("is overtaken by an emergency, and can't be paused after one", async () => {
    const { id } = await overlapping();
    await post(id, "pause", because);
    const struck = await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, {
      mode: "kill",
      version: 1,
      reason: "leaked",
    });
    expect(struck).toMatchObject({ id, phase: "retired", paused: null });
    const other = await keyover.key({ api, consumer });
    const leak = await keyover.ok("POST", `/v1/keys/${other.id}/emergency`, { mode: "kill", reason: "leaked" });
    await keyover.refused("version_compromised", "POST", `/v1/rotations/${leak.id}/pause`, because);
  });

  test("takes a person's retirement, and no other deadline", async () => {
    const { id } = await overlapping();
    await post(id, "pause", because);
    await keyover.refused("rotation_paused", "POST", `/v1/rotations/${id}/deadline`, { byMs: HOUR });
    expect(await post(id, "retire", because)).toMatchObject({ phase: "retired", paused: null });
    await keyover.refused("already_retired", "POST", `/v1/rotations/${id}/pause`, because);
  });
});

describe("the consumer's own extension", () => {
  test("moves the deadline by as much in sum as the policy says, with its token or the key", async () => {
    const { id, overlapEndsAt } = await offered({ consumerMayExtendMs: 3 * HOUR });
    expect(await post(id, "extend", { byMs: HOUR }, holder)).toMatchObject({
      extendedMs: HOUR,
      overlapEndsAt: overlapEndsAt + HOUR,
    });
    expect(await post(id, "extend", { byMs: HOUR }, key.secret)).toMatchObject({ extendedMs: 2 * HOUR });
    const refusal = await keyover.refused(
      "extension_not_allowed",
      "POST",
      `/v1/rotations/${id}/extend`,
      { byMs: 2 * HOUR },
      { token: holder },
    );
    expect(refusal).toMatchObject({ status: 403, detail: expect.stringContaining("3600000 ms more") });
    const { items } = await keyover.ok("GET", `/v1/audit?subject=${id}`);
    const extensions = items.filter(({ action }: Answer["body"]) => action === "rotation.extend");
    expect(extensions.map(({ actor }: Answer["body"]) => actor)).toEqual([expect.stringMatching(/^tok_/), key.id]);
  });

  test("is none unless the policy says so, and never another's", async () => {
    const { id } = await offered();
    await keyover.refused(
      "extension_not_allowed",
      "POST",
      `/v1/rotations/${id}/extend`,
      { byMs: 1 },
      { token: holder },
    );
    const other = await keyover.token("consumer", { consumer: (await keyover.consumer()).id });
    await keyover.refused("not_found", "POST", `/v1/rotations/${id}/extend`, { byMs: 1 }, { token: other });
    await keyover.refused("forbidden", "POST", `/v1/rotations/${id}/extend`, { byMs: 1 });
  });

  test("helps nobody who holds a leaked version", async () => {
    const { id } = await offered({ consumerMayExtendMs: 3 * HOUR });
    await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, {
      mode: "contain",
      version: 1,
      reason: "leaked",
      fence: { networks: ["203.0.113.0/24"] },
    });
    await keyover.refused("unauthenticated", "POST", `/v1/rotations/${id}/extend`, { byMs: 1 }, { token: key.secret });
    await keyover.refused("version_compromised", "POST", `/v1/rotations/${id}/extend`, { byMs: 1 }, { token: holder });
  });

  test("goes no further than the policy's longest overlap; an operator's neither", async () => {
    const { id } = await offered({ overlapMaxMs: 2 * HOUR, consumerMayExtendMs: 5 * HOUR });
    await keyover.refused(
      "overlap_out_of_range",
      "POST",
      `/v1/rotations/${id}/extend`,
      { byMs: 2 * HOUR },
      { token: holder },
    );
    await keyover.refused("overlap_out_of_range", "POST", `/v1/rotations/${id}/deadline`, { byMs: 2 * HOUR });
    await post(id, "extend", { byMs: HOUR }, holder);
  });
});

describe("when to move", () => {
  const ask = async () => keyover.call("POST", "/v1/changeover", {}, { token: key.secret });

  test("a client is told a window outside blackouts, and when to ask again, in the answer and its header", async () => {
    const now = new Date(keyover.now());
    const clock = (ms: number) => new Date(now.getTime() + ms).toISOString().slice(11, 16);
    await keyover.ok("PUT", "/v1/policies/quiet", {
      spec: {
        schedule: { blackouts: [{ zone: "UTC", from: clock(-HOUR), to: clock(2 * HOUR) }] },
        overlapMs: DAY,
        claimMs: 2 * DAY,
        remindMs: [],
      },
    });
    await keyover.ok("POST", "/v1/policies/quiet/attachments", { target: { kind: "key", key: key.id } });
    const { offeredAt } = await offered();
    const { body, headers } = await ask();
    const free = Math.floor((now.getTime() + 2 * HOUR) / MINUTE) * MINUTE;
    expect(body.rotation.suggested).toEqual({ from: free, to: free + HOUR });
    expect(body.rotation.suggested.from).toBeGreaterThan(offeredAt);
    expect(body.pollAfterMs).toBe(MINUTE);
    expect(headers["retry-after"]).toBe("60");
  });

  test("at once where the version in use has leaked", async () => {
    const { id } = await offered();
    await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "contain", version: 1, reason: "leaked" });
    const { body } = await keyover.call(
      "POST",
      "/v1/changeover",
      { sha256: sha256Text(key.secret) },
      { token: holder },
    );
    expect(body.rotation).toMatchObject({
      id,
      suggested: { from: (await look(id)).offeredAt, to: (await look(id)).offeredAt },
    });
    expect(body.pollAfterMs).toBe(2_000);
  });
});
