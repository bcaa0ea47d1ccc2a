/** Keys are drawn for waves once all are found: exact shares, the same whoever draws, and whatever came between. */
import { defaultWaveGate, drawOf, homeOf, likelyCuts, type Wave, type WaveOf, waveAt, wholeWaves } from "@keyover/core";
import { afterEach, describe, expect, test } from "vitest";
import { SECOND, TestAuthority, TestClock } from "../authority.test-support.ts";
import type { CampaignItem } from "../store/campaign-entities.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import { AT, aBatch, mustCommit } from "../store/store.test-support.ts";
import { type Batch, put, type Store } from "../store/store.ts";
import { CampaignScene } from "./campaigns.test-support.ts";
import { Drawing } from "./drawing.ts";

describe("over pages of items", () => {
  const wavesOf = (...all: WaveOf[]): Wave[] =>
    wholeWaves(
      all.map((of) => ({ of, gate: defaultWaveGate })),
      defaultWaveGate,
    );
  const draw = async (store: Store, waves: Wave[]) => {
    const drawing = new Drawing();
    const moves = new Map<string, number>();
    for (;;) {
      const page = await drawing.look(store, { id: "cam_1", waves });
      for (const { item, to } of page?.moves ?? []) moves.set(item.value.id, to);
      if (page?.whole === true) return moves;
    }
  };

  test("only those move that chance has put wrong, and then the shares are exact", async () => {
    const waves = wavesOf({ keys: ["key_7"] }, { percent: 10 }, { percent: 50 });
    const items = Array.from({ length: 2_345 }, (_, i): CampaignItem => {
      const keyId = `key_${i}`;
      const home = homeOf(waves, { keyId, environment: "live", consumerLabels: {} });
      const wave = waveAt(likelyCuts(waves), home, drawOf("cam_1", keyId));
      const base = { campaignId: "cam_1", state: "waiting" as const, rotationId: null, why: null, at: AT };
      return { ...base, id: `cam_1.${keyId}`, keyId, wave, home };
    });
    const store = openMemoryStore({ now: () => AT });
    for (let i = 0; i < items.length; i += 500)
      await mustCommit(store, aBatch(items.slice(i, i + 500).map((item) => put("campaign_item", item))));
    const moves = await draw(store, waves);
    expect(moves.size).toBeGreaterThan(0);
    expect(moves.size).toBeLessThan(200);
    const found = items.map(({ id, wave }) => moves.get(id) ?? wave);
    expect([0, 1, 2, 3].map((wave) => found.filter((each) => each === wave).length)).toEqual([1, 234, 938, 1_172]);
    // Drawn again when some have moved already, as after a crash: the others follow.
    const [first] = [...moves];
    const held = await store.get("campaign_item", first?.[0] ?? "");
    if (held === undefined) throw new Error("it was put");
    await mustCommit(store, aBatch([put("campaign_item", { ...held.value, wave: first?.[1] ?? 0 }, held)]));
    const rest = await draw(store, waves);
    expect(rest).toEqual(new Map([...moves].slice(1)));
    await store.close();
  });
});

