/**
 * `commit`, `post` and `prune` as generators of statements (statements.ts).
 *
 *     guards, rows ─▶ heads of the feeds, head of the audit log ─▶ entries, COMMIT
 *
 * Numbers of the feed and of the audit log are handed out from head rows that stay locked until the transaction ends: so they have no
 * gaps, and an entry is visible only after all before it. A sequence would do neither. The heads come as late as they can, and the audit
 * log's last, because everybody waits for it.
 */
import { sql } from "kysely";
import { chainHash } from "./audit-chain.ts";
import type { Dialect } from "./dialect.ts";
import { entriesPerApi, feedStatements, numbered } from "./feed-writes.ts";
import { dayStatements } from "./history-writes.ts";
import { outboxStatements } from "./outbox-writes.ts";
import { type QueryAnswer, rowsOf, type Statement, type Steps, statement } from "./statements.ts";
import type { Batch, Check, CommitOutcome, Fence, Mail, Store, Write } from "./store.ts";
import { type Lifted, lifted } from "./tables.ts";

/** Where a commit stands in the log, so that it can be found again when its outcome got lost on the way. */
export interface CommitMark {
  /** A name for this attempt, unique among all; null where no outcome gets lost. */
  batch: string | null;
  /** The number of its first audit entry; set as soon as it is known. */
  auditSeq?: number;
}

export function* commitSteps(dialect: Dialect, batch: Batch, mark: CommitMark): Steps<CommitOutcome & { ok: true }> {
  const { db, forUpdate } = dialect;
  if (batch.audit.length === 0) throw new Error("a commit without an audit entry");
  const guarded = [...guardStatements(dialect, batch), ...leapStatements(dialect, batch)];
  if (guarded.length > 0) yield guarded;
  const counts = entriesPerApi(batch.feed);
  const feedHeads = counts.map(([apiId, count]) =>
    statement(
      db,
      sql`insert into feed_head (api_id, seq) values (${apiId}, ${count})
        on conflict (api_id) do update set seq = feed_head.seq + excluded.seq returning seq`,
    ),
  );
  const auditHead = statement(db, sql`select seq, hash from audit_head where id = 1 ${forUpdate}`);
  const heads = yield [...feedHeads, auditHead];
  const before = counts.map(([apiId, count], i) => [apiId, Number(heads[i]?.rows[0]?.seq) - count] as const);
  const feed = numbered(batch.feed, new Map(before));
  return {
    value: { ok: true, feed },
    last: [
      ...feedStatements(dialect, feed),
      ...outboxStatements(dialect, batch.notices ?? [], JSON.stringify(heads.at(-1)?.rows[0])),
      ...auditStatements(dialect, batch.audit, mark, heads.at(-1)),
    ],
  };
}

/** A second time it conflicts with itself, and nothing is lost: whoever posts reads again. */
export function* postSteps(dialect: Dialect, { fence, raise = [], writes = [] }: Mail): Steps<void> {
  const guarded = writes.map((write) => writeStatement(dialect, write));
  if (fence !== undefined) guarded.unshift(fenceStatement(dialect, fence));
  if (guarded.length > 0) yield guarded;
  return { value: undefined, last: outboxStatements(dialect, raise, "") };
}

/** In the order in which their conflicts are answered. */
function guardStatements(dialect: Dialect, { fence, idempotency, checks = [], writes }: Batch): Statement[] {
  const { db } = dialect;
  const all: Statement[] = [];
  if (fence !== undefined) all.push(fenceStatement(dialect, fence));
  if (idempotency !== undefined) {
    const { id, createdAt } = idempotency;
    const body = JSON.stringify(idempotency);
    const insert = sql`insert into idempotency (id, created_at, body) values (${id}, ${createdAt}, ${body}) on conflict (id) do nothing`;
    all.push(statement(db, insert, "idempotency"));
  }
  for (const check of checks) all.push(checkStatement(dialect, check));
  for (const write of writes) all.push(...unusedStatements(dialect, write), writeStatement(dialect, write));
  return all;
}

/**
 * The lock on the row makes whoever takes the shard over wait until this transaction has ended: so the lease may run out meanwhile, and
 * still nobody else works on it.
 */
function fenceStatement({ db, nowMs, forShare }: Dialect, { shard, replica, fence }: Fence): Statement {
  const lives = sql`exists (select 1 from replica where replica.id = ${replica} and replica.until > ${nowMs()})`;
  const own = sql`select id from shard where id = ${shard} and owner = ${replica} and fence = ${fence} and ${lives} ${forShare}`;
  return statement(db, own, "fence");
}

function checkStatement({ db, forShare }: Dialect, { table, id, rev }: Check): Statement {
  return statement(db, sql`select id from ${sql.table(table)} where id = ${id} and rev = ${rev} ${forShare}`, "row");
}

