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
  onDeadline: "hold" | "retire";
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
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;

export const defaultRotationPolicy: RotationPolicy = {
  overlapMinMs: HOUR,
  overlapMs: 14 * DAY,
  quietMs: DAY,
  gapMargin: 1.5,
  youngQuietMs: 0,
  onDeadline: "hold",
  rollbackMs: 7 * DAY,
  claimMs: 30 * DAY,
  claim: "token",
  overlapMaxMs: 366 * DAY,
  consumerMayExtendMs: 0,
  remindMs: [7 * DAY, 3 * DAY, DAY],
};

/** Reminder steps of one rotation. */
export const REMINDERS_MAX = 20;

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
    return `overlapMinMs (${policy.overlapMinMs}) is longer than overlapMs (${policy.overlapMs}); the deadline can't come before the minimum is over`;
  }
  if (policy.claimMs < policy.overlapMs) {
    return `claimMs (${policy.claimMs}) is shorter than overlapMs (${policy.overlapMs}); a consumer that comes late could not get its successor any more`;
  }
  if (policy.overlapMaxMs < policy.overlapMs) {
    return `overlapMaxMs (${policy.overlapMaxMs}) is shorter than overlapMs (${policy.overlapMs}); the deadline would lie beyond where it may be moved`;
  }
  return undefined;
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
