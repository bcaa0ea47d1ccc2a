/** Where the database and the master key are, by option, environment or default. */
import { join } from "node:path";
import type { Command } from "commander";
import { type PostgresAddress, postgresAddress } from "../store/postgres-address.ts";
import type { Io } from "./io.ts";
import { readPrivateFile } from "./private-file.ts";

export interface PlaceOptions {
  data?: string;
  masterKeyFile?: string;
  databaseUrlFile?: string;
}

export interface Place {
  data: string;
  masterKeyPath: string;
  /** Undefined: SQLite in the data folder. */
  database: PostgresAddress | undefined;
}

const DATA_DEFAULT = "keyover-data";

/** A URL with a password is no option: every user of a machine can read every process's command line. */
export function placeOptions(command: Command): Command {
  return command
    .option("--data <folder>", `data folder (KEYOVER_DATA; otherwise ${DATA_DEFAULT})`)
    .option("--master-key-file <file>", "master key (KEYOVER_MASTER_KEY_FILE; otherwise master.key in the data folder)")
    .option(
      "--database-url-file <file>",
      "PostgreSQL instead of SQLite: a file, readable by you alone, with its URL (KEYOVER_DATABASE_URL_FILE; or the URL in DATABASE_URL)",
    );
}

export function placeOf(options: PlaceOptions, io: Io): Place {
  const data = options.data ?? (io.env.KEYOVER_DATA || DATA_DEFAULT);
  const url = databaseUrlOf(options, io);
  return {
    data,
    masterKeyPath: options.masterKeyFile ?? (io.env.KEYOVER_MASTER_KEY_FILE || join(data, "master.key")),
    database: url === undefined ? undefined : postgresAddress(url),
  };
}

/** Whether a place was named at all. */
export function namesPlace(options: PlaceOptions, io: Io): boolean {
  return options.data !== undefined || databaseUrlOf(options, io) !== undefined;
}

/** The option, then the URL itself, then the file that the environment names; as with tokens. */
function databaseUrlOf(options: PlaceOptions, io: Io): string | undefined {
  const file =
    options.databaseUrlFile ?? (io.env.DATABASE_URL ? undefined : io.env.KEYOVER_DATABASE_URL_FILE || undefined);
  return file === undefined ? io.env.DATABASE_URL || undefined : readPrivateFile(file, "database URL's file").trim();
}

/** For sentences: `/var/lib/keyover`, or `the database keyover at db.example.com:5432 as keyover`. */
export function placeName({ data, database }: Place): string {
  return database === undefined ? data : `the database ${database.name}`;
}
