/**
 * What the authority keeps of a rate: for one subject and name, how far `tat` is ahead (limit-state.ts), by the size of the rate that it was
 * used under.
 *
 *     reports, each of a size ──▶ tat of the size that stands      ──the plan changes──▶ owed under the former size is folded into it
 *                             └─▶ others: sizes that other plans give the same consumer
 *
 * A size is a unit and a burst. Of a key there is one at a time. Keys of one consumer may have plans whose limits have one name and
 * different sizes: each size is a bucket of its own. Otherwise a use of the small one would fill the large one, or the other way round.
 */
import type { LimitUse } from "./limit-state.ts";
import type { Limit, RateLimit } from "./limits.ts";

/** What makes a rate another than one of the same name. */
export interface RateSize {
  /** What one unit takes: milliseconds. */
  unitMs: number;
  /** Units at once. */
  burst: number;
}

interface SizedTat extends RateSize {
  /** Epoch milliseconds. */
  tat: number;
}

export interface RateUse {
  kind: "rate";
  /** Epoch milliseconds. */
  tat: number;
  /** What a unit took when it was charged last, and the burst. */
  unit?: number | undefined;
  burst?: number | undefined;
  /** Of a consumer: of other sizes. */
  others?: SizedTat[] | undefined;
  /** The largest cost of one request of what is owed, where that is more than the burst. */
  largest?: number | undefined;
}

/** What one unit takes. */
export function unitMs({ units, windowMs }: Pick<RateLimit, "units" | "windowMs">): number {
  return windowMs / units;
}

export function sizeOf(limit: Pick<RateLimit, "units" | "windowMs" | "burst">): RateSize {
  return { unitMs: unitMs(limit), burst: limit.burst };
}

export function isSameSize(a: RateSize, b: RateSize): boolean {
  return a.unitMs === b.unitMs && a.burst === b.burst;
}

/**
 * `tat` when a limit has become another: what is owed is as many units as before, at most a whole burst of them, and takes no longer
 * than it would have. Otherwise who had used up a thousand a day would wait for a day under a plan of a hundred a second.
 */
export function resizedTat(tat: number, now: number, unitBefore: number, unit: number, burst: number): number {
  const owed = tat - now;
  return owed <= 0 ? tat : now + Math.min(owed, Math.min(owed / unitBefore, burst) * unit);
}

/**
 * What stands under the limit as it is now. What is owed under sizes that no plan has any more is added. `standing`: the sizes that
 * other plans give the subject under this name; without it there is no other.
 */
export function standingTat(
  use: RateUse,
  limit: RateLimit,
  now: number,
  standing: readonly RateSize[] = [],
): Pick<RateUse, "others"> & { tat: number | undefined } {
  const size = sizeOf(limit);
  // Written before sizes were: by the unit alone, or by nothing.
  const first: SizedTat = { tat: use.tat, unitMs: use.unit ?? size.unitMs, burst: use.burst ?? size.burst };
  let tat: number | undefined;
  const others: SizedTat[] = [];
  const former: SizedTat[] = [];
  for (const each of [first, ...(use.others ?? [])]) {
    if (isSameSize(each, size)) tat = Math.max(tat ?? each.tat, each.tat);
    else if (!standing.some((other) => isSameSize(each, other))) former.push(each);
    else if (each.tat > now) others.push(each);
  }
  for (const each of former) {
    const owed = resizedTat(each.tat, now, each.unitMs, size.unitMs, size.burst) - now;
    if (tat === undefined) tat = now + owed;
    else if (owed > 0) tat = Math.max(tat, now) + owed;
  }
  return others.length === 0 ? { tat } : { tat, others };
}

/** The row of a limit that may have become another: to be kept, so that what is still owed gets less with time. */
export function resizedUse(
  use: LimitUse | undefined,
  limit: Limit,
  now: number,
  standing?: readonly RateSize[],
): LimitUse | undefined {
  if (limit.kind !== "rate" || use?.kind !== "rate") return use;
  const { tat, others } = standingTat(use, limit, now, standing);
  return tat === undefined ? use : rateUse(tat, limit, others, largestOf(use, now));
}

/** The largest cost of one request of what is owed by then, and of one more. */
export function largestOf(use: LimitUse | undefined, at: number, cost = 0): number {
  const isOwed = use?.kind === "rate" && [use, ...(use.others ?? [])].some(({ tat }) => tat > at);
  return isOwed ? Math.max(cost, use.largest ?? 0) : cost;
}

/** For units of which it is known what they were used under. */
export interface UsedUnder {
  /** What it was used under. Absent: the limit as it is now. */
  size?: RateSize | undefined;
  /** As in `standingTat`. */
  standing?: readonly RateSize[] | undefined;
  /** As `largestOf` says, these units included. */
  largest?: number | undefined;
  now: number;
}

/**
 * Units that were used between `from` (`Spent.since`, else the report's) and now. They count from the beginning of that time: a use in it
 * may have been at any moment, and a steady one must not look like one at once. `most`: now and `debtMax`. What stood beyond it, because the
 * limit was another or the clock was set back, is forgiven too.
 *
 * Units that were used under another size are charged at that, and what is then owed of them is resized.
 */
export function settleRate(
  use: LimitUse | undefined,
  limit: RateLimit,
  units: number,
  from: number,
  most: number = Number.POSITIVE_INFINITY,
  { size, standing, largest, now }: UsedUnder = { now: from },
): RateUse {
  const known = use?.kind === "rate" ? use : undefined;
  if (size !== undefined && !isSameSize(size, sizeOf(limit))) {
    const { tat, others } = standingTat(usedAs(known, size, units, from), limit, now, standing);
    return rateUse(Math.min(most, tat ?? now), limit, others, largest);
  }
  const { tat, others } = known === undefined ? {} : standingTat(known, limit, from, standing);
  return rateUse(Math.min(most, Math.max(tat ?? from, from) + units * unitMs(limit)), limit, others, largest);
}

/** The row with units charged under a size that is not the limit's. */
function usedAs(use: RateUse | undefined, size: RateSize, units: number, from: number): RateUse {
  const charged = (tat: number) => Math.max(tat, from) + units * size.unitMs;
  if (use === undefined) return { kind: "rate", tat: charged(from), unit: size.unitMs, burst: size.burst };
  const { tat, unit, burst, others = [] } = use;
  if (unit === size.unitMs && (burst === undefined || burst === size.burst))
    return { ...use, tat: charged(tat), burst: size.burst };
  const held = others.find((each) => isSameSize(each, size));
  return {
    ...use,
    others: [...others.filter((each) => each !== held), { ...size, tat: charged(held?.tat ?? from) }],
  };
}

/** A row as it is kept. */
export function rateUse(tat: number, limit: RateLimit, others: RateUse["others"], largest = 0): RateUse {
  const use: RateUse = { kind: "rate", tat, unit: unitMs(limit), burst: limit.burst };
  if (others !== undefined) use.others = others;
  if (largest > limit.burst) use.largest = largest;
  return use;
}

/**
 * How far ahead of now `tat` may be: what verifiers that all get answers can owe at most. Each may let one request through that costs more than
 * the burst. Milliseconds.
 */
export function debtMax(limit: RateLimit, verifiers: number, reportEveryMs: number, largest = 0): number {
  return verifiers * (Math.max(limit.burst, largest) * unitMs(limit) + 2 * reportEveryMs);
}