describe("in a campaign", () => {
  let keyover: TestAuthority;
  let beforeCommit: (batch: Batch) => Promise<void>;
  afterEach(() => keyover.close());

  async function open(count: number): Promise<CampaignScene> {
    beforeCommit = async () => {};
    const clock = new TestClock();
    const real = openMemoryStore({ now: () => clock.at });
    const commit = async (batch: Batch) => {
      await beforeCommit(batch);
      return real.commit(batch);
    };
    const store = new Proxy(real, { get: (_, name: keyof Store) => (name === "commit" ? commit : real[name]) });
    keyover = await TestAuthority.start({ clock, store });
    const scene = await CampaignScene.of(keyover, count);
    await keyover.verifier(scene.api);
    return scene;
  }
  const drawn = ({ audit }: Batch) => audit.some(({ action }) => action === "campaign.drawn");
  const keysOf = (standing: { waves: { items: Record<string, number> }[] }) =>
    standing.waves.map(({ items }) => Object.values(items).reduce((sum, each) => sum + each, 0));

  test("of ten keys 10, 50 and 100 % are one, four and five, each time; a dry run says so before", async () => {
    const scene = await open(10);
    const waves = [{ percent: 10 }, { percent: 50 }, { percent: 100 }];
    const { waves: shown, samples } = await keyover.ok("POST", "/v1/campaigns", scene.wanted({ waves, dryRun: true }));
    expect(shown.map(({ keys }: { keys: number }) => keys)).toEqual([1, 4, 5]);
    expect(samples.map(({ wave }: { wave: number }) => wave).sort()).toEqual([0, 1, 1, 1, 2, 2, 2]);
    for (let i = 0; i < 5; i++) {
      const campaign = await scene.start({ waves, gate: { claimed: 1 } });
      // Keys that an earlier one has begun with are passed over: if chance takes all of them, it has ended at once.
      const begun = await scene.until(campaign, ({ state }) => ["running", "ended"].includes(state));
      expect(keysOf(begun)).toEqual([1, 4, 5]);
      const items = await scene.items(campaign);
      expect([0, 1, 2].map((wave) => items.filter((item) => item.wave === wave).length)).toEqual([1, 4, 5]);
      if (begun.state === "running")
        await keyover.ok("POST", `/v1/campaigns/${campaign.id}/abort`, { reason: "enough" });
    }
  });

  test("a pause that comes while keys are drawn keeps it from beginning; resumed, it draws and goes on", async () => {
    const scene = await open(12);
    let paused = false;
    let id = "";
    beforeCommit = async (batch) => {
      if (paused || !drawn(batch)) return;
      paused = true;
      await keyover.ok("POST", `/v1/campaigns/${id}/pause`, { reason: "wait" });
    };
    ({ id } = await scene.start({ waves: [{ percent: 25 }] }));
    await keyover.pass(5 * SECOND);
    expect(paused).toBe(true);
    expect(await scene.show({ id })).toMatchObject({ state: "paused", keys: { waiting: 12, started: 0 } });
    await keyover.ok("POST", `/v1/campaigns/${id}/resume`, {});
    const ended = await scene.ended({ id });
    expect(ended).toMatchObject({ outcome: "done", keys: { started: 12 } });
    expect(keysOf(ended)).toEqual([3, 9]);
  });

  test("what was not committed of one page is found again, though others follow", async () => {
    const scene = await open(1);
    const template = (await keyover.store.get("key", scene.keys[0].id))?.value;
    if (template === undefined) throw new Error("it was made");
    const id = (i: number) => `${template.id.slice(0, -5)}${String(i).padStart(5, "0")}`;
    const writes = Array.from({ length: 3_499 }, (_, i) => put("key", { ...template, id: id(i), name: `bot ${i}` }));
    const audit = [{ at: keyover.now(), actor: "test", action: "test.filled", subjects: [], details: {} }];
    await keyover.store.commit({ writes, audit, feed: [] });
    let times = 0;
    let moved = 0;
    beforeCommit = async (batch) => {
      if (!drawn(batch)) return;
      times++;
      moved += batch.writes.length - 1;
      if (times === 1) throw new Error("gone");
      if (times !== 3) return;
      await keyover.ok("POST", `/v1/campaigns/${campaign.id}/pause`, { reason: "wait" });
      await keyover.ok("POST", `/v1/campaigns/${campaign.id}/resume`, {});
    };
    const campaign = await scene.start({ waves: [{ percent: 30 }], pace: 1 });
    const begun = await scene.until(campaign, ({ state }) => state === "running");
    expect(times).toBeGreaterThan(3);
    expect(moved).toBeGreaterThan(0);
    expect(keysOf(begun)).toEqual([1_050, 2_450]);
    const inWave = (wave: number) =>
      keyover.store.count("campaign_item", { equals: { campaign_id: campaign.id, wave } });
    expect([await inWave(0), await inWave(1)]).toEqual([1_050, 2_450]);
    await keyover.ok("POST", `/v1/campaigns/${campaign.id}/abort`, { reason: "enough" });
  });

  test("a database that refuses in the midst of it is asked again", async () => {
    const scene = await open(12);
    let failures = 0;
    beforeCommit = async (batch) => {
      if (drawn(batch) && failures++ < 2) throw new Error("gone");
    };
    const campaign = await scene.start({ waves: [{ percent: 25 }] });
    const ended = await scene.ended(campaign);
    expect(failures).toBe(3);
    expect(keysOf(ended)).toEqual([3, 9]);
  });
});
