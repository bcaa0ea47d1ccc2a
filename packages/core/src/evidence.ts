/**
 * Evidence: what the reports of all verifiers add up to, and when it allows us to say that an old version is quiet.
 *
 * Silence is a claim about all verifiers at once, so it is only as good as the reports are whole. Each boot of a
 * verifier covers time in consecutive intervals. The *watermark* is the time up to which every verifier that could have
 * answered a request has reported. A verifier that vanished leaves a *hole*: from its last report to the moment after
 * which it can't have answered. What happened in a hole is unknown, never quiet: the quiet clock starts again at
 * its end (R07, I3).
 *
 *      boot A   ├──────────────────────────────┤ covered to 10:05:02
 *      boot B   ├────────────────┤░░░░hole░░░░░┤ lost; may have answered until 10:04:30
 *                                               ▲ watermark 10:05:02, quiet counts from 10:04:30 at the earliest
 *
 * All times are epoch milliseconds of the authority's clock; verifiers translate theirs (I12).
 */
import { firstSeen, type GapTally, rememberedGaps, tallyGap, type UsualGap, usualGap } from "./gaps.ts";

/** Where a use came from. Networks are truncated to /24 and /48, client software to its product token. */
export interface Source {
  network: string;
  client: string;
  /** What the client calls itself, if it does: one of several instances behind one address. */
  instance: string;
}

/** What one verifier saw of one version from one source in one interval. */
export interface Sighting {
  key: string;
  version: number;
  source: Source;
  first: number;
  last: number;
  accepted: number;
  refused: number;
  /** Of `accepted`: so many were refused for a limit of the key's plan. They show that the version is in use. */
  limited?: number | undefined;
  /** The longest silence between two sightings inside the interval. */
  longestGapMs: number;
}

/** The use of one key from one source, across its versions and for all time. */
export interface SourceUse {
  source: Source;
  /** By version number. */
  versions: Record<number, VersionUse>;
  lastSeen: number;
  /** The longest silence ever between two uses of the key by this source. */
  longestGapMs: number;
  /** Its silences of the last months, tallied (gaps.ts). */
  gaps: readonly GapTally[];
  /** Since when its silences are tallied: since it was first seen, unless an older program wrote of it later. */
  gapsSince: number;
}

export interface VersionUse {
  first: number;
  last: number;
  accepted: number;
  refused: number;
  /** Refused since it was last accepted: how many, and the first of them (refusals.ts). */
  refusedRun: { count: number; since: number };
}

export function sourceId(source: Source): string {
  return `${source.network}|${source.client}|${source.instance}`;
}

/**
 * Adds a sighting. Late and reordered ones are welcome: sums add up, `first` and `last` only widen. No silence is taken for shorter than it
 * would be in order of time; one that was counted already, and that a late sighting fills, stays too long.
 */
export function foldSighting(use: SourceUse | undefined, sighting: Sighting): SourceUse {
  const { version, first, last } = sighting;
  if (use === undefined) {
    return {
      source: sighting.source,
      versions: { [version]: mergeUse(undefined, sighting) },
      lastSeen: last,
      longestGapMs: sighting.longestGapMs,
      gaps: tallyGap([], sighting.longestGapMs, last),
      gapsSince: first,
    };
  }
  const [after, before] = [first - use.lastSeen, firstSeen(use) - last];
  // It came after all the others, or before them: never both.
  const between = tallyGap(use.gaps, Math.max(after, before), after >= before ? first : firstSeen(use));
  const lastSeen = Math.max(use.lastSeen, last);
  return {
    source: use.source,
    versions: { ...use.versions, [version]: mergeUse(use.versions[version], sighting) },
    lastSeen,
    longestGapMs: Math.max(use.longestGapMs, sighting.longestGapMs, after, before),
    gaps: rememberedGaps(tallyGap(between, sighting.longestGapMs, last), lastSeen),
    gapsSince: use.gapsSince,
  };
}

function mergeUse(use: VersionUse | undefined, sighting: Sighting): VersionUse {
  const { first, last, accepted, refused } = sighting;
  if (use === undefined) return { first, last, accepted, refused, refusedRun: { count: refused, since: first } };
  return {
    first: Math.min(use.first, first),
    last: Math.max(use.last, last),
    accepted: use.accepted + accepted,
    refused: use.refused + refused,
    refusedRun: mergeRun(use, sighting),
  };
}

/** Reports of several verifiers come in any order: a late one says nothing of what came after it. */
function mergeRun({ last: known, refusedRun: run }: VersionUse, { first, last, accepted, refused }: Sighting) {
  // What a sighting refused that accepted too may have come after.
  if (accepted > 0 && last >= known) return { count: refused, since: first };
  if (accepted > 0) return { ...run, since: Math.max(run.since, refused === 0 ? last : first) };
  if (run.count > 0) return { ...run, count: run.count + refused };
  return last <= known ? run : { count: refused, since: Math.max(first, known) };
}

