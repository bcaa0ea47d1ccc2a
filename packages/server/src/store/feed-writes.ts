/**
 * Feed entries as rows. A key's newest record, and a plan's, stand beside the log as well: snapshots are made of them.
 *
 * A plan travels in the log in a shape that a program which knows no plans may hand on: it takes it for the record of a key that nobody
 * can present, which hurts no verifier.
 */
import type { FeedEntry, KeyRecord, PlanRecord } from "@keyover/core";
import { sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import { type Statement, statement } from "./statements.ts";
import type { Batch } from "./store.ts";

/** In one order for everybody: two commits that lock the same heads the other way round would wait for each other. */
export function entriesPerApi(drafts: Batch["feed"]): [apiId: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { apiId } of drafts) counts.set(apiId, (counts.get(apiId) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}

type PublishedEntry = { apiId: string; entry: FeedEntry };

export function numbered(drafts: Batch["feed"], heads: Map<string, number>): PublishedEntry[] {
  return drafts.map((draft) => {
    const { apiId } = draft;
    const seq = (heads.get(apiId) ?? 0) + 1;
    heads.set(apiId, seq);
    const what = "record" in draft ? { record: { seq, ...draft.record } } : { plan: { seq, ...draft.plan } };
    return { apiId, entry: { seq, ...what } };
  });
}

export function feedStatements(dialect: Dialect, entries: readonly PublishedEntry[]): Statement[] {
  return entries.flatMap(({ apiId, entry: { seq, record, plan } }) => {
    if (plan !== undefined) return planStatements(dialect, apiId, plan);
    if (record === undefined) return [];
    const { db } = dialect;
    const body = JSON.stringify(record);
    return [
      entryStatement(dialect, { apiId, seq, keyId: record.key, body }),
      statement(
        db,
        sql`insert into feed_record (key_id, api_id, seq, body) values (${record.key}, ${apiId}, ${seq}, ${body})
          on conflict (key_id) do update set seq = excluded.seq, body = excluded.body`,
      ),
    ];
  });
}

function entryStatement(
  { db }: Dialect,
  { apiId, seq, keyId, body }: { apiId: string; seq: number; keyId: string; body: string },
): Statement {
  return statement(
    db,
    sql`insert into feed_entry (api_id, seq, key_id, body) values (${apiId}, ${seq}, ${keyId}, ${body})`,
  );
}

function planStatements(dialect: Dialect, apiId: string, plan: PlanRecord): Statement[] {
  const { db } = dialect;
  const { plan: planId, seq } = plan;
  const kept = plan.removed
    ? sql`delete from feed_plan where plan_id = ${planId}`
    : sql`insert into feed_plan (plan_id, api_id, seq, body) values (${planId}, ${apiId}, ${seq}, ${JSON.stringify(plan)})
        on conflict (plan_id) do update set seq = excluded.seq, body = excluded.body`;
  return [
    entryStatement(dialect, { apiId, seq, keyId: planId, body: JSON.stringify(planBody(plan)) }),
    statement(db, kept),
  ];
}

function planBody(plan: PlanRecord): KeyRecord & { ofPlan: PlanRecord } {
  const id = plan.plan.slice(plan.plan.indexOf("_") + 1);
  return {
    seq: plan.seq,
    key: `key_${id}`,
    consumer: `con_${id}`,
    environment: "",
    status: "revoked",
    scopes: [],
    networks: [],
    current: 1,
    versions: [],
    ofPlan: plan,
  };
}

/** An entry from its row's body. */
export function entryOf(seq: number, body: string): FeedEntry {
  const { ofPlan, ...record } = JSON.parse(body) as KeyRecord & { ofPlan?: PlanRecord };
  return ofPlan === undefined ? { seq, record } : { seq, plan: ofPlan };
}