/**
 * A plan goes only while no key has it. Whoever gives it to a key checks its row: that commit ends first and is seen, or finds no row. So the
 * row is locked before the keys are looked at, by statements of their own.
 */
function unusedStatements({ db, forUpdate }: Dialect, write: Write): Statement[] {
  if (!("remove" in write) || write.remove !== "plan") return [];
  const { id } = write;
  const locked = sql`select api_id from plan where id = ${id} ${forUpdate}`;
  const unused = sql`select id from plan where id = ${id} and not exists
    (select 1 from "key" where "key".api_id = plan.api_id and plan_id = ${id} and status <> 'revoked')`;
  return [statement(db, locked, "row"), statement(db, unused, "row")];
}

function writeStatement({ db, json }: Dialect, write: Write): Statement {
  if ("remove" in write) return statement(db, sql`delete from ${sql.table(write.remove)} where id = ${write.id}`);
  const { put: table, value, expect } = write;
  const columns = Object.entries((lifted[table] as (value: unknown) => Record<string, Lifted>)(value));
  const body = json(value);
  if (expect === 0) {
    const names = sql.join(columns.map(([name]) => sql.ref(name)));
    const values = sql.join(columns.map(([, column]) => sql`${column}`));
    const insert = sql`insert into ${sql.table(table)} (id, rev, body, ${names}) values (${value.id}, 1, ${body}, ${values})`;
    return statement(db, insert, "row");
  }
  const sets = sql.join(columns.map(([name, column]) => sql`${sql.ref(name)} = ${column}`));
  const update = sql`update ${sql.table(table)} set rev = ${expect + 1}, body = ${body}, ${sets} where id = ${value.id} and rev = ${expect}`;
  return statement(db, update, "row");
}

/** Never back. */
function leapStatements(dialect: Dialect, { feedBehind }: Batch): Statement[] {
  if (feedBehind === undefined) return [];
  const { db } = dialect;
  const { apiId, seq } = feedBehind;
  const leap = sql`insert into feed_head (api_id, seq) values (${apiId}, ${seq})
    on conflict (api_id) do update set seq = ${sql.raw(dialect.greatest)}(feed_head.seq, excluded.seq)`;
  return [statement(db, leap), statement(db, sql`delete from feed_entry where api_id = ${apiId}`)];
}

function auditStatements(
  { db }: Dialect,
  drafts: Batch["audit"],
  mark: CommitMark,
  head: QueryAnswer | undefined,
): Statement[] {
  const before = head?.rows[0] as { seq: number; hash: string } | undefined;
  if (before === undefined) throw new Error("the audit log has no head");
  const first = Number(before.seq) + 1;
  mark.auditSeq = first;
  let { hash } = before;
  const entries = drafts.map((draft, i) => {
    const seq = first + i;
    hash = chainHash(hash, { ...draft, seq });
    return [seq, draft.at, draft.actor, draft.action, JSON.stringify(draft), hash, mark.batch];
  });
  const subjects = drafts.flatMap((draft, i) => [...new Set(draft.subjects)].map((subject) => [subject, first + i]));
  const all = [
    statement(db, sql`insert into audit (seq, at, actor, action, body, hash, batch) values ${rowsOf(entries)}`),
    statement(db, sql`update audit_head set seq = ${first + drafts.length - 1}, hash = ${hash} where id = 1`),
  ];
  if (subjects.length > 0)
    all.push(statement(db, sql`insert into audit_subject (subject, seq) values ${rowsOf(subjects)}`));
  return all;
}

export function* pruneSteps(dialect: Dialect, before: Parameters<Store["prune"]>[0]): Steps<void> {
  const { db } = dialect;
  const [heads] = yield [statement(db, sql`select api_id, seq from feed_head where seq > ${before.feedKeep}`)];
  const feeds = (heads?.rows ?? []) as { api_id: string; seq: number }[];
  const last = [
    ...feeds.map(
      ({ api_id, seq }) =>
        sql`delete from feed_entry where api_id = ${api_id} and seq <= ${Number(seq) - before.feedKeep}`,
    ),
    sql`delete from idempotency where created_at < ${before.idempotency}`,
    sql`delete from usage_day where start < ${before.days ?? 0}`,
    sql`delete from limit_use where until < ${before.limits ?? 0}`,
    sql`delete from boot where answers_until < ${before.boots}`,
    ...(before.notices === undefined
      ? []
      : [
          sql`delete from notice where created_at < ${before.notices} and due_at is null and escalate_at is null`,
          sql`delete from notice_event where at < ${before.notices} and waits = 0`,
        ]),
  ].map((query) => statement(db, query));
  return { value: undefined, last: [...dayStatements(dialect, before.buckets), ...last] };
}
