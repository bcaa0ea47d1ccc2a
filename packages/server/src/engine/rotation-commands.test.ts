import { defaultRotationPolicy, sha256Text } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
let holder: string;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  holder = await keyover.token("consumer", { consumer: consumer.id });
});
afterEach(() => keyover.close());

const path = () => `/v1/keys/${key.id}/rotations`;
const start = (body: Record<string, unknown> = {}) => keyover.ok("POST", path(), body);
const look = (id: string) => keyover.ok("GET", `/v1/rotations/${id}`);
const command = (id: string, name: string, body?: unknown) => keyover.ok("POST", `/v1/rotations/${id}/${name}`, body);
const refused = (code: string, id: string, name: string, body?: unknown) =>
  keyover.refused(code, "POST", `/v1/rotations/${id}/${name}`, body);
const states = async () =>
  (await keyover.ok("GET", `/v1/keys/${key.id}`)).versions.map(({ state }: { state: string }) => state);
const because = { reason: "incident 7" };

/** Offered, and claimed if `claimed`; used if a verifier says so. */
async function offered(claimed = true, body: Record<string, unknown> = {}) {
  const { id } = await start(body);
  await keyover.pass(SECOND);
  if (claimed) await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
  return id as string;
}
async function overlapping(body: Record<string, unknown> = {}) {
  const verifier = await keyover.verifier(api);
  verifier.see(key.id, 1);
  const id = await offered(true, body);
  verifier.see(key.id, 2);
  await keyover.pass(SECOND);
  expect((await look(id)).phase).toBe("overlapping");
  return { id, verifier };
}

describe("start", () => {
  test("makes intent and successor in one commit, under the policy in force", async () => {
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { policy: { quietMs: 5 * MINUTE } });
    const rotation = await start({ policy: { gapMargin: 3 }, reason: "yearly" });
    expect(rotation).toMatchObject({ phase: "propagating", from: 1, to: 2, reason: "yearly", origin: "authority" });
    expect(rotation.policy).toMatchObject({
      ...defaultRotationPolicy,
      ...api.policy,
      quietMs: 5 * MINUTE,
      gapMargin: 3,
    });
    expect(await states()).toEqual(["active", "pending"]);
    const { items } = await keyover.ok("GET", `/v1/audit?subject=${rotation.id}`);
    expect(items.map(({ action }: { action: string }) => action)).toContain("rotation.planned");
  });

  test("a key in rotation is refused, and the rotation is named", async () => {
    const { id } = await start();
    expect(await keyover.refused("rotation_in_progress", "POST", path(), {})).toMatchObject({
      status: 409,
      rotation: id,
    });
  });

  test("two starts at once make one rotation", async () => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => keyover.call("POST", path(), {})));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409, 409]);
    expect(await states()).toEqual(["active", "pending"]);
  });

  test("a revoked key is refused; when a key in rotation is revoked, its rotation ends", async () => {
    const id = await offered();
    await keyover.ok("POST", `/v1/keys/${key.id}/revoke`, because);
    await keyover.pass(SECOND);
    expect(await look(id)).toMatchObject({ phase: "cancelled", endedAt: expect.any(Number) });
    expect(await keyover.store.count("sealed", { equals: { rotation_id: id } })).toBe(0);
    await keyover.refused("key_is_revoked", "POST", path(), {});
  });

  test("in the future waits until then", async () => {
    const { id } = await start({ startsAt: keyover.now() + DAY });
    expect(await states()).toEqual(["active"]);
    await refused("rotation_not_offered", id, "deadline", { byMs: 1000 });
    await refused("rotation_not_offered", id, "rollback", because);
    await refused("rotation_not_offered", id, "retire", because);
    await keyover.pass(DAY - SECOND);
    expect((await look(id)).phase).toBe("planned");
    await keyover.pass(2 * SECOND);
    expect((await look(id)).phase).toBe("offered");
    expect(await states()).toEqual(["active", "pending"]);
  });

  test.each([
    ["no overlap", { overlapMs: 0 }, "body.policy.overlapMs"],
    ["ten years of it", { overlapMs: 3_650 * DAY }, "body.policy.overlapMs"],
    ["a margin below one", { gapMargin: 0.9 }, "body.policy.gapMargin"],
    ["no quiet time", { quietMs: 0 }, "body.policy.quietMs"],
    ["an unknown member", { overlap: 5 }, "body.policy"],
    ["a text for a number", { overlapMs: "1h" }, "body.policy.overlapMs"],
  ])("a policy with %s is refused, with the member's path", async (_what, policy, at) => {
    const body = await keyover.refused("invalid_request", "POST", path(), { policy });
    expect(body.errors[0].path).toBe(at);
  });

  test.each([
    ["a minimum beyond the deadline", { overlapMinMs: 2 * HOUR }],
    ["a claim time that ends before the overlap", { claimMs: MINUTE }],
  ])("a policy with %s contradicts itself, for an api, a key and a rotation", async (_what, policy) => {
    await keyover.refused("invalid_policy", "POST", path(), { policy });
    await keyover.refused("invalid_policy", "PATCH", `/v1/keys/${key.id}`, { policy });
    await keyover.refused("invalid_policy", "PATCH", `/v1/apis/${api.id}`, { policy });
  });

  test("scopes are narrowed, never widened, and unknown ones are named", async () => {
    const narrow = await keyover.key({ api, consumer }, { scopes: ["market:read"] });
    const wider = { scopes: ["market:*"] };
    const body = await keyover.refused("scope_not_narrower", "POST", `/v1/keys/${narrow.id}/rotations`, wider);
    expect(body.held).toEqual(["market:read"]);
    const misspelt = await keyover.refused("unknown_scope", "POST", path(), { scopes: ["market:raed"] });
    expect(misspelt).toMatchObject({ unknown: ["market:raed"], known: api.scopes });

    const id = await offered(true, { scopes: ["market:read"] });
    const record = await keyover.store.recordOfKey(key.id);
    expect(record?.versions.map(({ scopes }) => scopes)).toEqual([undefined, ["market:read"]]);
    await command(id, "retire", because);
    await keyover.pass(DAY);
    await keyover.refused("scope_not_narrower", "POST", path(), { scopes: ["trade:write"] });
    expect((await start()).scopes).toEqual(["market:read"]);
  });

  test("with the hash of the consumer's own secret nothing is sealed, and there is nothing to claim", async () => {
    const id = await offered(false, { sha256: sha256Text("my own") });
    expect(await look(id)).toMatchObject({ phase: "offered", origin: "consumer" });
    expect(await keyover.store.count("sealed", { equals: { rotation_id: id } })).toBe(0);
    await keyover.refused("claim_ended", "POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
    const ask = { sha256: sha256Text("my own") };
    expect(await keyover.ok("POST", "/v1/changeover", ask, { token: holder })).toMatchObject({ version: 2, target: 2 });
  });

  test("a hash that is in use already is refused clearly, and nothing is begun", async () => {
    const own = sha256Text(key.secret);
    const body = await keyover.refused("name_taken", "POST", path(), { sha256: own });
    expect(body.detail).toMatch(/hash/);
    expect(await states()).toEqual(["active"]);
    await keyover.refused("invalid_request", "POST", path(), { sha256: "short" });
    await keyover.refused("invalid_request", "POST", path(), {
      sha256: sha256Text("x"),
      startsAt: keyover.now() + DAY,
    });
  });
});

