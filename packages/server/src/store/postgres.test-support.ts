/**
 * A PostgreSQL database for a test: a schema of its own in the one that TEST_DATABASE_URL names, or in the one that this test run has
 * started (postgres.test-setup.ts).
 */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { createLogger, realWorld } from "../world.ts";
import { openPostgresStore, type PostgresOptions } from "./postgres.ts";
import { postgresAddress } from "./postgres-address.ts";
import type { Store } from "./store.ts";

export const testWorld = realWorld(createLogger("silent"));

export interface TestDatabase {
  url: string;
  /** Its schema. */
  schema: string;
  /** Another store on it. */
  open(options?: Partial<PostgresOptions> & { url?: string }): Promise<Store>;
  /** One statement, on a connection of its own. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Closes the stores, and drops the schema. */
  drop(): Promise<void>;
}

let asked: Promise<string> | undefined;

/** Of the server; its database may be shared with other tests. */
export function postgresUrl(): Promise<string> {
  asked ??= process.env.TEST_DATABASE_URL ? Promise.resolve(process.env.TEST_DATABASE_URL) : askForOne();
  return asked;
}

async function askForOne(): Promise<string> {
  const response = await fetch(inject("postgresAsk"));
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

export async function testDatabase(): Promise<TestDatabase> {
  const server = await postgresUrl();
  const schema = `test_${randomBytes(8).toString("hex")}`;
  await once(server, `create schema ${schema}`);
  const url = withSearchPath(server, schema);
  const stores: Store[] = [];
  return {
    url,
    schema,
    async open({ url: through = url, ...options } = {}) {
      const store = await openPostgresStore({ address: postgresAddress(through), world: testWorld, ...options });
      stores.push(store);
      return store;
    },
    sql: (text, values) => once(url, text, values),
    async drop() {
      await Promise.allSettled(stores.map((store) => store.close()));
      await once(server, `drop schema ${schema} cascade`);
    },
  };
}

function withSearchPath(url: string, schema: string): string {
  const changed = new URL(url);
  changed.searchParams.set("options", `-csearch_path=${schema}`);
  return changed.href;
}

async function once(url: string, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await client.end();
  }
}
