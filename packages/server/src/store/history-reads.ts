/** How much a key was used, by time. */
import { type Kysely, sql } from "kysely";
import { BUCKET_MS, DAY_MS, type Store, type UsageBucket } from "./store.ts";
import type { Database } from "./tables.ts";

type Row = Record<keyof UsageBucket, unknown>;

export function historyReads(db: Kysely<Database>): Pick<Store, "buckets" | "days"> {
  const sums = sql`sum(accepted) as accepted, sum(refused) as refused, sum(limited) as limited`;
  return {
    async buckets(keyId, from, to, stepMs = BUCKET_MS) {
      const { rows } = await sql<Row>`select version, slot as start, ${sums} from (
          select version, start - start % ${sql.lit(stepMs)} as slot, accepted, refused, coalesce(limited, 0) as limited
          from usage_bucket where key_id = ${keyId} and start >= ${from} and start < ${to}) part
        group by slot, version order by slot, version`.execute(db);
      return rows.map(bucketOf);
    },
    async days(keyId, from, to) {
      const of = sql`key_id = ${keyId} and start >= ${from} and start < ${to}`;
      const { rows } = await sql<Row>`select version, day as start, ${sums} from (
          select version, start as day, accepted, refused, limited from usage_day where ${of}
          union all
          select version, start - start % ${sql.lit(DAY_MS)} as day, accepted, refused, coalesce(limited, 0) as limited
          from usage_bucket where ${of}) part
        group by day, version order by day, version`.execute(db);
      return rows.map(bucketOf);
    },
  };
}

function bucketOf({ version, start, accepted, refused, limited }: Row): UsageBucket {
  return {
    version: Number(version),
    start: Number(start),
    accepted: Number(accepted),
    refused: Number(refused),
    limited: Number(limited),
  };
}
