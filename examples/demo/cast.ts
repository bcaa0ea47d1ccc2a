/** The demo's processes but for the authority: two market data APIs, the bots. Real processes, real HTTP, real kills. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  type BotCommand,
  type BotCounts,
  type BotMessage,
  type BotStart,
  noCounts,
  type ThiefCounts,
} from "./messages.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const MARKET_API = path("../market-api/src/market-api.ts");
const BOT = path("./bot.ts");

/** Whatever way the demo ends, its processes end with it. */
const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));

/** What a process says goes into a file of its own. */
export function logFile(folder: string, name: string): number {
  mkdirSync(join(folder, "logs"), { recursive: true });
  return openSync(join(folder, "logs", `${name}.log`), "a", 0o600);
}

function ownChild(child: ChildProcess): ChildProcess {
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** A process that can be killed and started again with the same port and folder. */
export interface Restartable {
  name: string;
  url: string;
  /** `kill -9`; resolves when the process is gone. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

export async function startMarketApi(
  folder: string,
  name: string,
  authorityUrls: readonly string[],
  token: string,
): Promise<Restartable> {
  const port = await freePort();
  const env = {
    ...process.env,
    KEYOVER_URL: authorityUrls.join(","),
    KEYOVER_TOKEN: token,
    KEYOVER_ENVIRONMENT: "live",
    KEYOVER_DATA: join(folder, name),
    PORT: String(port),
  };
  const api = restartable(name, `http://127.0.0.1:${port}`, "/healthz", () =>
    spawn(process.execPath, [MARKET_API], { env, stdio: ["ignore", "ignore", logFile(folder, name)] }),
  );
  await api.start();
  return api;
}

/** Kills that came from outside: somebody tries the demo. The processes are started again, as a supervisor would. */
export const outside = {
  kills: 0,
  tell: (_text: string): void => undefined,
  killed(name: string): void {
    outside.kills++;
    outside.tell(`${name} was killed from outside; starting it again`);
  },
};

const START_MS_MAX = 20_000;
const RELAUNCH_MS = 200;

export function restartable(name: string, url: string, health: string, launch: () => ChildProcess): Restartable {
  let child: ChildProcess | undefined;
  let wanted = false;
  let ended: string | undefined;
  const relaunch = () => {
    ended = undefined;
    const started = ownChild(launch());
    child = started;
    started.once("exit", (code, signal) => {
      if (!wanted || child !== started) return;
      if (signal === null) {
        ended = `exit code ${code}`;
        return;
      }
      outside.killed(name);
      setTimeout(() => {
        if (wanted && child === started) relaunch();
      }, RELAUNCH_MS);
    });
  };
  const end = (signal: NodeJS.Signals) =>
    new Promise<number | null>((resolve) => {
      wanted = false;
      if (child === undefined || hasEnded(child)) return resolve(child?.exitCode ?? null);
      child.once("exit", (code) => resolve(code));
      child.kill(signal);
    });
  return {
    name,
    url,
    async kill() {
      await end("SIGKILL");
    },
    stop: () => end("SIGTERM"),
    async start() {
      wanted = true;
      relaunch();
      for (let waited = 0; waited < START_MS_MAX; waited += 25) {
        if (ended !== undefined) throw new Error(`${name} ended with ${ended}; see its log`);
        if (await answers(url + health)) return;
        await sleep(25);
      }
      throw new Error(`${name} did not get ready in ${START_MS_MAX / 1_000} s; see its log`);
    },
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** One bot's process, and the file that it takes its key from. */
export interface Bot {
  name: string;
  kind: "holder" | "plain";
  keyId: string;
  consumerToken: string;
  keyFile: string;
  counts: BotCounts;
  /** What the key was before anything happened, for the check at the end. */
  firstSecret: string;
  stop(): Promise<void>;
}

export interface BotSettings {
  name: string;
  kind: "holder" | "plain";
  keyId: string;
  secret: string;
  consumerToken: string;
}

export function startBot(folder: string, apis: string[], authorityUrl: string, pauseMs: number, bot: BotSettings): Bot {
  const home = join(folder, bot.name);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const keyFile = join(home, "market.key");
  writeFileSync(keyFile, `${bot.secret}\n`, { mode: 0o600 });
  const settings = { bot: bot.name, kind: bot.kind, apis, keyFile, pauseMs, authorityUrl };
  const env = bot.kind === "holder" ? { DEMO_CONSUMER_TOKEN: bot.consumerToken } : {};
  let before = noCounts(bot.name, bot.kind);
  const running = keepBot(folder, settings, env, {
    heard(message) {
      if (message.type === "counts") started.counts = addCounts(before, message.counts);
    },
    relaunched: () => {
      before = started.counts;
    },
  });
  const started: Bot = {
    name: bot.name,
    kind: bot.kind,
    keyId: bot.keyId,
    consumerToken: bot.consumerToken,
    keyFile,
    firstSecret: bot.secret,
    counts: before,
    stop: () => running.stop(),
  };
  return started;
}

/** What a bot's earlier process counted, and its present one. */
function addCounts(before: BotCounts, now: BotCounts): BotCounts {
  const versions = { ...before.versions };
  for (const [version, count] of Object.entries(now.versions))
    versions[Number(version)] = (versions[Number(version)] ?? 0) + count;
  return {
    ...now,
    versions,
    requests: before.requests + now.requests,
    accepted: before.accepted + now.accepted,
    refused: before.refused + now.refused,
    connectionFailures: before.connectionFailures + now.connectionFailures,
    refusals: [...before.refusals, ...now.refusals],
  };
}

export interface Thief {
  counts: ThiefCounts;
  stop(): Promise<void>;
}

/** A process with a copy of the bot's key as it is now. */
export function startThief(folder: string, apis: string[], victim: Bot): Thief {
  const keyFile = join(folder, "stolen.key");
  writeFileSync(keyFile, readFileSync(victim.keyFile), { mode: 0o600 });
  const settings: BotStart = { bot: "thief", kind: "thief", apis, keyFile, pauseMs: 1, authorityUrl: "" };
  let before: ThiefCounts = { accepted: 0, refused: 0, lastAcceptedSentAt: 0, firstRefusedAt: 0 };
  const running = keepBot(
    folder,
    settings,
    {},
    {
      heard(message) {
        if (message.type !== "thief") return;
        const { accepted, refused, lastAcceptedSentAt, firstRefusedAt } = message.counts;
        thief.counts = {
          accepted: before.accepted + accepted,
          refused: before.refused + refused,
          lastAcceptedSentAt: lastAcceptedSentAt || before.lastAcceptedSentAt,
          firstRefusedAt: before.firstRefusedAt || firstRefusedAt,
        };
      },
      relaunched: () => {
        before = thief.counts;
      },
    },
  );
  const thief: Thief = { counts: before, stop: () => running.stop() };
  return thief;
}

interface Ears {
  heard(message: BotMessage): void;
  /** Its counts begin anew. */
  relaunched(): void;
}

/** A bot's process; killed from outside, it is started again. */
function keepBot(
  folder: string,
  settings: BotStart,
  env: Record<string, string>,
  ears: Ears,
): { stop(): Promise<void> } {
  let stopping = false;
  let child: ChildProcess;
  const launch = () => {
    child = forkBot(folder, settings, env);
    child.on("message", (message: BotMessage) => ears.heard(message));
    child.once("exit", (_code, signal) => {
      if (stopping || signal === null) return;
      outside.killed(settings.bot);
      ears.relaunched();
      launch();
    });
  };
  launch();
  return {
    stop() {
      stopping = true;
      return stopChild(child);
    },
  };
}

function forkBot(folder: string, settings: BotStart, env: Record<string, string>): ChildProcess {
  return ownChild(
    fork(BOT, [], {
      env: { ...process.env, ...env, DEMO_BOT: JSON.stringify(settings) },
      stdio: ["ignore", "ignore", logFile(folder, settings.bot), "ipc"],
    }),
  );
}

function stopChild(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (hasEnded(child)) return resolve();
    child.once("exit", () => resolve());
    // One that was killed just now can't be told; its end is on its way.
    if (child.connected) child.send({ type: "stop" } satisfies BotCommand, () => undefined);
    setTimeout(() => child.kill("SIGKILL"), 10_000).unref();
  });
}
