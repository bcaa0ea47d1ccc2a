/**
 * A campaign as data: many keys rotated in waves with gates between them, or struck at once in an emergency. What follows when stands in
 * campaign-steps.ts.
 *
 *     selection ──▶ items, each in its wave (campaign-shares.ts) ──▶ wave 0 ─gate─▶ wave 1 ─gate─▶ … ──▶ ended
 *
 * An emergency is a campaign with one wave and no gate: keys are struck while they are being found, and it ends when every verifier
 * refuses them. Times are epoch milliseconds of the authority's clock, durations milliseconds.
 */
import type { Fence } from "./key.ts";

export const campaignActions = ["rotate", "kill", "contain"] as const;
export type CampaignAction = (typeof campaignActions)[number];

export const campaignStates = ["selecting", "running", "paused", "held", "ended"] as const;
export type CampaignState = (typeof campaignStates)[number];

/** Which keys: all that is said must hold. Revoked keys are never meant. */
export interface KeySelection {
  /** Says that no more is said on purpose. */
  everything?: true | undefined;
  /** Handles; one of them. */
  apis?: string[] | undefined;
  environments?: string[] | undefined;
  consumers?: string[] | undefined;
  keys?: string[] | undefined;
  /** Of the key's consumer, such as a partner's tag; all of them. */
  consumerLabels?: Record<string, string> | undefined;
  keyLabels?: Record<string, string> | undefined;
  /** An accepted version of it was made before this time. An emergency strikes just those versions. */
  createdBefore?: number | undefined;
  /** An accepted version of it was shown to one of these tokens. An emergency strikes just those versions. */
  custodians?: string[] | undefined;
}

/** What a wave must have come to before the next one begins. Shares are of its rotations, those taken back apart. */
export interface WaveGate {
  offered: number;
  /** The consumer has claimed the successor, used it, or said that it holds it. */
  claimed: number;
  retired: number;
  /** And then so long. */
  soakMs: number;
  /** If it has not come to it so long after its last start, the campaign is held. Null: it waits. */
  waitMs: number | null;
}

export type WaveOf =
  /** Canaries. */
  | { keys: string[] }
  /** Of all selected keys, cumulative: what comes before counts in. Drawn by chance (campaign-shares.ts). */
  | { percent: number }
  | { environment: string }
  | { consumerLabel: { name: string; value: string } }
  | { rest: true };

export interface Wave {
  of: WaveOf;
  gate: WaveGate;
}

/** Beyond these the campaign is held. Over all its waves. */
export interface CampaignLimits {
  /** Keys that could not be started, and rotations that were cancelled or rolled back. */
  failedMax: number;
  /** How often consumers may be refused with retired versions by which they had been accepted; how it counts says `refusalWeight`. */
  refusedMax: number;
}

export const itemStates = ["waiting", "started", "skipped", "failed", "rolled-back"] as const;
export type ItemState = (typeof itemStates)[number];
export type ItemCounts = Record<ItemState, number>;

/** What every verifier of an api has to have applied, and since when they all have. */
export interface Receipt {
  apiId: string;
  /** Number of the api's feed. */
  seq: number;
  /** Null until all of them have. */
  at: number | null;
  /** How many may answer; those that can't any more accept nothing. */
  verifiers: number;
}

/** Null until it happens. */
export interface Campaign {
  id: string;
  name: string;
  action: CampaignAction;
  select: KeySelection;
  waves: Wave[];
  limits: CampaignLimits;
  /** Keys started in a second at most. */
  pace: number | null;
  /** With `contain`. Networks that are left out are those where each version was seen. */
  fence: Fence | null;
  reason: string;
  startedBy: string;
  createdAt: number;
  state: CampaignState;
  /** Where it goes on after a pause or a hold. */
  resumes: "selecting" | "running";
  /** How far the selection has come; the selecting code's own words. Null: whole; while it is `selecting` still, keys are drawn for the waves. */
  cursor: string | null;
  /** The wave under way, from 0. */
  wave: number;
  /** By wave. */
  counts: ItemCounts[];
  /** Of the keys found so far. */
  apis: string[];
  /** The last key of the wave was started. */
  wholeAt: number | null;
  /** The wave has come to what its gate asks for. */
  metAt: number | null;
  /** Of the stretch without a stop: when it began, and how many items were done with by then. For the estimate. */
  lap: { at: number; done: number };
  /** Why it is paused, held, or was aborted. */
  why: { at: number; by: string; reason: string } | null;
  /** What an operator has seen and gone on with: limits count from there. */
  accepted: { failed: number; refused: number };
  /** A wave that is being taken back; `after`: how far. */
  rollback: { wave: number; by: string; reason: string; after: string } | null;
  /** Of an emergency, once every key is struck. */
  receipts: Receipt[];
  outcome: "done" | "aborted" | null;
  endedAt: number | null;
  /** Since when its items are being removed, long after its end, and up to which they are; `after` null: all. Absent: they are kept. */
  itemsGone?: { at: number; after: string | null } | undefined;
}

