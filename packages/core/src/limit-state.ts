/**
 * How limits are counted. Pure; times in milliseconds, units whole.
 *
 * **A rate** is a generic cell rate algorithm (ITU-T I.371, as in ATM): one number, the theoretical arrival time `tat`, says all. A
 * unit takes `windowMs / units`; what is used moves `tat` on by as much, and it may be at most `burst` units ahead of now.
 *
 * **Over many verifiers** each decides by itself and tells with its report what it let through (`Spent`); the answer says what all of
 * them have used (`Told`). No request ever waits for it.
 *
 *     verifier A ──report: 40 units──▶ authority: one row for subject and limit ──▶ answer: owed, or used and granted
 *     verifier B ──report: 25 units──▶   (settleRate, settleQuota)              ──▶ …
 *
 * - A rate can be overdrawn by what the others use within a report's time. It isn't forgiven: `tat` runs ahead, and all
 *   of them wait until it is paid, so in the long run the rate is exact. For V verifiers, over any time t:
 *       used ≤ burst + rate × t + (V - 1) × (burst + rate × 2 reports)
 *   where a request that costs more than the burst stands for it.
 *   A verifier that gets no answers counts with its share of rate and burst, a V-th. What it used meanwhile is made good only as far as
 *   `debtMax`: nobody is locked out for an hour because the network was away for one.
 * - A quota is granted in parts. A verifier may use what it was granted (never more than there is, over all of them). Until the first answer of
 *   a period, a `credit`. With each report it gives back what it does not need soon (`keeps`), so that no unit lies where nobody asks for it.
 *   For B boots of verifiers in a period:
 *       used ≤ units + (B - 1) × credit + untold
 *   `untold`: what boots had let through and not told when they were over, or taken for it; at most what they were granted, or had as credit. What they
 *   told counts, and that much may be used again. To keep it back would take from the quota what a boot that is killed mostly did not use.
 */
import type { Limit, LimitState, Period, QuotaLimit } from "./limits.ts";
import { periodOf } from "./limits.ts";
import { largestOf, type RateSize, type RateUse, rateUse, standingTat, unitMs } from "./rate-use.ts";

/** For clocks that count in fractions of a millisecond. */
const ROUNDING = 1e-6;

/**
 * `tat` after a request of `cost` at `now`, or undefined if it has to wait. A request that costs more than the burst is let through when nothing
 * is owed, and owes the rest.
 */
export function spendRate(tat: number, now: number, cost: number, unit: number, burst: number): number | undefined {
  const owed = Math.max(0, tat - now);
  if (owed > Math.max(0, burst - cost) * unit + ROUNDING * unit) return undefined;
  return now + owed + cost * unit;
}

/** Whole units that could be used at `now`. */
export function rateRemaining(tat: number, now: number, unit: number, burst: number): number {
  return Math.max(0, Math.floor(burst - Math.max(0, tat - now) / unit + ROUNDING));
}

/** How long a request of `cost` has to wait. */
export function rateWaitMs(tat: number, now: number, cost: number, unit: number, burst: number): number {
  return Math.max(0, tat - now - Math.max(0, burst - cost) * unit);
}

/** What a verifier let through of one limit since its last report. */
export interface Spent {
  /** The key's handle or the consumer's, as the limit says. */
  subject: string;
  limit: string;
  units: number;
  /** Requests that were refused for this limit. */
  refused: number;
  /** Of a quota: the beginning of the period that it was used in. Epoch milliseconds. */
  period?: number | undefined;
  /** Of a rate: the size that it was used under. Absent from an older verifier. */
  rate?: RateSize | undefined;
  /** Of a rate: used since then, where that is before the report's `from`: by an earlier boot of the process. Epoch milliseconds. */
  since?: number | undefined;
  /** Of a rate: what one of these requests cost, the largest, where that is more than the burst. Absent from an older verifier. */
  largest?: number | undefined;
  /**
   * Of a quota: until the answer comes it uses so many units more at most; what it was granted beyond them is given back. Absent from who has
   * not heard yet what it was granted, or could use more.
   */
  keeps?: number | undefined;
  /** Of a quota: the smallest cost of a request that was refused because too little was granted. Absent from an older verifier. */
  wants?: number | undefined;
  /** Of a quota, in the place of `keeps`, where nothing was let through: an older authority takes that for a word that nothing is wanted. */
  holds?: number | undefined;
}

