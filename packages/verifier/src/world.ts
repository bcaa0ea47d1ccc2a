/** The one file with real time, chance, network, console and process. Everything else is handed a `World`. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { World } from "@keyover/core";

export function realWorld(): World {
  // Looked up once: the global is an accessor, and asking it each time costs a decision 9 ns more.
  const monotonic = performance;
  return {
    clock: {
      now: () => Date.now(),
      elapsed: () => monotonic.now(),
      after(delayMs, run) {
        const timer = setTimeout(run, delayMs);
        timer.unref();
        return () => clearTimeout(timer);
      },
    },
    random: (length) => randomBytes(length),
    fetch: (input, init) => globalThis.fetch(input, init),
    log(level, event, fields) {
      if (level !== "warn" && level !== "error") return;
      console.error(JSON.stringify({ level, time: new Date().toISOString(), event: `keyover.${event}`, ...fields }));
    },
  };
}

/** Milliseconds on a clock that all threads of this process share, and that only goes forward: theirs begin at different moments. */
export function processTime(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Keeps the process from ending for want of work, until called back: somebody waits for this verifier to be ready. */
export function stayAlive(): () => void {
  const timer = setInterval(() => {}, 2 ** 30);
  return () => clearInterval(timer);
}

/** What the authority is told of this process: `@keyover/verifier/0.1.0 node/24.21.0`. */
export function software(): string {
  return `@keyover/verifier/0.1.0 node/${process.versions.node}`;
}

export function hostName(): string {
  return hostname();
}

export interface ProcessMark {
  pid: number;
  /** When the process began, in the kernel's ticks, where that can be read; tells a process from a later one with its number. */
  birth: string;
}

export function thisProcess(): ProcessMark {
  return { pid: process.pid, birth: statOf(process.pid).birth };
}

/** True if the process that left this mark still runs. One that has ended and that nobody has asked how (a zombie) does not. */
export function isRunning(mark: ProcessMark): boolean {
  try {
    process.kill(mark.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const { state, birth } = statOf(mark.pid);
  if (state === "Z" || state === "X") return false;
  return mark.birth === "" || birth === "" || mark.birth === birth;
}

/** Fields 3 and 22 of /proc/<pid>/stat; the fields begin after the last `)`, because a program's name may hold anything. */
function statOf(pid: number): { state: string; birth: string } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", birth: fields[19] ?? "" };
  } catch {
    return { state: "", birth: "" };
  }
}
