/**
 * The simulator's command line.
 *
 *     npm run sim -- --seeds 200            past failing seeds, then seeds 1 to 200
 *     npm run sim -- --seeds 500 --from 9000
 *     npm run sim -- --seed 137             one seed
 *     npm run sim -- --mutants              is every deliberate bug caught?
 *     npm run sim -- --mutants --only skip-acknowledgements
 *     npm run sim -- --calibration          is the forecast of refused requests true?
 *     npm run sim -- --year                 a year of hidden consumers, under two policies (sim/year; --seeds: how many of each kind)
 *     … --json                              the last line is for a program
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { calibrate, calibrationTable } from "./calibration.ts";
import { runMutants } from "./mutation-gate.ts";
import { runSeeds, type SeedReport } from "./seeds.ts";
import { replayYears } from "./year/replay.ts";
import { breaches, rowsOf, yearTable } from "./year/table.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "20" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    workers: { type: "string" },
    json: { type: "boolean", default: false },
    faults: { type: "boolean", default: false },
    mutants: { type: "boolean", default: false },
    only: { type: "string" },
    write: { type: "boolean", default: false },
    calibration: { type: "boolean", default: false },
    year: { type: "boolean", default: false },
  },
});

const workers = values.workers === undefined ? undefined : Number(values.workers);

if (values.calibration) {
  const result = calibrate(values.seeds === "20" ? 20_000 : Number(values.seeds), values.seed ?? "calibration");
  console.log(values.json ? JSON.stringify(result) : calibrationTable(result));
} else if (values.year) {
  const copies = values.seeds === "20" ? 3 : Number(values.seeds);
  const years = await replayYears({ seed: values.seed ?? "year", copies, only: values.only?.split(",") });
  for (const { name, changes, requests } of years) {
    if (values.json) console.log(JSON.stringify({ name, requests, changes }));
    else console.log(`${name}: ${changes.length} rotations, ${requests} calls\n\n${yearTable(rowsOf(changes))}\n`);
    for (const breach of breaches(changes, 3 * 60_000)) console.log(`broken: ${breach}`);
  }
  process.exitCode = years.some(({ changes }) => breaches(changes, 3 * 60_000).length > 0) ? 1 : 0;
} else if (values.mutants) {
  const caught = await runMutants({ workers, only: values.only, json: values.json, write: values.write });
  process.exitCode = caught ? 0 : 1;
} else {
  const seeds =
    values.seed === undefined
      ? [...pastFailures(), ...range(Number(values.from), Number(values.seeds))]
      : [values.seed];
  const struck = new Map<string, number>();
  const started = performance.now();
  const sum = await runSeeds([...new Set(seeds)], {
    workers,
    onReport(report) {
      for (const [kind, count] of report.struck) struck.set(kind, (struck.get(kind) ?? 0) + count);
      if (report.violation !== undefined) tell(report);
      else if (values.seed !== undefined && !values.json) console.log(`seed ${report.seed}: history ${report.hash}`);
      return true;
    },
  });
  const seconds = (performance.now() - started) / 1_000;
  if (values.faults)
    for (const [kind, count] of [...struck].sort(([a], [b]) => a.localeCompare(b)))
      console.log(`${String(count).padStart(7)}  ${kind}`);
  if (values.json) console.log(JSON.stringify(sum));
  else {
    const { failed, rotations, requests, crashes, partitions } = sum;
    console.log(
      `${sum.seeds} seeds, ${failed} failed: ${rotations} rotations, ${requests} requests, ${crashes} crashes, ${partitions} partitions in ${seconds.toFixed(1)} s`,
    );
  }
  process.exitCode = sum.failed === 0 ? 0 : 1;
}

/** Seeds that failed once, each with what it found. They run first, always. */
function pastFailures(): string[] {
  const text = readFileSync(join(import.meta.dirname, "seeds.txt"), "utf8");
  return text
    .split("\n")
    .map((line) => (line.split("#", 1)[0] as string).trim())
    .filter((seed) => seed !== "");
}

function range(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i));
}

function tell({ seed, violation, story }: SeedReport): void {
  console.log(`\nseed ${seed} breaks ${violation?.invariant}: ${violation?.message}`);
  if (violation?.key !== undefined) console.log(`what happened to ${violation.key}, and around it:`);
  for (const line of story) console.log(line.length > 240 ? `${line.slice(0, 240)}…` : line);
  console.log(`again: npm run sim -- --seed ${seed}\n`);
}
