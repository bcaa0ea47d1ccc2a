/**
 * The replicas inside the verifiers, seen without asking them anything that they would count as a use. Each replica is known by the process
 * in whose time it was first touched. I5 is checked here at each touch, and I2 when a secret is handed out.
 */
import { type FeedEntry, isAccepted, type KeyRecord, parseDigestText, type VersionRecord } from "@keyover/core";
import { CachedReplica } from "../packages/verifier/src/flat/cached-replica.ts";
import { FlatReplica } from "../packages/verifier/src/flat/flat-replica.ts";
import { Process } from "./process.ts";

type Fail = (invariant: string, key: string | undefined, message: string) => void;

const replicas = new Map<Process, Set<FlatReplica>>();
/** Of each key the newest record that it was ever brought, held or not. */
const newest = new WeakMap<FlatReplica, Map<string, KeyRecord>>();
/** Of what a snapshot brought the newest record. */
const settled = new WeakMap<FlatReplica, KeyRecord>();
let fail: Fail = () => {};
let revived: ReadonlySet<string> = new Set();

/** For the simulation that runs now. */
export function watchReplicas(told: Fail, keys: ReadonlySet<string>): void {
  fail = told;
  revived = keys;
  replicas.clear();
  install();
}

export function replicasOf(process: Process): FlatReplica[] {
  return [...(replicas.get(process) ?? [])];
}

/** The newest record of its last snapshot, which may be newer than the snapshot's own number. */
export function broughtTo(replica: FlatReplica): KeyRecord[] {
  const record = settled.get(replica);
  return record === undefined ? [] : [record];
}

/** The record that this process would decide by, if it has the version. */
function holds(process: Process, sha256: string): KeyRecord | undefined {
  const digest = new Int32Array(8);
  if (!parseDigestText(sha256, digest)) return undefined;
  for (const replica of replicasOf(process)) {
    const slot = replica.find(digest);
    if (slot >= 0) return replica.held(slot).held.record;
  }
  return undefined;
}

/** True if this process accepts the version of the key by what it holds, or would ask. */
export function accepts(process: Process, sha256: string, key: string): boolean {
  const version = versionOf(process, sha256);
  if (version !== undefined) return isAccepted(version.state);
  return replicasOf(process).every((replica) => !replica.isWhole && replica.seqOf(key) === undefined);
}

export function knowsLeaked(process: Process, sha256: string): boolean {
  return versionOf(process, sha256)?.compromised === true;
}

function versionOf(process: Process, sha256: string): VersionRecord | undefined {
  return holds(process, sha256)?.versions.find((each) => each.sha256 === sha256);
}

/** True if nothing that this process holds lets the version through; or no more than its fence does. */
export function refuses(process: Process, sha256: string, orFences: boolean): boolean {
  const record = holds(process, sha256);
  const version = record?.versions.find((each) => each.sha256 === sha256);
  if (version === undefined || !isAccepted(version.state) || record?.status === "revoked") return true;
  return orFences && version.fence !== undefined;
}

let installed = false;

function install(): void {
  if (installed) return;
  installed = true;
  around("put", (replica, [given], call) => {
    const record = given as KeyRecord;
    const before = knownBefore(replica, record.key);
    const taken = call();
    touch(replica);
    if (taken === true) checkForward(replica, record, before);
    return taken;
  });
  around("apply", (replica, [given], call) => {
    const before = replica.seq;
    const outcome = call();
    touch(replica);
    const { record } = given as FeedEntry;
    if (replica.seq < before || replica.seq > before + 1)
      fail("I5", record?.key, `the replica went from ${before} to ${replica.seq}`);
    return outcome;
  });
  // A cache passes over entries of keys that it does not hold; it has seen them all the same.
  around(
    "apply",
    (replica, [given], call) => {
      const outcome = call();
      const { record } = given as FeedEntry;
      if (record !== undefined && outcome !== "gap") saw(replica, record);
      return outcome;
    },
    CachedReplica,
  );
  around("settle", (replica, [, present], call) => {
    const before = replica.seq;
    call();
    touch(replica);
    for (const record of replica.records())
      if ((present as Pick<Set<string>, "has">).has(record.key) && record.seq > (settled.get(replica)?.seq ?? 0))
        settled.set(replica, record);
    if (replica.seq < before)
      fail("I5", undefined, `a snapshot took the replica from ${before} back to ${replica.seq}`);
  });
  around("keepEnvironments", (replica, _given, call) => {
    call();
    touch(replica);
  });
  // No api ever takes another's place here.
  around("clear", (_replica, _given, call) => {
    call();
    fail("I5", undefined, "a replica was emptied");
  });
}

