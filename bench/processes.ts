/** Processes of a bench. Whatever way it ends, they end with it. */
import { type ChildProcess, fork, type Serializable, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const KEYOVER = fileURLToPath(new URL("../packages/server/src/main.ts", import.meta.url));
const READY_MS_MAX = 30_000;
const SETTINGS = "KEYOVER_BENCH_SETTINGS";

const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));

export function ownChild(child: ChildProcess): ChildProcess {
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** `keyover` with these arguments. */
export function spawnKeyover(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  return ownChild(
    spawn(process.execPath, [KEYOVER, ...args], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...env },
    }),
  );
}

/** What a program prints, which may ask for the garbage to be collected. */
export function outputOf(program: string, args: readonly string[], env = process.env): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = ownChild(
      spawn(process.execPath, ["--expose-gc", program, ...args], { stdio: ["ignore", "pipe", "inherit"], env }),
    );
    let said = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve(said) : reject(new Error(`${program} ended with exit code ${code}`)),
    );
  });
}

/** A file of this folder as a process that is told its settings and talks by messages. */
export interface Peer<Said> {
  pid: number;
  send(message: Serializable): void;
  /** The next message for which `wanted` is true. */
  next(wanted: (said: Said) => boolean): Promise<Said>;
  onMessage(listener: (said: Said) => void): void;
  stop(): Promise<void>;
}

export function startPeer<Said>(file: string, settings: object): Peer<Said> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = ownChild(
    fork(path, [], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      serialization: "json",
      // Not an argument: there is a token in it, and everybody on the machine sees arguments.
      env: { ...process.env, [SETTINGS]: JSON.stringify(settings) },
    }),
  );
  return {
    pid: child.pid as number,
    send: (message) => void child.send(message),
    onMessage: (listener) => void child.on("message", (said) => listener(said as Said)),
    next: (wanted) =>
      new Promise((resolve, reject) => {
        const ended = (code: number | null) => reject(new Error(`${file} ended with exit code ${code}`));
        const heard = (said: unknown) => {
          if (!wanted(said as Said)) return;
          child.off("exit", ended).off("message", heard);
          resolve(said as Said);
        };
        child.once("exit", ended).on("message", heard);
      }),
    stop: () => stopChild(child),
  };
}

/** What a peer was told. It ends with the process that started it. */
export function peerSettings<Settings>(): Settings {
  process.on("disconnect", () => process.exit(0));
  return JSON.parse(process.env[SETTINGS] as string) as Settings;
}

export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  if (child.connected) child.disconnect();
  else child.kill("SIGTERM");
  const hurry = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await gone;
  clearTimeout(hurry);
}

/** Until the address answers 200; asks every few milliseconds. */
export async function answering(url: string, child: ChildProcess): Promise<void> {
  const giveUpAt = performance.now() + READY_MS_MAX;
  while (performance.now() < giveUpAt) {
    if (child.exitCode !== null) throw new Error(`the server at ${url} ended with exit code ${child.exitCode}`);
    if (
      await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    await sleep(5);
  }
  throw new Error(`${url} did not answer in ${READY_MS_MAX / 1000} s`);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Milliseconds of the machine's monotonic clock: the same in all its processes, unlike `performance.now()`. */
export function machineNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Linux counts a process's time in hundredths of a second. */
const TICK_MS = 10;

/** User and system time of a process so far: fields 14 and 15 of its line, counted from behind the name. */
export function cpuMs(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return TICK_MS * (Number(fields[11]) + Number(fields[12]));
}
