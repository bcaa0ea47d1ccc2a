/**
 * Policies as data. A rotation keeps a copy of the policy it began with. Every duration is in milliseconds.
 */
export interface RotationPolicy {
  /** Both versions are accepted for at least this long after the successor is offered. */
  overlapMinMs: number;
  /** From offered to the deadline. What happens there: `onDeadline`. */
  overlapMs: number;
  /** The old version counts as quiet when every source has been silent for at least this long. */
  quietMs: number;
  /** A source must be silent for its own usual gap times this. */
  gapMargin: number;
  /** A source that has been known for less than this must be silent for this long. */
  youngQuietMs: number;
  onDeadline: "hold" | "retire" | "brownout";
  /** With `onDeadline: "brownout"`. */
  brownout: BrownoutRule;
  /** The old version is limited while its successor waits; null: not. */
  fence: FenceRule | null;
  /** For this long after retirement one call makes the old version accepted again. */
  rollbackMs: number;
  /** For this long after the offer the sealed successor can be claimed. */
  claimMs: number;
  /** Who may take the successor: a token of the key's consumer, or also whoever holds the old version. */
  claim: "token" | "self";
  /** The deadline may be moved up to this long after the offer; time in which the rotation was paused comes on top. */
  overlapMaxMs: number;
  /** How much later the consumer itself may move the deadline, in sum. A leaked key must not lengthen its own life: 0 unless said. */
  consumerMayExtendMs: number;
  /** The consumer is reminded this long before the deadline. */
  remindMs: number[];
  /** A retirement that hurts is taken back by itself; null: people are told, and decide. */
  automaticRollback: RollbackRule | null;
}

/** Short refusals that rehearse the retirement (brownout.ts). */
export interface BrownoutRule {
  /** They begin at this time of day, `HH:MM`, by the wall clock of this zone, on one free day after the other. */
  zone: string;
  at: string;
  /** One refusal for each of these. */
  lengthsMs: number[];
  /** The first begins no sooner than this after it was announced. */
  announceMs: number;
  /** More refusals than this, of sources that have not used the successor, end the plan. Null: none do. */
  errorBudget: number | null;
  /** What comes after the last. */
  after: "hold" | "retire";
}

/** What the old version may still do (rule-fence.ts). */
export interface FenceRule {
  /** It begins so long after the offer, or the successor's first use. */
  from: "offered" | "used";
  afterMs: number;
  /** Of these grants those that the version has. */
  scopes?: string[] | undefined;
  /** Not the scopes that match one of these: `*:withdraw`. */
  without?: string[] | undefined;
  /** Only from the networks that it was accepted from before the rotation began. */
  networks?: "seen" | undefined;
}

/** So many refused uses of the old version, by so many sources that had used it, bring it back; not again for `coolDownMs`. */
export interface RollbackRule {
  refusals: number;
  sources: number;
  coolDownMs: number;
}

/** What an api or a key says of its own; the rest is inherited (policy-resolution.ts). */
export type RotationPolicyPatch = { [K in keyof RotationPolicy]?: RotationPolicy[K] | undefined };

/** What a verifier does when it can't reach the authority. */
export interface StalenessPolicy {
  /** A verifier that has not been heard for this long may no longer count itself up to date. */
  leaseMs: number;
  /** Past its lease: `closed` refuses everything; `static` goes on with what it knows, for `staticMs`, and says so. */
  onStale: "closed" | "static";
  staticMs: number;
}

export type StalenessPolicyPatch = { [K in keyof StalenessPolicy]?: StalenessPolicy[K] | undefined };

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const defaultRotationPolicy: RotationPolicy = {
  overlapMinMs: HOUR,
  overlapMs: 14 * DAY,
  quietMs: DAY,
  gapMargin: 1.5,
  youngQuietMs: 0,
  onDeadline: "hold",
  brownout: {
    zone: "UTC",
    at: "12:00",
    lengthsMs: [MINUTE, MINUTE, MINUTE, 5 * MINUTE],
    announceMs: DAY,
    errorBudget: 100,
    after: "hold",
  },
  fence: null,
  rollbackMs: 7 * DAY,
  claimMs: 30 * DAY,
  claim: "token",
  overlapMaxMs: 366 * DAY,
  consumerMayExtendMs: 0,
  remindMs: [7 * DAY, 3 * DAY, DAY],
  automaticRollback: null,
};

