/** What operators do to a campaign, what holds it, and what is refused before it starts. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import { CampaignScene } from "./campaigns.test-support.ts";

let keyover: TestAuthority;
let scene: CampaignScene;
beforeEach(async () => {
  keyover = await TestAuthority.start();
});
afterEach(() => keyover.close());

const because = { reason: "as ordered" };
const order = (campaign: { id: string }, command: string, body: object = because) =>
  keyover.ok("POST", `/v1/campaigns/${campaign.id}/${command}`, body);
const phases = async () =>
  (await keyover.ok("GET", "/v1/rotations?limit=500")).items.map(({ phase }: { phase: string }) => phase);
const notices = async (event: string) =>
  (await keyover.store.list("notice_event", {}, { limit: 5_000 }))
    .map(({ value }) => value)
    .filter((raised) => raised.event === event);

describe("steering", () => {
  /** Wave 0 is offered and waits to be claimed, wave 1 waits behind it. */
  const waiting = async (change: object = {}) => {
    scene = await CampaignScene.of(keyover, 10);
    await keyover.verifier(scene.api);
    const waves = [{ environment: "test", gate: { claimed: 1 } }];
    const campaign = await scene.start({ waves, ...change });
    await scene.until(campaign, ({ waves: [wave] }) => wave.rotations.offered === 2);
    return campaign;
  };

  test("a paused campaign starts nothing, whatever its gate says; rotations that run go on", async () => {
    const campaign = await waiting();
    expect(await order(campaign, "pause")).toMatchObject({ state: "paused", why: { reason: "as ordered" } });
    for (const key of scene.keys.filter(({ environment }) => environment === "test")) await scene.changeOver(key);
    await keyover.pass(HOUR);
    expect(await scene.show(campaign)).toMatchObject({ state: "paused", wave: 0, keys: { started: 2, waiting: 8 } });
    expect(await phases()).toEqual(["retired", "retired"]);
    await order(campaign, "resume", {});
    expect(await scene.ended(campaign)).toMatchObject({ keys: { started: 10 }, why: null });
  });

  test("continue passes a gate over; abort leaves what waits alone; an ended one takes no more", async () => {
    const campaign = await waiting();
    expect(await order(campaign, "continue")).toMatchObject({ state: "running", wave: 1 });
    await scene.ended(campaign);
    const other = await scene.start({ name: "other" });
    await scene.ended(other);
    for (const command of ["pause", "resume", "continue", "abort"]) {
      const body = command === "resume" ? {} : because;
      await keyover.refused("campaign_ended", "POST", `/v1/campaigns/${campaign.id}/${command}`, body);
    }
    await keyover.refused("not_found", "POST", "/v1/campaigns/cam_none/pause", because);
  });

  test("an aborted campaign says what it has left", async () => {
    const campaign = await waiting();
    expect(await order(campaign, "abort")).toMatchObject({ state: "ended", outcome: "aborted" });
    await keyover.pass(HOUR);
    expect(await scene.show(campaign)).toMatchObject({
      keys: { started: 2, waiting: 8 },
      why: { reason: "as ordered" },
    });
    expect(await notices("campaign.ended")).toMatchObject([
      { campaignId: campaign.id, details: { outcome: "aborted", started: 2, waiting: 8 } },
    ]);
  });

  test("a gate that is not met in time holds it, and somebody hears of it", async () => {
    const campaign = await waiting({ waves: [{ environment: "test", gate: { claimed: 1, waitMs: 10 * MINUTE } }] });
    const held = await scene.until(campaign, ({ state }) => state === "held", MINUTE);
    expect(held.why).toMatchObject({ by: "policy", reason: expect.stringContaining("0 of 2 claimed, 2 needed") });
    expect(await notices("campaign.held")).toMatchObject([
      { campaignId: campaign.id, keyId: null, details: { wave: 1, waves: 2, why: held.why.reason } },
    ]);
    // Looked at anew, nothing has changed.
    await order(campaign, "resume", {});
    await scene.until(campaign, ({ state }) => state === "held");
    await order(campaign, "continue");
    expect(await scene.ended(campaign)).toMatchObject({ keys: { started: 10 } });
  });

  test("one genuine request that is refused after a retirement holds it; continue takes that for known", async () => {
    scene = await CampaignScene.of(keyover, 10);
    const verifier = await keyover.verifier(scene.api);
    for (const key of scene.keys) verifier.see(key.id, 1);
    await keyover.pass(SECOND);
    const waves = [{ environment: "test", gate: { retired: 1, soakMs: HOUR } }];
    const campaign = await scene.start({ waves });
    await scene.until(campaign, ({ waves: [wave] }) => wave.rotations.offered === 2);
    const first = scene.keys.filter(({ environment }) => environment === "test");
    for (const key of first) await scene.changeOver(key);
    await scene.until(campaign, ({ waves: [wave] }) => wave.rotations.retired === 2, MINUTE);
    const stranger = { network: "198.51.100.0/24", client: "x", instance: "" };
    verifier.see(first[0].id, 1, { accepted: 0, refused: 5, source: stranger });
    await keyover.pass(MINUTE);
    expect(await scene.show(campaign)).toMatchObject({ state: "running", wave: 0 });
    verifier.see(first[0].id, 1, { accepted: 0, refused: 1 });
    const held = await scene.until(campaign, ({ state }) => state === "held", MINUTE);
    expect(held.why.reason).toContain("it counts 1 more than was accepted, 0 allowed");
    expect(await keyover.ok("GET", `/v1/campaigns/${campaign.id}/report`)).toMatchObject({
      refused: 1,
      refusedBy: [{ consumer: first[0].consumer, keys: 1 }],
      refusedWeight: 1,
      state: "held",
    });
    // That is accepted; the wave's soak is not over by it.
    expect(await order(campaign, "continue")).toMatchObject({ state: "running", wave: 0, keys: { waiting: 8 } });
    expect(await scene.show(campaign)).toMatchObject({ waitsFor: expect.stringContaining("soak") });
    // However often it tries: it is known.
    verifier.see(first[0].id, 1, { accepted: 0, refused: 50 });
    await keyover.pass(MINUTE);
    expect(await scene.show(campaign)).toMatchObject({ state: "running", wave: 0 });
    // Another consumer is not.
    expect(first[1].consumer).not.toBe(first[0].consumer);
    verifier.see(first[1].id, 1, { accepted: 0, refused: 1 });
    await scene.until(campaign, ({ state }) => state === "held", MINUTE);
    await order(campaign, "continue");
    await scene.until(campaign, ({ state }) => state === "ended", 2 * MINUTE);
    expect(await phases()).toHaveLength(10);
  });

  test("a key whose policy contradicts itself fails alone; too many of them hold it", async () => {
    scene = await CampaignScene.of(keyover, 4);
    await keyover.verifier(scene.api);
    const bad = await scene.more(3);
    // As an older program could have left it: what is checked when it is written was not then.
    for (const { id } of bad) {
      const held = await keyover.store.get("key", id);
      if (held === undefined) throw new Error("it was made");
      const key = { ...held.value, policy: { overlapMs: MINUTE, overlapMinMs: HOUR, overlapMaxMs: HOUR } };
      const audit = [{ at: keyover.now(), actor: "test", action: "test.spoilt", subjects: [id], details: {} }];
      await keyover.store.commit({ writes: [{ put: "key", value: key, expect: held.rev }], audit, feed: [] });
    }
    const campaign = await scene.start({ limits: { failedMax: 2 } });
    const held = await scene.until(campaign, ({ state }) => state === "held");
    expect(held).toMatchObject({
      keys: { started: 4, failed: 3 },
      why: { reason: expect.stringContaining("3 keys failed") },
    });
    expect(await scene.item(campaign, bad[0])).toMatchObject({
      state: "failed",
      why: expect.stringContaining("invalid_policy: overlapMinMs"),
    });
    await order(campaign, "continue");
    expect(await scene.ended(campaign)).toMatchObject({ outcome: "done", keys: { started: 4, failed: 3 } });
  });

  test("a wave is taken back whole: who has moved on stays accepted, the campaign is held, and may go on", async () => {
    const campaign = await waiting();
    const first = scene.keys.filter(({ environment }) => environment === "test");
    await scene.changeOver(first[0]);
    await keyover.pass(SECOND);
    await keyover.refused("wave_not_started", "POST", `/v1/campaigns/${campaign.id}/rollback-wave`, {
      ...because,
      wave: 1,
    });
    expect(await order(campaign, "rollback-wave", { ...because, wave: 0 })).toMatchObject({
      state: "held",
      takingBack: { wave: 0, reason: "as ordered" },
    });
    const back = await scene.until(campaign, ({ takingBack }) => takingBack === null);
    expect(back).toMatchObject({ state: "held", keys: { "rolled-back": 2, started: 0, waiting: 8 } });
    expect(back.waves[0].rotations).toMatchObject({ rotations: 2, broken: 2 });
    // Claimed: it stays accepted until it is quiet. Not claimed: nobody can have it.
    expect((await scene.rotation(first[0])).phase).toBe("rolled-back");
    expect(await scene.rotation(first[1])).toBeUndefined();
    await keyover.pass(SECOND);
    expect(scene.accepts(first[0])).toEqual([true]);
    await order(campaign, "resume", {});
    expect(await scene.ended(campaign)).toMatchObject({ keys: { started: 8, "rolled-back": 2 } });
  });

  test("an ended campaign's wave can be taken back, but for keys that are through", async () => {
    scene = await CampaignScene.of(keyover, 3);
    await keyover.verifier(scene.api);
    const campaign = await scene.start();
    await scene.ended(campaign);
    const [done] = scene.keys;
    const rotation = await scene.rotation(done);
    await scene.changeOver(done);
    await keyover.pass(SECOND);
    await keyover.ok("POST", `/v1/rotations/${rotation.id}/retire`, because);
    await keyover.pass(61 * MINUTE);
    expect((await keyover.ok("GET", `/v1/rotations/${rotation.id}`)).phase).toBe("completed");
    await order(campaign, "rollback-wave");
    const back = await scene.until(campaign, ({ takingBack }) => takingBack === null);
    expect(back).toMatchObject({ state: "ended", keys: { started: 1, "rolled-back": 2 } });
    expect(await scene.item(campaign, done)).toMatchObject({
      state: "started",
      why: "not taken back: its rotation has ended",
    });
  });
});

