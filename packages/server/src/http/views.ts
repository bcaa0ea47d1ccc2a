/** What the API shows of each entity: everything but hashes and ciphertexts. */
import {
  effectivePolicy,
  effectiveStaleness,
  type Key,
  mayAnswer,
  type Rotation,
  type SourceUse,
  type Version,
} from "@keyover/core";
import type { FleetMember } from "../feed/fleet.ts";
import type { Api, Consumer, Token } from "../store/entities.ts";

export function apiView(api: Api) {
  return { ...api, policy: effectivePolicy(api.policy), staleness: effectiveStaleness(api.staleness) };
}

export function consumerView(consumer: Consumer) {
  return consumer;
}

export function keyView(key: Key) {
  const { apiId, consumerId, rotationId, nextVersion: _next, statusChangedAt: _at, ...rest } = key;
  return { ...rest, api: apiId, consumer: consumerId, rotation: rotationId };
}

export function versionView(version: Version, uses: readonly SourceUse[]) {
  const { sha256: _sha256, keyId: _keyId, ...rest } = version;
  const seen = uses.flatMap((use) => use.versions[version.number]?.last ?? []);
  return { ...rest, lastUsedAt: seen.length === 0 ? null : Math.max(...seen) };
}

export function rotationView(rotation: Rotation) {
  const { keyId, apiId, ...rest } = rotation;
  return { ...rest, key: keyId, api: apiId };
}

export function tokenView(token: Token) {
  const { sha256: _sha256, apiIds, consumerId, ...rest } = token;
  return { ...rest, apis: apiIds, consumer: consumerId };
}

export function bootView(member: FleetMember, now: number) {
  const { boot, instance, software, registeredAt, applied, coveredTo, answersUntil } = member;
  return { boot, instance, software, state: bootState(member, now), registeredAt, applied, coveredTo, answersUntil };
}

function bootState(member: FleetMember, now: number) {
  if (member.removedAt !== null) return "removed" as const;
  if (member.replacedAt !== null) return "replaced" as const;
  if (member.closed) return "closed" as const;
  return mayAnswer(member, now) ? ("live" as const) : ("lost" as const);
}
