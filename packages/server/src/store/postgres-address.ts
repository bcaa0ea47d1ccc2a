/**
 * Where a PostgreSQL database is, read from a URL as libpq takes it. The URL holds a password: no sentence repeats any part of it but
 * host, port, database and user, and not even those where a password that was not percent-encoded might have slipped into them.
 */
import pg from "pg";
import { StoreConfigurationError } from "./store.ts";

export interface PostgresAddress {
  /** For sentences: `keyover at db.example.com:5432 as keyover`. */
  name: string;
  config: pg.ClientConfig;
  /** Whether what is sent could be read on the way. */
  inTheClear: boolean;
}

/** What may stand behind the `?`. */
const PARAMETERS = new Set(
  "sslmode sslcert sslkey sslrootcert sslnegotiation uselibpqcompat ssl options application_name client_encoding host port user password".split(
    " ",
  ),
);

export function postgresAddress(url: string): PostgresAddress {
  refuseUnreadable(url);
  const { host, port, user, database, ssl, options, sslnegotiation, password, application_name } = parsed(url);
  const local = host.startsWith("/") || host === "localhost" || host === "::1" || host.startsWith("127.");
  return {
    name: `${database} at ${host.includes(":") ? `[${host}]` : host}:${port} as ${user}`,
    config: {
      host,
      port,
      user,
      database,
      password,
      ssl,
      options,
      sslnegotiation,
      application_name: application_name ?? "keyover",
    },
    inTheClear: !ssl && !local,
  };
}

const FORM = "postgres://user:password@host:5432/database";

function refuseUnreadable(url: string): void {
  const readable = URL.canParse(url) ? new URL(url) : undefined;
  if (readable !== undefined && !["postgres:", "postgresql:"].includes(readable.protocol))
    throw new StoreConfigurationError(`the database URL must begin with postgres:// (${FORM})`);
  const strange =
    readable === undefined ||
    readable.hash !== "" ||
    readable.pathname.includes("@") ||
    [...readable.searchParams.keys()].some((name) => !PARAMETERS.has(name));
  if (strange)
    throw new StoreConfigurationError(
      `the database URL can't be read; it has the form ${FORM}, with everything but letters and digits in the password percent-encoded (%40 for @)`,
    );
}

/** As pg reads it, with what it takes from the environment. */
interface Parsed {
  host: string;
  port: number;
  user: string;
  database: string;
  password: string | undefined;
  ssl: pg.ClientConfig["ssl"];
  options: string | undefined;
  sslnegotiation: "postgres" | "direct" | undefined;
  application_name: string | undefined;
}

function parsed(url: string): Parsed {
  try {
    const client = new pg.Client({ connectionString: url });
    return (client as unknown as { connectionParameters: Parsed }).connectionParameters;
  } catch (error) {
    // A certificate's file is not there, or the like. Errors about the URL itself were refused before.
    const why = error instanceof Error && "code" in error ? error.message : "its parameters contradict each other";
    throw new StoreConfigurationError(`the database URL can't be used: ${why}`);
  }
}
