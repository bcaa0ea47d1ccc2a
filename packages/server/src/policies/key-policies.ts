/**
 * Which policy holds for a key, from the store as it is: what its api says, what is attached to its api, environment, consumer's labels and
 * to itself, and what the key says. Of many keys at once, with a few reads for all of them.
 */
import {
  type Clock,
  endOfKey,
  idleDate,
  type Key,
  type Layer,
  nextExpiryStep,
  nextStart,
  type ResolvedPolicy,
  type RotationPolicyPatch,
  resolvePolicy,
  scheduleSince,
  targetsOf,
  targetText,
} from "@keyover/core";
import type { GuardedPolicy, KeyPolicies } from "../keys/key-desk.ts";
import type { Api, Entities, EntityName } from "../store/entities.ts";
import type { Attachment, Policy } from "../store/policy-entities.ts";
import type { Check, Held, Store } from "../store/store.ts";
import { cronNext } from "./cron.ts";

export interface Policies extends KeyPolicies {
  /** In the order of the keys. */
  ofMany(keys: readonly Key[]): Promise<ResolvedPolicy[]>;
  /** The same, and what a commit has to check that relies on it. */
  guarded(keys: readonly Key[]): Promise<GuardedPolicy[]>;
  /** Names of the channels by which notices about these keys go out, by key; those without any are missing. */
  channelsOf(keyIds: readonly string[]): Promise<Map<string, string[]>>;
}

/** With more policies than these, one that is attached for the first time in the midst of a commit is found by the patrol alone. */
const GUARDED_MAX = 200;

export async function createKeyPolicies(store: Store, clock: Clock): Promise<Policies> {
  // Keys that were there before there were schedules do not all rotate on that day.
  const known = await store.settled("schedules.since");
  const installedAt = Number(known ?? (await store.settle("schedules.since", String(clock.now()))));

  const startOf: Policies["nextStart"] = (key, activatedAt, policy, notBefore = 0) => {
    // A key that is announced as idle has nobody who would take a successor.
    if (key.status !== "active" || key.idle != null || activatedAt === null) return null;
    const facts = {
      keyId: key.id,
      activatedAt,
      last: key.lastRotation ?? null,
      since: scheduleSince(policy, installedAt),
      notBefore,
    };
    const start = nextStart(policy.schedule, facts, cronNext);
    const end = endOfKey(key);
    // What ends first needs no successor.
    return start === null || (end !== null && start.at >= end) ? null : start;
  };

  const resolve = async (
    keys: readonly Key[],
    apiOf: (id: string) => Api | undefined,
    start?: RotationPolicyPatch,
  ): Promise<GuardedPolicy[]> => {
    const consumers = await byId(
      store,
      "consumer",
      keys.map(({ consumerId }) => consumerId),
    );
    const targets = keys.map((key) =>
      targetsOf(key, consumers.get(key.consumerId)?.value.labels ?? {}).map(targetText),
    );
    const attached = await attachedTo(store, targets.flat());
    const policies = await byId(
      store,
      "policy",
      [...attached.values()].flat().map(({ value }) => value.policyId),
    );
    return keys.map((key, i) => {
      const named = (targets[i] as string[]).flatMap((target) => attached.get(target) ?? []);
      const layers: Layer[] = named.flatMap(({ value }) => layerOf(value, policies.get(value.policyId)?.value));
      layers.push(
        { rule: { kind: "api" }, spec: apiOf(key.apiId)?.policy ?? {} },
        { rule: { kind: "key" }, spec: key.policy },
      );
      if (start !== undefined) layers.push({ rule: { kind: "start" }, spec: start });
      const checks = [
        ...checksOf("consumer", [consumers.get(key.consumerId)]),
        ...checksOf("attachment", named),
        ...checksOf(
          "policy",
          named.map(({ value }) => policies.get(value.policyId)),
        ),
      ];
      return { policy: resolvePolicy(layers), checks };
    });
  };

  const guarded: Policies["guarded"] = async (keys) => {
    // Who attaches a policy writes its row too: so one that reaches these keys from now on is one of all.
    const all = await store.list("policy", {}, { limit: GUARDED_MAX + 1 });
    const any = all.length > GUARDED_MAX ? [] : checksOf("policy", all);
    const apis = await byId(
      store,
      "api",
      keys.map(({ apiId }) => apiId),
    );
    const found = await resolve(keys, (id) => apis.get(id)?.value);
    return found.map(({ policy, checks }, i) => {
      const api = checksOf("api", [apis.get(keys[i]?.apiId ?? "")]);
      return { policy, checks: [...api, ...checks, ...any] };
    });
  };

  const ofMany: Policies["ofMany"] = async (keys) => {
    const apis = await byId(
      store,
      "api",
      keys.map(({ apiId }) => apiId),
    );
    return (await resolve(keys, (id) => apis.get(id)?.value)).map(({ policy }) => policy);
  };

  return {
    async of(api, key, start) {
      return (await resolve([key], () => api, start))[0]?.policy as ResolvedPolicy;
    },
    ofMany,
    guarded,
    async channelsOf(keyIds) {
      const keys = [...(await byId(store, "key", keyIds)).values()].map(({ value }) => value);
      const resolved = keys.length === 0 ? [] : await ofMany(keys);
      const named = keys.map(({ id }, i): [string, string[]] => [id, resolved[i]?.channels ?? []]);
      return new Map(named.filter(([, channels]) => channels.length > 0));
    },
    dates(key, activatedAt, policy, accepted) {
      const now = clock.now();
      const { due, next } = nextExpiryStep(key, policy.expiry, key.expiryDone ?? 0, now);
      return {
        rotateAt: startOf(key, activatedAt, policy)?.at ?? null,
        expiryAt: key.status === "revoked" ? null : (due?.at ?? next),
        idleAt: idleDate(key, policy.idle, now, accepted),
      };
    },
    nextStart: startOf,
  };
}

