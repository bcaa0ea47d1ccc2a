/**
 * I3's heart: was the version quiet, by what verifiers had truly reported? Recomputed from the committed rows of boots and from every
 * request that was ever decided on, without core's evidence.ts.
 */
import type { Rotation } from "@keyover/core";
import { UNKNOWN_INSTANCE } from "../packages/server/src/restore/mark.ts";
import { type KeyPast, type Model, type RotationPast, sinceOf, type Use } from "./model.ts";

export interface Mark {
  /** Every verifier that may answer has reported up to here. */
  at: number;
  /** When the last unknown time of a lost verifier ends. */
  holeEnd: number;
  holes: { verifier: string; from: number; to: number }[];
}

/** An authority may go by a watermark that it read this long ago (fleet.ts): then by what was known then. */
const VIEW_AGE_MS = 250;

/** Why the version was not quiet, or undefined. `slackMs`: how long before now the decision may have been made. */
export function quietProblem(
  model: Model,
  past: KeyPast,
  { rotation, rolledBackAt, offeredAt }: RotationPast,
  version: number,
  slackMs: number,
): string | undefined {
  const since =
    version === rotation.from ? sinceOf(offeredAt, rotation.offeredAt) : sinceOf(rolledBackAt, rotation.rolledBackAt);
  // A suspension that came while this was decided says nothing of the silence before it.
  const changedAt = past.key.status === "active" ? past.statusChangedAt : 0;
  const begin = Math.max(since, changedAt) - slackMs;
  if (past.key.status !== "active" && past.statusChangedAt < model.time.at - slackMs)
    return `the key is ${past.key.status}`;
  let problem: string | undefined;
  for (const mark of marks(model, past.apiId, model.time.at - slackMs - VIEW_AGE_MS)) {
    const found = problemAt(model, mark, past, version, begin, rotation);
    if (found === undefined) return undefined;
    problem ??= found;
  }
  return problem;
}

function problemAt(
  model: Model,
  mark: Mark,
  past: KeyPast,
  version: number,
  begin: number,
  { policy: { quietMs, gapMargin, youngQuietMs }, fromCompromised }: Rotation,
): string | undefined {
  const silent = (from: number) => mark.at + 2 * model.clockErrorMs - from;
  if (silent(begin) < quietMs)
    return `only ${ms(silent(begin))} were reported since the overlap began, or the key's status changed`;
  if (silent(mark.holeEnd) < quietMs)
    return `a hole in the evidence ended ${ms(silent(mark.holeEnd))} before the watermark`;
  const bySource = new Map<string, Use[]>();
  for (const use of past.uses) {
    if (use.at > mark.at) continue;
    const uses = bySource.get(use.source);
    if (uses === undefined) bySource.set(use.source, [use]);
    else uses.push(use);
  }
  for (const [source, uses] of bySource) {
    const last = uses.findLast((use) => use.version === version && !isLost(mark, use));
    if (last === undefined) continue;
    const gap = usualGap(mark, uses);
    const silence = silent(Math.max(last.at, begin));
    const known = knownFor(past.uses.filter((use) => use.source === source));
    if (silence < youngQuietMs && known < youngQuietMs - 1_000)
      return `${source} was silent for ${ms(silence)}, and is known for only ${ms(known)}`;
    const patience = !fromCompromised && isTurnedAway(past.uses, last) ? 2 : 1;
    const why = patience === 1 ? "" : ", and was refused last";
    if (silence < patience * quietMs) return `${source} used it ${ms(silent(last.at))} before the watermark${why}`;
    // Verifiers know times to within an exchange with the authority, which may have stood still in its midst.
    if (silence < patience * (gap * gapMargin - 1_500 * gapMargin))
      return `${source} was silent for ${ms(silence)}; ${ms(gap)} are usual for it${why}`;
  }
  return undefined;
}

/** In one report refusals and other uses may lie beside each other. */
const ONE_REPORT_MS = 3_000;

