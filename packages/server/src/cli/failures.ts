/** What went wrong, as one sentence that says what to do, and the exit code. A stack is shown only for a defect of ours. */
import { ApiError } from "@keyover/client/api";
import { CommanderError } from "commander";
import { MasterKeyError } from "../custody/master-key.ts";
import { FolderInUseError } from "../store/sqlite.ts";
import {
  OutcomeUnknownError,
  SchemaError,
  StorageFullError,
  StoreConfigurationError,
  StoreUnavailableError,
} from "../store/store.ts";
import { type ExitCode, exitCodes, RefusedError, UnsafeConfigurationError, UsageError } from "./exit-codes.ts";
import { clean } from "./render.ts";

export interface Ending {
  code: ExitCode;
  /** Undefined if everything was said already. */
  sentence: string | undefined;
}

export function endingOf(error: unknown): Ending {
  // Commander has said what is wrong, or shown the help that was asked for.
  if (error instanceof CommanderError)
    return { code: error.exitCode === 0 ? exitCodes.ok : exitCodes.usage, sentence: undefined };
  if (error instanceof UsageError) return { code: exitCodes.usage, sentence: error.message };
  if (error instanceof RefusedError) return { code: exitCodes.refused, sentence: error.message };
  if (error instanceof ApiError) return apiEnding(error);
  if (error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError)
    return { code: exitCodes.unreachable, sentence: error.message };
  const configuration = configurationSentence(error);
  if (configuration !== undefined) return { code: exitCodes.configuration, sentence: configuration };
  return {
    code: exitCodes.defect,
    sentence: `this should not have happened; please report it. ${error instanceof Error ? error.stack : String(error)}`,
  };
}

function apiEnding(error: ApiError): Ending {
  if (error.code === "unreachable")
    return { code: exitCodes.unreachable, sentence: `${error.message}${causeOf(error.cause)}` };
  const notOurs = error.problem === undefined ? ". Is --url the address of an authority?" : "";
  return { code: exitCodes.refused, sentence: `${clean(error.message)}${notOurs} (${error.code})` };
}

/** The innermost reason, to be put after a sentence: `fetch failed` alone helps nobody. */
export function causeOf(cause: unknown): string {
  let inner = cause;
  for (let depth = 0; depth < 5 && inner instanceof Error && inner.cause !== undefined; depth++) inner = inner.cause;
  if (inner instanceof AggregateError) inner = inner.errors[0];
  if (!(inner instanceof Error)) return "";
  const code = "code" in inner ? String(inner.code) : "";
  const known: Record<string, string> = {
    ECONNREFUSED: "nothing listens there. Start it with keyover serve, or name the right one with --url",
    ENOTFOUND: "there is no host of that name",
    DEPTH_ZERO_SELF_SIGNED_CERT:
      "its certificate is signed by itself. Name the certificate in NODE_EXTRA_CA_CERTS to trust it",
    SELF_SIGNED_CERT_IN_CHAIN:
      "its certificate is of an authority of your own. Name that one's certificate in NODE_EXTRA_CA_CERTS to trust it",
    UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      "its certificate is of an authority that this machine doesn't know. Name that one's certificate in NODE_EXTRA_CA_CERTS to trust it",
  };
  return `: ${known[code] ?? inner.message}`;
}

const ERRNO: Record<string, (error: NodeJS.ErrnoException) => string> = {
  EADDRINUSE: (error) =>
    `${place(error)} is in use by another program; stop that one, or choose another address with --listen`,
  EADDRNOTAVAIL: (error) => `${place(error)} is no address of this machine; choose one with --listen`,
  ENOTFOUND: (error) => `the host of --listen can't be resolved (${error.message}); give an address such as 127.0.0.1`,
  EAI_AGAIN: (error) => `the host of --listen can't be resolved (${error.message}); give an address such as 127.0.0.1`,
  EACCES: (error) =>
    error.syscall === "listen"
      ? `${place(error)} needs more rights than this user has; choose a port from 1024 on with --listen`
      : `permission denied for ${error.path ?? "a file"}; let this user own it, or choose another folder with --data`,
  EPERM: (error) =>
    `this is not permitted for ${error.path ?? "a file"}; let this user own it, or choose another folder with --data`,
  EROFS: (error) =>
    `${error.path ?? "the data folder"} can't be written (read-only file system); choose another folder with --data`,
  ENOSPC: (error) =>
    `the disk is full${error.path === undefined ? "" : ` (${error.path})`}; free some space and start again`,
  EDQUOT: (error) =>
    `the disk quota is used up${error.path === undefined ? "" : ` (${error.path})`}; free some space and start again`,
  ENOENT: (error) => `there is no ${error.path ?? "such file"}; make its folder first, or name another one`,
  ENOTDIR: (error) =>
    `${error.path ?? "the data folder"} leads through something that is not a folder; name another one with --data`,
  EEXIST: (error) => `${error.path ?? "the data folder"} exists and is not a folder; name another one with --data`,
  EISDIR: () => "a folder was named where a file belongs; look at --master-key-file",
};

const DAMAGED =
  "keyover.sqlite is damaged or no database. Nothing was changed; restore the folder from a backup (keyover doctor --data <folder> says more)";

const SQLITE: [code: RegExp, sentence: string][] = [
  [/^SQLITE_(CORRUPT|NOTADB)/, DAMAGED],
  [/^SQLITE_FULL/, "the disk is full; free some space and start again"],
  [
    /^SQLITE_(CANTOPEN|PERM|AUTH)/,
    "the database can't be opened; let this user own the data folder and everything in it",
  ],
  [/^SQLITE_READONLY/, "the database can't be written; let this user own the data folder and everything in it"],
  [
    /^SQLITE_IOERR/,
    "the disk fails on reading or writing the database; look at the system's log, and at the free space",
  ],
];

/** Undefined for what is no matter of configuration. */
function configurationSentence(error: unknown): string | undefined {
  if (error instanceof UnsafeConfigurationError || error instanceof MasterKeyError) return error.message;
  if (error instanceof FolderInUseError || error instanceof SchemaError) return error.message;
  if (error instanceof StoreConfigurationError) return error.message;
  if (error instanceof StorageFullError) return "the disk is full; free some space and start again";
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  const code = String(error.code);
  return ERRNO[code]?.(error as NodeJS.ErrnoException) ?? SQLITE.find(([pattern]) => pattern.test(code))?.[1];
}

function place(error: NodeJS.ErrnoException & { address?: string; port?: number }): string {
  const { address = "the address", port } = error;
  return `${address.includes(":") ? `[${address}]` : address}${port === undefined ? "" : `:${port}`}`;
}
