/** Whether a master key is the one that a database's secrets are sealed under. */
import { type Custody, createCustody, masterKeyId } from "../custody/custody.ts";
import { MasterKeyError } from "../custody/master-key.ts";
import type { Secret } from "../custody/secret.ts";
import type { Sealed } from "../store/entities.ts";
import type { Store } from "../store/store.ts";

/** A new master key beside an old database would leave what is sealed there closed for good, and say nothing. */
export async function refuseLostKey(store: Store, keyPath: string): Promise<void> {
  if ((await store.count("token", {})) === 0) return;
  throw new MasterKeyError(
    `there is no master key at ${keyPath}, though the database was sealed under one. Name the right file with --master-key-file, or restore it from your backup`,
  );
}

/**
 * The first process of all settles which key it is. Before that was so, one look at what waits sealed was enough: all of it is
 * sealed under the same key.
 */
export async function refuseForeignKey(store: Store, masterKey: Uint8Array, keyPath: string): Promise<void> {
  const why = (await closedUnder(store, masterKey)) ?? (await settledOtherwise(store, masterKey));
  if (why === undefined) return;
  throw new MasterKeyError(
    `the master key ${keyPath} does not belong to this database (${why}). Name the right file with --master-key-file, or restore it from your backup`,
  );
}

async function closedUnder(store: Store, masterKey: Uint8Array): Promise<string | undefined> {
  const [sealed] = await store.list("sealed", {}, { limit: 1 });
  if (sealed === undefined) return undefined;
  try {
    openSealed(
      createCustody(masterKey, () => new Uint8Array()),
      sealed.value,
    );
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Settles it, if nobody has. */
export async function settledOtherwise(store: Store, masterKey: Uint8Array): Promise<string | undefined> {
  const id = masterKeyId(masterKey);
  return (await store.settle(SETTLED, id)) === id ? undefined : OTHER;
}

/** The same without settling anything. */
export async function isOtherKey(store: Pick<Store, "settled">, masterKey: Uint8Array): Promise<boolean> {
  const settled = await store.settled(SETTLED);
  return settled !== undefined && settled !== masterKeyId(masterKey);
}

const SETTLED = "master key";
const OTHER = "the database's first process had another one";

/** A waiting secret, for the rows of keys and of tokens alike. */
export function openSealed(custody: Custody, { id, keyId, version, envelope }: Sealed): Secret {
  return custody.open(
    envelope,
    keyId === null
      ? { owner: id, version: 1, purpose: "token" }
      : { owner: keyId, version: version ?? 0, purpose: "claim" },
  );
}
