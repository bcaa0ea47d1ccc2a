/**
 * The two writes, as generators of statements: they yield a query and are handed its rows. A driver runs
 * them inside one transaction, SQLite without ever letting go of the thread, PostgreSQL over its connection; what is written, and in
 * which order, stands here once.
 */
import { type FeedEntry, sourceId } from "@keyover/core";
import { type CompiledQuery, type Kysely, sql } from "kysely";
import { chainHash } from "./audit-chain.ts";
import type { EntityName } from "./entities.ts";
import { type Batch, BUCKET_MS, type CommitOutcome, type Usage, type UsageRow, type Write } from "./store.ts";
import { type Database, type Lifted, lifted } from "./tables.ts";

export interface QueryAnswer {
  rows: Record<string, unknown>[];
  /** Rows inserted, updated or deleted. */
  changed: number;
}

export type Steps<T> = Generator<CompiledQuery, T, QueryAnswer>;

/** Thrown inside the generator so that the driver rolls back; the driver turns it into the outcome. */
export class ConflictSignal extends Error {
  conflict: "row" | "unique" | "idempotency";
  constructor(conflict: "row" | "unique" | "idempotency") {
    super(conflict);
    this.conflict = conflict;
  }
}

export function* commitSteps(db: Kysely<Database>, batch: Batch): Steps<CommitOutcome & { ok: true }> {
  if (batch.idempotency !== undefined) {
    const { id, createdAt } = batch.idempotency;
    const body = JSON.stringify(batch.idempotency);
    const answer: QueryAnswer =
      yield sql`insert into idempotency (id, created_at, body) values (${id}, ${createdAt}, ${body}) on conflict (id) do nothing`.compile(
        db,
      );
    if (answer.changed !== 1) throw new ConflictSignal("idempotency");
  }
  for (const check of batch.checks ?? []) {
    const answer: QueryAnswer =
      yield sql`select 1 as found from ${sql.table(check.table)} where id = ${check.id} and rev = ${check.rev}`.compile(
        db,
      );
    if (answer.rows.length !== 1) throw new ConflictSignal("row");
  }
  for (const write of batch.writes) {
    const answer: QueryAnswer = yield entityQuery(db, write);
    if (answer.changed !== 1 && !("remove" in write)) throw new ConflictSignal("row");
  }
  const feed = yield* feedSteps(db, batch.feed);
  yield* auditSteps(db, batch);
  return { ok: true, feed };
}

function entityQuery(db: Kysely<Database>, write: Write): CompiledQuery {
  if ("remove" in write) return sql`delete from ${sql.table(write.remove)} where id = ${write.id}`.compile(db);
  const { put: table, value, expect } = write;
  const columns = Object.entries((lifted[table] as (value: unknown) => Record<string, Lifted>)(value));
  const body = JSON.stringify(value);
  if (expect === 0) return insertQuery(db, table, value.id, body, columns);
  const sets = sql.join(columns.map(([name, column]) => sql`${sql.ref(name)} = ${column}`));
  return sql`update ${sql.table(table)} set rev = ${expect + 1}, body = ${body}, ${sets} where id = ${value.id} and rev = ${expect}`.compile(
    db,
  );
}

function insertQuery(db: Kysely<Database>, table: EntityName, id: string, body: string, columns: [string, Lifted][]) {
  const names = sql.join(columns.map(([name]) => sql.ref(name)));
  const values = sql.join(columns.map(([, column]) => sql`${column}`));
  return sql`insert into ${sql.table(table)} (id, rev, body, ${names}) values (${id}, 1, ${body}, ${values})`.compile(
    db,
  );
}

/** Numbers are handed out inside the transaction, so they have no gaps, and an entry is visible only after all before it. */
function* feedSteps(db: Kysely<Database>, drafts: Batch["feed"]): Steps<{ apiId: string; entry: FeedEntry }[]> {
  const entries: { apiId: string; entry: FeedEntry }[] = [];
  for (const { apiId, record: draft } of drafts) {
    const head: QueryAnswer =
      yield sql`insert into feed_head (api_id, seq) values (${apiId}, 1) on conflict (api_id) do update set seq = feed_head.seq + 1 returning seq`.compile(
        db,
      );
    const seq = Number(head.rows[0]?.seq);
    const record = { seq, ...draft };
    const body = JSON.stringify(record);
    yield sql`insert into feed_entry (api_id, seq, key_id, body) values (${apiId}, ${seq}, ${record.key}, ${body})`.compile(
      db,
    );
    yield sql`insert into feed_record (key_id, api_id, seq, body) values (${record.key}, ${apiId}, ${seq}, ${body})
      on conflict (key_id) do update set seq = excluded.seq, body = excluded.body`.compile(db);
    entries.push({ apiId, entry: { seq, record } });
  }
  return entries;
}

