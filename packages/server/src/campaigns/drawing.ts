/**
 * The keys of a campaign drawn for its waves, once all are found: two walks over its items, a page at a time.
 *
 *     measure: homes and draws of all items ──▶ cuts ──▶ place: the few items that the selection has put into another wave
 *
 * What a walk finds follows from the items alone, which no other work touches meanwhile. So nothing of it is kept: whoever takes over
 * after a crash walks again, and finds those that have been moved where they belong.
 */
import { type Campaign, type Cuts, type DrawRun, drawOf, exactCuts, homeOf, runsOf, waveAt } from "@keyover/core";
import type { CampaignItem } from "../store/campaign-entities.ts";
import type { Held, Store } from "../store/store.ts";

/** Read in one question, in some ten milliseconds. */
const PAGE = 1_000;

export interface DrawnPage {
  /** Items that belong into another wave. */
  moves: { item: Held<CampaignItem>; to: number }[];
  /** These were the last. */
  whole: boolean;
}

export class Drawing {
  #after = "";
  readonly #runs: DrawRun[] = [];
  #cuts: Cuts | undefined;

  /** The next page; undefined while it measures. */
  async look(store: Store, { id, waves }: Pick<Campaign, "id" | "waves">): Promise<DrawnPage | undefined> {
    const items = await store.list(
      "campaign_item",
      { equals: { campaign_id: id } },
      { after: this.#after, limit: PAGE },
    );
    const whole = items.length < PAGE;
    this.#after = whole ? "" : (items.at(-1)?.value.id ?? "");
    const drawn = items.map((item) => ({ item, home: homeAt(waves, item.value), draw: drawOf(id, item.value.keyId) }));
    if (this.#cuts === undefined) {
      this.#runs.push(...runsOf(drawn));
      if (whole) this.#cuts = exactCuts(waves, this.#runs);
      return undefined;
    }
    const cuts = this.#cuts;
    const placed = drawn.map(({ item, home, draw }) => ({ item, to: waveAt(cuts, home, draw) }));
    return { moves: placed.filter(({ item, to }) => item.value.wave !== to), whole };
  }
}

/** Of an item of an older program only its wave is known: where that is one of percents, its home may be any later one. */
function homeAt(waves: Campaign["waves"], { home, wave, keyId }: CampaignItem): number {
  if (home !== undefined) return home;
  const drawn = "percent" in (waves[wave] as Campaign["waves"][number]).of;
  return drawn ? homeOf(waves, { keyId, environment: "", consumerLabels: {} }) : wave;
}
