/** An emergency over many keys: what is struck, what goes on, and the receipt. */
import { type Campaign, noItems } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MINUTE, random, SECOND, TestAuthority } from "../authority.test-support.ts";
import { markRestored } from "../restore/mark.ts";
import type { CampaignItem } from "../store/campaign-entities.ts";
import { put } from "../store/store.ts";
import { bot } from "../verifier.test-support.ts";
import { CampaignScene } from "./campaigns.test-support.ts";

let keyover: TestAuthority;
let scene: CampaignScene;
beforeEach(async () => {
  keyover = await TestAuthority.start();
});
afterEach(() => keyover.close());

const versionsOf = async (key: { id: string }) =>
  (await keyover.ok("GET", `/v1/keys/${key.id}`)).versions as { number: number; state: string; compromised: boolean }[];
const because = { reason: "routine" };

describe("kill", () => {
  test("refuses every selected key in batches, makes a successor for each, and says where it holds", async () => {
    scene = await CampaignScene.of(keyover, 230);
    for (const name of ["web-1", "web-2", "web-3"]) await keyover.verifier(scene.api, name);
    const [eu, us] = [0, 1].map((half) => scene.keys.filter((_key, i) => i % 2 === half));
    const begun = await scene.strike("kill", { consumerLabels: { region: "eu" } });
    expect(begun).toMatchObject({ action: "kill", name: "emergency: kill", waveCount: 1 });
    const ended = await scene.ended(begun);
    expect(ended).toMatchObject({
      outcome: "done",
      keys: { started: 115, waiting: 0, failed: 0 },
      receipts: [{ api: scene.api.id, verifiers: 3, applied: 3, behind: [], at: expect.any(Number) }],
    });
    for (const key of eu ?? []) {
      expect(scene.accepts(key)).toEqual([false, false, false]);
      expect(await versionsOf(key)).toMatchObject([
        { number: 1, state: "retired", compromised: true },
        { number: 2, state: "pending" },
      ]);
    }
    for (const key of us ?? []) expect(scene.accepts(key)).toEqual([true, true, true]);
    const rotation = await scene.rotation(eu?.[0]);
    expect(rotation).toMatchObject({ phase: "offered", campaign: { id: begun.id, wave: 0 }, startedBy: begun.id });
    const commits = (await keyover.store.audit(0, 10_000, begun.id)).filter(
      ({ action }) => action === "campaign.advanced",
    );
    expect(commits.map(({ details }) => details.started)).toEqual([100, 15]);
    const told = (await keyover.store.list("notice_event", {}, { limit: 5_000 })).map(({ value }) => value);
    expect(told.filter(({ event }) => event === "key.compromised")).toHaveLength(115);
    expect(told.find(({ event }) => event === "campaign.ended")?.details).toMatchObject({ started: 115, verifiers: 3 });
  });

  test("strikes what can be in wrong hands: versions that were handed out, not a successor that nobody has", async () => {
    scene = await CampaignScene.of(keyover, 6);
    await keyover.verifier(scene.api);
    const [plain, offered, claimed, planned, suspended, revoked] = scene.keys;
    for (const key of [offered, claimed]) await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, because);
    await keyover.ok("POST", `/v1/keys/${planned.id}/rotations`, {
      ...because,
      startsAt: keyover.now() + MINUTE * 600,
    });
    await keyover.ok("POST", `/v1/keys/${suspended.id}/suspend`, because);
    await keyover.ok("POST", `/v1/keys/${revoked.id}/revoke`, because);
    await keyover.pass(SECOND);
    const before = await scene.rotation(offered);
    await scene.changeOver(claimed);
    await keyover.pass(SECOND);
    const ended = await scene.ended(await scene.strike("kill", { apis: [scene.api.name] }));
    expect(ended).toMatchObject({ keys: { started: 5, skipped: 0, failed: 0 } });
    const killed = { compromised: true, state: expect.stringMatching(/retired|destroyed/) };
    expect(await versionsOf(plain)).toMatchObject([killed, { compromised: false, state: "pending" }]);
    expect(await versionsOf(offered)).toMatchObject([killed, { compromised: false, state: "pending" }]);
    expect(await versionsOf(claimed)).toMatchObject([killed, killed, { compromised: false, state: "pending" }]);
    expect(await versionsOf(planned)).toMatchObject([killed, { compromised: false, state: "pending" }]);
    expect(await versionsOf(suspended)).toMatchObject([killed, { compromised: false, state: "pending" }]);
    expect(await versionsOf(revoked)).toMatchObject([{ compromised: false }]);
    // The rotation that ran belongs to it from now on, and goes on.
    expect(await scene.rotation(offered)).toMatchObject({
      id: before.id,
      phase: "offered",
      campaign: { id: ended.id },
    });
    const again = await scene.ended(await scene.strike("kill", { apis: [scene.api.id] }));
    expect(again).toMatchObject({ keys: { started: 0, skipped: 5 } });
    expect(await scene.item(again, plain)).toMatchObject({ why: "no accepted version of it can be in wrong hands" });
  });

  test("of what was made before a time: keys by any accepted version, and of them just those versions", async () => {
    scene = await CampaignScene.of(keyover, 3);
    const verifier = await keyover.verifier(scene.api);
    const [old, moved] = scene.keys;
    await keyover.ok("POST", `/v1/keys/${moved.id}/rotations`, because);
    await keyover.pass(MINUTE);
    const leak = keyover.now();
    await scene.changeOver(moved);
    const late = await keyover.ok("POST", `/v1/keys/${scene.keys[2].id}/rotations`, because);
    await keyover.pass(SECOND);
    await scene.changeOver(scene.keys[2]);
    await keyover.pass(SECOND);
    const [fresh] = await scene.more(1);
    const ended = await scene.ended(
      await scene.strike("kill", { createdBefore: leak - 30 * SECOND, apis: [scene.api.id] }),
    );
    expect(ended).toMatchObject({ keys: { started: 3, skipped: 0 } });
    expect(scene.accepts(old)).toEqual([false]);
    expect(scene.accepts(fresh)).toEqual([true]);
    // Its successor was made after the leak, and is what it goes on with.
    expect(await versionsOf(scene.keys[2])).toMatchObject([
      { compromised: true, state: "destroyed" },
      { compromised: false, state: "active" },
    ]);
    expect(await keyover.ok("GET", `/v1/rotations/${late.id}`)).toMatchObject({
      phase: "completed",
      fromCompromised: true,
    });
    expect(verifier.records.size).toBe(4);
  });

  test("waits for a verifier that lags, names it, and for no longer than that may answer", async () => {
    scene = await CampaignScene.of(keyover, 5);
    await keyover.verifier(scene.api, "quick");
    const slow = await keyover.verifier(scene.api, "slow");
    slow.alive = false;
    const begun = await scene.strike("kill", { apis: [scene.api.id] });
    await keyover.pass(SECOND);
    const now = await scene.show(begun);
    expect(now).toMatchObject({ state: "running", keys: { started: 5 } });
    expect(now.receipts).toMatchObject([{ verifiers: 2, applied: 1, behind: [{ instance: "slow" }], at: null }]);
    const ended = await scene.until(begun, ({ state }) => state === "ended");
    expect(ended.receipts).toMatchObject([{ verifiers: 1, applied: 1 }]);
    expect(ended.receipts[0].at - begun.createdAt).toBeGreaterThanOrEqual(10 * SECOND);
  });

  test("without a verifier it ends at once, on none of none; an operator may end the wait", async () => {
    scene = await CampaignScene.of(keyover, 2);
    const none = await scene.ended(await scene.strike("kill", { keys: [scene.keys[0].id] }));
    expect(none.receipts).toMatchObject([{ verifiers: 0, applied: 0 }]);
    const slow = await keyover.verifier(scene.api);
    slow.alive = false;
    const begun = await scene.strike("kill", { keys: [scene.keys[1].id] });
    await keyover.pass(SECOND);
    await keyover.ok("POST", `/v1/campaigns/${begun.id}/continue`, { reason: "that machine is off" });
    expect(await scene.show(begun)).toMatchObject({ state: "ended", outcome: "done" });
  });

  /** A campaign that has begun and got no turn yet; its handle comes before all others. */
  const left = async (of: { id: string }, change: Partial<Campaign>, noted: Partial<CampaignItem>[] = []) => {
    const held = await keyover.store.get("campaign", of.id);
    if (held === undefined) throw new Error("it was there a moment ago");
    const id = "cam_0";
    const fresh = { receipts: [], outcome: null, endedAt: null, wholeAt: null, counts: [noItems] };
    const campaign: Campaign = { ...held.value, state: "selecting", cursor: "", ...fresh, ...change, id };
    const items = noted.map((item): CampaignItem => {
      const bare = { keyId: "", wave: 0, state: "started", rotationId: null, why: null, at: keyover.now() } as const;
      return { ...bare, ...item, id: `${id}.${item.keyId}`, campaignId: id };
    });
    const audit = [{ at: keyover.now(), actor: "test", action: "test.left", subjects: [id], details: {} }];
    const writes = [put("campaign", campaign), ...items.map((item) => put("campaign_item", item))];
    expect(await keyover.store.commit({ writes, audit, feed: [] })).toMatchObject({ ok: true });
    return { id };
  };

  test("goes ahead of a campaign that has begun, whose keys are then in rotation", async () => {
    scene = await CampaignScene.of(keyover, 420);
    await keyover.verifier(scene.api);
    const model = await scene.ended(await scene.start({ select: { keys: [scene.keys[0].id] } }));
    const other = await left(model, { select: { apis: [scene.api.id] } });
    const begun = await scene.strike("kill", { apis: [scene.api.id] });
    expect((await scene.ended(begun)).keys).toMatchObject({ started: 420 });
    for (const key of scene.keys) expect(scene.accepts(key)).toEqual([false]);
    const after = await scene.ended(other);
    expect(after.keys).toMatchObject({ started: 0, skipped: 420, failed: 0 });
    const log = (await keyover.store.audit(0, 50_000)).filter(({ actor }) => [begun.id, other.id].includes(actor));
    expect(log.slice(0, 5).map(({ actor }) => actor)).toEqual(Array(5).fill(begun.id));
  });

  test("what was noted before a crash, in a page that was not through, is not struck again", async () => {
    scene = await CampaignScene.of(keyover, 6);
    await keyover.verifier(scene.api);
    const model = await scene.ended(await scene.strike("kill", { keys: [scene.keys[0].id] }));
    const counts = [{ ...noItems, started: 1 }];
    const again = await left(model, { select: { apis: [scene.api.id] }, counts }, [{ keyId: scene.keys[1].id }]);
    expect((await scene.ended(again)).keys).toMatchObject({ started: 5, skipped: 1 });
    expect(await scene.items(again)).toHaveLength(6);
    expect(scene.accepts(scene.keys[1])).toEqual([true]);
  });

  test("an api that is held after a restore: an emergency goes ahead, a campaign is held until an operator has looked", async () => {
    scene = await CampaignScene.of(keyover, 20);
    await keyover.verifier(scene.api);
    const campaign = await scene.start({ pace: 2 });
    await keyover.pass(SECOND);
    await markRestored(keyover.store, { now: keyover.now(), random });
    await keyover.clock.advance(2 * SECOND);
    await keyover.tick();
    const held = await scene.show(campaign);
    expect(held).toMatchObject({
      state: "held",
      why: { reason: expect.stringContaining("the database was restored") },
    });
    const begun = await scene.strike("kill", { apis: [scene.api.id] });
    for (let i = 0; i < 5; i++) {
      await keyover.clock.advance(SECOND);
      await keyover.tick();
    }
    const struck = await scene.show(begun);
    expect(struck.keys).toMatchObject({ started: 20, waiting: 0, failed: 0 });
    for (const key of scene.keys) {
      const versions = await versionsOf(key);
      expect(versions[0]).toMatchObject({ compromised: true, state: "retired" });
      expect(versions.at(-1)).toMatchObject({ compromised: false, state: "pending" });
    }
  });

  test("a dry run counts, and what it counted can be asked for", async () => {
    scene = await CampaignScene.of(keyover, 8);
    const wanted = { mode: "kill", select: { consumerLabels: { region: "eu" } }, reason: "leaked" };
    const shown = await keyover.ok("POST", "/v1/emergencies", { ...wanted, dryRun: true });
    expect(shown).toMatchObject({ dryRun: true, selection: { keys: 4 }, waves: [{ name: "the rest", keys: 4 }] });
    await keyover.refused("selection_grew", "POST", "/v1/emergencies", { ...wanted, expect: { keys: 3 } });
    await keyover.refused("selection_empty", "POST", "/v1/emergencies", {
      ...wanted,
      select: { keyLabels: { a: "b" } },
    });
    const struck = await scene.ended(await scene.strike("kill", wanted.select));
    await keyover.refused("version_compromised", "POST", `/v1/campaigns/${struck.id}/rollback-wave`, because);
  });
});

