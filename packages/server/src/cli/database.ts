/**
 * PostgreSQL, where the data folder holds nothing but the master key. All processes on one database need the same one: the first of
 * them makes it, and one that comes with another, or would make another, is refused.
 */
import { existsSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { World } from "@keyover/core";
import { loadMasterKey, MasterKeyError } from "../custody/master-key.ts";
import { openPostgresStore } from "../store/postgres.ts";
import type { PostgresAddress } from "../store/postgres-address.ts";
import type { Store } from "../store/store.ts";
import { makeFolder, type Opened, refuseUnfit } from "./data-folder.ts";
import { UnsafeConfigurationError } from "./exit-codes.ts";
import { refuseForeignKey, refuseLostKey, settledOtherwise } from "./master-key-check.ts";
import type { Place } from "./place.ts";

/** The database sets the deadlines; a machine that is so far off has other troubles, with certificates for one. */
const CLOCKS_APART_MS_MAX = 60_000;

export async function openDatabase(
  address: PostgresAddress,
  { data, masterKeyPath }: Place,
  world: World,
): Promise<Opened> {
  const inFolder = resolve(masterKeyPath) === join(resolve(data), "master.key");
  if (inFolder) refuseUnfit(data);
  const known = existsSync(masterKeyPath) ? loadMasterKey(masterKeyPath, world.random).key : undefined;
  const store = await openPostgresStore({ address, world });
  try {
    await refuseOtherTime(store, address, world);
    if (known === undefined) {
      await refuseLostKey(store, masterKeyPath);
      return { store, masterKey: await makeKey(store, masterKeyPath, world) };
    }
    await refuseForeignKey(store, known, masterKeyPath);
    return { store, masterKey: known };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The file first: a key that the database knows of and nobody has would be lost for good. */
async function makeKey(store: Store, path: string, { random }: World): Promise<Uint8Array> {
  const made = makeFolder(dirname(resolve(path)));
  const { key, created } = loadMasterKey(path, random);
  const other = await settledOtherwise(store, key);
  if (other === undefined) return key;
  if (created) rmSync(path, { force: true });
  if (made !== undefined) rmSync(made, { recursive: true, force: true });
  throw new MasterKeyError(
    `there is no master key at ${path}, and ${other}. Copy that one to this machine, and name it with --master-key-file`,
  );
}

async function refuseOtherTime(store: Store, { name }: PostgresAddress, { clock }: World): Promise<void> {
  const [theirs, ours] = [await store.now(), clock.now()];
  if (Math.abs(theirs - ours) <= CLOCKS_APART_MS_MAX) return;
  throw new UnsafeConfigurationError(
    `the clock of the database ${name} says ${new Date(theirs).toISOString()}, this machine's ${new Date(ours).toISOString()}. Let both take their time from NTP, then start again`,
  );
}
