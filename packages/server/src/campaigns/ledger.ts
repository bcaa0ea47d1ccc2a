/**
 * What a commit of many keys notes of a campaign: the items that moved, and the campaign's counts, guarded by the campaign's revision. So a
 * pause or an abort that came between keeps the commit from being made, and after a crash the rows say just what was done.
 */
import { type Campaign, type ItemState, itemsMoved, rolledBackMore, selectedMore } from "@keyover/core";
import type { Ledger } from "../keys/many-keys.ts";
import type { Outcome, Refusal } from "../outcome.ts";
import { type CampaignItem, campaignItemId } from "../store/campaign-entities.ts";
import { type AuditDraft, type Held, put, type Write } from "../store/store.ts";
import type { Deed } from "./deeds.ts";

/** Codes of a key that is passed over; it failed by any other. */
const PASSED_OVER: ReadonlySet<string> = new Set(["not_found", "key_is_revoked", "rotation_in_progress"]);
/** It is tried again. */
const LATER: ReadonlySet<string> = new Set(["conflict", "reconciling"]);

function deedFrom(outcome: Outcome<Deed>): Deed {
  if (outcome.ok) return outcome.value;
  const { code, detail } = outcome;
  const state: ItemState = LATER.has(code) ? "waiting" : PASSED_OVER.has(code) ? "skipped" : "failed";
  return { state, rotationId: null, why: detail === undefined ? code : `${code}: ${detail}` };
}

type Deeds = ReadonlyMap<string, Outcome<Deed>>;

export interface CampaignLedger extends Ledger<Deed> {
  /** The campaign as it stands after what was kept. */
  readonly campaign: Held<Campaign>;
  /** Items that are done with. */
  readonly done: number;
}

interface LedgerOf {
  held: Held<Campaign>;
  /** All that the ledger is for. */
  keyIds: readonly string[];
  now: number;
  action: string;
  /**
   * Items and campaign after these outcomes; undefined where nothing has changed. `last`: every key of the ledger has been met. Only then may
   * a walk go on: a crash before that finds it where it was, and what was noted is passed over.
   */
  after: (campaign: Campaign, deeds: Deeds, last: boolean) => Entry | undefined;
}

interface Entry {
  next: Campaign;
  writes: Write[];
  tally: Record<string, number>;
}

function ledgerOf({ held, keyIds, now, action, after }: LedgerOf): CampaignLedger {
  let current = held;
  let done = 0;
  const left = new Set(keyIds);
  const entryOf = (deeds: Deeds) =>
    after(
      current.value,
      deeds,
      [...left].every((id) => deeds.has(id)),
    );
  return {
    get campaign() {
      return current;
    },
    get done() {
      return done;
    },
    entries(deeds) {
      const entry = entryOf(deeds);
      if (entry === undefined) return { writes: [], audit: [], notices: [] };
      const { next, writes, tally } = entry;
      return {
        writes: [...writes, put("campaign", next, current)],
        audit: [noteOf(next, action, now, tally)],
        notices: [],
      };
    },
    kept(deeds) {
      const entry = entryOf(deeds);
      for (const id of deeds.keys()) left.delete(id);
      if (entry === undefined) return;
      current = { value: entry.next, rev: current.rev + 1 };
      done += [...deeds.values()].filter((outcome) => deedFrom(outcome).state !== "waiting").length;
    },
  };
}

export function noteOf(campaign: Campaign, action: string, at: number, details: Record<string, unknown>): AuditDraft {
  const { id, name, wave, state } = campaign;
  return { at, actor: id, action, subjects: [id], details: { name, wave, state, ...details } };
}

