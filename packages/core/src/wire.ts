/**
 * What a verifier and the authority say to each other. JSON over HTTP; one api per conversation, because each api has
 * a feed of its own with consecutive numbers.
 *
 *     POST /v1/apis/{api}/verifiers   Registration → Welcome       once per boot
 *     GET  /v1/apis/{api}/snapshot    lines of JSON: SnapshotHead, KeyRecord …, SnapshotEnd
 *     GET  /v1/apis/{api}/feed        server-sent events: `entry` FeedEntry, `beat` FeedBeat
 *     POST /v1/apis/{api}/acks        Ack → Grant                  at once after applying an entry
 *     POST /v1/apis/{api}/reports     Report → Grant               about once a second
 *     POST /v1/apis/{api}/misses      Miss → MissAnswer            a well-formed key that the replica lacks
 *
 * Times are epoch milliseconds of the *authority's* clock. A verifier learns that clock from `now` in each answer and
 * counts on with its own monotonic clock: `from`/`to` of a report from the earlier bound of its estimate, `last` of a
 * sighting from the later bound, so that an error of the estimate never makes silence longer.
 */
import type { Sighting } from "./evidence.ts";
import type { StalenessPolicy } from "./policy.ts";
import type { KeyRecord } from "./record.ts";

export interface Registration {
  /** A fresh handle (`boo_…`) for each start of the process. */
  boot: string;
  /** A lasting name, unique among running verifiers; a new boot of the same instance replaces the old one. */
  instance: string;
  /** The boot that this process knows to be dead, because it held the lock on the same data folder. */
  replaces?: string | undefined;
  /** Such as `@keyover/verifier/0.1.0 node/24.21.0`. */
  software: string;
}

/** A lease, counted by the verifier from the moment it *sent* the request, so that it ends there first. */
export interface Grant extends StalenessPolicy {
  now: number;
}

export interface Welcome extends Grant {
  api: { id: string; name: string; prefix: string };
  /** The environments whose keys this verifier is sent. */
  environments: string[];
  reportEveryMs: number;
}

export interface SnapshotHead {
  /** The feed's number when the snapshot began: follow the feed from here. */
  seq: number;
  now: number;
}

/** The last line; a snapshot without it was cut off and must not be used. */
export interface SnapshotEnd {
  end: number;
}

/** Sent when nothing else is, so that both sides notice a dead connection. */
export interface FeedBeat {
  seq: number;
  now: number;
}

export interface Ack {
  boot: string;
  /** Every entry up to this number is applied. */
  applied: number;
}

export interface Report {
  boot: string;
  /** Consecutive from 1 within a boot. A repeated number is answered and not counted again. */
  n: number;
  /** The interval covered; `from` is the last report's `to`, or the registration's `now`. */
  from: number;
  to: number;
  applied: number;
  sightings: Sighting[];
  /** The verifier is closing: it has refused everything since `to`. */
  final?: boolean | undefined;
}

export interface Miss {
  sha256: string;
}

export interface MissAnswer {
  now: number;
  record: KeyRecord | null;
}

/** At most this many sightings in one report; more go into the next. */
export const SIGHTINGS_PER_REPORT_MAX = 5_000;

/** A consumer's view of one of its keys: which version it should be on, and how to get there. */
export interface Changeover {
  now: number;
  key: string;
  environment: string;
  /** The version that the hash in the request belongs to. */
  version: number;
  /** The version that the consumer should be on. */
  target: number;
  rotation: {
    id: string;
    phase: string;
    from: number;
    to: number;
    /** The successor can be claimed by this caller now. */
    claimable: boolean;
    endsAt: number | null;
    /** Move at a random time in here, so that a fleet does not move at once (as RFC 9773 does for certificates). */
    suggested: { from: number; to: number };
  } | null;
  /** Ask again after this long, give or take a tenth. */
  pollAfterMs: number;
}

/** The successor's secret. The same answer comes again until the consumer has proven that it holds it. */
export interface Claim {
  rotation: string;
  key: string;
  version: number;
  secret: string;
  endsAt: number | null;
}
