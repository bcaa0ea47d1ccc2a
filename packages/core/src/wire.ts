/**
 * What a verifier and the authority say to each other. JSON over HTTP; one api per conversation, because each api has
 * a feed of its own with consecutive numbers.
 *
 *     POST /v1/apis/{api}/verifiers   Registration → Welcome       once per boot
 *     GET  /v1/apis/{api}/snapshot    lines of JSON: SnapshotHead, KeyRecord …, SnapshotEnd; with `?keys=none` no records
 *     GET  /v1/apis/{api}/feed        server-sent events: `entry` FeedEntry, `beat` FeedBeat
 *     POST /v1/apis/{api}/acks        Ack → Grant                  at once after applying an entry that is awaited
 *     POST /v1/apis/{api}/reports     Report → Grant               about once a second; tells of entries that nobody awaits, too
 *     POST /v1/apis/{api}/misses      Miss → MissAnswer            a well-formed key that the replica lacks
 *     POST /v1/apis/{api}/remembered  Remembered                   while the database is restored and not reconciled
 *
 * The authority may be several processes on one database. A verifier may speak to any of them, and to another the next time.
 *
 * After a restore. A feed's numbers mean something within one *epoch* alone; a restored database is put into service with a
 * new one. Until then all calls but `remembered` are refused with `reconciling` and two more members, `after` (the feed's head in
 * the restored database) and `epoch` (any text that tells this restore from others). A verifier then uploads, once, the
 * records it holds that are newer than `after`, and registers again until it is welcomed.
 *
 * Times are epoch milliseconds of the *authority's* clock. A verifier learns that clock from `now` in each answer and
 * counts on with its own monotonic clock: `from`/`to` of a report from the earlier bound of its estimate, `last` of a
 * sighting from the later bound, so that an error of the estimate never makes silence longer.
 */
import type { Sighting } from "./evidence.ts";
import type { Spent, Told } from "./limit-state.ts";
import type { PlanRecord } from "./limits.ts";
import type { StalenessPolicy } from "./policy.ts";
import type { KeyRecord } from "./record.ts";

export interface Registration {
  /** A fresh handle (`boo_…`) for each start of the process. */
  boot: string;
  /** A lasting name, unique among running verifiers; a new boot of the same instance replaces the old one. */
  instance: string;
  /** The boot that this process knows to be dead, because it held the lock on the same data folder. */
  replaces?: string | undefined;
  /**
   * `seq`: the highest number held, of the feed or of a record that the answer to a miss brought before the feed did. `followed`: the
   * feed's alone, which says that nothing before it is lacking; absent in the words of older verifiers. Absent if the verifier comes with
   * nothing.
   */
  holds?: { epoch: string; seq: number; followed?: number | undefined } | undefined;
  /** Such as `@keyover/verifier/0.1.0 node/24.21.0`. */
  software: string;
}

/** A lease, counted by the verifier from the moment it *sent* the request, so that it ends there first. */
export interface Grant extends StalenessPolicy {
  now: number;
  /** Verifiers of this api that may answer requests, this one included. Absent from an older authority. */
  verifiers?: number | undefined;
  /** In the answer to a report: of each limit that the report speaks of. */
  limits?: Told[] | undefined;
}

export interface Welcome extends Grant {
  api: { id: string; name: string; prefix: string };
  /** The environments whose keys this verifier is sent. */
  environments: string[];
  reportEveryMs: number;
  /**
   * The feed's numbers are comparable within one epoch; a verifier that holds another takes a snapshot. Empty from an authority
   * that knows no epochs.
   */
  epoch: string;
  /** Entries that somebody waits for say so (`awaited`). Absent from an older authority: each may be one. */
  asks?: boolean | undefined;
}

export interface SnapshotHead {
  /** The feed's number when the snapshot began: follow the feed from here. */
  seq: number;
  /** From before that number was read: the snapshot lacks nothing that was committed by then. */
  now: number;
  /** All plans of the api. */
  plans?: PlanRecord[] | undefined;
}

/** The last line; a snapshot without it was cut off and must not be used. */
export interface SnapshotEnd {
  end: number;
}

/**
 * "You had everything at this time." Sent each second to everybody who has what the feed has, and at once to a follower that has
 * just caught up. Beats alone keep a verifier fresh: an entry may have been long on its way, with a revocation behind it.
 */
export interface FeedBeat {
  /** The last entry sent on this stream; the feed's head at `now` or later. */
  seq: number;
  /** From before the feed's head was read in the database. */
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
  /** What was used of limits in this interval. */
  spent?: Spent[] | undefined;
  /** The verifier is closing: it has refused everything since `to`. */
  final?: boolean | undefined;
}

export interface Miss {
  sha256: string;
}

export interface MissAnswer {
  now: number;
  /**
   * As in `Welcome`. A record of another epoch than the asker's is not for it to take: it would lie over what it remembers of before a
   * restore, and nobody has heard yet. Absent from an older authority.
   */
  epoch?: string | undefined;
  /** The feed's head, read before the record was: the answer knows all entries up to here. Absent from an older authority. */
  seq?: number | undefined;
  record: KeyRecord | null;
  /** The plan that the record names, or the api's default where it names none. Absent from an older authority, and where there is none. */
  plans?: PlanRecord[] | undefined;
}

/** At most this many sightings in one report; more go into the next. */
export const SIGHTINGS_PER_REPORT_MAX = 5_000;

/** What a verifier knows that a restored database lacks, in parts. The same part may come again. */
export interface Remembered {
  instance: string;
  /** As in `Registration.holds`. */
  epoch: string;
  seq: number;
  followed?: number | undefined;
  /** The part: consecutive from 1. */
  n: number;
  last: boolean;
  /** Held records whose own number is above `after`; none at all if the entries above it were of other environments. */
  records: KeyRecord[];
}

export const REMEMBERED_PER_CALL_MAX = 500;

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
