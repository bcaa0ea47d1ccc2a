/**
 * The silences of a source, and which of them are usual.
 *
 * A source's silences are kept as tallies: how many there were of about one length (a *rung*: lengths between two doublings) in one
 * stretch of time (a *slice*), with the two longest of them. So what is kept is bounded, whoever calls how often, and yet the
 * second longest silence of any time is exact:
 *
 *     slice        481         482         483         484         485
 *     30 s … 60 s   ·           ·          212         2003        1187
 *       …
 *     1 d … 2 d    14 (25.0 h, 24.2 h)     13          14          9
 *     2 d … 4 d     ·           ·           1 (61 h: an outage)     ·
 *
 * *Usual* is a silence that has happened at least twice within its memory: the last 100 days, or five times its own length if that
 * is longer. One that has happened once counts too while the source is not watched for as long as that memory: it could not have
 * come back. So a monthly job is covered from its second run on, and one outage is forgotten once 100 days lie behind it. Slices are
 * whole, so up to 20 days more are remembered.
 *
 * The statistics: of n silences that might as well have come in any other order, the next one is longer than the k-th longest with
 * a chance of k / (n + 1), whatever their distribution. That is before the policy's margin.
 */
import type { SourceUse } from "./evidence.ts";

/** Silences of one length, of one stretch of time. */
export interface GapTally {
  /** Of `GAP_SLICE_MS` each, since the epoch: when they ended. */
  slice: number;
  /** Which length: at least `GAP_RUNGS[rung]`. */
  rung: number;
  count: number;
  longestMs: number;
  /** The second longest; 0 if there was but one. */
  secondMs: number;
}

const DAY_MS = 86_400_000;

/** Shorter silences are not told apart. */
export const GAP_FLOOR_MS = 30_000;
/** The shortest length of each rung. The last one goes beyond a year. */
export const GAP_RUNGS: readonly number[] = Array.from({ length: 21 }, (_, rung) => GAP_FLOOR_MS * 2 ** rung);
export const GAP_SLICE_MS = 20 * DAY_MS;

/** Every silence is remembered for at least this long, and for at least so many times its own length. */
const MEMORY_MS = 100 * DAY_MS;
const MEMORY_LENGTHS = 5;

const SLICES_KEPT = GAP_RUNGS.map((shortest) =>
  Math.ceil(Math.max(MEMORY_MS, 2 * shortest * MEMORY_LENGTHS) / GAP_SLICE_MS),
);

/** For how many slices before that of the last sighting a rung's silences are remembered. */
export function slicesKept(rung: number): number {
  return SLICES_KEPT[rung] as number;
}

export function gapSlice(at: number): number {
  return Math.floor(at / GAP_SLICE_MS);
}

export function gapRung(lengthMs: number): number {
  return GAP_RUNGS.findLastIndex((shortest) => lengthMs >= shortest);
}

/** The tallies with one silence more. One below the floor changes nothing. */
export function tallyGap(tallies: readonly GapTally[], lengthMs: number, endedAt: number): readonly GapTally[] {
  if (lengthMs < GAP_FLOOR_MS) return tallies;
  const [slice, rung] = [gapSlice(endedAt), gapRung(lengthMs)];
  const at = tallies.findIndex((tally) => tally.slice === slice && tally.rung === rung);
  const before = tallies[at];
  if (before === undefined) return [...tallies, { slice, rung, count: 1, longestMs: lengthMs, secondMs: 0 }];
  const { count, longestMs, secondMs } = before;
  return tallies.with(at, {
    slice,
    rung,
    count: count + 1,
    longestMs: Math.max(longestMs, lengthMs),
    secondMs: Math.max(secondMs, Math.min(longestMs, lengthMs)),
  });
}

/** What is still remembered of a source that was last seen then. Its own silence now makes it forget nothing. */
export function rememberedGaps(tallies: readonly GapTally[], lastSeen: number): GapTally[] {
  const last = gapSlice(lastSeen);
  return tallies.filter(({ slice, rung }) => slice + slicesKept(rung) >= last);
}

export interface UsualGap {
  lengthMs: number;
  /** 1: the longest silence, because it could not have come back yet. 2: the second longest, because the longest came but once. */
  rank: 1 | 2;
  /** Remembered silences; of a source that was never silent for 30 s, the number of its uses but one. */
  of: number;
}

export function usualGap(use: SourceUse): UsualGap {
  const remembered = rememberedGaps(use.gaps, use.lastSeen);
  const { longest, second } = twoLongest(remembered);
  const of = remembered.reduce((sum, { count }) => sum + count, 0) || Math.max(0, useCount(use) - 1);
  const watchedMs = use.lastSeen - use.gapsSince;
  const couldRecur = (lengthMs: number) => watchedMs >= Math.max(MEMORY_MS, lengthMs * MEMORY_LENGTHS);
  // The longest of all may be from before silences were tallied.
  const once = [use.longestGapMs, longest].find((lengthMs) => lengthMs > second && !couldRecur(lengthMs));
  if (once !== undefined) return { lengthMs: once, rank: 1, of };
  // What is below the floor is not tallied, and may have happened often.
  return { lengthMs: Math.max(second, Math.min(use.longestGapMs, GAP_FLOOR_MS)), rank: 2, of };
}

function twoLongest(tallies: readonly GapTally[]): { longest: number; second: number } {
  let [longest, second] = [0, 0];
  for (const { longestMs, secondMs } of tallies) {
    second = Math.max(second, Math.min(longest, longestMs), secondMs);
    longest = Math.max(longest, longestMs);
  }
  return { longest, second };
}

export function useCount({ versions }: SourceUse): number {
  return Object.values(versions).reduce((sum, { accepted, refused }) => sum + accepted + refused, 0);
}

export function firstSeen({ versions }: SourceUse): number {
  return Math.min(...Object.values(versions).map(({ first }) => first));
}
