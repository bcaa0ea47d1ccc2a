/** Runs many seeds in several processes. Each seed has nothing to do with another, so the order does not matter. */
import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";

/** What a worker answers for a seed: the outcome, as it travels between processes. */
export interface SeedReport {
  seed: string;
  violation: { invariant: string; key: string | undefined; message: string } | undefined;
  story: string[];
  hash: string;
  rotations: number;
  requests: number;
  wronglyRefused: number;
  wronglyAccepted: number;
  crashes: number;
  partitions: number;
  struck: [kind: string, count: number][];
}

export interface Sum {
  seeds: number;
  failed: number;
  rotations: number;
  requests: number;
  wronglyRefused: number;
  wronglyAccepted: number;
  crashes: number;
  partitions: number;
}

export interface RunOptions {
  workers: number | undefined;
  /** The deliberate bug that is put in. */
  mutant?: string | undefined;
  /** Called for each seed as it ends; false stops the run. */
  onReport: (report: SeedReport) => boolean;
}

export async function runSeeds(seeds: readonly string[], { workers, mutant, onReport }: RunOptions): Promise<Sum> {
  const sum: Sum = {
    seeds: 0,
    failed: 0,
    rotations: 0,
    requests: 0,
    wronglyRefused: 0,
    wronglyAccepted: 0,
    crashes: 0,
    partitions: 0,
  };
  const waiting = [...seeds];
  let stopped = false;
  const count = Math.min(seeds.length, workers ?? availableParallelism());
  const work = async () => {
    let worker = startWorker(mutant);
    try {
      for (let seed = waiting.shift(); seed !== undefined && !stopped; seed = waiting.shift()) {
        const report = await worker.run(seed);
        if (report.violation?.invariant === ENDLESS) worker = startWorker(mutant);
        sum.seeds++;
        if (report.violation !== undefined) sum.failed++;
        for (const name of [
          "rotations",
          "requests",
          "wronglyRefused",
          "wronglyAccepted",
          "crashes",
          "partitions",
        ] as const)
          sum[name] += report[name];
        if (!onReport(report)) stopped = true;
      }
    } finally {
      worker.end();
    }
  };
  await Promise.all(Array.from({ length: count }, work));
  return sum;
}

/** What a seed that does not come to an end breaks. */
const ENDLESS = "end";
const PATIENCE_MS = 240_000;

function endless(seed: string): SeedReport {
  const message = `it does not come to an end within ${PATIENCE_MS / 1_000} s`;
  const violation = { invariant: ENDLESS, key: undefined, message };
  const nothing = { rotations: 0, requests: 0, wronglyRefused: 0, wronglyAccepted: 0, crashes: 0, partitions: 0 };
  return { seed, violation, story: [], hash: "", struck: [], ...nothing };
}

interface Worker {
  run(seed: string): Promise<SeedReport>;
  end(): void;
}

function startWorker(mutant: string | undefined): Worker {
  const child: ChildProcess = fork(join(import.meta.dirname, "worker.ts"), mutant === undefined ? [] : [mutant]);
  return {
    run: (seed) =>
      new Promise((resolve, reject) => {
        const done = (report: SeedReport) => {
          clearTimeout(watchdog);
          child.off("exit", gone);
          resolve(report);
        };
        const gone = (code: number | null) => {
          clearTimeout(watchdog);
          reject(new Error(`the process that ran seed ${seed} ended with ${code}`));
        };
        const watchdog = setTimeout(() => {
          child.off("exit", gone);
          child.kill("SIGKILL");
          resolve(endless(seed));
        }, PATIENCE_MS);
        child.once("message", done);
        child.once("exit", gone);
        child.send(seed);
      }),
    end: () => child.kill(),
  };
}