/** What the authority knows of all verifiers' use of that limit, this report's included. */
export interface Told {
  subject: string;
  limit: string;
  /** Of a rate: `tat` is so far ahead of the answer's `now`. Milliseconds. */
  owedMs?: number | undefined;
  /** Of a consumer's rate: what it was charged as. Absent from an older authority. */
  rate?: RateSize | undefined;
  /** Of a quota. */
  quota?: QuotaTold | undefined;
}

export interface QuotaTold {
  /** The beginning of the period. Epoch milliseconds. */
  period: number;
  /** By all verifiers, in this period. */
  used: number;
  /** By this boot, as far as it has reported. */
  own: number;
  /** What this boot may use in all, in this period. */
  granted: number;
}

/** At most this many `Spent` in one report; more wait for the next. */
export const SPENT_PER_REPORT_MAX = 5_000;

/** What the authority keeps of one subject and limit. */
export type LimitUse = RateUse | QuotaUse;

export interface QuotaUse {
  kind: "quota";
  period: number;
  /** By boots that are over, and by the authority itself. */
  settled: number;
  boots: Record<string, BootUse>;
}

interface BootUse {
  spent: number;
  granted: number;
}

export interface QuotaReport {
  boot: string;
  units: number;
  /** The beginning of the period that the verifier counted in. */
  period: number;
  now: number;
  /** As in `Spent`. */
  keeps?: number | undefined;
  wants?: number | undefined;
  holds?: number | undefined;
  /** Verifiers of the api that may answer, from 1. */
  verifiers: number;
  /** Boots that can answer no more (closed, replaced, past lease and static time): what they did not tell is free again. */
  ended: ReadonlySet<string>;
}

export function settleQuota(use: LimitUse | undefined, limit: QuotaLimit, report: QuotaReport): QuotaUse {
  const { boot, units, now, verifiers, ended, wants, holds } = report;
  const keeps = report.keeps ?? holds ?? Number.POSITIVE_INFINITY;
  // What a verifier says of a period that is over here is of no use to anybody.
  const { from, to } = periodOf(limit, now);
  const known = currentOf(use, { from, to });
  const { period } = known;
  const isOfIt = report.period === period || (period < to && report.period >= from && report.period < to);
  const boots: Record<string, BootUse> = {};
  let { settled } = known;
  for (const [name, each] of Object.entries(known.boots)) {
    if (ended.has(name) && name !== boot) settled += each.spent;
    else boots[name] = each;
  }
  const own = boots[boot] ?? { spent: 0, granted: 0 };
  const spent = own.spent + (isOfIt ? units : 0);
  const others = Object.entries(boots).filter(([name]) => name !== boot);
  const taken = others.reduce((sum, [, each]) => sum + Math.max(each.spent, each.granted), settled);
  const granted = Math.max(spent, Math.min(own.granted, spent + keeps));
  const free = Math.max(0, limit.units - taken - granted);
  const most = granted - spent + free;
  // What is refused is granted past an even share, else it never would be. If there is not enough, it lies better where it may become enough.
  const missing = wants !== undefined && wants <= most ? wants : 0;
  // Whoever used nothing, and gives back, wants nothing more.
  const isIdle = units === 0 && keeps !== Number.POSITIVE_INFINITY && missing === 0;
  const wanted = isIdle ? 0 : spent + Math.max(missing, leaseOf(limit, units, verifiers, most));
  boots[boot] = { spent, granted: granted + Math.min(free, Math.max(0, wanted - granted)) };
  return { kind: "quota", period, settled, boots };
}

