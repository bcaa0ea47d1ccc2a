/** Items go long after a campaign has ended, some at a time; what is told of it stays. */
import { type Campaign, defaultLimits, defaultWaveGate, type ItemState, newCampaign, noItems } from "@keyover/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, SECOND, TestAuthority } from "../authority.test-support.ts";
import type { CampaignItem } from "../store/campaign-entities.ts";
import { put } from "../store/store.ts";
import { ITEMS_KEPT_DAYS } from "./forgetting.ts";

let keyover: TestAuthority;
beforeEach(async () => {
  keyover = await TestAuthority.start();
});
afterEach(() => keyover.close());

/** Ended now, with so many items of each state. */
async function aCampaign(id: string, states: Partial<Record<ItemState, number>>, change: Partial<Campaign> = {}) {
  const now = keyover.now();
  const wanted = {
    id,
    name: "spring",
    action: "rotate" as const,
    select: { everything: true as const },
    waves: [{ of: { rest: true as const }, gate: defaultWaveGate }],
    limits: defaultLimits,
    pace: null,
    fence: null,
    reason: "routine",
    startedBy: "tok_1",
  };
  const counts = [{ ...noItems, ...states }];
  const ended = { state: "ended" as const, outcome: "done" as const, endedAt: now, cursor: null, counts };
  const campaign: Campaign = { ...newCampaign(wanted, "", now), ...ended, ...change };
  const items = Object.entries(states).flatMap(([state, count], s) =>
    Array.from({ length: count }, (_, i): CampaignItem => {
      const keyId = `key_${s}${String(i).padStart(5, "0")}`;
      const base = { campaignId: id, wave: 0, home: 0, rotationId: null, why: state, at: now };
      return { ...base, id: `${id}.${keyId}`, keyId, state: state as ItemState };
    }),
  );
  const audit = [{ at: now, actor: "test", action: "test.filled", subjects: [id], details: {} }];
  const writes = [put("campaign", campaign), ...items.map((item) => put("campaign_item", item))];
  expect(await keyover.store.commit({ writes, audit, feed: [] })).toMatchObject({ ok: true });
}
const left = (id: string) => keyover.store.count("campaign_item", { equals: { campaign_id: id } });
const report = async (id: string) => {
  const { tookMs: _took, itemsKept: _kept, ...rest } = await keyover.ok("GET", `/v1/campaigns/${id}/report`);
  return rest;
};

test("400 days after its end they go, a bounded number at a time, and its report and counts stay what they were", async () => {
  await aCampaign("cam_a", { started: 1_100, failed: 230, skipped: 3, "rolled-back": 20 });
  const before = await report("cam_a");
  expect(before.failed).toHaveLength(200);
  await keyover.clock.advance((ITEMS_KEPT_DAYS - 1) * DAY);
  await keyover.pass(20 * SECOND);
  expect(await left("cam_a")).toBe(1_353);
  await keyover.clock.advance(DAY);
  const counts: number[] = [];
  for (let i = 0; i < 6; i++) {
    await keyover.pass(10 * SECOND);
    counts.push(await left("cam_a"));
  }
  const steps = [1_353, ...counts].slice(0, -1).map((count, i) => count - (counts[i] as number));
  expect(Math.max(...steps)).toBeLessThanOrEqual(500);
  // What the report names.
  expect(counts.at(-1)).toBe(203);
  expect(await report("cam_a")).toEqual(before);
  expect(await keyover.ok("GET", "/v1/campaigns/cam_a")).toMatchObject({
    itemsKept: false,
    keys: { started: 1_100, failed: 230, skipped: 3, "rolled-back": 20 },
  });
  await keyover.refused("campaign_ended", "POST", "/v1/campaigns/cam_a/rollback-wave", { reason: "too late", wave: 0 });
  // Once it is through, nothing is written any more.
  const entries = await keyover.entries();
  await keyover.pass(60 * SECOND);
  expect(await keyover.entries()).toBe(entries);
});

test("of a campaign that has not ended, or not long ago, they stay; those behind it are found", async () => {
  const began = keyover.now();
  await aCampaign("cam_a", { waiting: 5 }, { state: "held", outcome: null, endedAt: null, why: null });
  await aCampaign("cam_b", { started: 5 }, { endedAt: began + 300 * DAY });
  await aCampaign("cam_c", { started: 5 });
  await keyover.clock.advance((ITEMS_KEPT_DAYS + 1) * DAY);
  await keyover.pass(30 * SECOND);
  expect([await left("cam_a"), await left("cam_b"), await left("cam_c")]).toEqual([5, 5, 0]);
  const gone = (await keyover.store.audit(0, 10_000)).filter(({ action }) => action === "campaign.items-gone");
  expect(gone).toMatchObject([{ actor: "system", subjects: ["cam_c"], details: { items: 5, whole: true } }]);
});

test("campaigns are listed with the newest first, page by page", async () => {
  for (const id of ["cam_a", "cam_b", "cam_c"]) await aCampaign(id, {});
  const page = await keyover.ok("GET", "/v1/campaigns?limit=2");
  expect(page.items.map(({ id }: { id: string }) => id)).toEqual(["cam_c", "cam_b"]);
  const next = await keyover.ok("GET", `/v1/campaigns?limit=2&cursor=${page.next}`);
  expect(next.items.map(({ id }: { id: string }) => id)).toEqual(["cam_a"]);
  expect(next.next).toBeNull();
});
