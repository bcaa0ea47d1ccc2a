/**
 * For vitest's `globalSetup`: one PostgreSQL for the whole run, started when the first test asks for it, so that a run without such a test
 * does not pay. A test asks over a port of the loopback (postgres.test-support.ts), because it runs in another process.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { TestProject } from "vitest/node";
import { type PostgresServer, startPostgres } from "./postgres-server.test-support.ts";

declare module "vitest" {
  interface ProvidedContext {
    postgresAsk: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let starting: Promise<PostgresServer> | undefined;
  const desk = createServer((_request, response) => {
    starting ??= startPostgres();
    starting.then(
      ({ url }) => response.end(url),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  desk.listen(0, "127.0.0.1");
  await once(desk, "listening");
  desk.unref();
  const address = desk.address();
  const port = typeof address === "object" ? address?.port : undefined;
  project.provide("postgresAsk", `http://127.0.0.1:${port}/`);
  return async () => {
    desk.close();
    await (await starting?.catch(() => undefined))?.stop();
  };
}
