/**
 * The limits that consumers' keys share, by name. Which plans a consumer's keys have is asked for all consumers of a report together, once,
 * and held for a while.
 */
import type { Clock, Limit, PlanRecord } from "@keyover/core";
import type { Store } from "../store/store.ts";
import { Held } from "./held.ts";

/** Of one api. */
export interface Plans {
  byHandle: ReadonlyMap<string, PlanRecord>;
  /** Of keys that name none. */
  standard: PlanRecord | undefined;
  /** Another, when one of them has changed. */
  version: number;
}

interface Wanted {
  /** The consumer. */
  subject: string;
  limit: string;
}

const CONSUMERS_FRESH_MS = 10_000;

export interface ConsumerLimits {
  /**
   * By consumer and name, with a space between: the limits of that name which plans of the consumer's keys have, the widest first. Only of
   * consumers that have such a key where the speaker may testify (`environments`; empty: all): a verifier of tests could otherwise use up what a
   * live consumer has, and would hear how much that is.
   */
  limits(
    apiId: string,
    environments: readonly string[],
    known: Plans,
    wanted: readonly Wanted[],
  ): Promise<Map<string, readonly Limit[]>>;
}

export function createConsumerLimits({ store, clock }: { store: Store; clock: Clock }): ConsumerLimits {
  const shared = new Held<readonly Limit[]>(clock, CONSUMERS_FRESH_MS);
  return {
    async limits(apiId, environments, known, wanted) {
      const heldAs = ({ subject, limit }: Wanted) =>
        `${apiId} ${known.version} ${environments.join()} ${subject} ${limit}`;
      const found = new Map<string, readonly Limit[]>();
      const missing: Wanted[] = [];
      for (const each of wanted) {
        const held = shared.get(heldAs(each));
        if (held === undefined) missing.push(each);
        else found.set(nameOf(each), held);
      }
      const given = [...new Set(missing.map(({ limit }) => limit))].flatMap((name) => givenBy(known, name));
      if (given.length === 0) return found;
      const keep = shared.reading();
      const subjects = [...new Set(missing.map(({ subject }) => subject))];
      const plans = [...new Set(given.flatMap(({ plans }) => plans))];
      const had = new Map<string, boolean>();
      for (const { consumerId, plan, isThere } of await store.plansOfConsumers(apiId, subjects, plans, environments))
        had.set(`${consumerId} ${plan}`, isThere);
      for (const each of missing) {
        const own = given.filter(
          ({ limit, plans }) => limit.name === each.limit && plans.some((plan) => had.has(`${each.subject} ${plan}`)),
        );
        const isThere = own.some(({ plans }) => plans.some((plan) => had.get(`${each.subject} ${plan}`)));
        if (!isThere) continue;
        const limits = own.map(({ limit }) => limit).sort((a, b) => widthOf(b) - widthOf(a));
        found.set(nameOf(each), keep(heldAs(each), limits));
      }
      return found;
    },
  };
}

function nameOf({ subject, limit }: Wanted): string {
  return `${subject} ${limit}`;
}

/** The consumers' limits of a name, and what keys have that have it: a plan of their own, or (null) none where it is the default's. */
function givenBy({ byHandle, standard }: Plans, name: string): { limit: Limit; plans: (string | null)[] }[] {
  return [...byHandle.values()].flatMap(({ plan, limits }) => {
    const limit = limits.find((each) => each.name === name && each.per === "consumer");
    return limit === undefined ? [] : [{ limit, plans: standard?.plan === plan ? [plan, null] : [plan] }];
  });
}

/** Units in a day, more or less. */
function widthOf(limit: Limit): number {
  if (limit.kind === "rate") return (limit.units / limit.windowMs) * 86_400_000;
  return limit.period === "day" ? limit.units : limit.units / 30;
}