/** Reminder steps of one rotation. */
export const REMINDERS_MAX = 20;
/** Brownouts of one plan. */
export const BROWNOUTS_MAX = 20;

export const defaultStalenessPolicy: StalenessPolicy = { leaseMs: 15 * SECOND, onStale: "static", staticMs: HOUR };

/** Inclusive limits of each number, with the unit that a person reads in an error. */
export const policyLimits = {
  overlapMinMs: { min: SECOND, max: 366 * DAY },
  overlapMs: { min: SECOND, max: 366 * DAY },
  quietMs: { min: SECOND, max: 366 * DAY },
  gapMargin: { min: 1, max: 100 },
  youngQuietMs: { min: 0, max: 366 * DAY },
  rollbackMs: { min: 0, max: 90 * DAY },
  claimMs: { min: SECOND, max: 366 * DAY },
  overlapMaxMs: { min: SECOND, max: 366 * DAY },
  consumerMayExtendMs: { min: 0, max: 366 * DAY },
  leaseMs: { min: 2 * SECOND, max: 10 * 60 * SECOND },
  staticMs: { min: 0, max: 7 * DAY },
} as const;

/** The same of what lies within a member. */
export const ruleLimits = {
  "brownout.lengthsMs": { min: SECOND, max: HOUR },
  "brownout.announceMs": { min: 0, max: 92 * DAY },
  "brownout.errorBudget": { min: 0, max: 1_000_000_000 },
  "fence.afterMs": { min: 0, max: 366 * DAY },
  "automaticRollback.refusals": { min: 1, max: 1_000_000 },
  "automaticRollback.sources": { min: 1, max: 300 },
  "automaticRollback.coolDownMs": { min: 0, max: 366 * DAY },
} as const;

/** The policy in force: each value from the nearest patch that gives it, the last patch nearest. */
export function effectivePolicy(...patches: RotationPolicyPatch[]): RotationPolicy {
  return merge(defaultRotationPolicy, patches);
}

export function effectiveStaleness(patch: StalenessPolicyPatch): StalenessPolicy {
  return merge(defaultStalenessPolicy, [patch]);
}

/** What is wrong with a policy as a whole (each number alone is checked at the edge, by `policyLimits`). */
export function policyProblem(policy: RotationPolicy): string | undefined {
  if (policy.overlapMinMs > policy.overlapMs) {
    return `overlapMinMs (${lengthOf(policy.overlapMinMs)}) is longer than overlapMs (${lengthOf(policy.overlapMs)}); the deadline can't come before the minimum is over`;
  }
  if (policy.claimMs < policy.overlapMs) {
    return `claimMs (${lengthOf(policy.claimMs)}) is shorter than overlapMs (${lengthOf(policy.overlapMs)}); a consumer that comes late could not get its successor any more`;
  }
  if (policy.overlapMaxMs < policy.overlapMs) {
    return `overlapMaxMs (${lengthOf(policy.overlapMaxMs)}) is shorter than overlapMs (${lengthOf(policy.overlapMs)}); the deadline would lie beyond where it may be moved`;
  }
  const longest = Math.max(...policy.brownout.lengthsMs);
  if (policy.onDeadline === "brownout" && longest > policy.overlapMs) {
    return `brownout.lengthsMs has ${lengthOf(longest)}, which is longer than overlapMs (${lengthOf(policy.overlapMs)}); that would be no short refusal`;
  }
  return undefined;
}

/** `14d`, `36h`, `90s`, `1500ms`: in the largest unit that leaves no rest, as a policy's file may say it. */
function lengthOf(ms: number): string {
  const units = [
    ["d", DAY],
    ["h", HOUR],
    ["m", MINUTE],
    ["s", SECOND],
  ] as const;
  const [name, unit] = units.find(([, each]) => ms >= each && ms % each === 0) ?? ["ms", 1];
  return `${ms / unit}${name}`;
}

/** A policy that an older program wrote lacks what came later. */
export function wholePolicy(policy: RotationPolicyPatch): RotationPolicy {
  return { ...defaultRotationPolicy, ...policy } as RotationPolicy;
}

function merge<T extends object>(base: T, patches: Partial<{ [K in keyof T]: T[K] | undefined }>[]): T {
  const merged = { ...base };
  for (const patch of patches) {
    for (const name of Object.keys(base) as (keyof T)[]) {
      const value = patch[name];
      if (value !== undefined) merged[name] = value as T[typeof name];
    }
  }
  return merged;
}
