/**
 * The chance that retiring a version now would refuse a genuine request: that somebody who used it comes back with it.
 *
 * Of a source that has been silent for s there are three stories, and each has a rate at which it begins:
 *
 *     a silence as it has had before          λ(s): how often its silences were longer than s, per day of its history
 *       ├─ and it comes back with the old     × the chance that it has not changed over meanwhile
 *       └─ and it comes back with the new
 *     it is gone, or has another name now     per day of its activity: a little always, more since the successor is there
 *
 * The chance is the first story's part of all three. λ is counted from the tallied silences, plus a part of one that was not seen yet,
 * the smaller the longer it would have been. How fast this consumer changes over is counted too: from its sources that have, and how
 * long the others have not. A source that has been seen on the successor since is done, unless several programs share its name.
 *
 * The rates of what can't be counted are below; sim/calibration.ts holds the outcome against the truth of a made-up population. A caller that was
 * never seen before is in no forecast.
 */
import type { Source, SourceUse, Watermark } from "./evidence.ts";
import {
  firstSeen,
  GAP_FLOOR_MS,
  GAP_RUNGS,
  GAP_SLICE_MS,
  type GapTally,
  gapSlice,
  slicesKept,
  useCount,
} from "./gaps.ts";

const DAY_MS = 86_400_000;

/** Of any source at any time, per day: decommissioned, or given another name. */
const VANISHES_PER_DAY = 1 / 200;
/** Of those that change over, so many get another name by it: a new host, a new release of the client. */
const RENAMED_SHARE = 0.25;
/** Before this consumer has shown how fast it changes over: one source in two days. */
const MOVES_PRIOR = { sources: 1, days: 2 };
/** So many never change over. One that has not for long is likely one of them. */
const NEVER_SHARE = 0.05;
/** Of sources that were seen on the successor and never again on the old version: some name another program that has not moved. */
const SHARED_SHARE = 0.1;
/** Of a kind of silence that was never seen, so many are to be expected in the time that it was looked for; fewer, the longer than any seen, or than an hour. */
const UNSEEN = { count: 0.3, fromMs: 3_600_000, shownIn: 5 };

/** Nothing is certain that rests on silence. */
const CHANCE_MIN = 5e-4;

export interface ForecastQuestion {
  version: number;
  successor: number;
  /** Since then the successor could be had. */
  offeredAt: number;
}

export interface SourceForecast {
  source: Source;
  chance: number;
  silentMs: number;
  /** How many of its remembered silences were longer; estimated within a rung. */
  longerGaps: number;
  /** Remembered silences, and the time that they are of. */
  gaps: number;
  historyMs: number;
  /** Seen on the successor since. */
  moved: boolean;
  /** Seen on the old version after it was seen on the successor: several programs have this name. */
  shared: boolean;
}

export interface Forecast {
  chance: number;
  /** The likeliest first. */
  sources: SourceForecast[];
  /** Of the sources of the old version so many have been seen on the successor; and how many change over per day by that. */
  moved: number;
  movesPerDay: number;
}

export function forecastRefusal(question: ForecastQuestion, uses: readonly SourceUse[], mark: Watermark): Forecast {
  const users = uses.filter(({ versions }) => versions[question.version] !== undefined);
  const movesPerDay = paceOf(question, users);
  const sources = users.map((use) => forecastSource(question, use, mark, movesPerDay));
  const harmless = sources.reduce((product, { chance }) => product * (1 - chance), 1);
  return {
    chance: bounded(1 - harmless),
    sources: sources.sort((a, b) => b.chance - a.chance),
    moved: sources.filter(({ moved }) => moved).length,
    movesPerDay,
  };
}

/** How many of its sources a day this consumer changes over. One that is silent is known to have waited until it was last seen. */
function paceOf({ version, successor, offeredAt }: ForecastQuestion, users: readonly SourceUse[]): number {
  let { sources, days } = MOVES_PRIOR;
  for (const { versions } of users) {
    const movedAt = versions[successor]?.first;
    if (movedAt !== undefined) sources++;
    days += Math.max(0, (movedAt ?? versions[version]?.last ?? 0) - offeredAt) / DAY_MS;
  }
  return sources / days;
}

