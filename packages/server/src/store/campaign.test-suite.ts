/** What every store promises of campaigns; part of store.test-suite.ts. */
import { type Campaign, defaultLimits, defaultWaveGate, newCampaign, type Phase } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { type CampaignItem, campaignItemId } from "./campaign-entities.ts";
import { AT, aBatch, aKey, aRotation, aUse, mustCommit } from "./store.test-support.ts";
import { put, type Store } from "./store.ts";

function aCampaign(change: Partial<Campaign> = {}): Campaign {
  const wanted = {
    id: "cam_a",
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
  return { ...newCampaign(wanted, "", AT), ...change };
}

function anItem(keyId: string, change: Partial<CampaignItem> = {}): CampaignItem {
  const campaignId = change.campaignId ?? "cam_a";
  const item = { campaignId, keyId, wave: 0, state: "waiting" as const, rotationId: null, why: null, at: AT };
  return { ...item, id: campaignItemId(campaignId, keyId), ...change };
}

export function campaignSuite(current: () => Store): void {
  const ids = (held: { value: { id: string } }[]) => held.map(({ value }) => value.id);
  const rotation = (n: number, phase: Phase, change: Parameters<typeof aRotation>[0] = {}) =>
    put(
      "rotation",
      aRotation({ id: `rot_${n}`, keyId: `key_${n}`, phase, campaign: { id: "cam_a", wave: 0 }, ...change }),
    );

  describe("campaigns", () => {
    test("that have something to do are found, and items by campaign, wave, state and key", async () => {
      await mustCommit(
        current(),
        aBatch([
          put("campaign", aCampaign()),
          put("campaign", aCampaign({ id: "cam_b", state: "ended" })),
          put("campaign", aCampaign({ id: "cam_c", state: "held" })),
          put("campaign", aCampaign({ id: "cam_d", state: "running" })),
          put(
            "campaign",
            aCampaign({ id: "cam_e", state: "ended", rollback: { wave: 0, by: "tok_1", reason: "bad", after: "" } }),
          ),
          ...["key_3", "key_1", "key_2"].map((id) => put("campaign_item", anItem(id))),
          put("campaign_item", anItem("key_4", { state: "started" })),
          put("campaign_item", anItem("key_5", { wave: 1 })),
          put("campaign_item", anItem("key_1", { campaignId: "cam_b" })),
        ]),
      );
      expect(ids(await current().list("campaign", { equals: { live: 1 } }, { limit: 9 }))).toEqual([
        "cam_a",
        "cam_d",
        "cam_e",
      ]);
      const backwards = (after?: string) => current().list("campaign", {}, { after, limit: 2, backwards: true });
      expect(ids(await backwards())).toEqual(["cam_e", "cam_d"]);
      expect(ids(await backwards("cam_b"))).toEqual(["cam_a"]);
      const gone = await current().get("campaign", "cam_b");
      const without = { ...aCampaign(gone?.value), itemsGone: { at: AT, after: null } };
      const idle = () => current().list("campaign", { equals: { live: 0, state: "ended" } }, { limit: 9 });
      expect(ids(await idle())).toEqual(["cam_b"]);
      await mustCommit(current(), aBatch([put("campaign", without, gone)]));
      expect(ids(await idle())).toEqual([]);
      const items = (equals: object, after?: string) =>
        current().list("campaign_item", { equals: { ...equals } }, { after, limit: 2 });
      const waiting = { campaign_id: "cam_a", wave: 0, state: "waiting" };
      expect(ids(await items(waiting))).toEqual(["cam_a.key_1", "cam_a.key_2"]);
      expect(ids(await items(waiting, "cam_a.key_2"))).toEqual(["cam_a.key_3"]);
      expect(ids(await items({ key_id: "key_1" }))).toEqual(["cam_a.key_1", "cam_b.key_1"]);
    });

    test("their rotations are counted by wave, phase and whether the successor was claimed", async () => {
      await mustCommit(
        current(),
        aBatch([
          rotation(1, "offered"),
          rotation(2, "offered", { claimedAt: AT }),
          rotation(3, "offered", { confirmedAt: AT }),
          rotation(4, "retired", { claimedAt: AT, campaign: { id: "cam_a", wave: 1 } }),
          rotation(5, "offered", { campaign: { id: "cam_b", wave: 0 } }),
          rotation(6, "offered", { campaign: null }),
        ]),
      );
      const tally = await current().campaignTally("cam_a");
      expect(tally).toHaveLength(3);
      expect(tally).toContainEqual({ wave: 0, phase: "offered", claimed: false, count: 1 });
      expect(tally).toContainEqual({ wave: 0, phase: "offered", claimed: true, count: 2 });
      expect(tally).toContainEqual({ wave: 1, phase: "retired", claimed: true, count: 1 });
      const held = await current().get("rotation", "rot_1");
      await mustCommit(
        current(),
        aBatch([put("rotation", aRotation({ ...held?.value, phase: "overlapping", claimedAt: AT }), held)]),
      );
      expect(await current().campaignTally("cam_a")).toContainEqual({
        wave: 0,
        phase: "overlapping",
        claimed: true,
        count: 1,
      });
      expect(await current().campaignTally("cam_none")).toEqual([]);
    });

    test("refused uses of what they retired are counted, of sources that had used it before", async () => {
      const retiredAt = AT + 10_000;
      await mustCommit(
        current(),
        aBatch([
          ...[1, 2, 3].map((n) => rotation(n, "retired", { retiredAt })),
          rotation(4, "overlapping"),
          rotation(5, "retired", { retiredAt, campaign: null }),
        ]),
      );
      const use = (n: number, source: string, at: number, change: object) =>
        current().record({
          rows: [aUse({ keyId: `key_${n}`, sourceId: source, first: at, last: at, ...change })],
          reports: [],
        });
      const refused = { accepted: 0, refused: 3 };
      for (const n of [1, 2, 4, 5]) {
        await use(n, "known", AT, {});
        await use(n, "known", retiredAt + 1, refused);
      }
      await use(2, "thief", AT, refused);
      await use(2, "thief", retiredAt + 1, refused);
      // Never accepted before; refused before it retired; of the successor.
      await use(2, "stranger", retiredAt + 1, refused);
      await use(3, "known", AT, { accepted: 1, refused: 0 });
      await use(3, "known", AT + 1, { accepted: 0, refused: 9 });
      await use(1, "other version", AT, { version: 2 });
      await use(1, "other version", retiredAt + 1, { version: 2, ...refused });
      await mustCommit(current(), aBatch([put("key", aKey({ id: "key_1", consumerId: "con_9" }))]));
      const [one, two] = [
        { keyId: "key_1", consumerId: "con_9", requests: 3 },
        { keyId: "key_2", consumerId: "", requests: 3 },
      ];
      expect(await current().campaignRefused("cam_a", "", 9)).toEqual({ refused: [one, two], after: null });
      expect(await current().campaignRefused("cam_a", "", 1)).toEqual({ refused: [one], after: "rot_1" });
      expect(await current().campaignRefused("cam_a", "rot_1", 1)).toEqual({ refused: [two], after: "rot_2" });
      expect(await current().campaignRefused("cam_a", "rot_2", 9)).toEqual({ refused: [], after: null });
    });
  });
}
