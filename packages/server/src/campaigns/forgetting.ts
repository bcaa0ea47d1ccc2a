/**
 * What a campaign did to each key is not kept for good: items go once it has ended for longer than `ITEMS_KEPT_DAYS`, some hundreds at a time. Its row
 * stays with all counts, and so do the skipped and failed items that its report shows: the report stays what it was.
 *
 * The campaign's row says how far it has come, in the commit that removes them; so a crash repeats nothing.
 */
import type { Campaign, World } from "@keyover/core";
import { fenceIn, type Shares } from "../engine/shares.ts";
import type { KeyDesk } from "../keys/key-desk.ts";
import { type Held, put, type Store } from "../store/store.ts";
import { noteOf } from "./ledger.ts";
import { shownItems } from "./standing.ts";

/**
 * A year and a month: campaigns come once a year, and whoever plans the next one looks at what became of each key in the last. As long as it is kept
 * when verifiers ran.
 */
export const ITEMS_KEPT_DAYS = 400;
const ITEMS_KEPT_MS = ITEMS_KEPT_DAYS * 86_400_000;

/** In one commit, of some ten milliseconds. */
const ITEMS_MAX = 500;
const CAMPAIGNS_PAGE = 100;

export interface ForgettingDeps {
  world: World;
  store: Store;
  desk: Pick<KeyDesk, "commit">;
  shares: Pick<Shares, "leads">;
}

export interface Forgetting {
  /** The next few items of one campaign. */
  look(): Promise<void>;
}

export function createForgetting({ world, store, desk, shares }: ForgettingDeps): Forgetting {
  return {
    async look() {
      const leads = shares.leads();
      const now = world.clock.now();
      const held = leads === undefined ? undefined : await endedLongAgo(store, now - ITEMS_KEPT_MS);
      if (leads === undefined || held === undefined) return;
      const { id, itemsGone } = held.value;
      const after = itemsGone?.after ?? "";
      const items = await store.list("campaign_item", { equals: { campaign_id: id } }, { after, limit: ITEMS_MAX });
      const stay = new Set(
        [...(await shownItems(store, held.value, "skipped")), ...(await shownItems(store, held.value, "failed"))].map(
          (item) => item.id,
        ),
      );
      const gone = items.map(({ value }) => value.id).filter((item) => !stay.has(item));
      const whole = items.length < ITEMS_MAX;
      const place = whole ? null : (items.at(-1)?.value.id ?? null);
      const next: Campaign = { ...held.value, itemsGone: { at: itemsGone?.at ?? now, after: place } };
      await desk.commit({
        writes: [...gone.map((item) => ({ remove: "campaign_item" as const, id: item })), put("campaign", next, held)],
        audit: [{ ...noteOf(next, "campaign.items-gone", now, { items: gone.length, whole }), actor: "system" }],
        feed: [],
        fence: fenceIn(leads),
      });
    },
  };
}

/** The oldest that ended before then and has items to be removed. */
async function endedLongAgo(store: Store, before: number): Promise<Held<Campaign> | undefined> {
  for (let after: string | undefined; ; ) {
    const rows = await store.list(
      "campaign",
      { equals: { live: 0, state: "ended" }, until: [{ column: "created_at", at: before }] },
      { after, limit: CAMPAIGNS_PAGE },
    );
    const found = rows.find(({ value: { endedAt } }) => endedAt !== null && endedAt < before);
    if (found !== undefined || rows.length < CAMPAIGNS_PAGE) return found;
    after = rows.at(-1)?.value.id;
  }
}
