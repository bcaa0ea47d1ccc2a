/**
 * The plans of an api, as the feed and snapshots bring them, and what a decision needs of each. A newer one replaces an older of the
 * same handle, and never the other way round (I5).
 *
 * A limit that this verifier does not understand (of a kind, or in a zone, that it has never heard of) is passed over, and said once: the key's
 * holder can't help it, and the verifier's operator can.
 */
import {
  type Limit,
  type Log,
  limitBounds,
  limitsProblem,
  type Period,
  type PlanRecord,
  periodOf,
  type QuotaLimit,
  type RateLimit,
  type RateSize,
  sizeOf,
  unitMs,
} from "@keyover/core";
import { markOf } from "./limit-cells.ts";

/** A limit with what the hot path would otherwise work out on each request. */
export type ReadyLimit = ReadyRate | ReadyQuota;

export interface ReadyRate {
  readonly isRate: true;
  readonly limit: RateLimit;
  readonly ofConsumer: boolean;
  /** What stands beside the subject's handle in its cell. */
  readonly mark: number;
  /** What a unit takes, in milliseconds. */
  readonly unit: number;
  readonly burst: number;
}

export interface ReadyQuota {
  readonly isRate: false;
  readonly limit: QuotaLimit;
  readonly ofConsumer: boolean;
  readonly mark: number;
  /** The period that was looked up last. */
  period: Period | undefined;
}

export interface Plan {
  readonly record: PlanRecord;
  readonly limits: readonly ReadyLimit[];
  /** It has limits of the key, of the consumer. */
  readonly ofKey: boolean;
  readonly ofConsumer: boolean;
}

/** What a number stands for: a kind and a name; of a consumer's rate the size as well. */
interface Named {
  kind: Limit["kind"];
  name: string;
  size: RateSize | undefined;
}

/** So many former sizes of a consumer's rate are looked for. */
const FORMER_MAX = 4;

export class PlanBook {
  /** Where the verifier's operator reads of what is wrong with a plan. */
  log: Log = () => undefined;
  /** Called with a plan that came; without one when others may have come and gone. */
  onChange: (record?: PlanRecord) => void = () => undefined;
  #plans = new Map<string, Plan>();
  #default: Plan | undefined;
  #ids = new Map<string, number>();
  #names: Named[] = [];
  /** By name: sizes of consumers' rates that no plan has any more, the last ones. */
  #former = new Map<string, number[]>();
  /** Of each quota: in the plan that has most of it. */
  #mostUnits = new Map<number, number>();
  #said = new Set<string>();
  /** The last snapshot's number: what it lacked is not brought back by an answer from before. */
  #settledAt = -1;

  /** True while no key can have a limit: then nothing is asked of a slot. */
  isEmpty = true;

