/** What the engine looks over from time to time, a page at a time, so that a look costs the same however much there is. */
import { type Kysely, sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Sealed } from "./entities.ts";
import type { Store } from "./store.ts";
import type { Database } from "./tables.ts";

export function engineReads(
  db: Kysely<Database>,
  memberOf: Dialect["memberOf"],
): Pick<Store, "liveRotations" | "usedSuccessors" | "provenSecrets" | "expiredSecrets"> {
  return {
    async liveRotations(after, limit) {
      const { rows } = await sql<{ id: string }>`
        select id from rotation where ended = 0 and id > ${after} order by id limit ${limit}`.execute(db);
      return rows.map(({ id }) => id);
    },
    async usedSuccessors(rotationIds) {
      if (rotationIds.length === 0) return [];
      // The plus keeps SQLite from going through all that have not ended.
      const { rows } = await sql<{ id: string }>`
        select rotation.id as id from rotation where rotation.id in (${sql.join(rotationIds)}) and +ended = 0
          and phase = 'offered' and exists (select 1 from version_use where version_use.key_id = rotation.key_id
            and version_use.version = cast(${memberOf("to")} as integer) and accepted > 0)`.execute(db);
      return rows.map(({ id }) => id);
    },
    async provenSecrets(after, limit) {
      const page = await db
        .selectFrom("sealed")
        .select("id")
        .where("id", ">", after)
        .orderBy("id")
        .limit(limit)
        .execute();
      const last = page.at(-1)?.id;
      if (last === undefined) return { found: [], next: undefined };
      const { rows } = await sql<{ key_id: string; version: number }>`
        select version.key_id as key_id, version.number as version from sealed join version on version.id = sealed.id
          where sealed.id in (${sql.join(page.map(({ id }) => id))}) and exists (select 1 from version_use
            where version_use.key_id = version.key_id and version_use.version = version.number
              and version_use.last_seen >= version.created_at and accepted > 0)`.execute(db);
      const found = rows.map(({ key_id, version }) => ({ keyId: key_id, version: Number(version) }));
      return { found, next: page.length < limit ? undefined : last };
    },
    async expiredSecrets(now, limit) {
      const rows = await db
        .selectFrom("sealed")
        .select("body")
        .where("rotation_id", "is", null)
        .where("expires_at", "<", now)
        .orderBy("expires_at")
        .limit(limit)
        .execute();
      return rows.map(({ body }) => JSON.parse(body) as Sealed);
    },
  };
}
