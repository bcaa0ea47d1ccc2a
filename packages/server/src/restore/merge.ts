/**
 * A key as verifiers remember it, put over the key as the backup has it. Pure.
 *
 * What only refuses is never lost (`upheld`): a version that anybody knows to be killed or contained, or a key that anybody knows to be
 * revoked, stays so whichever side is taken, because these are facts that nothing takes back.
 */
import {
  type Fence,
  isAccepted,
  isFenced,
  type Key,
  type KeyRecord,
  type Rotation,
  recordOf,
  runningBrownout,
  type Version,
  type VersionRecord,
  withState,
} from "@keyover/core";
import { type AgainTools, onItsWay, rotationsAfter, type SecretHere } from "./rotation-again.ts";

/** What the backup has of a key. */
export interface LocalKey {
  key: Key;
  versions: readonly Version[];
  rotation: Rotation | undefined;
  /** Handles of the versions whose secret is sealed. */
  sealed: ReadonlySet<string>;
}

export interface MergeTools extends AgainTools {
  newVersionId: () => string;
}

export interface MergedKey {
  key: Key;
  versions: Version[];
  /** That runs from now on. */
  rotation: Rotation | undefined;
  /** The backup's, if it has ended. */
  ended: Rotation | undefined;
  /** Versions whose sealed secret is of no use any more, by handle. */
  unsealed: string[];
}

/** `local` undefined: the key was made after the backup. */
export function mergedKey(local: LocalKey | undefined, record: KeyRecord, tools: MergeTools): MergedKey {
  const before = new Map((local?.versions ?? []).map((version) => [version.number, version]));
  const versions = record.versions.map((shown) => mergedVersion(before.get(shown.number), shown, record, tools));
  const named = new Set(record.versions.map(({ number }) => number));
  for (const version of before.values()) if (!named.has(version.number)) versions.push(destroyed(version, tools.now));

  const { running: asShown, ended } = rotationsAfter(
    record,
    local?.rotation,
    (number) => secretHere(local, record, number),
    tools,
  );
  const number = asShown?.to ?? 0;
  // Its number was another secret's here, whose uses verifiers may still report: it is offered, and proven, once all of them know.
  const taken =
    before.has(number) && before.get(number)?.sha256 !== versions.find((each) => each.number === number)?.sha256;
  const running = taken && asShown !== undefined ? provenLater(asShown) : asShown;
  const key = mergedMembers(local?.key, record, running, tools);
  const useless = ({ id, number, sha256, state, compromised }: Version) =>
    local?.sealed.has(id) === true &&
    (sha256 !== before.get(number)?.sha256 ||
      (compromised && !isAccepted(state)) ||
      (ended?.to === number && running?.to !== number));
  const unsealed = versions.filter(useless).map(({ id }) => id);
  const sorted = versions.sort((a, b) => a.number - b.number).map((version) => withoutStrayLimits(version, running));
  return { key, versions: sorted, rotation: running, ended, unsealed };
}

/** What a consumer handed in may be used while it is on its way; what is seen under a number that was another secret's does not say that it is. */
function provenLater(rotation: Rotation): Rotation {
  if (rotation.phase === "offered") return onItsWay(rotation);
  return rotation.phase === "propagating" ? { ...rotation, origin: "authority" } : rotation;
}

/** A policy's fence, or a brownout, that no rotation knows of any more would be lifted by none. */
function withoutStrayLimits(version: Version, running: Rotation | undefined): Version {
  const old = running?.from === version.number ? running : undefined;
  const fence = version.compromised || (old !== undefined && isFenced(old)) ? version.fence : null;
  const brownoutUntil = old === undefined || runningBrownout(old) === undefined ? null : version.brownoutUntil;
  if (fence === version.fence && (brownoutUntil ?? null) === (version.brownoutUntil ?? null)) return version;
  return { ...version, fence, brownoutUntil };
}

function secretHere(local: LocalKey | undefined, record: KeyRecord, number: number): SecretHere {
  const here = local?.versions.find((version) => version.number === number);
  const shown = record.versions.find((version) => version.number === number);
  if (here === undefined || shown === undefined || here.sha256 !== shown.sha256) return "unknown";
  return local?.sealed.has(here.id) === true ? "sealed" : "hash";
}

