/**
 * What travels to verifiers: the whole of one key, as small as a decision allows. A record replaces an older record of the same
 * key and never a newer one: `seq` is the number of the feed entry that brought it (I5).
 */
import { nextBrownout } from "./brownout.ts";
import { endOfKey } from "./expiry.ts";
import { type Fence, isAccepted, type Key, type KeyStatus, type Version, type VersionState } from "./key.ts";
import type { PlanRecord } from "./limits.ts";
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
  /** The consumer's: both lists must allow. Absent: it has none. */
  consumerNetworks?: string[] | undefined;
  /** Absent: who calls from elsewhere is refused. */
  networksMode?: "report" | undefined;
  expiresAt?: number | undefined;
  current: number;
  /** The handle of the plan whose limits it has. Absent: its api's default, if there is one (`PlanRecord.default`). */
  plan?: string | undefined;
  versions: VersionRecord[];
  rotation?: RotationRecord | undefined;
}

/** A feed entry: a key or a plan. An entry for an environment that the reader may not see has a number and nothing else. */
export interface FeedEntry {
  seq: number;
  record?: KeyRecord | undefined;
  /** A plan that was made or changed. */
  plan?: PlanRecord | undefined;
  /** Somebody waits until every verifier has it: acknowledge it at once. On the stream alone; see `Welcome.asks`. */
  awaited?: true | undefined;
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
    ...(key.consumerNetworks === undefined || key.consumerNetworks.length === 0
      ? {}
      : { consumerNetworks: key.consumerNetworks }),
    ...(key.networksMode === "report" ? { networksMode: key.networksMode } : {}),
    ...(expiresAt === null ? {} : { expiresAt }),
    ...(key.plan == null ? {} : { plan: key.plan }),
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

/**
 * What is destroyed is left out, unless it leaked: a database that is restored from before the leak learns of it from verifiers alone (I17).
 */
function versionRecord(version: Version): VersionRecord[] {
  const { number, state, sha256, compromised } = version;
  if (sha256 === null || (state === "destroyed" && !compromised)) return [];
  return [
    {
      number,
      state: state === "destroyed" ? "retired" : state,
      sha256,
      compromised,
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
