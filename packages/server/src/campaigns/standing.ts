/** How far a campaign is, for people: counted when it is asked. */
import {
  type Campaign,
  type CampaignEstimate,
  estimateEnd,
  type ItemCounts,
  noItems,
  stepCampaign,
  type WaveHealth,
} from "@keyover/core";
import type { Fleet, FleetMember } from "../feed/fleet.ts";
import type { CampaignItem } from "../store/campaign-entities.ts";
import type { Store } from "../store/store.ts";
import { type HealthDeps, readHealth, refusedInAll, waveHealth, weightOf } from "./health.ts";

export interface WaveStanding {
  items: ItemCounts;
  rotations: WaveHealth;
}

export interface ReceiptStanding {
  api: string;
  seq: number;
  /** Verifiers that may answer, how many of them have applied it, and who has not. */
  verifiers: number;
  applied: number;
  behind: FleetMember[];
  at: number | null;
}

export interface CampaignStanding {
  campaign: Campaign;
  waves: WaveStanding[];
  estimate: CampaignEstimate;
  /** What a gate waits for, in a sentence; null: for nothing. */
  waitsFor: string | null;
  /** Of an emergency; of apis whose keys are still being struck too, as far as they are. */
  receipts: ReceiptStanding[];
}

export interface CampaignReport {
  /** Requests with retired versions, by sources that had used them before. */
  refused: number;
  /** Whose keys, and how many of them: those with most first, the first few. */
  refusedBy: { consumer: string; keys: number }[];
  /** As limits count it. */
  refusedWeight: number;
  skipped: CampaignItem[];
  failed: CampaignItem[];
}

export interface StandingDeps extends HealthDeps {
  store: Store;
  fleet: Fleet;
  now: () => number;
}

/** `refused`: where it has been counted. Else limits are looked at without. */
export async function standingOf(deps: StandingDeps, campaign: Campaign, refused = 0): Promise<CampaignStanding> {
  const tally = await deps.store.campaignTally(campaign.id);
  const now = deps.now();
  const step = stepCampaign(campaign, await readHealth(deps, campaign, async () => refused), now);
  return {
    campaign,
    waves: campaign.waves.map((_wave, i) => ({
      items: campaign.counts[i] ?? noItems,
      rotations: waveHealth(tally, i),
    })),
    estimate: estimateEnd(campaign, now),
    waitsFor: step.do === "wait" ? step.for : null,
    receipts: await Promise.all(campaign.receipts.map((receipt) => receiptStanding(deps, receipt))),
  };
}

async function receiptStanding(
  { fleet }: StandingDeps,
  { apiId, seq, at, verifiers }: Campaign["receipts"][number],
): Promise<ReceiptStanding> {
  if (at !== null) return { api: apiId, seq, at, verifiers, applied: verifiers, behind: [] };
  const view = await fleet.view(apiId);
  const behind = view.laggards(seq);
  return { api: apiId, seq, at, verifiers: view.live.length, applied: view.live.length - behind.length, behind };
}

const ITEMS_SHOWN = 200;
const CONSUMERS_SHOWN = 20;

/** Those that a report names. */
export async function shownItems(
  store: Store,
  campaign: Pick<Campaign, "id" | "waves">,
  state: "skipped" | "failed",
): Promise<CampaignItem[]> {
  const found: CampaignItem[] = [];
  for (const wave of campaign.waves.keys()) {
    if (found.length >= ITEMS_SHOWN) break;
    const equals = { campaign_id: campaign.id, wave, state };
    const rows = await store.list("campaign_item", { equals }, { limit: ITEMS_SHOWN - found.length });
    found.push(...rows.map(({ value }) => value));
  }
  return found;
}

export async function reportOf(
  { store }: Pick<StandingDeps, "store">,
  campaign: Campaign,
  breathe: () => Promise<void>,
): Promise<CampaignReport> {
  const tally = await refusedInAll(store, campaign.id, breathe);
  return {
    refused: tally.requests,
    refusedBy: [...tally.keys]
      .map(([consumer, keys]) => ({ consumer, keys }))
      .sort((a, b) => b.keys - a.keys || (a.consumer < b.consumer ? -1 : 1))
      .slice(0, CONSUMERS_SHOWN),
    refusedWeight: weightOf(tally),
    skipped: await shownItems(store, campaign, "skipped"),
    failed: await shownItems(store, campaign, "failed"),
  };
}
