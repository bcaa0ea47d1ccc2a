/** The store's reads, for any dialect that kysely speaks. */
import {
  type GapTally,
  type KeyRecord,
  type Rotation,
  rememberedGaps,
  type SourceUse,
  wholeRotation,
} from "@keyover/core";
import { type Kysely, type RawBuilder, sql } from "kysely";
import { campaignReads } from "./campaign-reads.ts";
import type { Dialect } from "./dialect.ts";
import { engineReads } from "./engine-reads.ts";
import type { Boot, Entities, EntityName } from "./entities.ts";
import { entryOf } from "./feed-writes.ts";
import { historyReads } from "./history-reads.ts";
import { limitReads } from "./limit-reads.ts";
import type { AuditDraft, AuditEntry, Filter, Held, IdempotencyRecord, KeyFilter, Page, Store } from "./store.ts";
import { type Database, liftedColumns } from "./tables.ts";

type MemberOf = Dialect["memberOf"];

/** The part of a store that is the same for all of them. */
export type Reads = ReturnType<typeof createReads>;

export function createReads(dialect: Dialect) {
  const { db, memberOf } = dialect;
  return {
    ...entityReads(db, memberOf),
    ...feedReads(db),
    ...usageReads(dialect),
    ...historyReads(db),
    ...limitReads(db),
    ...fleetReads(db),
    ...engineReads(db, memberOf),
    ...dueReads(db),
    ...noticeReads(db),
    ...campaignReads(db, memberOf),
    ...auditReads(db),
    async now() {
      const { rows } = await sql<{ now: number }>`select ${dialect.nowMs()} as now`.execute(db);
      return Number(rows[0]?.now);
    },
    async settled(name: string) {
      const row = await db.selectFrom("settled").select("value").where("name", "=", name).executeTakeFirst();
      return row?.value;
    },
    async ping() {
      await sql`select 1`.execute(db);
    },
  };
}

type RowOf = { rev: number; body: string };

function held<N extends EntityName>(row: RowOf, table?: EntityName): Held<Entities[N]> {
  const value = JSON.parse(row.body) as Entities[N];
  const whole = table === "rotation" ? (wholeRotation(value as Rotation) as Entities[N]) : value;
  return { rev: Number(row.rev), value: whole };
}

function entityReads(db: Kysely<Database>, memberOf: MemberOf): Pick<Store, "get" | "list" | "count"> {
  return {
    async get(table, id) {
      const { rows } = await sql<RowOf>`select rev, body from ${sql.table(table)} where id = ${id}`.execute(db);
      return rows[0] === undefined ? undefined : held(rows[0], table);
    },
    async list(table, filter, page: Page) {
      const where = conditions(table, filter, memberOf);
      const [behind, order] = page.backwards === true ? [sql`<`, sql`desc`] : [sql`>`, sql`asc`];
      if (page.after !== undefined) where.push(sql`id ${behind} ${page.after}`);
      const { rows } =
        await sql<RowOf>`select rev, body from ${sql.table(table)} ${whereClause(where)} order by id ${order} limit ${page.limit}`.execute(
          db,
        );
      return rows.map((row) => held(row, table));
    },
    async count(table, filter) {
      const where = whereClause(conditions(table, filter, memberOf));
      const { rows } = await sql<{ n: number }>`select count(*) as n from ${sql.table(table)} ${where}`.execute(db);
      return Number(rows[0]?.n ?? 0);
    },
  };
}

function conditions(table: EntityName, filter: Filter, memberOf: MemberOf): RawBuilder<unknown>[] {
  const known = liftedColumns[table];
  const column = (name: string) => {
    if (!known.includes(name)) throw new Error(`${table} has no lifted column ${name}`);
    return sql.ref(name);
  };
  const all: RawBuilder<unknown>[] = [];
  for (const [name, value] of Object.entries(filter.equals ?? {})) {
    if (value === undefined) continue;
    all.push(
      value === null
        ? sql`${column(name)} is null`
        : sql`${column(name)} = ${typeof value === "boolean" ? Number(value) : value}`,
    );
  }
  if (filter.oneOf !== undefined) {
    const { column: name, values } = filter.oneOf;
    const from = name === "id" ? sql.ref("id") : column(name);
    all.push(values.length === 0 ? sql`1 = 0` : sql`${from} in (${sql.join(values)})`);
  }
  for (const [name, value] of Object.entries(filter.labels ?? {}))
    all.push(sql`${memberOf("labels", name)} = ${value}`);
  if (filter.since !== undefined) all.push(sql`${column(filter.since.column)} >= ${filter.since.at}`);
  for (const until of filter.until ?? []) all.push(sql`${column(until.column)} < ${until.at}`);
  if (filter.notes !== undefined)
    all.push(sql`lower(${memberOf("notes")}) like ${containing(filter.notes)} escape '\\'`);
  const { consumerLabel } = filter.ofKeys ?? {};
  if (consumerLabel !== undefined) {
    const { name, value } = consumerLabel;
    // Within the inner question `body` is the consumer's.
    all.push(
      sql`exists (select 1 from consumer where consumer.id = ${sql.ref("key.consumer_id")} and ${memberOf("labels", name)} = ${value})`,
    );
  }
  return [...all, ...keyConditions(filter.ofKeys ?? {})];
}

