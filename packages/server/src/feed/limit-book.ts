/**
 * Whose limits are whose: from what a verifier says it let through to the rows that are charged, and from a key to its limits.
 *
 * A verifier can speak of the keys that it is sent, of their consumers, and of limits that their plans have; anything else it says is passed
 * over. What a report speaks of is looked up together, not one by one; what was looked up is held for a while, and forgotten when
 * somebody changes it.
 *
 * Keys of one consumer may have different plans that share a consumer's limit by its name. Then the widest counts: a use can't be told apart.
 */
import {
  type Clock,
  type FeedEntry,
  isHandle,
  type Limit,
  type LimitUse,
  type Log,
  type PlanRecord,
  quotaTold,
  type Report,
  type Told,
} from "@keyover/core";
import type { LimitCharge, Store } from "../store/store.ts";

/** A limit, and whose uses are counted for it. */
export interface OwnLimit {
  subject: string;
  limit: Limit;
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
  /** What a report charges. `environments`: those whose keys the speaker may testify about; empty: all. */
  charges(apiId: string, environments: readonly string[], report: Report): Promise<LimitCharge[]>;
  /** Entries that were committed here. */
  published(entries: readonly { apiId: string; entry: FeedEntry }[]): void;
  /** Another process may have changed these. */
  forget(subjects: readonly string[]): void;
}

interface Plans {
  byHandle: ReadonlyMap<string, PlanRecord>;
  /** Of keys that name none. */
  standard: PlanRecord | undefined;
}

type KeyFacts = Limited & { environment: string };

const PLANS_FRESH_MS = 1_000;
const CONSUMERS_FRESH_MS = 10_000;
const KEYS_FRESH_MS = 60_000;
const HELD_MAX = 100_000;
const KEYS_TOGETHER = 500;

export function createLimitBook({ store, clock, log }: { store: Store; clock: Clock; log: Log }): LimitBook {
  const plans = new Held<Plans>(clock, PLANS_FRESH_MS);
  const keys = new Held<KeyFacts>(clock, KEYS_FRESH_MS);
  /** By consumer, api and limit: the limit that counts. */
  const shared = new Held<Limit>(clock, CONSUMERS_FRESH_MS);

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

  /**
   * The limits of consumers, each shared under a name; by consumer and name. Only of consumers that have such a key where the speaker may
   * testify: a verifier of tests could otherwise use up what a live consumer has, and would hear how much that is.
   */
  const sharedLimits = async (
    apiId: string,
    environments: readonly string[],
    known: Plans,
    wanted: readonly { subject: string; limit: string }[],
  ) => {
    const heldAs = (subject: string, limit: string) => `${apiId} ${environments.join()} ${subject} ${limit}`;
    const found = new Map<string, Limit>();
    const missing: (typeof wanted)[number][] = [];
    for (const each of wanted) {
      const held = shared.get(heldAs(each.subject, each.limit));
      if (held === undefined) missing.push(each);
      else found.set(`${each.subject} ${each.limit}`, held);
    }
    const asked = missing.flatMap(({ subject, limit: name }) =>
      [...known.byHandle.values()].flatMap(({ plan, limits }) => {
        const limit = limits.find((each) => each.name === name && each.per === "consumer");
        if (limit === undefined) return [];
        const own = { consumerId: subject, plan, limit };
        return known.standard?.plan === plan ? [own, { ...own, plan: null }] : [own];
      }),
    );
    const keep = shared.reading();
    const had = await store.plansOfConsumers(apiId, asked, []);
    const there = environments.length === 0 ? had : await store.plansOfConsumers(apiId, asked, environments);
    const widest = new Map<string, Limit>();
    const isThere = new Set<string>();
    for (const [i, { consumerId, limit }] of asked.entries()) {
      const name = `${consumerId} ${limit.name}`;
      const known = widest.get(name);
      if (had[i] && (known === undefined || widthOf(limit) > widthOf(known))) widest.set(name, limit);
      if (there[i]) isThere.add(name);
    }
    for (const { subject, limit: name } of missing) {
      const limit = widest.get(`${subject} ${name}`);
      if (limit !== undefined && isThere.has(`${subject} ${name}`))
        found.set(`${subject} ${name}`, keep(heldAs(subject, name), limit));
    }
    return found;
  };

  return {
    async planOf(key) {
      return planIn(await plansOf(key.apiId), key);
    },
    async limitsOf(key) {
      const plan = planIn(await plansOf(key.apiId), key);
      return (plan?.limits ?? []).map((limit) => ({ subject: limit.per === "key" ? key.id : key.consumerId, limit }));
    },

    async charges(apiId, environments, { spent = [], boot, from }) {
      if (spent.length === 0) return [];
      const known = await plansOf(apiId);
      const facts = await factsOf(spent.flatMap(({ subject }) => (isHandle("key", subject) ? [subject] : [])));
      const ofConsumers = spent.filter(({ subject }) => isHandle("consumer", subject));
      const limits = await sharedLimits(apiId, environments, known, ofConsumers);
      const limitOf = (subject: string, name: string): Limit | undefined => {
        if (!isHandle("key", subject)) return limits.get(`${subject} ${name}`);
        const key = facts.get(subject);
        if (key === undefined || key.apiId !== apiId) return undefined;
        if (environments.length > 0 && !environments.includes(key.environment)) return undefined;
        return planIn(known, key)?.limits.find((limit) => limit.name === name && limit.per === "key");
      };
      const charges = new Map<string, LimitCharge>();
      let foreign = 0;
      for (const { subject, limit: name, units, period = 0, since = from, keeps } of spent) {
        const limit = limitOf(subject, name);
        if (limit === undefined) foreign++;
        else
          charges.set(`${subject} ${name} ${period}`, {
            subject,
            limit,
            units,
            from: Math.min(since, from),
            period,
            keeps,
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
  return { ...what, owedMs: Math.max(0, (use?.tat ?? now) - now) };
}

function standing(records: readonly PlanRecord[]): Plans {
  const standards = records.filter((record) => record.default === true).sort((a, b) => b.seq - a.seq);
  return { byHandle: new Map(records.map((record) => [record.plan, record])), standard: standards[0] };
}

/** Units in a day, more or less. */
function widthOf(limit: Limit): number {
  if (limit.kind === "rate") return (limit.units / limit.windowMs) * 86_400_000;
  return limit.period === "day" ? limit.units : limit.units / 30;
}

/** What was read a while ago at most. */
class Held<T> {
  readonly #clock: Clock;
  readonly #freshMs: number;
  readonly #entries = new Map<string, { value: T; readAt: number }>();
  #changes = 0;

  constructor(clock: Clock, freshMs: number) {
    this.#clock = clock;
    this.#freshMs = freshMs;
  }

  get(name: string): T | undefined {
    const entry = this.#entries.get(name);
    return entry !== undefined && this.#clock.elapsed() - entry.readAt < this.#freshMs ? entry.value : undefined;
  }

  /** Call it before reading, and the answer with what was read: beside a change that may be from before it, and is good for this once alone. */
  reading(): (name: string, value: T) => T {
    const [changes, readAt] = [this.#changes, this.#clock.elapsed()];
    return (name, value) => {
      if (this.#entries.size >= HELD_MAX) this.#entries.clear();
      if (changes === this.#changes) this.#entries.set(name, { value, readAt });
      return value;
    };
  }

  /** Without names: all. */
  forget(names?: readonly string[]): void {
    if (names?.length === 0) return;
    this.#changes++;
    if (names === undefined) this.#entries.clear();
    else for (const name of names) this.#entries.delete(name);
  }
}
