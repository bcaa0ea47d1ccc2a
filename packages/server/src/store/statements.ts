/**
 * A write as a generator of statements: it yields what can be sent together and is handed the answers. A driver runs it inside one
 * transaction, SQLite without ever letting go of the thread, PostgreSQL over its connection; what is written, and in which order,
 * stands once for both (writes.ts, usage-writes.ts, share-writes.ts).
 *
 * Each yield is a round trip to PostgreSQL, and locks are held meanwhile; so what does not need another's answer is yielded together. What
 * nobody waits for the answer of is the `last`, and travels with the COMMIT.
 */
import { type CompiledQuery, type Kysely, type RawBuilder, sql } from "kysely";
import type { Conflict } from "./store.ts";
import type { Database } from "./tables.ts";

export interface Statement {
  query: CompiledQuery;
  /** It must find, or write, exactly one row; else the whole transaction is given up as this conflict. */
  mustHit?: Conflict;
}

export interface QueryAnswer {
  rows: Record<string, unknown>[];
  /** Rows read, inserted, updated or deleted. */
  changed: number;
}

export interface Ending<T> {
  value: T;
  last: Statement[];
}

export type Steps<T> = Generator<Statement[], Ending<T>, QueryAnswer[]>;

const NOTHING_BEFORE: Statement[][] = [];

/** Statements that need no answer: one round trip, with the COMMIT. */
export function* together(last: Statement[]): Steps<void> {
  yield* NOTHING_BEFORE;
  return { value: undefined, last };
}

export function statement(db: Kysely<Database>, query: RawBuilder<unknown>, mustHit?: Conflict): Statement {
  return { query: query.compile(db), ...(mustHit === undefined ? {} : { mustHit }) };
}

/** Thrown so that the transaction is rolled back; the store turns it into the outcome. */
export class ConflictSignal extends Error {
  conflict: Conflict;
  constructor(conflict: Conflict) {
    super(conflict);
    this.conflict = conflict;
  }
}

/** The answer, if it is what the statement must have. */
export function checked({ mustHit }: Statement, answer: QueryAnswer): QueryAnswer {
  if (mustHit !== undefined && answer.changed !== 1) throw new ConflictSignal(mustHit);
  return answer;
}

/** `(a, b), (c, d)` for an insert of several rows. */
export function rowsOf(rows: readonly (readonly unknown[])[]): RawBuilder<unknown> {
  return sql.join(rows.map((row) => sql`(${sql.join(row)})`));
}
