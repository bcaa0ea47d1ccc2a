/** The real world. This file and main.ts are the only ones of the server that touch clock, chance, timers and the process. */
import { randomBytes } from "node:crypto";
import type { Log, World } from "@keyover/core";
import { type Logger, pino } from "pino";

export function realWorld(logger: Logger): World {
  return {
    clock: {
      now: () => Date.now(),
      elapsed: () => performance.now(),
      after(delayMs, run) {
        if (delayMs <= 0) {
          const immediate = setImmediate(run);
          return () => clearImmediate(immediate);
        }
        const timer = setTimeout(run, delayMs);
        timer.unref();
        return () => clearTimeout(timer);
      },
    },
    random: (length) => randomBytes(length),
    fetch: globalThis.fetch,
    log: logOf(logger),
  };
}

export function logOf(logger: Logger): Log {
  return (level, event, fields) => {
    logger[level]({ event, ...fields });
  };
}

/** Names under which a secret could come by mistake; what they hold is never printed. */
const REDACTED = [
  "secret",
  "*.secret",
  "authorization",
  "*.authorization",
  "headers",
  "*.headers",
  "password",
  "*.password",
];

/** JSON lines on standard error, or on `stream`. */
export function createLogger(level: string, stream?: NodeJS.WritableStream): Logger {
  return pino(
    { level, redact: { paths: REDACTED, censor: "[redacted]" }, timestamp: pino.stdTimeFunctions.isoTime, base: null },
    (stream ?? pino.destination({ fd: 2, sync: true })) as NodeJS.WritableStream,
  );
}
