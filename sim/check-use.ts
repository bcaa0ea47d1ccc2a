/**
 * Limits while they are used, by what docs/limits.md says and without core's arithmetic: a verifier goes by a plan that stood within the staleness bound,
 * never lets through more than it alone may, and refuses nobody who has used too little for it.
 *
 *     least   what one process has let through by itself, paid off as fast as can be    let through above it: too much
 *     most    what all of them have, each unit as if it were used when its report came  refused below it: without cause
 */
import type { FeedEntry, Limit, LimitState, QuotaLimit, RateLimit, Verdict } from "@keyover/core";
import type { Plan } from "../packages/server/src/store/plan-entities.ts";
import { type KeyPast, type Model, positionsSince } from "./model.ts";
import { type Heard, type LimitPast, letBy, toldBy } from "./plan-model.ts";
import type { Process } from "./process.ts";
import { START } from "./time.ts";

export interface Asked {
  at: number;
  past: KeyPast;
  process: Process;
  verdict: Verdict;
  cost: number;
  /** How old what it decided by may be. */
  boundMs: number;
}

/** As documented: without an answer for so long a verifier counts as cut off, and goes by its share. */
const CUT_OFF_MS = 2_500;
const REPORT_MS = 1_000;
/** What clocks drift while a limit is paid off, and rounding. */
const EPSILON_MS = 10;
/** A quota may be used up to its last tenth before anybody is refused early; twice that is held to here. */
const SPARE = 0.2;
/** Who is asked for it seldom has not heard anew each time. */
const AGAIN_MS = 3_000;
/** After ten reports what lies unused is given back. */
const GIVEN_BACK_MS = 13_000;
/** A verifier's time is the authority's, or earlier by as much as an exchange takes. */
const EXCHANGE_MS = 4_000;

/** A plan that is made or changed is told in the same commit. */
export function checkPlanTold(
  model: Model,
  { id, name, limits }: Plan,
  feed: readonly { entry: Pick<FeedEntry, "plan"> }[],
): void {
  const text = JSON.stringify(limits);
  const told = feed.some(({ entry }) => entry.plan?.plan === id && JSON.stringify(entry.plan.limits) === text);
  if (!told) model.fail("plan", undefined, `plan ${name} was changed, and verifiers are not told`);
}

export function isLimited(code: Verdict["code"]): boolean {
  return code === "rate_limited" || code === "quota_exceeded";
}

export function checkUse(model: Model, asked: Asked): void {
  const { past, verdict, process, at } = asked;
  const { code, limits = [] } = verdict;
  if (!model.plans.on || (code !== "ok" && !isLimited(code))) return;
  checkPlan(model, asked);
  const heard = model.plans.heard(process, past.apiId);
  const all = limits.map((state) => ({ state, of: limitPast(model, past, state.limit) }));
  const most = all.map(({ state: { limit }, of }) => checkLeast(model, asked, limit, of, heard));
  if (most.includes(false)) return;
  if (isLimited(code)) checkRefused(model, asked, all, heard);
  else
    for (const { of } of all) {
      of.lets.push({ at, units: asked.cost, process, boot: heard.boot, verifiers: heard.verifiers });
      of.early.delete(process);
    }
}

function limitPast(model: Model, past: KeyPast, limit: Limit): LimitPast {
  const of = model.plans.limitOf(past.apiId, limit.per === "key" ? past.id : past.key.consumerId, limit, past.id);
  const text = JSON.stringify(limit);
  of.sizes.delete(text);
  of.sizes.set(text, limit);
  return of;
}

/** The limits are those of a plan that the key had, as it stood. */
function checkPlan(model: Model, { at, past, verdict, boundMs, process }: Asked): void {
  const from = at - boundMs;
  const restored = model.restoredAt.length > 0;
  const handles = new Set(positionsSince(past, from).map(({ record }) => record?.plan));
  const lists = restored
    ? model.plans.everyList(past.apiId)
    : [...handles].flatMap((handle) => model.plans.listsSince(past.apiId, handle, from));
  const applied = JSON.stringify((verdict.limits ?? []).map(({ limit }) => limit));
  if (lists.some((list) => JSON.stringify(list) === applied)) return;
  const stood = lists.map((list) => JSON.stringify(list)).join(" or ");
  model.fail("plan", past.id, `${process.name} goes by the limits ${applied}; its plan had ${stood}`);
}

export function unitMs({ windowMs, units }: RateLimit): number {
  return windowMs / units;
}

