/**
 * The embedded store: SQLite in WAL mode with synchronous=FULL, so an acknowledged commit survives a power cut. One process
 * writes: a second file, locked for as long as this one lives, keeps every other process out, and the operating system
 * lets go of it even after `kill -9`.
 */
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { type CompiledQuery, Kysely, SqliteDialect, sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import { type Later, writesAlone, writesTogether } from "./group-commit.ts";
import { spendSteps } from "./limit-writes.ts";
import { type Migrated, type MigrationReport, migrationSteps } from "./migration.ts";
import { createReads, type Reads } from "./reads.ts";
import { leaveSteps, settleSteps, shareSteps } from "./share-writes.ts";
import { ConflictSignal, checked, type QueryAnswer, type Steps } from "./statements.ts";
import { type CommitOutcome, SchemaError, StorageFullError, type Store } from "./store.ts";
import { type Database, liftedColumns } from "./tables.ts";
import { foldSteps, usageSteps } from "./usage-writes.ts";
import { commitSteps, postSteps, pruneSteps } from "./writes.ts";

/** The folder is in use by another process. */
export class FolderInUseError extends Error {
  override name = "FolderInUseError";
}

/** How SQLite says that a write found no room: in the database, in the log, in the log's index. */
const DISK_FULL = new Set(["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"]);

type Sqlite = InstanceType<typeof SqliteDatabase>;

/** The clock that stands for the database's. Epoch milliseconds. */
type Now = () => number;

/**
 * Opens (and on first use creates) `keyover.sqlite` in an existing folder. `tune` is handed the connection: tests make
 * the disk small. `later`: writes that come until it runs share a transaction; without it each has its own, at once.
 */
export function openSqliteStore(folder: string, now: Now, tune?: (sqlite: Sqlite) => void, later?: Later): Store {
  const lock = lockFolder(folder);
  try {
    const sqlite = openFile(join(folder, "keyover.sqlite"), now);
    tune?.(sqlite);
    return storeOn(sqlite, { now, shared: false, later, close: () => lock.close() });
  } catch (error) {
    lock.close();
    throw error;
  }
}

function openFile(path: string, now: Now): Sqlite {
  const sqlite = new SqliteDatabase(path);
  try {
    sqlite.pragma("journal_mode = WAL");
    sqlite.pragma("synchronous = FULL");
    migrate(sqlite, now);
    return sqlite;
  } catch (error) {
    sqlite.close();
    if (["SQLITE_NOTADB", "SQLITE_CORRUPT"].includes(codeOf(error))) {
      throw new SchemaError(`${path} is damaged, or no database of this program. Restore it from your backup`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** A database that lies beside a folder's own, such as one that is being restored. Nobody else may know of it. */
export function openSqliteFile(path: string, now: Now): Store {
  return storeOn(openFile(path, now), { now, shared: false, close: () => {} });
}

/**
 * A store that forgets everything when it is closed; the same code otherwise. `shared`: several authorities of one process use it.
 * `image`: begins as this one was, by `tune`'s `serialize()`. `tune` and `later` are those of `openSqliteStore`.
 */
export function openMemoryStore({ now, shared = false, image, tune, later }: MemoryOptions): Store {
  const sqlite = new SqliteDatabase(image ?? ":memory:");
  tune?.(sqlite);
  migrate(sqlite, now);
  return storeOn(sqlite, { now, shared, later, close: () => {} });
}

interface MemoryOptions {
  now: Now;
  shared?: boolean;
  image?: Buffer;
  tune?: (sqlite: Sqlite) => void;
  later?: Later;
}

/** Keeps every other process from opening the folder's database, until it is closed. */
export function lockFolder(folder: string): { close(): unknown } {
  const lock = new SqliteDatabase(join(folder, "keyover.lock"), { timeout: 0 });
  try {
    lock.exec("begin exclusive");
    return lock;
  } catch (error) {
    lock.close();
    if (codeOf(error).startsWith("SQLITE_BUSY")) {
      throw new FolderInUseError(
        `another process is using ${folder}; stop it first, or give this one a folder of its own`,
      );
    }
    throw error;
  }
}

/** Nobody runs beside us: the folder is locked. So all steps are done at once. */
function migrate(sqlite: Sqlite, now: Now): void {
  sqlite.transaction(() => drive(migrationSteps(migrated(sqlite, now), "contract"), statementRunner(sqlite)))();
}

/** A look for somebody who only reads, beside a server too. */
export interface SqliteInspection {
  reads: Reads;
  /** What is wrong with the file, if anything is. */
  integrity(): string | undefined;
  /** What the next start would do to the schema. */
  plan(): MigrationReport;
  close(): void;
}

export function inspectSqlite(folder: string, now: Now): SqliteInspection {
  return inspectSqliteFile(join(folder, "keyover.sqlite"), now);
}

export function inspectSqliteFile(path: string, now: Now): SqliteInspection {
  const sqlite = new SqliteDatabase(path, { readonly: true, fileMustExist: true });
  return {
    reads: createReads(sqliteDialect(sqlite, now)),
    integrity() {
      const rows = sqlite.pragma("integrity_check(5)") as { integrity_check: string }[];
      const said = rows.map((row) => row.integrity_check);
      return said.length === 1 && said[0] === "ok" ? undefined : (said.join("\n").split("\n")[1] ?? said[0]);
    },
    plan: () => drive(migrationSteps(migrated(sqlite, now), "plan"), statementRunner(sqlite)),
    close: () => void sqlite.close(),
  };
}

function migrated(sqlite: Sqlite, now: Now): Migrated {
  return {
    name: sqlite.name,
    kind: "folder",
    tables: "select name from sqlite_master where type = 'table'",
    now: String(now()),
    render: (statement) => statement,
    closeDoors: [],
  };
}

interface StoreOptions {
  now: Now;
  shared: boolean;
  later?: Later | undefined;
  close: () => void;
}

function storeOn(sqlite: Sqlite, options: StoreOptions): Store {
  const { shared, later } = options;
  const dialect = sqliteDialect(sqlite, options.now);
  const bell = createBell();
  const run = statementRunner({ prepare: preparedStatements(sqlite) });
  const writer = later === undefined ? writesAlone(sqlite) : writesTogether(sqlite, later);
  const transact = async <T>(steps: () => Steps<T>): Promise<T> => {
    try {
      return await writer.write(() => drive(steps(), run));
    } catch (error) {
      if (DISK_FULL.has(codeOf(error))) {
        throw new StorageFullError("the disk is full; nothing was written", { cause: error });
      }
      throw error;
    }
  };
  return {
    ...createReads(dialect),
    ...bell,
    shared,
    countSome: countSome(dialect),
    async commit(batch): Promise<CommitOutcome> {
      try {
        return await transact(() => commitSteps(dialect, batch, { batch: null }));
      } catch (error) {
        if (error instanceof ConflictSignal) return { ok: false, conflict: error.conflict };
        if (codeOf(error) === "SQLITE_CONSTRAINT_UNIQUE") return { ok: false, conflict: "unique" };
        if (codeOf(error) === "SQLITE_CONSTRAINT_PRIMARYKEY") return { ok: false, conflict: "row" };
        throw error;
      }
    },
    async record(usage) {
      return await transact(() => usageSteps(dialect, usage));
    },
    async spend(ask) {
      return await transact(() => spendSteps(dialect, ask));
    },
    async fold(fold) {
      await transact(() => foldSteps(dialect, fold));
    },
    async post(mail) {
      try {
        await transact(() => postSteps(dialect, mail));
        return true;
      } catch (error) {
        if (error instanceof ConflictSignal || codeOf(error) === "SQLITE_CONSTRAINT_PRIMARYKEY") return false;
        throw error;
      }
    },
    async share(replica, leaseMs) {
      return await transact(() => shareSteps(dialect, replica, leaseMs));
    },
    async leave(replica) {
      await transact(() => leaveSteps(dialect, replica));
    },
    async settle(name, value) {
      return await transact(() => settleSteps(dialect, name, value));
    },
    async prune(before) {
      await transact(() => pruneSteps(dialect, before));
    },
    async close() {
      writer.flush();
      await dialect.db.destroy();
      sqlite.close(); // kysely closes only what it has read from
      options.close();
    },
  };
}

function sqliteDialect(sqlite: Sqlite, now: Now): Dialect {
  const database = { prepare: preparedStatements(sqlite), close: () => sqlite.close() };
  return {
    db: new Kysely<Database>({ dialect: new SqliteDialect({ database }) }),
    greatest: "max",
    least: "min",
    nowMs: () => sql<number>`${now()}`,
    // One transaction at a time: nobody could come between.
    forShare: sql``,
    forUpdate: sql``,
    json: (value) => JSON.stringify(value),
    memberOf: (...path) => sql`json_extract(body, ${path.reduce((text, name) => `${text}."${name}"`, "$")})`,
  };
}

/** Counted in one go: about a millisecond. */
const COUNTED_AT_ONCE = 10_000;

/** In order of row, which every index of SQLite's ends with. */
function countSome({ db }: Dialect): Store["countSome"] {
  return async (table, column, value, after) => {
    if (!liftedColumns[table].includes(column)) throw new Error(`${table} has no lifted column ${column}`);
    const part = sql`select rowid as place from ${sql.table(table)}
      where ${sql.ref(column)} = ${value} and rowid > ${after} order by rowid limit ${COUNTED_AT_ONCE}`;
    const { rows } = await sql<{
      n: number;
      last: number;
    }>`select count(*) as n, max(place) as last from (${part})`.execute(db);
    const { n: count = 0, last = 0 } = rows[0] ?? {};
    return { count, next: count < COUNTED_AT_ONCE ? undefined : last };
  };
}

/** Rings within this process: only authorities that share a store in memory hear each other. */
function createBell(): Pick<Store, "listen" | "ring"> {
  const hearers = new Set<(message: string) => void>();
  return {
    async listen(heard) {
      hearers.add(heard);
      return async () => {
        hearers.delete(heard);
      };
    },
    ring(message) {
      for (const heard of hearers) heard(message);
    },
  };
}

function drive<T>(steps: Steps<T>, run: (query: CompiledQuery) => QueryAnswer): T {
  let step = steps.next();
  while (!step.done) step = steps.next(step.value.map((statement) => checked(statement, run(statement.query))));
  for (const statement of step.value.last) checked(statement, run(statement.query));
  return step.value.value;
}

type Prepare = (sql: string) => SqliteDatabase.Statement;

const STATEMENTS_MAX = 1_000;

/** Statements by their text. Preparing one takes longer than running it, and the texts are few. */
function preparedStatements(sqlite: Sqlite): Prepare {
  const prepared = new Map<string, SqliteDatabase.Statement>();
  return (text) => {
    let statement = prepared.get(text);
    if (statement === undefined) {
      if (prepared.size >= STATEMENTS_MAX) prepared.clear();
      statement = sqlite.prepare(text);
      prepared.set(text, statement);
    }
    return statement;
  };
}

function statementRunner(sqlite: { prepare: Prepare }): (query: CompiledQuery) => QueryAnswer {
  return (query) => {
    const statement = sqlite.prepare(query.sql);
    if (statement.reader) {
      const rows = statement.all(...query.parameters) as Record<string, unknown>[];
      return { rows, changed: rows.length };
    }
    return { rows: [], changed: statement.run(...query.parameters).changes };
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
