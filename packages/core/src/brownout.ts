/**
 * Brownouts: short refusals of the old version, said beforehand, that rehearse its retirement and are over by themselves. Whoever has not
 * moved finds out while nothing is lost yet.
 *
 *     deadline ──▶ announced ──announceMs──▶ ▇ ──a day──▶ ▇ ──a day──▶ ▇ ──a day──▶ ▇▇▇ ──▶ after: hold, or retire
 *                                            one slot each; blackouts and holidays are skipped
 *
 *     slot    waiting ──from──▶ running ──until, or stopped──▶ over
 *                └──until, and nobody was there to begin it──▶ missed: not made up for
 *
 * The times are calculated once, when the plan is announced. A version's own `brownoutUntil` is what verifiers go by, so one that is cut off
 * ends a brownout on time. What ends one early stands in sub-states.ts, but for the error budget and the operator: here.
 */
import { countText } from "./count-text.ts";
import { deadlinePassed } from "./gates.ts";
import { type Move, refuse, unchanged } from "./moves.ts";
import { BROWNOUTS_MAX, type BrownoutRule } from "./policy.ts";
import type { Decision, Effect, Rotation, RotationEvent } from "./rotation.ts";
import { HORIZON_MS, isFree, type Quiet } from "./schedule.ts";
import { isZone, minutesOf, momentOf, wallTime } from "./zone.ts";

/** Times are epoch milliseconds. */
export interface BrownoutSlot {
  from: number;
  until: number;
  /** `policy`, or the operator who wanted it at once. */
  by: string;
  begunAt: number | null;
  /** It is over; if it never began it was missed. */
  endedAt: number | null;
}

export interface Brownouts {
  /** Of the policy's plan; null: there is none yet. */
  announcedAt: number | null;
  slots: BrownoutSlot[];
  /** The plan came to nothing, or no further. */
  stopped: { at: number; by: string; reason: string } | null;
  /** While one runs: by source, how often it had been refused before (refusals.ts). */
  refusedBefore?: Record<string, number> | undefined;
}

export const POLICY = "policy";

const none: Brownouts = { announcedAt: null, slots: [], stopped: null };
/** Past ones beyond this are forgotten, the oldest first. */
const SLOTS_KEPT = 5 * BROWNOUTS_MAX;
const DAY = 86_400_000;

/** A slot of this rotation that is not over: the one that runs, else the next. */
export function nextBrownout({ brownouts }: Pick<Rotation, "brownouts">): BrownoutSlot | undefined {
  return brownouts?.slots.find(({ endedAt }) => endedAt === null);
}

export function runningBrownout(rotation: Pick<Rotation, "brownouts">): BrownoutSlot | undefined {
  const next = nextBrownout(rotation);
  return next?.begunAt == null ? undefined : next;
}

/** The old version is accepted, and may be refused for a while. */
export function mayBrownOut({ phase, endedAt, paused, fromRefusedAt }: Rotation): boolean {
  const open = phase === "offered" || phase === "overlapping";
  return open && endedAt === null && paused === null && fromRefusedAt === null;
}

/** What the passing of time brings about. */
export function brownoutByTime(
  rotation: Rotation,
  now: number,
  refusedBefore?: Record<string, number>,
): Decision | undefined {
  if (!mayBrownOut(rotation)) return undefined;
  const slot = nextBrownout(rotation);
  if (slot !== undefined && now >= slot.until)
    return changeSlot(rotation, { ...slot, endedAt: slot.until }, slot.begunAt === null ? [] : [lift(rotation)]);
  if (slot !== undefined && slot.begunAt === null && now >= slot.from) {
    const effects: Effect[] = [{ do: "set-brownout", version: rotation.from, until: slot.until }];
    return changeSlot(rotation, { ...slot, begunAt: now }, effects, refusedBefore);
  }
  const due = rotation.policy.onDeadline === "brownout" && deadlinePassed(rotation, now);
  return due && (rotation.brownouts?.announcedAt ?? null) === null ? announce(rotation, now) : undefined;
}

/** When something may change by the passing of time alone. */
export function brownoutTimes(rotation: Rotation): number[] {
  const slot = mayBrownOut(rotation) ? nextBrownout(rotation) : undefined;
  return slot === undefined ? [] : [slot.begunAt === null ? slot.from : slot.until];
}