/** A verifier without answers has a share. */
function shareOf(heard: Heard, at: number, slackMs: number): number {
  return at - heard.at > CUT_OFF_MS + slackMs ? heard.verifiers : 1;
}

/** False, and a violation, if the process let through more than it may without a word from anybody. */
function checkLeast(model: Model, asked: Asked, limit: Limit, of: LimitPast, heard: Heard): boolean {
  const { at, process, cost, verdict } = asked;
  if (limit.kind === "quota") {
    if (!verdict.valid || model.restoredAt.length > 0 || !isContinuous(model, of, limit)) return true;
    const used = letBy({ ...of, lets: ofPeriod(of, limit, at) }, process) + cost;
    if (used <= mostUnits(of) || cost === 0) return true;
    model.fail("plan", asked.past.id, `${process.name} alone let ${used} through of ${of.name} (${mostUnits(of)})`);
    return false;
  }
  const unit = unitMs(limit);
  const known = of.owed.get(process);
  let owed = Math.max(0, (known?.tat ?? 0) - at);
  // What is owed is as many units as before, a burst at most, and takes no longer: whoever keeps to that owes as much or more.
  if (known !== undefined && JSON.stringify(known.limit) !== JSON.stringify(limit))
    owed = Math.min(owed, Math.min(owed / unitMs(known.limit as RateLimit), limit.burst) * unit);
  if (shareOf(heard, at, -100) > 1 || heard.boot === undefined) of.cut.add(process);
  const share = shareOf(heard, at, 100);
  const few = Math.max(1, Math.floor(limit.burst / share));
  if (verdict.valid && cost > 0) {
    if (owed > Math.max(0, few - cost) * unit * share + share * EPSILON_MS) {
      const why = share === 1 ? "" : `, without an answer for ${Math.round(at - heard.at)} ms as one of ${share}`;
      const said = `${Math.round(owed)} ms are owed of ${of.name} (${limit.units} in ${limit.windowMs}, burst ${limit.burst})`;
      model.fail("plan", asked.past.id, `${process.name} let ${cost} through, and ${said}${why}`);
      return false;
    }
    owed += cost * unit * share;
  }
  of.owed.set(process, { tat: at + owed, limit });
  return true;
}

export function mostUnits({ sizes }: LimitPast): number {
  return Math.max(...[...sizes.values()].map(({ units }) => units));
}

/** Of a day that began in the midst of the simulation: surely, or perhaps (near midnight nobody knows by which day a verifier counts). */
export function ofPeriod({ lets }: LimitPast, limit: QuotaLimit, at: number, perhaps = false): LimitPast["lets"] {
  if (limit.zone !== "America/Los_Angeles" || limit.period !== "day") return lets;
  const isLater = (time: number, lateMs: number) => time > START + lateMs;
  if (perhaps)
    return at < START - EXCHANGE_MS
      ? lets
      : lets.filter((each) => isLater(each.at, -EXCHANGE_MS) || at < START + EXCHANGE_MS);
  const known = lets.filter(({ boot }) => boot !== undefined);
  if (isLater(at, EXCHANGE_MS)) return known.filter((each) => isLater(each.at, EXCHANGE_MS));
  return isLater(at, -EXCHANGE_MS) ? [] : known.filter((each) => !isLater(each.at, -EXCHANGE_MS));
}

/**
 * All plans that the key had since it was first used have this limit, by the same days. Where one has not, the authority passes over what is told
 * of it meanwhile, and counts anew by other days.
 */
export function isContinuous(model: Model, of: LimitPast, { period, zone }: QuotaLimit): boolean {
  const from = of.lets[0]?.at ?? model.time.at;
  const handles = new Set(model.keys.get(of.key)?.positions.map(({ record }) => record?.plan));
  const lists = [...handles].flatMap((handle) => model.plans.listsSince(of.api, handle, from - model.staleMs));
  return lists.every((list) =>
    list.some(
      (limit) => limit.name === of.name && limit.kind === "quota" && limit.period === period && limit.zone === zone,
    ),
  );
}

