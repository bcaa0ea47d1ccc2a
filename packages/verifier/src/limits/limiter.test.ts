/** One limiter by itself: what it tells of rates whose size changes, and of consumers whose keys have different plans. */
import type { Limit, PlanRecord } from "@keyover/core";
import { expect, test } from "vitest";
import { AuthorityClock } from "../lease.ts";
import { Limiter } from "./limiter.ts";
import { PlanBook } from "./plan-book.ts";

const EPOCH = Date.UTC(2026, 10, 22, 12);
const rate = (units: number, burst: number, per: Limit["per"] = "key", windowMs = 1_000): Limit => ({
  kind: "rate",
  name: "rate",
  per,
  units,
  windowMs,
  burst,
});

class Bench {
  at = 5_000;
  readonly plans = new PlanBook();
  readonly limiter: Limiter;
  #seq = 0;

  constructor() {
    const elapsed = () => this.at;
    const world = {
      clock: { now: () => 0, elapsed, after: () => () => {} },
      random: () => new Uint8Array(),
      fetch: globalThis.fetch,
      log: () => {},
    };
    const clock = new AuthorityClock(world.clock);
    clock.heard(EPOCH, this.at, this.at);
    this.limiter = new Limiter(world, clock, this.plans);
    this.limiter.heard({ now: EPOCH, verifiers: 1 }, this.at);
  }

