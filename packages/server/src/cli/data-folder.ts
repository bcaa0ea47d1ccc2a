/** The data folder: database, lock, master key. Made private on first use; refused if others can read it. */
import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { RandomBytes } from "@keyover/core";
import { type Custody, createCustody } from "../custody/custody.ts";
import { loadMasterKey, MasterKeyError } from "../custody/master-key.ts";
import type { Secret } from "../custody/secret.ts";
import type { Sealed } from "../store/entities.ts";
import { FolderInUseError, openSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { UnsafeConfigurationError } from "./exit-codes.ts";

export interface OpenFolder {
  store: Store;
  masterKey: Uint8Array;
  /** True if this call made the master key. */
  created: boolean;
}

/** What SQLite may leave beside the database, and the lock. */
const FILES = ["keyover.sqlite", "keyover.sqlite-wal", "keyover.sqlite-shm", "keyover.lock", "keyover.lock-journal"];

/** Opens a folder that is fit, or makes one. If that fails, what it made is gone again. */
export async function openDataFolder(
  folder: string,
  masterKeyFile: string | undefined,
  random: RandomBytes,
): Promise<OpenFolder> {
  const keyPath = masterKeyFile ?? join(folder, "master.key");
  refuseUnfit(folder);
  // An unsafe master key is refused before anything is made or opened.
  const known = existsSync(keyPath) ? loadMasterKey(keyPath, random) : undefined;
  const madeFolder = makeFolder(resolve(folder));
  const madeFiles = FILES.filter((file) => !existsSync(join(folder, file))).map((file) => join(folder, file));
  let store: Store | undefined;
  let keyIsOurs = false;
  try {
    store = openSqliteStore(folder);
    if (known !== undefined) {
      await refuseForeignKey(store, known.key, keyPath);
      return { store, masterKey: known.key, created: false };
    }
    await refuseLostKey(store, keyPath);
    keyIsOurs = !existsSync(keyPath);
    return { store, masterKey: loadMasterKey(keyPath, random).key, created: true };
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
function makeFolder(folder: string): string | undefined {
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

function refuseUnfit(folder: string): void {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) throw new UnsafeConfigurationError(`${folder} is not a folder; name one with --data`);
  if ((stat.mode & 0o077) === 0) return;
  const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
  throw new UnsafeConfigurationError(
    `the data folder ${folder} is open to others (mode ${mode}). Run: chmod 700 ${folder}`,
  );
}

/** A new master key beside an old database would leave what is sealed there closed for good, and say nothing. */
async function refuseLostKey(store: Store, keyPath: string): Promise<void> {
  if ((await store.count("token", {})) === 0) return;
  throw new MasterKeyError(
    `there is no master key at ${keyPath}, though the database was sealed under one. Name the right file with --master-key-file, or restore it from your backup`,
  );
}

/** One look is enough: everything that waits is sealed under the same master key. */
async function refuseForeignKey(store: Store, masterKey: Uint8Array, keyPath: string): Promise<void> {
  const [sealed] = await store.list("sealed", {}, { limit: 1 });
  if (sealed === undefined) return;
  try {
    openSealed(
      createCustody(masterKey, () => new Uint8Array()),
      sealed.value,
    );
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new MasterKeyError(
      `the master key ${keyPath} does not belong to this database (${why}). Name the right file with --master-key-file, or restore it from your backup`,
    );
  }
}

/** A waiting secret, for the rows of keys and of tokens alike. */
export function openSealed(custody: Custody, { id, keyId, version, envelope }: Sealed): Secret {
  return custody.open(
    envelope,
    keyId === null
      ? { owner: id, version: 1, purpose: "token" }
      : { owner: keyId, version: version ?? 0, purpose: "claim" },
  );
}
