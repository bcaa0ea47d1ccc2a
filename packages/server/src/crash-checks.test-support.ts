/** What must hold after any crash: the invariants, and a picture of the whole to be laid beside that of a run without a crash. */
import { type Fence, isAccepted, type KeyRecord, recordOf, sha256Text, type Version } from "@keyover/core";
import { expect } from "vitest";
import type { Run } from "./crash-matrix.test-support.ts";
import type { Wreck } from "./crash-points.test-support.ts";
import { SecretScan } from "./secret-scan.test-support.ts";
import { chainStart, verifyChain } from "./store/audit-chain.ts";
import type { Entities, EntityName } from "./store/entities.ts";
import type { Batch, Store } from "./store/store.ts";

const ALL = { limit: 10_000 };

async function rows<N extends EntityName>(store: Store, table: N, equals = {}): Promise<Entities[N][]> {
  return (await store.list(table, { equals }, ALL)).map(({ value }) => value);
}

async function versionsOf(store: Store, keyId: string): Promise<Version[]> {
  return (await rows(store, "version", { key_id: keyId })).sort((a, b) => a.number - b.number);
}

/** All that two runs of one scenario must have in common, if one of them died on its way: everything but times and names. */
export async function pictureOf({ disk: { store }, outside }: Run) {
  const keys = (await rows(store, "key")).sort((a, b) => a.createdAt - b.createdAt);
  const sealed = (await rows(store, "sealed")).map(({ keyId, version }) =>
    keyId === null ? "token" : `version ${version}`,
  );
  return {
    keys: await Promise.all(keys.map((key) => pictureOfKey(store, key))),
    sealed: sealed.sort(),
    tokens: await store.count("token", {}),
    answers: Object.entries(outside.asked).map(([name, { status }]) => ({ name, status })),
    feed: await store.feedHead(outside.apiId),
    // A secret that was handed out twice, because the first answer was lost, is on record twice.
    trail: (await store.audit(0, 10_000))
      .map(({ action }) => action)
      .filter((action, i, all) => action !== "rotation.claim" || all[i - 1] !== action),
  };
}

async function pictureOfKey(store: Store, key: Entities["key"]) {
  const { id } = key;
  const versions = await versionsOf(store, id);
  const rotations = (await rows(store, "rotation", { key_id: id })).sort((a, b) => a.to - b.to);
  const uses = await store.uses(id);
  return {
    ...pick(key, "status", "currentVersion", "nextVersion", "rotationId", "networks", "scopes", "notes"),
    versions: versions.map((version) => ({
      ...pick(version, "number", "state", "compromised", "fence", "origin", "scopes"),
      forgotten: version.sha256 === null,
    })),
    rotations: rotations.map((rotation) => ({
      ...pick(rotation, "phase", "from", "to", "fromCompromised"),
      forced: rotation.forced?.reason,
      // Which of its times are set, not when.
      happened: Object.entries(rotation).flatMap(([name, value]) =>
        name.endsWith("At") && value !== null ? [name] : [],
      ),
    })),
    uses: uses.map((use) => Object.entries(use.versions).map(([n, seen]) => `${n}: ${seen.accepted}/${seen.refused}`)),
  };
}

function pick<T, N extends keyof T>(whole: T, ...names: N[]): Pick<T, N> {
  return Object.fromEntries(names.map((name) => [name, whole[name]])) as Pick<T, N>;
}

/** I15: no process, wherever it dies, leaves a secret in a file. */
export function checkFiles({ outside }: Run, wrecks: readonly Wreck[]): void {
  const scan = new SecretScan();
  scan.plant("the master key", outside.masterKey);
  scan.plant("the administrator's token", outside.adminToken);
  scan.plant("the holder's token", outside.holder);
  scan.plant("the consumer's own secret", outside.own);
  for (const { keyId, version, secret } of outside.handed) scan.plant(`version ${version} of ${keyId}`, secret);
  // Wrecks between two effects have their files in common.
  const files = new Map(wrecks.map((wreck) => [wreck.files, wreck.story]));
  for (const [left, story] of files) for (const [name, bytes] of left) scan.look(`${name}, dying ${story}`, bytes);
  expect(scan.findings).toEqual([]);
}

