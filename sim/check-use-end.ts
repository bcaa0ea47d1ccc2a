/**
 * Limits by what was let through in all, once faults are healed: what several verifiers let through together stays within the bounds that
 * docs/limits.md states, and the authority's counts are what was let through, but for what died with a verifier.
 */
import type { QuotaLimit } from "@keyover/core";
import type { Store } from "../packages/server/src/store/store.ts";
import type { ApiServer } from "./api-server.ts";
import { isContinuous, mostUnits, ofPeriod, unitMs } from "./check-use.ts";
import type { Model } from "./model.ts";
import { type Let, type LimitPast, letBy, toldBy } from "./plan-model.ts";
import { START } from "./time.ts";

/** For verifiers to come back and hear of each other. */
const BACK_MS = 40_000;
const HEARD_MS = 1_400;
const GOOD_MS = 8_000;
/** As long as somebody may be refused a quota early, and some more. */
const EARLY_MS = 16_000;
/** As documented: two reports of a second each, and what they are on their way. */
const REPORTS_MS = 2_300;

/** Traffic in good times. */
export async function useInGoodTimes(
  model: Model,
  apis: readonly string[],
  servers: readonly ApiServer[],
): Promise<void> {
  const { time, plans } = model;
  const over = () => model.violation !== undefined;
  const isGood = (server: ApiServer) =>
    server.gone ||
    (server.process !== undefined &&
      apis.every((api) => plans.heard(server.process as never, api).at > time.at - HEARD_MS));
  const latest = time.at + BACK_MS;
  for (let calm = 0; calm < 4 && !over() && time.at < latest; calm = servers.every(isGood) ? calm + 1 : 0)
    await time.runUntil(time.at + 1_000, over);
  if (time.at >= latest) return model.fail("plan", undefined, "verifiers never hear from an authority again");
  plans.goodSince = time.at;
  const isLong = [...plans.limits.values()].some(({ early }) => early.size > 0);
  await time.runUntil(time.at + (isLong ? EARLY_MS : GOOD_MS), over);
  const verifiers = servers.filter(({ gone }) => !gone).length;
  for (const of of plans.limits.values()) if (!over()) checkTogether(model, of, verifiers);
}

/** `burst + rate × t + (V - 1) × (burst + rate × 2 reports)`, in any time t; the largest cost of one request, where that is more than the burst. */
function checkTogether(model: Model, of: LimitPast, verifiers: number): void {
  const { goodSince } = model.plans;
  const limit = [...of.sizes.values()].at(-1);
  if (limit?.kind !== "rate" || of.sizes.size > 1) return;
  const perMs = 1 / unitMs(limit);
  const own = of.lets.filter(({ at }) => at >= goodSince);
  const atOnce = Math.max(limit.burst, ...own.map(({ units }) => units));
  const excess = excessOf(own, perMs);
  const bound = atOnce + (verifiers - 1) * (atOnce + perMs * REPORTS_MS) + 0.01;
  if (atOnce > limit.burst) model.saw("limits: more than a burst at once");
  model.saw("limits: used together in good times");
  if (excess > 0.7 * bound) model.saw("limits: near to the bound");
  if (excess <= bound) return;
  const said = `${limit.units} in ${limit.windowMs}, burst ${limit.burst}`;
  model.fail(
    "plan",
    of.key,
    `${verifiers} verifiers let ${excess.toFixed(1)} through of ${of.name} (${said}) beyond its rate; ${bound.toFixed(1)} is the bound`,
  );
}

/** The most that was used in any time beyond so much for each millisecond of it. */
function excessOf(lets: readonly Let[], perMs: number): number {
  let [sum, lowest, most] = [0, Number.POSITIVE_INFINITY, 0];
  for (const { at, units } of lets) {
    lowest = Math.min(lowest, sum - perMs * at);
    sum += units;
    most = Math.max(most, sum - perMs * at - lowest);
  }
  return most;
}

/** At the end: nobody has asked for anything for some reports. */
export async function checkCounts(model: Model, store: Store): Promise<void> {
  if (model.restoredAt.length > 0) return;
  for (const of of model.plans.limits.values()) {
    const limit = [...of.sizes.values()].at(-1);
    if (limit?.kind !== "quota" || model.violation !== undefined || !isContinuous(model, of, limit)) continue;
    checkQuota(model, of, limit);
    await checkRow(model, store, of, limit);
  }
}

