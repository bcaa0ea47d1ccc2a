/**
 * How a campaign is: what the gates and limits of core ask. Rotations are counted by an index. Refused uses are walked through a page at a
 * time, because each rotation's have to be looked up.
 */
import type { Campaign, CampaignHealth, WaveHealth } from "@keyover/core";
import type { RotationTally } from "../store/campaign-entities.ts";
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

/** All of them, at once. `breathe`: between two pages. */
export async function refusedInAll(store: Store, campaignId: string, breathe: () => Promise<void>): Promise<number> {
  let sum = 0;
  for (let after: string | null = ""; after !== null; ) {
    const page = await store.campaignRefused(campaignId, after, REFUSED_PAGE);
    sum += page.refused;
    after = page.after;
    if (after !== null) await breathe();
  }
  return sum;
}

/** The same a page at each look, round and round: the sum of the last whole walk, or of this one as soon as it is more. */
export class RefusedWalk {
  #after = "";
  #sum = 0;
  #last = 0;

  async look(store: Store, campaignId: string, tally: readonly RotationTally[]): Promise<number> {
    // A refusal is of a version that has retired.
    if (waveHealth(tally).retired === 0) return 0;
    const { refused, after } = await store.campaignRefused(campaignId, this.#after, REFUSED_PAGE);
    this.#sum += refused;
    if (after === null) {
      this.#last = this.#sum;
      this.#sum = 0;
    }
    this.#after = after ?? "";
    return Math.max(this.#last, this.#sum);
  }
}
