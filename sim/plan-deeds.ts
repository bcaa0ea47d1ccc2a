/** People who give plans another size, keys another plan, and apis another default: at bad moments, often of a key in the midst of its rotation. */
import type { Limit } from "@keyover/core";
import type { Caller } from "./caller.ts";
import type { Chance } from "./chance.ts";
import type { Model } from "./model.ts";
import type { Options } from "./options.ts";
import { type PlanDeed, type PlanOptions, resized } from "./plan-options.ts";

export interface PlanDeedsParts {
  model: Model;
  options: Options;
  chance: Chance;
  callers: Caller[];
}

/** Until verifiers have heard how many they are. */
export const TOGETHER_MS = 2_500;

export class PlanOperators {
  readonly done = new Map<string, number>();
  readonly #parts: PlanDeedsParts;
  #over = false;

  constructor(parts: PlanDeedsParts) {
    this.#parts = parts;
  }

  begin(): void {
    const { model, options, chance } = this.#parts;
    if (options.planDeeds.length === 0) return;
    model.time.after(options.planDeedEveryMs * chance.between(0.2, 1.8), () => {
      if (this.#over) return;
      void this.#deed(chance.pick(options.planDeeds));
      this.begin();
    });
  }

  stop(): void {
    this.#over = true;
  }

  async #deed(kind: PlanDeed): Promise<void> {
    const { model, options, chance, callers } = this.#parts;
    const caller = chance.pick(callers);
    const keys = [...model.keys.values()].filter(({ key }) => key.status !== "revoked");
    if (keys.length === 0) return;
    const rotating = keys.filter(({ key }) => key.rotationId !== null);
    const past = chance.pick(rotating.length > 0 && chance.happens(0.7) ? rotating : keys);
    const name = chance.pick(Object.keys(options.plans));
    const deed = `plans: ${kind}`;
    this.done.set(deed, (this.done.get(deed) ?? 0) + 1);
    const or = <T>(one: T, other: T) => (chance.happens(0.7) ? one : other);
    if (kind === "size") {
      const limits = resized(chance, options.plans[name] as Limit[], options.midnight);
      await caller.call("PATCH", `/v1/apis/${past.apiId}/plans/${name}`, { limits });
    } else if (kind === "give")
      await caller.call("PATCH", `/v1/keys/${past.id}`, { plan: or<string | null>(name, null) });
    else await caller.call("PATCH", `/v1/apis/${past.apiId}`, { defaultPlan: or<string | null>(name, null) });
  }
}

export async function makePlans(
  { plans, defaultPlan }: PlanOptions,
  api: string,
  must: (method: string, path: string, body: object) => Promise<unknown>,
): Promise<void> {
  for (const [name, limits] of Object.entries(plans)) await must("POST", `${api}/plans`, { name, limits });
  if (defaultPlan !== null) await must("PATCH", api, { defaultPlan });
}

/** Of a new key; null: its api's default. */
export function planOf(chance: Chance, { plans }: PlanOptions): string | null {
  return chance.happens(0.7) ? chance.pick(Object.keys(plans)) : null;
}
