/**
 * How a command reaches the authority. A token never comes from the command line, where every user of the machine could read it
 * in the process list, and never from a file that others can read.
 */
import { type Api, createApi } from "@keyover/client/api";
import { authorityUrlProblem } from "@keyover/core";
import type { Command } from "commander";
import { UsageError } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { readPrivateFile } from "./private-file.ts";

export interface ConnectionOptions {
  url?: string | undefined;
  tokenFile?: string | undefined;
  json?: boolean | undefined;
}

export interface Connection {
  api: Api;
  url: string;
}

const URL_DEFAULT = "http://127.0.0.1:7700";

export function connectionOptions(command: Command): Command {
  return command
    .option("--url <url>", `the authority (KEYOVER_URL; otherwise ${URL_DEFAULT})`)
    .option(
      "--token-file <file>",
      "file with the token, readable by you alone (KEYOVER_TOKEN_FILE; or the token in KEYOVER_TOKEN)",
    )
    .option("--json", "print the API's answer as JSON");
}

/** The word that a token may travel unencrypted to another machine. */
export function plainHttpAllowed(io: Io): boolean {
  return io.env.KEYOVER_ALLOW_PLAIN_HTTP === "1";
}

export function urlOf(options: ConnectionOptions, io: Io): string {
  const text = options.url ?? (io.env.KEYOVER_URL || URL_DEFAULT);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const problem = authorityUrlProblem(text, plainHttpAllowed(io));
  if (url === undefined || problem !== undefined) {
    throw new UsageError(`--url: ${problem?.replace("allowPlainHttp: true", "KEYOVER_ALLOW_PLAIN_HTTP=1")}`);
  }
  if (url.username !== "" || url.password !== "")
    throw new UsageError("--url takes no user name or password; give a token instead");
  return text.replace(/\/+$/, "");
}

export function tokenOf(options: ConnectionOptions, io: Io): string | undefined {
  const file = options.tokenFile ?? (io.env.KEYOVER_TOKEN ? undefined : io.env.KEYOVER_TOKEN_FILE || undefined);
  if (file === undefined) return tokenFrom(io.env.KEYOVER_TOKEN, "KEYOVER_TOKEN");
  return tokenFrom(readPrivateFile(file, "token file"), file);
}

function tokenFrom(text: string | undefined, source: string): string | undefined {
  const token = text?.trim() ?? "";
  if (token === "") {
    if (text !== undefined && source !== "KEYOVER_TOKEN")
      throw new UsageError(`${source} is empty; it must hold a token (kot_…)`);
    return undefined;
  }
  // The text itself is never repeated: it may be half a secret.
  if (!/^[\x21-\x7e]{1,200}$/.test(token))
    throw new UsageError(`${source} holds no token; a token is one word that begins with kot_`);
  return token;
}

/** Connects with a token; without one there is no call to make. */
export function connect(options: ConnectionOptions, io: Io): Connection {
  const url = urlOf(options, io);
  const token = tokenOf(options, io);
  if (token === undefined) {
    throw new UsageError("no token: put it in KEYOVER_TOKEN, or in a file (mode 0600) that --token-file names");
  }
  return { api: createApi({ url, token, allowPlainHttp: plainHttpAllowed(io), world: io.world }), url };
}

interface Page<T> {
  items: T[];
  next: string | null;
}

const PAGE_MAX = 500;

/** Follows the cursor to the end, or until `limit` items are there; `next` is then where to go on. */
export async function everything<T>(
  fetchPage: (query: { limit: number; cursor?: string }) => Promise<Page<T>>,
  limit: number | undefined,
): Promise<Page<T>> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (;;) {
    const wanted = Math.min(PAGE_MAX, (limit ?? Infinity) - items.length);
    const page = await fetchPage({ limit: wanted, ...(cursor === undefined ? {} : { cursor }) });
    items.push(...page.items);
    const done = page.next === null || page.next === cursor || items.length >= (limit ?? Infinity);
    if (done) return { items, next: page.next };
    cursor = page.next as string;
  }
}
