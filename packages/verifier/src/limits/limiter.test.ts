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
  take(plan: string, most: number, key = "key_1"): number {
    const subjects = { subjectAt: (_: number, ofConsumer: boolean) => (ofConsumer ? "con_1" : key) };
    const held = this.plans.of(plan);
    if (held === undefined) throw new Error(`no ${plan}`);
    let count = 0;
    while (count < most && this.limiter.take(subjects, 0, held, 1, this.at).code === "ok") count++;
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