describe("the deadline", () => {
  test("is extended and shortened within its limits", async () => {
    const id = await offered();
    const { overlapEndsAt, offeredAt } = await look(id);
    expect((await command(id, "deadline", { byMs: HOUR })).overlapEndsAt).toBe(overlapEndsAt + HOUR);
    expect((await command(id, "deadline", { byMs: -90 * MINUTE })).overlapEndsAt).toBe(overlapEndsAt - 30 * MINUTE);
    expect((await command(id, "deadline", { overlapEndsAt: offeredAt + DAY })).overlapEndsAt).toBe(offeredAt + DAY);
    const record = await keyover.store.recordOfKey(key.id);
    expect(record?.rotation).toMatchObject({ endsAt: offeredAt + DAY });
    await refused("overlap_out_of_range", id, "deadline", { byMs: -2 * DAY });
    await refused("overlap_out_of_range", id, "deadline", { overlapEndsAt: offeredAt + 30 * SECOND });
    await refused("overlap_out_of_range", id, "deadline", { overlapEndsAt: offeredAt + 367 * DAY });
    await refused("invalid_request", id, "deadline", {});
    await refused("invalid_request", id, "deadline", { byMs: 1, overlapEndsAt: 1 });
    expect((await look(id)).overlapEndsAt).toBe(offeredAt + DAY);
  });
});

