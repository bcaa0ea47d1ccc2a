/** What an operator is shown of one key: as the backup has it, as verifiers remember it, and what has happened in between. Pure. */
import {
  isAccepted,
  type Key,
  type KeyRecord,
  nextBrownout,
  type Rotation,
  type RotationRecord,
  type Version,
  type VersionRecord,
} from "@keyover/core";
import { canonicalJson } from "../store/audit-chain.ts";
import type { RememberedKey } from "../store/entities.ts";
import { newestClaims, sayTheSame } from "./claims.ts";
import { type LocalKey, localRecord } from "./merge.ts";

export interface Side {
  status: Key["status"];
  current: number;
  versions: { number: number; state: Version["state"]; compromised: boolean; fenced: boolean }[];
  rotation: { id: string; phase: Rotation["phase"]; from: number; to: number } | null;
}

export interface Difference {
  key: string;
  consumer: string;
  environment: string;
  /** In words, the gravest first; empty if both sides are alike. */
  changes: string[];
  /** Null: it was made after the backup. */
  backup: Side | null;
  verifiers: Side;
  /** Who remembers it so: the first few. */
  instances: string[];
  /** Other words of the same number; then one side, or one verifier, has to be chosen. */
  contradicts: { instances: string[]; verifiers: Side }[];
}

export type LocalSide = Omit<LocalKey, "sealed">;

export function differenceOf(row: RememberedKey, local: LocalSide | undefined): Difference {
  const [said, ...others] = newestClaims(row);
  const { record, instances } = said;
  return {
    key: row.keyId,
    consumer: record.consumer,
    environment: record.environment,
    changes: changesBetween(local, record),
    backup: local === undefined ? null : localSide(local),
    verifiers: recordSide(record),
    instances,
    contradicts: others.map((other) => ({ instances: other.instances, verifiers: recordSide(other.record) })),
  };
}

function localSide({ key, versions, rotation }: LocalSide): Side {
  return {
    status: key.status,
    current: key.currentVersion,
    versions: versions
      .map(({ number, state, compromised, fence }) => ({ number, state, compromised, fenced: fence !== null }))
      .sort((a, b) => a.number - b.number),
    rotation: rotation === undefined ? null : phaseOf(rotation),
  };
}

function recordSide({ status, current, versions, rotation }: KeyRecord): Side {
  return {
    status,
    current,
    versions: versions.map(({ number, state, compromised, fence }) => ({
      number,
      state,
      compromised,
      fenced: fence !== undefined,
    })),
    rotation: rotation === undefined ? null : phaseOf(rotation),
  };
}

function phaseOf({ id, phase, from, to }: Rotation | RotationRecord) {
  return { id, phase, from, to };
}

function changesBetween(local: LocalSide | undefined, record: KeyRecord): string[] {
  if (local === undefined) return ["made since the backup"];
  const here = localRecord({ ...local, sealed: new Set() });
  if (sayTheSame(here, record)) return [];
  return [
    ...(record.status === here.status ? [] : [`key is ${record.status}`]),
    ...versionChanges(local.versions, record.versions),
    ...(record.current === here.current ? [] : [`version ${record.current} is current`]),
    ...rotationChange(local.rotation, record.rotation),
    ...memberChanges(here, record),
  ];
}

function versionChanges(local: readonly Version[], shown: readonly VersionRecord[]): string[] {
  const here = new Map(local.map((version) => [version.number, version]));
  const changes = shown.flatMap((version) => versionChange(here.get(version.number), version));
  const gone = local.filter(
    ({ number, state }) => state !== "destroyed" && !shown.some((version) => version.number === number),
  );
  return [...changes, ...gone.map(({ number }) => `version ${number} is erased`)];
}

function versionChange(
  here: Version | undefined,
  { number, state, sha256, compromised, fence, brownoutUntil }: VersionRecord,
): string[] {
  if (here === undefined) return [`version ${number} is new, ${state}${compromised ? ", compromised" : ""}`];
  const changes: string[] = [];
  if (here.sha256 !== sha256) changes.push(`version ${number} is another secret`);
  if (compromised && !here.compromised)
    changes.push(`version ${number} was ${isAccepted(state) ? "contained" : "killed"}`);
  else if (state !== here.state && (here.state !== "destroyed" || isAccepted(state)))
    changes.push(`version ${number} is ${state}`);
  if (canonicalJson(fence ?? null) !== canonicalJson(here.fence)) changes.push(`version ${number} is fenced otherwise`);
  if ((brownoutUntil ?? null) !== (here.brownoutUntil ?? null)) changes.push(`version ${number}: another brownout`);
  return changes;
}

function rotationChange(local: Rotation | undefined, shown: RotationRecord | undefined): string[] {
  const visible = local !== undefined && local.phase !== "planned" && local.phase !== "propagating";
  if (shown === undefined) return visible ? [`rotation ${local.id} has ended`] : [];
  if (local?.id === shown.id && local.phase === shown.phase)
    return nextBrownout(local)?.from === shown.brownout?.from ? [] : [`rotation ${shown.id} has other brownouts ahead`];
  return [`rotation ${shown.id} is ${shown.phase}`];
}

function memberChanges(here: Omit<KeyRecord, "seq">, record: KeyRecord): string[] {
  const members = ["scopes", "networks", "consumerNetworks", "networksMode", "expiresAt"] as const;
  const differs = (name: (typeof members)[number]) =>
    canonicalJson(here[name] ?? null) !== canonicalJson(record[name] ?? null);
  const said = { consumerNetworks: "the consumer's networks", networksMode: "networks' mode", expiresAt: "expiry" };
  return members.filter(differs).map((name) => `${name in said ? said[name as keyof typeof said] : name} changed`);
}
