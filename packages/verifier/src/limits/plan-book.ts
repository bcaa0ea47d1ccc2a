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
  unitMs,
} from "@keyover/core";

/** A limit with what the hot path would otherwise work out on each request. */
export interface ReadyLimit {
  readonly limit: Limit;
  /** By kind and name. */
  readonly id: number;
  readonly ofConsumer: boolean;
  /** Of a rate: what a unit takes, in milliseconds. */
  readonly unit: number;
  readonly burst: number;
  /** Of a quota: the period that was looked up last. */
  period: Period | undefined;
}

export interface Plan {
  readonly record: PlanRecord;
  readonly limits: readonly ReadyLimit[];
}

export class PlanBook {
  /** Where the verifier's operator reads of what is wrong with a plan. */
  log: Log = () => undefined;
  #plans = new Map<string, Plan>();
  #default: Plan | undefined;
  #ids = new Map<string, number>();
  #names: { kind: Limit["kind"]; name: string }[] = [];
  #said = new Set<string>();

  /** True while no key can have a limit: then nothing is asked of a slot. */
  isEmpty = true;

  /** False if the same or a newer one is held. */
  put(record: PlanRecord): boolean {
    const held = this.#plans.get(record.plan);
    if (held !== undefined && held.record.seq >= record.seq) return false;
    this.#plans.set(record.plan, { record, limits: this.#ready(record) });
    this.#look();
    return true;
  }

  /** After a snapshot that began at `seq`: what it lacks, and no later entry brought, is gone. */
  settle(seq: number, present: readonly PlanRecord[]): void {
    const names = new Set(present.map(({ plan }) => plan));
    for (const [name, { record }] of this.#plans) if (record.seq <= seq && !names.has(name)) this.#plans.delete(name);
    for (const record of present) this.put(record);
    this.#look();
  }

  clear(): void {
    this.#plans.clear();
    this.#look();
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

  /** The number of a limit's name among those of its kind. Never given to another. */
  idOf(kind: Limit["kind"], name: string): number {
    const text = `${kind} ${name}`;
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#names.push({ kind, name }) - 1;
    this.#ids.set(text, id);
    return id;
  }

  nameOf(id: number): string {
    return (this.#names[id] as { name: string }).name;
  }

  isQuota(id: number): boolean {
    return this.#names[id]?.kind === "quota";
  }

  #look(): void {
    const plans = [...this.#plans.values()];
    this.isEmpty = plans.every(({ limits }) => limits.length === 0);
    this.#default = undefined;
    for (const plan of plans) {
      if (plan.record.default !== true) continue;
      if (this.#default === undefined || plan.record.seq > this.#default.record.seq) this.#default = plan;
    }
  }

  #ready({ plan, limits }: PlanRecord): ReadyLimit[] {
    return limits.flatMap((limit, i) => {
      const known = isOneOf(limit.kind, ["rate", "quota"]) && isOneOf(limit.per, ["key", "consumer"]);
      const isExtra = i >= limitBounds.limits || limits.findIndex(({ name }) => name === limit.name) < i;
      const problem = isExtra ? "one too many" : known ? limitsProblem([limit]) : "of an unknown kind";
      if (problem !== undefined) {
        this.#say("limits.not_understood", `${plan} ${limit.name}`, { problem });
        return [];
      }
      const rate = limit.kind === "rate" ? { unit: unitMs(limit), burst: limit.burst } : { unit: 0, burst: 0 };
      const id = this.idOf(limit.kind, limit.name);
      return [
        { limit: Object.freeze({ ...limit }), id, ofConsumer: limit.per === "consumer", ...rate, period: undefined },
      ];
    });
  }

  #say(event: string, plan: string, fields: Record<string, unknown>): void {
    const text = `${event} ${plan}`;
    if (this.#said.has(text)) return;
    this.#said.add(text);
    this.log("warn", event, { plan, ...fields });
  }
}

/** A newer authority may send what these types do not know. */
function isOneOf(value: string, known: readonly string[]): boolean {
  return known.includes(value);
}

/** The authority's clock may be corrected by so much without a look for another period. */
const CLOCK_SLACK_MS = 5_000;

/** The period of a quota at `now` (the authority's time). It goes back only if the clock went back by more than corrections do. */
export function periodAt(ready: ReadyLimit, limit: QuotaLimit, now: number): Period {
  const { period } = ready;
  if (period !== undefined && now < period.to && now >= period.from - CLOCK_SLACK_MS) return period;
  ready.period = periodOf(limit, now);
  return ready.period;
}