describe("retire", () => {
  test("by force records who, why and when; not before the successor is offered, not twice", async () => {
    const verifier = await keyover.verifier(api);
    const { id } = await start();
    await refused("rotation_not_offered", id, "retire", because);
    await verifier.catchUp();
    await refused("invalid_request", id, "retire", {});
    await refused("invalid_request", id, "retire", { reason: "  " });
    const retired = await command(id, "retire", because);
    expect(retired).toMatchObject({
      phase: "retired",
      forced: { by: expect.stringMatching(/^tok_/), reason: "incident 7" },
    });
    expect(await states()).toEqual(["retired", "active"]);
    await refused("already_retired", id, "retire", because);
    const { items } = await keyover.ok("GET", `/v1/audit?subject=${id}&limit=1000`);
    expect(items.at(-1)).toMatchObject({ action: "rotation.retired", details: { reason: "incident 7" } });
  });

  test("keeps the sealed successor for whoever has not claimed it yet (R04)", async () => {
    const id = await offered(false);
    await command(id, "retire", because);
    await keyover.pass(HOUR + SECOND);
    expect((await look(id)).phase).toBe("retired");
    await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
    await keyover.pass(HOUR);
    await keyover.refused("rotation_ended", "POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
    expect((await look(id)).phase).toBe("completed");
    expect(await keyover.store.count("sealed", { equals: { rotation_id: id } })).toBe(0);
  });
});

describe("roll back", () => {
  test("restores the old version; the successor stays accepted until it is quiet", async () => {
    const { id, verifier } = await overlapping();
    await command(id, "rollback", because);
    expect(await states()).toEqual(["active", "retiring"]);
    expect(await look(id)).toMatchObject({ phase: "rolled-back", rollbackReason: "incident 7", overlapEndsAt: null });
    await refused("already_rolled_back", id, "rollback", because);
    await keyover.refused("already_rolled_back", "POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
    verifier.see(key.id, 2);
    await keyover.pass(9 * MINUTE);
    verifier.see(key.id, 1);
    await keyover.pass(MINUTE);
    expect(await states()).toEqual(["active", "retiring"]);
    await keyover.pass(20 * MINUTE);
    expect(await states()).toEqual(["active", "destroyed"]);
    expect(await look(id)).toMatchObject({ phase: "rolled-back", endedAt: expect.any(Number) });
    await refused("rotation_ended", id, "rollback", because);
    expect((await start()).to).toBe(3);
  });

  test("from retired, within the window; after it the rotation has ended", async () => {
    const { id } = await overlapping();
    await command(id, "retire", because);
    await keyover.pass(HOUR - MINUTE);
    await command(id, "rollback", because);
    expect(await states()).toEqual(["active", "retiring"]);
    await command(id, "retire", because);
    expect(await states()).toEqual(["active", "destroyed"]);

    const second = await offered();
    await command(second, "retire", because);
    await keyover.pass(2 * HOUR + SECOND);
    await refused("rotation_ended", second, "rollback", because);
  });

  test("of a successor that nobody has ends at once", async () => {
    const id = await offered(false);
    await command(id, "rollback", because);
    expect(await states()).toEqual(["active", "destroyed"]);
    expect((await keyover.ok("GET", `/v1/keys/${key.id}`)).rotation).toBeNull();
  });
});

describe("cancel", () => {
  test("ends what nobody has: planned, propagating, offered", async () => {
    const planned = await start({ startsAt: keyover.now() + DAY });
    expect(await command(planned.id, "cancel")).toMatchObject({ phase: "cancelled" });
    expect(await states()).toEqual(["active"]);
    const verifier = await keyover.verifier(api);
    const travelling = await start();
    expect(await command(travelling.id, "cancel")).toMatchObject({ phase: "cancelled" });
    expect(await states()).toEqual(["active", "destroyed"]);
    await verifier.catchUp();
    const id = await offered(false);
    expect(await command(id, "cancel", {})).toMatchObject({ phase: "cancelled" });
    expect(await keyover.store.count("sealed", {})).toBe(
      await keyover.store.count("sealed", { equals: { rotation_id: null } }),
    );
    await refused("rotation_ended", id, "cancel");
  });

  test("not what was handed out or is in use: there is rolling back for that", async () => {
    const id = await offered();
    await refused("successor_claimed", id, "cancel");
    await keyover.ok("POST", `/v1/rotations/${id}/confirm`, { version: 2 }, { token: holder });
    await refused("successor_in_use", id, "cancel");
  });

  test("an unknown rotation is not found", async () => {
    for (const name of ["cancel", "rollback", "retire", "deadline", "claim", "confirm"]) {
      const token = name === "claim" || name === "confirm" ? holder : undefined;
      const body =
        name === "deadline"
          ? { byMs: 1 }
          : name === "cancel" || name === "claim"
            ? {}
            : name === "confirm"
              ? {}
              : because;
      await keyover.refused("not_found", "POST", `/v1/rotations/rot_none/${name}`, body, { token });
    }
  });
});
