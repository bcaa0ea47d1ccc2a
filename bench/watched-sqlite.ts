/** Which statements SQLite is asked, how long each took, and how it finds what they ask for. */
import type { openSqliteStore } from "../packages/server/src/store/sqlite.ts";

type Sqlite = Parameters<NonNullable<Parameters<typeof openSqliteStore>[2]>>[0];

export interface Asked {
  sql: string;
  calls: number;
  ms: number;
}

export class WatchedSqlite {
  #sqlite: Sqlite | undefined;
  #asked = new Map<string, Asked>();

  /** For `openSqliteStore`: hands out statements that are timed. */
  readonly tune = (sqlite: Sqlite): void => {
    this.#sqlite = sqlite;
    const prepare = sqlite.prepare.bind(sqlite);
    sqlite.prepare = ((sql: string) => {
      const statement = prepare(sql);
      for (const name of ["all", "run", "get"] as const) {
        const call = statement[name].bind(statement) as (...given: unknown[]) => unknown;
        Object.defineProperty(statement, name, {
          value: (...given: unknown[]) => this.#timed(sql, () => call(...given)),
        });
      }
      return statement;
    }) as typeof sqlite.prepare;
  };

  #timed<T>(sql: string, work: () => T): T {
    const from = performance.now();
    try {
      return work();
    } finally {
      const asked = this.#asked.get(sql) ?? { sql, calls: 0, ms: 0 };
      this.#asked.set(sql, asked);
      asked.calls += 1;
      asked.ms += performance.now() - from;
    }
  }

  get sqlite(): Sqlite {
    if (this.#sqlite === undefined) throw new Error("the store is not open");
    return this.#sqlite;
  }

  /** What was asked since the last time, the dearest first. */
  taken(): Asked[] {
    const asked = [...this.#asked.values()].sort((a, b) => b.ms - a.ms);
    this.#asked = new Map();
    return asked;
  }

  /** How SQLite goes about it. */
  plan(sql: string): string[] {
    const places = (sql.match(/\?/g) ?? []).map(() => null);
    const rows = this.sqlite.prepare(`explain query plan ${sql}`).all(...places) as { detail: string }[];
    this.#asked.delete(`explain query plan ${sql}`);
    return rows.map(({ detail }) => detail);
  }
}
