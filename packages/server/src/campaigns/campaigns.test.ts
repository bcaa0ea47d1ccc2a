/** A campaign from its selection to its report, over HTTP, with verifiers that speak the wire protocol. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND, TestAuthority, TestClock } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { CampaignScene } from "./campaigns.test-support.ts";

let keyover: TestAuthority;
let scene: CampaignScene;
beforeEach(async () => {
  keyover = await TestAuthority.start();
});
afterEach(() => keyover.close());

const because = { reason: "as ordered" };
const phases = async () =>
  (await keyover.ok("GET", "/v1/rotations?limit=500")).items.map(({ phase }: { phase: string }) => phase);
const notices = async (event: string) =>
  (await keyover.store.list("notice_event", {}, { limit: 5_000 }))
    .map(({ value }) => value)
    .filter((raised) => raised.event === event);

describe("a campaign", () => {
  test("rotates every key of its selection under the key's own policy, and ends when all successors are offered", async () => {
    scene = await CampaignScene.of(keyover, 23);
    await scene.more(2, { policy: { overlapMs: 2 * HOUR } });
    await keyover.verifier(scene.api);
    const begun = await scene.start();
    expect(begun).toMatchObject({ action: "rotate", state: "selecting", waveCount: 1, outcome: null });
    const ended = await scene.ended(begun);
    expect(ended).toMatchObject({ outcome: "done", keys: { started: 25, waiting: 0, skipped: 0 }, receipts: [] });
    expect(ended.waves[0]).toMatchObject({ rotations: { rotations: 25, offered: 25, claimed: 0, retired: 0 } });
    for (const [i, key] of scene.keys.entries()) {
      const rotation = await scene.rotation(key);
      expect(rotation).toMatchObject({ phase: "offered", reason: "routine", campaign: { id: begun.id, wave: 0 } });
      expect(rotation.policy.overlapMs).toBe(i < 23 ? HOUR : 2 * HOUR);
    }
  });

  test("goes on with the next wave when the last one's shares are met and its soak is over", async () => {
    scene = await CampaignScene.of(keyover, 20);
    await keyover.verifier(scene.api);
    const [canary, other] = [scene.keys[0], scene.keys[1]];
    const waves = [
      { keys: [canary.id, other.id], gate: { claimed: 0.5, soakMs: 10 * MINUTE } },
      { environment: "test" },
      { consumerLabel: { name: "region", value: "eu" } },
    ];
    const campaign = await scene.start({ waves });
    const first = await scene.until(campaign, ({ waves: [wave] }) => wave.rotations.offered === 2);
    expect(first).toMatchObject({ state: "running", wave: 0, waitsFor: "0 of 2 claimed, 1 needed" });
    expect(first.waves.map(({ name, items }: { name: string; items: object }) => [name, items])).toMatchObject([
      ["2 canaries", { started: 2 }],
      ["environment test", { waiting: 4 }],
      ["consumers region=eu", { waiting: 7 }],
      ["the rest", { waiting: 7 }],
    ]);
    await keyover.pass(HOUR);
    expect(await phases()).toHaveLength(2);
    await scene.changeOver(canary);
    await keyover.pass(SECOND);
    const soaking = await scene.show(campaign);
    expect(soaking).toMatchObject({ wave: 0, waitsFor: "the soak after its gate was met" });
    await keyover.pass(9 * MINUTE);
    expect(await phases()).toHaveLength(2);
    await keyover.pass(MINUTE);
    const ended = await scene.ended(campaign);
    expect(ended.waves.map(({ items: { started } }: { items: { started: number } }) => started)).toEqual([2, 4, 7, 7]);
    const wavesOf = (await scene.items(campaign)).map(({ key, wave }) => [key, wave] as const);
    expect(new Map(wavesOf).get(canary.id)).toBe(0);
    for (const key of scene.keys.slice(2).filter(({ environment }) => environment === "test"))
      expect(new Map(wavesOf).get(key.id)).toBe(1);
  });

  test("rotates what it selected, and looks at each key as it is at its turn", async () => {
    scene = await CampaignScene.of(keyover, 12);
    await keyover.verifier(scene.api);
    const [canary, revoked, suspended, expired, rotating, twice] = scene.keys;
    await keyover.ok("PATCH", `/v1/keys/${expired.id}`, { expiresAt: keyover.now() + 30 * MINUTE });
    await keyover.ok("POST", `/v1/keys/${suspended.id}/suspend`, because);
    const waves = [{ keys: [canary.id], gate: { claimed: 1 } }];
    const campaign = await scene.start({ waves });
    await scene.until(campaign, ({ waves: [wave] }) => wave.rotations.offered === 1);
    const late = await scene.more(1);
    await keyover.ok("POST", `/v1/keys/${revoked.id}/revoke`, because);
    await keyover.ok("POST", `/v1/keys/${rotating.id}/rotations`, because);
    const second = await scene.start({ name: "another", select: { keys: [twice.id, canary.id] } });
    await keyover.pass(40 * MINUTE);
    await scene.changeOver(canary);
    const ended = await scene.ended(campaign);
    expect(ended).toMatchObject({ keys: { started: 7, skipped: 5, failed: 0 } });
    for (const [key, why] of [
      [revoked, "the key is revoked"],
      [suspended, "the key is suspended"],
      [expired, "the key has expired"],
      [rotating, /^the key is in rotation rot_\w+ already$/],
      [twice, new RegExp(`of campaign ${second.id} already$`)],
    ] as const)
      expect(await scene.item(campaign, key)).toMatchObject({
        state: "skipped",
        rotation: null,
        why: expect.stringMatching(why),
      });
    expect(await scene.item(second, canary)).toMatchObject({ state: "skipped" });
    expect((await scene.items(campaign)).map(({ key }) => key)).not.toContain(late[0].id);
    expect((await scene.rotation(late[0]))?.id).toBeUndefined();
  });

  test("starts no more keys in a second than its pace allows, and says when it will be through", async () => {
    scene = await CampaignScene.of(keyover, 30);
    await keyover.verifier(scene.api);
    const campaign = await scene.start({ pace: 2 });
    const seen: number[] = [];
    for (let i = 0; i < 5; i++) {
      await keyover.pass(SECOND);
      const { keys, estimate } = await scene.show(campaign);
      seen.push(keys.started);
      if (i === 4) expect(estimate).toMatchObject({ because: expect.stringMatching(/^\d+ keys at \d+ a second$/) });
    }
    for (const [i, started] of seen.entries()) expect(started).toBeLessThanOrEqual(2 * (i + 3));
    expect(seen.at(-1)).toBeGreaterThanOrEqual(8);
    expect(await scene.ended(campaign)).toMatchObject({ keys: { started: 30 } });
  });
});

describe("what it tells", () => {
  test("operators when it starts and ends, consumers of their keys under its handle; the list and the report say the rest", async () => {
    scene = await CampaignScene.of(keyover, 4);
    await keyover.verifier(scene.api);
    const campaign = await scene.start();
    const ended = await scene.ended(campaign);
    expect(await notices("campaign.started")).toMatchObject([
      { campaignId: campaign.id, consumerId: null, details: { name: "spring", action: "rotate" } },
    ]);
    expect(await notices("campaign.ended")).toMatchObject([
      { campaignId: campaign.id, details: { name: "spring", outcome: "done", keys: 4, started: 4 } },
    ]);
    for (const event of ["rotation.planned", "rotation.offered"]) {
      const raised = await notices(event);
      expect(raised.map(({ campaignId }) => campaignId)).toEqual(Array(4).fill(campaign.id));
    }
    const report = await keyover.ok("GET", `/v1/campaigns/${campaign.id}/report`);
    expect(report).toMatchObject({ refused: 0, skipped: [], failed: [], tookMs: ended.endedAt - ended.createdAt });
    expect((await keyover.ok("GET", "/v1/campaigns?state=ended")).items).toMatchObject([{ id: campaign.id }]);
    expect((await keyover.ok("GET", "/v1/campaigns?state=running")).items).toEqual([]);
    const items = await scene.items(campaign, "&state=started&wave=0");
    expect(new Set(items.map(({ key }) => key))).toEqual(new Set(scene.keys.map(({ id }) => id)));
    expect(items).toHaveLength(4);
    const actions = (await keyover.store.audit(0, 1_000, campaign.id)).map(({ action }) => action);
    expect(actions).toEqual(["campaign.started", "campaign.selected", "campaign.advanced", "campaign.ended"]);
  });
});

test("a campaign that can't be looked at holds up no other, and is tried again", async () => {
  await keyover.close();
  const clock = new TestClock();
  const real = openMemoryStore({ now: () => clock.at });
  let broken = "";
  const campaignTally: Store["campaignTally"] = (id) =>
    id === broken ? Promise.reject(new Error("it is broken")) : real.campaignTally(id);
  keyover = await TestAuthority.start({ clock, store: { ...real, campaignTally } });
  scene = await CampaignScene.of(keyover, 6);
  await keyover.verifier(scene.api);
  const first = await scene.start({ select: { environments: ["live"] }, pace: 1 });
  broken = first.id;
  const second = await scene.start({ select: { environments: ["test"] } });
  await keyover.pass(SECOND);
  await keyover.pass(SECOND);
  expect(await keyover.ok("GET", "/v1/campaigns?state=ended")).toMatchObject({ items: [{ id: second.id }] });
  broken = "";
  expect(await scene.ended(first)).toMatchObject({ keys: { started: 5 } });
});

describe("a process that dies", () => {
  test("in the midst of a wave: the next one goes on, and no key is begun twice", async () => {
    scene = await CampaignScene.of(keyover, 40);
    await keyover.verifier(scene.api);
    const campaign = await scene.start({ pace: 4, waves: [{ percent: 50 }] });
    const started: number[] = [];
    for (let i = 0; i < 8; i++) {
      await keyover.pass(SECOND);
      started.push((await scene.show(campaign)).keys.started);
      await keyover.crash();
    }
    expect(new Set(started).size).toBeGreaterThan(3);
    expect(started.at(-1)).toBeLessThan(40);
    expect(await scene.ended(campaign)).toMatchObject({ keys: { started: 40, failed: 0, skipped: 0 } });
    const rotations = (await keyover.ok("GET", "/v1/rotations?limit=500")).items;
    expect(new Set(rotations.map(({ key }: { key: string }) => key)).size).toBe(40);
    expect(rotations).toHaveLength(40);
  });

  test("another process that shares its database takes over", async () => {
    await keyover.close();
    const clock = new TestClock();
    keyover = await TestAuthority.start({ clock, store: openMemoryStore({ now: () => clock.at, shared: true }) });
    const second = await keyover.beside();
    scene = await CampaignScene.of(keyover, 24);
    const verifier = await keyover.verifier(scene.api);
    const campaign = await scene.start({ pace: 2 });
    for (let i = 0; i < 3; i++) {
      await keyover.pass(SECOND);
      await second.tick();
    }
    const { started } = (await scene.show(campaign)).keys;
    expect(started).toBeGreaterThan(0);
    expect(started).toBeLessThan(24);
    keyover.die();
    verifier.authority = second;
    for (let i = 0; i < 30; i++) {
      await second.pass(SECOND);
      await verifier.catchUp();
    }
    const now = await second.ok("GET", `/v1/campaigns/${campaign.id}`);
    expect(now).toMatchObject({ state: "ended", keys: { started: 24, failed: 0, skipped: 0 } });
    const rotations = (await second.ok("GET", "/v1/rotations?limit=500")).items;
    expect(rotations).toHaveLength(24);
    await second.close();
  });
});
