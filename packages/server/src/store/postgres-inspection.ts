/** A look into a PostgreSQL database for somebody who only reads, and takes it as it is. */
import { sql } from "kysely";
import type { MigrationReport } from "./migration.ts";
import { postgresDialect } from "./postgres.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { createConnections, LIMITS, type PostgresWorld } from "./postgres-connections.ts";
import { migratePostgres, NOW_SQL } from "./postgres-migration.ts";
import { createReads, type Reads } from "./reads.ts";

export interface PostgresFacts {
  /** Of the server, such as `18.4`. */
  version: string;
  fsync: boolean;
  fullPageWrites: boolean;
}

export interface PostgresInspection {
  reads: Reads;
  facts(): Promise<PostgresFacts>;
  plan(): Promise<MigrationReport>;
  /** Those that live, as `keyover/0.1.0 (rep_…)`. */
  processes(): Promise<string[]>;
  close(): Promise<void>;
}

export async function inspectPostgres(address: PostgresAddress, world: PostgresWorld): Promise<PostgresInspection> {
  const connections = createConnections(address, world, LIMITS);
  const dialect = postgresDialect(connections);
  const ask = async <T>(text: string) => (await sql<T>`${sql.raw(text)}`.execute(dialect.db)).rows;
  return {
    reads: createReads(dialect),
    async facts() {
      const [facts] = await ask<Record<string, string>>(
        `select current_setting('server_version') as version, current_setting('fsync') as fsync, current_setting('full_page_writes') as pages`,
      );
      const { version = "?", fsync, pages } = facts ?? {};
      return { version, fsync: fsync === "on", fullPageWrites: pages === "on" };
    },
    plan: () => migratePostgres(address, world, { mode: "plan", waitMs: LIMITS.waitMs }),
    async processes() {
      const rows = await ask<{ id: string; software: string }>(
        `select id, software from replica where until > ${NOW_SQL} order by id`,
      );
      return rows.map(({ id, software }) => `${software} (${id})`);
    },
    close: () => connections.close(),
  };
}