/** A brownout or a fence refused it last, and it was not seen since, on any version: it may have given up. */
function isTurnedAway(uses: readonly Use[], last: Use): boolean {
  const own = uses.filter(({ source }) => source === last.source);
  const near = own.filter(({ at }) => at > last.at - ONE_REPORT_MS && at <= last.at);
  return own.at(-1) === last && near.every(({ code }) => code === "brownout" || code === "fenced");
}

/** Nobody can know of a use in a hole; after a restore, whoever reported it. What lies around it, the hole itself speaks for. */
export function isLost({ holes }: Mark, use: Use): boolean {
  const isHere = (verifier: string) => verifier === UNKNOWN_INSTANCE || verifier === use.verifier;
  return holes.some(({ verifier, from, to }) => isHere(verifier) && use.at > from && use.at <= to);
}

/** At the longest: some verifiers have reported more than the watermark says, and before a hole began. */
function knownFor(uses: readonly Use[]): number {
  return (uses.at(-1)?.at ?? 0) - (uses[0]?.at ?? 0);
}

const DAY_MS = 86_400_000;
/** A silence that was not seen again for this long, and for five times its own length, is no habit. */
const HABIT_MS = 100 * DAY_MS;
const HABIT_LENGTHS = 5;
/** Shorter ones count by the longest of them, however old. */
const SHORT_MS = 30_000;

/** What is usual for a source by all that it ever did. Nobody may take it for less. */
function usualGap(mark: Mark, uses: readonly Use[]): number {
  const silences: { ms: number; ago: number }[] = [];
  const end = uses.at(-1)?.at ?? 0;
  for (const [i, use] of uses.entries()) {
    const before = uses[i - 1];
    if (before === undefined || isLost(mark, before) || isLost(mark, use)) continue;
    silences.push({ ms: use.at - before.at, ago: end - use.at });
  }
  silences.sort((a, b) => b.ms - a.ms);
  const memory = (ms: number) => Math.max(HABIT_MS, HABIT_LENGTHS * ms);
  const known = end - (uses[0]?.at ?? 0);
  const mayComeAgain = silences.find(({ ms }) => known < memory(ms));
  const twice = silences.filter(({ ms, ago }) => ago < memory(ms))[1];
  const short = Math.min(SHORT_MS, silences[0]?.ms ?? 0);
  return Math.max(mayComeAgain?.ms ?? 0, twice?.ms ?? 0, short);
}

const JUST_BEFORE_MS = 1e-3;

/** The marks that an authority may have gone by since `from`, the newest first. */
export function* marks(model: Model, apiId: string, from: number): Generator<Mark> {
  const times = new Set([model.time.at, from]);
  for (const rows of model.boots.values())
    for (const { at, boot } of rows) if (boot.apiId === apiId && at > from) times.add(at).add(at - JUST_BEFORE_MS);
  for (const at of [...times].sort((a, b) => b - a)) yield markAt(model, apiId, at);
}

function markAt(model: Model, apiId: string, at: number): Mark {
  const mark: Mark = { at, holeEnd: Number.NEGATIVE_INFINITY, holes: [] };
  for (const rows of model.boots.values()) {
    const row = rows.findLast((each) => each.at <= at);
    if (row === undefined || row.boot.apiId !== apiId || row.boot.closed) continue;
    const { coveredTo, answersUntil, replacedAt, removedAt } = row.boot;
    const end = Math.min(answersUntil, replacedAt ?? Infinity, removedAt ?? Infinity);
    if (replacedAt === null && removedAt === null && at < answersUntil) mark.at = Math.min(mark.at, coveredTo);
    else if (end > coveredTo) {
      mark.holeEnd = Math.max(mark.holeEnd, end);
      mark.holes.push({ verifier: row.boot.instance, from: coveredTo, to: end });
    }
  }
  return mark;
}

function ms(time: number): string {
  return Number.isFinite(time) ? `${Math.round(time)} ms` : "an unknown time";
}