describe("contain", () => {
  test("fences each key around where its version was seen, or as it is told; scopes that an api lacks mean nothing there", async () => {
    scene = await CampaignScene.of(keyover, 3);
    const verifier = await keyover.verifier(scene.api);
    const [near, far] = scene.keys;
    verifier.see(near.id, 1).see(far.id, 1, { source: { ...bot, network: "198.51.100.0/24" } });
    await keyover.pass(SECOND);
    const ended = await scene.ended(
      await scene.strike("contain", { apis: [scene.api.id] }, { fence: { scopes: ["market:read"] } }),
    );
    expect(ended).toMatchObject({ action: "contain", keys: { started: 3 } });
    const fenceOf = (key: { id: string }) =>
      verifier.records.get(key.id)?.versions.find(({ number }) => number === 1)?.fence;
    expect(fenceOf(near)).toEqual({ scopes: ["market:read"], networks: ["203.0.113.0/24"] });
    expect(fenceOf(far)).toEqual({ scopes: ["market:read"], networks: ["198.51.100.0/24"] });
    expect(fenceOf(scene.keys[2])).toEqual({ scopes: ["market:read"], networks: [] });
    const [other] = await scene.more(1);
    await scene.ended(await scene.strike("contain", { keys: [other.id] }, { fence: { networks: ["192.0.2.0/24"] } }));
    expect(fenceOf(other)).toEqual({ networks: ["192.0.2.0/24"] });
  });

  test("a successor that is in use can't be fenced: its key fails, and says what to do", async () => {
    scene = await CampaignScene.of(keyover, 2);
    await keyover.verifier(scene.api);
    const [overlapping, retired] = scene.keys;
    for (const key of scene.keys) await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, because);
    await keyover.pass(SECOND);
    for (const key of scene.keys) await scene.changeOver(key);
    await keyover.pass(SECOND);
    const rotation = await scene.rotation(retired);
    await keyover.ok("POST", `/v1/rotations/${rotation.id}/retire`, because);
    const ended = await scene.ended(await scene.strike("contain", { apis: [scene.api.id] }));
    expect(ended).toMatchObject({ keys: { started: 1, failed: 1 } });
    expect(await scene.item(ended, overlapping)).toMatchObject({
      state: "started",
      why: expect.stringContaining("its successor was handed out already"),
    });
    expect(await scene.item(ended, retired)).toMatchObject({
      state: "failed",
      why: expect.stringMatching(/^contain_needs_old_version: version 2 .* kill it/),
    });
  });
});
