/**
 * Who does which part of the engine's work, as generators of statements (statements.ts). The work is cut into `SHARDS` parts; each has an
 * owner and a fencing number that grows with every change of hands. A process lives as long as its lease, a row of its own, on the
 * database's clock. One that slept through its lease still believes that it owns its shards; its commits find that its lease is over,
 * or carry an old number, and are refused (I9).
 *
 * Each process takes no more than its fair part, and gives back what it has beyond that when another one comes.
 *
 * Renewing a lease touches no shard: commits hold a lock on theirs (writes.ts), and a heartbeat that waited for a gap between them
 * would come too late. Taking a shard does wait, for the commits of the owner before.
 */
import { sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import { type QueryAnswer, type Statement, type Steps, statement, together } from "./statements.ts";
import { type Replica, SchemaError, type Shard } from "./store.ts";

export interface ShardRow {
  id: number;
  owner: string | null;
  fence: number;
}

const DEAD_KEPT_MS = 86_400_000;

export function* shareSteps(
  dialect: Dialect,
  { id, software, schema, startedAt }: Omit<Replica, "until">,
  leaseMs: number,
): Steps<{ replicas: Replica[]; shards: Shard[] }> {
  const { db, nowMs } = dialect;
  // First the row, then the look at the schema: a migration that takes something away does it the other way round.
  const [, version, known, rows] = yield [
    sql`insert into replica (id, software, schema, started_at, until)
      values (${id}, ${software}, ${schema}, ${startedAt}, ${nowMs()} + ${leaseMs})
      on conflict (id) do update set until = excluded.until`,
    sql`select version, works_from from schema_version order by version desc limit 1`,
    sql`select id, software, schema, started_at, until from replica where until > ${nowMs()} order by id`,
    sql`select id, owner, fence from shard order by id`,
    sql`delete from replica where until < ${nowMs()} - ${DEAD_KEPT_MS}`,
    sql`delete from fold where not exists (select 1 from replica where replica.id = fold.replica)`,
  ].map((query) => statement(db, query));
  refuseOutdated(schema, version);
  const replicas = (known?.rows ?? []).map(replicaOf);
  const living = new Set(replicas.map((replica) => replica.id));
  const { keep, take, giveBack } = fairShare((rows?.rows ?? []).map(shardOf), id, living);
  const taken: QueryAnswer[] = take.length === 0 ? [] : yield take.map((shard) => takeStatement(dialect, shard, id));
  const mine = [
    ...keep,
    ...take.filter((_, i) => taken[i]?.changed === 1).map((row) => ({ ...row, fence: row.fence + 1 })),
  ];
  return {
    value: { replicas, shards: mine.map(({ id: shard, fence }) => ({ shard, fence })) },
    last: giveBack.map((shard) =>
      statement(db, sql`update shard set owner = null where id = ${shard.id} and owner = ${id}`),
    ),
  };
}

/** If another was faster, the number has changed. */
function takeStatement({ db }: Dialect, { id, fence }: ShardRow, owner: string): Statement {
  return statement(
    db,
    sql`update shard set owner = ${owner}, fence = ${fence + 1} where id = ${id} and fence = ${fence}`,
  );
}

function refuseOutdated(schema: number, found: QueryAnswer | undefined): void {
  const { works_from } = (found?.rows[0] ?? {}) as { works_from?: number | null };
  if (Number(works_from ?? 0) <= schema) return;
  throw new SchemaError(
    `the database was brought to a schema for programs that know at least schema ${works_from}; this program knows up to ${schema}. Start the newer program`,
  );
}

/** What a process keeps, takes and gives back, with those that live; it is one of them. */
function fairShare(
  rows: readonly ShardRow[],
  me: string,
  living: ReadonlySet<string>,
): { keep: ShardRow[]; take: ShardRow[]; giveBack: ShardRow[] } {
  const fair = Math.ceil(rows.length / Math.max(1, living.size));
  const mine = rows.filter(({ owner }) => owner === me);
  const free = rows.filter(({ owner }) => owner !== me && (owner === null || !living.has(owner)));
  return {
    keep: mine.slice(0, fair),
    take: free.slice(0, Math.max(0, fair - mine.length)),
    giveBack: mine.slice(fair),
  };
}

export function leaveSteps({ db }: Dialect, replica: string): Steps<void> {
  const last = [
    sql`delete from replica where id = ${replica}`,
    sql`delete from fold where replica = ${replica}`,
    sql`update shard set owner = null where owner = ${replica}`,
  ].map((query) => statement(db, query));
  return together(last);
}

/** What all processes must agree on is settled by the first; answers what stands. */
export function* settleSteps({ db }: Dialect, name: string, value: string): Steps<string> {
  const [, found] = yield [
    sql`insert into settled (name, value) values (${name}, ${value}) on conflict (name) do nothing`,
    sql`select value from settled where name = ${name}`,
  ].map((query) => statement(db, query));
  return { value: String(found?.rows[0]?.value), last: [] };
}

function replicaOf(row: Record<string, unknown>): Replica {
  const { id, software, schema, started_at, until } = row;
  return {
    id: String(id),
    software: String(software),
    schema: Number(schema),
    startedAt: Number(started_at),
    until: Number(until),
  };
}

function shardOf(row: Record<string, unknown>): ShardRow {
  const { id, owner, fence } = row as { id: number; owner: string | null; fence: number };
  return { id: Number(id), owner, fence: Number(fence) };
}
