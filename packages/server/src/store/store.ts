/**
 * The store: reads, and writes that can never touch each other's tables.
 *
 * - `commit(batch)` changes the inventory: it checks that what was read is unchanged, and writes rows, audit entries, feed
 *   entries and the idempotency record together, or answers `conflict` and writes nothing. No transaction is held open
 *   across an await of the caller's.
 * - `record(usage)` adds telemetry: sightings, coverage, boots. It reaches no table that holds a credential (I16), and dropping
 *   all that it ever wrote leaves every key working.
 * - `post(mail)` moves notices along (notice-entities.ts). It reaches the outbox and the notices alone; what is raised by a change is
 *   raised in that change's commit.
 *
 * All are durable when they resolve. A full disk rejects with `StorageFullError` and leaves everything as it was.
 *
 * Several authority processes may share one database. The log carries what they have to tell each other (`changes`), the bell
 * (`listen`, `ring`) only wakes; who does which part of the engine's work is decided by `share`, and proven in each commit by a `Fence`.
 */
import type { FeedEntry, Key, KeyRecord, Limit, LimitUse, PlanRecord, RateSize, SourceUse } from "@keyover/core";
import type { RefusedPage, RotationTally } from "./campaign-entities.ts";
import type { Boot, Entities, EntityName, Sealed } from "./entities.ts";
import type { Notice, NoticeDraft } from "./notice-entities.ts";

/** An entity as read, with the revision that a later write must still find. */
export interface Held<T> {
  value: T;
  rev: number;
}

export type Write = {
  [N in EntityName]:
    | { put: N; value: Entities[N]; expect: number } // 0: must not exist yet
    | { remove: N; id: string };
}[EntityName];

/** Convenience: a write for a fresh entity, or over one that was read. */
export function put<N extends EntityName>(name: N, value: Entities[N], held?: Held<Entities[N]>): Write {
  return { put: name, value, expect: held?.rev ?? 0 } as Write;
}

type Mailed<N extends "notice_event" | "notice"> = Extract<Write, { put: N }>;

/** The same, for `post`. */
export function mailed<N extends "notice_event" | "notice">(
  name: N,
  value: Entities[N],
  held?: Held<Entities[N]>,
): Mailed<N> {
  return put(name, value, held) as Mailed<N>;
}

/** Something read that must not have changed, though it is not written. */
export interface Check {
  table: EntityName;
  id: string;
  rev: number;
}

export interface AuditDraft {
  at: number;
  /** A token's handle, `engine`, `policy` or `system`. */
  actor: string;
  /** Such as `rotation.retired`. */
  action: string;
  /** Handles of what was changed, the most important first. */
  subjects: string[];
  details: Record<string, unknown>;
}

export interface AuditEntry extends AuditDraft {
  seq: number;
  /** SHA-256 over the previous hash and this entry's canonical JSON (audit-chain.ts), base64url. */
  hash: string;
}

export interface IdempotencyRecord {
  /** Token's handle and the client's key. */
  id: string;
  /** SHA-256 of method, path and body. */
  request: string;
  status: number;
  /** The response without any secret. */
  body: unknown;
  /** The sealed row whose secret belongs into the response at `secret`, while it still exists. */
  sealedId: string | null;
  createdAt: number;
}

/** Proof that this process may do this part of the engine's work: checked inside the commit, on the database's clock (I9). */
export interface Fence {
  shard: number;
  replica: string;
  fence: number;
}

/** What verifiers are to hear: of a key or of a plan. */
export type FeedDraft =
  | { apiId: string; record: Omit<KeyRecord, "seq"> }
  | { apiId: string; plan: Omit<PlanRecord, "seq"> };

export interface Batch {
  writes: Write[];
  checks?: Check[];
  fence?: Fence | undefined;
  /** One for each change in the batch. */
  audit: AuditDraft[];
  feed: FeedDraft[];
  /** First of all, an api's feed goes on behind this number, and forgets its entries: nobody can follow on from before. */
  feedBehind?: { apiId: string; seq: number } | undefined;
  idempotency?: IdempotencyRecord | undefined;
  /** What somebody should hear of this change: a row of the outbox each, unless its `dedupe` was raised before. */
  notices?: readonly NoticeDraft[] | undefined;
}

/** What a change of no key says, and how far notices have come. */
export interface Mail {
  fence?: Fence | undefined;
  /** Raised by time or by silence, not by a change. */
  raise?: readonly NoticeDraft[] | undefined;
  writes?: readonly Mailed<"notice_event" | "notice">[] | undefined;
}

