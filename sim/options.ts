/**
 * What a seed means: how many of each, which policies, which faults and how strong. Each seed switches most kinds of fault off, so that
 * rare ones are not drowned by common ones and each is seen alone (swarm testing, Groce et al. 2012).
 */
import type { RotationPolicyPatch, StalenessPolicy } from "@keyover/core";
import { ALONE_EVERY_MS, type CampaignOptions, drawCampaigns } from "./campaign-options.ts";
import type { Chance } from "./chance.ts";
import { type ControlOptions, drawControls, drawLimits, drawRules } from "./control-options.ts";
import type { Weather } from "./network.ts";
import { drawPlans, type PlanOptions } from "./plan-options.ts";

const SECOND = 1_000;

/** Kinds of fault that strike from time to time, by the nemesis. */
export const faultKinds = [
  "kill-authority",
  "kill-verifier",
  "kill-consumer",
  "power-cut-verifier",
  "power-cut-consumer",
  "fresh-disk",
  "old-disk",
  "stop-authority",
  "stop-verifier",
  "stop-consumer",
  "partition-one-way",
  "partition-both-ways",
  "isolate",
  "cut-streams",
  "trickling-stream",
  "step-clock",
  "authority-disk-full",
  "verifier-disk-full",
  "consumer-disk-full",
  "new-verifier",
  "close-verifier",
  "remove-dead-verifier",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** What an operator may do beside starting rotations. */
export const deedKinds = [
  "deadline",
  "retire",
  "rollback",
  "cancel",
  "kill",
  "contain",
  "suspend",
  "revoke",
  "race",
  "narrow",
] as const;
export type DeedKind = (typeof deedKinds)[number];

export const consumerKinds = ["holder", "by-hand", "never", "partly", "back"] as const;
export type ConsumerKind = (typeof consumerKinds)[number];

export interface ConsumerPlan {
  kind: ConsumerKind;
  instances: number;
  everyMs: number;
  policy: RotationPolicyPatch;
  /** Instances share an address only, or a name as well. */
  named: boolean;
  networks: boolean;
  /** The key may do less than its consumer asks for: all instances but the first are refused, and hold it all the same. */
  narrow: boolean;
  claim: "token" | "self";
  /** It makes no requests for long whiles, and nobody rotates its key for no other reason than time. */
  sleeps: boolean;
}

export interface Options extends ControlOptions, CampaignOptions, PlanOptions {
  authorities: number;
  verifiers: number;
  consumers: ConsumerPlan[];
  apis: number;
  staleness: StalenessPolicy;
  faultsMs: number;
  /** Between two rotations of one key that end, and between two deeds of an operator. */
  rotateEveryMs: number;
  deedEveryMs: number;
  deeds: DeedKind[];
  faults: FaultKind[];
  faultEveryMs: number;
  weather: Weather;
  /** At each effect of a process. */
  crashAtEffect: number;
  stopAtEffect: number;
  /** An effect at which processes die far more often, so that what is done in two steps is seen to come apart; undefined: at none. */
  hunted: { effect: string; deaths: number } | undefined;
  slowEffects: number;
  slowEffectMs: number;
  drift: number;
  skewMs: number;
  /** After so long without a word the other authorities take over the work of one of them. */
  authorityLeaseMs: number;
  /** What a line of a verifier's journal counts for: the more, the more often the whole is written anew. */
  journalLineBytes: number;
  /** Keys that are made meanwhile, some for a secret that is in use already. */
  newKeys: number;
  /** The bells between authorities that are lost. */
  bellsLost: number;
  /** How often the database is lost, and an old copy takes its place. */
  restores: number;
  /** The first time, when keys have just been sent to a verifier, some of them changed since the backup, and nothing else has been told of that. */
  suddenRestore: boolean;
  /** Of one server after the other, and again from the first: how many keys it holds; 0: all of them. None: all hold all. */
  caches: number[];
}

export function drawOptions(chance: Chance): Options {
  const calm = chance.happens(0.08);
  const faults = calm ? [] : faultKinds.filter(() => chance.happens(0.25));
  const deeds = deedKinds.filter(() => chance.happens(0.3));
  const leaseMs = chance.pick([2, 2, 3, 5, 10]) * SECOND;
  const onStale = chance.pick(["closed", "static"] as const);
  const staticMs = onStale === "static" ? chance.pick([0, 2, 5, 15]) * SECOND : 0;
  const rough = (probability: number, low: number, high: number) =>
    !calm && chance.happens(probability) ? chance.between(low, high) : 0;
  const drawn = {
    authorities: chance.pick([1, 1, 2, 3]),
    verifiers: chance.pick([2, 2, 3, 4]),
    consumers: Array.from({ length: chance.whole(3, 14) }, (_, i) => drawConsumer(chance, i)),
    apis: chance.pick([1, 1, 1, 2]),
    staleness: { leaseMs, onStale, staticMs },
    faultsMs: chance.whole(12, 35) * SECOND,
    rotateEveryMs: chance.pick([0.3, 0.3, 1, 3]) * SECOND,
    deedEveryMs: chance.pick([1, 3, 8]) * SECOND,
    deeds,
    faults,
    faultEveryMs: chance.pick([1, 3, 8]) * SECOND,
    weather: {
      delayMinMs: 1,
      delayMaxMs: chance.pick([2, 20, 80]),
      loss: rough(0.4, 0.001, 0.1),
      duplicates: rough(0.4, 0.01, 0.2),
      slow: rough(0.4, 0.001, 0.05),
      slowMs: chance.pick([500, 3_000, 12_000]),
    },
    crashAtEffect: rough(0.25, 0.0001, 0.002),
    stopAtEffect: rough(0.25, 0.0001, 0.001),
    hunted: undefined,
    slowEffects: rough(0.4, 0.01, 0.3),
    slowEffectMs: chance.pick([5, 50, 1_500]),
    drift: rough(0.5, 0, 1e-4),
    skewMs: rough(0.5, 0, 3_600_000),
    authorityLeaseMs: chance.pick([1_500, 1_500, 5_000]),
    journalLineBytes: chance.pick([200, 200, 150_000]),
    newKeys: chance.pick([0, 0, 1, 3]),
    bellsLost: rough(0.4, 0.1, 1),
    // Last: so that the other seeds stay what they were.
    restores: !calm && chance.happens(0.13) ? chance.pick([1, 1, 2]) : 0,
    caches: drawCaches(chance.fork("caches")),
    ...drawControls(chance),
  };
  const more = drawCampaigns(chance, { ruled: drawn.policyDeeds.length > 0, alone: drawn.authorities === 1 });
  const often = more.campaignDeeds.length === 0;
  const planned = drawPlans(chance.fork("plans"));
  return {
    ...drawn,
    ...more,
    ...planned,
    // So named that no seed of the past which found a fault of the product has become another one.
    suddenRestore: drawn.restores > 0 && chance.fork("as it is sent").happens(0.2),
    ...(planned.midnight ? { offsetMs: -chance.fork("midnight").whole(10, 30) * SECOND } : {}),
    hunted: calm ? undefined : drawHunted(chance.fork("hunted"), drawn.channels.length > 0),
    rotateEveryMs: often ? drawn.rotateEveryMs : ALONE_EVERY_MS,
    consumers: drawn.consumers.map((plan, i) => ({
      ...plan,
      everyMs: planned.busyEveryMs > 0 && plan.instances < 3 && i % 2 === 0 ? planned.busyEveryMs : plan.everyMs,
      sleeps: more.idle && chance.fork(`sleeps ${i}`).happens(0.5),
    })),
  };
}

/** Where there are notices, most often what is written about them: seldom anything else dies there. */
function drawHunted(chance: Chance, told: boolean): Options["hunted"] {
  if (!chance.happens(told ? 0.35 : 0.2)) return undefined;
  if (told && chance.happens(0.7)) return { effect: "store.post", deaths: 0.12 };
  const effects = ["store.commit", "store.record", "store.share", "disk.save.rename", "disk.append"];
  return { effect: chance.pick(effects), deaths: chance.pick([0.005, 0.03]) };
}

/** So few that keys are given up all the time. */
function drawCaches(chance: Chance): number[] {
  if (!chance.happens(0.15)) return [];
  return [chance.pick([1, 2, 3, 8]), ...Array.from({ length: 3 }, () => chance.pick([0, 1, 2, 4, 8]))];
}

function drawConsumer(chance: Chance, index: number): ConsumerPlan {
  const limited = chance.fork("rules").happens(0.35);
  const overlapMinMs = chance.pick([1, 1, 2, 5]) * SECOND;
  const overlapMs = overlapMinMs + chance.pick([1, 2, 4, 10]) * SECOND;
  const plan: ConsumerPlan = {
    kind: chance.happens(0.7) ? "holder" : chance.pick(consumerKinds),
    instances: chance.pick([1, 1, 1, 1, 2, 3, 5]),
    everyMs: chance.pick([600, 900, 1_500, 3_000]),
    named: chance.happens(0.7),
    networks: chance.happens(0.1),
    narrow: chance.happens(0.15),
    claim: chance.happens(0.15) ? "self" : "token",
    sleeps: false,
    policy: {
      overlapMinMs,
      overlapMs,
      quietMs: chance.pick([1, 1, 2, 4]) * SECOND,
      gapMargin: chance.pick([1, 1, 1.5, 2]),
      // A stream of its own: the others' draws stay as they were.
      youngQuietMs: chance.fork("young").happens(0.15) ? 6 * SECOND : 0,
      onDeadline: chance.happens(0.15) ? "retire" : "hold",
      rollbackMs: chance.pick([0, 0, 1, 3]) * SECOND,
      claimMs: overlapMs + chance.pick([0, 20, 60]) * SECOND,
      ...drawLimits(chance.fork("limits"), overlapMs),
      ...(limited ? drawRules(chance.fork(`rules ${index}`), overlapMs) : {}),
    },
  };
  // Some of it moves, and some gives up when it is turned away.
  const torn = limited && chance.fork(`torn ${index}`).happens(0.3);
  return torn ? { ...plan, kind: "partly", instances: 3, named: true, narrow: false } : plan;
}