/** How far one boot of one verifier has reported, and until when it may have answered. */
export interface Coverage {
  boot: string;
  instance: string;
  coveredTo: number;
  /** Past this it can't have answered: its lease, and the static time after it, are over. */
  answersUntil: number;
  /** It said goodbye, and its last report covers everything. */
  closed: boolean;
  /** Its successor said that it is gone, at this time: a new process on the same data folder. */
  replacedAt: number | null;
  /** An operator said that it is gone. */
  removedAt: number | null;
}

export interface Hole {
  boot: string;
  instance: string;
  from: number;
  to: number;
}

export interface Watermark {
  at: number;
  /** The verifiers that hold it back furthest. */
  waitingFor: { boot: string; instance: string; coveredTo: number }[];
  holes: Hole[];
}

/** True while this boot may still answer a request. */
export function mayAnswer(coverage: Coverage, now: number): boolean {
  return !coverage.closed && coverage.replacedAt === null && coverage.removedAt === null && now < coverage.answersUntil;
}

export function watermark(coverages: readonly Coverage[], now: number): Watermark {
  let at = now;
  const holes: Hole[] = [];
  for (const coverage of coverages) {
    if (coverage.closed) continue;
    if (mayAnswer(coverage, now)) {
      at = Math.min(at, coverage.coveredTo);
      continue;
    }
    const { boot, instance, coveredTo } = coverage;
    const to = Math.min(coverage.answersUntil, coverage.replacedAt ?? Infinity, coverage.removedAt ?? Infinity);
    if (to > coveredTo) holes.push({ boot, instance, from: coveredTo, to });
  }
  const waitingFor = coverages
    .filter((coverage) => mayAnswer(coverage, now) && coverage.coveredTo <= at)
    .map(({ boot, instance, coveredTo }) => ({ boot, instance, coveredTo }));
  return { at, waitingFor, holes };
}

export interface QuietSource {
  source: Source;
  lastSeen: number;
  longestGapMs: number;
  /** The silence that is usual for it (gaps.ts). */
  usual: UsualGap;
  /** How long it has been known, up to its last use. */
  historyMs: number;
  /** It has not been known for as long as it has to be silent: a longer rhythm could not have shown. */
  young: boolean;
  /** It was refused last, by a brownout or fence of the rotation itself, and has not moved: it may have given up. */
  turnedAway: boolean;
  /** It must be silent for this long. */
  neededMs: number;
  /** When this source alone will have been silent for long enough. */
  quietAt: number;
  quiet: boolean;
  /** This source has been seen on the other version since. */
  moved: boolean;
}

export interface QuietVerdict {
  quiet: boolean;
  /** The version in question. */
  version: number;
  /** Evidence is whole up to here. */
  watermark: number;
  /** Silence counts from here at the earliest: the end of the last hole, a restoration, the beginning of the overlap. */
  countsFrom: number;
  /** If nobody is seen any more, the version will be quiet once the watermark reaches this. */
  quietAt: number;
  sources: QuietSource[];
}

const TURNED_AWAY_MARGIN = 2;

export interface QuietRule {
  quietMs: number;
  gapMargin: number;
  /** A source that has been known for less than this must be silent for this long. */
  youngQuietMs: number;
}

/**
 * Is `version` quiet? Each source on its own: it must have been silent, up to the watermark, for the policy's minimum and for
 * its own usual gap times the margin. A refused use counts as a use: somebody still holds this version.
 *
 * `countsFrom` is the earliest time from which silence may count. `refusesSince`: since when the rotation itself has refused some uses of the
 * version (sub-states.ts). Whoever fell silent upon that may have been stopped by it, and is waited for twice as long.
 */
export function judgeQuiet(
  version: number,
  uses: readonly SourceUse[],
  mark: Watermark,
  countsFrom: number,
  rule: QuietRule,
  refusesSince: number | null = null,
): QuietVerdict {
  const from = mark.holes.reduce((latest, hole) => Math.max(latest, hole.to), countsFrom);
  const sources: QuietSource[] = [];
  let quietAt = from + rule.quietMs;
  for (const use of uses) {
    const seen = use.versions[version];
    if (seen === undefined) continue;
    const usual = usualGap(use);
    const historyMs = use.lastSeen - firstSeen(use);
    const atLeastMs = historyMs < rule.youngQuietMs ? Math.max(rule.quietMs, rule.youngQuietMs) : rule.quietMs;
    const moved = use.lastSeen > seen.last;
    const turnedAway = refusesSince !== null && !moved && seen.refusedRun.count > 0 && seen.last >= refusesSince;
    const patience = turnedAway ? TURNED_AWAY_MARGIN : 1;
    const neededMs = patience * Math.max(atLeastMs, usual.lengthMs * rule.gapMargin);
    const sourceQuietAt = Math.max(seen.last, from) + neededMs;
    quietAt = Math.max(quietAt, sourceQuietAt);
    sources.push({
      source: use.source,
      lastSeen: seen.last,
      longestGapMs: use.longestGapMs,
      usual,
      historyMs,
      young: historyMs < neededMs,
      turnedAway,
      neededMs,
      quietAt: sourceQuietAt,
      quiet: mark.at >= sourceQuietAt,
      moved,
    });
  }
  sources.sort((a, b) => b.quietAt - a.quietAt);
  return { quiet: mark.at >= quietAt, version, watermark: mark.at, countsFrom: from, quietAt, sources };
}
