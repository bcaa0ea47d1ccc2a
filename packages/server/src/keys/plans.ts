/**
 * Plans: made, changed, removed. A plan belongs to an api, and every verifier of the api holds all of them: so a change is one feed entry, however
 * many keys have the plan. Which plan is the default of the api travels with the plan as well, for the same reason.
 */
import { isHandle, type Limit, limitsProblem, makeHandle, type PlanRecord, type World } from "@keyover/core";
import { accept, type Outcome, type Refusal, refuse } from "../outcome.ts";
import type { Api } from "../store/entities.ts";
import type { Plan } from "../store/plan-entities.ts";
import { type Check, type FeedDraft, type Held, put, type Store } from "../store/store.ts";
import type { Command, KeyDesk } from "./key-desk.ts";

/** A snapshot brings them in one line. */
const PLANS_PER_API_MAX = 200;

export interface NewPlan {
  name: string;
  limits: Limit[];
}

export type PlanPatch = { [K in keyof NewPlan]?: NewPlan[K] | undefined };

/** A plan, and how many keys have it as their own: so many are counted at most. */
export interface PlanUse {
  plan: Plan;
  isDefault: boolean;
  keys: number;
}

const KEYS_COUNTED_MAX = 10_000;

export interface Plans {
  /** By handle, or by its name in this api. */
  find(apiId: string, idOrName: string): Promise<Held<Plan> | undefined>;
  use(api: Api, plan: Plan): Promise<PlanUse>;
  create(api: Api, wanted: NewPlan, command: Command<Plan>): Promise<Outcome<Plan>>;
  change(api: Api, idOrName: string, patch: PlanPatch, command: Command<Plan>): Promise<Outcome<Plan>>;
  /** Only one that no key has. */
  remove(api: Api, idOrName: string, command: Command<Plan>): Promise<Outcome<Plan>>;
}

export function createPlans({ world, store, desk }: { world: World; store: Store; desk: KeyDesk }): Plans {
  const find = (apiId: string, idOrName: string) => findPlan(store, apiId, idOrName);
  const note = (actor: string, action: string, plan: Plan, details: Record<string, unknown>) => [
    { at: world.clock.now(), actor, action, subjects: [plan.id, plan.apiId], details },
  ];
  /** As it is now: whether a plan is the default is part of what verifiers are told of it. */
  const current = async (api: Api) => {
    const held = await store.get("api", api.id);
    if (held === undefined) throw new Error(`${api.id} does not exist`);
    return { api: held.value, check: { table: "api" as const, id: api.id, rev: held.rev } };
  };
  const unknown = (api: Api, idOrName: string) => refuse("not_found", `${api.name} has no plan ${idOrName}`);

  return {
    find,
    async use(api, plan) {
      const keys = await store.keysOfPlan(plan.apiId, plan.id, KEYS_COUNTED_MAX);
      return { plan, isDefault: api.defaultPlan === plan.id, keys };
    },

    async create(api, { name, limits }, command) {
      const wrong = (await desk.heldBack(api.id)) ?? problemOf(name, limits);
      if (wrong !== undefined) return wrong;
      if ((await store.count("plan", { equals: { api_id: api.id } })) >= PLANS_PER_API_MAX)
        return refuse("invalid_plan", `an api has ${PLANS_PER_API_MAX} plans at most; remove one that no key has`);
      const now = world.clock.now();
      const by = { createdAt: now, createdBy: command.actor, changedAt: now, changedBy: command.actor };
      const plan: Plan = { id: makeHandle("plan", now, world.random), apiId: api.id, name, limits, ...by };
      const committed = await desk.commit({
        writes: [put("plan", plan)],
        audit: note(command.actor, "plan.created", plan, { name, limits }),
        feed: [planDraft(plan, false)],
        idempotency: command.remember?.(plan),
      });
      return committed.ok ? accept(plan) : committed;
    },

    async change(named, idOrName, patch, command) {
      const held = await find(named.id, idOrName);
      if (held === undefined) return unknown(named, idOrName);
      const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined)) as PlanPatch;
      const described = { ...held.value, ...given } as Plan;
      const wrong = (await desk.heldBack(named.id)) ?? problemOf(described.name, described.limits);
      if (wrong !== undefined) return wrong;
      if (JSON.stringify(described) === JSON.stringify(held.value)) return accept(held.value);
      const plan: Plan = { ...described, changedAt: world.clock.now(), changedBy: command.actor };
      const { api, check } = await current(named);
      const committed = await desk.commit({
        writes: [put("plan", plan, held)],
        checks: [check],
        audit: note(command.actor, "plan.changed", plan, { ...given }),
        feed: [planDraft(plan, api.defaultPlan === plan.id)],
        idempotency: command.remember?.(plan),
      });
      return committed.ok ? accept(plan) : committed;
    },

    async remove(named, idOrName, command) {
      const held = await find(named.id, idOrName);
      if (held === undefined) return unknown(named, idOrName);
      const heldBack = await desk.heldBack(named.id);
      if (heldBack !== undefined) return heldBack;
      const plan = held.value;
      const { api, check } = await current(named);
      if (api.defaultPlan === plan.id)
        return refuse("plan_in_use", `${plan.name} is the default of ${api.name}; give it another, or none, first`);
      const keys = await store.keysOfPlan(api.id, plan.id, KEYS_COUNTED_MAX);
      if (keys > 0)
        return refuse("plan_in_use", `${keysText(keys)} ${plan.name}; give them another plan first`, { keys });
      const committed = await desk.commit({
        writes: [{ remove: "plan", id: plan.id }],
        checks: [check],
        audit: note(command.actor, "plan.removed", plan, { name: plan.name }),
        feed: [planDraft({ ...plan, limits: [] }, false, true)],
        idempotency: command.remember?.(plan),
      });
      return committed.ok ? accept(plan) : committed;
    },
  };
}