type Around = (replica: FlatReplica, given: unknown[], call: () => unknown) => unknown;

/** Does something before and after each call of a method of every replica. */
function around(
  name: "put" | "apply" | "settle" | "keepEnvironments" | "clear",
  run: Around,
  { prototype }: { prototype: FlatReplica } = FlatReplica,
): void {
  const { value: method } = Object.getOwnPropertyDescriptor(prototype, name) as {
    value: (...given: unknown[]) => unknown;
  };
  Object.defineProperty(prototype, name, {
    value(this: FlatReplica, ...given: unknown[]) {
      return run(this, given, () => method.apply(this, given));
    },
  });
}

function touch(replica: FlatReplica): void {
  const process = Process.current;
  if (process === undefined || newest.has(replica)) return;
  newest.set(replica, new Map());
  const all = replicas.get(process) ?? new Set();
  replicas.set(process, all.add(replica));
  for (const record of replica.records()) newest.get(replica)?.set(record.key, record);
}

/** What a replica knows of a key. What a cache was only told, or gave up, it does not know any more: after a restore it can't tell of it. */
function knownBefore(replica: FlatReplica, key: string): KeyRecord | undefined {
  if (replica.isWhole) return newest.get(replica)?.get(key);
  const head = replica.table.headOf(key);
  return head < 0 ? undefined : replica.table.recordOf(head);
}

function checkForward(replica: FlatReplica, record: KeyRecord, known: KeyRecord | undefined): void {
  const before = newest.get(replica)?.get(record.key);
  if (before !== undefined && record.seq < before.seq)
    fail("I5", record.key, `a record ${record.seq} took the place of ${before.seq}`);
  if (known !== undefined) checkNothingRevived(known, record, replica.seq);
  saw(replica, record);
}

function saw(replica: FlatReplica, record: KeyRecord): void {
  const seen = newest.get(replica);
  if (record.seq > (seen?.get(record.key)?.seq ?? 0)) seen?.set(record.key, record);
}

/** I17: nothing takes back that a version leaked or that a key was revoked, whatever database the record is of; only an operator's word does. */
function checkNothingRevived(before: KeyRecord, record: KeyRecord, seq: number): void {
  const where = `(${before.seq}, then ${record.seq}, at ${Process.current?.name}, level ${seq})`;
  if (revived.has(record.key)) return;
  if (before.status === "revoked" && record.status !== "revoked")
    fail("I17", record.key, `a verifier that knew the key as revoked was told that it is not ${where}`);
  // Of a revoked key no version is accepted, whatever its state is.
  if (record.status === "revoked") return;
  for (const known of before.versions) {
    if (!known.compromised) continue;
    const told = record.versions.find(({ sha256 }) => sha256 === known.sha256);
    if (told === undefined) continue;
    if (!told.compromised)
      fail(
        "I17",
        record.key,
        `a verifier that knew version ${known.number} as leaked was told that it is not ${where}`,
      );
    if (!isAccepted(known.state) && isAccepted(told.state))
      fail("I17", record.key, `a verifier that knew version ${known.number} as killed was told to accept it ${where}`);
  }
}
