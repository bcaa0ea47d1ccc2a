/** A rotation as data: its phases, what can happen to it, what follows. What follows when stands in decide.ts. */
import type { Brownouts } from "./brownout.ts";
import type { QuietVerdict } from "./evidence.ts";
import type { Fence, VersionState } from "./key.ts";
import { type RotationPolicy, wholePolicy } from "./policy.ts";
import type { PolicySource } from "./policy-resolution.ts";
import type { Quiet } from "./schedule.ts";

export const phases = [
  "planned",
  "propagating",
  "offered",
  "overlapping",
  "retired",
  "completed",
  "cancelled",
  "rolled-back",
] as const;
export type Phase = (typeof phases)[number];

/** Times are epoch milliseconds of the authority's clock; null until it happens. */
export interface Rotation {
  id: string;
  keyId: string;
  apiId: string;
  from: number;
  to: number;
  phase: Phase;
  /** The policy it began with; later changes of policy do not reach a running rotation. */
  policy: RotationPolicy;
  /** Where its values came from, the defaults left out. */
  policySources: PolicySource[];
  /** Blackouts and holidays as they stood when it began; null: none. */
  calendar: Quiet | null;
  reason: string;
  startedBy: string;
  /** That it is part of, and in which of its waves, from 0. */
  campaign: { id: string; wave: number } | null;
  /** Who makes the successor's secret. */
  origin: "authority" | "consumer";
  /** The successor may do only this much of what the key may do; null: all of it. */
  scopes: string[] | null;
  createdAt: number;
  startsAt: number;
  offeredAt: number | null;
  claimedAt: number | null;
  /** Handing out ended before the rotation did: the claim time was over, or the consumer proved possession. */
  claimEndedAt: number | null;
  confirmedAt: number | null;
  /** First authenticated use of the successor. */
  usedAt: number | null;
  overlappingAt: number | null;
  /** The deadline; can be moved while it runs. */
  overlapEndsAt: number | null;
  /** It holds where it is: nothing retires by gates or deadline, nothing begins, nothing is offered. */
  paused: { at: number; by: string; reason: string } | null;
  /** How long it was paused since the offer, in sum: the deadline and the end of the claim lie so much later. */
  pausedMs: number;
  /** How much later the consumer itself has moved the deadline, in sum. */
  extendedMs: number;
  /** The old version was limited by the policy's rule. What a contain limits is the version's own affair. */
  fenced: RuleFence | null;
  /** Short refusals of the old version, past and to come. */
  brownouts: Brownouts | null;
  retiredAt: number | null;
  /** Set when a version was retired without the evidence: by a person, by a kill, or by the policy at the deadline. */
  forced: { by: string; reason: string; at: number } | null;
  /** The old version is in wrong hands; there is no way back to it. */
  fromCompromised: boolean;
  /** The old version was killed: refused at once, whatever the phase. */
  fromRefusedAt: number | null;
  rolledBackAt: number | null;
  rollbackReason: string | null;
  endedAt: number | null;
}

export interface RuleFence {
  at: number;
  /** Empty: the rule limits nothing that this version may do. */
  fence: Fence;
  /** It is not put on again. */
  lifted: { at: number; by: string; reason: string } | null;
}

export type RotationEvent =
  // observations
  | { type: "begin" }
  | { type: "acknowledged" }
  | { type: "used" }
  /** `refusedBefore`: of the old version's sources, for a brownout that may begin (refusals.ts). */
  | { type: "assessed"; evidence: QuietVerdict; refusedBefore?: Record<string, number> | undefined }
  /** The policy's rule is due (rule-fence.ts); `notes`: what of it could not be done, and why. */
  | { type: "fence"; fence: Fence; notes: string[] }
  /** In the brownout that runs, by sources that have not used the successor. */
  | { type: "browned"; refusals: number }
  /** Since the retirement, by sources that had used the old version. `lastAt`: when one of this key's was last taken back by itself. */
  | { type: "refused"; refusals: number; sources: number; lastAt: number | null }
  // the consumer's
  | { type: "claim" }
  | { type: "confirm" }
  /** Within what the policy lets the consumer do by itself. */
  | { type: "extend"; byMs: number }
  // an operator's
  | { type: "move-deadline"; overlapEndsAt: number }
  | { type: "retire"; by: string; reason: string }
  | { type: "rollback"; reason: string }
  | { type: "cancel" }
  | { type: "pause"; by: string; reason: string }
  | { type: "resume" }
  | {
      type: "brownout";
      forMs: number;
      by: string;
      reason: string;
      refusedBefore?: Record<string, number> | undefined;
    }
  /** The one that runs, and what is planned. */
  | { type: "end-brownout"; by: string; reason: string }
  | { type: "lift-fence"; by: string; reason: string }
  | { type: "compromise"; version: "from" | "to"; mode: "kill" | "contain"; fence?: Fence; by: string; reason: string }
  /** The key itself ended (revoked, expired for good): nothing is left to rotate. */
  | { type: "abandon" };

