/**
 * What travels to verifiers: the whole of one key, as small as a decision allows. A record replaces an older record of the same
 * key and never a newer one: `seq` is the number of the feed entry that brought it (I5).
 */
import { nextBrownout } from "./brownout.ts";
import { endOfKey } from "./expiry.ts";
import { type Fence, isAccepted, type Key, type KeyStatus, type Version, type VersionState } from "./key.ts";
import type { Phase, Rotation } from "./rotation.ts";

export interface VersionRecord {
  number: number;
  state: Exclude<VersionState, "destroyed">;
  /** SHA-256 of the text, base64url. */
  sha256: string;
  compromised: boolean;
  /** Of a compromised version: an emergency's. Else the policy's, and its holder is told so. */
  fence?: Fence | undefined;
  /** Refused until then, in a brownout. Epoch milliseconds. */
  brownoutUntil?: number | undefined;
  /** Only what these grants and the key's both allow; absent: all that the key may do. */
  scopes?: string[] | undefined;
  retiredAt?: number | undefined;
}

/** What a verifier tells the holder of either version while a rotation runs. */
export interface RotationRecord {
  id: string;
  phase: Phase;
  from: number;
  to: number;
  /** When the other version became the one to be on: the offer or the rollback. Epoch milliseconds. */
  since?: number | undefined;
  /** The deadline of the overlap, epoch milliseconds. */
  endsAt?: number | undefined;
  /** The brownout that runs, or is next. Epoch milliseconds. */
  brownout?: { from: number; until: number } | undefined;
}

export interface KeyRecord {
  seq: number;
  key: string;
  consumer: string;
  environment: string;
  status: KeyStatus;
  scopes: string[];
  networks: string[];
  expiresAt?: number | undefined;
  current: number;
  versions: VersionRecord[];
  rotation?: RotationRecord | undefined;
}

/** A feed entry. An entry for an environment that the reader may not see has a number and nothing else. */
export interface FeedEntry {
  seq: number;
  record?: KeyRecord | undefined;
}

/** The record of a key, without its number, which only the commit knows. */
export function recordOf(
  key: Key,
  versions: readonly Version[],
  rotation: Rotation | undefined,
): Omit<KeyRecord, "seq"> {
  const expiresAt = endOfKey(key);
  return {
    key: key.id,
    consumer: key.consumerId,
    environment: key.environment,
    status: key.status,
    scopes: key.scopes,
    networks: key.networks,
    ...(expiresAt === null ? {} : { expiresAt }),
    current: key.currentVersion,
    versions: versions.flatMap(versionRecord),
    ...(rotation === undefined ||
    rotation.phase === "planned" ||
    rotation.phase === "propagating" ||
    rotation.endedAt !== null
      ? {}
      : { rotation: rotationRecord(rotation) }),
  };
}

function versionRecord(version: Version): VersionRecord[] {
  if (version.state === "destroyed" || version.sha256 === null) return [];
  return [
    {
      number: version.number,
      state: version.state,
      sha256: version.sha256,
      compromised: version.compromised,
      ...(version.fence === null ? {} : { fence: version.fence }),
      ...(version.brownoutUntil == null || !isAccepted(version.state) ? {} : { brownoutUntil: version.brownoutUntil }),
      ...(version.scopes === null ? {} : { scopes: version.scopes }),
      ...(version.retiredAt === null || isAccepted(version.state) ? {} : { retiredAt: version.retiredAt }),
    },
  ];
}

function rotationRecord(rotation: Rotation): RotationRecord {
  const since = rotation.rolledBackAt ?? rotation.offeredAt;
  const brownout = nextBrownout(rotation);
  return {
    id: rotation.id,
    phase: rotation.phase,
    from: rotation.from,
    to: rotation.to,
    ...(since === null ? {} : { since }),
    ...(rotation.overlapEndsAt === null ? {} : { endsAt: rotation.overlapEndsAt }),
    ...(brownout === undefined ? {} : { brownout: { from: brownout.from, until: brownout.until } }),
  };
}
