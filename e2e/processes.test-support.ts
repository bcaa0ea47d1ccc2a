/**
 * Real processes for the black-box tests. Each is ended by its own id: by the test, by `endAll` in its `afterAll`, by the worker's exit,
 * or, if the worker itself is killed, by the tether that it was started with.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { leave, leaveFolder } from "./canary.test-support.ts";

export const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** As `npm run …` starts Node: workspace packages resolve to their sources. */
const NODE_ARGS = [
  "--conditions=keyover-source",
  "--disable-warning=ExperimentalWarning",
  "--import",
  pathOf("./tether.ts"),
];

const running = new Set<ChildProcess>();
const folders = new Set<string>();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** For `afterAll`: ends what still runs, and removes the folders. */
export async function endAll(): Promise<void> {
  const ends = [...running].map((child) => new Promise((resolve) => child.once("exit", resolve)));
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(ends);
  for (const folder of folders) if (!leaveFolder(folder)) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}

/** A folder that `endAll` removes, or leaves to the canary. */
export function makeFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `keyover-e2e-${name}-`));
  folders.add(folder);
  return folder;
}

export interface RunOptions {
  env?: Record<string, string | undefined>;
  /** More arguments for Node itself. */
  nodeArgs?: string[];
  onMessage?: (message: unknown) => void;
  /** Its standard output shows a secret, once, because that was asked for. */
  showsSecret?: boolean;
  /** A file for what it writes, besides. */
  log?: string | undefined;
}

/** One process, from its start to its end. */
export interface Running {
  pid: number;
  /** All that it wrote so far, standard output and error apart. */
  out(): string;
  err(): string;
  exited(): boolean;
  /** Resolves with the exit code; null if a signal ended it. */
  end: Promise<number | null>;
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<number | null>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
  send(message: object): void;
}

export function run(program: string, args: string[], options: RunOptions = {}): Running {
  const { NODE_OPTIONS: _inherited, VITEST: _vitest, ...inherited } = process.env;
  const child = spawn(process.execPath, [...NODE_ARGS, ...(options.nodeArgs ?? []), program, ...args], {
    env: { ...inherited, ...options.env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  running.add(child);
  let out = "";
  let err = "";
  const keep = (text: string) => {
    if (options.log !== undefined) appendFileSync(options.log, text, { mode: 0o600 });
    leave(`process-${child.pid}`, text);
  };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    if (!options.showsSecret) keep(text);
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    err += text;
    keep(text);
  });
  child.on("message", (message) => options.onMessage?.(message));
  child.on("error", () => undefined);
  const end = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      running.delete(child);
      resolve(code);
    });
  });
  const exited = () => child.exitCode !== null || child.signalCode !== null;
  const signal = (name: NodeJS.Signals) => {
    if (!exited()) child.kill(name);
  };
  return {
    pid: child.pid as number,
    out: () => out,
    err: () => err,
    exited,
    end,
    async kill() {
      signal("SIGKILL");
      await end;
    },
    stop() {
      signal("SIGTERM");
      return end;
    },
    pause: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
    send: (message) => child.connected && child.send(message),
  };
}

/** A server that can end and start again on the same port and folder. */
export interface Server {
  url: string;
  /** The process that runs now, or ran last. */
  process(): Running;
  /** What all its processes wrote. */
  written(): string;
  start(): Promise<void>;
  /** Begins to start, and does not wait. */
  launch(): Running;
  ready(): Promise<void>;
  /** `kill -9`. */
  kill(): Promise<void>;
  stop(): Promise<number | null>;
}

export function server(url: string, healthPath: string, launch: () => Running): Server {
  const all: Running[] = [];
  const last = () => all.at(-1) as Running;
  const made: Server = {
    url,
    process: last,
    written: () => all.map((each) => each.out() + each.err()).join("\n"),
    launch() {
      all.push(launch());
      return last();
    },
    async ready() {
      await until(async () => {
        if (last().exited()) throw new Error(`the server on ${url} ended: ${last().out()}${last().err()}`);
        return answers(url + healthPath);
      }, `the server on ${url} to get ready`);
    },
    async start() {
      made.launch();
      await made.ready();
    },
    kill: () => last().kill(),
    stop: () => last().stop(),
  };
  return made;
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

const WAIT_MS = 60_000;

/** Asks again and again. A test fails with the words of what it waited for. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string | (() => string),
  { waitMs = WAIT_MS, everyMs = 20 } = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const found = await condition();
    if (found) return found as NonNullable<T>;
    if (performance.now() > deadline) {
      throw new Error(`waited ${waitMs / 1000} s for ${typeof what === "string" ? what : what()}`);
    }
    await sleep(everyMs);
  }
}

/** Below the range that outgoing connections take their ports from. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}
