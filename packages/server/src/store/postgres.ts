/**
 * The store on PostgreSQL, for any number of processes. What is written stands in the generators that SQLite runs too (statements.ts);
 * here is how it gets there, over connections that break (postgres-connections.ts), and who is woken by it (postgres-bell.ts).
 *
 * `read committed`, because every write is guarded by itself: rows by their revision, names by unique indexes, numbers by locked heads.
 */
import { Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from "kysely";
import pg from "pg";
import type { Dialect } from "./dialect.ts";
import { spendSteps } from "./limit-writes.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { createBell } from "./postgres-bell.ts";
import {
  type Connections,
  createConnections,
  LIMITS,
  type PostgresLimits,
  type PostgresWorld,
  type TransactionOptions,
} from "./postgres-connections.ts";
import { migratePostgres, NOW_SQL } from "./postgres-migration.ts";
import { createReads } from "./reads.ts";
import type { SchemaStep } from "./schema.ts";
import { leaveSteps, settleSteps, shareSteps } from "./share-writes.ts";
import { ConflictSignal } from "./statements.ts";
import type { CommitOutcome, Conflict, Recorded, Store } from "./store.ts";
import { type Database, lifted } from "./tables.ts";
import { foldSteps, usageParts, usageSteps } from "./usage-writes.ts";
import { commitSteps, postSteps, pruneSteps } from "./writes.ts";

export interface PostgresOptions {
  address: PostgresAddress;
  world: PostgresWorld;
  limits?: Partial<PostgresLimits> | undefined;
  /** For tests of two versions side by side. */
  steps?: readonly SchemaStep[] | undefined;
}

/** Opens the database, and on first use makes the tables in it. */
export async function openPostgresStore({ address, world, steps, ...options }: PostgresOptions): Promise<Store> {
  const limits = { ...LIMITS, ...options.limits };
  await migratePostgres(address, world, { mode: "expand", steps, waitMs: limits.waitMs });
  const connections = createConnections(address, world, limits);
  const dialect = postgresDialect(connections);
  const reads = createReads(dialect);
  const channel = await channelName(connections, dialect.db);
  const bell = createBell(address, channel, world);
  const notify = (message: string) => sql`select pg_notify(${channel}, ${message})`.compile(dialect.db);
  const committed: TransactionOptions = { ring: notify("log"), find: findCommit };
  return {
    ...reads,
    shared: true,
    listen: bell.listen,
    ring(message) {
      connections.read(notify(message)).catch((error: unknown) => {
        world.log("debug", "store.ring_failed", { error: String(error) });
      });
    },
    async commit(batch): Promise<CommitOutcome> {
      try {
        return await connections.transact((mark) => commitSteps(dialect, batch, mark), committed);
      } catch (error) {
        const conflict = error instanceof ConflictSignal ? error.conflict : violated(error);
        if (conflict === undefined) throw error;
        return { ok: false, conflict };
      }
    },
    // These may be repeated: a second time they change nothing (but the counts of what the authority itself saw).
    async record(usage) {
      const [lost, limits]: [string[], NonNullable<Recorded["limits"]>] = [[], new Map()];
      for (const part of usageParts(usage)) {
        const written = await connections.transact(() => usageSteps(dialect, part));
        lost.push(...written.lost);
        for (const [boot, uses] of written.limits ?? []) limits.set(boot, uses);
      }
      return limits.size === 0 ? { lost } : { lost, limits };
    },
    // Where its outcome gets lost it may be charged twice.
    spend: (ask) => connections.transact(() => spendSteps(dialect, ask)),
    countSome: async (table, column, value) => ({
      count: await reads.count(table, { equals: { [column]: value } }),
      next: undefined,
    }),
    fold: (fold) => connections.transact(() => foldSteps(dialect, fold)),
    async post(mail) {
      try {
        await connections.transact(() => postSteps(dialect, mail));
        return true;
      } catch (error) {
        if (error instanceof ConflictSignal || violated(error) === "row") return false;
        throw error;
      }
    },
    share: (replica, leaseMs) => connections.transact(() => shareSteps(dialect, replica, leaseMs)),
    leave: (replica) => connections.transact(() => leaveSteps(dialect, replica)),
    settle: (name, value) => connections.transact(() => settleSteps(dialect, name, value)),
    prune: (before) => connections.transact(() => pruneSteps(dialect, before)),
    async close() {
      await bell.close();
      await connections.close();
    },
  };
}

export function postgresDialect(connections: Connections): Dialect {
  return {
    db: readerOn(connections),
    greatest: "greatest",
    least: "least",
    nowMs: () => sql.raw(NOW_SQL),
    forShare: sql`for share`,
    forUpdate: sql`for update`,
    json: (value) => JSON.stringify(value).replace(UNSTORABLE, "$1\\ufffd"),
    memberOf: (...path) => sql`(body::json #>> ${path}::text[])`,
  };
}

/** In JSON, U+0000 and halves of a character. With one of them in it, PostgreSQL finds no member of a body at all. */
const UNSTORABLE = /((?<!\\)(?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g;

/** For reads alone; kysely's own driver would put connections back that have broken. */
function readerOn(connections: Connections): Kysely<Database> {
  const connection = {
    executeQuery: async (query: Parameters<Connections["read"]>[0]) => ({
      rows: (await connections.read(query)).rows as never[],
    }),
    streamQuery: () => {
      throw new Error("reads come in pages");
    },
  };
  const none = async () => {
    throw new Error("transactions are run by postgres-connections.ts");
  };
  const driver = {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: none,
    commitTransaction: none,
    rollbackTransaction: none,
    releaseConnection: async () => {},
    destroy: async () => {},
  };
  return new Kysely<Database>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => driver,
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}

/** Several Keyovers in schemas of one database do not wake each other. */
async function channelName(connections: Connections, db: Kysely<Database>): Promise<string> {
  const query = sql`select 'keyover_' || md5(current_schema()) as channel`;
  const { rows } = await connections.read(query.compile(db));
  return String(rows[0]?.channel);
}

/** Under the lock that the lost transaction holds until it has ended one way or the other. */
const findCommit: TransactionOptions["find"] = async (ask, { batch, auditSeq }) => {
  await ask("select seq from audit_head where id = 1 for update");
  const { rows } = await ask("select batch from audit where seq = $1", [auditSeq]);
  return rows[0]?.batch === batch;
};

function violated(error: unknown): Conflict | undefined {
  if (!(error instanceof pg.DatabaseError) || error.code !== "23505") return undefined;
  const [, table = "", kind] = /^(.+)_(pkey|unique_\d+)$/.exec(error.constraint ?? "") ?? [];
  if (!(table in lifted)) return undefined;
  return kind === "pkey" ? "row" : "unique";
}
