/**
 * `keyover restore`: puts a backup into a data folder, or says of a database that other tools have brought back that it was. Either way
 * the database is marked: no verifier is served from it before `keyover reconcile`.
 *
 *     the backup is whole ─▶ copied beside ─▶ opens, its audit log is whole ─▶ marked ─▶ takes its place, at one stroke
 *
 * A crash before that stroke leaves the folder as it was, after it the restored database; never something in between.
 */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
} from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { markRestored } from "../restore/mark.ts";
import type { Api } from "../store/entities.ts";
import { inspectSqliteFile, lockFolder, openSqliteFile } from "../store/sqlite.ts";
import { foldLog, removeSqlite, syncToDisk } from "../store/sqlite-copy.ts";
import { readLog } from "./backup.ts";
import { type BackupFile, readBackup } from "./backup-file.ts";
import { withExamples } from "./command-group.ts";
import { makeFolder, refuseUnfit } from "./data-folder.ts";
import { RefusedError, UnsafeConfigurationError, UsageError } from "./exit-codes.ts";
import { type Io, remark, say, sayJson } from "./io.ts";
import { openPlace } from "./open-place.ts";
import { type Place, type PlaceOptions, placeName, placeOf, placeOptions } from "./place.ts";
import { reasonOf } from "./private-file.ts";
import { count, formatTime } from "./render.ts";

interface RestoreOptions extends PlaceOptions {
  from?: string;
  replace?: boolean;
  mark?: boolean;
  everything?: boolean;
  json?: boolean;
}

export function restoreCommand(program: Command, io: Io): void {
  const command = placeOptions(
    program
      .command("restore")
      .description(
        "bring a backup back, or mark a database that other tools brought back; verifiers are served after keyover reconcile",
      ),
  )
    .option("--from <file>", "a backup that keyover backup made")
    .option("--replace", "where the folder holds a database: put that aside, under another name, and take its place")
    .option("--mark", "the database itself was brought back by other tools (pg_restore, a copy of files): only mark it")
    .option("--everything", "with --mark: a server has run on it since, so compare all that verifiers hold")
    .option("--json", "print { place, takenAt, audit, apis, aside } as JSON");
  withExamples(command, [
    "keyover restore --from keyover.backup --data /var/lib/keyover",
    "keyover restore --mark --database-url-file database.url --master-key-file /etc/keyover/master.key",
  ]);
  command.action((options: RestoreOptions) => restore(options, io));
}

interface Restored {
  place: string;
  takenAt: number | null;
  audit: { seq: number; hash: string } | null;
  apis: Api[];
  /** Where the database that was there before is now. */
  aside: string | null;
}

async function restore(options: RestoreOptions, io: Io): Promise<void> {
  const { from, mark } = options;
  if ((from === undefined) === (mark !== true))
    throw new UsageError("give --from with a backup, or --mark if the database is back already, and not both");
  if (options.everything && !mark) throw new UsageError("--everything goes with --mark");
  const place = placeOf(options, io);
  if (from !== undefined && place.database !== undefined)
    throw new UsageError(
      `the database is ${place.database.name}: bring it back with PostgreSQL's own tools, then run keyover restore --mark`,
    );
  const restored = from === undefined ? await markOnly(place, options, io) : await fromFile(from, place, options, io);
  if (options.json) {
    const { apis, ...rest } = restored;
    return sayJson(io, { ...rest, apis: apis.map(({ id, name }) => ({ id, name })) });
  }
  say(io, textOf(restored));
  if (!existsSync(place.masterKeyPath))
    remark(
      io,
      `There is no master key at ${place.masterKeyPath}: put back the one that belongs to this database before you start.`,
    );
}

function textOf({ place, takenAt, audit, apis, aside }: Restored): string {
  const lines = [
    takenAt === null ? `${place} is marked as restored.` : `${place} is as it was at ${formatTime(takenAt)}.`,
    ...(audit === null
      ? []
      : [`Audit log: ${count(audit.seq, "entry", "entries")}, every hash recomputed; the last is ${audit.hash}`]),
    ...(aside === null ? [] : [`The database that was there before is now ${aside}`]),
    "Tokens that were revoked since the backup are valid again, and newer ones are unknown: look at keyover token list.",
  ];
  if (apis.length === 0) return lines.join("\n");
  const names = apis.map(({ name }) => name).join(", ");
  return [
    ...lines,
    `No verifier is served for ${names} yet: they go on with what they remember, for as long as their policy lets them.`,
    "Start the authority, let them come back and tell what they know, then run: keyover reconcile",
  ].join("\n");
}

