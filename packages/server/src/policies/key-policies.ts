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
import type { KeyPolicies } from "../keys/key-desk.ts";
import type { Api } from "../store/entities.ts";
import type { Attachment, Policy } from "../store/policy-entities.ts";
import type { Store } from "../store/store.ts";
import { cronNext } from "./cron.ts";

export interface Policies extends KeyPolicies {
  /** In the order of the keys. */
  ofMany(keys: readonly Key[]): Promise<ResolvedPolicy[]>;
  /** Names of the channels by which notices about these keys go out, by key; those without any are missing. */
  channelsOf(keyIds: readonly string[]): Promise<Map<string, string[]>>;
}

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
  ): Promise<ResolvedPolicy[]> => {
    const consumers = await byId(
      store,
      "consumer",
      keys.map(({ consumerId }) => consumerId),
    );
    const targets = keys.map((key) => targetsOf(key, consumers.get(key.consumerId)?.labels ?? {}).map(targetText));
    const attached = await attachedTo(store, targets.flat());
    const policies = await byId(
      store,
      "policy",
      [...attached.values()].flat().map(({ policyId }) => policyId),
    );
    return keys.map((key, i) => {
      const named = (targets[i] as string[]).flatMap((target) => attached.get(target) ?? []);
      const layers: Layer[] = named.flatMap((attachment) => layerOf(attachment, policies.get(attachment.policyId)));
      layers.push(
        { rule: { kind: "api" }, spec: apiOf(key.apiId)?.policy ?? {} },
        { rule: { kind: "key" }, spec: key.policy },
      );
      if (start !== undefined) layers.push({ rule: { kind: "start" }, spec: start });
      return resolvePolicy(layers);
    });
  };

  const ofMany: Policies["ofMany"] = async (keys) => {
    const apis = await byId(
      store,
      "api",
      keys.map(({ apiId }) => apiId),
    );
    return resolve(keys, (id) => apis.get(id));
  };

  return {
    async of(api, key, start) {
      return (await resolve([key], () => api, start))[0] as ResolvedPolicy;
    },
    ofMany,
    async channelsOf(keyIds) {
      const keys = [...(await byId(store, "key", keyIds)).values()];
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
  const found = new Map<string, Extract<Awaited<ReturnType<typeof store.get<N>>>, object>["value"]>();
  for (const values of pieces([...new Set(ids)])) {
    const rows = await store.list(table, { oneOf: { column: "id", values } }, { limit: values.length });
    for (const { value } of rows) found.set(value.id, value);
  }
  return found;
}

async function attachedTo(store: Store, targets: readonly string[]): Promise<Map<string, Attachment[]>> {
  const found = new Map<string, Attachment[]>();
  for (const values of pieces([...new Set(targets)])) {
    const rows = await store.list("attachment", { oneOf: { column: "target", values } }, { limit: 100_000 });
    for (const { value } of rows) {
      const text = targetText(value.target);
      found.set(text, [...(found.get(text) ?? []), value]);
    }
  }
  return found;
}

function pieces(values: readonly string[]): string[][] {
  const count = Math.ceil(values.length / VALUES_MAX);
  return Array.from({ length: count }, (_, i) => values.slice(i * VALUES_MAX, (i + 1) * VALUES_MAX));
}
