/**
 * What else a seed means: plans, whose limits keys have. Each limit is small enough to be met within a simulation by whoever calls often. Drawn from a stream
 * of chance of its own, so that seeds without plans stay what they were.
 */
import type { Limit } from "@keyover/core";
import type { Chance } from "./chance.ts";

const SECOND = 1_000;

/** What operators do about plans: another size, another plan for a key, another default of the api. */
export const planDeeds = ["size", "give", "default"] as const;
export type PlanDeed = (typeof planDeeds)[number];

export interface PlanOptions {
  /** By their names. None: no key has a limit. */
  plans: Record<string, Limit[]>;
  /** The name of the api's default, or null. */
  defaultPlan: string | null;
  planDeeds: PlanDeed[];
  planDeedEveryMs: number;
  /** What a request costs, by the scope that it asks for. */
  costs: readonly [number, number];
  /** Quotas by day begin anew in the midst of it. */
  midnight: boolean;
  /** Between two requests of one instance, of half the consumers; 0: as others. */
  busyEveryMs: number;
}

const NO_PLANS: PlanOptions = {
  plans: {},
  defaultPlan: null,
  planDeeds: [],
  planDeedEveryMs: SECOND,
  costs: [1, 1],
  midnight: false,
  busyEveryMs: 0,
};

export function drawPlans(chance: Chance): PlanOptions {
  if (!chance.happens(0.25)) return NO_PLANS;
  const midnight = chance.happens(0.2);
  const shared = drawShared(chance, midnight);
  const names = ["small", "large", "other"].slice(0, chance.whole(1, 3));
  const plans = Object.fromEntries(
    names.map((name) => [name, [...drawOwn(chance, midnight), ...some(chance, shared)]]),
  );
  return {
    plans,
    defaultPlan: chance.happens(0.6) ? chance.pick(names) : null,
    planDeeds: chance.happens(0.6) ? planDeeds.filter(() => chance.happens(0.6)) : [],
    planDeedEveryMs: chance.pick([1, 3, 8]) * SECOND,
    costs: chance.pick([
      [1, 1],
      [1, 1],
      [1, 3],
      [0, 1],
      [1, 20],
    ] as const),
    midnight,
    busyEveryMs: chance.pick([0, 150, 300]),
  };
}

/** The same limits of another size, by the same days. Those that consumers share stay as they are: docs/limits.md asks for one size of them in all plans. */
export function resized(chance: Chance, limits: readonly Limit[], midnight: boolean): Limit[] {
  const sizes = drawAll(chance, midnight, "key");
  return limits.map((limit) => {
    const size = sizes.find(({ name }) => name === limit.name);
    if (size?.kind === "rate" && limit.kind === "rate") return size;
    return size === undefined ? limit : { ...limit, units: size.units };
  });
}

function drawOwn(chance: Chance, midnight: boolean): Limit[] {
  return some(chance, drawAll(chance, midnight, "key"));
}

function drawShared(chance: Chance, midnight: boolean): Limit[] {
  return chance.happens(0.5) ? some(chance, drawAll(chance, midnight, "consumer")) : [];
}

/** Each or not; the first if none. */
function some(chance: Chance, limits: readonly Limit[]): Limit[] {
  const chosen = limits.filter(() => chance.happens(0.6));
  return chosen.length === 0 ? limits.slice(0, 1) : chosen;
}

function drawAll(chance: Chance, midnight: boolean, per: Limit["per"]): Limit[] {
  const names = per === "key" ? (["pace", "daily"] as const) : (["shared-pace", "shared-daily"] as const);
  const windowMs = chance.pick([1, 1, 2, 4]) * SECOND;
  const [units, burst] = [chance.pick([1, 2, 5]), chance.pick([1, 2, 5, 20])];
  // At eight in the morning, UTC, it is midnight there.
  const zone = midnight ? "America/Los_Angeles" : chance.pick(["UTC", "Asia/Kolkata"]);
  const period = midnight || chance.happens(0.7) ? "day" : "month";
  return [
    { kind: "rate", name: names[0], per, units, windowMs, burst },
    { kind: "quota", name: names[1], per, units: chance.pick([5, 20, 60, 200, 1_500, 5_000]), period, zone },
  ];
}