function containing(text: string): string {
  return `%${text.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`;
}

function keyConditions({ usedSince, unusedSince, activatedSince, activatedUntil }: KeyFilter): RawBuilder<unknown>[] {
  const key = sql.ref("key.id");
  const used = (at: number) => sql`(select 1 from source_use where source_use.key_id = ${key} and last_seen >= ${at})`;
  const current = sql`version.key_id = ${key} and version.number = ${sql.ref("key.current_version")}`;
  const all: RawBuilder<unknown>[] = [];
  if (usedSince !== undefined) all.push(sql`exists ${used(usedSince)}`);
  if (unusedSince !== undefined) all.push(sql`not exists ${used(unusedSince)}`);
  if (activatedSince !== undefined)
    all.push(sql`exists (select 1 from version where ${current} and activated_at >= ${activatedSince})`);
  if (activatedUntil !== undefined)
    all.push(sql`exists (select 1 from version where ${current} and activated_at < ${activatedUntil})`);
  return all;
}

function whereClause(all: RawBuilder<unknown>[]): RawBuilder<unknown> {
  return all.length === 0 ? sql`` : sql`where ${sql.join(all, sql` and `)}`;
}

function feedReads(
  db: Kysely<Database>,
): Pick<Store, "feedHead" | "feedHeads" | "feedFloor" | "feedAfter" | "records" | "recordOfKey" | "recordByHash"> {
  const recordOfKey = async (keyId: string) => {
    const row = await db.selectFrom("feed_record").select("body").where("key_id", "=", keyId).executeTakeFirst();
    return row === undefined ? undefined : (JSON.parse(row.body) as KeyRecord);
  };
  const feedHead = async (apiId: string) => {
    const row = await db.selectFrom("feed_head").select("seq").where("api_id", "=", apiId).executeTakeFirst();
    return Number(row?.seq ?? 0);
  };
  return {
    feedHead,
    async feedHeads(apiIds) {
      if (apiIds.length === 0) return new Map();
      const rows = await db.selectFrom("feed_head").select(["api_id", "seq"]).where("api_id", "in", apiIds).execute();
      return new Map(rows.map(({ api_id, seq }) => [api_id, Number(seq)]));
    },
    async feedFloor(apiId) {
      const row = await db
        .selectFrom("feed_entry")
        .select("seq")
        .where("api_id", "=", apiId)
        .orderBy("seq")
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? await feedHead(apiId) : Number(row.seq) - 1;
    },
    async feedAfter(apiId, seq, limit) {
      const rows = await db
        .selectFrom("feed_entry")
        .select(["seq", "body"])
        .where("api_id", "=", apiId)
        .where("seq", ">", seq)
        .orderBy("seq")
        .limit(limit)
        .execute();
      return rows.map((row) => entryOf(Number(row.seq), row.body));
    },
    async records(apiId, afterKey, limit) {
      const rows = await db
        .selectFrom("feed_record")
        .select("body")
        .where("api_id", "=", apiId)
        .where("key_id", ">", afterKey)
        .orderBy("key_id")
        .limit(limit)
        .execute();
      return rows.map((row) => JSON.parse(row.body) as KeyRecord);
    },
    recordOfKey,
    async recordByHash(apiId, sha256) {
      const version = await db.selectFrom("version").select("key_id").where("sha256", "=", sha256).executeTakeFirst();
      if (version === undefined) return undefined;
      const record = await db
        .selectFrom("feed_record")
        .select("body")
        .where("key_id", "=", String(version.key_id))
        .where("api_id", "=", apiId)
        .executeTakeFirst();
      return record === undefined ? undefined : (JSON.parse(record.body) as KeyRecord);
    },
  };
}

