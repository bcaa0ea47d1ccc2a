/** What every store promises of limits; part of store.test-suite.ts. */
import { type QuotaLimit, type QuotaUse, type RateLimit, type RateUse, settleQuota, settleRate } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { AT, aBatch, aBoot, aKey, anApi, aReport, mustCommit } from "./store.test-support.ts";
import { type LimitCharge, type LimitReport, put, type Store } from "./store.ts";

const rate: RateLimit = { kind: "rate", name: "rate", per: "key", units: 10, windowMs: 1_000, burst: 10 };
const quota: QuotaLimit = { kind: "quota", name: "quota", per: "key", units: 1_000, period: "day", zone: "UTC" };
const DAY = 86_400_000;
const TODAY = AT - (AT % DAY);

function charge(change: Partial<LimitCharge> = {}): LimitCharge {
  return { subject: "key_a", limit: rate, units: 3, from: AT, period: TODAY, ...change };
}

function limits(charges: LimitCharge[], change: Partial<LimitReport> = {}): LimitReport {
  return { apiId: "api_a", charges, now: AT + 500, verifiers: 2, reportEveryMs: 1_000, ...change };
}

const aPlan = (id: string, name: string) => {
  const at = { createdAt: AT, createdBy: "tok_1", changedAt: AT, changedBy: "tok_1" };
  return { id, apiId: "api_a", name, limits: [rate], ...at };
};

const byConsumer = (a: { consumerId: string }, b: { consumerId: string }) => (a.consumerId < b.consumerId ? -1 : 1);