/** `units + (boots - 1) × credit`, and what a boot that is over had not told: that was granted to others again. */
function checkQuota(model: Model, of: LimitPast, limit: QuotaLimit): void {
  const periods = new Set([START - 86_400_000 / 2, model.time.at].map((at) => ofPeriod(of, limit, at)));
  for (const lets of periods) {
    const used = lets.reduce((sum, { units }) => sum + units, 0);
    const boots = Map.groupBy(lets, ({ process, boot }) => `${process.name} ${process.startedAt} ${boot}`);
    const units = mostUnits(of);
    const credits = [...boots.values()].map((all) =>
      creditOf(units, Math.min(...all.map(({ verifiers }) => verifiers))),
    );
    const credit = credits.reduce((sum, each) => sum + each, 0) - Math.min(...credits);
    const untold = [...boots.values()].reduce((sum, all) => sum + untoldOf(model, of, all), 0);
    if (used > 0.8 * units) model.saw("limits: quotas used up");
    if (boots.size === 0 || used <= units + credit + untold) continue;
    const why = `by ${boots.size} boots with a credit of ${credits.join(", ")}; ${untold} were not told in time`;
    model.fail("plan", of.key, `${used} were let through of ${of.name} (${units}), ${why}`);
  }
}

/** As documented: what a verifier may use before it has heard of a subject. */
function creditOf(units: number, verifiers: number): number {
  return Math.max(1, Math.floor(Math.min(units / verifiers, Math.max(units / (10 * verifiers), 100))));
}

/** Of a boot that is over. */
function untoldOf(model: Model, { charges }: LimitPast, lets: readonly Let[]): number {
  const { process, boot } = lets[0] as Let;
  const api = [...model.boots.values()].find((rows) => rows[0]?.boot.boot === boot)?.[0]?.boot.apiId ?? "";
  if (process.alive && model.plans.heard(process, api).boot === boot) return 0;
  const told = charges.reduce((sum, charge) => (charge.boot === boot ? sum + charge.units : sum), 0);
  return Math.max(0, lets.reduce((sum, { units }) => sum + units, 0) - told);
}

async function checkRow(model: Model, store: Store, of: LimitPast, limit: QuotaLimit): Promise<void> {
  const [use] = await store.limitUses(of.api, [{ subject: of.subject, limit }]);
  const isMidnight = limit.zone === "America/Los_Angeles";
  if (use?.kind === "quota") {
    const counted = Object.values(use.boots).reduce((sum, { spent }) => sum + spent, use.settled);
    const told = of.charges.filter(({ period }) => period === use.period).reduce((sum, { units }) => sum + units, 0);
    const near = of.charges
      .filter(({ at }) => isMidnight && Math.abs(at - START) < 5_000)
      .reduce((sum, { units }) => sum + units, 0);
    if (counted > told || counted < told - near)
      model.fail("plan", of.key, `${counted} are counted of ${of.name}; reports told ${told}`);
  }
  for (const process of new Set(of.lets.map(({ process }) => process))) {
    const [truly, told] = [letBy(of, process), toldBy(model.plans, of, process)];
    if (process.alive && !isMidnight && told !== truly)
      model.fail("plan", of.key, `${process.name} let ${truly} through of ${of.name}; its reports told ${told}`);
  }
  model.saw("limits: counts compared");
}

/** A report can't tell more than was let through. */
export function checkTold(model: Model, of: LimitPast): void {
  const limit = [...of.sizes.values()].at(-1);
  if (model.restoredAt.length > 0) return;
  for (const process of new Set(of.charges.map(({ boot }) => model.plans.bootOf.get(boot)))) {
    if (process === undefined) continue;
    const [truly, told] = [letBy(of, process), toldBy(model.plans, of, process)];
    if (told > truly)
      model.fail(
        "plan",
        of.key,
        `${process.name} let ${truly} through of ${of.name} (${limit?.kind}); ${told} are counted`,
      );
  }
}
