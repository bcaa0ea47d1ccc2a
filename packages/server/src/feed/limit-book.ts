/**
 * Whose limits are whose: from what a verifier says it let through to the rows that are charged, and from a key to its limits.
 *
 * A verifier can speak of the keys that it is sent, of their consumers, and of limits that their plans have; anything else it says is passed
 * over. What a report speaks of is looked up together, not one by one; what was looked up is held for a while, and forgotten when
 * somebody changes it.
 *
 * Keys of one consumer may have different plans that share a consumer's limit by its name. Of a quota the widest counts: a use can't be told apart.
 * Rates of different sizes are counted each by itself, because a verifier says under which it was used.
 */
import {
  type Clock,
  type FeedEntry,
  isHandle,
  isSameSize,
  type Limit,
  type LimitUse,
  type Log,
  type PlanRecord,
  quotaTold,
  type RateSize,
  type Report,
  type Spent,
  sizeOf,
  type Told,
} from "@keyover/core";
import type { LimitCharge, Store } from "../store/store.ts";
import { createConsumerLimits, type Plans } from "./consumer-limits.ts";
import { Held } from "./held.ts";

/** A limit, and whose uses are counted for it. */
export interface OwnLimit {
  subject: string;
  limit: Limit;
  /** Of a consumer's rate: the sizes that plans of the api have under its name. */
  standing?: readonly RateSize[] | undefined;
}

/** What of a key its limits depend on. */
export interface Limited {
  id: string;
  apiId: string;
  consumerId: string;
  plan?: string | null | undefined;
}

export interface LimitBook {
  /** The plan that a key has: its own, or its api's default. */
  planOf(key: Limited): Promise<PlanRecord | undefined>;
  limitsOf(key: Limited): Promise<OwnLimit[]>;
  /** The plan that a record names, or its api's default; none, if there is none. As new as the record. */
  plansNamed(apiId: string, plan: string | undefined): Promise<PlanRecord[]>;
  /** What a report charges. `environments`: those whose keys the speaker may testify about; empty: all. */
  charges(apiId: string, environments: readonly string[], report: Report): Promise<LimitCharge[]>;
  /** Entries that were committed here. */
  published(entries: readonly { apiId: string; entry: FeedEntry }[]): void;
  /** Another process may have changed these. */
  forget(subjects: readonly string[]): void;
}

type KeyFacts = Limited & { environment: string };

const PLANS_FRESH_MS = 1_000;
const KEYS_FRESH_MS = 60_000;
const KEYS_TOGETHER = 500;

