/** At the end campaigns are what was committed of them: what the API says, what the database says, and what happened. */
import type { ItemState } from "@keyover/core";
import type { Store } from "../packages/server/src/store/store.ts";
import type { Caller } from "./caller.ts";
import { type CampaignPast, itemsIn, talliesSince, waveIn } from "./campaign-model.ts";
import type { Model } from "./model.ts";

const ALL = 1_000;
const STATES: ItemState[] = ["waiting", "started", "skipped", "failed", "rolled-back"];

interface Shown {
  state: string;
  outcome: string | null;
  keys: Record<ItemState, number>;
  waves: { items: Record<ItemState, number>; rotations: { rotations: number } }[];
}

/** Who asks for a campaign that has ended hears what has become of each of its keys. */
export async function checkCampaignAnswers(model: Model, caller: Caller): Promise<void> {
  for (const [id, past] of model.campaigns.all) {
    const reply = await caller.call("GET", `/v1/campaigns/${id}`);
    const page = await caller.call("GET", `/v1/campaigns/${id}/items?limit=200`);
    if (reply?.status !== 200 || page?.status !== 200) {
      model.fail(
        "campaign",
        undefined,
        `${id} can't be looked at: ${JSON.stringify(reply?.body ?? page?.body ?? null)}`,
      );
      return;
    }
    checkShown(model, past, reply.body as Shown);
    for (const { key, state } of (page.body as { items: { key: string; state: ItemState }[] }).items)
      if (past.items.get(key)?.state !== state)
        model.fail("campaign", key, `${id} shows the key as ${state}; it is ${past.items.get(key)?.state}`);
  }
}

function checkShown(model: Model, past: CampaignPast, { state, outcome, keys, waves }: Shown): void {
  const fail = (what: string) => model.fail("campaign", undefined, `${past.row.id} ${what}`);
  if (state !== "ended") fail(`is ${state} at the end`);
  if (outcome === "done" && keys.waiting > 0) fail(`is done, and ${keys.waiting} of its keys wait`);
  for (const each of STATES)
    if (keys[each] !== itemsIn(past, each)) fail(`shows ${keys[each]} ${each}; there are ${itemsIn(past, each)}`);
  const [tally] = talliesSince(past, model.time.at);
  for (const [i, { items, rotations }] of waves.entries()) {
    for (const each of STATES)
      if (items[each] !== itemsIn(past, each, i)) fail(`shows ${items[each]} ${each} in wave ${i}; there are others`);
    const truly = tally === undefined ? 0 : waveIn(tally, i).rotations;
    if (rotations.rotations !== truly) fail(`shows ${rotations.rotations} rotations in wave ${i}; there are ${truly}`);
  }
}

/** I16: nothing but commits changed them. */
export async function checkCampaignRows(model: Model, store: Store): Promise<void> {
  for (const [id, past] of model.campaigns.all) {
    const row = (await store.get("campaign", id))?.value;
    if (JSON.stringify(row) !== JSON.stringify(past.row))
      model.fail("I16", undefined, `${id} was changed outside a commit`);
    const items = await store.list("campaign_item", { equals: { campaign_id: id } }, { limit: ALL });
    if (items.length !== past.items.size) model.fail("I16", undefined, `items of ${id} came or went outside a commit`);
    for (const { value } of items)
      if (JSON.stringify(value) !== JSON.stringify(past.items.get(value.keyId)))
        model.fail("I16", value.keyId, `an item of ${id} was changed outside a commit`);
  }
}
