/**
 * When a key rotates next. A pure function of facts that do not change with the hour, so that every process that calculates it, before or
 * after a crash, finds the same moment.
 *
 *     every N days ──┐
 *     cron ──────────┼─▶ the earliest ─▶ jitter ─▶ spread, if overdue when ─▶ after a week, if the ─▶ out of blackouts ─▶ start
 *     maximum age ───┘   falls due       by key    the rule began to hold     last one failed        and holidays
 *
 * Jitter is added to a cadence or a cron time, and taken off a maximum age: so no key gets older by it. A blackout wins over the maximum
 * age unless `maxAgeFirst` says otherwise. Cron expressions are read by whoever calls (`CronNext`); core has no dependency.
 */
import { crc32 } from "./crc32.ts";
import { dayOf, minutesOf, momentOf, wallTime } from "./zone.ts";

export const weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
export type Weekday = (typeof weekdays)[number];

/** A time in which no rotation starts. By the wall clock of `zone`. */
export type Blackout = DailyBlackout | DatedBlackout;

export interface DailyBlackout {
  name?: string | undefined;
  zone: string;
  /** On which it begins; absent: every day. */
  days?: Weekday[] | undefined;
  /** `HH:MM`. If `to` is not later, it ends on the next day. */
  from: string;
  to: string;
}

export interface DatedBlackout {
  name?: string | undefined;
  zone: string;
  /** `YYYY-MM-DD`, the first and the last day. */
  from: string;
  to: string;
}

/** Whole days. */
export interface Holidays {
  name?: string | undefined;
  zone: string;
  dates: string[];
}

