/**
 * The silences that sightings end, tallied as core's `foldSighting` says (gaps.ts). How long a silence was is known only under the lock on the
 * source's row, so the database calculates it; the statements stand beside the one that updates that row, before and after it.
 *
 * A source that is seen all the time ends none, and costs nothing: whether one can have ended is told from when the source was last seen, read a
 * moment before. Meanwhile it can only have been seen later, or earlier for the first time, and either makes silences shorter.
 */
import { GAP_FLOOR_MS, GAP_RUNGS, GAP_SLICE_MS, gapRung, gapSlice, slicesKept } from "@keyover/core";
import { type RawBuilder, sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { UsageRow } from "./store.ts";

/** `lastSeen`: of the source, by an earlier read; undefined if it was not there. */
export function endsSilence({ first, last }: UsageRow, lastSeen: number | undefined): boolean {
  return lastSeen === undefined || first - lastSeen >= GAP_FLOOR_MS || lastSeen - last >= GAP_FLOOR_MS;
}

/** Before the source's row is updated: the silence between this sighting and all the others. */
export function gapBetween(dialect: Dialect, { keyId, sourceId, first, last }: UsageRow) {
  return sql`insert into source_gap (key_id, source_id, slice, rung, count, longest_ms, second_ms)
    select key_id, source_id, ended_at / ${SLICE}, ${rungOf("gap_ms")}, 1, gap_ms, 0 from (
      select key_id, source_id,
        cast(case when after_ms >= before_ms then after_ms else before_ms end as bigint) as gap_ms,
        cast(case when after_ms >= before_ms then last_seen + after_ms else ${last} + before_ms end as bigint) as ended_at from (
        select key_id, source_id, last_seen, ${first} - last_seen as after_ms, (select min(first_seen) from version_use
            where version_use.key_id = ${keyId} and version_use.source_id = ${sourceId}) - ${last} as before_ms
          from source_use where key_id = ${keyId} and source_id = ${sourceId} ${dialect.forUpdate}) as around) as gap
      where gap_ms >= ${FLOOR}
    ${tallyOnceMore(dialect)}`;
}

/** After it: the longest silence within the sighting. */
export function gapWithin(dialect: Dialect, { keyId, sourceId, last, longestGapMs }: UsageRow) {
  return sql`insert into source_gap (key_id, source_id, slice, rung, count, longest_ms, second_ms)
    values (${keyId}, ${sourceId}, ${gapSlice(last)}, ${gapRung(longestGapMs)}, 1, ${longestGapMs}, 0) ${tallyOnceMore(dialect)}`;
}

/** What is remembered no more. Reads leave it out, so this is for the room that it takes. */
export function forgetGaps({ keyId, sourceId }: UsageRow) {
  const last = sql`(select last_seen / ${SLICE} from source_use where key_id = ${keyId} and source_id = ${sourceId})`;
  return sql`delete from source_gap where key_id = ${keyId} and source_id = ${sourceId} and slice + ${KEPT} < ${last}`;
}

const FLOOR = sql.raw(String(GAP_FLOOR_MS));
const SLICE = sql.raw(String(GAP_SLICE_MS));
const KEPT = sql.raw(`case rung ${GAP_RUNGS.map((_, rung) => `when ${rung} then ${slicesKept(rung)}`).join(" ")} end`);

function rungOf(column: string): RawBuilder<unknown> {
  const cases = GAP_RUNGS.map((shortest, rung) => `when ${column} >= ${shortest} then ${rung}`).reverse();
  return sql.raw(`case ${cases.join(" ")} end`);
}

function tallyOnceMore({ greatest, least }: Dialect): RawBuilder<unknown> {
  return sql.raw(`on conflict (key_id, source_id, slice, rung) do update set count = source_gap.count + 1,
    second_ms = ${greatest}(source_gap.second_ms, ${least}(source_gap.longest_ms, excluded.longest_ms)),
    longest_ms = ${greatest}(source_gap.longest_ms, excluded.longest_ms)`);
}