export type CommitOutcome =
  | { ok: true; feed: { apiId: string; entry: FeedEntry }[] }
  /**
   * `row`: somebody else was faster; read again. `unique`: a name, prefix or hash is taken. `idempotency`: this request was answered.
   * `fence`: the work is another process's now.
   */
  | { ok: false; conflict: Conflict };

export type Conflict = "row" | "unique" | "idempotency" | "fence";

/** Sightings summed per key, version and source. */
export interface UsageRow {
  keyId: string;
  version: number;
  sourceId: string;
  source: { network: string; client: string; instance: string };
  first: number;
  last: number;
  accepted: number;
  refused: number;
  /** Of `accepted`. Absent: none. */
  limited?: number | undefined;
  longestGapMs: number;
}

/** What a verifier let through of one limit. */
export interface LimitCharge {
  /** The key's handle or the consumer's. */
  subject: string;
  limit: Limit;
  units: number;
  /** As in `Spent`; a rate has `from`, a quota `period` and perhaps the others. Epoch milliseconds, units. */
  from: number;
  period: number;
  keeps?: number | undefined;
  wants?: number | undefined;
  holds?: number | undefined;
  /** What a rate was used under, where that was said. */
  rate?: RateSize | undefined;
  largest?: number | undefined;
  /** Of a consumer's rate: sizes that are not former ones. */
  standing?: readonly RateSize[] | undefined;
}

/** All that a report says of limits. */
export interface LimitReport {
  apiId: string;
  charges: LimitCharge[];
  now: number;
  /** Verifiers of the api that may answer, from 1. */
  verifiers: number;
  reportEveryMs: number;
}

/** A boot's new row, and what its report saw: both are written, or neither. */
export interface BootReport {
  boot: Boot;
  /** The revision that the row must still have; 0: it must not exist yet. */
  expect: number;
  rows: UsageRow[];
  /** Counted only if the report is; what stands is answered in any case. */
  limits?: LimitReport | undefined;
}

export interface Recorded {
  /** The boots whose rows had changed: nothing of their reports was written. */
  lost: string[];
  /** By boot: what stands of each limit that its report charged, in the same order. Absent: none was. */
  limits?: Map<string, LimitUse[]> | undefined;
}

/** One request that the authority decides on itself: charged to all of these limits, or to none. */
export interface LimitAsk {
  apiId: string;
  limits: readonly { subject: string; limit: Limit; standing?: readonly RateSize[] | undefined }[];
  cost: number;
  now: number;
}

export interface LimitAnswer {
  /** What stands, this request charged if there was room; undefined: nothing was ever used. */
  uses: (LimitUse | undefined)[];
  /** Those that have no room, by their place in the question; empty: it was charged. */
  full: { at: number; waitMs: number }[];
}

export interface Usage {
  /** Seen by the authority itself. */
  rows: UsageRow[];
  reports: BootReport[];
}

/** How far the boots that one process hosts have applied an api's feed: the least of them. */
export interface Fold {
  replica: string;
  apiId: string;
  /** Of folds of the same process and api the higher version counts. */
  version: number;
  applied: number;
  /** The last adoption that is in it; a boot that was adopted later is not. */
  adoption: number;
}

/** All that decides how far an api's verifiers are. Folds were read before boots (decision 012). */
export interface FleetRows {
  folds: Fold[];
  /** Boots that may still answer. */
  live: Held<Boot>[];
  /** Of those that may not, the ones whose unknown time ended last. */
  holes: Boot[];
}

/** One authority process. Times are epoch milliseconds of the database. */
export interface Replica {
  id: string;
  software: string;
  schema: number;
  startedAt: number;
  until: number;
}

export interface Shard {
  shard: number;
  fence: number;
}

/** What was changed since an entry of the audit log. */
export interface Changes {
  /** The number of the last entry that is covered. */
  head: number;
  subjects: string[];
}

export interface Page {
  /** The last id of the page before; absent for the first page. */
  after?: string | undefined;
  limit: number;
  /** From the last to the first. */
  backwards?: boolean | undefined;
}

/** Filters by lifted column (tables.ts) and, for keys and consumers, by labels. */
export interface Filter {
  /** `id` or a lifted column is one of these. */
  oneOf?: { column: string; values: readonly string[] } | undefined;
  equals?: Record<string, string | number | boolean | null | undefined>;
  labels?: Record<string, string> | undefined;
  /** Lifted time columns, `created_at` and the like. */
  since?: { column: string; at: number } | undefined;
  until?: readonly { column: string; at: number }[] | undefined;
  /** Part of the notes, in any case. */
  notes?: string | undefined;
  /** For keys alone: by what is kept beside them. */
  ofKeys?: KeyFilter | undefined;
}