export async function checkInvariants(run: Run): Promise<void> {
  const { store, transactions, happened } = run.disk;
  expect(transactions, "an effect took more than one transaction").toBeLessThanOrEqual(happened);
  await checkSecrets(run);
  await checkFeed(run);
  const audit = await store.audit(0, 10_000);
  expect(verifyChain(chainStart, audit), "I14: the audit chain").toMatchObject({ seq: audit.length });
  for (const batch of run.disk.commits) checkAudited(batch);
  for (const rotation of await rows(store, "rotation")) checkRetirement(rotation, await store.uses(rotation.keyId));
  expect(run.keyover.lines.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
}

/** I6: one secret for each version, the same for whoever asked again, and it is the one that verifiers know. */
async function checkSecrets({ disk: { store }, outside, keyover }: Run): Promise<void> {
  for (const { keyId, version, secret } of outside.handed) {
    const versions = (await versionsOf(store, keyId)).filter(({ number }) => number === version);
    expect(versions.length, "I6: versions of one number").toBe(1);
    if (versions[0]?.sha256 !== null) expect(versions[0]?.sha256, "I6: another secret").toBe(sha256Text(secret));
  }
  const handed = new Set(outside.handed.map(({ keyId, version }) => `${keyId} ${version}`));
  expect(new Set(outside.handed.map(({ secret }) => secret)).size, "I6: a second secret").toBe(handed.size);
  for (const [name, { path, body, by, status, answer }] of Object.entries(outside.asked)) {
    const token = by === "holder" ? outside.holder : undefined;
    const again = await keyover.call("POST", path, body, { idempotencyKey: name, token });
    const { secret, ...rest } = again.body;
    const { secret: first, ...before } = answer;
    expect({ status: again.status, ...rest }, `I6: ${name} again`).toEqual({ status, ...before });
    expect([first, null, undefined]).toContain(secret);
  }
}

/** I8, and that replicas, feed and inventory say the same. */
async function checkFeed({ disk: { store }, outside, verifiers }: Run): Promise<void> {
  const entries = await store.feedAfter(outside.apiId, 0, 10_000);
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, i) => i + 1));
  for (const { record } of entries) if (record !== undefined) checkRecord(record);
  const records = await store.records(outside.apiId, "", 10_000);
  for (const { seq, ...record } of records) {
    const key = (await store.get("key", record.key))?.value ?? expect.fail("a record without a key");
    const rotation = key.rotationId === null ? undefined : await store.get("rotation", key.rotationId);
    const inventory = recordOf(key, await versionsOf(store, key.id), rotation?.value);
    expect(record, "I8: the record is not the inventory's").toEqual(inventory);
    expect(entries[seq - 1]?.record).toEqual({ seq, ...record });
  }
  expect(await store.count("key", {})).toBe(records.length);
  const sorted = (held: Iterable<KeyRecord>) => [...held].sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const { scripted } of verifiers)
    expect(sorted(scripted.records.values()), "I8: a replica is not the inventory").toEqual(sorted(records));
}

/** At each moment of its history a key that is not revoked has an accepted version, and a compromised one only behind a fence. */
function checkRecord({ status, versions }: KeyRecord): void {
  const accepted = versions.filter(({ state }) => isAccepted(state));
  if (status !== "revoked") expect([1, 2], "I8: accepted versions").toContain(accepted.length);
  const fenceless = ({ compromised, fence }: { compromised: boolean; fence?: Fence | undefined }) =>
    compromised && fence === undefined;
  expect(accepted.filter(fenceless), "a compromised version is accepted").toEqual([]);
}

/** I14: what is written is named by an entry of the same commit, and what an entry names is written. */
function checkAudited({ writes, audit }: Batch): void {
  const idOf = (write: Batch["writes"][number]) => {
    if ("remove" in write) return write.id;
    if (write.put === "campaign_item") return write.value.campaignId;
    if (write.put === "custodian") return write.value.keyId ?? write.value.tokenId ?? write.value.id;
    const ofKey = write.put === "version" || write.put === "sealed";
    return ofKey ? (write.value.keyId ?? write.value.id) : write.value.id;
  };
  // A successor's sealed copy goes with a move of its rotation, and that is what the entry names.
  const named = writes.filter((write) => !("remove" in write && write.remove === "sealed"));
  const subjects = new Set(audit.flatMap((entry) => entry.subjects));
  const silent = named.map(idOf).filter((id) => !subjects.has(id));
  expect(silent, "I14: a change without an audit entry").toEqual([]);
  const written = new Set(writes.map(idOf));
  const idle = audit.filter((entry) => !entry.subjects.some((id) => written.has(id)));
  expect(idle, "I14: an audit entry without a change").toEqual([]);
}

/** I3: not forced, it retired after the minimum overlap, used, and quiet. */
function checkRetirement(rotation: Entities["rotation"], uses: Awaited<ReturnType<Store["uses"]>>): void {
  const { offeredAt, usedAt, retiredAt, from, forced, fromRefusedAt, policy } = rotation;
  if (retiredAt === null || forced !== null || fromRefusedAt !== null) return;
  expect(usedAt).not.toBe(null);
  expect(retiredAt).toBeGreaterThanOrEqual((offeredAt as number) + policy.overlapMinMs);
  for (const { versions } of uses)
    expect(retiredAt, "I3: retired while in use").toBeGreaterThanOrEqual((versions[from]?.last ?? 0) + policy.quietMs);
}
