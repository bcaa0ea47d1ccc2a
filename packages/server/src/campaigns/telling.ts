/** What a campaign tells people. */
import { type Campaign, doneItems, sumItems, waveName } from "@keyover/core";
import type { NoticeDraft } from "../store/notice-entities.ts";

export function tellOf(
  campaign: Campaign,
  event: "campaign.started" | "campaign.held" | "campaign.ended",
  at: number,
): NoticeDraft {
  const { id, name, action, reason, counts, waves, wave, outcome, receipts, why } = campaign;
  const { waiting, ...done } = sumItems(counts);
  const details = {
    name,
    action,
    reason,
    wave: wave + 1,
    waves: waves.length,
    waveName: waveName((waves[wave] as Campaign["waves"][number]).of),
    ...(event === "campaign.started" ? {} : { keys: doneItems(counts) + waiting, waiting, ...done }),
    ...(why === null ? {} : { why: why.reason, by: why.by }),
    ...(outcome === null ? {} : { outcome }),
    ...(receipts.length === 0 ? {} : { verifiers: receipts.reduce((sum, { verifiers }) => sum + verifiers, 0) }),
  };
  return { event, at, campaignId: id, details };
}
