/**
 * What a verifier knows of one api's keys. It only ever moves forward (I5): a record replaces an older record of the same
 * key and never a newer one, whatever snapshots, feed entries and answers to misses arrive in whatever order.
 */
import type { Ask, FeedEntry, HeldVersion, KeyRecord, LimitState, Verdict } from "@keyover/core";
import type { FlatTable } from "./flat/flat-table.ts";
import type { Subjects } from "./limits/limiter.ts";
import type { Plan, PlanBook } from "./limits/plan-book.ts";
import type { VersionName } from "./sightings.ts";

/** What decisions ask. */
export interface Replica extends Subjects {
  /** It lacks no key of the api. A cache holds some of them, and asks for the others (flat/cached-replica.ts). */
  readonly isWhole: boolean;
  /** Every feed entry up to this number is applied. */
  readonly seq: number;
  /** Keys held. */
  readonly size: number;
  /** Whose uses are counted at this slot. */
  nameOf(slot: number): VersionName;
  /** The slot of a version, or -1. Good until the next change. */
  find(digest: Int32Array): number;
  held(slot: number): HeldVersion;
  /** True only if `judgeCode` would say `ok`; false says nothing. */
  isPlainlyOk(slot: number, ask: Ask): boolean;
  /**
   * The verdict `ok`: made anew for a plain key, as little as can be; one and the same for the version of a key in rotation that has no
   * limits.
   */
  okVerdict(slot: number, limits?: readonly LimitState[]): Verdict;
  readonly plans: PlanBook;
  /** The plan of the slot's key, with limits, if it has one. */
  planAt(slot: number): Plan | undefined;
  /** The slot was asked for by a request. */
  used(slot: number): void;
  /**
   * May an answer be believed that was read when the feed was at `asOf` or later: the record of this digest, or that there is none? False
   * where the feed has brought something newer that is not held.
   */
  isCurrent(digest: Int32Array, record: KeyRecord | null, asOf: number): boolean;
}

/** What the feed, snapshots and answers to misses go into. */
export interface WritableReplica extends Replica {
  /** The number of the key's record, if it is held. */
  seqOf(key: string): number | undefined;
  /** The next entry of the feed; `gap` (nothing applied) if one is missing before it. */
  apply(entry: FeedEntry): "applied" | "old" | "gap";
  /** One record from outside the feed. False if the replica holds the same or a newer one. */
  put(record: KeyRecord): boolean;
  /**
   * After a snapshot that began at `seq`: follow from there. `present` names the keys it held; a key that it lacks and that
   * no later entry brought is gone, or no longer ours to see.
   */
  settle(seq: number, present: Known): void;
  /** Forgets the keys of other environments than these. */
  keepEnvironments(environments: readonly string[]): void;
  /** Forgets everything: it was another api's, whose numbers say nothing of this one's. */
  clear(): void;
  records(): IterableIterator<KeyRecord>;
  /** What all this stands in; another one after `clear` and `adopt`. */
  readonly table: FlatTable;
  /** Takes over what was read from a file. Only while it is empty. */
  adopt(table: FlatTable): void;
}

/** The keys of a snapshot. */
export interface Known {
  has(key: string): boolean;
}