function tallied(deeds: readonly Pick<Deed, "state">[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of deeds) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

/** Keys that waited were tried. */
export function startLedger(held: Held<Campaign>, items: readonly Held<CampaignItem>[], now: number): CampaignLedger {
  const itemOf = byKey(items);
  return ledgerOf({
    held,
    keyIds: [...itemOf.keys()],
    now,
    action: "campaign.advanced",
    after(campaign, deeds) {
      const moved = [...deeds].flatMap(([keyId, outcome]) => {
        const item = itemOf.get(keyId);
        const deed = deedFrom(outcome);
        return item === undefined || deed.state === "waiting" ? [] : [{ item, deed }];
      });
      if (moved.length === 0) return undefined;
      const moves = moved.map(({ deed }) => ({ from: "waiting" as const, to: deed.state }));
      return {
        next: itemsMoved(campaign, campaign.wave, moves, now),
        writes: moved.map(({ item, deed }) => put("campaign_item", { ...item.value, ...deed, at: now }, item)),
        tally: tallied(moved.map(({ deed }) => deed)),
      };
    },
  });
}

export interface SelectedKey {
  keyId: string;
  wave: number;
  home: number;
  apiId: string;
}

const WAITS: Outcome<Deed> = { ok: true, value: { state: "waiting", rotationId: null, why: null } };

/** Keys that were found and wait for their turn. */
export function waitingDeeds(found: readonly SelectedKey[]): Deeds {
  return new Map(found.map(({ keyId }) => [keyId, WAITS]));
}

/** Keys were found, and struck where it is an emergency. `cursor`: how far the walk has then come. */
export function selectLedger(
  held: Held<Campaign>,
  found: readonly SelectedKey[],
  cursor: string | null,
  now: number,
): CampaignLedger {
  const keyOf = new Map(found.map((key) => [key.keyId, key]));
  return ledgerOf({
    held,
    keyIds: [...keyOf.keys()],
    now,
    action: held.value.action === "rotate" ? "campaign.selected" : "campaign.advanced",
    after(campaign, deeds, last) {
      const items = [...deeds].flatMap(([keyId, outcome]): CampaignItem[] => {
        const key = keyOf.get(keyId);
        const id = campaignItemId(campaign.id, keyId);
        return key === undefined
          ? []
          : [{ id, campaignId: campaign.id, keyId, wave: key.wave, home: key.home, ...deedFrom(outcome), at: now }];
      });
      const apis = [...deeds.keys()].flatMap((keyId) => keyOf.get(keyId)?.apiId ?? []);
      return {
        next: selectedMore(campaign, items, { cursor: last ? cursor : campaign.cursor, apis }, now),
        writes: items.map((item) => put("campaign_item", item)),
        tally: tallied(items),
      };
    },
  });
}

/** Rotations of a wave were taken back, up to the item `after`; null: that was all. */
export function rollBackLedger(
  held: Held<Campaign>,
  items: readonly Held<CampaignItem>[],
  after: string | null,
  now: number,
): CampaignLedger {
  const itemOf = byKey(items);
  return ledgerOf({
    held,
    keyIds: [...itemOf.keys()],
    now,
    action: "campaign.rolled-back",
    after(campaign, deeds, last) {
      const met = [...deeds].flatMap(([keyId, outcome]) => {
        const item = itemOf.get(keyId);
        return item === undefined ? [] : [{ item, deed: outcome.ok ? outcome.value : staying(item.value, outcome) }];
      });
      const back = met.filter(({ deed }) => deed.state === "rolled-back");
      // What somebody else had rolled back says so.
      const own = back.filter(({ deed }) => deed.why === null).length;
      const place = last ? after : (campaign.rollback?.after ?? null);
      return {
        next: rolledBackMore(campaign, { own, others: back.length - own }, place, now),
        writes: met.map(({ item, deed }) => put("campaign_item", { ...item.value, ...deed, at: now }, item)),
        tally: { back: back.length, stay: met.length - back.length },
      };
    },
  });
}

function staying({ state, rotationId }: CampaignItem, { code, detail }: Refusal): Deed {
  return { state, rotationId, why: `not taken back: ${detail ?? code}` };
}

function byKey(items: readonly Held<CampaignItem>[]): Map<string, Held<CampaignItem>> {
  return new Map(items.map((item) => [item.value.keyId, item]));
}
