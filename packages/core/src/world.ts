/**
 * The ways out of the program: time, chance, the network, the log. Everything that needs one is handed it, so that the
 * simulator and the tests can hand it another. The store and the disk are handed in the same way, by their own interfaces.
 */
import type { RandomBytes } from "./base62.ts";

export interface Clock {
  /** Wall time, epoch milliseconds. May jump when somebody sets the machine's clock. */
  now(): number;
  /** Monotonic milliseconds since some moment; never jumps, goes on while the wall clock is set. */
  elapsed(): number;
  /** Calls `run` once after `delayMs`. The answer cancels it. A waiting timer does not keep the process alive. */
  after(delayMs: number, run: () => void): () => void;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** One structured line: a dotted event name and fields. Never a secret: fields hold handles, codes, numbers. */
export type Log = (level: LogLevel, event: string, fields?: Record<string, unknown>) => void;

export interface World {
  clock: Clock;
  random: RandomBytes;
  fetch: typeof globalThis.fetch;
  log: Log;
}

/** Resolves after `delayMs` on this clock. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

/** `delayMs` give or take `share` of it, so that a crowd that was cut off together does not come back together. */
export function jittered(delayMs: number, share: number, random: RandomBytes): number {
  const bytes = random(2);
  const unit = (((bytes[0] as number) << 8) | (bytes[1] as number)) / 65_535;
  return delayMs * (1 - share + 2 * share * unit);
}
