/**
 * Who was refused for a version that ended (R10). Of each source and version one *run* is kept: the refusals since it was last accepted. A
 * version that retired is accepted nowhere, so what was refused since is the run; and a source whose run begins earlier was refused
 * before that for another reason (a fence, a brownout), and not accepted between.
 */
import type { Source, SourceUse } from "./evidence.ts";

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
    const { count, since } = seen.refusedRun;
    return [{ source, refused: count, since, last: seen.last, known: seen.first < at && seen.accepted > 0 }];
  });
  const sum = (list: readonly RefusedSource[]) => list.reduce((all, { refused }) => all + refused, 0);
  return {
    total: sum(sources),
    known: sum(sources.filter(({ known }) => known)),
    sources: sources.sort((a, b) => b.refused - a.refused),
  };
}
