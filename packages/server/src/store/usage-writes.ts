/**
 * `record` and `fold` as generators of statements (statements.ts). They reach no table that holds a credential (I16).
 *
 * A boot's row and the sightings of its report are written together, guarded by the row's revision: a report counts once, whichever
 * process hears it, and hears it again; and so does what it charges to limits (limit-writes.ts). A row that is there just as it would have been written is no conflict: it is this very report, whose
 * first try was done and not answered.
 *
 * Everything is written in one order for everybody: two processes that write the same rows the other way round would wait for each other.
 */
import { GAP_FLOOR_MS, sourceId } from "@keyover/core";
import { sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Boot } from "./entities.ts";
import { endsSilence, forgetGaps, gapBetween, gapWithin } from "./gap-writes.ts";
import { type Charging, chargeSteps } from "./limit-writes.ts";
import { type QueryAnswer, type Statement, type Steps, statement, together } from "./statements.ts";
import { type BootReport, BUCKET_MS, type Fold, type Recorded, type Usage, type UsageRow } from "./store.ts";

export function* usageSteps(dialect: Dialect, usage: Usage): Steps<Recorded> {
  const reports = usage.reports.toSorted((a, b) => compare(a.boot.boot, b.boot.boot));
  const written = reports.length === 0 ? [] : yield reports.map((report) => bootStatement(dialect, report));
  const refused = reports.filter((_, i) => written[i]?.changed !== 1);
  const there = refused.length === 0 ? [] : yield refused.map(({ boot }) => thereStatement(dialect, boot));
  const lost = refused.filter((report, i) => !isWritten(report, there[i])).map(({ boot }) => boot.boot);
  const charging = reports.flatMap(({ boot: { boot }, limits }, i): Charging[] =>
    limits === undefined || lost.includes(boot) ? [] : [{ boot, report: limits, counts: written[i]?.changed === 1 }],
  );
  const { limits, last } = yield* chargeSteps(dialect, charging);
  const rows = [...usage.rows, ...reports.filter((_, i) => written[i]?.changed === 1).flatMap((report) => report.rows)];
  const value = limits.size === 0 ? { lost } : { lost, limits };
  if (rows.length === 0) return { value, last };
  const known = yield rows.map((row) => sourcesStatement(dialect, row));
  const sums = rowStatements(dialect, boundSources(rows, known).sort(compareRows));
  return { value, last: [...last, ...sums] };
}

/** Rows in one transaction, unless one report has more. Each is two statements to six; more would be too long under way. */
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

function rowStatements(dialect: Dialect, rows: readonly KnownRow[]): Statement[] {
  const { db } = dialect;
  const greatest = sql.raw(dialect.greatest);
  const least = sql.raw(dialect.least);
  // A program that tallies no silences leaves `gaps_to` behind: then they are whole only since where it was found.
  const ofSource = (row: UsageRow) => {
    const { network, client, instance } = row.source;
    return sql`insert into source_use (key_id, source_id, network, client, instance, last_seen, longest_gap_ms, gaps_since, gaps_to)
      values (${row.keyId}, ${row.sourceId}, ${network}, ${client}, ${instance}, ${row.last}, ${row.longestGapMs}, ${row.first}, ${row.last})
      on conflict (key_id, source_id) do update set
        longest_gap_ms = ${greatest}(source_use.longest_gap_ms, excluded.longest_gap_ms, ${row.first} - source_use.last_seen,
          (select min(first_seen) from version_use where key_id = ${row.keyId} and source_id = ${row.sourceId}) - ${row.last}),
        gaps_since = case when source_use.gaps_to = source_use.last_seen then source_use.gaps_since else source_use.last_seen end,
        gaps_to = ${greatest}(source_use.last_seen, excluded.last_seen),
        last_seen = ${greatest}(source_use.last_seen, excluded.last_seen)`;
  };
  // `mergeRun` of core's evidence.ts, in SQL.
  const ofVersion = (row: UsageRow) =>
    sql`insert into version_use (key_id, version, source_id, first_seen, last_seen, accepted, refused, refused_run, refused_from,
        accepted_last)
      values (${row.keyId}, ${row.version}, ${row.sourceId}, ${row.first}, ${row.last}, ${row.accepted}, ${row.refused},
        ${row.refused}, ${row.first}, ${row.accepted > 0 ? row.last : null})
      on conflict (key_id, version, source_id) do update set
        accepted_last = case when excluded.accepted_last is null then version_use.accepted_last
          else ${greatest}(coalesce(version_use.accepted_last, 0), excluded.accepted_last) end,
        refused_from = case when excluded.accepted > 0 and excluded.last_seen >= version_use.last_seen then excluded.refused_from
          when excluded.accepted > 0 then ${greatest}(version_use.refused_from,
            case when excluded.refused = 0 then excluded.last_seen else excluded.first_seen end)
          when coalesce(version_use.refused_run, 0) = 0 and excluded.last_seen > version_use.last_seen
            then ${greatest}(excluded.refused_from, version_use.last_seen)
          else version_use.refused_from end,
        refused_run = case when excluded.accepted > 0
          then case when excluded.last_seen >= version_use.last_seen then excluded.refused_run else version_use.refused_run end
          when coalesce(version_use.refused_run, 0) = 0 and excluded.last_seen <= version_use.last_seen then 0
          else ${least}(coalesce(version_use.refused_run, 0) + excluded.refused_run, ${COUNT_MAX}) end,
        first_seen = ${least}(version_use.first_seen, excluded.first_seen),
        last_seen = ${greatest}(version_use.last_seen, excluded.last_seen),
        accepted = ${least}(version_use.accepted + excluded.accepted, ${COUNT_MAX}),
        refused = ${least}(version_use.refused + excluded.refused, ${COUNT_MAX})`;
  const ofRow = (row: KnownRow) => {
    const between = endsSilence(row, row.lastSeen);
    const within = row.longestGapMs >= GAP_FLOOR_MS;
    return [
      ...(between ? [gapBetween(dialect, row)] : []),
      ofSource(row),
      ofVersion(row),
      ...(within ? [gapWithin(dialect, row)] : []),
      ...(between || within ? [forgetGaps(row)] : []),
    ];
  };
  const ofBucket = (bucket: Bucket) =>
    sql`insert into usage_bucket (key_id, version, start, accepted, refused, limited)
      values (${bucket.keyId}, ${bucket.version}, ${bucket.start}, ${bucket.accepted}, ${bucket.refused}, ${bucket.limited})
      on conflict (key_id, start, version) do update set
        limited = ${least}(coalesce(usage_bucket.limited, 0) + excluded.limited, ${COUNT_MAX}),
        accepted = ${least}(usage_bucket.accepted + excluded.accepted, ${COUNT_MAX}),
        refused = ${least}(usage_bucket.refused + excluded.refused, ${COUNT_MAX})`;
  return [...rows.flatMap(ofRow), ...bucketsOf(rows).map(ofBucket)].map((query) => statement(db, query));
}

