/**
 * What an error of PostgreSQL, or of the way to it, means for a transaction.
 *
 *     again     it lost to another one; nothing was written
 *     lost      the connection is gone, or useless; what was sent last may have been done
 *     late      it waited too long for a lock; nothing was written
 *     full      the disk is; nothing was written
 *     setup     user, password, database or rights are wrong
 *     other     an answer, such as a violated constraint, or a mistake of ours
 */
import pg from "pg";
import { StorageFullError, StoreConfigurationError, StoreUnavailableError } from "./store.ts";

export type Trouble = "again" | "lost" | "late" | "full" | "setup" | "other";

const CODES: [pattern: RegExp, trouble: Trouble][] = [
  [/^(40001|40P01)$/, "again"],
  // The connection is of a server that ends, begins, stands by, or has ended the session.
  [/^(08...|57P0.|25P0[34]|25006|53300)$/, "lost"],
  [/^(55P03|57014)$/, "late"],
  [/^53100$/, "full"],
  [/^(28...|3D000|3F000|42501)$/, "setup"],
];

export function troubleOf(error: unknown): Trouble {
  if (error instanceof pg.DatabaseError)
    return CODES.find(([pattern]) => pattern.test(error.code ?? ""))?.[1] ?? (isFatal(error) ? "lost" : "other");
  if (error instanceof LostConnectionError) return "lost";
  return "other";
}

/** After one of these the server has closed the connection. */
export function isFatal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.severity === "FATAL" || error.severity === "PANIC");
}

/** What pg said when there was no answer of the server. */
class LostConnectionError extends Error {
  override name = "LostConnectionError";
}

/** pg gives no class to what goes wrong on the way; whatever is no answer of the server is that. */
export function asLost(error: unknown): unknown {
  if (error instanceof pg.DatabaseError || error instanceof LostConnectionError) return error;
  return new LostConnectionError(reasonOf(error));
}

/** Without the error itself: pg hangs the client on some, and with it how to connect. */
export function explained(error: unknown, name: string): unknown {
  const reason = reasonOf(error);
  switch (troubleOf(error)) {
    case "again":
      return new StoreUnavailableError(`the database ${name} had too many transactions at once (${reason})`);
    case "lost":
      return new StoreUnavailableError(`the database ${name} can't be used: ${reason}`);
    case "late":
      return new StoreUnavailableError(`the database ${name} kept this waiting for too long (${reason})`);
    case "full":
      return new StorageFullError("the database's disk is full; nothing was written");
    case "setup":
      return new StoreConfigurationError(`the database ${name} refuses: ${reason}`);
    case "other":
      return error;
  }
}

const SAID: Record<string, string> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "there is no host of that name",
  EAI_AGAIN: "the host's name can't be resolved now",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  ETIMEDOUT: "it does not answer",
  EHOSTUNREACH: "there is no way to it",
  "53300": "it takes no more connections (max_connections)",
  "25006": "it is read-only; is it a standby?",
  "Query read timeout": "it does not answer",
  "timeout expired": "it does not answer",
  "Connection terminated due to connection timeout": "it does not answer",
  "timeout exceeded when trying to connect": "all connections to it are busy",
  "Connection terminated unexpectedly": "the connection was cut",
};

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : "";
  // Where a name has several addresses, each has an error of its own.
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  return SAID[code] ?? SAID[error.message] ?? error.message;
}
