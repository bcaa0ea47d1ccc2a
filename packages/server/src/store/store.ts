/**
 * The store: reads, and two writes that can never touch each other's tables.
 *
 * - `commit(batch)` changes the inventory: it checks that what was read is unchanged, and writes rows, audit entries, feed
 *   entries and the idempotency record together, or answers `conflict` and writes nothing. No transaction is held open
 *   across an await of the caller's.
 * - `record(usage)` adds telemetry: sightings, coverage, boots. It reaches no table that holds a credential (I16), and dropping
 *   all that it ever wrote leaves every key working.
 *
 * Both are durable when they resolve. A full disk rejects with `StorageFullError` and leaves everything as it was.
 */
import type { FeedEntry, KeyRecord, SourceUse } from "@keyover/core";
import type { Boot, Entities, EntityName } from "./entities.ts";

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

export interface Batch {
  writes: Write[];
  checks?: Check[];
  /** One for each change in the batch. */
  audit: AuditDraft[];
  feed: { apiId: string; record: Omit<KeyRecord, "seq"> }[];
  idempotency?: IdempotencyRecord | undefined;
}

export type CommitOutcome =
  | { ok: true; feed: { apiId: string; entry: FeedEntry }[] }
  /** `row`: somebody else was faster; read again. `unique`: a name, prefix or hash is taken. `idempotency`: this request was answered. */
  | { ok: false; conflict: "row" | "unique" | "idempotency" };

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
  longestGapMs: number;
}

export interface Usage {
  rows: UsageRow[];
  boots: Boot[];
}

export interface Page {
  /** The last id of the page before; absent for the first page. */
  after?: string | undefined;
  limit: number;
}

/** Filters by lifted column (tables.ts) and, for keys and consumers, by labels. */
export interface Filter {
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
}

/** Requests in one bucket of time. */
export interface UsageBucket {
  version: number;
  start: number;
  accepted: number;
  refused: number;
}

export const BUCKET_MS = 10_000;

export interface Store {
  get<N extends EntityName>(table: N, id: string): Promise<Held<Entities[N]> | undefined>;
  /** In order of id, which is order of creation. */
  list<N extends EntityName>(table: N, filter: Filter, page: Page): Promise<Held<Entities[N]>[]>;
  count(table: EntityName, filter: Filter): Promise<number>;

  commit(batch: Batch): Promise<CommitOutcome>;
  record(usage: Usage): Promise<void>;

  /** The number of the last entry of an api's feed; 0 for none. */
  feedHead(apiId: string): Promise<number>;
  /** The number before the oldest entry still kept. */
  feedFloor(apiId: string): Promise<number>;
  feedAfter(apiId: string, seq: number, limit: number): Promise<FeedEntry[]>;
  /** The newest record of each key of an api, in order of key, for snapshots. */
  records(apiId: string, afterKey: string, limit: number): Promise<KeyRecord[]>;
  recordOfKey(keyId: string): Promise<KeyRecord | undefined>;
  recordByHash(apiId: string, sha256: string): Promise<KeyRecord | undefined>;

  uses(keyId: string): Promise<SourceUse[]>;
  buckets(keyId: string, from: number, to: number): Promise<UsageBucket[]>;
  boots(apiId?: string): Promise<Boot[]>;

  audit(afterSeq: number, limit: number, subject?: string): Promise<AuditEntry[]>;
  idempotency(id: string): Promise<IdempotencyRecord | undefined>;

  /** Forgets what is past keeping: old feed entries, idempotency records, buckets, boots. */
  prune(before: { feedKeep: number; idempotency: number; buckets: number; boots: number }): Promise<void>;
  /** Rejects if the store can't answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export class StorageFullError extends Error {
  override name = "StorageFullError";
}