export const noItems: ItemCounts = { waiting: 0, started: 0, skipped: 0, failed: 0, "rolled-back": 0 };

export const defaultWaveGate: WaveGate = { offered: 1, claimed: 0, retired: 0, soakMs: 0, waitMs: null };
export const defaultLimits: CampaignLimits = { failedMax: 10, refusedMax: 0 };

export const WAVES_MAX = 50;

export interface WaveFacts {
  keyId: string;
  environment: string;
  consumerLabels: Readonly<Record<string, string>>;
}

/** With a last wave for what no other takes. */
export function wholeWaves(waves: readonly Wave[], gate: WaveGate): Wave[] {
  const last = waves.at(-1);
  return last !== undefined && takesAll(last.of) ? [...waves] : [...waves, { of: { rest: true }, gate }];
}

function takesAll(of: WaveOf): boolean {
  return "rest" in of || ("percent" in of && of.percent === 100);
}

/** What is wrong with the waves, or undefined. Each number alone is checked at the edge. */
export function wavesProblem(waves: readonly Wave[]): string | undefined {
  if (waves.length > WAVES_MAX) return `a campaign has ${WAVES_MAX} waves at most`;
  let percent = 0;
  const taken = new Map<string, number>();
  for (const [i, { of }] of waves.entries()) {
    const before = waves[i - 1];
    if (before !== undefined && takesAll(before.of))
      return `wave ${i + 1} gets no key: wave ${i} takes all that is left`;
    if ("percent" in of) {
      if (of.percent <= percent) {
        return `percents are of all keys, and grow: wave ${i + 1} has ${of.percent} % after ${percent} %`;
      }
      percent = of.percent;
    }
    for (const what of namesOf(of)) {
      const first = taken.get(what);
      if (first !== undefined) return `wave ${i + 1} names ${what}, which wave ${first + 1} takes`;
      taken.set(what, i);
    }
  }
  return undefined;
}

function namesOf(of: WaveOf): string[] {
  if ("keys" in of) return of.keys;
  if ("environment" in of) return [`environment ${of.environment}`];
  return "consumerLabel" in of ? [`${of.consumerLabel.name}=${of.consumerLabel.value}`] : [];
}

export function waveName(of: WaveOf): string {
  if ("keys" in of) return of.keys.length === 1 ? "1 canary" : `${of.keys.length} canaries`;
  if ("percent" in of) return `up to ${of.percent} %`;
  if ("environment" in of) return `environment ${of.environment}`;
  return "consumerLabel" in of ? `consumers ${of.consumerLabel.name}=${of.consumerLabel.value}` : "the rest";
}

export function sumItems(counts: readonly ItemCounts[]): ItemCounts {
  return counts.reduce(
    (sum, each) => Object.fromEntries(itemStates.map((state) => [state, sum[state] + each[state]])) as ItemCounts,
    noItems,
  );
}

/** Started, skipped or failed: nothing more is to be done to them. */
export function doneItems(counts: readonly ItemCounts[]): number {
  const { waiting: _waiting, ...done } = sumItems(counts);
  return Object.values(done).reduce((sum, each) => sum + each, 0);
}

/** What a key is for the selection, as far as it stands in its own row and its consumer's. `versions`: where `createdBefore` is asked. */
export interface SelectFacts {
  key: { id: string; apiId: string; environment: string; consumerId: string; labels: Record<string, string> };
  consumerLabels: Readonly<Record<string, string>>;
  /** When its accepted versions were made. */
  madeAt: readonly number[];
}

export function isSelected(select: KeySelection, { key, consumerLabels, madeAt }: SelectFacts): boolean {
  const among = (list: readonly string[] | undefined, value: string) => list === undefined || list.includes(value);
  const carries = (wanted: Record<string, string> | undefined, labels: Readonly<Record<string, string>>) =>
    Object.entries(wanted ?? {}).every(([name, value]) => labels[name] === value);
  const { createdBefore } = select;
  return (
    among(select.apis, key.apiId) &&
    among(select.environments, key.environment) &&
    among(select.consumers, key.consumerId) &&
    among(select.keys, key.id) &&
    carries(select.consumerLabels, consumerLabels) &&
    carries(select.keyLabels, key.labels) &&
    (createdBefore === undefined || madeAt.some((at) => at < createdBefore))
  );
}

/** True if nothing is said: that would mean every key, which has to be said. */
export function saysNothing(select: KeySelection): boolean {
  return Object.values(select).every((value) => value === undefined);
}
