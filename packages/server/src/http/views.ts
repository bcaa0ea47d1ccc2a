/** What the API shows of each entity: everything but hashes and ciphertexts. */
import {
  type Brownouts,
  effectivePolicy,
  effectiveStaleness,
  type Key,
  mayAnswer,
  type Rotation,
  type SourceUse,
  type Version,
} from "@keyover/core";
import type { FleetMember } from "../feed/fleet.ts";
import type { PlanUse } from "../keys/plans.ts";
import type { Applied } from "../policies/policy-desk.ts";
import type { Api, Consumer, Token } from "../store/entities.ts";
import type { Attachment, PolicyVersion } from "../store/policy-entities.ts";

export function apiView(api: Api) {
  return {
    ...api,
    policy: effectivePolicy(api.policy),
    staleness: effectiveStaleness(api.staleness),
    defaultPlan: api.defaultPlan ?? null,
  };
}

export function consumerView({ networksSetAt: _at, ...consumer }: Consumer) {
  return { ...consumer, networks: consumer.networks ?? [] };
}

export function keyView(key: Key) {
  const { apiId, consumerId, rotationId, nextVersion: _next, statusChangedAt: _at, ...all } = key;
  const {
    expiryAt: _expiry,
    expiryDone: _done,
    idleAt: _idle,
    lastRotation: _last,
    autoRolledBackAt: _undone,
    ...rest
  } = all;
  const where = { networksMode: key.networksMode ?? "enforce", consumerNetworks: key.consumerNetworks ?? [] };
  const dates = { rotateAt: key.rotateAt ?? null, graceUntil: key.graceUntil ?? null, idle: key.idle ?? null };
  return {
    ...rest,
    ...where,
    ...dates,
    plan: key.plan ?? null,
    api: apiId,
    consumer: consumerId,
    rotation: rotationId,
  };
}

export function planView({ plan, isDefault, keys }: PlanUse) {
  const { apiId, ...rest } = plan;
  return { ...rest, api: apiId, isDefault, keys };
}

export function versionView(version: Version, uses: readonly SourceUse[]) {
  const { sha256: _sha256, keyId: _keyId, ...rest } = version;
  const seen = uses.flatMap((use) => use.versions[version.number]?.last ?? []);
  return {
    ...rest,
    brownoutUntil: version.brownoutUntil ?? null,
    lastUsedAt: seen.length === 0 ? null : Math.max(...seen),
  };
}

export function rotationView(rotation: Rotation) {
  const { keyId, apiId, calendar: _calendar, brownouts, ...rest } = rotation;
  return { ...rest, brownouts: brownouts && brownoutsView(brownouts), key: keyId, api: apiId };
}

function brownoutsView({ refusedBefore: _before, ...shown }: Brownouts) {
  return shown;
}

export function tokenView(token: Token) {
  const { sha256: _sha256, apiIds, consumerId, ...rest } = token;
  return { ...rest, owner: token.owner ?? null, apis: apiIds, consumer: consumerId };
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

export function policyView<P extends Applied["policy"]>(policy: P) {
  const { scheduleChangedAt: _at, ...rest } = policy;
  return rest;
}

export function appliedView(applied: Applied) {
  return { ...applied, policy: policyView(applied.policy) };
}

export function attachmentView<A extends Attachment>({ policyId, ...rest }: A) {
  return { ...rest, policy: policyId };
}

export function policyVersionView({ id: _id, policyId, ...rest }: PolicyVersion) {
  return { ...rest, policy: policyId };
}