/** At least one of its limits had no room, by all that anybody can have known. */
function checkRefused(
  model: Model,
  asked: Asked,
  all: readonly { state: LimitState; of: LimitPast }[],
  heard: Heard,
): void {
  const { verdict, past, process, cost } = asked;
  if (cost === 0) model.fail("plan", past.id, `${process.name} said ${verdict.code} to a request that costs nothing`);
  if (model.restoredAt.length > 0) return;
  const kind = verdict.code === "rate_limited" ? "rate" : "quota";
  const reasons = all
    .filter(({ state }) => state.limit.kind === kind)
    .map(({ state: { limit }, of }) =>
      limit.kind === "rate" ? rateProblem(model, asked, limit, of, heard) : quotaProblem(model, asked, limit, of),
    );
  if (reasons.some((problem) => problem === undefined)) return;
  model.fail("plan", past.id, `${process.name} said ${verdict.code}: ${reasons.join("; ") || "it has no such limit"}`);
}

/** Undefined if it may have been refused. */
function rateProblem(model: Model, { at, cost, process }: Asked, limit: RateLimit, of: LimitPast, heard: Heard) {
  // Whoever was cut off once has charged itself by its share; how many there were it may know from its disk.
  const share = of.cut.has(process) ? Math.max(heard.verifiers, model.boots.size) : 1;
  const handles = new Set(model.keys.get(of.key)?.positions.map(({ record }) => record?.plan));
  const sizes = [...of.sizes.values(), ...model.plans.sizesOf(of.api, handles, of.name)];
  const units = sizes.map((size) => unitMs(size as RateLimit));
  const unit = Math.max(...units) * share;
  const owed = mostOwed(model, of) * unit + mostPaid(model, of, at, unit);
  const few = Math.max(1, Math.floor(limit.burst / share));
  const room = Math.max(0, few - cost) * unitMs(limit) * share;
  if (owed + EPSILON_MS >= room && owed > 0) return undefined;
  return `of ${of.name} no more than ${Math.round(owed)} ms can be owed (${limit.units} in ${limit.windowMs}, burst ${limit.burst}, cost ${cost})`;
}

/** Units that no report has told, of processes that live. */
function mostOwed(model: Model, of: LimitPast): number {
  const alive = new Set(of.lets.map(({ process }) => process).filter((process) => process.alive));
  return [...alive].reduce(
    (sum, process) => sum + Math.max(0, letBy(of, process) - toldBy(model.plans, of, process)),
    0,
  );
}

/** What of the rest is still to be paid off, each as of when it was told, or its process last let something through. Milliseconds. */
function mostPaid(model: Model, of: LimitPast, at: number, unit: number): number {
  const events = of.charges.map((charge) => ({ at: charge.at, units: charge.units }));
  const dead = new Set(of.lets.map(({ process }) => process).filter((process) => !process.alive));
  for (const process of dead) {
    const last = of.lets.findLast((each) => each.process === process)?.at ?? 0;
    events.push({ at: last, units: Math.max(0, letBy(of, process) - toldBy(model.plans, of, process)) });
  }
  let tat = 0;
  for (const event of events.sort((a, b) => a.at - b.at)) tat = Math.max(tat, event.at) + event.units * unit;
  return Math.max(0, tat - at);
}

/** Who is not asked since its key has a smaller plan goes on to keep a share of the larger one, while that stands. */
function largerUnits(model: Model, of: LimitPast): number {
  return of.sizes.size === 1 ? 0 : Math.max(0, ...model.plans.standing(of.api, of.name).map(({ units }) => units));
}

function quotaProblem(model: Model, asked: Asked, limit: QuotaLimit, of: LimitPast): string | undefined {
  const { at, cost, process, verdict } = asked;
  const used = ofPeriod(of, limit, at, true).reduce((sum, { units }) => sum + units, 0);
  if (used + cost > limit.units) return undefined;
  if ((verdict.retryAfterMs ?? 0) > REPORT_MS) return `${used} of ${limit.units} of ${of.name} were used in all`;
  // Early: what is left may lie with others, for a while.
  const known = of.early.get(process);
  const from = known === undefined || at - known.last > AGAIN_MS ? at : known.since;
  of.early.set(process, { since: from, last: at });
  const good = Math.max(from, model.plans.goodSince);
  if (at - good < GIVEN_BACK_MS) return undefined;
  const recent = of.lets.filter((each) => each.process !== process && each.at > at - GIVEN_BACK_MS);
  const elsewhere = 8 * recent.reduce((sum, { units }) => sum + units, 0);
  const left = limit.units - used - elsewhere;
  if (left - cost < SPARE * Math.max(limit.units, largerUnits(model, of))) return undefined;
  return `early for ${Math.round(at - from)} ms; ${used} of ${limit.units} of ${of.name} were used in all`;
}