function* auditSteps(db: Kysely<Database>, batch: Batch): Steps<void> {
  if (batch.audit.length === 0) throw new Error("a commit without an audit entry");
  const last: QueryAnswer = yield sql`select seq, hash from audit order by seq desc limit 1`.compile(db);
  const before = last.rows[0] as { seq: number; hash: string } | undefined;
  let seq = Number(before?.seq ?? 0);
  let hash = before?.hash ?? "";
  for (const draft of batch.audit) {
    seq += 1;
    hash = chainHash(hash, { ...draft, seq });
    yield sql`insert into audit (seq, at, actor, action, body, hash) values (${seq}, ${draft.at}, ${draft.actor}, ${draft.action}, ${JSON.stringify(draft)}, ${hash})`.compile(
      db,
    );
    for (const subject of new Set(draft.subjects)) {
      yield sql`insert into audit_subject (subject, seq) values (${subject}, ${seq})`.compile(db);
    }
  }
}

/** SQLite's two-argument `max` is `greatest` elsewhere. */
export interface Greatest {
  greatest: string;
  least: string;
}

export function* usageSteps(db: Kysely<Database>, usage: Usage, names: Greatest): Steps<void> {
  const greatest = sql.raw(names.greatest);
  const least = sql.raw(names.least);
  for (const given of usage.rows) {
    const row = yield* withKnownSource(db, given);
    const { network, client, instance } = row.source;
    yield sql`insert into source_use (key_id, source_id, network, client, instance, last_seen, longest_gap_ms)
      values (${row.keyId}, ${row.sourceId}, ${network}, ${client}, ${instance}, ${row.last}, ${row.longestGapMs})
      on conflict (key_id, source_id) do update set
        longest_gap_ms = ${greatest}(source_use.longest_gap_ms, excluded.longest_gap_ms, ${row.first} - source_use.last_seen,
          (select min(first_seen) from version_use where key_id = ${row.keyId} and source_id = ${row.sourceId}) - ${row.last}),
        last_seen = ${greatest}(source_use.last_seen, excluded.last_seen)`.compile(db);
    yield sql`insert into version_use (key_id, version, source_id, first_seen, last_seen, accepted, refused)
      values (${row.keyId}, ${row.version}, ${row.sourceId}, ${row.first}, ${row.last}, ${row.accepted}, ${row.refused})
      on conflict (key_id, version, source_id) do update set
        first_seen = ${least}(version_use.first_seen, excluded.first_seen),
        last_seen = ${greatest}(version_use.last_seen, excluded.last_seen),
        accepted = ${least}(version_use.accepted + excluded.accepted, ${COUNT_MAX}),
        refused = ${least}(version_use.refused + excluded.refused, ${COUNT_MAX})`.compile(db);
  }
  for (const bucket of bucketsOf(usage.rows)) {
    yield sql`insert into usage_bucket (key_id, version, start, accepted, refused)
      values (${bucket.keyId}, ${bucket.version}, ${bucket.start}, ${bucket.accepted}, ${bucket.refused})
      on conflict (key_id, start, version) do update set
        accepted = ${least}(usage_bucket.accepted + excluded.accepted, ${COUNT_MAX}),
        refused = ${least}(usage_bucket.refused + excluded.refused, ${COUNT_MAX})`.compile(db);
  }
  for (const boot of usage.boots) {
    yield sql`insert into boot (boot, api_id, answers_until, body)
      values (${boot.boot}, ${boot.apiId}, ${boot.answersUntil}, ${JSON.stringify(boot)})
      on conflict (boot) do update set answers_until = excluded.answers_until, body = excluded.body`.compile(db);
  }
}

/** Sums end here, so that they stay whole numbers wherever they are read. */
const COUNT_MAX = Number.MAX_SAFE_INTEGER / 2;
/** A key's sources past this number are one: whoever holds a key, even a dead one, can make up as many as it likes. */
const SOURCES_PER_KEY_MAX = 300;
const OTHER = { network: "other", client: "other", instance: "" };

function* withKnownSource(db: Kysely<Database>, row: UsageRow): Steps<UsageRow> {
  const counted: QueryAnswer =
    yield sql`select count(*) as sources, sum(case when source_id = ${row.sourceId} then 1 else 0 end) as known
      from source_use where key_id = ${row.keyId}`.compile(db);
  const { sources, known } = counted.rows[0] as { sources: number; known: number | null };
  if (Number(known ?? 0) > 0 || Number(sources) < SOURCES_PER_KEY_MAX) return row;
  return { ...row, source: OTHER, sourceId: sourceId(OTHER) };
}

/** A sighting spans a second or so; it counts where it ended. */
function bucketsOf(
  rows: readonly UsageRow[],
): { keyId: string; version: number; start: number; accepted: number; refused: number }[] {
  const buckets = new Map<string, ReturnType<typeof bucketsOf>[number]>();
  for (const { keyId, version, last, accepted, refused } of rows) {
    const start = last - (last % BUCKET_MS);
    const id = `${keyId} ${version} ${start}`;
    const bucket = buckets.get(id);
    if (bucket === undefined) buckets.set(id, { keyId, version, start, accepted, refused });
    else {
      bucket.accepted += accepted;
      bucket.refused += refused;
    }
  }
  return [...buckets.values()];
}
