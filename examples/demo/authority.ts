/** The authority of the demo: one process on a folder, or three on a PostgreSQL. Killed from outside, each is started again. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Api, createApi } from "@keyover/client/api";
import { freePort, logFile, type Restartable, restartable } from "./cast.ts";

const KEYOVER = fileURLToPath(new URL("../../packages/server/src/main.ts", import.meta.url));
const PROCESSES = 3;

export interface Authority {
  processes: Restartable[];
  urls: string[];
  admin: Api;
  /** Tries one process after the other while some are being restarted. Writes carry an Idempotency-Key, so nothing is done twice. */
  fetch: typeof fetch;
}

export async function startAuthority(folder: string, databaseUrl: string | undefined): Promise<Authority> {
  const tokenFile = join(folder, "admin-token");
  const processes: Restartable[] = [];
  for (let i = 1; i <= (databaseUrl === undefined ? 1 : PROCESSES); i++) {
    const made = await prepare({ folder, number: i, tokenFile, databaseUrl });
    await made.start();
    processes.push(made);
    if (!existsSync(tokenFile))
      throw new Error("the database has an administrator already; the demo needs an empty one");
  }
  const urls = processes.map(({ url }) => url);
  const token = readFileSync(tokenFile, "utf8").trim();
  const fetch = patientFetch(urls);
  return { processes, urls, fetch, admin: createApi({ url: urls[0] as string, token, fetch, timeoutMs: 60_000 }) };
}

interface Preparation {
  folder: string;
  number: number;
  tokenFile: string;
  databaseUrl: string | undefined;
}

async function prepare({ folder, number, tokenFile, databaseUrl }: Preparation): Promise<Restartable> {
  const data = (of: number) => join(folder, databaseUrl === undefined ? "authority" : `authority-${of}`);
  const port = await freePort();
  const args = ["serve", "--data", data(number), "--listen", `127.0.0.1:${port}`, "--log-level", "warn"];
  // All processes seal under one master key: the first makes it.
  if (number > 1) args.push("--master-key-file", join(data(1), "master.key"));
  const { DATABASE_URL: _inherited, ...inherited } = process.env;
  const env = databaseUrl === undefined ? inherited : { ...inherited, DATABASE_URL: databaseUrl };
  const name = databaseUrl === undefined ? "authority" : `authority-${number}`;
  const shown = databaseUrl === undefined ? "the authority" : name;
  return restartable(shown, `http://127.0.0.1:${port}`, "/readyz", () => {
    const first = existsSync(tokenFile) ? [] : ["--admin-token-file", tokenFile];
    return spawn(process.execPath, [KEYOVER, ...args, ...first], {
      env,
      stdio: ["ignore", "ignore", logFile(folder, name)],
    });
  });
}

const ATTEMPTS_MAX = 60;
/** A process that stands still is passed over. */
const ANSWER_MS_MAX = 5_000;

/** Each attempt goes to the next of these. */
export function patientFetch(urls: readonly string[]): typeof fetch {
  return async (input, init) => {
    for (let attempt = 0; ; attempt++) {
      const url = new URL(input instanceof Request ? input.url : input);
      url.host = new URL(urls[attempt % urls.length] as string).host;
      const signals = [AbortSignal.timeout(ANSWER_MS_MAX), ...(init?.signal ? [init.signal] : [])];
      try {
        const response = await fetch(url, { ...init, signal: AbortSignal.any(signals) });
        if (response.status !== 503 || attempt === ATTEMPTS_MAX) return response;
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || init?.signal?.aborted) throw error;
      }
      await sleep(250);
    }
  };
}