function usageReads({ db, greatest: greatestName }: Dialect): Pick<Store, "uses" | "lastUses"> {
  const greatest = sql.raw(greatestName);
  return {
    async lastUses(keyIds) {
      if (keyIds.length === 0) return new Map();
      // Of a report that tells of both, nobody knows whether a use or a refusal came last: then it was used up to its end. Where a program has
      // written that keeps no such time: it was accepted before the first refusal of the run. Who tries what has leaked is no sign of life.
      const { rows } = await sql<{ key_id: string; accepted: number | null; refused: number | null }>`
        select key_id,
          max(case when accepted > 0 then ${greatest}(coalesce(accepted_last, 0),
            case when coalesce(refused_run, 0) = 0 then last_seen else refused_from end) end) as accepted,
          max(case when coalesce(refused_run, 0) > 0 and not exists (select 1 from version as leaked
            where leaked.key_id = version_use.key_id and leaked.number = version_use.version and leaked.compromised = 1)
            then last_seen end) as refused
        from version_use where key_id in (${sql.join(keyIds)}) group by key_id`.execute(db);
      const timeOf = (value: number | null) => (value === null ? null : Number(value));
      return new Map(rows.map((row) => [row.key_id, { accepted: timeOf(row.accepted), refused: timeOf(row.refused) }]));
    },
    async uses(keyId) {
      const sources = await db
        .selectFrom("source_use")
        .select(["source_id", "network", "client", "instance", "last_seen", "longest_gap_ms", "gaps_since", "gaps_to"])
        .where("key_id", "=", keyId)
        .execute();
      const bySource = new Map(
        sources.map((source) => {
          const { network, client, instance } = source;
          const lastSeen = Number(source.last_seen);
          // Somebody wrote of it who tallies no silences, or nobody has since they are tallied.
          const gapsSince = Number(source.gaps_to) === lastSeen ? Number(source.gaps_since) : lastSeen;
          const longestGapMs = Number(source.longest_gap_ms);
          const use = { source: { network, client, instance }, lastSeen, longestGapMs, gapsSince };
          return [source.source_id, { ...use, versions: {} as SourceUse["versions"], gaps: [] as GapTally[] }];
        }),
      );
      const versions = await db
        .selectFrom("version_use")
        .select([
          "source_id",
          "version",
          "first_seen",
          "last_seen",
          "accepted",
          "refused",
          "refused_run",
          "refused_from",
        ])
        .where("key_id", "=", keyId)
        .execute();
      for (const { source_id, version, first_seen, last_seen, accepted, refused, ...run } of versions) {
        const use = bySource.get(source_id);
        if (use === undefined) continue;
        use.versions[version] = {
          first: Number(first_seen),
          last: Number(last_seen),
          accepted: Number(accepted),
          refused: Number(refused),
          refusedRun: { count: Number(run.refused_run ?? 0), since: Number(run.refused_from ?? first_seen) },
        };
      }
      const gaps = await db
        .selectFrom("source_gap")
        .select(["source_id", "slice", "rung", "count", "longest_ms", "second_ms"])
        .where("key_id", "=", keyId)
        .execute();
      for (const { source_id, slice, rung, count, longest_ms, second_ms } of gaps) {
        const [longestMs, secondMs] = [Number(longest_ms), Number(second_ms)];
        const tally = { slice: Number(slice), rung: Number(rung), count: Number(count), longestMs, secondMs };
        bySource.get(source_id)?.gaps.push(tally);
      }
      return [...bySource.values()].map((use) => ({ ...use, gaps: rememberedGaps(use.gaps, use.lastSeen) }));
    },
  };
}

/** Of ended boots with something unknown about them, as many as anybody would look at. */
const HOLES_MAX = 20;

