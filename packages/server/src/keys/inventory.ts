/** Apis and consumers: what keys belong to. */
import {
  effectivePolicy,
  environmentProblem,
  isHandle,
  makeHandle,
  policyProblem,
  prefixProblem,
  type RotationPolicyPatch,
  type StalenessPolicyPatch,
  scopeNameProblem,
  type World,
} from "@keyover/core";
import { accept, type Outcome, refuse } from "../outcome.ts";
import type { Api, Consumer } from "../store/entities.ts";
import { type Batch, type Held, put, type Store, type Write } from "../store/store.ts";
import type { Command, KeyDesk } from "./key-desk.ts";
import { defaultTold, knownPlan } from "./plans.ts";
import { Recent } from "./recent.ts";
import { replanOf } from "./replan.ts";

export interface NewApi {
  name: string;
  prefix: string;
  environments: string[];
  scopes: string[];
  policy: RotationPolicyPatch;
  staleness: StalenessPolicyPatch;
}

export interface ApiPatch {
  /** Environments and scopes to add; removing one that keys use would strand them. */
  addEnvironments?: string[] | undefined;
  addScopes?: string[] | undefined;
  policy?: RotationPolicyPatch | undefined;
  staleness?: StalenessPolicyPatch | undefined;
  /** Of keys without one of their own: handle or name; null: none. */
  defaultPlan?: string | null | undefined;
}

export interface NewConsumer {
  name: string;
  labels: Record<string, string>;
  notes: string;
  networks?: string[] | undefined;
}

export type ConsumerPatch = { [K in keyof NewConsumer]?: NewConsumer[K] | undefined };

export interface Inventory {
  createApi(wanted: NewApi, command: Command<Api>): Promise<Outcome<Api>>;
  updateApi(apiId: string, patch: ApiPatch, command: Command<Api>): Promise<Outcome<Api>>;
  createConsumer(wanted: NewConsumer, command: Command<Consumer>): Promise<Outcome<Consumer>>;
  updateConsumer(consumerId: string, patch: ConsumerPatch, command: Command<Consumer>): Promise<Outcome<Consumer>>;
  /** By handle, or by its unique name. */
  findApi(idOrName: string): Promise<Api | undefined>;
  /** Another process may have changed one. */
  forget(): void;
}

export function createInventory({ world, store, desk }: { world: World; store: Store; desk: KeyDesk }): Inventory {
  const recent = new Recent<Api>(world.clock);
  const commit = async <T extends Api | Consumer>(
    writes: Write | Write[],
    value: T,
    action: string,
    details: object,
    command: Command<T>,
    more: Partial<Pick<Batch, "feed" | "checks">> = {},
  ): Promise<Outcome<T>> => {
    const audit = {
      at: world.clock.now(),
      actor: command.actor,
      action,
      subjects: [value.id],
      details: { ...details },
    };
    const outcome = await desk.commit({
      writes: [writes].flat(),
      audit: [audit],
      feed: [],
      ...more,
      idempotency: command.remember?.(value),
    });
    recent.forget();
    return outcome.ok ? accept(value) : outcome;
  };
  const born = (actor: string) => ({ createdAt: world.clock.now(), createdBy: actor });

  return {
    async createApi(wanted, command) {
      const problem = apiProblem(wanted);
      if (problem !== undefined) return refuse("invalid_request", problem);
      const contradiction = policyProblem(effectivePolicy(wanted.policy));
      if (contradiction !== undefined) return refuse("invalid_policy", contradiction);
      const api: Api = { ...wanted, id: makeHandle("api", world.clock.now(), world.random), ...born(command.actor) };
      return commit(put("api", api), api, "api.created", wanted, command);
    },

    async updateApi(apiId, patch, command) {
      const held = await store.get("api", apiId);
      if (held === undefined) return refuse("not_found", `there is no api ${apiId}`);
      if (saysNothing(patch)) return accept(held.value);
      const api = patchedApi(held, patch);
      const problem = apiProblem(api);
      if (problem !== undefined) return refuse("invalid_request", problem);
      const contradiction = policyProblem(effectivePolicy(api.policy));
      if (contradiction !== undefined) return refuse("invalid_policy", contradiction);
      if (patch.defaultPlan === undefined) return commit(put("api", api, held), api, "api.updated", patch, command);
      const heldBack = await desk.heldBack(apiId);
      if (heldBack !== undefined) return heldBack;
      const plan = patch.defaultPlan === null ? accept(undefined) : await knownPlan(store, api, patch.defaultPlan);
      if (!plan.ok) return plan;
      api.defaultPlan = plan.value?.value.id ?? null;
      const said = { ...patch, defaultPlan: api.defaultPlan };
      const told = await defaultTold(store, held.value, plan.value);
      return commit(put("api", api, held), api, "api.updated", said, command, told);
    },

    async createConsumer(wanted, command) {
      const consumer: Consumer = {
        ...wanted,
        id: makeHandle("consumer", world.clock.now(), world.random),
        ...born(command.actor),
      };
      return commit(put("consumer", consumer), consumer, "consumer.created", { name: wanted.name }, command);
    },

    async updateConsumer(consumerId, patch, command) {
      const held = await store.get("consumer", consumerId);
      if (held === undefined) return refuse("not_found", `there is no consumer ${consumerId}`);
      if (saysNothing(patch)) return accept(held.value);
      const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
      const set = patch.networks === undefined ? {} : { networksSetAt: world.clock.now() };
      const consumer: Consumer = { ...held.value, ...given, ...set };
      const writes = [put("consumer", consumer, held)];
      // Its labels may bring other policies. Its networks are told to its keys.
      const others = patch.labels !== undefined && (await store.count("attachment", {})) > 0;
      if (others || patch.networks !== undefined) writes.push(replanOf({ consumerId }, consumerId, world));
      return commit(writes, consumer, "consumer.updated", given, command);
    },

    async findApi(idOrName) {
      return recent.get(idOrName, async () => {
        if (isHandle("api", idOrName)) return (await store.get("api", idOrName))?.value;
        const [byName] = await store.list("api", { equals: { name: idOrName } }, { limit: 1 });
        return byName?.value;
      });
    },

    forget: () => recent.forget(),
  };
}

function saysNothing(patch: object): boolean {
  return Object.values(patch).every((value) => value === undefined);
}

function patchedApi({ value }: Held<Api>, patch: ApiPatch): Api {
  return {
    ...value,
    environments: [...new Set([...value.environments, ...(patch.addEnvironments ?? [])])],
    scopes: [...new Set([...value.scopes, ...(patch.addScopes ?? [])])],
    policy: { ...value.policy, ...patch.policy },
    staleness: { ...value.staleness, ...patch.staleness },
  };
}

function apiProblem(api: NewApi): string | undefined {
  const problems = [
    prefixProblem(api.prefix),
    ...api.environments.map(environmentProblem),
    ...api.scopes.map(scopeNameProblem),
    duplicate(api.environments, "environment"),
    duplicate(api.scopes, "scope"),
  ];
  return problems.find((problem) => problem !== undefined);
}

function duplicate(names: readonly string[], what: string): string | undefined {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  return twice === undefined ? undefined : `the ${what} ${twice} is given twice`;
}
