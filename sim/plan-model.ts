/**
 * The model's part on limits: which plans stood when, by the feed; what was let through, when in truth and by whom; and what of it reports have told, by
 * the committed rows. It counts nothing by itself: the checks do (check-use.ts, check-use-end.ts).
 *
 *     decision ──let through──▶ LimitPast.lets          report ──committed──▶ LimitPast.charges
 *                (subject, limit)   by process and boot                          by boot
 */
import type { FeedEntry, Limit, PlanRecord } from "@keyover/core";
import type { BootReport } from "../packages/server/src/store/store.ts";
import type { Process } from "./process.ts";

/** What a process has heard from authorities about one api. */
export interface Heard {
  /** Its registration that was answered last. */
  boot: string | undefined;
  /** Verifiers that may answer, as it was told; 1 until then. */
  verifiers: number;
  /** When an answer last arrived: a grant of its lease. */
  at: number;
}

export interface Let {
  at: number;
  units: number;
  process: Process;
  boot: string | undefined;
  verifiers: number;
}

export interface Charge {
  at: number;
  units: number;
  boot: string;
  /** Of a quota: the beginning of the period that it was told for. */
  period: number;
}

/** One limit of one key, or of one consumer in one api. */
export interface LimitPast {
  api: string;
  subject: string;
  name: string;
  /** The key that it was first asked for. */
  key: string;
  /** As it was applied, by text; the last one last. */
  sizes: Map<string, Limit>;
  lets: Let[];
  charges: Charge[];
  /** What each process may have let through already, by its own decisions alone: see check-use.ts. */
  owed: Map<Process, { tat: number; limit: Limit }>;
  /** Processes that have counted by their share, because they were cut off. */
  cut: Set<Process>;
  /** Since when a process has refused it early again and again, without letting anything through; and when last. */
  early: Map<Process, { since: number; last: number }>;
}

interface PlanState {
  at: number;
  record: PlanRecord;
}

export class PlanModel {
  /** There are plans in this seed. */
  on = false;
  /** Everything works, and every verifier has heard so. */
  goodSince = Number.POSITIVE_INFINITY;
  readonly limits = new Map<string, LimitPast>();
  /** By api; in the order of the feed. */
  readonly #states = new Map<string, PlanState[]>();
  /** Whose a boot is, from its registration on. */
  readonly bootOf = new Map<string, Process>();
  readonly #heard = new Map<Process, Map<string, Heard>>();

  fed(apiId: string, { plan }: FeedEntry, at: number): void {
    if (plan === undefined) return;
    const states = this.#states.get(apiId) ?? [];
    this.#states.set(apiId, [...states, { at, record: plan }]);
  }

  /** Limits of that name that these plans ever had. */
  sizesOf(api: string, plans: ReadonlySet<string | undefined>, name: string): Limit[] {
    const states = (this.#states.get(api) ?? []).filter(
      ({ record }) => plans.has(record.default === true ? undefined : record.plan) || plans.has(record.plan),
    );
    return states.flatMap(({ record }) => record.limits.filter((limit) => limit.name === name));
  }

  /** Limits of that name that plans have now. */
  standing(api: string, name: string): Limit[] {
    const last = new Map((this.#states.get(api) ?? []).map(({ record }) => [record.plan, record]));
    return [...last.values()].flatMap(({ limits }) => limits.filter((limit) => limit.name === name));
  }

  /** What a report told, from its commit on. Answers the limits that it speaks of. */
  recorded({ boot, limits }: BootReport, at: number): LimitPast[] {
    return (limits?.charges ?? []).map(({ subject, limit, units, period }) => {
      const past = this.limitOf(limits?.apiId ?? "", subject, limit, subject);
      past.charges.push({ at, units, boot: boot.boot, period });
      return past;
    });
  }

  limitOf(api: string, subject: string, { name }: Limit, key: string): LimitPast {
    const id = `${api} ${subject} ${name}`;
    const known = this.limits.get(id);
    if (known !== undefined) return known;
    const sizes = new Map<string, Limit>();
    const past = {
      api,
      subject,
      name,
      key,
      sizes,
      lets: [],
      charges: [],
      owed: new Map(),
      cut: new Set<Process>(),
      early: new Map(),
    };
    this.limits.set(id, past);
    return past;
  }

  heard(process: Process, api: string): Heard {
    let apis = this.#heard.get(process);
    if (apis === undefined) {
      apis = new Map();
      this.#heard.set(process, apis);
    }
    let heard = apis.get(api);
    if (heard === undefined) {
      heard = { boot: undefined, verifiers: 1, at: Number.NEGATIVE_INFINITY };
      apis.set(api, heard);
    }
    return heard;
  }

  /** Each list of limits that a plan had at some moment from then on; `plan`: a handle, or that of the default. */
  listsSince(api: string, plan: string | undefined, from: number): Limit[][] {
    const states = this.#states.get(api) ?? [];
    const first = states.findLastIndex(({ at }) => at <= from);
    const lists: Limit[][] = [];
    for (let i = first; i < states.length; i++) lists.push(listOf(states.slice(0, i + 1), plan));
    return lists;
  }

  /** Each list of limits that there ever was. */
  everyList(api: string): Limit[][] {
    return [[], ...(this.#states.get(api) ?? []).map(({ record }) => record.limits)];
  }
}

/** As the last of these states says. While an api gets another default two say that they are it: the later one is. */
function listOf(states: readonly PlanState[], plan: string | undefined): Limit[] {
  const last = new Map(states.map(({ record }) => [record.plan, record]));
  const standards = [...last.values()].filter((record) => record.default === true).sort((a, b) => b.seq - a.seq);
  return (plan === undefined ? standards[0] : last.get(plan))?.limits ?? [];
}

/** What processes have let through, and told of it, in all. */
export function toldBy(model: PlanModel, { charges }: LimitPast, process: Process): number {
  return charges.reduce((sum, { boot, units }) => (model.bootOf.get(boot) === process ? sum + units : sum), 0);
}

export function letBy({ lets }: LimitPast, process: Process): number {
  return lets.reduce((sum, each) => (each.process === process ? sum + each.units : sum), 0);
}
