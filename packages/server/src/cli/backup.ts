/**
 * `keyover backup`: a copy of the embedded database, as it stands at one moment, while the server runs or not. It reads the data folder and
 * writes nothing there. A file appears under the name that was asked for only when all of it is on the disk.
 */
import { closeSync, existsSync, linkSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { type ChainState, chainStart, verifyChain } from "../store/audit-chain.ts";
import { inspectSqliteFile, type SqliteInspection } from "../store/sqlite.ts";
import { copySqlite, removeSqlite, syncToDisk } from "../store/sqlite-copy.ts";
import { type Manifest, sealBackup } from "./backup-file.ts";
import { withExamples } from "./command-group.ts";
import { RefusedError, UnsafeConfigurationError, UsageError } from "./exit-codes.ts";
import { type Io, remark, say, sayJson } from "./io.ts";
import { type PlaceOptions, placeOf, placeOptions } from "./place.ts";
import { byteCount, count, formatTime, roughly } from "./render.ts";
import { versionOf } from "./version.ts";

interface BackupOptions extends PlaceOptions {
  to: string;
  json?: boolean;
}

export function backupCommand(program: Command, io: Io): void {
  const command = placeOptions(
    program
      .command("backup")
      .description(
        "copy the database of the data folder into one file, while the server runs; the master key is not in it",
      ),
  )
    .requiredOption("--to <file>", "new file, mode 0600; nothing is overwritten")
    .option("--json", "print { file, bytes, takenAt, audit } as JSON");
  withExamples(command, [
    "keyover backup --to keyover.backup",
    "keyover backup --data /var/lib/keyover --to /backup/keyover-2027-01-31.backup",
  ]);
  command.action((options: BackupOptions) => backup(options, io));
}

async function backup(options: BackupOptions, io: Io): Promise<void> {
  const { data, database, masterKeyPath } = placeOf(options, io);
  if (database !== undefined)
    throw new UsageError(
      `the database is ${database.name}: back it up with PostgreSQL's own tools (pg_dump, or continuous archiving), and after a restore run: keyover restore --mark`,
    );
  const source = join(data, "keyover.sqlite");
  if (!existsSync(source))
    throw new UnsafeConfigurationError(`there is no database in ${data}; name the folder with --data`);
  const begun = io.world.clock.elapsed();
  const to = resolve(options.to);
  if (existsSync(to)) throw exists(options.to);
  const part = reservePart(to, io);
  try {
    await copySqlite(source, part);
    const { manifest, broken } = await manifestOf(part, io);
    await sealBackup(part, manifest);
    syncToDisk(part);
    const bytes = statSync(part).size;
    publish(part, to, options.to);
    syncToDisk(dirname(to));
    const { takenAt, audit } = manifest;
    if (options.json) sayJson(io, { file: options.to, bytes, takenAt, audit });
    else
      say(
        io,
        [
          `${options.to}: ${byteCount(bytes)}, as of ${formatTime(takenAt)}, in ${roughly(io.world.clock.elapsed() - begun)}.`,
          `Audit log: ${count(audit.seq, "entry", "entries")}, last hash ${audit.hash}`,
          `The master key (${masterKeyPath}) is not in it. Keep a copy of that too, and in another place.`,
        ].join("\n"),
      );
    if (broken !== undefined)
      remark(
        io,
        `The audit log in it is broken at entry ${broken}: keyover restore would refuse this backup. Run: keyover doctor --data ${data}`,
      );
  } finally {
    removeSqlite(part);
  }
}

function exists(path: string): UsageError {
  return new UsageError(`${path} exists already and is not overwritten; name another file, or remove it first`);
}

/** Beside the file that it becomes, so that it can be given its name at one stroke. */
function reservePart(to: string, { world }: Io): string {
  const part = join(dirname(to), `.${basename(to)}.${Buffer.from(world.random(6)).toString("hex")}.part`);
  closeSync(openSync(part, "wx", 0o600));
  return part;
}

/** A name that somebody else has taken meanwhile stays theirs. */
function publish(part: string, to: string, name: string): void {
  try {
    linkSync(part, to);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") throw exists(name);
    // A file system without links.
    if (existsSync(to)) throw exists(name);
    renameSync(part, to);
    return;
  }
  rmSync(part);
}

function errnoOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

async function manifestOf(path: string, { world }: Io): Promise<{ manifest: Manifest; broken: number | undefined }> {
  const inspection = inspectSqliteFile(path, () => world.clock.now());
  try {
    const wrong = inspection.integrity();
    if (wrong !== undefined)
      throw new RefusedError(`the database is damaged (${wrong}); keep your last good backup, and run keyover doctor`);
    const { found } = inspection.plan();
    const log = await readLog(inspection);
    const audit = "brokenAt" in log ? { seq: log.brokenAt, hash: "" } : log;
    return {
      manifest: { takenAt: world.clock.now(), software: `keyover/${versionOf()}`, schema: found.version, audit },
      broken: "brokenAt" in log ? log.brokenAt : undefined,
    };
  } finally {
    inspection.close();
  }
}

const PAGE = 1_000;

/** The audit log's end, with every hash up to it recomputed. */
export async function readLog({ reads }: Pick<SqliteInspection, "reads">): Promise<ChainState | { brokenAt: number }> {
  let state: ChainState = chainStart;
  for (;;) {
    const entries = await reads.audit(state.seq, PAGE);
    const next = verifyChain(state, entries);
    if ("brokenAt" in next || entries.length < PAGE) return next;
    state = next;
  }
}
