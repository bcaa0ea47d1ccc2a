/** The policy's fence: put up when it is due, by the feed; lifted with a rollback or by an operator. */
import { holdKey, judge } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import { bot, type ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let key: Answer["body"];
let verifier: ScriptedVerifier;
let holder: string;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api({ scopes: ["market:read", "market:trades", "trade:write", "account:withdraw"] });
  const consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer }, { scopes: ["market:*", "account:withdraw"] });
  holder = await keyover.token("consumer", { consumer: consumer.id });
  verifier = await keyover.verifier(api);
});
afterEach(() => keyover.close());

const withdrawalsFirst = { from: "offered", afterMs: 10 * MINUTE, without: ["*:withdraw", "withdraw"] };
const look = (id: string) => keyover.ok("GET", `/v1/rotations/${id}`);
const versionOne = async () => (await keyover.ok("GET", `/v1/keys/${key.id}`)).versions[0];
const lastEntry = async (id: string, action: string) =>
  (await keyover.ok("GET", `/v1/audit?subject=${id}&limit=1000`)).items.findLast(
    (entry: { action: string }) => entry.action === action,
  );
const notices = async (event: string) =>
  (await keyover.store.list("notice_event", {}, { limit: 1_000 }))
    .map(({ value }) => value)
    .filter((raised) => raised.event === event);

async function offered(fence: object, more: object = {}): Promise<string> {
  const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { policy: { fence, ...more } });
  await keyover.pass(SECOND);
  expect((await look(id)).phase).toBe("offered");
  return id;
}

function answer(version: number, scope: string, network = "203.0.113.7"): string {
  const record = verifier.records.get(key.id);
  const presented = record && holdKey(record).versions.find((each) => each.version.number === version);
  if (presented === undefined) throw new Error("the verifier does not hold it");
  return judge(presented, { scope, network }, keyover.now()).code;
}

