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
  PlanRecord,
  SnapshotEnd,
  SnapshotHead,
  Told,
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
const isAmount = (value: unknown) => isTime(value) && (value as number) >= 0;

export function asGrant(value: unknown): Grant | undefined {
  if (!isObject(value)) return undefined;
  const { now, leaseMs, onStale, staticMs } = value;
  if (!isTime(now) || !isTime(leaseMs) || !isTime(staticMs)) return undefined;
  const { verifiers, limits } = value;
  // Of a policy that it does not know, a verifier does the strictest.
  return {
    now: now as number,
    leaseMs: leaseMs as number,
    staticMs: staticMs as number,
    onStale: onStale === "static" ? "static" : "closed",
    ...(isCount(verifiers) ? { verifiers } : {}),
    ...(Array.isArray(limits) ? { limits: limits.filter(isTold) } : {}),
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
    asks: value.asks === true,
  };
}

/** An answer that is not understood tells nothing: the count goes on by itself, which is stricter, or as with a lost answer. */
function isTold(value: unknown): value is Told {
  if (!isObject(value) || typeof value.subject !== "string" || typeof value.limit !== "string") return false;
  const { owedMs, quota, rate } = value;
  if (!isAbsentOr(isAmount, owedMs) || !isAbsentOr(isRateSize, rate)) return false;
  if (quota === undefined) return true;
  return isObject(quota) && isTime(quota.period) && [quota.used, quota.own, quota.granted].every(isAmount);
}

function isRateSize(value: unknown): boolean {
  return isObject(value) && isAmount(value.unitMs) && isCount(value.burst);
}

/** A plan, whatever its limits say: what of them is not understood is passed over where it is used (limits/plan-book.ts). */
function asPlan(value: unknown): PlanRecord | undefined {
  if (!isObject(value) || !isCount(value.seq) || typeof value.plan !== "string") return undefined;
  if (typeof value.name !== "string" || !Array.isArray(value.limits) || !value.limits.every(isLimit)) return undefined;
  return value as unknown as PlanRecord;
}

function isLimit(value: unknown): boolean {
  return isObject(value) && typeof value.name === "string" && typeof value.kind === "string";
}

export function asPlans(value: unknown): PlanRecord[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const plans = value.map(asPlan);
  return plans.includes(undefined) ? undefined : (plans as PlanRecord[]);
}

export function asSnapshotHead(value: unknown): SnapshotHead | undefined {
  if (!isObject(value) || !isCount(value.seq) || !isTime(value.now)) return undefined;
  const head = { seq: value.seq, now: value.now as number };
  // From an authority that is older than plans.
  if (value.plans === undefined) return head;
  const plans = asPlans(value.plans);
  return plans && { ...head, plans };
}

export function asBeat(value: unknown): FeedBeat | undefined {
  if (!isObject(value) || !isCount(value.seq) || !isTime(value.now)) return undefined;
  return { seq: value.seq, now: value.now as number };
}

export function asSnapshotEnd(value: unknown): SnapshotEnd | undefined {
  return isObject(value) && isCount(value.end) ? { end: value.end } : undefined;
}

export function asEntry(value: unknown): FeedEntry | undefined {
  if (!isObject(value) || !isCount(value.seq)) return undefined;
  const [record, plan] = [asRecord(value.record), asPlan(value.plan)];
  if (record === undefined && value.record !== undefined) return undefined;
  if (plan === undefined && value.plan !== undefined) return undefined;
  return {
    seq: value.seq,
    ...(record && { record }),
    ...(plan && { plan }),
    ...(value.awaited === true && { awaited: true }),
  };
}

export function asMissAnswer(value: unknown): MissAnswer | undefined {
  if (!isObject(value) || !isTime(value.now)) return undefined;
  const plans = value.plans === undefined ? [] : asPlans(value.plans);
  if (plans === undefined) return undefined;
  const said = {
    plans,
    now: value.now as number,
    epoch: typeof value.epoch === "string" ? value.epoch : undefined,
    seq: isCount(value.seq) ? value.seq : undefined,
  };
  if (value.record === null) return { ...said, record: null };
  const record = asRecord(value.record);
  return record === undefined ? undefined : { ...said, record };
}

export function asRecord(value: unknown): KeyRecord | undefined {
  if (!isObject(value) || !isCount(value.seq)) return undefined;
  const { key, consumer, environment, scopes, networks, versions, expiresAt, current, plan, rotation } = value;
  if (!isAbsentOr((each) => typeof each === "string", plan)) return undefined;
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
