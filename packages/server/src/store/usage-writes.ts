/**
 * `record` and `fold` as generators of statements (statements.ts). They reach no table that holds a credential (I16).
 *
 * A boot's row and the sightings of its report are written together, guarded by the row's revision: a report counts once, whichever
 * process hears it, and hears it again. A row that is there just as it would have been written is no conflict: it is this very report, whose
 * first try was done and not answered.
 *
 * Everything is written in one order for everybody: two processes that write the same rows the other way round would wait for each other.
 */
import { sourceId } from "@keyover/core";
import { sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Boot } from "./entities.ts";
import { type QueryAnswer, type Statement, type Steps, statement, together } from "./statements.ts";
import { type BootReport, BUCKET_MS, type Fold, type Usage, type UsageRow } from "./store.ts";

export function* usageSteps(dialect: Dialect, usage: Usage): Steps<{ lost: string[] }> {
  const reports = usage.reports.toSorted((a, b) => compare(a.boot.boot, b.boot.boot));
  const written = reports.length === 0 ? [] : yield reports.map((report) => bootStatement(dialect, report));
  const refused = reports.filter((_, i) => written[i]?.changed !== 1);
  const there = refused.length === 0 ? [] : yield refused.map(({ boot }) => thereStatement(dialect, boot));
  const lost = refused.filter((report, i) => !isWritten(report, there[i])).map(({ boot }) => boot.boot);
  const rows = [...usage.rows, ...reports.filter((_, i) => written[i]?.changed === 1).flatMap((report) => report.rows)];
  if (rows.length === 0) return { value: { lost }, last: [] };
  const known = yield rows.map((row) => sourcesStatement(dialect, row));
  return { value: { lost }, last: rowStatements(dialect, boundSources(rows, known).sort(compareRows)) };
}

/** Rows in one transaction, unless one report has more. Each is two statements or three; more would be too long under way. */
const ROWS_TOGETHER_MAX = 2_000;

/** The same usage in parts that are each written by themselves, where a transaction's time is bounded. */
export function* usageParts(usage: Usage): Generator<Usage> {
  let part: Usage = { rows: [], reports: [] };
  let size = 0;
  const rest: Usage[] = [];
  for (let at = 0; at < usage.rows.length; at += ROWS_TOGETHER_MAX)
    rest.push({ rows: usage.rows.slice(at, at + ROWS_TOGETHER_MAX), reports: [] });
  for (const report of usage.reports) rest.push({ rows: [], reports: [report] });
  for (const next of rest) {
    const more = next.rows.length + next.reports.reduce((sum, { rows }) => sum + rows.length, 0);
    if (size > 0 && size + more > ROWS_TOGETHER_MAX) {
      yield part;
      part = { rows: [], reports: [] };
      size = 0;
    }
    part = { rows: [...part.rows, ...next.rows], reports: [...part.reports, ...next.reports] };
    size += more;
  }
  if (part.rows.length + part.reports.length > 0) yield part;
}

function bootStatement({ db }: Dialect, { boot, expect }: BootReport): Statement {
  const body = JSON.stringify(boot);
  const answersUntil = Math.ceil(boot.answersUntil);
  const unknownUntil = unknownUntilOf(boot);
  return statement(
    db,
    expect === 0
      ? sql`insert into boot (boot, api_id, rev, answers_until, unknown_until, body)
          values (${boot.boot}, ${boot.apiId}, 1, ${answersUntil}, ${unknownUntil}, ${body})
          on conflict (boot) do nothing`
      : sql`update boot set rev = ${expect + 1}, answers_until = ${answersUntil}, unknown_until = ${unknownUntil}, body = ${body}
          where boot = ${boot.boot} and rev = ${expect}`,
  );
}

function thereStatement({ db }: Dialect, { boot }: Boot): Statement {
  return statement(db, sql`select rev, body from boot where boot = ${boot}`);
}

function isWritten({ boot, expect }: BootReport, answer: QueryAnswer | undefined): boolean {
  const [row] = (answer?.rows ?? []) as { rev: number; body: string }[];
  return row !== undefined && Number(row.rev) === expect + 1 && row.body === JSON.stringify(boot);
}

/** Until when it is unknown what the boot did, if it says nothing more; null if all of it is known. */
function unknownUntilOf({ closed, answersUntil, replacedAt, removedAt, coveredTo }: Boot): number | null {
  if (closed) return null;
  const until = Math.min(answersUntil, replacedAt ?? Number.POSITIVE_INFINITY, removedAt ?? Number.POSITIVE_INFINITY);
  return until > coveredTo ? Math.ceil(until) : null;
}

