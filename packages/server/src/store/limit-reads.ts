/** Plans as verifiers have them, who has them, and what is used of their limits. */
import type { LimitUse, PlanRecord } from "@keyover/core";
import { type Kysely, sql } from "kysely";
import { rowsOf } from "./statements.ts";
import type { Store } from "./store.ts";
import type { Database } from "./tables.ts";

type LimitReads = Pick<Store, "planRecords" | "keysOfPlan" | "plansOfConsumers" | "limitUses">;

const ASKED_TOGETHER = 500;

export function limitReads(db: Kysely<Database>): LimitReads {
  return {
    async planRecords(apiId) {
      const rows = await db
        .selectFrom("feed_plan")
        .select("body")
        .where("api_id", "=", apiId)
        .orderBy("plan_id")
        .execute();
      return rows.map(({ body }) => JSON.parse(body) as PlanRecord);
    },
    async keysOfPlan(apiId, planId, most) {
      const some = sql`select 1 from "key" where api_id = ${apiId} and plan_id = ${planId} and status <> 'revoked' limit ${most}`;
      const { rows } = await sql<{ n: number }>`select count(*) as n from (${some}) part`.execute(db);
      return Number(rows[0]?.n ?? 0);
    },
    async plansOfConsumers(apiId, asked, environments) {
      const found = new Set<string>();
      const there = environments.length === 0 ? sql`` : sql` and "key".environment in (${sql.join(environments)})`;
      const own = sql`"key".api_id = ${apiId} and "key".consumer_id = wanted.consumer${there}`;
      for (let at = 0; at < asked.length; at += ASKED_TOGETHER) {
        const pairs = asked.slice(at, at + ASKED_TOGETHER).map(({ consumerId, plan }) => [consumerId, plan ?? ""]);
        const { rows } = await sql<{ consumer: string; plan: string }>`
          with wanted (consumer, plan) as (values ${rowsOf(pairs)})
          select consumer, plan from wanted
          where (plan <> '' and exists (select 1 from "key" where ${own} and "key".plan_id = wanted.plan))
            or (plan = '' and exists (select 1 from "key" where ${own} and "key".plan_id is null))`.execute(db);
        for (const { consumer, plan } of rows) found.add(`${consumer} ${plan}`);
      }
      return asked.map(({ consumerId, plan }) => found.has(`${consumerId} ${plan ?? ""}`));
    },
    async limitUses(apiId, limits) {
      if (limits.length === 0) return [];
      const ids = rowsOf(limits.map(({ subject, limit }) => [subject, limit.name]));
      const { rows } = await sql<{ subject: string; name: string; body: string }>`select subject, name, body
        from limit_use where api_id = ${apiId} and (subject, name) in (values ${ids})`.execute(db);
      const found = new Map(
        rows.map(({ subject, name, body }) => [`${subject} ${name}`, JSON.parse(body) as LimitUse]),
      );
      return limits.map(({ subject, limit }) => found.get(`${subject} ${limit.name}`));
    },
  };
}