describe("R08: withdrawals first", () => {
  test("so long after the offer the old version may do all but withdraw; the successor may do everything", async () => {
    const id = await offered(withdrawalsFirst);
    const { offeredAt } = await look(id);
    await keyover.pass(9 * MINUTE);
    await verifier.catchUp();
    expect(answer(1, "account:withdraw")).toBe("ok");
    await keyover.pass(MINUTE);
    await verifier.catchUp();
    expect([answer(1, "account:withdraw"), answer(1, "market:read")]).toEqual(["fenced", "ok"]);
    expect(answer(2, "account:withdraw")).toBe("ok");
    expect((await look(id)).fenced).toEqual({
      at: expect.closeTo(offeredAt + 10 * MINUTE, -4),
      fence: { scopes: ["market:read", "market:trades"] },
      lifted: null,
    });
    const entry = await lastEntry(id, "rotation.fenced");
    expect(entry).toMatchObject({ actor: "engine", details: { fence: { scopes: ["market:read", "market:trades"] } } });
    const [notice] = await notices("fence.applied");
    expect(notice).toMatchObject({ keyId: key.id, rotationId: id });
  });

  test("from the first use of the successor, where the rule says so", async () => {
    const id = await offered({ ...withdrawalsFirst, from: "used", afterMs: 0 }, { quietMs: HOUR });
    await keyover.pass(20 * MINUTE);
    expect((await look(id)).fenced).toBeNull();
    await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
    verifier.see(key.id, 2);
    await keyover.pass(SECOND);
    await keyover.pass(SECOND);
    expect(await look(id)).toMatchObject({ phase: "overlapping", fenced: { lifted: null } });
  });

  test("a rollback lifts it in its own commit, and everywhere", async () => {
    const id = await offered(withdrawalsFirst);
    await keyover.pass(11 * MINUTE);
    const before = await keyover.entries();
    const back = await keyover.ok("POST", `/v1/rotations/${id}/rollback`, { reason: "not now" });
    expect(back).toMatchObject({ phase: "rolled-back", fenced: null });
    expect((await keyover.entries()) - before).toBe(1);
    expect((await versionOne()).fence).toBeNull();
    await verifier.catchUp();
    expect(answer(1, "account:withdraw")).toBe("ok");
    expect(await notices("fence.lifted")).toHaveLength(1);
  });

  test("an operator lifts it, and it does not come back by itself", async () => {
    const id = await offered(withdrawalsFirst);
    await keyover.refused("no_fence", "POST", `/v1/rotations/${id}/fence/lift`, { reason: "payout" });
    await keyover.pass(11 * MINUTE);
    const lifted = await keyover.ok("POST", `/v1/rotations/${id}/fence/lift`, { reason: "payout" });
    expect(lifted.fenced.lifted).toMatchObject({ reason: "payout" });
    await keyover.pass(20 * MINUTE);
    await verifier.catchUp();
    expect(answer(1, "account:withdraw")).toBe("ok");
    await keyover.refused("no_fence", "POST", `/v1/rotations/${id}/fence/lift`, { reason: "again" });
  });

  test("a pause holds it back; a leak keeps it, and adds what the emergency says", async () => {
    const id = await offered(withdrawalsFirst);
    await keyover.ok("POST", `/v1/rotations/${id}/pause`, { reason: "wait" });
    await keyover.pass(20 * MINUTE);
    expect((await look(id)).fenced).toBeNull();
    await keyover.ok("POST", `/v1/rotations/${id}/resume`);
    await keyover.pass(9 * MINUTE);
    expect((await look(id)).fenced).toBeNull();
    await keyover.pass(2 * MINUTE);
    expect((await look(id)).fenced).not.toBeNull();
    verifier.see(key.id, 1);
    await keyover.pass(SECOND);
    await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "contain", version: 1, reason: "leaked" });
    const { fence } = await versionOne();
    expect(fence).toEqual({ scopes: ["market:read", "market:trades"], networks: ["203.0.113.0/24"] });
    await keyover.refused("version_compromised", "POST", `/v1/rotations/${id}/fence/lift`, { reason: "no" });
    await verifier.catchUp();
    expect(answer(1, "market:read", "192.0.2.9")).toBe("network_denied");
  });
});

describe("R08: networks that the version was seen from", () => {
  const seen = { from: "offered", afterMs: MINUTE, networks: "seen" };

  test("before the rotation; a caller from elsewhere is told that the key is fenced", async () => {
    verifier.see(key.id, 1);
    await keyover.pass(SECOND);
    const id = await offered(seen);
    verifier.see(key.id, 1, { source: { ...bot, network: "192.0.2.0/24" } });
    await keyover.pass(2 * MINUTE);
    expect((await look(id)).fenced.fence).toEqual({ networks: ["203.0.113.0/24"] });
    await verifier.catchUp();
    expect([answer(1, "market:read"), answer(1, "market:read", "192.0.2.9")]).toEqual(["ok", "fenced"]);
  });

  test("a version that was never seen is not fenced into nowhere, and the audit log says so", async () => {
    const id = await offered(seen);
    await keyover.pass(2 * MINUTE);
    expect((await look(id)).fenced).toMatchObject({ fence: {}, lifted: null });
    expect((await versionOne()).fence).toBeNull();
    const { details } = await lastEntry(id, "rotation.fenced");
    expect(details.notes).toEqual([expect.stringContaining("never seen")]);
    expect(await notices("fence.applied")).toHaveLength(0);
    await keyover.pass(HOUR);
    expect(await notices("fence.applied")).toHaveLength(0);
  });
});

test("a rule that names scopes which the key lacks limits nothing, and the audit log says so", async () => {
  const id = await offered({ from: "offered", scopes: ["trade:write"] });
  await keyover.pass(SECOND);
  expect((await look(id)).fenced.fence).toEqual({});
  expect((await lastEntry(id, "rotation.fenced")).details.notes).toEqual([
    expect.stringContaining("none of the rule's"),
  ]);
});
