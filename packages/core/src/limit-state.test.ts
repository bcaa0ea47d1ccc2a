import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  creditOf,
  keptOf,
  type LimitUse,
  limitStateOf,
  type QuotaUse,
  quotaTold,
  rateRemaining,
  rateWaitMs,
  settleQuota,
  spendLimit,
  spendRate,
} from "./limit-state.ts";
import type { QuotaLimit, RateLimit } from "./limits.ts";
import { debtMax, resizedUse, settleRate, unitMs } from "./rate-use.ts";

const DAY = 86_400_000;
const START = Date.UTC(2026, 10, 22);

/** A bucket that fills up, in whole numbers: the shortest way to say what a rate means. */
class Bucket {
  /** A unit is `windowMs` of these. */
  #held: bigint;
  #at: number;
  readonly #limit: RateLimit;

  constructor(limit: RateLimit, at: number) {
    this.#limit = limit;
    this.#at = at;
    this.#held = this.#size;
  }

  get #size(): bigint {
    return BigInt(this.#limit.burst) * BigInt(this.#limit.windowMs);
  }

  pass(at: number): void {
    this.#held += BigInt(at - this.#at) * BigInt(this.#limit.units);
    if (this.#held > this.#size) this.#held = this.#size;
    this.#at = at;
  }

  /** By how many units it has room for the request, or lacks it. More than the bucket holds is let out of a full one, and owed. */
  roomFor(cost: number): number {
    const needed = BigInt(Math.min(cost, this.#limit.burst)) * BigInt(this.#limit.windowMs);
    return Number(this.#held - needed) / this.#limit.windowMs;
  }

  get held(): number {
    return Number(this.#held) / this.#limit.windowMs;
  }

  take(cost: number): void {
    this.#held -= BigInt(cost) * BigInt(this.#limit.windowMs);
  }
}

describe("a rate", () => {
  const limits = fc.record({
    kind: fc.constant("rate" as const),
    name: fc.constant("r"),
    per: fc.constant("key" as const),
    units: fc.integer({ min: 1, max: 5_000 }),
    windowMs: fc.integer({ min: 1_000, max: 100_000 }),
    burst: fc.integer({ min: 1, max: 50 }),
  });
  const requests = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 60 })), {
    minLength: 1,
    maxLength: 200,
  });

  test.each([
    ["a process that started just now", 0],
    ["one that has run for a month", 30 * DAY],
  ])("is a bucket that fills up: %s", (_, start) => {
    fc.assert(
      fc.property(limits, requests, (limit, asked) => {
        const [unit, bucket] = [unitMs(limit), new Bucket(limit, start)];
        let [tat, at] = [start, start];
        for (const [pause, cost] of asked) {
          at += pause;
          bucket.pass(at);
          const room = bucket.roomFor(cost);
          const after = spendRate(tat, at, cost, unit, limit.burst);
          // Nearer than a hundredth of a unit either answer is one of rounding.
          if (Math.abs(room) > 0.01) expect([cost, after !== undefined]).toEqual([cost, room > 0]);
          const left = rateRemaining(tat, at, unit, limit.burst);
          expect(left).toBeGreaterThan(bucket.held - 1.01);
          expect(left).toBeLessThan(Math.max(0, bucket.held) + 0.01);
          if (after === undefined) {
            const wait = rateWaitMs(tat, at, cost, unit, limit.burst);
            expect(wait).toBeGreaterThan(0);
            expect(spendRate(tat, at + wait * 1.000001 + 0.001, cost, unit, limit.burst)).toBeDefined();
            if (wait > 0.1)
              expect(spendRate(tat, at + wait - 0.1 - unit / 100, cost, unit, limit.burst)).toBeUndefined();
          } else {
            expect(rateWaitMs(tat, at, cost, unit, limit.burst)).toBeLessThan(unit / 50 + 0.001);
            tat = after;
            bucket.take(cost);
          }
        }
      }),
    );
  });

  test("over many verifiers forgets nothing that was used within what can be owed, and never goes back", () => {
    const report = fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 40 }));
    fc.assert(
      fc.property(
        limits,
        fc.array(report, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        (limit, reports, verifiers) => {
          let now = START;
          let use: LimitUse | undefined;
          for (const [pause, used] of reports) {
            now += pause;
            const before = use?.kind === "rate" ? use.tat : Number.NEGATIVE_INFINITY;
            const free = settleRate(use, limit, used, now - 1_000).tat;
            const most = now + debtMax(limit, verifiers, 1_000);
            use = settleRate(use, limit, used, now - 1_000, most);
            expect(use.tat).toBeGreaterThanOrEqual(before);
            expect(use.tat).toBe(Math.max(before, Math.min(free, most)));
            if (free <= most)
              expect(use.tat).toBeGreaterThanOrEqual(Math.max(before, now - 1_000) + used * unitMs(limit) - 0.01);
          }
        },
      ),
    );
  });

