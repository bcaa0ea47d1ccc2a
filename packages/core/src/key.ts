/**
 * Keys and their versions: the inventory. What a verifier needs of it is a `KeyRecord` (record.ts).
 */
import type { IdleState } from "./idle.ts";
import type { RotationPolicyPatch } from "./policy.ts";

export type KeyStatus = "active" | "suspended" | "revoked";

/**
 * One secret's life (NIST SP 800-57 part 1 §7: pre-activation, active, deactivated, destroyed).
 * `pending` and `retiring` are accepted: a successor is accepted before it is handed out, an old version until it retires.
 */
export type VersionState = "pending" | "active" | "retiring" | "retired" | "destroyed";

/** A limit put on a version while it lives on. Absent members do not limit. */
export interface Fence {
  /** The version may do only what these grants and the key's both allow. */
  scopes?: string[] | undefined;
  /** The version is accepted only from these networks (CIDR). */
  networks?: string[] | undefined;
}

/** The lasting credential of one consumer for one api and environment. Times are epoch milliseconds. */
/** `report`: it is let through, and told of as one that would be refused. */
export type NetworksMode = "enforce" | "report";

export interface Key {
  id: string;
  apiId: string;
  environment: string;
  consumerId: string;
  name: string;
  status: KeyStatus;
  statusReason: string | null;
  statusChangedAt: number;
  scopes: string[];
  /** Entries such as `10.0.0.0/8` and `!10.1.0.0/16` (network.ts); empty: from everywhere. */
  networks: string[];
  /** What happens to a request from elsewhere. Absent: `enforce`. */
  networksMode?: NetworksMode | undefined;
  /** The consumer's own list, which both must allow. Follows the consumer's row. */
  consumerNetworks?: string[] | undefined;
  /** The handle of the plan whose limits it has; null or absent: its api's default. */
  plan?: string | null | undefined;
  labels: Record<string, string>;
  notes: string;
  policy: RotationPolicyPatch;
  currentVersion: number;
  /** The number that the next version will get; numbers are never used twice. */
  nextVersion: number;
  /** The rotation that has not ended, if any: one at a time (I8). */
  rotationId: string | null;
  expiresAt: number | null;
  /** It was in use when it expired: accepted until then. */
  graceUntil?: number | null | undefined;
  /** Expiry was announced, and decided upon, as far as that falls before this. */
  expiryDone?: number | undefined;
  /** When its expiry is to be looked at next; null: never. */
  expiryAt?: number | null | undefined;
  /** It was announced as unused, or suspended for that; null: it was not. */
  idle?: IdleState | null | undefined;
  /** When its use is to be looked at next; null: never. Absent: not calculated yet. */
  idleAt?: number | null | undefined;
  /** When a rotation of it is to be started; null: never. Absent: not calculated yet. */
  rotateAt?: number | null | undefined;
  /** When a retirement was last taken back by itself. */
  autoRolledBackAt?: number | undefined;
  lastRotation?: { endedAt: number /** It was cancelled or rolled back. */; failed: boolean } | undefined;
  createdAt: number;
  createdBy: string;
}

export interface Version {
  id: string;
  keyId: string;
  number: number;
  state: VersionState;
  /** SHA-256 of the secret's text (base64url, 43 characters); null once destroyed, unless it was compromised. */
  sha256: string | null;
  /** Known or feared to be in wrong hands. No rollback lifts this mark. */
  compromised: boolean;
  fence: Fence | null;
  /** It is refused until then, in a brownout (brownout.ts). */
  brownoutUntil?: number | null | undefined;
  /** Narrower than the key's, if the rotation that made it said so; null: all that the key may do. */
  scopes: string[] | null;
  /** Who made the secret. A consumer's own secret has never been here, only its hash. */
  origin: "authority" | "consumer";
  createdAt: number;
  createdBy: string;
  activatedAt: number | null;
  retiringAt: number | null;
  retiredAt: number | null;
  destroyedAt: number | null;
}

/** Versions accepted at once: the old one and its successor (I8). */
export const ACCEPTED_VERSIONS_MAX = 2;

export function isAccepted(state: VersionState): boolean {
  return state === "pending" || state === "active" || state === "retiring";
}

/** The version in its new state, with the time noted; destroying it forgets the hash. */
export function withState(version: Version, state: VersionState, now: number): Version {
  const next: Version = { ...version, state };
  if (state === "active") {
    next.activatedAt ??= now;
    next.retiringAt = null;
    next.retiredAt = null;
  }
  if (state === "retiring") next.retiringAt = now;
  if (state === "retired") next.retiredAt = now;
  if (state === "destroyed") {
    next.retiredAt ??= now;
    next.destroyedAt = now;
    // A leaked secret's hash is kept: nobody may hand it in again, for this key or another.
    if (!version.compromised) next.sha256 = null;
  }
  return next;
}

export type KeyChange = "suspend" | "restore" | "revoke";

/** What each change of status does from each status: the next status, or the code of the refusal. */
const changes: Record<KeyStatus, Record<KeyChange, KeyStatus | "key_is_revoked" | "nothing_to_restore">> = {
  active: { suspend: "suspended", restore: "nothing_to_restore", revoke: "revoked" },
  suspended: { suspend: "suspended", restore: "active", revoke: "revoked" },
  revoked: { suspend: "key_is_revoked", restore: "key_is_revoked", revoke: "revoked" },
};

export type KeyChangeOutcome =
  | { ok: true; next: Key; changed: boolean }
  | { ok: false; code: "key_is_revoked" | "nothing_to_restore" };

/** Suspension can be taken back, revocation cannot. Repeating a change that already holds changes nothing. */
export function changeStatus(key: Key, change: KeyChange, reason: string | null, now: number): KeyChangeOutcome {
  const status = changes[key.status][change];
  if (status === "key_is_revoked" || status === "nothing_to_restore") return { ok: false, code: status };
  if (status === key.status) return { ok: true, next: key, changed: false };
  // What was announced for want of use has come to its end, and the silence counts anew.
  const fresh = { idle: undefined, idleAt: undefined };
  return { ok: true, changed: true, next: { ...key, ...fresh, status, statusReason: reason, statusChangedAt: now } };
}
