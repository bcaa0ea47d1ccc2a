/**
 * Group commit: what is to be written at the same time is written in one transaction of SQLite, and waits for the disk once. Each write
 * stays whole by itself, in a savepoint: one that meets a conflict leaves nothing and takes none of the others along. They are done
 * in the order in which they were asked for, so each sees what those before it wrote.
 *
 *     commit ──┐
 *     record ──┼─▶ line ──later──▶ BEGIN · savepoint 1 · savepoint 2 · … · COMMIT, one sync ──▶ each its own answer
 *     post ────┘                                                          │
 *                                                 the disk is full: none of it stands, and each is tried by itself
 *
 * Nothing is answered before the sync. A crash before it leaves none of the group, after it all of it: both are what a crash between
 * two writes could leave as well, because nobody had been told anything in between.
 */
import type SqliteDatabase from "better-sqlite3";
import { ConflictSignal } from "./statements.ts";

type Sqlite = InstanceType<typeof SqliteDatabase>;

/** Runs it soon, but not at once. */
export type Later = (run: () => void) => void;

export interface Writer {
  /**
   * Does `work` in a transaction of its own or in one with others, and resolves with its answer when that is on the disk. `work` may run
   * twice, the first time in vain, and must have no effect but on the database. Rejects with what it threw, and then nothing of it stands.
   */
  write<T>(work: () => T): Promise<T>;
  /** Writes all that waits, now. */
  flush(): void;
}

/** Each by itself, at once. */
export function writesAlone(sqlite: Sqlite): Writer {
  return { write: async (work) => alone(sqlite, work), flush: () => {} };
}

/** In one transaction: so that nobody waits long for those before it, and nothing else for all of them. */
const TOGETHER_MAX = 64;

interface Waiting {
  work: () => unknown;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

type Answer = { value: unknown } | { error: unknown };

export function writesTogether(sqlite: Sqlite, later: Later): Writer {
  const line: Waiting[] = [];
  let scheduled = false;

  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    later(() => {
      scheduled = false;
      writeSome();
      if (line.length > 0) schedule();
    });
  };

  const writeSome = () => {
    const group = line.splice(0, TOGETHER_MAX);
    const answers = group.length > 1 ? together(sqlite, group) : undefined;
    // Answered in order, and all of them later than now: promises see to that.
    for (const [i, { work, resolve, reject }] of group.entries()) {
      const answer = answers?.[i] ?? answerOf(() => alone(sqlite, work));
      if ("error" in answer) reject(answer.error);
      else resolve(answer.value as never);
    }
  };

  return {
    write: (work) =>
      new Promise((resolve, reject) => {
        line.push({ work, resolve, reject });
        schedule();
      }),
    flush() {
      while (line.length > 0) writeSome();
    },
  };
}

function alone<T>(sqlite: Sqlite, work: () => T): T {
  return sqlite.transaction(work).immediate();
}

/** Undefined if none of it stands. */
function together(sqlite: Sqlite, group: readonly Waiting[]): Answer[] | undefined {
  try {
    return alone(sqlite, () => group.map(({ work }) => inSavepoint(sqlite, work)));
  } catch {
    // Whatever it was: each is tried by itself, and hears for itself what is wrong.
    return undefined;
  }
}

function inSavepoint(sqlite: Sqlite, work: () => unknown): Answer {
  sqlite.exec("savepoint one");
  const answer = answerOf(work);
  if ("error" in answer) {
    if (!isOwn(answer.error)) throw answer.error;
    // Throws where SQLite has given the whole transaction up.
    sqlite.exec("rollback to one");
  }
  sqlite.exec("release one");
  return answer;
}

/** A failure of this write alone: a conflict, or a defect in what was asked. Any other is the database's, and everybody's. */
function isOwn(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return error instanceof ConflictSignal || !code.startsWith("SQLITE_") || code.startsWith("SQLITE_CONSTRAINT");
}

function answerOf(work: () => unknown): Answer {
  try {
    return { value: work() };
  } catch (error) {
    return { error };
  }
}