function forecastSource(
  { version, successor, offeredAt }: ForecastQuestion,
  use: SourceUse,
  mark: Watermark,
  movesPerDay: number,
): SourceForecast {
  const old = use.versions[version] as SourceUse["versions"][number];
  const onSuccessor = use.versions[successor];
  const shared = onSuccessor !== undefined && old.last > onSuccessor.first;
  const moved = onSuccessor !== undefined && onSuccessor.last > old.last;
  // What happened in a hole is unknown.
  const from = mark.holes.reduce((latest, hole) => Math.max(latest, hole.to), old.last);
  const silentMs = Math.max(0, mark.at - from);
  const changes = changesAfter(movesPerDay, Math.max(0, from - offeredAt));
  /** That it comes back with the old version, if after a silence of this length. */
  const onOldAfter = (ms: number) => 1 - changes(Math.max(0, Math.min(ms, from + ms - offeredAt)));

  // What is behind its name beside what has changed over has a rhythm of its own, which nobody knows.
  const known = onSuccessor === undefined;
  const pauses = known ? pausesOf(use) : [];
  const watchedMs = known ? use.lastSeen - use.gapsSince : Math.max(0, old.last - onSuccessor.first);
  const unseen = { count: 0, ms: 2 * silentMs, perDay: unseenPerDay(silentMs, pauses, watchedMs) };
  // In one go: an answer may be about hundreds of sources with hundreds of pauses each.
  let [comesBack, comesBackOnOld] = [unseen.perDay, unseen.perDay * onOldAfter(unseen.ms)];
  let [vanished, renamed, longerGaps] = [0, 0, 0];
  for (const { ms, count, perDay } of pauses) {
    const onOld = perDay * onOldAfter(ms);
    vanished += (VANISHES_PER_DAY * perDay * Math.min(ms, silentMs)) / DAY_MS;
    if (ms > silentMs) {
      comesBack += perDay;
      comesBackOnOld += onOld;
      longerGaps += count;
    } else renamed += RENAMED_SHARE * (perDay - onOld);
  }
  const alone = comesBackOnOld / (comesBack + vanished + renamed);
  const chance = moved ? (shared ? 1 : SHARED_SHARE) * alone : alone;
  return {
    source: use.source,
    chance: bounded(chance),
    silentMs,
    longerGaps: Math.round(longerGaps),
    gaps: Math.round((known ? pauses : pausesOf(use)).reduce((all, { count }) => all + count, 0)),
    historyMs: use.lastSeen - firstSeen(use),
    moved,
    shared,
  };
}

/** The chance that a source which had not changed over so long after the offer has done it after as long again as is asked. */
function changesAfter(movesPerDay: number, sinceOfferMs: number): (ms: number) => number {
  const stillIn = (ms: number) => (1 - NEVER_SHARE) * Math.exp((-movesPerDay * ms) / DAY_MS);
  const before = NEVER_SHARE + stillIn(sinceOfferMs);
  return (ms) => 1 - (NEVER_SHARE + stillIn(sinceOfferMs + ms)) / before;
}

/** Silences of one length: how many, and how many a day in the time of which they are remembered. */
interface Pause {
  ms: number;
  count: number;
  perDay: number;
}

function pausesOf(use: SourceUse): Pause[] {
  const { gaps, lastSeen, gapsSince } = use;
  const watchedMs = lastSeen - gapsSince;
  const pauses: Pause[] = [];
  let [silentPart, tallied] = [0, 0];
  for (const tally of gaps) {
    const memoryMs = lastSeen - (gapSlice(lastSeen) - slicesKept(tally.rung)) * GAP_SLICE_MS;
    const days = Math.max(GAP_FLOOR_MS, Math.min(watchedMs, memoryMs)) / DAY_MS;
    for (const { ms, count } of lengthsOf(tally)) {
      pauses.push({ ms, count, perDay: count / days });
      silentPart += ((count / days) * ms) / DAY_MS;
      tallied += count;
    }
  }
  // The others are not tallied: what time is left is theirs.
  const count = useCount(use) - 1 - tallied;
  if (count <= 0 || silentPart >= 1) return pauses;
  const days = Math.max(GAP_FLOOR_MS, lastSeen - firstSeen(use)) / DAY_MS;
  const ms = Math.min(GAP_FLOOR_MS, ((1 - silentPart) * days * DAY_MS) / count);
  return [...pauses, { ms, count, perDay: count / days }];
}

/** The two longest are known; the rest are taken to lie evenly between the rung's shortest and the second, by their logarithm. */
function lengthsOf({ rung, count, longestMs, secondMs }: GapTally): { ms: number; count: number }[] {
  const shortest = GAP_RUNGS[rung] as number;
  if (count === 1) return [{ ms: longestMs, count: 1 }];
  const known = [
    { ms: longestMs, count: 1 },
    { ms: secondMs, count: 1 },
  ];
  if (count === 2) return known;
  const sixth = (secondMs / shortest) ** (1 / 6);
  for (const part of [sixth, sixth ** 3, sixth ** 5]) known.push({ ms: shortest * part, count: (count - 2) / 3 });
  return known;
}

/** The longer, the fewer; but of what is too long for its history to have shown the history says nothing. */
function unseenPerDay(silentMs: number, pauses: readonly Pause[], watchedMs: number): number {
  const longest = pauses.reduce((most, { ms }) => Math.max(most, ms), UNSEEN.fromMs);
  const couldShow = Math.max(longest, watchedMs / UNSEEN.shownIn);
  const part = Math.min(1, longest / Math.min(Math.max(1, silentMs), couldShow));
  return (UNSEEN.count * part) / (Math.max(GAP_FLOOR_MS, watchedMs + silentMs) / DAY_MS);
}

function bounded(chance: number): number {
  return Math.min(1, Math.max(CHANCE_MIN, chance));
}
