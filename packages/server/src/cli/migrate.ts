/**
 * `keyover migrate`: brings the database to this program's schema, also the steps that take something away from older programs, once
 * none of those runs. `serve` runs the others by itself.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import type { MigrationReport } from "../store/migration.ts";
import { migratePostgres } from "../store/postgres-migration.ts";
import { SCHEMA_VERSION } from "../store/schema.ts";
import { inspectSqlite, openSqliteStore } from "../store/sqlite.ts";
import { withExamples } from "./command-group.ts";
import { RefusedError, UnsafeConfigurationError } from "./exit-codes.ts";
import { type Io, say, sayJson } from "./io.ts";
import { type Place, type PlaceOptions, placeName, placeOf, placeOptions } from "./place.ts";

interface MigrateOptions extends PlaceOptions {
  plan?: boolean;
  json?: boolean;
}

export function migrateCommand(program: Command, io: Io): void {
  const command = placeOptions(
    program
      .command("migrate")
      .description(
        "bring the database to this program's schema; what older programs still need waits until none of them runs",
      ),
  )
    .option("--plan", "show what would be done, and do nothing")
    .option("--json", "print { found, run, wait, waitFor } as JSON");
  withExamples(command, ["keyover migrate --plan", "keyover migrate --data /var/lib/keyover"]);
  command.action((options: MigrateOptions) => migrate(options, io));
}

const WAIT_MS = 5_000;

async function migrate(options: MigrateOptions, io: Io): Promise<void> {
  const place = placeOf(options, io);
  const plan = options.plan === true;
  const report =
    place.database === undefined
      ? await migrateFolder(place, plan, io)
      : await migratePostgres(place.database, io.world, { mode: plan ? "plan" : "contract", waitMs: WAIT_MS });
  if (options.json) {
    const steps = (list: MigrationReport["run"]) =>
      list.map(({ number, does, worksFrom }) => ({ number, does, worksFrom }));
    sayJson(io, { found: report.found, run: steps(report.run), wait: steps(report.wait), waitFor: report.waitFor });
  } else say(io, reportText(place, report, plan));
  if (!plan && report.wait.length > 0)
    throw new RefusedError(
      `schema ${report.wait[0]?.number} waits; stop ${report.waitFor.join(", ")}, then run keyover migrate again`,
    );
}

/** One process uses a folder: while it does, it has migrated it. */
async function migrateFolder({ data }: Place, plan: boolean, { world }: Io): Promise<MigrationReport> {
  if (!existsSync(join(data, "keyover.sqlite")))
    throw new UnsafeConfigurationError(`there is no database in ${data}; keyover serve or keyover init makes one`);
  const now = () => world.clock.now();
  const inspection = inspectSqlite(data, now);
  const report = inspection.plan();
  inspection.close();
  if (!plan) await openSqliteStore(data, now).close();
  return report;
}

function reportText(place: Place, { found, run, wait, waitFor }: MigrationReport, plan: boolean): string {
  const head = `${placeName(place)} has ${found.version === 0 ? "no schema yet" : `schema ${found.version}`}; this program knows up to ${SCHEMA_VERSION}.`;
  if (run.length + wait.length === 0) return `${head} There is nothing to do.`;
  let worksFrom = found.worksFrom;
  const line = (step: MigrationReport["run"][number]) => {
    const contracts = found.version > 0 && step.worksFrom > worksFrom;
    worksFrom = Math.max(worksFrom, step.worksFrom);
    return `  ${step.number}  ${step.does}${contracts ? ` (programs that know less than schema ${step.worksFrom} can't work with it)` : ""}`;
  };
  const parts = [head];
  if (run.length > 0) parts.push(plan ? "To be done:" : "Done:", ...run.map(line));
  if (wait.length > 0) parts.push(`Waits for ${waitFor.join(", ")}:`, ...wait.map(line));
  return parts.join("\n");
}
