/**
 * What each process wrote down while it ran: bots and APIs what they sent and answered, the operator what it asked the authority for, the
 * driver who was cut off. One file of JSON lines each, so that a process that is killed loses nothing; model.ts reads them all. The authority
 * writes none of it: it is what is tested.
 *
 * Times are milliseconds of the machine's monotonic clock, which all processes of one machine share. Secrets appear as `fingerprint`s.
 */
import { createHash } from "node:crypto";
import { createReadStream, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/**
 * The markets that the verifiers protect, named for what they do past their lease. Where a late renewal would refuse somebody, the lease is
 * longer: the run may share its machine with others.
 */
export const markets = {
  static: { leaseMs: 3_000, onStale: "static", staticMs: 6_000 },
  closed: { leaseMs: 5_000, onStale: "closed", staticMs: 0 },
} as const;

export type Market = keyof typeof markets;

/** A request of a bot, as it went over the wire and was answered. */
export interface RequestLine {
  line: "request";
  /** One process of one application. */
  who: string;
  api: string;
  sha: string;
  sent: number;
  answered: number;
  status: number;
  code?: string | undefined;
  stale?: boolean | undefined;
}

/** A secret came into somebody's hands. */
export interface HandedLine {
  line: "handed";
  who: string;
  key: string;
  version: number;
  sha: string;
  at: number;
}

/** A decision of an API, whether or not its answer arrived. */
export interface DecisionLine {
  line: "decision";
  api: string;
  sha: string;
  began: number;
  code: string;
  stale: boolean;
}

/** What the operator asked for, from the first attempt to the answer. */
export interface OperationLine {
  line: "operation";
  what: "rotate" | "rollback" | "kill" | "revoke";
  key: string;
  /** `rotate`, `rollback`: the old version. `kill`: the version that was killed. */
  version?: number | undefined;
  began: number;
  answered: number;
}

/** A key that was issued, and how its APIs are to behave. */
export interface KeyLine {
  line: "key";
  key: string;
  market: Market;
}

/** An API could reach no authority that works; it ends when it says that it is fresh again. */
export interface OutageLine {
  line: "outage";
  api: string;
  from: number;
  to: number;
}

/** The machine had no time for its processes (starvation.ts). */
export interface StarvedLine {
  line: "starved";
  from: number;
  to: number;
}

export type Line = RequestLine | HandedLine | DecisionLine | OperationLine | KeyLine | OutageLine | StarvedLine;

export interface History {
  write(line: Line): void;
}

/** Each line is with the system before `write` returns. The wall clock is noted for whoever reads it; nothing is decided by it. */
export function openHistory(file: string): History {
  const fd = openSync(file, "a", 0o600);
  return { write: (line) => void writeSync(fd, `${JSON.stringify({ ...line, wall: Date.now() })}\n`) };
}

/** Now, on the clock that all processes of this machine share. */
export function moment(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** Tells secrets apart without telling them. Takes the text alone, or a header with it. */
export function fingerprint(text: string): string {
  return createHash("sha256")
    .update(text.replace(/^Bearer /, ""))
    .digest("hex")
    .slice(0, 12);
}

/** Every line of every file, those of one file in their order. */
export async function* readHistory(folder: string): AsyncGenerator<Line> {
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith(".jsonl"))
    .sort()) {
    const lines = createInterface({ input: createReadStream(join(folder, name)), crlfDelay: Number.POSITIVE_INFINITY });
    for await (const line of lines) {
      const parsed = parse(line);
      if (parsed !== undefined) yield parsed;
    }
  }
}

/** The last line of a killed process may be cut short. */
function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}
