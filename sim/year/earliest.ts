/**
 * When an old version could have retired at the earliest, by the rule of docs/rotation.md and by what truly happened: every call of every program,
 * looked at afterwards. It shares no code with the product, which sees reports and tallies only.
 */
import { DAY } from "./rhythms.ts";

export interface Use {
  at: number;
  /** Network, client and instance, as one text. */
  source: string;
  version: number;
}

/** A time of which a lost verifier never told; or, where it told late, one before which nothing could be known of it. */
export interface Gap {
  from: number;
  to: number;
  told: boolean;
}

export interface Rule {
  overlapMinMs: number;
  quietMs: number;
  gapMargin: number;
  youngQuietMs: number;
}

export interface Question {
  /** Of the key, in order of time, up to the moment of retirement. */
  uses: readonly Use[];
  version: number;
  offeredAt: number;
  gaps: readonly Gap[];
  rule: Rule;
}

/**
 * `shortest`: silences are remembered for just as long as the rule promises, `longest`: for as long as it allows itself. Without another use, that is; infinite where
 * the successor was not used.
 */
export function earliestRetirement(question: Question, memory: "shortest" | "longest"): number {
  const { uses, version, offeredAt, gaps, rule } = question;
  const sources = new Map<string, SourceSoFar>();
  let successorAt = Number.POSITIVE_INFINITY;
  const quietAt = (now: number) => {
    // Each hole that begins before the moment makes silence count anew.
    const holes = gaps.filter(({ told }) => !told);
    const known = holes.filter((hole) => hole.from < now);
    for (let from = known.reduce((latest, { to }) => Math.max(latest, to), offeredAt); ; ) {
      let at = Math.max(from + rule.quietMs, offeredAt + rule.overlapMinMs, successorAt);
      for (const source of sources.values())
        if (source.lastOnOld !== undefined)
          at = Math.max(at, Math.max(source.lastOnOld, from) + neededMs(source, rule, memory));
      const until = holes.reduce((latest, hole) => (hole.from < at ? Math.max(latest, hole.to) : latest), from);
      if (until > from) from = until;
      else return gaps.reduce((later, gap) => (gap.from < later && later < gap.to ? gap.to : later), at);
    }
  };
  let earliest = Number.POSITIVE_INFINITY;
  for (const { at, source, version: used } of uses) {
    // The old version has been quiet since; whoever comes now is too late for the evidence.
    if (earliest <= at) return earliest;
    const known = sources.get(source) ?? { first: at, last: at, silences: [], lastOnOld: undefined };
    // No shorter one can ask for more than the rule's least.
    if (at - known.last > rule.quietMs / rule.gapMargin) known.silences.push({ ms: at - known.last, endedAt: at });
    known.last = at;
    if (used === version) known.lastOnOld = at;
    else if (at >= offeredAt) successorAt = Math.min(successorAt, at);
    sources.set(source, known);
    if (at >= offeredAt) earliest = Math.max(quietAt(at), at);
  }
  return earliest;
}

interface SourceSoFar {
  first: number;
  last: number;
  silences: { ms: number; endedAt: number }[];
  lastOnOld: number | undefined;
}

function neededMs({ first, last, silences }: SourceSoFar, rule: Rule, memory: "shortest" | "longest"): number {
  const watched = last - first;
  const least = watched < rule.youngQuietMs ? Math.max(rule.quietMs, rule.youngQuietMs) : rule.quietMs;
  // Kept in whole slices of 20 days, and by lengths up to the next doubling.
  const kept = (ms: number) =>
    memory === "shortest" ? Math.max(100 * DAY, 5 * ms) : Math.max(100 * DAY, 10 * ms) + 20 * DAY;
  const couldComeAgain = (ms: number) => watched >= Math.max(100 * DAY, 5 * ms);
  const all = silences.map(({ ms }) => ms);
  const [longest = 0, second = 0] = silences
    .filter(({ ms, endedAt }) => last - endedAt <= kept(ms))
    .map(({ ms }) => ms)
    .sort((a, b) => b - a);
  const once = [all.reduce((most, ms) => Math.max(most, ms), 0), longest].find(
    (ms) => ms > second && !couldComeAgain(ms),
  );
  return Math.max(least, (once ?? second) * rule.gapMargin);
}