/** The plan was carried out to its end. One of which no refusal took place has rehearsed nothing. */
export function planIsOver({ brownouts, policy, fromRefusedAt }: Rotation): boolean {
  if (policy.onDeadline !== "brownout") return false;
  // Killed: it is refused already, and nothing is left to rehearse.
  if (fromRefusedAt !== null) return true;
  if (brownouts === null || brownouts.announcedAt === null || brownouts.stopped !== null) return false;
  const plan = planned(brownouts);
  return plan.every(({ endedAt }) => endedAt !== null) && plan.some(({ begunAt }) => begunAt !== null);
}

function planned({ announcedAt, slots }: Brownouts): BrownoutSlot[] {
  return slots.filter(({ by, from }) => by === POLICY && announcedAt !== null && from >= announcedAt);
}

function lift({ from }: Rotation): Effect {
  return { do: "set-brownout", version: from, until: null };
}

/** The next one, as it is now. */
function changeSlot(
  rotation: Rotation,
  changed: BrownoutSlot,
  effects: Effect[],
  refusedBefore?: Record<string, number>,
): Move {
  const { announcedAt, slots, stopped } = rotation.brownouts ?? none;
  const next = nextBrownout(rotation);
  const brownouts = {
    announcedAt,
    slots: slots.map((each) => (each === next ? changed : each)),
    stopped,
    ...(refusedBefore === undefined ? {} : { refusedBefore }),
  };
  return { ok: true, next: { ...rotation, brownouts }, effects };
}

// ---- the plan ------------------------------------------------------------------------------------------------------------

function announce(rotation: Rotation, now: number): Move {
  const { policy, calendar, brownouts } = rotation;
  const kept = brownouts?.slots ?? [];
  const busyUntil = Math.max(now, ...kept.map(({ until, endedAt }) => (endedAt === null ? until : now)));
  const plan = planBrownouts(policy.brownout, calendar, Math.max(now + policy.brownout.announceMs, busyUntil));
  const next: Brownouts =
    typeof plan === "string"
      ? { announcedAt: now, slots: kept, stopped: { at: now, by: POLICY, reason: plan } }
      : { announcedAt: now, slots: recent([...kept, ...plan]), stopped: null };
  return { ok: true, next: { ...rotation, brownouts: next }, effects: [] };
}

function recent(slots: BrownoutSlot[]): BrownoutSlot[] {
  return slots.slice(-SLOTS_KEPT);
}

/** One slot for each length, on one free day after the other, none before `earliest`; or why there can be none. */
export function planBrownouts(rule: BrownoutRule, calendar: Quiet | null, earliest: number): BrownoutSlot[] | string {
  const minutes = minutesOf(rule.at);
  if (minutes === undefined || !isZone(rule.zone)) return `there is no ${rule.at} in ${rule.zone}`;
  const slots: BrownoutSlot[] = [];
  let notBefore = earliest;
  let { day } = wallTime(rule.zone, earliest);
  for (const lengthMs of rule.lengthsMs) {
    const last = day + HORIZON_MS / DAY;
    let slot: BrownoutSlot | undefined;
    for (; slot === undefined && day <= last; day++)
      slot = slotOn(rule.zone, day, minutes, lengthMs, notBefore, calendar);
    if (slot === undefined) return `blackouts and holidays leave no time for a brownout at ${rule.at} within 366 days`;
    slots.push(slot);
    notBefore = slot.until;
  }
  return slots;
}

function slotOn(
  zone: string,
  day: number,
  minutes: number,
  lengthMs: number,
  notBefore: number,
  calendar: Quiet | null,
): BrownoutSlot | undefined {
  const from = momentOf(zone, day, minutes, "first");
  const until = from + lengthMs;
  if (from < notBefore || (calendar !== null && !isFree(calendar, from, until))) return undefined;
  return { from, until, by: POLICY, begunAt: null, endedAt: null };
}

// ---- by hand, and the error budget ---------------------------------------------------------------------------------------

