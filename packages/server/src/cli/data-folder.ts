/** The data folder: database, lock, master key. Made private on first use; refused if others can read it. */
import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { World } from "@keyover/core";
import { loadMasterKey } from "../custody/master-key.ts";
import { FolderInUseError, openSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { UnsafeConfigurationError } from "./exit-codes.ts";
import { refuseForeignKey, refuseLostKey } from "./master-key-check.ts";

/** A database that is open, and the key to what is sealed in it. */
export interface Opened {
  store: Store;
  masterKey: Uint8Array;
}

/** What SQLite may leave beside the database, and the lock. */
const FILES = ["keyover.sqlite", "keyover.sqlite-wal", "keyover.sqlite-shm", "keyover.lock", "keyover.lock-journal"];

/** Opens a folder that is fit, or makes one. If that fails, what it made is gone again. */
export async function openDataFolder(
  folder: string,
  keyPath: string,
  { clock, random }: Pick<World, "clock" | "random">,
): Promise<Opened> {
  refuseUnfit(folder);
  // An unsafe master key is refused before anything is made or opened.
  const known = existsSync(keyPath) ? loadMasterKey(keyPath, random) : undefined;
  const madeFolder = makeFolder(resolve(folder));
  const madeFiles = FILES.filter((file) => !existsSync(join(folder, file))).map((file) => join(folder, file));
  let store: Store | undefined;
  let keyIsOurs = false;
  try {
    store = openSqliteStore(
      folder,
      () => clock.now(),
      undefined,
      (run) => void clock.after(0, run),
    );
    if (known === undefined) await refuseLostKey(store, keyPath);
    keyIsOurs = !existsSync(keyPath);
    const { key } = known ?? loadMasterKey(keyPath, random);
    await refuseForeignKey(store, key, keyPath);
    return { store, masterKey: key };
  } catch (error) {
    await store?.close();
    if (error instanceof FolderInUseError) throw error;
    if (keyIsOurs) rmSync(keyPath, { force: true });
    for (const file of madeFiles) rmSync(file, { force: true });
    if (madeFolder !== undefined) rmSync(madeFolder, { recursive: true, force: true });
    throw error;
  }
}

/** The first folder that had to be made. (Node's own `recursive` never returns where the kernel says ENOENT, as under /proc.) */
export function makeFolder(folder: string): string | undefined {
  if (existsSync(folder)) return undefined;
  const first = makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Somebody else was faster; the lock will tell.
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return first;
    throw error;
  }
  return first ?? folder;
}

export function refuseUnfit(folder: string): void {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) throw new UnsafeConfigurationError(`${folder} is not a folder; name one with --data`);
  if ((stat.mode & 0o077) === 0) return;
  const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
  throw new UnsafeConfigurationError(
    `the data folder ${folder} is open to others (mode ${mode}). Run: chmod 700 ${folder}`,
  );
}