export function createLimitBook({ store, clock, log }: { store: Store; clock: Clock; log: Log }): LimitBook {
  const plans = new Held<Plans>(clock, PLANS_FRESH_MS);
  const keys = new Held<KeyFacts>(clock, KEYS_FRESH_MS);
  const consumers = createConsumerLimits({ store, clock });

  const plansOf = async (apiId: string): Promise<Plans> => {
    const held = plans.get(apiId);
    if (held !== undefined) return held;
    const keep = plans.reading();
    const read = standing(await store.planRecords(apiId));
    keep(apiId, read);
    return read;
  };

  const planIn = ({ byHandle, standard }: Plans, { plan }: Pick<Limited, "plan">) =>
    plan == null ? standard : byHandle.get(plan);

  const factsOf = async (ids: readonly string[]): Promise<Map<string, KeyFacts>> => {
    const found = new Map<string, KeyFacts>();
    const missing: string[] = [];
    for (const id of new Set(ids)) {
      const held = keys.get(id);
      if (held === undefined) missing.push(id);
      else found.set(id, held);
    }
    for (let at = 0; at < missing.length; at += KEYS_TOGETHER) {
      const keep = keys.reading();
      const values = missing.slice(at, at + KEYS_TOGETHER);
      for (const { value } of await store.list("key", { oneOf: { column: "id", values } }, { limit: values.length })) {
        const { id, apiId, consumerId, environment, plan } = value;
        found.set(id, keep(id, { id, apiId, consumerId, environment, plan }));
      }
    }
    return found;
  };

  return {
    async planOf(key) {
      return planIn(await plansOf(key.apiId), key);
    },
    async limitsOf(key) {
      const known = await plansOf(key.apiId);
      return (planIn(known, key)?.limits ?? []).map((limit) =>
        limit.per === "key"
          ? { subject: key.id, limit }
          : { subject: key.consumerId, limit, standing: sizesOf(known, limit) },
      );
    },
    async plansNamed(apiId, plan) {
      // Another process may have made it since.
      if (plan !== undefined && !(await plansOf(apiId)).byHandle.has(plan)) plans.forget([apiId]);
      const named = planIn(await plansOf(apiId), { plan });
      return named === undefined ? [] : [named];
    },

    async charges(apiId, environments, { spent = [], boot, from }) {
      if (spent.length === 0) return [];
      const known = await plansOf(apiId);
      const facts = await factsOf(spent.flatMap(({ subject }) => (isHandle("key", subject) ? [subject] : [])));
      const ofConsumers = spent.filter(({ subject }) => isHandle("consumer", subject));
      const shared = await consumers.limits(apiId, environments, known, ofConsumers);
      const limitOf = ({ subject, limit: name, rate }: Spent): Limit | undefined => {
        if (!isHandle("key", subject)) return chosen(shared.get(`${subject} ${name}`), rate);
        const key = facts.get(subject);
        if (key === undefined || key.apiId !== apiId) return undefined;
        if (environments.length > 0 && !environments.includes(key.environment)) return undefined;
        return planIn(known, key)?.limits.find((limit) => limit.name === name && limit.per === "key");
      };
      const charges = new Map<string, LimitCharge>();
      let foreign = 0;
      for (const each of spent) {
        const { subject, units, period = 0, since = from, keeps, wants, holds, rate, largest } = each;
        const limit = limitOf(each);
        if (limit === undefined) foreign++;
        else
          charges.set(`${subject} ${limit.name} ${period} ${rate?.unitMs} ${rate?.burst}`, {
            subject,
            limit,
            units,
            from: Math.min(since, from),
            period,
            keeps,
            wants,
            holds,
            rate,
            largest,
            standing: limit.per === "key" ? undefined : sizesOf(known, limit),
          });
      }
      if (foreign > 0) log("warn", "verifier.foreign_limit", { api: apiId, boot, count: foreign });
      return [...charges.values()];
    },

    published(entries) {
      for (const { apiId, entry } of entries) {
        if (entry.plan !== undefined) plans.forget([apiId]);
        if (entry.record !== undefined) keys.forget([entry.record.key]);
      }
    },
    forget(subjects) {
      keys.forget(subjects.filter((id) => isHandle("key", id)));
      if (subjects.some((id) => isHandle("plan", id) || isHandle("api", id))) plans.forget();
    },
  };
}

/** What the answer to a report says of a limit. */
export function toldOf({ subject, limit }: LimitCharge, use: LimitUse | undefined, boot: string, now: number): Told {
  const what = { subject, limit: limit.name };
  if (use?.kind === "quota") return { ...what, quota: quotaTold(use, boot) };
  const owed = { ...what, owedMs: Math.max(0, (use?.tat ?? now) - now) };
  return limit.kind === "rate" && limit.per === "consumer" ? { ...owed, rate: sizeOf(limit) } : owed;
}

/** Of the limits that a consumer's keys have under one name: of a rate the one of that size, else the first. */
function chosen(limits: readonly Limit[] | undefined, rate: RateSize | undefined): Limit | undefined {
  const same = (limit: Limit) => rate !== undefined && limit.kind === "rate" && isSameSize(sizeOf(limit), rate);
  return limits?.find(same) ?? limits?.[0];
}

/** The sizes of consumers' rates of this name, over all plans. */
function sizesOf({ byHandle }: Plans, limit: Limit): RateSize[] | undefined {
  if (limit.kind !== "rate") return undefined;
  return [...byHandle.values()].flatMap(({ limits }) =>
    limits.flatMap((each) =>
      each.kind === "rate" && each.per === "consumer" && each.name === limit.name ? [sizeOf(each)] : [],
    ),
  );
}

function standing(records: readonly PlanRecord[]): Plans {
  const standards = records.filter((record) => record.default === true).sort((a, b) => b.seq - a.seq);
  const byHandle = new Map(records.map((record) => [record.plan, record]));
  return { byHandle, standard: standards[0], version: Math.max(0, ...records.map(({ seq }) => seq)) };
}