export function foldSteps({ db }: Dialect, fold: Fold): Steps<void> {
  const upsert = sql`insert into fold (replica, api_id, version, applied, adoption)
    values (${fold.replica}, ${fold.apiId}, ${fold.version}, ${fold.applied}, ${fold.adoption})
    on conflict (replica, api_id) do update set version = excluded.version, applied = excluded.applied, adoption = excluded.adoption
    where fold.version < excluded.version`;
  return together([statement(db, upsert)]);
}

/** By key and source. The lock on the source's row covers its versions; of one source the order is kept, because gaps depend on it. */
function compareRows(a: UsageRow, b: UsageRow): number {
  return compare(a.keyId, b.keyId) || compare(a.sourceId, b.sourceId);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Sums end here, so that they stay whole numbers wherever they are read. */
const COUNT_MAX = 2 ** 52;

function rowStatements(dialect: Dialect, rows: readonly UsageRow[]): Statement[] {
  const { db } = dialect;
  const greatest = sql.raw(dialect.greatest);
  const least = sql.raw(dialect.least);
  const ofSource = (row: UsageRow) => {
    const { network, client, instance } = row.source;
    return sql`insert into source_use (key_id, source_id, network, client, instance, last_seen, longest_gap_ms)
      values (${row.keyId}, ${row.sourceId}, ${network}, ${client}, ${instance}, ${row.last}, ${row.longestGapMs})
      on conflict (key_id, source_id) do update set
        longest_gap_ms = ${greatest}(source_use.longest_gap_ms, excluded.longest_gap_ms, ${row.first} - source_use.last_seen,
          (select min(first_seen) from version_use where key_id = ${row.keyId} and source_id = ${row.sourceId}) - ${row.last}),
        last_seen = ${greatest}(source_use.last_seen, excluded.last_seen)`;
  };
  const ofVersion = (row: UsageRow) =>
    sql`insert into version_use (key_id, version, source_id, first_seen, last_seen, accepted, refused)
      values (${row.keyId}, ${row.version}, ${row.sourceId}, ${row.first}, ${row.last}, ${row.accepted}, ${row.refused})
      on conflict (key_id, version, source_id) do update set
        first_seen = ${least}(version_use.first_seen, excluded.first_seen),
        last_seen = ${greatest}(version_use.last_seen, excluded.last_seen),
        accepted = ${least}(version_use.accepted + excluded.accepted, ${COUNT_MAX}),
        refused = ${least}(version_use.refused + excluded.refused, ${COUNT_MAX})`;
  const ofBucket = (bucket: Bucket) =>
    sql`insert into usage_bucket (key_id, version, start, accepted, refused)
      values (${bucket.keyId}, ${bucket.version}, ${bucket.start}, ${bucket.accepted}, ${bucket.refused})
      on conflict (key_id, start, version) do update set
        accepted = ${least}(usage_bucket.accepted + excluded.accepted, ${COUNT_MAX}),
        refused = ${least}(usage_bucket.refused + excluded.refused, ${COUNT_MAX})`;
  return [...rows.flatMap((row) => [ofSource(row), ofVersion(row)]), ...bucketsOf(rows).map(ofBucket)].map((query) =>
    statement(db, query),
  );
}

/** A key's sources past this number are one: whoever holds a key, even a dead one, can make up as many as it likes. */
const SOURCES_PER_KEY_MAX = 300;
const OTHER = { network: "other", client: "other", instance: "" };

function sourcesStatement({ db }: Dialect, row: UsageRow): Statement {
  return statement(
    db,
    sql`select count(*) as sources, sum(case when source_id = ${row.sourceId} then 1 else 0 end) as known
      from source_use where key_id = ${row.keyId}`,
  );
}

function boundSources(rows: readonly UsageRow[], answers: readonly QueryAnswer[]): UsageRow[] {
  const added = new Map<string, Set<string>>();
  return rows.map((row, i) => {
    const { sources = 0, known = 0 } = (answers[i]?.rows[0] ?? {}) as { sources?: number; known?: number | null };
    const fresh = added.get(row.keyId) ?? new Set();
    added.set(row.keyId, fresh);
    if (Number(known ?? 0) > 0 || fresh.has(row.sourceId)) return row;
    if (Number(sources) + fresh.size >= SOURCES_PER_KEY_MAX)
      return { ...row, source: OTHER, sourceId: sourceId(OTHER) };
    fresh.add(row.sourceId);
    return row;
  });
}

interface Bucket {
  keyId: string;
  version: number;
  start: number;
  accepted: number;
  refused: number;
}

/** A sighting spans a second or so; it counts where it ended. */
function bucketsOf(rows: readonly UsageRow[]): Bucket[] {
  const buckets = new Map<string, Bucket>();
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
  return [...buckets.values()].sort((a, b) => compare(a.keyId, b.keyId) || a.start - b.start || a.version - b.version);
}