  /** False if the same or a newer one is held, or was gone by the last snapshot. */
  put(record: PlanRecord): boolean {
    if (!this.#plans.has(record.plan) && record.seq <= this.#settledAt) return false;
    if (!this.#put(record)) return false;
    this.#look();
    this.onChange(record);
    return true;
  }

  #put(record: PlanRecord): boolean {
    const held = this.#plans.get(record.plan);
    if (held !== undefined && held.record.seq >= record.seq) return false;
    this.#plans.set(record.plan, this.#ready(record));
    return true;
  }

  /** After a snapshot that began at `seq`: what it lacks, and no later entry brought, is gone. */
  settle(seq: number, present: readonly PlanRecord[]): void {
    const names = new Set(present.map(({ plan }) => plan));
    for (const [name, { record }] of this.#plans) if (record.seq <= seq && !names.has(name)) this.#plans.delete(name);
    for (const record of present) this.#put(record);
    // Without a number: all that another thread holds.
    if (Number.isFinite(seq)) this.#settledAt = seq;
    this.#look();
    this.onChange();
  }

  clear(): void {
    this.#plans.clear();
    this.#settledAt = -1;
    this.#look();
    this.onChange();
  }

  records(): PlanRecord[] {
    return [...this.#plans.values()].map(({ record }) => record);
  }

  /**
   * The plan of a key whose record names `handle`, or none. A plan that is named and not held can't be, because the feed brings it before the
   * key: should it happen, the key has no limits until the plan comes. To refuse it would break a promise to its holder (I1) for the
   * sake of a count.
   */
  of(handle: string | undefined): Plan | undefined {
    if (handle === undefined) return this.#default;
    const plan = this.#plans.get(handle);
    if (plan === undefined) this.#say("limits.plan_missing", handle, {});
    return plan;
  }

  /**
   * The numbers that a limit may have, of a consumer's rate for each size of that name, unless it is said which. None is ever given to
   * another.
   */
  idsOf(kind: Limit["kind"], name: string, ofConsumer: boolean, size: RateSize | undefined): number[] {
    if (kind === "quota" || !ofConsumer) return [this.#idOf({ kind, name, size: undefined })];
    if (size !== undefined) return [this.#idOf({ kind, name, size })];
    return this.#names.flatMap((each, id) => (each.name === name && each.size !== undefined ? [id] : []));
  }

  formerIds(name: string): readonly number[] {
    return this.#former.get(name) ?? NONE;
  }

  nameOf(id: number): string {
    return (this.#names[id] as Named).name;
  }

  isQuota(id: number): boolean {
    return this.#names[id]?.kind === "quota";
  }

  /** Of a quota, over all plans; undefined: none has it. */
  mostUnits(id: number): number | undefined {
    return this.#mostUnits.get(id);
  }

  #idOf({ kind, name, size }: Named): number {
    const text = size === undefined ? `${kind} ${name}` : `${kind} ${name} ${size.unitMs} ${size.burst}`;
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#names.push({ kind, name, size }) - 1;
    this.#ids.set(text, id);
    return id;
  }

  #look(): void {
    const plans = [...this.#plans.values()];
    this.isEmpty = plans.every(({ limits }) => limits.length === 0);
    this.#default = undefined;
    for (const plan of plans) {
      if (plan.record.default !== true) continue;
      if (this.#default === undefined || plan.record.seq > this.#default.record.seq) this.#default = plan;
    }
    this.#mostUnits.clear();
    for (const { limit } of plans.flatMap(({ limits }) => limits)) {
      if (limit.kind !== "quota") continue;
      const id = this.#idOf({ kind: limit.kind, name: limit.name, size: undefined });
      this.#mostUnits.set(id, Math.max(this.#mostUnits.get(id) ?? 0, limit.units));
    }
    this.#former.clear();
    const present = new Set(plans.flatMap(({ limits }) => limits.map(({ mark }) => mark)));
    for (const [id, { name, size }] of this.#names.entries()) {
      if (size === undefined || present.has(markOf(id, true))) continue;
      this.#former.set(name, [...(this.#former.get(name) ?? []), id].slice(-FORMER_MAX));
    }
  }

  #ready(record: PlanRecord): Plan {
    const { plan, limits: given } = record;
    const limits = given.flatMap((limit, i) => {
      const known = isOneOf(limit.kind, ["rate", "quota"]) && isOneOf(limit.per, ["key", "consumer"]);
      const isExtra = i >= limitBounds.limits || given.findIndex(({ name }) => name === limit.name) < i;
      const problem = isExtra ? "one too many" : known ? limitsProblem([limit]) : "of an unknown kind";
      if (problem === undefined) return [this.#readyLimit(Object.freeze({ ...limit }))];
      this.#say("limits.not_understood", `${plan} ${limit.name}`, { problem });
      return [];
    });
    return {
      record,
      limits,
      ofKey: limits.some(({ ofConsumer }) => !ofConsumer),
      ofConsumer: limits.some(({ ofConsumer }) => ofConsumer),
    };
  }

  #readyLimit(limit: Limit): ReadyLimit {
    const { kind, name } = limit;
    const ofConsumer = limit.per === "consumer";
    const size = kind === "rate" && ofConsumer ? sizeOf(limit) : undefined;
    const mark = markOf(this.#idOf({ kind, name, size }), ofConsumer);
    if (kind === "quota") return { isRate: false, limit, ofConsumer, mark, period: undefined };
    return { isRate: true, limit, ofConsumer, mark, unit: unitMs(limit), burst: limit.burst };
  }

  #say(event: string, plan: string, fields: Record<string, unknown>): void {
    const text = `${event} ${plan}`;
    if (this.#said.has(text)) return;
    this.#said.add(text);
    this.log("warn", event, { plan, ...fields });
  }
}

const NONE: readonly number[] = [];

/** A newer authority may send what these types do not know. */
function isOneOf(value: string, known: readonly string[]): boolean {
  return known.includes(value);
}

/** The authority's clock may be corrected by so much without a look for another period. */
const CLOCK_SLACK_MS = 5_000;

/** The period of a quota at `now` (the authority's time). It goes back only if the clock went back by more than corrections do. */
export function periodAt(ready: ReadyQuota, now: number): Period {
  const { limit, period } = ready;
  if (period !== undefined && now < period.to && now >= period.from - CLOCK_SLACK_MS) return period;
  ready.period = periodOf(limit, now);
  return ready.period;
}
