/**
 * The decision on one presented secret. Pure, and the only place that makes it: verifiers, the authority's own endpoint, the
 * simulator and its reference model all call `judge`.
 */
import type { VerdictCode } from "./codes.ts";
import { isAccepted } from "./key.ts";
import type { LimitState } from "./limits.ts";
import { compileNetworks, type NetworkMatcher } from "./network.ts";
import type { KeyRecord, RotationRecord, VersionRecord } from "./record.ts";
import { commonGrants, compileScopes, type ScopeMatcher } from "./scopes.ts";

/** A record with its lists prepared for the hot path. */
export interface HeldKey {
  record: KeyRecord;
  networks: NetworkMatcher;
  consumerNetworks: NetworkMatcher;
  versions: HeldVersion[];
}

export interface HeldVersion {
  held: HeldKey;
  version: VersionRecord;
  /** What the key's grants and the version's own, if it has any, both allow. */
  scopes: ScopeMatcher;
  /** The same within its fence, as told to the server. */
  grants: readonly string[];
  fenceScopes: ScopeMatcher | undefined;
  fenceNetworks: NetworkMatcher | undefined;
}

export function holdKey(record: KeyRecord): HeldKey {
  const held: HeldKey = {
    record,
    networks: compileNetworks(record.networks),
    consumerNetworks: compileNetworks(record.consumerNetworks ?? []),
    versions: [],
  };
  held.versions = record.versions.map((version) => holdVersion(held, version));
  return held;
}

function holdVersion(held: HeldKey, version: VersionRecord): HeldVersion {
  const { fence } = version;
  const own = version.scopes === undefined ? held.record.scopes : commonGrants(held.record.scopes, version.scopes);
  return {
    held,
    version,
    scopes: compileScopes(own),
    grants: fence?.scopes === undefined ? own : commonGrants(own, fence.scopes),
    fenceScopes: fence?.scopes === undefined ? undefined : compileScopes(fence.scopes),
    fenceNetworks: fence?.networks === undefined ? undefined : compileNetworks(fence.networks),
  };
}

/** What the request wants. */
export interface Ask {
  /** The environment this server serves. Undefined accepts a key of any. */
  environment?: string | undefined;
  /** One scope or several, all needed. */
  scope?: string | readonly string[] | undefined;
  /** The caller's address. */
  network?: string | undefined;
  /** What the request takes of the key's limits, in units. Default 1. */
  cost?: number | undefined;
}

export interface Verdict {
  valid: boolean;
  code: VerdictCode;
  key?: string | undefined;
  version?: number | undefined;
  consumer?: string | undefined;
  environment?: string | undefined;
  scopes?: readonly string[] | undefined;
  /** The key's own end, where it has one. Epoch milliseconds. */
  expiresAt?: number | undefined;
  /** While a rotation of this key runs. */
  rotation?: RotationRecord | undefined;
  /** With `retired`: since when. */
  retiredAt?: number | undefined;
  /** What is left of the key's limits, this request charged; absent for a key without any. */
  limits?: readonly LimitState[] | undefined;
  /** With `brownout`: it ends in so long. With `rate_limited` and `quota_exceeded`: there is room in so long. */
  retryAfterMs?: number | undefined;
  /** Accepted, and refused for this if the key's networks were enforced (its `networksMode` is `report`). */
  wouldRefuse?: VerdictCode | undefined;
  /** The verifier is cut off and goes on with what it knows. */
  stale?: boolean | undefined;
}

/**
 * The code for a known version; `ok` or the first reason to refuse. `latest`: what the time may be at most, for a verifier that knows the
 * authority's only within bounds; a brownout ends rather too early.
 */
export function judgeCode(presented: HeldVersion, ask: Ask, now: number, latest: number = now): VerdictCode {
  const { held, version } = presented;
  const { record } = held;
  if (record.status === "revoked") return "revoked";
  if (!isAccepted(version.state)) return version.compromised ? "revoked" : "retired";
  if (ask.environment !== undefined && ask.environment !== record.environment) return "wrong_environment";
  if (record.status === "suspended") return "suspended";
  if (record.expiresAt !== undefined && now >= record.expiresAt) return "expired";
  if (record.networksMode !== "report" && !isInNetworks(held, ask)) return "network_denied";
  if (presented.fenceNetworks !== undefined) {
    // A key's empty list means everywhere; a fence around no network (a version never seen anywhere) means nowhere.
    const inside = !presented.fenceNetworks.any && allowsNetwork(presented.fenceNetworks, ask.network);
    // A thief learns nothing of the fence; the owner of a clean version learns what to do.
    if (!inside) return version.compromised ? "network_denied" : "fenced";
  }
  if (version.brownoutUntil !== undefined && latest < version.brownoutUntil) return "brownout";
  if (ask.scope !== undefined) {
    if (!allowsScopes(presented.scopes, ask.scope)) return "insufficient_scope";
    if (presented.fenceScopes !== undefined && !allowsScopes(presented.fenceScopes, ask.scope)) return "fenced";
  }
  return "ok";
}

/** What an accepted request would be refused for, if the key's networks were enforced. */
export function wouldRefuse({ held }: HeldVersion, ask: Ask): VerdictCode | undefined {
  return held.record.networksMode === "report" && !isInNetworks(held, ask) ? "network_denied" : undefined;
}

function isInNetworks({ networks, consumerNetworks }: HeldKey, { network }: Ask): boolean {
  return allowsNetwork(networks, network) && allowsNetwork(consumerNetworks, network);
}

/** The whole verdict on a known version. */
export function judge(presented: HeldVersion, ask: Ask, now: number): Verdict {
  const code = judgeCode(presented, ask, now);
  const warning = code === "ok" ? wouldRefuse(presented, ask) : undefined;
  const verdict = verdictOf(presented, code, now);
  return warning === undefined ? verdict : { ...verdict, wouldRefuse: warning };
}

/**
 * What is said of a known version. Of a revoked one, whose holder may be a thief, only what the server's own log needs:
 * no rotation that would end up in a response header, no time, no scopes.
 */
export function verdictOf(presented: HeldVersion, code: VerdictCode, now?: number): Verdict {
  const { record } = presented.held;
  const known: Verdict = {
    valid: code === "ok",
    code,
    key: record.key,
    version: presented.version.number,
    consumer: record.consumer,
    environment: record.environment,
  };
  if (code === "revoked") return known;
  return {
    ...known,
    scopes: presented.grants,
    ...(record.expiresAt === undefined ? {} : { expiresAt: record.expiresAt }),
    ...(record.rotation === undefined ? {} : { rotation: record.rotation }),
    ...(code === "retired" ? { retiredAt: presented.version.retiredAt } : {}),
    ...(code === "brownout" ? { retryAfterMs: leftMs(presented.version, now) } : {}),
  };
}

function leftMs({ brownoutUntil }: VersionRecord, now: number | undefined): number | undefined {
  return brownoutUntil === undefined || now === undefined ? undefined : Math.max(0, Math.ceil(brownoutUntil - now));
}

function allowsNetwork(matcher: NetworkMatcher, address: string | undefined): boolean {
  return matcher.any || (address !== undefined && matcher.allows(address));
}

function allowsScopes(matcher: ScopeMatcher, scope: string | readonly string[]): boolean {
  if (typeof scope === "string") return matcher.allows(scope);
  return scope.every((name) => matcher.allows(name));
}