async function markOnly(place: Place, { everything }: RestoreOptions, io: Io): Promise<Restored> {
  if (place.database === undefined && !existsSync(join(place.data, "keyover.sqlite")))
    throw new UnsafeConfigurationError(`there is no database in ${place.data}; name the folder with --data`);
  const { store } = await openPlace(place, io.world);
  try {
    const apis = await markRestored(store, {
      now: await store.now(),
      random: io.world.random,
      everything,
      details: { by: "keyover restore --mark" },
    });
    store.ring("log");
    return { place: placeName(place), takenAt: null, audit: null, apis, aside: null };
  } finally {
    await store.close();
  }
}

async function fromFile(from: string, { data }: Place, { replace }: RestoreOptions, io: Io): Promise<Restored> {
  const backup = await readBackup(from).catch((error: unknown) => {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    throw new UsageError(`the backup ${from} can't be read: ${reasonOf(error)}. Nothing was done`);
  });
  refuseUnfit(data);
  const made = makeFolder(resolve(data));
  const lock = lockFolder(data);
  let done = false;
  const database = join(data, "keyover.sqlite");
  const staged = `${database}.restoring`;
  try {
    if (existsSync(database) && replace !== true)
      throw new UsageError(
        `${data} holds a database already. Name another folder with --data, or say --replace: it is then kept beside, under another name. Nothing was done`,
      );
    for (const name of readdirSync(data))
      if (name.startsWith("keyover.sqlite.restoring")) removeSqlite(join(data, name));
    const { apis, audit } = await stage(from, backup, staged, io);
    const aside = putInPlace(staged, database, data, io);
    done = true;
    return { place: data, takenAt: backup.manifest.takenAt, audit, apis, aside };
  } finally {
    removeSqlite(staged);
    lock.close();
    if (!done && made !== undefined) rmSync(made, { recursive: true, force: true });
  }
}

/** The database of the backup, looked at and marked, in a file of its own. */
async function stage(from: string, { manifest, length }: BackupFile, staged: string, { world }: Io) {
  const now = () => world.clock.now();
  closeSync(openSync(staged, "wx", 0o600));
  copyFileSync(from, staged);
  chmodSync(staged, 0o600);
  truncateSync(staged, length);
  const inspection = inspectSqliteFile(staged, now);
  let audit: { seq: number; hash: string };
  try {
    const wrong = inspection.integrity();
    if (wrong !== undefined) throw new RefusedError(`the database in ${from} is damaged (${wrong}). Nothing was done`);
    // Refuses a newer schema, and another program's database.
    if (inspection.plan().found.version === 0)
      throw new RefusedError(`${from} holds no database of Keyover's. Nothing was done`);
    const log = await readLog(inspection);
    if ("brokenAt" in log)
      throw new RefusedError(
        `the audit log in ${from} is broken: entry ${log.brokenAt} is missing or not what was written. Restore an older backup. Nothing was done`,
      );
    if (log.seq !== manifest.audit.seq || log.hash !== manifest.audit.hash)
      throw new RefusedError(`the audit log in ${from} ends elsewhere than when the backup was made. Nothing was done`);
    audit = log;
  } finally {
    inspection.close();
  }
  const store = openSqliteFile(staged, now);
  let apis: Api[];
  try {
    const details = { takenAt: manifest.takenAt, software: manifest.software };
    apis = await markRestored(store, { now: now(), random: world.random, details });
  } finally {
    await store.close();
  }
  foldLog(staged);
  syncToDisk(staged);
  return { apis, audit };
}

/** Answers where the database is now that was there before. */
function putInPlace(staged: string, database: string, data: string, { world }: Io): string | null {
  let aside: string | null = null;
  if (existsSync(database)) {
    aside = `${database}.before-${new Date(world.clock.now()).toISOString().replace(/[-:.]/g, "")}`;
    letGoOfLog(database, aside);
    // A second name for the same file: at every moment there is a whole database under the first.
    linkSync(database, aside);
  }
  renameSync(staged, database);
  syncToDisk(data);
  return aside;
}

/** The log of the database before must not be taken for the new one's. One that can't be folded in is damaged anyway, and goes aside with it. */
function letGoOfLog(database: string, aside: string): void {
  try {
    foldLog(database);
  } catch {
    for (const end of ["-wal", "-shm"]) if (existsSync(database + end)) renameSync(database + end, aside + end);
  }
}