function fleetReads(db: Kysely<Database>): Pick<Store, "boot" | "boots" | "bootsUntil" | "countLive" | "fleet"> {
  const heldBoot = ({ rev, body }: RowOf): Held<Boot> => ({ rev: Number(rev), value: bootOf(body) });
  return {
    async boot(boot) {
      const row = await db.selectFrom("boot").select(["rev", "body"]).where("boot", "=", boot).executeTakeFirst();
      return row === undefined ? undefined : heldBoot(row);
    },
    async boots(apiId, limit) {
      // A handle begins with the time at which it was made.
      const rows = await db
        .selectFrom("boot")
        .select("body")
        .where("api_id", "=", apiId)
        .orderBy("boot", "desc")
        .limit(limit)
        .execute();
      return rows.map(({ body }) => bootOf(body));
    },
    async countLive(apiId, now) {
      const { rows } = await sql<{
        n: number;
      }>`select count(*) as n from boot where api_id = ${apiId} and unknown_until > ${now}`.execute(db);
      return Number(rows[0]?.n ?? 0);
    },
    async bootsUntil(apiId, after, upTo, limit) {
      const rows = await db
        .selectFrom("boot")
        .select("body")
        .where("api_id", "=", apiId)
        .where("unknown_until", ">", after)
        .where("unknown_until", "<=", upTo)
        .orderBy("unknown_until", "desc")
        .limit(limit)
        .execute();
      return rows.map(({ body }) => bootOf(body));
    },
    async fleet(apiId, now) {
      // Folds before boots: a fold that lacks a boot, because it was adopted elsewhere, was written after that.
      const folds = await db
        .selectFrom("fold")
        .select(["replica", "version", "applied", "adoption"])
        .where("api_id", "=", apiId)
        .execute();
      const live = await db
        .selectFrom("boot")
        .select(["rev", "body"])
        .where("api_id", "=", apiId)
        .where("unknown_until", ">", now)
        .execute();
      const holes = await db
        .selectFrom("boot")
        .select("body")
        .where("api_id", "=", apiId)
        .where("unknown_until", "<=", now)
        .orderBy("unknown_until", "desc")
        .limit(HOLES_MAX)
        .execute();
      return {
        folds: folds.map(({ replica, version, applied, adoption }) => ({
          replica,
          apiId,
          version: Number(version),
          applied: Number(applied),
          adoption: Number(adoption),
        })),
        live: live.map(heldBoot),
        holes: holes.map(({ body }) => bootOf(body)),
      };
    },
  };
}

/** A row of the version before says nothing of hosts. */
function bootOf(body: string): Boot {
  return { applied: 0, host: "", adoption: 0, ...(JSON.parse(body) as Partial<Boot>) } as Boot;
}

function dueReads(db: Kysely<Database>): Pick<Store, "dueKeys"> {
  return {
    async dueKeys(what, now, exceptApis, limit) {
      let query = db.selectFrom("key").select(["rev", "body"]).where(what, "<=", now).where(what, "is not", null);
      // A key that is in rotation waits for its end.
      if (what !== "expiry_at") query = query.where("rotation_id", "is", null);
      if (exceptApis.length > 0) query = query.where("api_id", "not in", exceptApis);
      const rows = await query.orderBy(what).limit(limit).execute();
      return rows.map((row) => held<"key">(row));
    },
  };
}

function noticeReads(db: Kysely<Database>): Pick<Store, "overdue"> {
  return {
    async overdue(what, now, except, limit) {
      let query = db.selectFrom("notice").select(["rev", "body"]).where(what, "<=", now);
      if (except.length > 0) query = query.where("channel_id", "not in", except);
      const rows = await query.orderBy(what).limit(limit).execute();
      return rows.map((row) => held<"notice">(row));
    },
  };
}

function auditReads(db: Kysely<Database>): Pick<Store, "audit" | "changes" | "idempotency"> {
  return {
    async changes(afterSeq, limit) {
      const head = await db.selectFrom("audit_head").select("seq").executeTakeFirstOrThrow();
      const to = Math.min(Number(head.seq), afterSeq + limit);
      if (to <= afterSeq) return { head: Number(head.seq), subjects: [] };
      const rows = await db
        .selectFrom("audit_subject")
        .select("subject")
        .distinct()
        .where("seq", ">", afterSeq)
        .where("seq", "<=", to)
        .execute();
      return { head: to, subjects: rows.map(({ subject }) => subject) };
    },
    async audit(afterSeq, limit, subject) {
      let query = db
        .selectFrom("audit")
        .select(["audit.seq", "audit.body", "audit.hash"])
        .where("audit.seq", ">", afterSeq);
      if (subject !== undefined) {
        query = query
          .innerJoin("audit_subject", "audit_subject.seq", "audit.seq")
          .where("audit_subject.subject", "=", subject) as typeof query;
      }
      const rows = await query.orderBy("audit.seq").limit(limit).execute();
      return rows.map(
        (row): AuditEntry => ({ ...(JSON.parse(row.body) as AuditDraft), seq: Number(row.seq), hash: row.hash }),
      );
    },
    async idempotency(id) {
      const row = await db.selectFrom("idempotency").select("body").where("id", "=", id).executeTakeFirst();
      return row === undefined ? undefined : (JSON.parse(row.body) as IdempotencyRecord);
    },
  };
}
