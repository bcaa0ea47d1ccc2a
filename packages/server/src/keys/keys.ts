/** Keys: create, describe, suspend, restore, revoke. */
import {
  changeStatus,
  covers,
  effectivePolicy,
  type Key,
  makeHandle,
  type NetworksMode,
  policyProblem,
  type RotationPolicyPatch,
  type KeyChange as StatusChange,
  unknownGrants,
  type World,
} from "@keyover/core";
import type { Custody } from "../custody/custody.ts";
import { accept, type Outcome, refuse } from "../outcome.ts";
import { type Api, isExpired } from "../store/entities.ts";
import type { Plan } from "../store/plan-entities.ts";
import type { Check, Held, Store } from "../store/store.ts";
import { KeyChange } from "./change.ts";
import { type Command, dateAnew, type KeyDesk } from "./key-desk.ts";
import { knownPlan } from "./plans.ts";

export interface NewKey {
  /** An api's handle or name. */
  apiId: string;
  environment: string;
  consumerId: string;
  name: string;
  scopes: string[];
  networks: string[];
  networksMode?: NetworksMode | undefined;
  /** Its handle or name; null or absent: none of its own. */
  plan?: string | null | undefined;
  labels: Record<string, string>;
  notes: string;
  policy: RotationPolicyPatch;
  expiresAt: number | null;
  /** SHA-256 of a secret that the consumer made. */
  sha256?: string | undefined;
}

export type KeyPatch = {
  [K in "name" | "scopes" | "networks" | "networksMode" | "plan" | "labels" | "notes" | "policy" | "expiresAt"]?:
    | Key[K]
    | undefined;
} & { /** Scopes may grow only where this says so. */ widen?: boolean | undefined };

export interface CreatedKey {
  key: Key;
  versionId: string;
}

export interface Keys {
  create(wanted: NewKey, command: Command<CreatedKey>): Promise<Outcome<CreatedKey>>;
  update(keyId: string, patch: KeyPatch, command: Command<Key>): Promise<Outcome<Key>>;
  changeStatus(
    keyId: string,
    change: StatusChange,
    reason: string | null,
    command: Command<Key>,
  ): Promise<Outcome<Key>>;
}

export interface KeysDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  custody: Custody;
}

export function createKeys({ world, store, desk, custody }: KeysDeps): Keys {
  const planFor = async (api: Api, idOrName: string | null | undefined): Promise<Outcome<Held<Plan> | undefined>> =>
    idOrName == null ? accept(undefined) : knownPlan(store, api, idOrName);

  return {
    async create(wanted, command) {
      const api = await store.get("api", wanted.apiId);
      if (api === undefined) return refuse("not_found", `there is no api ${wanted.apiId}`);
      const consumer = await store.get("consumer", wanted.consumerId);
      if (consumer === undefined) return refuse("not_found", `there is no consumer ${wanted.consumerId}`);
      const problem = newKeyProblem(api.value, wanted) ?? (await desk.heldBack(api.value.id));
      if (problem !== undefined) return problem;

      const plan = await planFor(api.value, wanted.plan);
      if (!plan.ok) return plan;
      const own = { consumerNetworks: consumer.value.networks, plan: plan.value?.value.id ?? null };
      const key: Key = { ...freshKey(wanted, command.actor, world), ...own };
      const policy = effectivePolicy(api.value.policy, key.policy);
      const state = { api: api.value, key: { value: key, rev: 0 }, versions: [], sealed: [], rotation: undefined };
      const change = new KeyChange(state, { world, custody, policy, actor: command.actor });
      change.follow(await desk.policies.of(api.value, key));
      if (plan.value !== undefined) change.relyOn(checkOf(plan.value));
      const version = change.createFirstVersion(wanted.sha256);
      change.note("key.created", { environment: key.environment, scopes: key.scopes, origin: version.origin });
      await dateAnew(desk.policies, change, api.value);
      const created = { key: change.key, versionId: version.id };
      const batch = change.batch();
      // Its networks, if they are changed meanwhile, reach the keys that there are.
      const checks = [
        ...(batch.checks ?? []),
        { table: "consumer" as const, id: consumer.value.id, rev: consumer.rev },
      ];
      const committed = await desk.commit({ ...batch, checks, idempotency: command.remember?.(created) });
      return committed.ok ? accept(created) : committed;
    },

    update(keyId, patch, command) {
      return desk.change(keyId, command, async (change, { api }) => {
        const problem = patchProblem(api, change.key, patch);
        if (problem !== undefined) return problem;
        const { widen: _widen, ...members } = patch;
        const plan = await planFor(api, members.plan);
        if (!plan.ok) return plan;
        if (plan.value !== undefined) {
          members.plan = plan.value.value.id;
          change.relyOn(checkOf(plan.value));
        }
        const given = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
        if (Object.keys(given).length === 0) return accept(change.key);
        const updated = { ...change.key, ...given };
        // A key that comes back from expiry was silent because it was refused: evidence starts again from here.
        const dated =
          given.expiresAt === undefined ? updated : { ...updated, graceUntil: null, expiryDone: change.now };
        const back = isExpired(change.key, change.now) && !isExpired(dated, change.now);
        change.key = back ? { ...dated, statusChangedAt: change.now } : dated;
        change.note("key.updated", given);
        await dateAnew(desk.policies, change, api);
        return accept(change.key);
      });
    },

    changeStatus(keyId, statusChange, reason, command) {
      return desk.change(keyId, { ...command, whileHeld: statusChange === "revoke" }, async (change, { api }) => {
        const outcome = changeStatus(change.key, statusChange, reason, change.now);
        if (!outcome.ok) return refuse(outcome.code, `key ${keyId} is ${change.key.status}`);
        const { key } = change;
        // It is suspended because nobody used it. A person who suspends it keeps it from being revoked for that.
        const taken = statusChange === "suspend" && key.idle?.suspendedAt != null;
        if (!outcome.changed && !taken) return accept(key);
        change.key = taken ? { ...key, statusReason: reason, idle: undefined, idleAt: undefined } : outcome.next;
        if (outcome.next.status !== "active") change.raise(`key.${outcome.next.status}`, { reason });
        change.note(`key.${outcome.next.status === "active" ? "restored" : outcome.next.status}`, { reason });
        await dateAnew(desk.policies, change, api);
        return accept(change.key);
      });
    },
  };
}

