/**
 * The embedded store: SQLite in WAL mode with synchronous=FULL, so an acknowledged commit survives a power cut. One process
 * writes: a second file, locked for as long as this one lives, keeps every other process out, and the operating system
 * lets go of it even after `kill -9`.
 */
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { type CompiledQuery, Kysely, SqliteDialect, sql } from "kysely";
import { createReads } from "./reads.ts";
import { SCHEMA_VERSION, schemaSteps } from "./schema.ts";
import { type CommitOutcome, StorageFullError, type Store } from "./store.ts";
import type { Database } from "./tables.ts";
import { ConflictSignal, commitSteps, type QueryAnswer, type Steps, usageSteps } from "./writes.ts";

/** The folder is in use by another process. */
export class FolderInUseError extends Error {
  override name = "FolderInUseError";
}

/** The database is of a newer version of this program, or none of ours. */
export class SchemaError extends Error {
  override name = "SchemaError";
}

/** How SQLite says that a write found no room: in the database, in the log, in the log's index. */
const DISK_FULL = new Set(["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"]);

type Sqlite = InstanceType<typeof SqliteDatabase>;

/** Opens (and on first use creates) `keyover.sqlite` in an existing folder. `tune` is handed the connection: tests make the disk small. */
export function openSqliteStore(folder: string, tune?: (sqlite: Sqlite) => void): Store {
  const lock = lockFolder(folder);
  try {
    const sqlite = openFile(join(folder, "keyover.sqlite"));
    tune?.(sqlite);
    return storeOn(sqlite, () => lock.close());
  } catch (error) {
    lock.close();
    throw error;
  }
}

function openFile(path: string): Sqlite {
  const sqlite = new SqliteDatabase(path);
  try {
    sqlite.pragma("journal_mode = WAL");
    sqlite.pragma("synchronous = FULL");
    migrate(sqlite);
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

/** A store that forgets everything when it is closed; the same code otherwise. */
export function openMemoryStore(): Store {
  const sqlite = new SqliteDatabase(":memory:");
  migrate(sqlite);
  return storeOn(sqlite, () => {});
}

function lockFolder(folder: string): Sqlite {
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

function migrate(sqlite: Sqlite): void {
  const tables = sqlite.prepare("select name from sqlite_master where type = 'table'").pluck().all();
  if (tables.length > 0 && !(tables.includes("schema_version") && tables.includes("feed_head"))) {
    throw new SchemaError(
      `${sqlite.name} belongs to another program; give this one a folder of its own, or restore its database from your backup`,
    );
  }
  sqlite.transaction(() => {
    sqlite.exec("create table if not exists schema_version (version integer not null)");
    const found = (sqlite.prepare("select max(version) from schema_version").pluck().get() as number | null) ?? 0;
    if (found > SCHEMA_VERSION) {
      throw new SchemaError(
        `the database has schema ${found}; this program knows up to ${SCHEMA_VERSION}. Start the newer program, or restore an older backup`,
      );
    }
    for (const statements of schemaSteps.slice(found)) for (const statement of statements) sqlite.exec(statement);
    if (found < SCHEMA_VERSION) sqlite.prepare("insert into schema_version (version) values (?)").run(SCHEMA_VERSION);
  })();
}

function storeOn(sqlite: Sqlite, unlock: () => void): Store {
  const prepare = preparedStatements(sqlite);
  const database = { prepare, close: () => sqlite.close() };
  const db = new Kysely<Database>({ dialect: new SqliteDialect({ database }) });
  const run = statementRunner(prepare);
  const transact = <T>(steps: () => Steps<T>): T => {
    try {
      return sqlite.transaction(() => drive(steps(), run)).immediate();
    } catch (error) {
      if (DISK_FULL.has(codeOf(error))) {
        throw new StorageFullError("the disk is full; nothing was written", { cause: error });
      }
      throw error;
    }
  };
  return {
    ...createReads(db, (...path) => sql`json_extract(body, ${path.reduce((text, name) => `${text}."${name}"`, "$")})`),
    async commit(batch): Promise<CommitOutcome> {
      try {
        return transact(() => commitSteps(db, batch));
      } catch (error) {
        if (error instanceof ConflictSignal) return { ok: false, conflict: error.conflict };
        if (codeOf(error) === "SQLITE_CONSTRAINT_UNIQUE") return { ok: false, conflict: "unique" };
        if (codeOf(error) === "SQLITE_CONSTRAINT_PRIMARYKEY") return { ok: false, conflict: "row" };
        throw error;
      }
    },
    async record(usage) {
      transact(() => usageSteps(db, usage, { greatest: "max", least: "min" }));
    },
    async prune(before) {
      transact(function* () {
        yield sql`delete from feed_entry where seq <= (select seq from feed_head where feed_head.api_id = feed_entry.api_id) - ${before.feedKeep}`.compile(
          db,
        );
        yield sql`delete from idempotency where created_at < ${before.idempotency}`.compile(db);
        yield sql`delete from usage_bucket where start < ${before.buckets}`.compile(db);
        yield sql`delete from boot where answers_until < ${before.boots}`.compile(db);
      });
    },
    async close() {
      await db.destroy();
      sqlite.close(); // kysely closes only what it has read from
      unlock();
    },
  };
}

function drive<T>(steps: Steps<T>, run: (query: CompiledQuery) => QueryAnswer): T {
  let step = steps.next();
  while (!step.done) step = steps.next(run(step.value));
  return step.value;
}

type Prepare = (sql: string) => SqliteDatabase.Statement<unknown[]>;

const STATEMENTS_MAX = 1_000;

/** Statements by their text. Preparing one takes longer than running it, and the texts are few. */
function preparedStatements(sqlite: Sqlite): Prepare {
  const prepared = new Map<string, SqliteDatabase.Statement<unknown[]>>();
  return (text) => {
    let statement = prepared.get(text);
    if (statement === undefined) {
      if (prepared.size >= STATEMENTS_MAX) prepared.clear();
      statement = sqlite.prepare<unknown[]>(text);
      prepared.set(text, statement);
    }
    return statement;
  };
}

function statementRunner(prepare: Prepare): (query: CompiledQuery) => QueryAnswer {
  return (query) => {
    const statement = prepare(query.sql);
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
