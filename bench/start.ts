/** `keyover serve` on a folder that exists: how long until it is ready, and what it holds in memory when nothing happens. */
import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { answering, freePort, ownChild, spawnKeyover, stopChild } from "./processes.ts";
import { type Row, rowOf } from "./report.ts";

const KEYOVER = fileURLToPath(new URL("../packages/server/src/main.ts", import.meta.url));
const BUILT = fileURLToPath(new URL("../packages/server/dist/main.js", import.meta.url));
const BARE = fileURLToPath(new URL("./bare-http.ts", import.meta.url));
const ROUNDS = 5;
const IDLE_MS = 5_000;

type Launch = (port: number) => ChildProcess;

export async function start(quick: boolean): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "keyover-bench-"));
  const data = join(folder, "authority");
  execFileSync(process.execPath, [KEYOVER, "init", "--data", data, "--json"], { stdio: "ignore" });
  const args = (port: number) => ["serve", "--data", data, "--listen", `127.0.0.1:${port}`, "--log-level", "warn"];
  const launches: Record<string, Launch> = {
    bare: (port) => ownChild(fork(BARE, [String(port)], { stdio: ["ignore", "ignore", "inherit", "ipc"] })),
    "from the sources": (port) => spawnKeyover(args(port)),
  };
  if (existsSync(BUILT)) launches.built = (port) => spawnBuilt(args(port));
  else process.stderr.write("the built program is left out: there is none, `npm run build` makes it\n");
  const none = () => Object.fromEntries(Object.keys(launches).map((name) => [name, [] as number[]]));
  const [ready, memory] = [none(), none()];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, launch] of Object.entries(launches)) {
      const { readyMs, memoryMb } = await startOnce(launch, quick ? 200 : IDLE_MS);
      ready[name]?.push(readyMs);
      memory[name]?.push(memoryMb);
    }
  }
  rmSync(folder, { recursive: true, force: true });
  const row = (what: string, unit: string, all: Record<string, number[]>, name: string, valueMax: number) =>
    rowOf(
      {
        name: `${what}, ${name}`,
        unit,
        rounds: all[name] ?? [],
        baselineName: "bare node:http",
        baselineRounds: all.bare ?? [],
      },
      { valueMax },
    );
  return Object.keys(launches)
    .filter((name) => name !== "bare")
    .flatMap((name) => [
      row("start to ready", "ms", ready, name, 1_000),
      row("memory when idle (RSS)", "MB", memory, name, 150),
    ]);
}

/** As a user runs it: no types to strip, no sources to find. */
function spawnBuilt(args: readonly string[]): ChildProcess {
  const env = { ...process.env, NODE_OPTIONS: "" };
  return ownChild(spawn(process.execPath, [BUILT, ...args], { env, stdio: ["ignore", "ignore", "inherit"] }));
}

async function startOnce(launch: Launch, idleMs: number) {
  const port = await freePort();
  const began = performance.now();
  const child = launch(port);
  await answering(`http://127.0.0.1:${port}/readyz`, child);
  const readyMs = performance.now() - began;
  await sleep(idleMs);
  const memoryMb = residentMb(child.pid as number);
  await stopChild(child);
  return { readyMs, memoryMb };
}

function residentMb(pid: number): number {
  if (process.platform !== "linux") {
    return kibToMb(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }));
  }
  return kibToMb(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** What both call kB is 1024 bytes. */
function kibToMb(kib: string | undefined): number {
  return (Number(kib) * 1_024) / 1e6;
}
