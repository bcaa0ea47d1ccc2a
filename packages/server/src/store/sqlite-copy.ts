/** Copies of an embedded database, as single files. */
import { closeSync, fsyncSync, openSync, rmSync } from "node:fs";
import SqliteDatabase from "better-sqlite3";

const ALL_PAGES = 0x7fffffff;

/**
 * Copies a database that may be in use, as it stands at one moment, into an empty file. All of it in one step: between two, a server
 * that writes would make the copy begin anew, and under load it would never end.
 */
export async function copySqlite(from: string, to: string): Promise<void> {
  const source = new SqliteDatabase(from, { readonly: true, fileMustExist: true });
  try {
    await source.backup(to, { progress: () => ALL_PAGES });
  } finally {
    source.close();
  }
  const copy = new SqliteDatabase(to);
  try {
    // One file, with no log beside it that could get lost.
    copy.pragma("journal_mode = DELETE");
  } finally {
    copy.close();
  }
}

/** Puts what was committed last into the database's own file, and removes its log. Nobody else may use it. */
export function foldLog(path: string): void {
  const sqlite = new SqliteDatabase(path, { fileMustExist: true });
  try {
    sqlite.pragma("wal_checkpoint(TRUNCATE)");
    sqlite.pragma("journal_mode = DELETE");
  } finally {
    sqlite.close();
  }
}

/** Of a file, or of a folder's names. */
export function syncToDisk(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** With what SQLite may have left beside it. */
export function removeSqlite(path: string): void {
  for (const end of ["", "-wal", "-shm", "-journal"]) rmSync(path + end, { force: true });
}
