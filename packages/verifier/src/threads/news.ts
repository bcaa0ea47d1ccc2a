/**
 * What the thread that writes a table tells those that read it. Memory itself is shared; news say which memory there is.
 *
 *     writer   news ──posted──▶ GENERATION + 1 ──▶ a line or a bucket that needs it
 *     reader   finds such a line ──sees that GENERATION is further──▶ takes the news that are posted already, in the midst of its look-up
 */
import type { PlanRecord } from "@keyover/core";
import { Table } from "../flat/buckets.ts";
import type { FlatTable } from "../flat/flat-table.ts";
import type { TableView } from "../flat/table-view.ts";

/** Words of the control block, which is 32 bits wide each. */
export const GENERATION = 0;
/** Odd while buckets move. */
export const SHIFTS = 1;
/** From here on: the last batch of freed slots that the reader of this number has let go of. */
export const ACKS = 2;
export const READERS_MAX = 64;

type Words = Int32Array<SharedArrayBuffer>;
const PARTS = ["lines", "arena", "consumers"] as const;

export type News =
  /** Another table, from nothing: what follows is of that. */
  | { kind: "begin" }
  | { kind: "segment"; of: (typeof PARTS)[number]; index: number; words: Words }
  | { kind: "digests"; buckets: Words; slotBits: number }
  | { kind: "environment"; name: string }
  | { kind: "profile"; scopes: readonly string[]; networks: readonly string[]; plan: string | undefined }
  | { kind: "plan"; plan: PlanRecord }
  /** All of them. */
  | { kind: "plans"; plans: PlanRecord[] };

/** All that is to be told of a table as it stands, its plans apart. */
export function newsOf(table: FlatTable): News[] {
  const news: News[] = [];
  for (const name of table.profiles.environments) news.push({ kind: "environment", name });
  for (const { scopes, networks, plan } of table.profiles.list) news.push({ kind: "profile", scopes, networks, plan });
  for (const of of PARTS) {
    for (const [index, words] of segmentsOf(table, of).words.entries()) {
      if (words.length > 0) news.push({ kind: "segment", of, index, words });
    }
  }
  news.push(digestsNews(table.digests));
  return news;
}

/** Tells of what comes to be in the table, before anything refers to it. */
export function watch(table: FlatTable, tell: (news: News) => void, onShift: () => void): void {
  table.profiles.onEnvironment = (name) => tell({ kind: "environment", name });
  table.profiles.onProfile = ({ scopes, networks, plan }) => tell({ kind: "profile", scopes, networks, plan });
  for (const of of PARTS) {
    segmentsOf(table, of).onGrow = (index, words) => tell({ kind: "segment", of, index, words });
  }
  table.byDigest.onTable = (digests) => tell(digestsNews(digests));
  table.byDigest.onShift = onShift;
}

/** Into the reader's view. Answers the buckets, if they are others. */
export function take(news: Exclude<News, { kind: "begin" | "plan" | "plans" }>, view: TableView): Table | undefined {
  if (news.kind === "segment") segmentsOf(view, news.of).put(news.index, news.words);
  else if (news.kind === "environment") view.profiles.environment(news.name);
  else if (news.kind === "profile") view.profiles.profile(news.scopes, news.networks, news.plan);
  else return new Table(news.buckets.length, news.slotBits, news.buckets.buffer);
  return undefined;
}

function segmentsOf(table: TableView, of: (typeof PARTS)[number]) {
  return of === "lines" ? table.lines : table[of].segments;
}

function digestsNews({ buckets, slotBits }: Table): News {
  return { kind: "digests", buckets, slotBits };
}