function keysText(keys: number): string {
  if (keys === 1) return "1 key has";
  return keys < KEYS_COUNTED_MAX ? `${keys} keys have` : `${KEYS_COUNTED_MAX} keys or more have`;
}

async function findPlan(store: Store, apiId: string, idOrName: string): Promise<Held<Plan> | undefined> {
  const byHandle = isHandle("plan", idOrName) ? await store.get("plan", idOrName) : undefined;
  if (byHandle !== undefined) return byHandle.value.apiId === apiId ? byHandle : undefined;
  return (await store.list("plan", { equals: { api_id: apiId, name: idOrName } }, { limit: 1 }))[0];
}

/** For whoever gives it to a key or an api: the plan, or why not. */
export async function knownPlan(store: Store, api: Api, idOrName: string): Promise<Outcome<Held<Plan>>> {
  const held = await findPlan(store, api.id, idOrName);
  if (held !== undefined) return accept(held);
  const plans = await store.list("plan", { equals: { api_id: api.id } }, { limit: PLANS_PER_API_MAX });
  const known = plans.map(({ value }) => value.name);
  const has = known.length === 0 ? "it has none" : `it has ${known.slice(0, 20).join(", ")}`;
  return refuse("unknown_plan", `${api.name} has no plan ${idOrName}; ${has}`, { known });
}

/** What verifiers are told of a plan. */
function planDraft({ id, apiId, name, limits }: Plan, isDefault: boolean, removed = false): FeedDraft {
  const plan: Omit<PlanRecord, "seq"> = { plan: id, name, limits };
  return {
    apiId,
    plan: { ...plan, ...(isDefault ? { default: true as const } : {}), ...(removed ? { removed: true as const } : {}) },
  };
}

/**
 * What verifiers are told when an api gets another default: the new one first, so that at no moment there is none. Neither may be changed or
 * removed beside this: they are told all of both.
 */
export async function defaultTold(
  store: Store,
  before: Api,
  next: Held<Plan> | undefined,
): Promise<{ feed: FeedDraft[]; checks: Check[] }> {
  const former = before.defaultPlan == null ? undefined : await store.get("plan", before.defaultPlan);
  const told = former?.value.id === next?.value.id ? [] : [next, former].filter((held) => held !== undefined);
  return {
    feed: told.map((held) => planDraft(held.value, held === next)),
    checks: told.map(({ value, rev }) => ({ table: "plan", id: value.id, rev })),
  };
}

function problemOf(name: string, limits: readonly Limit[]): Refusal | undefined {
  // By its name it is found where a handle could stand as well.
  if (isHandle("plan", name)) return refuse("invalid_plan", `"${name}" has the form of a handle; give the plan a name`);
  const problem = limitsProblem(limits);
  return problem === undefined ? undefined : refuse("invalid_plan", problem);
}