  plan(plan: string, ...limits: Limit[]): void {
    const record: PlanRecord = { seq: ++this.#seq, plan, name: plan, limits };
    this.plans.put(record);
  }

  /** How often a key with this plan is let through, at most `most` times. */
  take(plan: string, most: number, key = "key_1", cost = 1): number {
    const subjects = { subjectAt: (_: number, ofConsumer: boolean) => (ofConsumer ? "con_1" : key) };
    const held = this.plans.of(plan);
    if (held === undefined) throw new Error(`no ${plan}`);
    let count = 0;
    while (count < most && this.limiter.take(subjects, 0, held, cost, this.at).code === "ok") count++;
    return count;
  }

  drain() {
    return this.limiter.drain(EPOCH).map(({ units, refused, rate }) => ({ units, refused, rate }));
  }
}

test("what was used before a downgrade is told under the size that it was used under", () => {
  const bench = new Bench();
  bench.plan("pln_1", rate(100, 200));
  expect(bench.take("pln_1", 150)).toBe(150);
  bench.plan("pln_1", rate(5, 5));
  bench.at += 1_490;
  expect(bench.take("pln_1", 9)).toBe(4);
  expect(bench.drain()).toEqual([
    { units: 150, refused: 0, rate: { unitMs: 10, burst: 200 } },
    { units: 4, refused: 1, rate: { unitMs: 200, burst: 5 } },
  ]);
  expect(bench.drain()).toEqual([]);
});

test("what was set aside and could not be told goes with the next report, under its own size", () => {
  const bench = new Bench();
  bench.plan("pln_1", rate(100, 200));
  bench.take("pln_1", 7);
  const lost = bench.limiter.drain(EPOCH);
  bench.plan("pln_1", rate(5, 5));
  bench.take("pln_1", 1);
  bench.limiter.untold(lost, EPOCH - 2_000);
  expect(bench.limiter.drain(EPOCH)).toMatchObject([
    { units: 7, rate: { unitMs: 10 }, since: EPOCH - 2_000 },
    { units: 1, rate: { unitMs: 200 } },
  ]);
});

test("what a request cost beyond the burst is told with it, set aside or said again, and not with later ones", () => {
  const bench = new Bench();
  const largest = () => bench.limiter.drain(EPOCH).map((spent) => spent.largest);
  bench.plan("pln_1", rate(100, 10), { ...rate(100, 50), name: "second" });
  bench.take("pln_1", 1, "key_1", 30);
  const lost = bench.limiter.drain(EPOCH);
  expect(lost.map((spent) => spent.largest)).toEqual([30, undefined]);
  bench.at += 1_000;
  bench.take("pln_1", 1, "key_1", 20);
  bench.limiter.untold(lost, EPOCH);
  expect(largest()).toEqual([30, undefined]);
  bench.at += 1_000;
  bench.take("pln_1", 1, "key_1", 5);
  expect(largest()).toEqual([undefined, undefined]);
  bench.at += 1_000;
  bench.take("pln_1", 1, "key_1", 20);
  bench.plan("pln_1", rate(1_000, 10));
  bench.at += 1_000;
  bench.take("pln_1", 1);
  bench.limiter.untold(lost.slice(0, 1), EPOCH);
  expect(largest()).toEqual([30, undefined, undefined]);
});

test("of requests that lack nothing but a grant the smallest is told, with what it keeps until the answer", () => {
  const bench = new Bench();
  const quota: Limit = { kind: "quota", name: "quota", per: "key", units: 300, period: "day", zone: "UTC" };
  const [period, limit, subject] = [Date.UTC(2026, 10, 22), "quota", "key_1"];
  bench.plan("pln_1", quota);
  bench.limiter.heard({ now: EPOCH, verifiers: 3 }, bench.at);
  const asks = (...costs: number[]) => costs.map((cost) => bench.take("pln_1", 1, "key_1", cost));
  expect(asks(150, 120, 1)).toEqual([0, 0, 1]);
  const [first] = bench.limiter.drain(EPOCH);
  expect(first).toMatchObject({ units: 1, refused: 2, wants: 120 });
  expect(first).not.toHaveProperty("keeps");
  const told = { subject, limit, quota: { period, used: 1, own: 1, granted: 101 } };
  bench.limiter.heard({ now: EPOCH, verifiers: 3, limits: [told] }, bench.at);
  expect(asks(200, 120, 300)).toEqual([0, 0, 0]);
  const [second] = bench.limiter.drain(EPOCH);
  // A tenth of what is left is its share; without `keeps`, which to an older authority would mean that it wants nothing.
  expect(second).toMatchObject({ units: 0, refused: 3, wants: 120, holds: 10 });
  expect(second).not.toHaveProperty("keeps");
  expect(asks(11, 10)).toEqual([0, 1]);
  expect(bench.limiter.drain(EPOCH)).toMatchObject([{ units: 10, refused: 1, wants: 11, keeps: 0 }]);
});

test("a consumer's rate is resized with its plan: who used up a day's does not wait for a day", () => {
  const bench = new Bench();
  bench.plan("pln_1", rate(1_000, 1_000, "consumer", 86_400_000));
  expect(bench.take("pln_1", 2_000)).toBe(1_000);
  bench.plan("pln_1", rate(100, 200, "consumer"));
  expect(bench.take("pln_1", 1)).toBe(0);
  bench.at += 2_000;
  expect(bench.take("pln_1", 500)).toBe(200);
});

test("keys of one consumer share a rate of one size, whatever their plans; of another size each plan has its own", () => {
  const bench = new Bench();
  bench.plan("pln_1", rate(100, 200, "consumer"));
  bench.plan("pln_2", rate(5, 5, "consumer"));
  bench.plan("pln_3", rate(100, 200, "consumer"));
  expect(bench.take("pln_1", 150, "key_1")).toBe(150);
  expect(bench.take("pln_2", 9, "key_2")).toBe(5);
  expect(bench.take("pln_3", 99, "key_3")).toBe(50);
  expect(bench.drain()).toEqual([
    { units: 200, refused: 1, rate: { unitMs: 10, burst: 200 } },
    { units: 5, refused: 1, rate: { unitMs: 200, burst: 5 } },
  ]);
});

test("an answer is of the size that it names, and of all where an older authority names none", () => {
  const bench = new Bench();
  bench.plan("pln_1", rate(100, 200, "consumer"));
  bench.plan("pln_2", rate(5, 5, "consumer"));
  bench.take("pln_1", 1);
  bench.take("pln_2", 1);
  bench.drain();
  const told = { subject: "con_1", limit: "rate", owedMs: 1_000 };
  bench.limiter.heard({ now: EPOCH, limits: [{ ...told, rate: { unitMs: 200, burst: 5 } }] }, bench.at);
  expect([bench.take("pln_1", 500), bench.take("pln_2", 9)]).toEqual([199, 0]);
  bench.at += 60_000;
  bench.limiter.heard({ now: EPOCH + 60_000, limits: [{ ...told, owedMs: 2_000 }] }, bench.at);
  expect([bench.take("pln_1", 500), bench.take("pln_2", 9)]).toEqual([0, 0]);
});

test("what a refused request was charged by the limits before is given back", () => {
  const bench = new Bench();
  const quota: Limit = { kind: "quota", name: "quota", per: "key", units: 50, period: "day", zone: "UTC" };
  bench.plan("pln_1", rate(100, 200), quota, { ...rate(100, 3), name: "second" });
  expect(bench.take("pln_1", 9)).toBe(3);
  bench.plan("pln_1", rate(100, 200), quota);
  const subjects = { subjectAt: () => "key_1" };
  const plan = bench.plans.of("pln_1");
  const { limits } = bench.limiter.take(subjects, 0, plan ?? expect.fail(), 0, bench.at);
  expect(limits.map(({ remaining }) => remaining)).toEqual([197, 47]);
  expect(bench.drain().map(({ units, refused }) => [units, refused])).toEqual([
    [3, 0],
    [3, 0],
    [3, 1],
  ]);
});
