/** Rows for tests of the store: whole, valid, and different where they must be. */
import { randomInt } from "node:crypto";
import type { Key, KeyRecord, Rotation, Version } from "@keyover/core";
import { effectivePolicy, planRotation, sha256Text } from "@keyover/core";
import type { Api, Boot, Consumer, Sealed, Token } from "./entities.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import {
  type AuditDraft,
  type Batch,
  type BootReport,
  put,
  type Replica,
  type Store,
  type UsageRow,
  type Write,
} from "./store.ts";

export const AT = 1_800_000_000_000;

export function anApi(change: Partial<Api> = {}): Api {
  return {
    id: "api_a",
    name: "market",
    prefix: "mkt",
    environments: ["live", "test"],
    scopes: ["market:read"],
    policy: {},
    staleness: {},
    createdAt: AT,
    createdBy: "tok_1",
    ...change,
  };
}

export function aConsumer(change: Partial<Consumer> = {}): Consumer {
  return { id: "con_a", name: "desk", labels: {}, notes: "", createdAt: AT, createdBy: "tok_1", ...change };
}

export function aKey(change: Partial<Key> = {}): Key {
  return {
    id: "key_a",
    apiId: "api_a",
    environment: "live",
    consumerId: "con_a",
    name: "bot",
    status: "active",
    statusReason: null,
    statusChangedAt: AT,
    scopes: ["market:read"],
    networks: [],
    labels: {},
    notes: "",
    policy: {},
    currentVersion: 1,
    nextVersion: 2,
    rotationId: null,
    expiresAt: null,
    createdAt: AT,
    createdBy: "tok_1",
    ...change,
  };
}

export function aVersion(change: Partial<Version> = {}): Version {
  return {
    id: "ver_a",
    keyId: "key_a",
    number: 1,
    state: "active",
    sha256: sha256Text(change.id ?? "ver_a"),
    compromised: false,
    fence: null,
    scopes: null,
    origin: "authority",
    createdAt: AT,
    createdBy: "tok_1",
    activatedAt: AT,
    retiringAt: null,
    retiredAt: null,
    destroyedAt: null,
    ...change,
  };
}

export function aRotation(change: Partial<Rotation> = {}): Rotation {
  const planned = planRotation(
    {
      id: "rot_a",
      keyId: "key_a",
      apiId: "api_a",
      from: 1,
      to: 2,
      policy: effectivePolicy(),
      reason: "routine",
      startedBy: "tok_1",
      origin: "authority",
    },
    AT,
  );
  return { ...planned, ...change };
}

export function aToken(change: Partial<Token> = {}): Token {
  return {
    id: "tok_a",
    name: "ops",
    role: "operator",
    sha256: sha256Text("tok_a"),
    apiIds: [],
    environments: [],
    consumerId: null,
    expiresAt: null,
    revokedAt: null,
    createdAt: AT,
    createdBy: "system",
    ...change,
  };
}

export function aSealed(change: Partial<Sealed> = {}): Sealed {
  const envelope = "{}";
  return {
    id: "ver_a",
    keyId: "key_a",
    version: 1,
    rotationId: null,
    envelope,
    expiresAt: AT + 10,
    createdAt: AT,
    ...change,
  };
}

export function aBoot(change: Partial<Boot> = {}): Boot {
  return {
    boot: "boo_a",
    apiId: "api_a",
    tokenId: "tok_1",
    instance: "web-1",
    software: "test",
    registeredAt: AT,
    coveredTo: AT,
    answersUntil: AT + 15_000,
    reportNumber: 0,
    applied: 0,
    host: "rep_a",
    adoption: 1,
    closed: false,
    replacedAt: null,
    removedAt: null,
    ...change,
  };
}

export function aRecord(key = "key_a", change: Partial<KeyRecord> = {}): Omit<KeyRecord, "seq"> {
  return {
    key,
    consumer: "con_a",
    environment: "live",
    status: "active",
    scopes: ["market:read"],
    networks: [],
    current: 1,
    versions: [],
    ...change,
  };
}

export function aUse(change: Partial<UsageRow> = {}): UsageRow {
  return {
    keyId: "key_a",
    version: 1,
    sourceId: "203.0.113.0/24|bot|",
    source: { network: "203.0.113.0/24", client: "bot", instance: "" },
    first: AT,
    last: AT,
    accepted: 1,
    refused: 0,
    longestGapMs: 0,
    ...change,
  };
}

/** As a report: over the row that was read, or a new one. */
export function aReport(change: Partial<Boot> = {}, expect = 0, rows: UsageRow[] = []): BootReport {
  return { boot: aBoot(change), expect, rows };
}

export function aReplica(id: string, change: Partial<Omit<Replica, "until">> = {}): Omit<Replica, "until"> {
  return { id, software: "keyover/test", schema: SCHEMA_VERSION, startedAt: AT, ...change };
}

export function anEntry(
  action: string,
  subjects: string[] = ["key_a"],
  details: Record<string, unknown> = {},
): AuditDraft {
  return { at: AT, actor: "tok_1", action, subjects, details };
}

/** A batch with one audit entry; the rest is as given. */
export function aBatch(writes: Write[], more: Partial<Batch> = {}): Batch {
  return { writes, audit: [anEntry("test.changed")], feed: [], ...more };
}

/** Commits and must succeed. */
export async function mustCommit(store: Store, batch: Batch): Promise<void> {
  const outcome = await store.commit(batch);
  if (!outcome.ok) throw new Error(`conflict: ${outcome.conflict}`);
}

/** An api with a consumer and `count` keys, one commit each. */
export async function fill(store: Store, count: number): Promise<void> {
  await mustCommit(store, aBatch([put("api", anApi()), put("consumer", aConsumer())]));
  for (let i = 0; i < count; i++) {
    const id = `key_${String(i).padStart(4, "0")}`;
    const version = aVersion({ id: `ver_${id}`, keyId: id, sha256: sha256Text(id) });
    await mustCommit(
      store,
      aBatch([put("key", aKey({ id })), put("version", version)], { feed: [{ apiId: "api_a", record: aRecord(id) }] }),
    );
  }
}

/** Everything that a commit could have changed. */
export async function picture(store: Store) {
  const page = { limit: 1_000 };
  return {
    rows: await Promise.all(
      (["api", "consumer", "key", "version", "rotation", "token", "sealed"] as const).map((table) =>
        store.list(table, {}, page),
      ),
    ),
    audit: await store.audit(0, 1_000),
    head: await store.feedHead("api_a"),
    feed: await store.feedAfter("api_a", 0, 1_000),
    records: await store.records("api_a", "", 1_000),
    answers: await Promise.all(["a", "b"].map((id) => store.idempotency(id))),
  };
}

/** A store that hurries nobody: what it reads and commits is answered late, and in another order than it was done. */
export function unhurried(store: Store): Store {
  const late = async <T>(work: Promise<T>): Promise<T> => {
    const value = await work;
    for (let turns = randomInt(5); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    return value;
  };
  return {
    ...store,
    get: (...asked) => late(store.get(...asked)),
    list: (...asked) => late(store.list(...asked)),
    commit: (batch) => late(store.commit(batch)),
    feedAfter: (...asked) => late(store.feedAfter(...asked)),
  };
}
