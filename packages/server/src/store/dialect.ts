/** What differs between the databases that we speak to, as far as the statements of writes and reads go. */
import type { Kysely, RawBuilder } from "kysely";
import type { Database } from "./tables.ts";

export interface Dialect {
  db: Kysely<Database>;
  /** SQLite's `max` and `min` of several values are `greatest` and `least` elsewhere. */
  greatest: string;
  least: string;
  /** The database's time, epoch milliseconds. */
  nowMs: () => RawBuilder<number>;
  /** Keeps others from changing, or from reading for a change, a row that was read; empty where one writer has it all. */
  forShare: RawBuilder<unknown>;
  forUpdate: RawBuilder<unknown>;
  /** An entity as the text in `body`, such that `memberOf` can look into it. */
  json: (value: unknown) => string;
  /** How a member is read out of `body`. */
  memberOf: (...path: string[]) => RawBuilder<unknown>;
}