/** A key's sources past this number are one: whoever holds a key, even a dead one, can make up as many as it likes. */
const SOURCES_PER_KEY_MAX = 300;
const OTHER = { network: "other", client: "other", instance: "" };

/** A row, and when its source was last seen before, by an earlier read; undefined if the source was not there. */
interface KnownRow extends UsageRow {
  lastSeen: number | undefined;
}

function sourcesStatement({ db }: Dialect, row: UsageRow): Statement {
  return statement(
    db,
    sql`select count(*) as sources, max(case when source_id = ${row.sourceId} then last_seen end) as seen,
        max(case when source_id = ${sourceId(OTHER)} then last_seen end) as other_seen
      from source_use where key_id = ${row.keyId}`,
  );
}

function boundSources(rows: readonly UsageRow[], answers: readonly QueryAnswer[]): KnownRow[] {
  const added = new Map<string, Set<string>>();
  const timeOf = (value: unknown) => (value === null || value === undefined ? undefined : Number(value));
  return rows.map((row, i) => {
    const answer = answers[i]?.rows[0];
    const lastSeen = timeOf(answer?.seen);
    const fresh = added.get(row.keyId) ?? new Set();
    added.set(row.keyId, fresh);
    if (lastSeen !== undefined || fresh.has(row.sourceId)) return { ...row, lastSeen };
    if (Number(answer?.sources ?? 0) + fresh.size >= SOURCES_PER_KEY_MAX)
      return { ...row, source: OTHER, sourceId: sourceId(OTHER), lastSeen: timeOf(answer?.other_seen) };
    fresh.add(row.sourceId);
    return { ...row, lastSeen };
  });
}

interface Bucket {
  keyId: string;
  version: number;
  start: number;
  accepted: number;
  refused: number;
  limited: number;
}

/** A sighting spans a second or so; it counts where it ended. */
function bucketsOf(rows: readonly UsageRow[]): Bucket[] {
  const buckets = new Map<string, Bucket>();
  for (const { keyId, version, last, accepted, refused, limited = 0 } of rows) {
    const start = last - (last % BUCKET_MS);
    const id = `${keyId} ${version} ${start}`;
    const bucket = buckets.get(id);
    if (bucket === undefined) buckets.set(id, { keyId, version, start, accepted, refused, limited });
    else {
      bucket.accepted += accepted;
      bucket.refused += refused;
      bucket.limited += limited;
    }
  }
  return [...buckets.values()].sort((a, b) => compare(a.keyId, b.keyId) || a.start - b.start || a.version - b.version);
}
