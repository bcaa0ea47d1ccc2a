/** A store in memory whose every statement is seen, and how SQLite finds what it asks for. */
import { openMemoryStore } from "./sqlite.ts";
import type { Store } from "./store.ts";

type Sqlite = Parameters<NonNullable<Parameters<typeof openMemoryStore>[0]["tune"]>>[0];
type Row = Record<string, unknown>;

export interface WatchedStore {
  store: Store;
  /** The texts of the statements that ran, in their order, since the store was opened or since this was last called. */
  taken: () => string[];
  /** The lines of the plan of a statement, whatever it is asked with. */
  planOf: (query: string) => string[];
  /** Asks past the store, unseen. */
  sql: (query: string, ...places: unknown[]) => Row[];
}

export function openWatchedStore(now: () => number): WatchedStore {
  let asked: string[] = [];
  let prepare: Sqlite["prepare"] | undefined;
  const store = openMemoryStore({
    now,
    tune(sqlite) {
      const original = sqlite.prepare.bind(sqlite);
      prepare = original as Sqlite["prepare"];
      // Statements are prepared once; what counts is when they are run.
      sqlite.prepare = ((query: string) => {
        const statement = original(query);
        for (const way of ["run", "all"] as const) {
          const run = statement[way].bind(statement) as (...places: unknown[]) => unknown;
          statement[way] = ((...places: unknown[]) => {
            asked.push(query);
            return run(...places);
          }) as never;
        }
        return statement;
      }) as never;
    },
  });
  const sql = (query: string, ...places: unknown[]): Row[] => {
    const statement = (prepare as Sqlite["prepare"])(query);
    return (statement.reader ? statement.all(...places) : [statement.run(...places)]) as Row[];
  };
  return {
    store,
    taken() {
      const queries = asked;
      asked = [];
      return queries;
    },
    planOf(query) {
      const places = (query.match(/\?/g) ?? []).map(() => 1);
      return sql(`explain query plan ${query}`, ...places).map(({ detail }) => String(detail));
    },
    sql,
  };
}

/** The plan of the first statement that asking runs. */
export async function planOfAsking(watched: WatchedStore, ask: (store: Store) => Promise<unknown>): Promise<string[]> {
  watched.taken();
  await ask(watched.store);
  return watched.planOf(watched.taken()[0] ?? "");
}
