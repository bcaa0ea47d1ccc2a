/** Plans as verifiers have them, who has them, and what is used of their limits. */
import type { LimitUse, PlanRecord } from "@keyover/core";
import { type Kysely, type RawBuilder, sql } from "kysely";
import { rowsOf } from "./statements.ts";
import type { Store } from "./store.ts";
import type { Database } from "./tables.ts";

type LimitReads = Pick<Store, "planRecords" | "keysOfPlan" | "plansOfConsumers" | "limitUses">;

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
    async plansOfConsumers(apiId, consumerIds, plans, environments) {
      if (consumerIds.length === 0 || plans.length === 0) return [];
      const own = sql`"key".api_id = ${apiId} and "key".consumer_id = wanted.consumer`;
      const one = (more: RawBuilder<unknown>) => sql`
        (plan <> '' and exists (select 1 from "key" where ${own} and "key".plan_id = wanted_plan.plan${more}))
        or (plan = '' and exists (select 1 from "key" where ${own} and "key".plan_id is null${more}))`;
      const there = environments.length === 0 ? sql`` : sql` and "key".environment in (${sql.join(environments)})`;
      // All at once: a statement for each part of them would be hundreds.
      const { rows } = await sql<{ consumer: string; plan: string; there: number }>`
        with wanted (consumer) as (values ${rowsOf(consumerIds.map((id) => [id]))}),
          wanted_plan (plan) as (values ${rowsOf(plans.map((plan) => [plan ?? ""]))})
        select consumer, plan, case when ${environments.length === 0 ? sql`1 = 1` : one(there)} then 1 else 0 end as there
        from wanted cross join wanted_plan where ${one(sql``)}`.execute(db);
      return rows.map(({ consumer, plan, there }) => ({
        consumerId: consumer,
        plan: plan === "" ? null : plan,
        isThere: Number(there) === 1,
      }));
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