  test("of one verifier that tells what it lets through never looks fuller than it is there", () => {
    fc.assert(
      fc.property(limits, requests, (limit, asked) => {
        const unit = unitMs(limit);
        let [tat, now, from, units] = [START, START, START, 0];
        let use: LimitUse | undefined;
        for (const [pause, cost] of asked) {
          now += pause;
          if (now - from >= 1_000) {
            use = settleRate(use, limit, units, from);
            expect(use.tat).toBeLessThanOrEqual(Math.max(tat, from) + 0.01);
            [from, units] = [now, 0];
          }
          const after = spendRate(tat, now, cost, unit, limit.burst);
          if (after !== undefined) [tat, units] = [after, units + cost];
        }
      }),
    );
  });
});

describe("a quota", () => {
  const limit = (units: number): QuotaLimit => ({
    kind: "quota",
    name: "q",
    per: "key",
    units,
    period: "day",
    zone: "UTC",
  });
  const none = new Set<string>();

  /** Some boots that use and report in any order; each abides by what it was told. `ends`: one says goodbye. */
  const steps = fc.array(
    fc.record({
      boot: fc.integer({ min: 0, max: 4 }),
      wants: fc.integer({ min: 0, max: 400 }),
      what: fc.constantFrom("use", "use", "report", "report", "report", "lost", "ends"),
    }),
    { minLength: 1, maxLength: 150 },
  );

  test.each([
    ["that wait until they have heard never use or are granted more than there is", false],
    ["never use more than there is and a credit for each but one", true],
  ])("over boots %s", (_, ahead) => {
    const count = 5;
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3_000 }),
        fc.integer({ min: 1, max: count }),
        steps,
        (units, verifiers, plan) => {
          const credit = ahead ? creditOf(units, verifiers) : 0;
          const most = units + (count - 1) * credit;
          const boots = Array.from({ length: count }, (_, i) => ({
            name: `boo_${i}`,
            room: credit,
            unsent: 0,
            used: 0,
            answered: false,
          }));
          const ended = new Set<string>();
          let use: QuotaUse | undefined;
          for (const { boot, wants, what } of plan) {
            const each = boots[boot] as (typeof boots)[number];
            if (ended.has(each.name)) continue;
            if (what === "use") {
              const takes = Math.max(0, Math.min(wants, each.room));
              each.room -= takes;
              each.unsent += takes;
              each.used += takes;
              continue;
            }
            const keeps = each.answered ? Math.min(each.room, keptOf(units, each.unsent, verifiers)) : undefined;
            if (keeps !== undefined) each.room = keeps;
            const { name, unsent } = each;
            use = settleQuota(use, limit(units), {
              boot: name,
              units: unsent,
              period: START,
              now: START,
              keeps,
              verifiers,
              ended,
            });
            each.unsent = 0;
            const granted = Object.values(use.boots).reduce((sum, { granted }) => sum + granted, use.settled);
            expect(granted).toBeLessThanOrEqual(most);
            const told = quotaTold(use, each.name);
            expect(told.own).toBe(each.used);
            if (what === "lost") continue;
            each.answered = true;
            each.room = told.granted - told.own;
            if (what === "ends") ended.add(each.name);
          }
          expect(boots.reduce((sum, { used }) => sum + used, 0)).toBeLessThanOrEqual(most);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("of one boot is used to the last unit and no further, if it reports", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 50 }), (units, each) => {
        let use: QuotaUse | undefined;
        let [room, used] = [creditOf(units, 1), 0];
        for (let n = 0; n < 5_100 && used < units; n++) {
          const takes = Math.min(each, room, units - used);
          used += takes;
          use = settleQuota(use, limit(units), {
            boot: "boo_1",
            units: takes,
            period: START,
            now: START,
            verifiers: 1,
            ended: none,
          });
          const told = quotaTold(use, "boo_1");
          room = told.granted - told.own;
          expect(told.granted).toBeLessThanOrEqual(units);
        }
        expect(used).toBe(units);
      }),
    );
  });

  const reported = (boot: string, units: number, more: object = {}) => ({
    boot,
    units,
    period: START,
    now: START,
    verifiers: 2,
    ended: none,
    ...more,
  });

  test("what a boot gives back another one gets", () => {
    const quota = limit(100);
    let use = settleQuota(undefined, quota, reported("a", 20));
    expect(use.boots).toEqual({ a: { spent: 20, granted: 60 } });
    use = settleQuota(use, quota, reported("b", 20));
    expect(quotaTold(use, "b")).toEqual({ period: START, used: 40, own: 20, granted: 30 });
    use = settleQuota(use, quota, reported("a", 0, { keeps: 3 }));
    expect(use.boots.a).toEqual({ spent: 20, granted: 23 });
    use = settleQuota(use, quota, reported("b", 10));
    expect(quotaTold(use, "b").granted).toBeGreaterThan(30);
  });

  test("what a boot that is over did not tell is free, what it told stays counted, and a straggler of it counts once more", () => {
    const quota = limit(100);
    let use = settleQuota(undefined, quota, reported("a", 40));
    const ended = new Set(["a"]);
    use = settleQuota(use, quota, reported("b", 10, { ended }));
    expect(use).toMatchObject({ settled: 40, boots: { b: { spent: 10 } } });
    use = settleQuota(use, quota, reported("a", 5, { ended }));
    expect(quotaTold(use, "b").used).toBe(55);
  });

  test("a new period begins with nothing used; what is said of the last one then changes nothing", () => {
    const quota = limit(100);
    let use = settleQuota(undefined, quota, reported("a", 90));
    use = settleQuota(use, quota, reported("a", 7, { now: START + DAY, period: START }));
    expect(quotaTold(use, "a")).toMatchObject({ period: START + DAY, used: 0, own: 0 });
    use = settleQuota(use, quota, reported("a", 7, { now: START + DAY, period: START + DAY }));
    expect(quotaTold(use, "a").used).toBe(7);
    // A clock that is put back does not bring a period back.
    use = settleQuota(use, quota, reported("a", 1, { now: START + DAY - 1, period: START + DAY }));
    expect(quotaTold(use, "a")).toMatchObject({ period: START + DAY, used: 8 });
  });

  test("what a verifier may use unheard is a share of a small quota, and a tenth of that of a large one", () => {
    expect([1, 2, 10, 100].map((verifiers) => creditOf(100, verifiers))).toEqual([100, 50, 10, 1]);
    expect([1, 2, 10].map((verifiers) => creditOf(1_000_000, verifiers))).toEqual([100_000, 50_000, 10_000]);
    expect(creditOf(1, 50)).toBe(1);
    expect(creditOf(1_000, 4)).toBe(100);
  });
});