function mergedVersion(
  here: Version | undefined,
  shown: VersionRecord,
  record: KeyRecord,
  { now, actor, newVersionId }: MergeTools,
): Version {
  const same = here?.sha256 === shown.sha256;
  const base: Version = same
    ? here
    : {
        id: here?.id ?? newVersionId(),
        keyId: record.key,
        number: shown.number,
        state: "pending",
        sha256: shown.sha256,
        compromised: false,
        fence: null,
        scopes: null,
        origin: "authority",
        createdAt: now,
        createdBy: actor,
        activatedAt: null,
        retiringAt: null,
        retiredAt: null,
        destroyedAt: null,
      };
  // Of what leaked verifiers are told after it was destroyed as well.
  const isGone = same && here.state === "destroyed" && shown.state === "retired";
  const stated = base.state === shown.state || isGone ? base : withState(base, shown.state, now);
  return {
    ...stated,
    activatedAt: shown.state === "pending" ? stated.activatedAt : (stated.activatedAt ?? now),
    retiredAt: isAccepted(shown.state) ? null : (shown.retiredAt ?? stated.retiredAt),
    compromised: shown.compromised,
    fence: shown.fence ?? null,
    brownoutUntil: shown.brownoutUntil ?? null,
    scopes: shown.scopes ?? null,
  };
}

/** A record leaves out what is destroyed, but for what leaked. */
function destroyed(version: Version, now: number): Version {
  return version.state === "destroyed" ? version : withState(version, "destroyed", now);
}

function mergedMembers(
  local: Key | undefined,
  record: KeyRecord,
  rotation: Rotation | undefined,
  tools: MergeTools,
): Key {
  const { now } = tools;
  const made = local ?? madeSince(record, tools);
  const changed = local === undefined || made.status !== record.status;
  const numbers = [...record.versions.map(({ number }) => number), record.current, rotation?.to ?? 0];
  return {
    ...made,
    status: record.status,
    ...(changed ? { statusReason: "as verifiers remember it", statusChangedAt: now } : {}),
    scopes: record.scopes,
    networks: record.networks,
    consumerNetworks: record.consumerNetworks,
    networksMode: record.networksMode,
    expiresAt: record.expiresAt ?? null,
    currentVersion: record.current,
    // Of what came and went since the backup nobody knows the numbers.
    nextVersion: Math.max(made.nextVersion, ...numbers.map((number) => number + 1)),
    rotationId: rotation?.id ?? null,
  };
}

function madeSince(record: KeyRecord, { now, apiId }: MergeTools): Key {
  return {
    id: record.key,
    apiId,
    environment: record.environment,
    consumerId: record.consumer,
    name: "recovered",
    status: record.status,
    statusReason: null,
    statusChangedAt: now,
    scopes: [],
    networks: [],
    labels: {},
    notes:
      "Made after the backup that was restored; recovered from what verifiers remember. Its name, labels, notes and policy are lost.",
    policy: {},
    currentVersion: record.current,
    nextVersion: 1,
    rotationId: null,
    expiresAt: null,
    createdAt: now,
    createdBy: "system",
  };
}

// ---- what only refuses ------------------------------------------------------------------------------------------------

/** A version in wrong hands, as one side knows it. */
export interface Struck {
  mode: "kill" | "contain";
  fence: Fence | undefined;
}

/** By hash: versions that any of these know to be compromised. A kill outweighs a contain. */
export function struckBy(
  sides: readonly Pick<KeyRecord, "versions">[],
  local: readonly Version[],
): Map<string, Struck> {
  const struck = new Map<string, Struck>();
  const all = [...sides.flatMap(({ versions }) => versions), ...local];
  for (const { compromised, sha256, state, fence } of all) {
    if (!compromised || sha256 === null) continue;
    const mode = isAccepted(state) ? "contain" : "kill";
    if (mode === "kill" || !struck.has(sha256)) struck.set(sha256, { mode, fence: fence ?? undefined });
  }
  return struck;
}

/** The record that verifiers would be sent of what the backup has. */
export function localRecord({ key, versions, rotation }: LocalKey): Omit<KeyRecord, "seq"> {
  return recordOf(key, versions, rotation);
}
