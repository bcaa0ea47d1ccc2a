/**
 * How a campaign is: what the gates and limits of core ask. Rotations are counted by an index. Refused uses are walked through a page at a
 * time, because each rotation's have to be looked up.
 */
import { type Campaign, type CampaignHealth, refusalWeight, type WaveHealth } from "@keyover/core";
import type { RefusedPage, RotationTally } from "../store/campaign-entities.ts";
import type { Restoration } from "../store/entities.ts";
import type { Store } from "../store/store.ts";

export interface HealthDeps {
  store: Store;
  restorations: { waiting(): Promise<readonly Pick<Restoration, "id" | "restoredAt" | "reconciledAt">[]> };
}

const OFFERED: ReadonlySet<string> = new Set(["offered", "overlapping", "retired", "completed"]);
const RETIRED: ReadonlySet<string> = new Set(["retired", "completed"]);
const BROKEN: ReadonlySet<string> = new Set(["cancelled", "rolled-back"]);

/** Of one wave; of all, if none is named. */
export function waveHealth(tally: readonly RotationTally[], wave?: number): WaveHealth {
  const own = wave === undefined ? tally : tally.filter((each) => each.wave === wave);
  const sum = (counts: (each: RotationTally) => boolean) =>
    own.reduce((all, each) => (counts(each) ? all + each.count : all), 0);
  return {
    rotations: sum(() => true),
    offered: sum(({ phase }) => OFFERED.has(phase)),
    claimed: sum(({ phase, claimed }) => claimed && OFFERED.has(phase)),
    retired: sum(({ phase }) => RETIRED.has(phase)),
    broken: sum(({ phase }) => BROKEN.has(phase)),
  };
}

/** `refused`: as far as it is known. */
export async function readHealth(
  { store, restorations }: HealthDeps,
  campaign: Campaign,
  refused: (tally: readonly RotationTally[]) => Promise<number>,
): Promise<CampaignHealth> {
  const tally = await store.campaignTally(campaign.id);
  const held = (await restorations.waiting()).filter(({ reconciledAt }) => reconciledAt === null);
  return {
    wave: waveHealth(tally, campaign.wave),
    broken: waveHealth(tally).broken,
    refused: await refused(tally),
    heldApis: held.map(({ id }) => id).filter((id) => campaign.apis.includes(id)),
  };
}

/** In one question, of about 20 µs a rotation on SQLite. */
const REFUSED_PAGE = 500;

/** What a campaign's rotations have refused that was accepted before. */
export class RefusedTally {
  requests = 0;
  /** Keys that see refusals, by consumer. */
  readonly keys = new Map<string, number>();

  add({ refused }: RefusedPage): void {
    for (const { consumerId, requests } of refused) {
      this.requests += requests;
      this.keys.set(consumerId, (this.keys.get(consumerId) ?? 0) + 1);
    }
  }
}

/** As limits count it. */
export function weightOf({ keys }: RefusedTally): number {
  return refusalWeight(keys.values());
}

/** All of them, at once. `breathe`: between two pages. */
export async function refusedInAll(
  store: Store,
  campaignId: string,
  breathe: () => Promise<void>,
): Promise<RefusedTally> {
  const tally = new RefusedTally();
  for (let after: string | null = ""; after !== null; ) {
    const page = await store.campaignRefused(campaignId, after, REFUSED_PAGE);
    tally.add(page);
    after = page.after;
    if (after !== null) await breathe();
  }
  return tally;
}

/** The weight of the same, a page at each look, round and round: that of the last whole walk, or of this one as soon as it is more. */
export class RefusedWalk {
  #after = "";
  #tally = new RefusedTally();
  #last = 0;

  async look(store: Store, campaignId: string, tally: readonly RotationTally[]): Promise<number> {
    // A refusal is of a version that has retired.
    if (waveHealth(tally).retired === 0) return 0;
    const page = await store.campaignRefused(campaignId, this.#after, REFUSED_PAGE);
    this.#tally.add(page);
    this.#after = page.after ?? "";
    const weight = weightOf(this.#tally);
    if (page.after !== null) return Math.max(this.#last, weight);
    this.#last = weight;
    this.#tally = new RefusedTally();
    return weight;
  }
}