/** Durations are milliseconds; null: none. */
export interface Schedule {
  everyMs: number | null;
  cron: { expression: string; zone: string } | null;
  /** A version this old is being replaced. */
  maxAgeMs: number | null;
  /** Keys move apart by up to this. Null: a tenth of the period, a week at most; none for cron. */
  jitterMs: number | null;
  /** The maximum age wins over blackouts. */
  maxAgeFirst: boolean;
  blackouts: Blackout[];
  holidays: Holidays[];
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

export const defaultSchedule: Schedule = {
  everyMs: null,
  cron: null,
  maxAgeMs: 90 * DAY,
  jitterMs: null,
  maxAgeFirst: false,
  blackouts: [],
  holidays: [],
};

export const scheduleLimits = {
  everyMs: { min: HOUR, max: 3_660 * DAY },
  maxAgeMs: { min: HOUR, max: 3_660 * DAY },
  jitterMs: { min: 0, max: 92 * DAY },
} as const;

/** So far ahead a free moment is looked for. */
export const HORIZON_MS: number = 366 * DAY;
/** A rotation that was cancelled or rolled back is not tried again by itself before this. */
export const RETRY_MS: number = WEEK;
/** What was overdue when its rule began to hold is spread over at least this. */
export const SPREAD_MS: number = WEEK;

/** The first time at which the expression fires after `after`; null if it never does. */
export type CronNext = (cron: { expression: string; zone: string }, after: number) => number | null;

export interface ScheduleFacts {
  keyId: string;
  /** Of the current version. */
  activatedAt: number;
  /** The end of the key's last rotation; `failed`: it was cancelled or rolled back. */
  last: { endedAt: number; failed: boolean } | null;
  /** When the rule began to hold for the key. */
  since: number;
  /** Not before this: the present, where a start is due. */
  notBefore: number;
}

/** Why the start lies where it lies, in the order in which it was moved. Each moved it from `from` to `to`. */
export type Reason =
  | { because: "every" | "cron" | "age"; to: number }
  | {
      because: "jitter" | "overdue" | "after-failure" | "not-before" | "age-first";
      from: number;
      to: number;
    }
  | { because: "blackout" | "holiday"; name: string; zone: string; from: number; to: number };

export interface NextStart {
  at: number;
  reasons: Reason[];
}

/** Null: this key does not rotate by itself, or no moment within a year is free (`scheduleProblem` finds that when a policy is made). */
export function nextStart(schedule: Schedule, facts: ScheduleFacts, cronNext: CronNext): NextStart | null {
  const due = earliestDue(schedule, facts, cronNext);
  if (due === undefined) return null;
  const reasons: Reason[] = [{ because: due.rule, to: due.plain }];
  let at = due.plain;
  const move = (because: "jitter" | "overdue" | "after-failure" | "not-before" | "age-first", to: number) => {
    if (to !== at) reasons.push({ because, from: at, to });
    at = to;
  };
  move("jitter", due.at);
  if (at < facts.since) move("overdue", facts.since + shareOf(facts.keyId) * Math.max(SPREAD_MS, due.jitterMs));
  if (facts.last?.failed === true) move("after-failure", Math.max(at, facts.last.endedAt + RETRY_MS));
  move("not-before", Math.max(at, facts.notBefore));
  at = Math.ceil(at);
  const free = freeAt(schedule, at);
  const latest =
    schedule.maxAgeFirst && schedule.maxAgeMs !== null ? Math.max(at, facts.activatedAt + schedule.maxAgeMs) : Infinity;
  if (free === null || free.at > latest) {
    if (latest === Infinity) return null;
    move("age-first", latest);
    return { at, reasons };
  }
  return { at: free.at, reasons: [...reasons, ...free.moves] };
}

interface Due {
  rule: "every" | "cron" | "age";
  plain: number;
  at: number;
  jitterMs: number;
}

function earliestDue(schedule: Schedule, facts: ScheduleFacts, cronNext: CronNext): Due | undefined {
  const { everyMs, cron, maxAgeMs } = schedule;
  const { activatedAt, last } = facts;
  const share = shareOf(facts.keyId);
  const all: Due[] = [];
  const add = (rule: Due["rule"], plain: number, jitterMs: number, sign: 1 | -1) =>
    all.push({ rule, plain, jitterMs, at: plain + sign * Math.floor(share * jitterMs) });
  if (everyMs !== null) add("every", activatedAt + everyMs, jitterOf(schedule, everyMs), 1);
  const fires = cron === null ? null : cronNext(cron, Math.max(activatedAt, last?.endedAt ?? 0));
  if (fires !== null) add("cron", fires, schedule.jitterMs ?? 0, 1);
  if (maxAgeMs !== null) add("age", activatedAt + maxAgeMs, Math.min(jitterOf(schedule, maxAgeMs), maxAgeMs / 2), -1);
  return all.sort((a, b) => a.at - b.at)[0];
}

function jitterOf({ jitterMs }: Schedule, periodMs: number): number {
  return jitterMs ?? Math.min(WEEK, periodMs / 10);
}

/** A key's place among others, from 0 to below 1: always the same, and evenly spread. */
export function shareOf(keyId: string): number {
  return crc32(`jitter ${keyId}`) / 2 ** 32;
}

// ---- blackouts ---------------------------------------------------------------------------------------------------------

export type Quiet = Pick<Schedule, "blackouts" | "holidays">;

interface Span {
  because: "blackout" | "holiday";
  name: string;
  zone: string;
  start: number;
  end: number;
}

/** Spans that begin on the days around a moment; only those can hold it, but for ranges of dates, which are all here. */
function spansAround({ blackouts, holidays }: Quiet, at: number): Span[] {
  return [
    ...blackouts.flatMap((blackout) => blackoutSpans(blackout, at)),
    ...holidays.flatMap((each) => holidaySpans(each, at)),
  ];
}

const AROUND = [-1, 0, 1];

function blackoutSpans(blackout: Blackout, at: number): Span[] {
  const { zone, name = "" } = blackout;
  const first = dayOf(blackout.from);
  if (first !== undefined) {
    const last = dayOf(blackout.to) as number;
    const [start, end] = [momentOf(zone, first, 0, "first"), momentOf(zone, last + 1, 0, "last")];
    return [{ because: "blackout", name, zone, start, end }];
  }
  const [from, to] = [minutesOf(blackout.from) as number, minutesOf(blackout.to) as number];
  const days = "days" in blackout ? blackout.days : undefined;
  const today = wallTime(zone, at).day;
  return AROUND.map((step) => today + step)
    .filter((day) => days === undefined || days.includes(weekdays[(((day + 4) % 7) + 7) % 7] as Weekday))
    .map((day) => ({
      because: "blackout",
      name,
      zone,
      start: momentOf(zone, day, from, "first"),
      end: momentOf(zone, to > from ? day : day + 1, to, "last"),
    }));
}

function holidaySpans({ zone, name = "", dates }: Holidays, at: number): Span[] {
  const today = wallTime(zone, at).day;
  return AROUND.map((step) => today + step)
    .filter((day) => dates.includes(new Date(day * DAY).toISOString().slice(0, 10)))
    .map((day) => ({
      because: "holiday",
      name,
      zone,
      start: momentOf(zone, day, 0, "first"),
      end: momentOf(zone, day + 1, 0, "last"),
    }));
}

/** The first moment from `at` on outside every blackout and holiday, and what was in the way; null if there is none within a year. */
export function freeAt(quiet: Quiet, at: number): { at: number; moves: Reason[] } | null {
  const moves: Reason[] = [];
  let free = at;
  while (free <= at + HORIZON_MS) {
    const inTheWay = spansAround(quiet, free).filter(({ start, end }) => start <= free && free < end);
    const longest = inTheWay.sort((a, b) => b.end - a.end)[0];
    if (longest === undefined) return { at: free, moves };
    const { because, name, zone, end } = longest;
    moves.push({ because, name, zone, from: free, to: end });
    free = end;
  }
  return null;
}

/** The first moment in `(from, until]` at which a blackout or holiday begins; `until` if none does. */
export function freeUntil(quiet: Quiet, from: number, until: number): number {
  let first = until;
  for (let day = from; day <= until + DAY; day += DAY) {
    for (const { start } of spansAround(quiet, day)) if (start > from && start < first) first = start;
  }
  return first;
}

/** No blackout or holiday has a part in `[from, until)`. */
export function isFree(quiet: Quiet, from: number, until: number): boolean {
  const begun = spansAround(quiet, from).some(({ start, end }) => start <= from && from < end);
  return !begun && freeUntil(quiet, from, until) === until;
}

/** What is wrong with a schedule as a whole: it would never let a key rotate. */
export function scheduleProblem(schedule: Schedule, now: number, cronNext: CronNext): string | undefined {
  if (schedule.cron !== null && cronNext(schedule.cron, now) === null)
    return `the cron expression "${schedule.cron.expression}" never fires`;
  if (freeAt(schedule, now) === null) return "blackouts and holidays leave no time within 366 days";
  return undefined;
}