export function brownOutNow(
  rotation: Rotation,
  { forMs, by, refusedBefore }: Extract<RotationEvent, { type: "brownout" }>,
  now: number,
): Decision {
  const { phase, policy } = rotation;
  if (phase === "planned" || phase === "propagating")
    return refuse("rotation_not_offered", "the successor is not accepted everywhere yet; there is nothing to move to");
  if (phase === "rolled-back")
    return refuse("already_rolled_back", "this rotation was rolled back; the old version is current");
  if (phase === "retired" || rotation.fromRefusedAt !== null)
    return refuse("already_retired", "the old version is refused already");
  if (rotation.paused !== null) return refuse("rotation_paused", "it is paused; resume it first");
  const slot = nextBrownout(rotation);
  if (slot?.begunAt != null)
    return refuse("brownout_running", `one runs until ${new Date(slot.until).toISOString()}; end it first`);
  const until = now + forMs;
  if (!(forMs > 0) || forMs > policy.overlapMs)
    return refuse("brownout_out_of_range", `a brownout is shorter than the policy's overlap (${policy.overlapMs} ms)`);
  if (slot !== undefined && until > slot.from)
    return refuse("brownout_out_of_range", `the next one is announced for ${new Date(slot.from).toISOString()}`);
  const brownouts = rotation.brownouts ?? none;
  const begun: BrownoutSlot = { from: now, until, by, begunAt: now, endedAt: null };
  const slots = recent([...brownouts.slots, begun].sort((a, b) => a.from - b.from));
  const effects: Effect[] = [{ do: "set-brownout", version: rotation.from, until }];
  return { ok: true, next: { ...rotation, brownouts: { ...brownouts, slots, refusedBefore } }, effects };
}

/** The one that runs, and what is planned. */
export function endBrownouts(rotation: Rotation, by: string, reason: string, now: number): Decision {
  const { brownouts } = rotation;
  if (brownouts === null || nextBrownout(rotation) === undefined)
    return refuse("no_brownout", "no brownout runs, and none is planned");
  const unfinished = planned(brownouts).some(({ endedAt }) => endedAt === null);
  const stopped = unfinished ? { at: now, by, reason } : brownouts.stopped;
  const effects = runningBrownout(rotation) === undefined ? [] : [lift(rotation)];
  return { ok: true, next: { ...rotation, brownouts: { ...withoutRest(brownouts, now), stopped } }, effects };
}

/** Refusals of sources that have not used the successor, in the brownout that runs. */
export function browned(rotation: Rotation, refusals: number, now: number): Decision {
  const { errorBudget } = rotation.policy.brownout;
  if (runningBrownout(rotation) === undefined || errorBudget === null || refusals <= errorBudget)
    return unchanged(rotation);
  const reason = `${countText(refusals, "request")} of sources that have not used version ${rotation.to} ${refusals === 1 ? "was" : "were"} refused; the error budget is ${errorBudget}`;
  return endBrownouts(rotation, POLICY, reason, now);
}

/** The one that runs is over now; those that wait will not be. */
function withoutRest({ refusedBefore: _before, ...brownouts }: Brownouts, now: number): Brownouts {
  const begun = brownouts.slots.filter(({ begunAt, endedAt }) => begunAt !== null || endedAt !== null);
  return {
    ...brownouts,
    slots: begun.map((slot) => ({ ...slot, endedAt: slot.endedAt ?? Math.min(now, slot.until) })),
  };
}

/**
 * No brownout belongs into what comes now: the one that runs ends, those planned are withdrawn. After a moved deadline, and where a pause
 * has cut a plan short, it is made anew; one that the error budget or a person has stopped is not begun again because somebody pauses to look.
 */
export function withoutBrownouts(rotation: Rotation, now: number, deadlineMoved: boolean): Omit<Move, "ok"> {
  const { brownouts } = rotation;
  if (brownouts === null) return { next: rotation, effects: [] };
  const effects = runningBrownout(rotation) === undefined ? [] : [lift(rotation)];
  if (rotation.phase === "rolled-back") return { next: { ...rotation, brownouts: null }, effects };
  const cutShort = planned(brownouts).some(({ endedAt }) => endedAt === null);
  const anew = deadlineMoved || (cutShort && rotation.paused !== null);
  if (!anew && nextBrownout(rotation) === undefined) return { next: rotation, effects };
  const rest = withoutRest(brownouts, now);
  return { next: { ...rotation, brownouts: anew ? { ...rest, announcedAt: null, stopped: null } : rest }, effects };
}