/** Times are epoch milliseconds. */
export interface KeyFilter {
  /** Seen at or after this time, by the reports so far. */
  usedSince?: number | undefined;
  /** Not seen since. */
  unusedSince?: number | undefined;
  /** The current version was activated at or after, or before, this time. */
  activatedSince?: number | undefined;
  activatedUntil?: number | undefined;
  /** Of consumers that carry it. */
  consumerLabel?: { name: string; value: string } | undefined;
}

/** Keys are due by one of these; `rotate_at` and `idle_at` not while they are in rotation. */
export type DueDate = "rotate_at" | "expiry_at" | "idle_at";

/** Of any version of a key, from anywhere: epoch milliseconds; null: never. */
export interface LastUse {
  /** Where a use was refused since, at the latest when that began. */
  accepted: number | null;
  /** Not with a version that is marked compromised: that is whoever has it. */
  refused: number | null;
}

export interface CountedPart {
  count: number;
  next: number | undefined;
}

/** Requests in one bucket of time. */
export interface UsageBucket {
  version: number;
  start: number;
  accepted: number;
  refused: number;
  /** Of `accepted`: refused for a limit of the key's plan. */
  limited: number;
}

export const BUCKET_MS = 10_000;
export const DAY_MS = 86_400_000;

export interface Store {
  get<N extends EntityName>(table: N, id: string): Promise<Held<Entities[N]> | undefined>;
  /** In order of id, which is order of creation; or the other way round. */
  list<N extends EntityName>(table: N, filter: Filter, page: Page): Promise<Held<Entities[N]>[]>;
  count(table: EntityName, filter: Filter): Promise<number>;
  /**
   * How many rows have this value in a lifted column that has an index: a part at a time, where nothing else could be done meanwhile. `after`:
   * 0, or the `next` of the part before. `next` is undefined when all are counted.
   */
  countSome(table: EntityName, column: string, value: string, after: number): Promise<CountedPart>;

  commit(batch: Batch): Promise<CommitOutcome>;
  record(usage: Usage): Promise<Recorded>;
  /** Telemetry too: what is used of limits. */
  spend(ask: LimitAsk): Promise<LimitAnswer>;
  fold(fold: Fold): Promise<void>;
  /** False: a row was changed meanwhile, or the work is another process's; nothing was written. */
  post(mail: Mail): Promise<boolean>;

  /** False if no other process can use this database: then all work is ours, and no fence is needed. */
  readonly shared: boolean;
  /** The database's time, epoch milliseconds: the one that sets deadlines. */
  now(): Promise<number>;
  /** Renews this process's lease, takes or gives back shards so that all have their part, and answers who lives and what is ours. */
  share(replica: Omit<Replica, "until">, leaseMs: number): Promise<{ replicas: Replica[]; shards: Shard[] }>;
  /** Gives everything back. */
  leave(replica: string): Promise<void>;
  /** What all processes must agree on is settled by the first that asks; answers what stands, if need be the value given. */
  settle(name: string, value: string): Promise<string>;
  settled(name: string): Promise<string | undefined>;
  /** Calls `heard` when another process rang. Rings may be lost. The answer ends it. */
  listen(heard: (message: string) => void): Promise<() => Promise<void>>;
  /** Tells the other processes. May fail silently. */
  ring(message: string): void;
  changes(afterSeq: number, limit: number): Promise<Changes>;

  /** The number of the last entry of an api's feed; 0 for none. */
  feedHead(apiId: string): Promise<number>;
  /** Of several apis at once; those without entries are missing. */
  feedHeads(apiIds: readonly string[]): Promise<Map<string, number>>;
  /** The number before the oldest entry still kept. */
  feedFloor(apiId: string): Promise<number>;
  feedAfter(apiId: string, seq: number, limit: number): Promise<FeedEntry[]>;
  /** The newest record of each key of an api, in order of key, for snapshots. */
  records(apiId: string, afterKey: string, limit: number): Promise<KeyRecord[]>;
  recordOfKey(keyId: string): Promise<KeyRecord | undefined>;
  recordByHash(apiId: string, sha256: string): Promise<KeyRecord | undefined>;
  /** All plans of an api as verifiers have them. */
  planRecords(apiId: string): Promise<PlanRecord[]>;
  /** How many keys that are not revoked have this plan as their own; `most` at most. */
  keysOfPlan(apiId: string, planId: string, most: number): Promise<number>;
  /**
   * Which of these plans (null: none of its own) keys of each of these consumers have in an api, and whether one of them is in these
   * environments (empty: all). What is not answered nobody has.
   */
  plansOfConsumers(
    apiId: string,
    consumerIds: readonly string[],
    plans: readonly (string | null)[],
    environments: readonly string[],
  ): Promise<{ consumerId: string; plan: string | null; isThere: boolean }[]>;