describe("a limit that has become another, or a clock that was set", () => {
  const perDay: RateLimit = { kind: "rate", name: "r", per: "key", units: 1_000, windowMs: DAY, burst: 1_000 };
  const perSecond: RateLimit = { ...perDay, units: 100, windowMs: 1_000, burst: 200 };
  const quota = (period: "day" | "month", units = 10): QuotaLimit => ({
    kind: "quota",
    name: "q",
    per: "key",
    units,
    period,
    zone: "UTC",
  });
  const told = (units: number, period: number, now: number) => ({
    boot: "boo_1",
    units,
    period,
    now,
    verifiers: 1,
    ended: new Set<string>(),
  });

  test("of a thousand a day that are used up, nobody waits for a day under a hundred a second", () => {
    const usedUp = settleRate(undefined, perDay, 1_000, START, START + DAY);
    expect(limitStateOf(usedUp, perSecond, START).resetMs).toBeLessThanOrEqual(2_000);
    const resized = resizedUse(usedUp, perSecond, START);
    expect(spendLimit(resized, perSecond, 1, START + 9)).toHaveProperty("waitMs");
    expect(spendLimit(resized, perSecond, 1, START + 10)).toHaveProperty("use");
    const later = settleRate(usedUp, perSecond, 1, START, START + debtMax(perSecond, 1, 1_000));
    expect(later.tat - START).toBeLessThanOrEqual(4_000);
    expect(spendLimit(usedUp, perDay, 1, START)).toHaveProperty("waitMs");
  });

  test("what is owed of a fast rate takes no longer under a slow one", () => {
    const used = settleRate(undefined, perSecond, 200, START);
    expect(limitStateOf(used, perDay, START).resetMs).toBeLessThanOrEqual(2_000);
  });

  test("a clock that was an hour ahead leaves no hour to wait", () => {
    const ahead = settleRate(undefined, perSecond, 1, START + 3_600_000, START + 3_604_000);
    const after = settleRate(ahead, perSecond, 1, START, START + debtMax(perSecond, 1, 1_000));
    expect(after.tat - START).toBeLessThanOrEqual(4_000);
  });

  test("a day's quota that becomes a month's goes on, whoever is asked", () => {
    const at = START + 3_600_000;
    const used = settleQuota(undefined, quota("day"), told(4, START, at));
    const month = Date.UTC(2026, 10, 1);
    expect(limitStateOf(used, quota("month"), at).remaining).toBe(6);
    const spent = spendLimit(used, quota("month", 100), 1, at);
    const use = "use" in spent ? (spent.use as QuotaUse) : expect.fail();
    expect(use.period).toBe(START);
    // Of a verifier that has known the quota since it is a month's.
    expect(quotaTold(settleQuota(use, quota("month", 100), told(2, month, at)), "boo_1")).toMatchObject({
      own: 6,
      used: 7,
      period: START,
    });
  });

  test("a process whose clock is a little behind does not begin the period anew", () => {
    const next = settleQuota(undefined, quota("day"), told(10, START, START + 5));
    expect(spendLimit(next, quota("day"), 1, START - 5)).toEqual({ waitMs: DAY + 5 });
  });

  test("a period that is far ahead, by a clock that was wrong, is not waited for", () => {
    const far = settleQuota(undefined, quota("day"), told(10, START + 99 * DAY, START + 99 * DAY));
    expect(limitStateOf(far, quota("day"), START).remaining).toBe(10);
    expect(settleQuota(far, quota("day"), told(1, START, START)).period).toBe(START);
    expect(spendLimit(far, quota("day"), 1, START)).toHaveProperty("use");
  });
});
