/** The authority's side of limits, in memory: core's arithmetic on rows, by the rules of limit-state.ts, and nothing else. */
import {
  debtMax,
  type LimitUse,
  largestOf,
  type PlanRecord,
  quotaTold,
  type Report,
  type Spent,
  settleQuota,
  settleRate,
  type Told,
} from "@keyover/core";

export class Settling {
  readonly plans: PlanRecord[] = [];
  readonly uses = new Map<string, LimitUse>();
  /** Boots that can answer no more. */
  readonly ended = new Set<string>();
  verifiers = 1;
  reportEveryMs = 1_000;

  /** Counts what a report says, once. */
  settle({ boot, from, spent = [] }: Report, now: number): void {
    for (const each of spent) {
      const limit = this.#limitOf(each);
      const name = nameOf(each);
      const use = this.uses.get(name);
      if (limit === undefined) continue;
      if (limit.kind === "rate") {
        const since = each.since ?? from;
        const largest = largestOf(use, since, each.largest);
        const most = now + debtMax(limit, this.verifiers, this.reportEveryMs, largest);
        this.uses.set(name, settleRate(use, limit, each.units, since, most, { size: each.rate, largest, now }));
      } else {
        const { units, keeps, wants, holds, period = 0 } = each;
        const report = { boot, units, period, keeps, wants, holds, now, verifiers: this.verifiers, ended: this.ended };
        this.uses.set(name, settleQuota(use, limit, report));
      }
    }
  }

  /** What the answer says, also to a report that comes again. */
  told({ boot, spent = [] }: Report, now: number): Told[] {
    return spent.flatMap((each): Told[] => {
      const use = this.uses.get(nameOf(each));
      const { subject, limit } = each;
      if (use === undefined) return [];
      if (use.kind === "rate") return [{ subject, limit, owedMs: Math.max(0, use.tat - now) }];
      return [{ subject, limit, quota: quotaTold(use, boot) }];
    });
  }

  #limitOf({ limit }: Spent) {
    return this.plans.flatMap(({ limits }) => limits).find(({ name }) => name === limit);
  }
}

function nameOf({ subject, limit }: Spent): string {
  return `${subject} ${limit}`;
}