/** What the authority lets through by its own decision: it knows what all have told, and leaves alone what verifiers were granted. */
export function spendLimit(
  use: LimitUse | undefined,
  limit: Limit,
  cost: number,
  now: number,
  standing?: readonly RateSize[],
): { use: LimitUse } | { waitMs: number } {
  if (limit.kind === "rate") {
    const unit = unitMs(limit);
    const { tat = now, others } = use?.kind === "rate" ? standingTat(use, limit, now, standing) : {};
    const next = spendRate(tat, now, cost, unit, limit.burst);
    return next === undefined
      ? { waitMs: rateWaitMs(tat, now, cost, unit, limit.burst) }
      : { use: rateUse(next, limit, others, largestOf(use, now, cost)) };
  }
  const current = periodOf(limit, now);
  const known = currentOf(use, current);
  const taken = Object.values(known.boots).reduce(
    (sum, { spent, granted }) => sum + Math.max(spent, granted),
    known.settled,
  );
  if (taken + cost > limit.units) return { waitMs: endOf(known, limit, current) - now };
  return { use: { ...known, settled: known.settled + cost } };
}

/** What is left by all that has been told. */
export function limitStateOf(
  use: LimitUse | undefined,
  limit: Limit,
  now: number,
  standing?: readonly RateSize[],
): LimitState {
  if (limit.kind === "rate") {
    const { tat = now } = use?.kind === "rate" ? standingTat(use, limit, now, standing) : {};
    const remaining = rateRemaining(tat, now, unitMs(limit), limit.burst);
    return { limit, remaining, resetMs: Math.max(0, tat - now) };
  }
  const current = periodOf(limit, now);
  const known = currentOf(use, current);
  const { used } = quotaTold(known, "");
  return { limit, remaining: Math.max(0, limit.units - used), resetMs: endOf(known, limit, current) - now };
}

/** From then on the row says no more than none would. Epoch milliseconds. */
export function limitUseEnds(use: LimitUse, limit: Limit): number {
  if (use.kind === "rate") return Math.max(use.tat, ...(use.others ?? []).map(({ tat }) => tat));
  return limit.kind === "quota" ? periodOf(limit, use.period).to : 0;
}

/**
 * The row where it is of this period, else a new one. One that began later is of it too: within it, where a day's quota became a month's or the
 * zone's midnight another; with the next one, where another process's clock runs ahead. Beyond that a clock was wrong.
 */
function currentOf(use: LimitUse | undefined, { from, to }: Period): QuotaUse {
  if (use?.kind === "quota" && use.period >= from && use.period <= to) return use;
  return { kind: "quota", period: from, settled: 0, boots: {} };
}

function endOf({ period }: QuotaUse, limit: QuotaLimit, { to }: Period): number {
  return period < to ? to : periodOf(limit, period).to;
}

const REPORTS_AHEAD = 8;
/** Of a quota, over all verifiers, that may lie with those that do not use it. */
const IDLE_SHARE = 0.1;
/** Units of a small quota that no verifier waits for an answer for, if there are as many for each. */
const SMALL = 100;

/** As much as some reports' worth, and not so much that the others starve. A verifier that is killed takes it along, for a while. */
function leaseOf({ units }: QuotaLimit, last: number, verifiers: number, free: number): number {
  const fair = Math.ceil(free / verifiers);
  return Math.min(fair, Math.max(REPORTS_AHEAD * last, creditOf(units, verifiers)));
}

/** What a verifier may use of a quota in a period before it has heard anything of it. */
export function creditOf(units: number, verifiers: number): number {
  return Math.max(1, Math.floor(Math.min(units / verifiers, Math.max((IDLE_SHARE * units) / verifiers, SMALL))));
}

/**
 * What a verifier keeps of what it was granted when it reports: enough for some more reports like this one, or a share of what is left of the
 * quota. With nobody else to use the rest, all of it.
 */
export function keptOf(left: number, last: number, verifiers: number): number {
  if (verifiers === 1) return Number.POSITIVE_INFINITY;
  return Math.max(REPORTS_AHEAD * last, Math.ceil((IDLE_SHARE * left) / verifiers));
}

export function quotaTold(use: QuotaUse, boot: string): QuotaTold {
  const own = use.boots[boot] ?? { spent: 0, granted: 0 };
  const used = Object.values(use.boots).reduce((sum, { spent }) => sum + spent, use.settled);
  return { period: use.period, used, own: own.spent, granted: own.granted };
}
