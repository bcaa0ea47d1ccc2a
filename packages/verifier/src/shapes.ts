/**
 * What came over the wire, or from a file, looked at once before it is trusted. Unknown members are passed over. A status or a
 * state that this verifier has never heard of is one that it can't accept a key in.
 */
import type {
  FeedBeat,
  FeedEntry,
  Grant,
  KeyRecord,
  MissAnswer,
  SnapshotEnd,
  SnapshotHead,
  Welcome,
} from "@keyover/core";

type Unknown = Record<string, unknown>;

function isObject(value: unknown): value is Unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isAbsentOr(check: (value: unknown) => boolean, value: unknown): boolean {
  return value === undefined || check(value);
}

const isTime = (value: unknown) => typeof value === "number" && Number.isFinite(value);

export function asGrant(value: unknown): Grant | undefined {
  if (!isObject(value)) return undefined;
  const { now, leaseMs, onStale, staticMs } = value;
  if (!isTime(now) || !isTime(leaseMs) || !isTime(staticMs)) return undefined;
  // Of a policy that it does not know, a verifier does the strictest.
  return {
    now: now as number,
    leaseMs: leaseMs as number,
    staticMs: staticMs as number,
    onStale: onStale === "static" ? "static" : "closed",
  };
}

export function asWelcome(value: unknown): Welcome | undefined {
  const grant = asGrant(value);
  if (grant === undefined || !isObject(value) || !isObject(value.api)) return undefined;
  const { id, name, prefix } = value.api;
  const { environments, reportEveryMs, epoch } = value;
  if (typeof id !== "string" || typeof name !== "string" || typeof prefix !== "string") return undefined;
  if (!isTexts(environments) || !isTime(reportEveryMs)) return undefined;
  return {
    ...grant,
    api: { id, name, prefix },
    environments,
    reportEveryMs: reportEveryMs as number,
    epoch: typeof epoch === "string" ? epoch : "",
  };
}

export function asSnapshotHead(value: unknown): SnapshotHead | undefined {
  if (!isObject(value) || !isCount(value.seq) || !isTime(value.now)) return undefined;
  return { seq: value.seq, now: value.now as number };
}

export function asBeat(value: unknown): FeedBeat | undefined {
  return asSnapshotHead(value);
}

export function asSnapshotEnd(value: unknown): SnapshotEnd | undefined {
  return isObject(value) && isCount(value.end) ? { end: value.end } : undefined;
}

export function asEntry(value: unknown): FeedEntry | undefined {
  if (!isObject(value) || !isCount(value.seq)) return undefined;
  if (value.record === undefined) return { seq: value.seq };
  const record = asRecord(value.record);
  return record === undefined ? undefined : { seq: value.seq, record };
}

export function asMissAnswer(value: unknown): MissAnswer | undefined {
  if (!isObject(value) || !isTime(value.now)) return undefined;
  const said = { now: value.now as number, epoch: typeof value.epoch === "string" ? value.epoch : undefined };
  if (value.record === null) return { ...said, record: null };
  const record = asRecord(value.record);
  return record === undefined ? undefined : { ...said, record };
}

export function asRecord(value: unknown): KeyRecord | undefined {
  if (!isObject(value) || !isCount(value.seq)) return undefined;
  const { key, consumer, environment, scopes, networks, versions, expiresAt, current, rotation } = value;
  if (typeof key !== "string" || typeof consumer !== "string" || typeof environment !== "string") return undefined;
  if (!isTexts(scopes) || !isTexts(networks) || !isAbsentOr(isTime, expiresAt) || !isCount(current)) return undefined;
  if (!Array.isArray(versions) || !versions.every(isVersion)) return undefined;
  if (!isAbsentOr(isRotation, rotation)) return undefined;
  const record = value as unknown as KeyRecord;
  if (record.status !== "active" && record.status !== "revoked") record.status = "suspended";
  return record;
}

function isVersion(value: unknown): boolean {
  if (!isObject(value) || !isCount(value.number) || typeof value.sha256 !== "string") return false;
  if (typeof value.state !== "string" || !isAbsentOr(isTime, value.retiredAt)) return false;
  const { fence, scopes, brownoutUntil } = value;
  if (!isAbsentOr(isTexts, scopes) || !isAbsentOr(isTime, brownoutUntil)) return false;
  if (fence === undefined) return true;
  return isObject(fence) && isAbsentOr(isTexts, fence.scopes) && isAbsentOr(isTexts, fence.networks);
}

function isRotation(value: unknown): boolean {
  if (!isObject(value) || typeof value.id !== "string" || typeof value.phase !== "string") return false;
  if (!isCount(value.from) || !isCount(value.to)) return false;
  return isAbsentOr(isTime, value.since) && isAbsentOr(isTime, value.endsAt) && isAbsentOr(isSlot, value.brownout);
}

function isSlot(value: unknown): boolean {
  return isObject(value) && isTime(value.from) && isTime(value.until);
}

/** JSON, or undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
