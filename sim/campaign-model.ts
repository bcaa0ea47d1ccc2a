/**
 * The model's part on campaigns: their rows, items and rotations as they were committed, how far each wave had come at what time, and what an operator
 * may have meant by a selection. Worked out without core's campaign code.
 */
import type { Campaign, KeySelection, Rotation } from "@keyover/core";
import type { CampaignItem } from "../packages/server/src/store/campaign-entities.ts";
import type { KeyPast, Model } from "./model.ts";
import { type Rules, since } from "./rules.ts";

/** How the rotations of a wave stood from `at` on. Those taken back are in `broken` alone. */
export interface WaveTally {
  rotations: number;
  offered: number;
  claimed: number;
  retired: number;
  broken: number;
}

export interface Tally {
  at: number;
  waves: Map<number, WaveTally>;
}

export interface CampaignPast {
  row: Campaign;
  /** By key. */
  items: Map<string, CampaignItem>;
  /** What it began, by handle. */
  rotations: Map<string, Rotation>;
  /** Versions that it struck: key and hash. */
  struck: Map<string, { keyId: string; sha256: string }>;
  /** The newest last. */
  tallies: Tally[];
  /** When the gate under way was first met, in truth. */
  metAt: number;
}

export type CampaignCopy = Map<string, CampaignPast>;

export class CampaignModel {
  readonly all = new Map<string, CampaignPast>();

  copy(): CampaignCopy {
    return new Map([...this.all].map(([id, past]) => [id, copyOf(past)]));
  }

  takeBack(copy: CampaignCopy): void {
    this.all.clear();
    for (const [id, past] of copy) this.all.set(id, copyOf(past));
  }

  live(): CampaignPast[] {
    return [...this.all.values()].filter(({ row }) => row.state !== "ended" || row.rollback !== null);
  }

  /** A rotation was written. */
  rotation(rotation: Rotation, at: number): void {
    for (const [id, past] of this.all) {
      // One that a restore made anew may be nobody's.
      const own = rotation.campaign?.id === id;
      if (!own && !past.rotations.delete(rotation.id)) continue;
      if (own) past.rotations.set(rotation.id, rotation);
      past.tallies.push(tallyOf(past, at));
    }
  }
}

function copyOf(past: CampaignPast): CampaignPast {
  return {
    ...past,
    items: new Map(past.items),
    rotations: new Map(past.rotations),
    struck: new Map(past.struck),
    tallies: past.tallies.slice(-1),
  };
}

const EMPTY: WaveTally = { rotations: 0, offered: 0, claimed: 0, retired: 0, broken: 0 };

function tallyOf({ rotations }: CampaignPast, at: number): Tally {
  const waves = new Map<number, WaveTally>();
  for (const rotation of rotations.values()) {
    const { phase, campaign, claimedAt, confirmedAt } = rotation;
    const wave = campaign?.wave ?? 0;
    const tally = waves.get(wave) ?? { ...EMPTY };
    waves.set(wave, tally);
    tally.rotations++;
    if (phase === "cancelled" || phase === "rolled-back") tally.broken++;
    else if (phase !== "planned" && phase !== "propagating") {
      tally.offered++;
      if (claimedAt !== null || confirmedAt !== null) tally.claimed++;
      if (phase === "retired" || phase === "completed") tally.retired++;
    }
  }
  return { at, waves };
}

/** All that stood at some moment from `from` on; the newest first. */
export function talliesSince({ tallies }: CampaignPast, from: number): Tally[] {
  const all = since(tallies, from);
  return all.length > 0 ? all : [{ at: 0, waves: new Map() }];
}

export function waveIn({ waves }: Tally, wave: number): WaveTally {
  return waves.get(wave) ?? EMPTY;
}

export function brokenIn({ waves }: Tally): number {
  return [...waves.values()].reduce((sum, { broken }) => sum + broken, 0);
}

/** How many items of it are in this state, in one wave or in all. */
export function itemsIn({ items }: CampaignPast, state: CampaignItem["state"], wave?: number): number {
  return [...items.values()].filter((item) => item.state === state && (wave === undefined || item.wave === wave))
    .length;
}

/** Whether a selection may have meant this key at some moment from `from` on. Whether it was revoked then, others look at. */
export function mayMean(rules: Rules, select: KeySelection, past: KeyPast, from: number): boolean {
  const { key } = past;
  const among = (list: readonly string[] | undefined, value: string) => list === undefined || list.includes(value);
  const labelled = rules.since(from).some(({ labels }) => {
    const own = labels.get(key.consumerId) ?? {};
    return Object.entries(select.consumerLabels ?? {}).every(([name, value]) => own[name] === value);
  });
  const { createdBefore = Infinity } = select;
  return (
    among(select.apis, key.apiId) &&
    among(select.environments, key.environment) &&
    among(select.consumers, key.consumerId) &&
    among(select.keys, key.id) &&
    labelled &&
    [...past.versions.values()].some(({ createdAt }) => createdAt < createdBefore)
  );
}

/** Keys that a selection means, and that are not refused for good. */
export function meantNow({ keys, rules, time }: Model, select: KeySelection): KeyPast[] {
  return [...keys.values()].filter(
    (past) => past.key.status !== "revoked" && mayMean(rules, select, past, time.at) && past.told !== undefined,
  );
}
