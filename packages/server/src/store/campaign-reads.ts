/** How a campaign's rotations stand, by indexes that hold them together. */
import { type Phase, REFUSED_RUN_LEAD_MS } from "@keyover/core";
import { type Kysely, sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Store } from "./store.ts";
import type { Database } from "./tables.ts";

export function campaignReads(
  db: Kysely<Database>,
  memberOf: Dialect["memberOf"],
): Pick<Store, "campaignTally" | "campaignRefused"> {
  return {
    async campaignTally(campaignId) {
      const { rows } = await sql<{ wave: number; phase: Phase; claimed: number; count: number }>`
        select wave, phase, claimed, count(*) as count from rotation where campaign_id = ${campaignId}
          group by wave, phase, claimed`.execute(db);
      return rows.map(({ wave, phase, claimed, count }) => ({
        wave: Number(wave),
        phase,
        claimed: Number(claimed) === 1,
        count: Number(count),
      }));
    },
    async campaignRefused(campaignId, after, limit) {
      // As `refusedSince` in core counts: of sources that had used the version before it retired.
      const { rows } = await sql<{ id: string; key_id: string; consumer_id: string | null; refused: number | null }>`
        select rotation.id as id, rotation.key_id as key_id,
          (select consumer_id from ${sql.table("key")} where ${sql.ref("key.id")} = rotation.key_id) as consumer_id, case when phase in ('retired', 'completed') then (
            select sum(case when refused_from < cast(${memberOf("retiredAt")} as bigint) - cast(${REFUSED_RUN_LEAD_MS} as bigint) then 1
                else refused_run end) from version_use
              where version_use.key_id = rotation.key_id
                and version_use.version = cast(${memberOf("from")} as integer) and accepted > 0 and refused_run > 0
                and last_seen >= cast(${memberOf("retiredAt")} as bigint)
                and first_seen < cast(${memberOf("retiredAt")} as bigint)
          ) end as refused
          from rotation where campaign_id = ${campaignId} and rotation.id > ${after} order by rotation.id limit ${limit}`.execute(
        db,
      );
      return {
        refused: rows.flatMap(({ key_id, consumer_id, refused }) => {
          const requests = Number(refused ?? 0);
          return requests === 0 ? [] : [{ keyId: key_id, consumerId: consumer_id ?? "", requests }];
        }),
        after: rows.length < limit ? null : (rows.at(-1)?.id ?? null),
      };
    },
  };
}