function layerOf({ id, target, createdAt }: Attachment, policy: Policy | undefined): Layer[] {
  if (policy === undefined) return [];
  const { name, version, spec, scheduleChangedAt } = policy;
  const since = Math.max(scheduleChangedAt, createdAt);
  const where = { attachment: id, target, attachedAt: createdAt, scheduleSince: since };
  return [{ rule: { kind: "policy", policy: policy.id, name, version, ...where }, spec }];
}

/** Any database takes so many values in one question. */
const VALUES_MAX = 5_000;

async function byId<N extends "api" | "consumer" | "policy" | "key">(store: Store, table: N, ids: readonly string[]) {
  const found = new Map<string, Held<Entities[N]>>();
  for (const values of pieces([...new Set(ids)])) {
    const rows = await store.list(table, { oneOf: { column: "id", values } }, { limit: values.length });
    for (const held of rows) found.set(held.value.id, held);
  }
  return found;
}

/** Of what was read: that it is still as it was. */
function checksOf(table: EntityName, rows: readonly (Held<{ id: string }> | undefined)[]): Check[] {
  return rows.flatMap((held) => (held === undefined ? [] : [{ table, id: held.value.id, rev: held.rev }]));
}

async function attachedTo(store: Store, targets: readonly string[]): Promise<Map<string, Held<Attachment>[]>> {
  const found = new Map<string, Held<Attachment>[]>();
  for (const values of pieces([...new Set(targets)])) {
    const rows = await store.list("attachment", { oneOf: { column: "target", values } }, { limit: 100_000 });
    for (const held of rows) {
      const text = targetText(held.value.target);
      found.set(text, [...(found.get(text) ?? []), held]);
    }
  }
  return found;
}

function pieces(values: readonly string[]): string[][] {
  const count = Math.ceil(values.length / VALUES_MAX);
  return Array.from({ length: count }, (_, i) => values.slice(i * VALUES_MAX, (i + 1) * VALUES_MAX));
}