export type RotationEventType = RotationEvent["type"];

export type Effect =
  | { do: "create-successor"; version: number }
  | { do: "set-state"; version: number; state: VersionState }
  | { do: "set-current"; version: number }
  | { do: "mark-compromised"; version: number }
  | { do: "set-fence"; version: number; fence: Fence | null }
  | { do: "set-brownout"; version: number; until: number | null }
  /** Forget the sealed copy of the secret. */
  | { do: "erase-sealed"; version: number }
  /** No accepted version is left: replace `version` by a new rotation in the same commit. */
  | { do: "replace"; version: number; reason: string };

export type RefusalCode =
  | "rotation_not_due"
  | "rotation_not_offered"
  | "rotation_ended"
  | "claim_ended"
  | "successor_claimed"
  | "successor_in_use"
  | "version_compromised"
  | "already_retired"
  | "already_rolled_back"
  | "overlap_out_of_range"
  | "extension_not_allowed"
  | "rotation_paused"
  | "contain_needs_old_version"
  | "no_such_version"
  | "brownout_running"
  | "brownout_out_of_range"
  | "no_brownout"
  | "no_fence";

export type Decision =
  | { ok: true; next: Rotation; effects: Effect[] }
  | { ok: false; code: RefusalCode; detail: string };

/** What planned rotations start as. */
export function planRotation(
  start: Pick<Rotation, "id" | "keyId" | "apiId" | "from" | "to" | "policy" | "reason" | "startedBy" | "origin"> & {
    startsAt?: number | undefined;
    policySources?: PolicySource[] | undefined;
    calendar?: Quiet | null | undefined;
    scopes?: string[] | null | undefined;
    campaign?: Rotation["campaign"] | undefined;
    fromCompromised?: boolean | undefined;
    fromRefused?: boolean | undefined;
  },
  now: number,
): Rotation {
  const { startsAt, scopes, fromCompromised, fromRefused, policySources, calendar, campaign, ...rest } = start;
  return {
    ...rest,
    policySources: policySources ?? [],
    calendar: calendar ?? null,
    campaign: campaign ?? null,
    phase: "planned",
    createdAt: now,
    // A key whose only version is refused has none that works: its rotation waits for nothing (I8).
    startsAt: fromRefused ? now : (startsAt ?? now),
    scopes: scopes ?? null,
    offeredAt: null,
    // A consumer that makes the secret itself holds it from the start.
    claimedAt: rest.origin === "consumer" ? now : null,
    claimEndedAt: rest.origin === "consumer" ? now : null,
    confirmedAt: null,
    usedAt: null,
    overlappingAt: null,
    overlapEndsAt: null,
    paused: null,
    pausedMs: 0,
    extendedMs: 0,
    fenced: null,
    brownouts: null,
    retiredAt: null,
    forced: null,
    // There is no way back to a refused version either.
    fromCompromised: fromCompromised === true || fromRefused === true,
    fromRefusedAt: fromRefused ? now : null,
    rolledBackAt: null,
    rollbackReason: null,
    endedAt: null,
  };
}

/** A rotation as an older program may have written it: without what came later. */
export function wholeRotation(rotation: Rotation): Rotation {
  const later = {
    policySources: [],
    calendar: null,
    campaign: null,
    paused: null,
    pausedMs: 0,
    extendedMs: 0,
    fenced: null,
    brownouts: null,
  };
  return { ...later, ...rotation, policy: wholePolicy(rotation.policy) };
}
