/** Use by day: what buckets say when they are old enough, added up. */
import { sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import { type Statement, statement } from "./statements.ts";
import { DAY_MS } from "./store.ts";

/**
 * Buckets that begin before `before` move into their days: each is in one of the two, so a sum over both counts nothing twice, and a report
 * that comes late makes a bucket that moves next time. On PostgreSQL a report may add to an old bucket between the two statements, and is
 * then lost from the history.
 */
export function dayStatements({ db }: Dialect, before: number): Statement[] {
  const add = (column: string) =>
    sql`${sql.ref(column)} = ${sql.ref(`usage_day.${column}`)} + ${sql.ref(`excluded.${column}`)}`;
  return [
    sql`insert into usage_day (key_id, version, start, accepted, refused, limited)
      select key_id, version, start - start % ${sql.lit(DAY_MS)} as day, sum(accepted), sum(refused), sum(coalesce(limited, 0))
      from usage_bucket where start < ${before} group by key_id, version, day
      on conflict (key_id, start, version) do update set ${add("accepted")}, ${add("refused")}, ${add("limited")}`,
    sql`delete from usage_bucket where start < ${before}`,
  ].map((query) => statement(db, query));
}
