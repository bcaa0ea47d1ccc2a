/** The only file of this package that touches the real clock, chance, network, console and process. */
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { World } from "@keyover/core";

const TIMER_MAX_MS = 2 ** 31 - 1; // a longer setTimeout fires at once

export function realWorld(): World {
  return {
    clock: {
      now: () => Date.now(),
      elapsed: () => performance.now(),
      after(delayMs, run) {
        const timer = setTimeout(run, Math.min(Math.max(delayMs, 0), TIMER_MAX_MS));
        timer.unref();
        return () => clearTimeout(timer);
      },
    },
    random: (length) => new Uint8Array(randomBytes(length)),
    // Looked up at each call, so that instrumentation put in later is used.
    fetch: (input, init) => globalThis.fetch(input, init),
    log(level, event, fields) {
      if (level === "debug") return;
      const line = `keyover ${event}${fields === undefined ? "" : ` ${JSON.stringify(fields)}`}`;
      console[level](line);
    },
  };
}

/** What a lock needs to know of this process, and of others on the same machine. */
export interface Host {
  name: string;
  pid: number;
  /** Two processes with the same place see the same process table, so that a pid of one means something to the other. */
  place: string;
  alive(pid: number): boolean;
  env(name: string): string | undefined;
}

export function realHost(): Host {
  return {
    name: hostname(),
    pid: process.pid,
    place: placeOfProcess(),
    alive: isAlive,
    env: (name) => process.env[name],
  };
}

/** The boot and the process namespace: two containers that share a folder, and perhaps a host name, differ in it. */
function placeOfProcess(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return `${process.platform} ${hostname()}`;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