describe("before it starts", () => {
  const post = (change: object) => ["POST", "/v1/campaigns", scene.wanted({ ...change })] as const;

  test("a dry run counts, shows samples of each wave, and changes nothing", async () => {
    scene = await CampaignScene.of(keyover, 20);
    const [revoked, rotating, suspended] = scene.keys;
    await keyover.ok("POST", `/v1/keys/${revoked.id}/revoke`, because);
    await keyover.ok("POST", `/v1/keys/${rotating.id}/rotations`, because);
    await keyover.ok("POST", `/v1/keys/${suspended.id}/suspend`, because);
    await keyover.tick();
    const before = await keyover.entries();
    const waves = [{ keys: [scene.keys[7].id] }, { environment: "test" }];
    const shown = await keyover.ok("POST", "/v1/campaigns", scene.wanted({ waves, dryRun: true }));
    expect(shown).toMatchObject({
      dryRun: true,
      selection: { keys: 19 },
      revoked: 1,
      inRotation: 1,
      suspended: 1,
      expired: 0,
      consumersTotal: 4,
      apis: [{ id: scene.api.id, name: scene.api.name, keys: 19 }],
      environments: [
        { name: "live", keys: 15 },
        { name: "test", keys: 4 },
      ],
      waves: [
        { name: "1 canary", keys: 1 },
        { name: "environment test", keys: 4 },
        { name: "the rest", keys: 14 },
      ],
    });
    const ofWaves = shown.samples.map(({ wave }: { wave: number }) => wave);
    expect([0, 1, 2].map((wave) => ofWaves.filter((each: number) => each === wave).length)).toEqual([1, 3, 3]);
    expect(await keyover.entries()).toBe(before);
    expect((await keyover.ok("GET", "/v1/campaigns")).items).toEqual([]);
  });

  test("a selection that grew since the dry run is refused; one that shrank is not", async () => {
    scene = await CampaignScene.of(keyover, 5);
    await keyover.verifier(scene.api);
    await scene.more(1);
    await keyover.refused("selection_grew", ...post({ expect: { keys: 5 } }));
    await keyover.ok("POST", `/v1/keys/${scene.keys[0].id}/revoke`, because);
    const campaign = await scene.start({ expect: { keys: 5 } });
    expect(await scene.ended(campaign)).toMatchObject({ keys: { started: 5 } });
  });

  test("what can't be meant is refused, and nothing begins", async () => {
    scene = await CampaignScene.of(keyover, 5);
    const other = await keyover.api();
    const foreign = await keyover.key({ api: other, consumer: scene.consumers[0] });
    const percents = (...all: number[]) => ({ waves: all.map((percent) => ({ percent })) });
    const cases: [code: string, change: object][] = [
      ["invalid_request", { select: {} }],
      ["invalid_request", { select: { everything: true, apis: [scene.api.id] } }],
      ["not_found", { select: { apis: ["nothing"] } }],
      ["not_found", { select: { consumers: ["con_none"] } }],
      ["not_found", { select: { keys: [scene.keys[0].id, "key_none"] } }],
      ["unknown_environment", { select: { environments: ["stage"] } }],
      ["unknown_environment", { waves: [{ environment: "stage" }] }],
      ["selection_empty", { select: { keyLabels: { team: "nobody" } } }],
      ["selection_empty", { select: { consumerLabels: { region: "mars" } } }],
      ["selection_empty", { select: { createdBefore: 1 } }],
      ["invalid_campaign", { waves: [{ consumerLabel: { name: "region", value: "mars" } }] }],
      ["invalid_campaign", { waves: [{ keys: [foreign.id] }] }],
      ["not_found", { waves: [{ keys: ["key_none"] }] }],
      ["invalid_campaign", percents(20, 10)],
      ["invalid_campaign", percents(100, 100)],
      ["invalid_request", percents(101)],
      ["invalid_request", percents(0)],
      ["invalid_request", { gate: { claimed: 1.5 } }],
      ["invalid_request", { gate: { clamed: 1 } }],
      ["invalid_campaign", { action: "kill", gate: { claimed: 1 } }],
      ["invalid_campaign", { action: "kill", waves: [{ percent: 5 }] }],
      ["invalid_campaign", { action: "contain", limits: { failedMax: 1 } }],
      ["invalid_request", { fence: { scopes: ["market:read"] } }],
      ["unknown_scope", { action: "contain", fence: { scopes: ["moon:read"] } }],
      ["invalid_request", { pace: 0 }],
    ];
    for (const [code, change] of cases) await keyover.refused(code, ...post(change));
    const auditor = await keyover.token("auditor");
    await keyover.refused("forbidden", ...post({}), { token: auditor });
    expect((await keyover.ok("GET", "/v1/campaigns", undefined, { token: auditor })).items).toEqual([]);
  });

  test("asked for twice with one Idempotency-Key it begins once", async () => {
    scene = await CampaignScene.of(keyover, 3);
    const [method, path, body] = post({});
    const options = { idempotencyKey: "spring" };
    const answers = [await keyover.call(method, path, body, options), await keyover.call(method, path, body, options)];
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(answers[0]?.body).toEqual(answers[1]?.body);
    expect((await keyover.ok("GET", "/v1/campaigns")).items).toHaveLength(1);
  });
});
