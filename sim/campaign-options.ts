/**
 * What else a seed means: campaigns and emergencies over many keys, keys that nobody uses for a while, and an authority that writes in groups. Each has
 * a stream of chance of its own, so that seeds without it stay what they were.
 */
import type { Chance } from "./chance.ts";

const SECOND = 1_000;

/** What operators do about campaigns. */
export const campaignDeeds = [
  "rotate",
  "kill",
  "contain",
  "pause",
  "resume",
  "continue",
  "abort",
  "take-back",
  "race",
] as const;
export type CampaignDeed = (typeof campaignDeeds)[number];

export interface CampaignOptions {
  /** None: there are no campaigns. */
  campaignDeeds: CampaignDeed[];
  campaignEveryMs: number;
  /** Policies end keys that nobody uses, and some consumers sleep. */
  idle: boolean;
  /** The one authority writes what comes at the same time in one transaction. */
  grouped: boolean;
}

/** Where there are campaigns, fewer rotations are started one by one. */
export const ALONE_EVERY_MS = 6 * SECOND;

export function drawCampaigns(chance: Chance, { ruled, alone }: { ruled: boolean; alone: boolean }): CampaignOptions {
  const own = chance.fork("campaigns");
  const busy = own.happens(0.2);
  const striking = own.happens(0.5);
  const optional = campaignDeeds.filter((deed) => deed !== "rotate" && own.happens(0.6));
  const strikes: readonly CampaignDeed[] = ["kill", "contain"];
  return {
    campaignDeeds: busy ? ["rotate", "rotate", ...optional.filter((deed) => striking || !strikes.includes(deed))] : [],
    campaignEveryMs: own.pick([0.7, 1.5, 3]) * SECOND,
    idle: ruled && chance.fork("idle").happens(0.4),
    grouped: alone && chance.fork("grouped").happens(0.4),
  };
}

/** What a policy says of keys that nobody uses: days are seconds. */
export function drawIdleness(chance: Chance): object {
  return {
    unusedMs: chance.pick([4, 4, 6, 9]) * SECOND,
    announceMs: chance.pick([[], [1_000], [2_000, 500]]),
    suspendAfterMs: chance.happens(0.9) ? chance.pick([2, 4, 6]) * SECOND : null,
    revokeAfterMs: chance.happens(0.6) ? chance.pick([5, 8]) * SECOND : null,
  };
}

const of = (kind: object, gate: object) => ({ ...kind, gate });

function drawGate(chance: Chance): object {
  const some = <T>(probability: number, member: T): T | object => (chance.happens(probability) ? member : {});
  return {
    ...some(0.2, { offered: chance.pick([0, 0.5]) }),
    ...some(0.4, { claimed: chance.pick([0.3, 0.5, 1]) }),
    ...some(0.3, { retired: chance.pick([0.3, 0.5]) }),
    ...some(0.5, { soakMs: chance.pick([300, 1_500, 4_000]) }),
    ...some(0.3, { waitMs: chance.pick([1_500, 5_000]) }),
  };
}

/** The waves of a campaign over these keys, the first few of which may be canaries. */
export function drawWaves(chance: Chance, keys: readonly string[], labels: boolean): object[] {
  const waves: object[] = [];
  if (keys.length > 2 && chance.happens(0.5))
    waves.push(of({ keys: keys.slice(0, chance.whole(1, 2)) }, drawGate(chance)));
  if (labels && chance.happens(0.3))
    waves.push(of({ consumerLabel: { name: "tier", value: "gold" } }, drawGate(chance)));
  if (chance.happens(0.6)) waves.push(of({ percent: chance.pick([20, 40, 60]) }, drawGate(chance)));
  if (chance.happens(0.2)) waves.push(of({ percent: 80 }, drawGate(chance)));
  return waves;
}

/** Members of a campaign that is no emergency. */
export function drawPlan(chance: Chance): object {
  const some = <T>(probability: number, member: T): T | object => (chance.happens(probability) ? member : {});
  return {
    ...some(0.4, { pace: chance.pick([2, 10]) }),
    ...some(0.3, { gate: drawGate(chance) }),
    limits: { failedMax: chance.pick([0, 1, 10]), refusedMax: chance.pick([0, 0, 5, 1_000]) },
  };
}
