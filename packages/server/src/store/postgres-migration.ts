/**
 * migration.ts on PostgreSQL. A lock in the database lets one process at a time migrate, so that many may start together. Changing a
 * table waits for the transactions that use it, and makes all later ones wait behind it: so each attempt waits a short time only, gives
 * way, and tries again.
 */
import { jittered, sleep } from "@keyover/core";
import pg from "pg";
import { type Migrated, type MigrationMode, type MigrationReport, migrationSteps } from "./migration.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { clientConfig, type PostgresWorld } from "./postgres-connections.ts";
import { asLost, explained, troubleOf } from "./postgres-errors.ts";
import type { SchemaStep } from "./schema.ts";
import type { Statement } from "./statements.ts";
import { SchemaError, StoreConfigurationError } from "./store.ts";

/** For the whole: others may be migrating, or long transactions in the way. */
const MIGRATE_MS_MAX = 60_000;
/** For a table's lock. */
const LOCK_MS_MAX = 2_000;

export const NOW_SQL = "floor(extract(epoch from clock_timestamp()) * 1000)::bigint";

/** Texts are compared by their bytes, as in SQLite, whatever language the database was made for. */
function postgresSql(statement: string): string {
  return statement.replace(/\btext\b/g, 'text collate "C"');
}

function migrated(name: string): Migrated {
  return {
    name: `the database ${name}`,
    kind: "database or schema",
    // Not the tables of extensions, which some providers put into every database.
    tables: `select relname as name from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')
      and not exists (select 1 from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e')`,
    now: NOW_SQL,
    render: postgresSql,
    closeDoors: ["lock table replica in share row exclusive mode"],
  };
}

export interface PostgresMigration {
  mode: MigrationMode;
  steps?: readonly SchemaStep[] | undefined;
  /** How long a database that does not answer is tried. */
  waitMs: number;
}

/** Waits for a database that is just starting, and for other processes that migrate. */
export async function migratePostgres(
  address: PostgresAddress,
  { clock, random }: Pick<PostgresWorld, "clock" | "random">,
  { mode, steps, waitMs }: PostgresMigration,
): Promise<MigrationReport> {
  const begun = clock.elapsed();
  for (;;) {
    try {
      // A look first: it waits for nobody, and mostly there is nothing to do.
      const plan = await migrateOnce(address, { mode: "plan", steps, waitMs });
      const idle = plan.run.length === 0 && plan.wait.length === 0;
      return mode === "plan" || idle ? plan : await migrateOnce(address, { mode, steps, waitMs });
    } catch (error) {
      const trouble = troubleOf(error);
      const endMs = trouble === "lost" ? waitMs : MIGRATE_MS_MAX;
      if (!["again", "lost", "late"].includes(trouble) || clock.elapsed() - begun > endMs)
        throw explained(error, address.name);
      await sleep(clock, jittered(300, 0.5, random));
    }
  }
}

async function migrateOnce(
  { name, config }: PostgresAddress,
  { mode, steps, waitMs }: PostgresMigration,
): Promise<MigrationReport> {
  const client = new pg.Client({ ...clientConfig(config), password: config.password, connectionTimeoutMillis: waitMs });
  client.on("error", () => {}); // its query fails too
  try {
    await client.connect();
    await client.query("begin isolation level read committed");
    await refuseUnfit(client, name);
    if (mode !== "plan") {
      await client.query(`set local statement_timeout = 0; set local lock_timeout = ${MIGRATE_MS_MAX}`);
      await client.query("select pg_advisory_xact_lock(hashtextextended('keyover ' || current_schema(), 0))");
      await client.query(`set local lock_timeout = ${LOCK_MS_MAX}`);
    }
    const migration = migrationSteps(migrated(name), mode, steps);
    let step = migration.next();
    while (!step.done) {
      const answers = await inTurn(client, step.value);
      step = migration.next(answers.map(({ rows, rowCount }) => ({ rows, changed: rowCount ?? 0 })));
    }
    await inTurn(client, step.value.last);
    await client.query("commit");
    return step.value.value;
  } catch (error) {
    throw error instanceof StoreConfigurationError || error instanceof SchemaError ? error : asLost(error);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Sent together; the first error counts, what follows it was not done. */
async function inTurn(client: pg.Client, statements: readonly Statement[]): Promise<pg.QueryResult[]> {
  const results = await Promise.allSettled(statements.map(({ query }) => client.query(query.sql)));
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

async function refuseUnfit(client: pg.Client, name: string): Promise<void> {
  const { rows } = await client.query(
    `select current_schema() as schema, current_setting('server_encoding') as encoding, pg_is_in_recovery() as standby`,
  );
  const { schema, encoding, standby } = rows[0] as { schema: string | null; encoding: string; standby: boolean };
  if (standby) throw new StoreConfigurationError(`the database ${name} is a standby; name the primary`);
  if (encoding !== "UTF8")
    throw new StoreConfigurationError(`the database ${name} has the encoding ${encoding}; make one with UTF8`);
  if (schema === null)
    throw new StoreConfigurationError(
      `the database ${name} has no schema that its search_path names; make one, or look at options in the URL`,
    );
}
