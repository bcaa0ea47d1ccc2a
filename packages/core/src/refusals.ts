/**
 * Who was refused for a version that ended (R10). Of each source and version one *run* is kept: the refusals since it was last accepted. A
 * version that retired is accepted nowhere, so what was refused since is the run. A source whose run begins earlier was refused before
 * that for another reason (a fence, a brownout), and not accepted between: how much of its run came since is not known, and it counts as one.
 */
import type { BrownoutSlot } from "./brownout.ts";
import { type Source, type SourceUse, sourceId } from "./evidence.ts";
import type { Rotation } from "./rotation.ts";
import { sha256Text } from "./sha256.ts";

/** A report counts what it covers as one; a run that began so long before a brownout, or a retirement, still began with it. */
export const REFUSED_RUN_LEAD_MS = 60_000;

export interface RefusedSource {
  source: Source;
  refused: number;
  /** The first refusal that was counted. */
  since: number;
  last: number;
  /** It had used this version before: its owner, or somebody who took it from there. Else whoever tries what leaked. */
  known: boolean;
}

export interface Refused {
  total: number;
  /** Of known sources. */
  known: number;
  /** The most refused first. */
  sources: RefusedSource[];
}

/** Refused uses of a version that ended at `at`, as far as reported. Late reports may add some that came shortly before. */
export function refusedSince(uses: readonly SourceUse[], version: number, at: number): Refused {
  const sources = uses.flatMap(({ source, versions }): RefusedSource[] => {
    const seen = versions[version];
    if (seen === undefined || seen.refusedRun.count === 0 || seen.last < at) return [];
    const { since } = seen.refusedRun;
    const count = since < at - REFUSED_RUN_LEAD_MS ? 1 : seen.refusedRun.count;
    return [{ source, refused: count, since, last: seen.last, known: seen.first < at && seen.accepted > 0 }];
  });
  const sum = (list: readonly RefusedSource[]) => list.reduce((all, { refused }) => all + refused, 0);
  return {
    total: sum(sources),
    known: sum(sources.filter(({ known }) => known)),
    sources: sources.sort((a, b) => b.refused - a.refused),
  };
}

/**
 * In a brownout of the old version, refused uses by sources that have not used the successor: what the error budget counts. One whose run began
 * before it, because it calls during brownouts alone or a fence refuses it, counts with what came on top of `refusedBefore`.
 */
export function refusedIn(
  { from }: Pick<BrownoutSlot, "from">,
  { from: version, to, brownouts }: Pick<Rotation, "from" | "to" | "brownouts">,
  uses: readonly SourceUse[],
): number {
  const before = brownouts?.refusedBefore ?? {};
  return uses.reduce((sum, { source, versions }) => {
    const run = versions[version]?.refusedRun;
    if (run === undefined || (versions[to]?.accepted ?? 0) > 0) return sum;
    if (run.since >= from - REFUSED_RUN_LEAD_MS) return sum + run.count;
    const known = before[shortName(source)];
    return known === undefined ? sum : sum + Math.max(0, run.count - known);
  }, 0);
}

/**
 * When a brownout begins: by source, how often it was refused since it was last accepted. Whoever was refused within the last minute, though no
 * brownout ran, is refused for another reason, all along: it is left out, and does not count.
 */
export function refusedBefore(
  { from, to, brownouts }: Pick<Rotation, "from" | "to" | "brownouts">,
  uses: readonly SourceUse[],
  now: number,
): Record<string, number> {
  const past = (brownouts?.slots ?? []).filter(({ begunAt }) => begunAt !== null);
  const browned = (at: number) =>
    past.some(
      (slot) => slot.from - REFUSED_RUN_LEAD_MS <= at && at <= (slot.endedAt ?? slot.until) + REFUSED_RUN_LEAD_MS,
    );
  const counts: Record<string, number> = {};
  for (const { source, versions } of uses) {
    const seen = versions[from];
    if (seen === undefined || seen.refusedRun.count === 0 || (versions[to]?.accepted ?? 0) > 0) continue;
    if (seen.last >= now - REFUSED_RUN_LEAD_MS && !browned(seen.last)) continue;
    counts[shortName(source)] = seen.refusedRun.count;
  }
  return counts;
}

/** Enough to tell a key's few hundred sources apart. */
function shortName(source: Source): string {
  return sha256Text(sourceId(source)).slice(0, 10);
}