export function limitsSuite(current: () => Store): void {
  const uses = (subject = "key_a") =>
    current().limitUses("api_a", [
      { subject, limit: rate },
      { subject, limit: quota },
    ]);

  describe("limits", () => {
    test("a report charges what core's arithmetic says, and hears what stands", async () => {
      const report = limits([charge(), charge({ limit: quota, units: 40 })]);
      await current().record({ rows: [], reports: [aReport()] });
      const { limits: told } = await current().record({ rows: [], reports: [{ ...aReport({}, 1), limits: report }] });
      const own = { boot: "boo_a", units: 40, period: TODAY, now: report.now, verifiers: 2, ended: new Set<string>() };
      const stands = [settleRate(undefined, rate, 3, AT), settleQuota(undefined, quota, own)];
      expect(told?.get("boo_a")).toEqual(stands);
      expect(await uses()).toEqual(stands);
      expect(await uses("key_b")).toEqual([undefined, undefined]);
    });

    test("a report that comes again, or lost its boot, charges nothing", async () => {
      await current().record({ rows: [], reports: [aReport()] });
      const reported = { ...aReport({ reportNumber: 1 }, 1), limits: limits([charge({ limit: quota, units: 7 })]) };
      for (let i = 0; i < 3; i++) {
        const { lost, limits: told } = await current().record({ rows: [], reports: [reported] });
        expect(lost).toEqual([]);
        expect(told?.get("boo_a")).toMatchObject([{ boots: { boo_a: { spent: 7 } } }]);
      }
      const late = { ...aReport({ reportNumber: 1, host: "rep_b" }, 1), limits: reported.limits };
      expect(await current().record({ rows: [], reports: [late] })).toEqual({ lost: ["boo_a"] });
      expect((await uses())[1]).toMatchObject({ boots: { boo_a: { spent: 7 } } });
    });

    test("reports of many boots at once add up, whichever transaction they share", async () => {
      const boots = Array.from({ length: 12 }, (_, i) => `boo_${i}`);
      await current().record({ rows: [], reports: boots.map((boot) => aReport({ boot, instance: boot })) });
      const reports = boots.map((boot, i) => ({
        ...aReport({ boot, instance: boot, reportNumber: 1 }, 1),
        limits: limits([
          charge({ units: 1, subject: `key_${i % 3}` }),
          charge({ units: 5 }),
          charge({ limit: quota, units: 10 }),
        ]),
      }));
      await Promise.all([
        current().record({ rows: [], reports: reports.slice(0, 5) }),
        ...reports.slice(5).map((report) => current().record({ rows: [], reports: [report] })),
      ]);
      const [rates, quotas] = await uses();
      expect((rates as RateUse).tat).toBeCloseTo(AT + 12 * 5 * 100);
      const spent = Object.values((quotas as QuotaUse).boots).map((boot) => boot.spent);
      expect(spent).toEqual(Array(12).fill(10));
      expect(((await uses("key_1"))[0] as RateUse).tat).toBeCloseTo(AT + 4 * 100);
    });

    test("what a boot that is over was granted is free again", async () => {
      const boots = ["boo_a", "boo_b", "boo_c"];
      await current().record({ rows: [], reports: boots.map((boot) => aReport({ boot, instance: boot })) });
      const said = (boot: string, n: number, change: object = {}, units = 10) => ({
        ...aReport({ boot, instance: boot, reportNumber: n, ...change }, n),
        limits: limits([charge({ limit: quota, units })]),
      });
      await current().record({ rows: [], reports: [said("boo_a", 1), said("boo_b", 1), said("boo_c", 1)] });
      await current().record({ rows: [], reports: [said("boo_a", 2, { closed: true })] });
      await current().record({ rows: [], reports: [said("boo_b", 2, { replacedAt: AT })] });
      await current().record({ rows: [], reports: [said("boo_c", 2)] });
      const use = (await uses())[1] as QuotaUse;
      expect(Object.keys(use.boots)).toEqual(["boo_c"]);
      expect(use.settled).toBe(40);
      expect(use.boots.boo_c?.spent).toBe(20);
    });

    test("however many limits a report speaks of, all are charged", async () => {
      await current().record({ rows: [], reports: [aReport()] });
      const charges = Array.from({ length: 1_203 }, (_, i) => charge({ subject: `key_${i}`, units: i % 7 }));
      await current().record({ rows: [], reports: [{ ...aReport({}, 1), limits: limits(charges) }] });
      const found = await current().limitUses("api_a", charges);
      expect(found).toEqual(charges.map(({ units }) => settleRate(undefined, rate, units, AT)));
    });

    test("what the authority decides itself is charged to all limits or to none, however many ask at once", async () => {
      const small = { ...quota, units: 5 };
      const own = [rate, small].map((limit) => ({ subject: "key_a", limit }));
      const ask = { apiId: "api_a", limits: own, cost: 1, now: AT };
      const answers = await Promise.all(Array.from({ length: 8 }, () => current().spend(ask)));
      expect(answers.filter(({ full }) => full.length === 0)).toHaveLength(5);
      const [rates, quotas] = await uses();
      expect(rates).toEqual({ kind: "rate", tat: AT + 500, unit: 100, burst: 10 });
      expect(quotas).toMatchObject({ settled: 5 });
      expect(answers.flatMap(({ full }) => full.map(({ at }) => at))).toEqual([1, 1, 1]);
    });

    test("what was used up of a small rate is not waited for under a large one, though each that asks is refused first", async () => {
      const limit: RateLimit = { ...rate, units: 1, windowMs: DAY, burst: 10 };
      const ask = (asked: RateLimit, now: number) =>
        current().spend({ apiId: "api_a", limits: [{ subject: "key_a", limit: asked }], cost: 10, now });
      expect((await ask(limit, AT)).full).toEqual([]);
      const waits = [AT, AT + 400, AT + 800].map((now) => ask(rate, now));
      expect((await Promise.all(waits)).flatMap(({ full }) => full.map(({ waitMs }) => waitMs))).toEqual([
        1_000, 600, 200,
      ]);
      expect((await ask(rate, AT + 1_000)).full).toEqual([]);
    });

    test("rows that say nothing any more are forgotten", async () => {
      await current().record({ rows: [], reports: [aReport()] });
      const report = limits([charge(), charge({ limit: quota })]);
      await current().record({ rows: [], reports: [{ ...aReport({}, 1), limits: report }] });
      const prune = (at: number) => current().prune({ feedKeep: 9, idempotency: 0, buckets: 0, boots: 0, limits: at });
      await prune(AT + 301);
      expect((await uses()).map((use) => use?.kind)).toEqual([undefined, "quota"]);
      await prune(TODAY + DAY + 1);
      expect(await uses()).toEqual([undefined, undefined]);
    });

    test("which plans a consumer's keys have, and how many keys a plan", async () => {
      await mustCommit(current(), aBatch([put("api", anApi())]));
      const keys = [
        aKey({ id: "key_1", plan: "pln_a" }),
        aKey({ id: "key_2", plan: "pln_a", status: "revoked" }),
        aKey({ id: "key_3", plan: null, consumerId: "con_b" }),
        aKey({ id: "key_4", plan: "pln_b", apiId: "api_b" }),
      ];
      await mustCommit(current(), aBatch(keys.map((key) => put("key", key))));
      const { environment } = aKey({});
      const who = (environments: string[]) =>
        current().plansOfConsumers("api_a", ["con_a", "con_b", "con_c"], ["pln_a", null, "pln_b"], environments);
      const those = (isThere: boolean) => [
        { consumerId: "con_a", plan: "pln_a", isThere },
        { consumerId: "con_b", plan: null, isThere },
      ];
      expect((await who([])).sort(byConsumer)).toEqual(those(true));
      expect((await who(["else", environment])).sort(byConsumer)).toEqual(those(true));
      expect((await who(["else"])).sort(byConsumer)).toEqual(those(false));
      expect(await current().plansOfConsumers("api_a", [], [null], [])).toEqual([]);
      expect(await current().plansOfConsumers("api_a", ["con_a"], [], [])).toEqual([]);
      expect(await current().keysOfPlan("api_a", "pln_a", 9)).toBe(1);
      expect(await current().keysOfPlan("api_a", "pln_b", 9)).toBe(0);
    });

    test("a plan goes only while no key has it; a feed entry of it leaves nothing in the snapshots", async () => {
      await mustCommit(current(), aBatch([put("api", anApi()), put("plan", aPlan("pln_0000000000000000000000", "a"))]));
      await mustCommit(current(), aBatch([put("key", aKey({ plan: "pln_0000000000000000000000" }))]));
      const remove = aBatch([{ remove: "plan", id: "pln_0000000000000000000000" }]);
      expect(await current().commit(remove)).toEqual({ ok: false, conflict: "row" });
      const revoked = aKey({ plan: "pln_0000000000000000000000", status: "revoked" });
      await mustCommit(current(), aBatch([put("key", revoked, { value: revoked, rev: 1 })]));
      const plan = { plan: "pln_0000000000000000000000", name: "a", limits: [rate] };
      await mustCommit(current(), aBatch([], { feed: [{ apiId: "api_a", plan: { ...plan, default: true } }] }));
      expect(await current().planRecords("api_a")).toEqual([{ seq: 1, ...plan, default: true }]);
      const gone = { ...plan, limits: [], removed: true as const };
      await mustCommit(current(), { ...remove, feed: [{ apiId: "api_a", plan: gone }] });
      expect(await current().planRecords("api_a")).toEqual([]);
      expect(await current().records("api_a", "", 9)).toEqual([]);
      const entries = await current().feedAfter("api_a", 0, 9);
      expect(entries).toEqual([
        { seq: 1, plan: { seq: 1, ...plan, default: true } },
        { seq: 2, plan: { seq: 2, ...gone } },
      ]);
    });

    test("verifiers that may answer are counted", async () => {
      const ends = { closed: true };
      const boots = [aReport(), aReport({ boot: "boo_b" }), aReport({ boot: "boo_c", ...ends })];
      await current().record({ rows: [], reports: boots });
      const { answersUntil } = aBoot();
      expect(await current().countLive("api_a", answersUntil - 1)).toBe(2);
      expect(await current().countLive("api_a", answersUntil)).toBe(0);
      expect(await current().countLive("api_b", AT)).toBe(0);
    });
  });
}