  uses(keyId: string): Promise<SourceUse[]>;
  /** When each of these keys was last used, as far as reported; one that never was is missing. */
  lastUses(keyIds: readonly string[]): Promise<Map<string, LastUse>>;
  /** Summed over `stepMs` (`BUCKET_MS` or a multiple of it), by which `from` and `to` can be divided. */
  buckets(keyId: string, from: number, to: number, stepMs?: number): Promise<UsageBucket[]>;
  /** The same, by UTC day: `from` and `to` are beginnings of days. */
  days(keyId: string, from: number, to: number): Promise<UsageBucket[]>;
  /** What stands of these limits; undefined: nothing was ever used. */
  limitUses(
    apiId: string,
    limits: readonly { subject: string; limit: { name: string } }[],
  ): Promise<(LimitUse | undefined)[]>;
  boot(boot: string): Promise<Held<Boot> | undefined>;
  /** The newest first. */
  boots(apiId: string, limit: number): Promise<Boot[]>;
  /** Boots of an api that may answer. */
  countLive(apiId: string, now: number): Promise<number>;
  fleet(apiId: string, now: number): Promise<FleetRows>;
  /** Boots of an api whose unknown time ends after `after` and by `upTo`, the last first; ended ones too. */
  bootsUntil(apiId: string, after: number, upTo: number, limit: number): Promise<Boot[]>;

  /** Keys whose rotation is to be started, or whose expiry or use looked at, by now: the longest overdue first, none of these apis. */
  dueKeys(what: DueDate, now: number, exceptApis: readonly string[], limit: number): Promise<Held<Key>[]>;
  /** A campaign's rotations, counted. */
  campaignTally(campaignId: string): Promise<RotationTally[]>;
  /** Refused uses of the versions that a campaign's rotations retired, by sources that had used them before: `limit` rotations behind `after`. */
  campaignRefused(campaignId: string, after: string, limit: number): Promise<RefusedPage>;
  /** Rotations that have not ended, by id, in order: `limit` of them behind `after`. */
  liveRotations(after: string, limit: number): Promise<string[]>;
  /** Those of these rotations whose successor is offered and has been used. */
  usedSuccessors(rotationIds: readonly string[]): Promise<string[]>;
  /** Versions whose secret still lies sealed though they have been used, of `limit` sealed secrets behind `after`; `next`: go on behind this one. */
  provenSecrets(
    after: string,
    limit: number,
  ): Promise<{ found: { keyId: string; version: number }[]; next: string | undefined }>;
  /** Sealed secrets that wait for no rotation and whose time is over: the longest first. */
  expiredSecrets(now: number, limit: number): Promise<Sealed[]>;

  /** Notices to be sent, or to go on to the next channel, up to `now`: the longest overdue first, none of these channels. */
  overdue(
    what: "due_at" | "escalate_at",
    now: number,
    except: readonly string[],
    limit: number,
  ): Promise<Held<Notice>[]>;

  audit(afterSeq: number, limit: number, subject?: string): Promise<AuditEntry[]>;
  idempotency(id: string): Promise<IdempotencyRecord | undefined>;

  /** Forgets what is past keeping: old feed entries, idempotency records, buckets, boots; notices that are through, and their events. */
  prune(before: {
    feedKeep: number;
    idempotency: number;
    /** Buckets that begin before this are added to their days. */
    buckets: number;
    days?: number | undefined;
    /** Of limits: what said nothing more by then. */
    limits?: number | undefined;
    boots: number;
    notices?: number | undefined;
  }): Promise<void>;
  /** Rejects if the store can't answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The disk is full. Nothing was written. */
export class StorageFullError extends Error {
  override name = "StorageFullError";
}

/** The database does not answer, or refuses for the moment. Nothing was written. */
export class StoreUnavailableError extends Error {
  override name = "StoreUnavailableError";
}

/** The database went away in the middle of a commit and stayed away: it may or may not have been written. */
export class OutcomeUnknownError extends Error {
  override name = "OutcomeUnknownError";
}

/** The database can't be used as it is, or as it was named; the message says what to do. */
export class StoreConfigurationError extends Error {
  override name = "StoreConfigurationError";
}

/** The database is of a newer version of this program, or none of ours. */
export class SchemaError extends Error {
  override name = "SchemaError";
}
