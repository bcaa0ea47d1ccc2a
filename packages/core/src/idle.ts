/**
 * A key that nobody uses is a risk that nobody watches. It is announced, suspended, and at last revoked; never silently, never on a guess.
 *
 *     last use ──unusedMs──▶ announced ──suspendAfterMs──▶ suspended ──revokeAfterMs──▶ revoked
 *                               │   └ again, `announceMs` before ┘  │  a try puts this off ┘
 *                               ◀──────────── used ────────────────┘ restored: counts from there
 *
 * Unknown is not unused: silence counts from the end of the last hole in the reports, and only as far as all verifiers have reported.
 * What was told is kept: a step that comes more than a day late (everything was down, the api was held, the key was in rotation) is not made
 * up for; the announcement begins anew, with its whole time. No date that people were told moves nearer.
 */
import { type Expiring, endOfKey, IN_USE_MS } from "./expiry.ts";
import type { KeyStatus } from "./key.ts";

export interface Idleness {
  /** Not used for so long: idle. Null: keys may be idle for ever. */
  unusedMs: number | null;
  /** Announced again so long before the suspension. */
  announceMs: number[];
  /** From the announcement to the suspension. Null: it is only announced. */
  suspendAfterMs: number | null;
  /** From the suspension to the revocation. Null: it stays suspended. */
  revokeAfterMs: number | null;
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

export const defaultIdleness: Idleness = {
  unusedMs: null,
  announceMs: [7 * DAY, DAY],
  suspendAfterMs: 30 * DAY,
  revokeAfterMs: 90 * DAY,
};

/** What verifiers did is remembered for 400 days; a hole that is forgotten must not be taken for silence. */
export const idleLimits = {
  unusedMs: { min: 7 * DAY, max: 366 * DAY },
  announceMs: { min: 60 * MINUTE, max: 92 * DAY },
  suspendAfterMs: { min: DAY, max: 366 * DAY },
  revokeAfterMs: { min: DAY, max: 366 * DAY },
} as const;

/** What was announced of a key, and done to it, because it was not used. Times are epoch milliseconds. */
export interface IdleState {
  /** Unused since, as it was known when it was announced. */
  since: number;
  announcedAt: number;
  /** As it was told last; null: no suspension. */
  suspendAt: number | null;
  /** Announced as far as that falls before this. */
  doneUntil: number;
  /** For being idle, and by nobody's hand: only such a key is revoked. */
  suspendedAt: number | null;
  /** The last try since then that people were told of. */
  triedAt: number | null;
  revokeAt: number | null;
}

export interface IdleKey extends Expiring {
  status: KeyStatus;
  statusChangedAt: number;
  createdAt: number;
  idle?: IdleState | null | undefined;
  idleAt?: number | null | undefined;
}

/** What is known of a key's use. */
export interface IdleFacts {
  /** The last accepted use of any version, and the last refused one. */
  accepted: number | null;
  refused: number | null;
  /** All that happened up to here has been reported. */
  knownUntil: number;
  /** Before this silence says nothing: a hole in the reports, a restore, a time in which no verifier answered. */
  silentFrom: number;
}

export type IdleStep = "announce" | "suspend" | "tried" | "put-off" | "revoke" | "forget";

export interface IdleLook {
  /** What is to be done now; null: nothing but to look again. */
  step: IdleStep | null;
  /** As it is after the step. */
  idle: IdleState | null;
  /** When to look again; null: never, unless something else changes. */
  idleAt: number | null;
}

/** A step that is later than this is not taken; its announcement begins anew. */
const LATE_MS = DAY;
/** An announced key that is used again is not announced for longer than this. */
const LOOK_MS = DAY;
/** Reports are whole up to a second ago; where a verifier is cut off, it takes longer. */
const AGAIN_MS = MINUTE;

/** One look at a key that is in no rotation. */
export function lookIdle(key: IdleKey, policy: Idleness, facts: IdleFacts, now: number): IdleLook {
  if (key.status === "revoked") return { step: null, idle: key.idle ?? null, idleAt: null };
  if (key.status === "suspended") return lookSuspended(key, policy, facts, now);
  if (policy.unusedMs === null || isOver(key, now)) return forgotten(key, null);
  const state = standing(key);
  const since = unusedSince(key, facts);
  const idleFrom = since + policy.unusedMs;
  if (idleFrom > now) return forgotten(key, idleFrom);
  if (facts.knownUntil < idleFrom) return { step: null, idle: key.idle ?? null, idleAt: now + AGAIN_MS };
  // What was announced was another silence, or of nothing that would come of it.
  const anew = state === null || since > state.since || (state.suspendAt === null && policy.suspendAfterMs !== null);
  return anew ? announced(since, policy, now) : lookAnnounced(state, policy, facts, now);
}

function lookAnnounced(state: IdleState, policy: Idleness, { knownUntil }: IdleFacts, now: number): IdleLook {
  const suspendAt = suspensionOf(state, policy);
  const steps = openSteps(state, suspendAt, policy);
  const due = steps.filter((at) => at <= now);
  if (due.some((at) => at < now - LATE_MS)) return announced(state.since, policy, now);
  if (suspendAt !== null && suspendAt <= now) {
    if (knownUntil < suspendAt) return { step: null, idle: state, idleAt: now + AGAIN_MS };
    const revokeAt = policy.revokeAfterMs === null ? null : now + policy.revokeAfterMs;
    return { step: "suspend", idle: { ...state, suspendAt, suspendedAt: now, revokeAt }, idleAt: revokeAt };
  }
  const idle = { ...state, suspendAt, doneUntil: now };
  const idleAt = nextLook(idle, policy, now);
  return due.length === 0 ? { step: null, idle: state, idleAt } : { step: "announce", idle, idleAt };
}

function lookSuspended(key: IdleKey, policy: Idleness, facts: IdleFacts, now: number): IdleLook {
  const state = key.idle ?? null;
  if (state === null || state.suspendedAt === null) return forgotten(key, null);
  const { revokeAfterMs } = policy;
  if (policy.unusedMs === null || revokeAfterMs === null) return { step: null, idle: state, idleAt: null };
  const sign = Math.max(facts.accepted ?? 0, facts.refused ?? 0);
  const from = Math.max(state.suspendedAt, sign, facts.silentFrom);
  const revokeAt = Math.max(state.revokeAt ?? now + revokeAfterMs, from + revokeAfterMs);
  const until = (at: number, change: Partial<IdleState> = {}) => ({
    idle: { ...state, revokeAt: at, ...change },
    idleAt: at,
  });
  if (sign > (state.triedAt ?? state.suspendedAt)) return { step: "tried", ...until(revokeAt, { triedAt: sign }) };
  if (revokeAt > now) return { step: revokeAt === state.revokeAt ? null : "put-off", ...until(revokeAt) };
  if (revokeAt < now - LATE_MS) return { step: "put-off", ...until(now + revokeAfterMs) };
  if (facts.knownUntil < revokeAt) return { step: null, idle: state, idleAt: now + AGAIN_MS };
  return { step: "revoke", idle: state, idleAt: null };
}

/**
 * When to look at a key next, as far as that can be said without its uses; a look that comes too early costs no more than a read. `accepted`: its
 * last use; undefined: not known here, and a date that stands is left alone.
 */
export function idleDate(
  key: IdleKey,
  policy: Idleness,
  now: number,
  accepted: number | null | undefined,
): number | null {
  const standsAt = accepted === undefined ? key.idleAt : undefined;
  const on = policy.unusedMs !== null && !isOver(key, now);
  if (key.status === "revoked") return null;
  if (key.status === "suspended")
    return on && policy.revokeAfterMs !== null && key.idle?.suspendedAt != null ? (standsAt ?? now) : null;
  if (!on || policy.unusedMs === null) return (key.idle ?? null) === null ? null : now;
  if ((key.idle ?? null) !== null) return standsAt ?? now;
  return standsAt ?? Math.max(key.createdAt, key.statusChangedAt, accepted ?? 0) + policy.unusedMs;
}

/**
 * A rotation that is due would wait for somebody who takes the successor; while one is under way, nothing else happens to the key. So it waits
 * for the next use, or the announcement, of a key that has not been used lately: until then at the latest. Null: it does not.
 */
export function rotationWaits(key: IdleKey, policy: Idleness, accepted: number | null, now: number): number | null {
  if (policy.unusedMs === null) return null;
  const since = Math.max(key.createdAt, key.statusChangedAt, accepted ?? 0);
  const until = since + policy.unusedMs + LATE_MS;
  return since < now - IN_USE_MS && now < until ? until : null;
}

export interface IdleEntry {
  at: number;
  what: "announce" | "suspend" | "revoke";
}

/** What lies ahead of a key if nobody uses it, in order. */
export function idleSteps(key: IdleKey, policy: Idleness, facts: IdleFacts, now: number): IdleEntry[] {
  const look = lookIdle(key, policy, facts, now);
  const { unusedMs, suspendAfterMs, revokeAfterMs } = policy;
  if (unusedMs === null || look.idleAt === null) return [];
  if (key.status === "suspended") return [{ at: look.idle?.revokeAt ?? look.idleAt, what: "revoke" }];
  const announceAt = look.idle === null ? look.idleAt : null;
  const state = look.idle ?? announced(unusedSince(key, facts), policy, look.idleAt).idle;
  const suspendAt = state === null ? null : suspensionOf(state, policy);
  const steps: IdleEntry[] = announceAt === null ? [] : [{ at: announceAt, what: "announce" }];
  if (state === null || suspendAt === null || suspendAfterMs === null) return steps;
  for (const at of openSteps(state, suspendAt, policy)) if (at < suspendAt) steps.push({ at, what: "announce" });
  steps.push({ at: suspendAt, what: "suspend" });
  if (revokeAfterMs !== null) steps.push({ at: suspendAt + revokeAfterMs, what: "revoke" });
  return steps;
}

/** Silence counts from here. */
export function unusedSince(key: IdleKey, { accepted, silentFrom }: IdleFacts): number {
  return Math.max(key.createdAt, key.statusChangedAt, accepted ?? 0, silentFrom);
}

function announced(since: number, policy: Idleness, now: number): IdleLook {
  const suspendAt = policy.suspendAfterMs === null ? null : now + policy.suspendAfterMs;
  const idle = {
    since,
    announcedAt: now,
    suspendAt,
    doneUntil: now,
    suspendedAt: null,
    triedAt: null,
    revokeAt: null,
  };
  return { step: "announce", idle, idleAt: nextLook(idle, policy, now) };
}

function forgotten(key: IdleKey, idleAt: number | null): IdleLook {
  return { step: (key.idle ?? null) === null ? null : "forget", idle: null, idleAt };
}

/** What was announced of a key that is active; whoever restored it has ended what was done to it. */
function standing({ idle }: IdleKey): IdleState | null {
  return idle == null || idle.suspendedAt !== null ? null : idle;
}

/** A policy that was changed may put it off. */
function suspensionOf(state: IdleState, { suspendAfterMs }: Idleness): number | null {
  if (suspendAfterMs === null) return null;
  return Math.max(state.suspendAt ?? 0, state.announcedAt + suspendAfterMs);
}

/** In order, the suspension last. */
function openSteps({ doneUntil }: IdleState, suspendAt: number | null, { announceMs }: Idleness): number[] {
  if (suspendAt === null) return [];
  const steps = [...announceMs.map((ms) => suspendAt - ms), suspendAt];
  return steps.filter((at) => at > doneUntil).sort((a, b) => a - b);
}

function nextLook(state: IdleState, policy: Idleness, now: number): number {
  const next = openSteps(state, suspensionOf(state, policy), policy).find((at) => at > now);
  return Math.min(next ?? Infinity, now + LOOK_MS);
}

/** It has expired: it is refused already, and says nothing by its silence. */
function isOver(key: IdleKey, now: number): boolean {
  const end = endOfKey(key);
  return end !== null && now >= end;
}

/** A verifier's time, from its registration to when it can't have answered any more. */
export interface AnswerSpan {
  from: number;
  to: number;
}

/** A fleet that is gone for no longer than this was being deployed. */
const DEPLOYED_MS = DAY;
/** One that is gone for longer does not come back: what is checked since is checked elsewhere, by the authority itself. */
const GONE_MS = 92 * DAY;

/**
 * Since when somebody has answered without a longer break; `now` if nobody does for the moment. While no verifier runs, no key can be used.
 * `whole`: these are all the spans there are; else what is older is taken to have been answered.
 */
export function answeringSince(spans: readonly AnswerSpan[], whole: boolean, now: number): number {
  if (spans.length === 0) return 0;
  const latest = spans.toSorted((a, b) => b.to - a.to);
  const last = latest[0]?.to ?? 0;
  if (last < now - GONE_MS) return last;
  let since = now;
  for (const { from, to } of latest) {
    if (to < since - DEPLOYED_MS) return since;
    since = Math.min(since, from);
  }
  return whole ? since : 0;
}