/** It can't be removed beside this. */
function checkOf({ value, rev }: Held<Plan>): Check {
  return { table: "plan", id: value.id, rev };
}

function freshKey(wanted: NewKey, actor: string, world: World): Key {
  const { sha256: _sha256, ...described } = wanted;
  const now = world.clock.now();
  return {
    ...described,
    id: makeHandle("key", now, world.random),
    status: "active",
    statusReason: null,
    statusChangedAt: now,
    currentVersion: 1,
    nextVersion: 2,
    rotationId: null,
    expiryDone: now,
    createdAt: now,
    createdBy: actor,
  };
}

function newKeyProblem(api: Api, wanted: NewKey) {
  if (!api.environments.includes(wanted.environment)) {
    return refuse("unknown_environment", `${api.name} has the environments ${api.environments.join(", ")}`, {
      known: api.environments,
    });
  }
  return scopesProblem(api, wanted.scopes) ?? ownPolicyProblem(api, wanted.policy);
}

function patchProblem(api: Api, key: Key, patch: KeyPatch) {
  if (key.status === "revoked") return refuse("key_is_revoked", `key ${key.id} is revoked`);
  if (patch.scopes !== undefined) {
    const unknown = scopesProblem(api, patch.scopes);
    if (unknown !== undefined) return unknown;
    if (patch.widen !== true && !covers(key.scopes, patch.scopes)) {
      return refuse(
        "scope_not_narrower",
        `the key has ${key.scopes.join(" ") || "no scopes"}; send "widen": true to give it more`,
        { held: key.scopes },
      );
    }
  }
  return ownPolicyProblem(api, patch.policy);
}

/** Grants that match no scope of the api are a spelling error, or ask for what does not exist. */
export function scopesProblem(api: Api, scopes: readonly string[]) {
  const unknown = unknownGrants(scopes, api.scopes);
  if (unknown.length === 0) return undefined;
  return refuse("unknown_scope", `${api.name} has no ${unknown.join(", ")}; it has ${api.scopes.join(", ")}`, {
    unknown,
    known: api.scopes,
  });
}

function ownPolicyProblem(api: Api, policy: RotationPolicyPatch | undefined) {
  if (policy === undefined) return undefined;
  const problem = policyProblem(effectivePolicy(api.policy, policy));
  return problem === undefined ? undefined : refuse("invalid_policy", problem);
}
