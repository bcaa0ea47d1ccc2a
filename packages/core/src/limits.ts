/**
 * Limits of use: how often a key, or all keys of a consumer, may be used. They belong to the key and not to its versions, so an overlap
 * neither doubles nor resets them.
 *
 *     plan (of an api) ──has──▶ limits ──▶ rate   `units` in each `windowMs`, `burst` of them at once   (GCRA)
 *       ▲                               └▶ quota  `units` in a day or calendar month of a zone
 *       └── a key's own, or the one that its api gives to keys without one
 *
 * A request costs one unit unless the server says otherwise. It is let through if every limit of the plan has room for it, and then
 * charged to all of them; a refused one is charged to none. State is kept by subject and the limit's name, so a key that
 * changes its plan keeps what it has used of a limit that both have.
 */
import { isZone, momentOf, wallTime } from "./zone.ts";

/** Whose uses are counted together. */
export type LimitPer = "key" | "consumer";

interface LimitBase {
  /** Unique within the plan; as told to callers in `RateLimit`. */
  name: string;
  /** `consumer`: all keys of the consumer in this api share it. */
  per: LimitPer;
  units: number;
}

export interface RateLimit extends LimitBase {
  kind: "rate";
  /** Milliseconds. */
  windowMs: number;
  /** Units that may be used at once after a pause; from 1. */
  burst: number;
}

export interface QuotaLimit extends LimitBase {
  kind: "quota";
  period: "day" | "month";
  /** IANA name: whose midnight it is. */
  zone: string;
}

export type Limit = RateLimit | QuotaLimit;

/** A plan as verifiers hold it. Replaces an older one of the same handle and never a newer: `seq` is that of its feed entry (I5). */
export interface PlanRecord {
  seq: number;
  plan: string;
  name: string;
  limits: Limit[];
  /**
   * It is the api's default: of keys whose record names none. While an api gets another default two plans say so for a moment; then the one
   * with the higher `seq` is it.
   */
  default?: true | undefined;
  /** It is gone, and no key has it: `limits` is empty. A snapshot has no such plan. */
  removed?: true | undefined;
}

/** What a subject has left of one limit, as told to the caller. */
export interface LimitState {
  limit: Limit;
  /** Whole units that could be used now. */
  remaining: number;
  /**
   * Milliseconds until all of it is there again (rate), or the period ends (quota). Of a limit that has nothing left, or no room for the request:
   * until there is some, as in `Retry-After`. A caller that waits for more than it needs would waste what is left.
   */
  resetMs: number;
}

export const limitBounds = {
  limits: 8,
  /** Beyond it a number can't be counted on by one. */
  units: Number.MAX_SAFE_INTEGER,
  windowMs: { min: 1_000, max: 86_400_000 },
  burst: { min: 1, max: 1_000_000 },
  /** Of one request. */
  cost: { min: 0, max: 1_000_000 },
} as const;

const NAME = /^[a-z][a-z0-9_-]{0,31}$/;

/** What is wrong with the limits of a plan, and what would be right; undefined if nothing is. */
export function limitsProblem(limits: readonly Limit[]): string | undefined {
  if (limits.length > limitBounds.limits)
    return `a plan has at most ${limitBounds.limits} limits, not ${limits.length}`;
  const names = new Set<string>();
  for (const limit of limits) {
    const problem = limitProblem(limit);
    if (problem !== undefined) return problem;
    if (names.has(limit.name)) return `two limits are called "${limit.name}"; give each a name of its own`;
    names.add(limit.name);
  }
  return undefined;
}

function limitProblem(limit: Limit): string | undefined {
  const { name, units } = limit;
  if (!NAME.test(name))
    return `"${name.slice(0, 40)}" is no name of a limit: a small letter, then up to 31 small letters, digits, - or _`;
  const wrong = (what: string, is: unknown, right: string) => `${what} of "${name}" is ${String(is)}; it is ${right}`;
  if (!isWhole(units, 1, limitBounds.units)) return wrong("units", units, "a whole number from 1 to 2^53 - 1");
  if (limit.kind === "quota")
    return isZone(limit.zone) ? undefined : wrong("zone", limit.zone, "an IANA name such as UTC or Europe/Zurich");
  const { windowMs, burst } = limitBounds;
  if (!isWhole(limit.windowMs, windowMs.min, windowMs.max))
    return wrong("windowMs", limit.windowMs, "a whole number of milliseconds from 1000 (a second) to 86400000 (a day)");
  if (!isWhole(limit.burst, burst.min, burst.max))
    return wrong("burst", limit.burst, `a whole number from ${burst.min} to ${burst.max}`);
  return undefined;
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}

/** What is wrong with the cost of a request; undefined if nothing is. */
export function costProblem(cost: unknown): string | undefined {
  const { min, max } = limitBounds.cost;
  return typeof cost === "number" && isWhole(cost, min, max)
    ? undefined
    : `the cost of a request is a whole number from ${min} to ${max}`;
}

/** The period of a quota at a moment. Epoch milliseconds; `to` is the next one's `from`. */
export interface Period {
  from: number;
  to: number;
}

const DAY = 86_400_000;

/** A day or month begins at the first midnight that the zone's wall clock shows. */
export function periodOf({ period, zone }: Pick<QuotaLimit, "period" | "zone">, at: number): Period {
  const { day } = wallTime(zone, at);
  const [first, next] = period === "day" ? [day, day + 1] : monthOf(day);
  return { from: momentOf(zone, first, 0, "first"), to: momentOf(zone, next, 0, "first") };
}

/** The first days of the month of a day, and of the next month. Days since 1970-01-01. */
function monthOf(day: number): [number, number] {
  const date = new Date(day * DAY);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  return [Date.UTC(year, month) / DAY, Date.UTC(year, month + 1) / DAY];
}
