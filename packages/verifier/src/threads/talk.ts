/** What a thread that writes a table and its readers say to each other between look-ups (table-share.ts, thread-replica.ts). */
import type { StalenessPolicy } from "@keyover/core";
import type { Brought } from "../following.ts";

/** Times are those of the process's clock (world.ts, `processTime`): threads do not begin at the same moment. */
export type ToReader =
  /** These slots are no longer what they were. */
  | { kind: "free"; number: number; slots: readonly number[] }
  | { kind: "state"; state: SharedState }
  /** The record that was brought is held, or was too old to be. */
  | { kind: "taken"; id: number };

export interface FromReader {
  id: number;
  brought: Brought;
}

/** How things stand with the table. */
export interface SharedState {
  /** Whose numbers they are. */
  epoch: string;
  /** Every feed entry up to here is applied, */
  seq: number;
  /** and up to here on disk too, if there is one. */
  kept: number;
  /** Somebody waits for the acknowledgement of this number. */
  awaited: number;
  keys: number;
  /** Entries that the authority has and the table lacks, as far as is known. */
  lag: number;
  /** What the authority allows the writer, once it has said so. */
  lease: (StalenessPolicy & { until: number }) | undefined;
  /** Nothing that the authority had committed by then is missing. */
  wholeAt: number;
  /** It has been level with the authority since the process began. */
  level: boolean;
  api: { id: string; name: string; prefix: string } | undefined;
  environments: readonly string[];
}

/** What a file said of a lease, for threads that begin while the authority is away. */
export interface SharedLease extends StalenessPolicy {
  until: number;
  authorityNow: number;
  at: number;
  verifiers: number | undefined;
}
