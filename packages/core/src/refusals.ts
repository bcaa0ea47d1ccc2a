/**
 * Who was refused for a version that ended (R10). Of each source and version one *run* is kept: the refusals since it was last accepted. A
 * version that retired is accepted nowhere, so what was refused since is the run. A source whose run begins earlier was refused before
 * that for another reason (a fence, a brownout), and not accepted between: how much of its run came since is not known, and it counts as one.
 */
import type { BrownoutSlot } from "./brownout.ts";
import type { Source, SourceUse } from "./evidence.ts";
import type { Rotation } from "./rotation.ts";

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

/** In a brownout of the old version, refused uses by sources that have not used the successor: what the error budget counts. */
export function refusedIn(
  { from }: Pick<BrownoutSlot, "from">,
  { from: version, to }: Pick<Rotation, "from" | "to">,
  uses: readonly SourceUse[],
): number {
  return uses.reduce((sum, { versions }) => {
    const run = versions[version]?.refusedRun;
    const moved = (versions[to]?.accepted ?? 0) > 0;
    // Who was refused before, and not accepted since, is refused for another reason.
    return run === undefined || moved || run.since < from - REFUSED_RUN_LEAD_MS ? sum : sum + run.count;
  }, 0);
}
