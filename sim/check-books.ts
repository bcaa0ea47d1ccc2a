/**
 * At the end: the audit log is whole (I14), nothing but commits changed a credential (I16), no use was counted that never was (I13), and a sealed
 * secret opens in its own place alone (I18).
 */
import { sha256Text } from "@keyover/core";
import { createCustody } from "../packages/server/src/custody/custody.ts";
import { chainStart, verifyChain } from "../packages/server/src/store/audit-chain.ts";
import type { AuditEntry, Store } from "../packages/server/src/store/store.ts";
import type { KeyPast, Model } from "./model.ts";

const PAGE = 10_000;

export async function checkBooks(model: Model, store: Store, masterKey: Uint8Array): Promise<void> {
  const entries: AuditEntry[] = await store.audit(0, PAGE);
  const chain = verifyChain(chainStart, entries);
  if ("brokenAt" in chain) return model.fail("I14", undefined, `the audit log is broken at ${chain.brokenAt}`);
  if (entries.length !== model.auditEntries)
    model.fail("I14", undefined, `${entries.length} audit entries; ${model.auditEntries} were committed`);
  const last = model.restoredAt.at(-1);
  if (last !== undefined && entries[last]?.action !== "database.restored")
    model.fail("I14", undefined, `the audit log does not say after ${last} that the database was restored`);
  await checkCredentials(model, store);
  for (const past of model.keys.values()) await checkUses(model, store, past);
  await checkSealed(model, store, masterKey);
}

/** Each sealed secret is its version's, and does not open in the place of the next one. */
export async function checkSealed(model: Model, store: Store, masterKey: Uint8Array): Promise<void> {
  const custody = createCustody(masterKey, () => new Uint8Array());
  const rows = (await store.list("sealed", {}, { limit: PAGE })).map(({ value }) => value);
  const held = rows.flatMap(({ keyId, version, envelope }) =>
    keyId === null || version === null
      ? []
      : [{ envelope, place: { owner: keyId, version, purpose: "claim" as const } }],
  );
  for (const [i, { envelope, place }] of held.entries()) {
    const text = custody.open(envelope, place).reveal();
    // By what the secret was when it was made: its version may have been destroyed since.
    const made = model.secrets.get(sha256Text(text));
    if (made?.key.id !== place.owner || made.version !== place.version)
      model.fail("I18", place.owner, `what is sealed for version ${place.version} is another secret`);
    const other = held[(i + 1) % held.length]?.place;
    if (other === undefined || other === place) continue;
    try {
      custody.open(envelope, other);
    } catch {
      continue;
    }
    model.fail("I18", place.owner, `the sealed secret of version ${place.version} opens in the place of another`);
  }
}

async function checkCredentials(model: Model, store: Store): Promise<void> {
  for (const id of model.lost.keys())
    if ((await store.get("key", id)) !== undefined) model.fail("I16", id, "the key came back outside a commit");
  for (const past of model.keys.values()) {
    const key = (await store.get("key", past.id))?.value;
    if (JSON.stringify(key) !== JSON.stringify(past.key))
      model.fail("I16", past.id, "the key was changed outside a commit");
    const versions = await store.list("version", { equals: { key_id: past.id } }, { limit: PAGE });
    for (const { value } of versions)
      if (JSON.stringify(value) !== JSON.stringify(past.versions.get(value.number)))
        model.fail("I16", past.id, `version ${value.number} was changed outside a commit`);
    if (versions.length !== past.versions.size) model.fail("I16", past.id, "versions came or went outside a commit");
  }
}

/** Less may have been reported than was: some verifiers died with it. Never more. */
async function checkUses(model: Model, store: Store, past: KeyPast): Promise<void> {
  // A verifier is told what the first copy has; the second one may be newer, and have what was then sent again.
  if (past.numbersTwice || model.restoredAt.length > 1) return;
  const counted = new Map<number, number>();
  for (const use of await store.uses(past.id)) {
    for (const [version, seen] of Object.entries(use.versions)) {
      const number = Number(version);
      counted.set(number, (counted.get(number) ?? 0) + seen.accepted + seen.refused);
    }
  }
  for (const [version, count] of counted) {
    const truly = past.uses.filter((use) => use.version === version).length;
    if (count > truly) model.fail("I13", past.id, `version ${version} counts ${count} uses; there were ${truly}`);
  }
  for (const use of await store.uses(past.id))
    for (const [version, { refused }] of Object.entries(use.versions)) {
      const truly = past.uses.filter((each) => each.version === Number(version) && !each.accepted).length;
      if (refused > truly)
        model.fail("I13", past.id, `version ${version} counts ${refused} refusals; there were ${truly}`);
    }
}
