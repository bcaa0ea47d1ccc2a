/**
 * The limits of one api in this process: is there room for a request, and what is told of it. Never waits for anything (limit-state.ts has
 * the arithmetic and the bounds).
 *
 *     take ──all limits have room──▶ charged to each of their cells ──drain: a report's `spent`──▶ authority
 *       └──one has none──▶ charged to none: `rate_limited`, `quota_exceeded`               │
 *                     cells ◀──told: what all verifiers used, what this one may use────────┘   (limit-reports.ts)
 *
 * What a request takes of a rate is in rates.ts, of a quota in quotas.ts.
 *
 * Times of rates are the local monotonic clock's, of quotas the authority's. A verifier that has heard nothing for 2.5 reports counts as one of
 * `verifiers`: with its share of rates. Of a quota it has what it was granted.
 *
 * Cells stay while they say anything: a rate's until what is owed is paid, a quota's until its period is over. They are not kept on disk: each start
 * of the process is one more boot in the bounds.
 */
import { type Grant, type LimitState, limitBounds, type Spent, type VerdictCode, type World } from "@keyover/core";
import type { AuthorityClock } from "../lease.ts";
import { Asked, AT, NOW, SHARE } from "./asked.ts";
import { LimitCells, REFUSED, type Subject } from "./limit-cells.ts";
import { LimitReports } from "./limit-reports.ts";
import type { Plan, PlanBook, ReadyLimit } from "./plan-book.ts";
import { Quotas } from "./quotas.ts";
import { Rates } from "./rates.ts";

const STALE_REPORTS = 2.5;
const DEFAULT_EVERY_MS = 1_000;

const NONE: LimitState[] = [];

/** A power of two. */
const HINTS = 65_536;

/** Where the handles of a slot's key and consumer come from. */
export interface Subjects {
  /** Writes the handle's words (handle-words.ts), whatever stands beside them. Else, if it is no handle, answers the name. */
  subjectAt(slot: number, ofConsumer: boolean, into: Int32Array): string | undefined;
}

export interface Outcome {
  code: Extract<VerdictCode, "ok" | "rate_limited" | "quota_exceeded">;
  limits: readonly LimitState[];
  /** With a refusal. */
  retryAfterMs?: number | undefined;
}

export class Limiter {
  readonly #world: World;
  readonly #clock: AuthorityClock;
  readonly #cells = new LimitCells();
  readonly #asked = new Asked();
  readonly #reports: LimitReports;
  readonly #rates: Rates;
  readonly #quotas: Quotas;
  /** By slot: where the first of its cells was found last. A hint, which spares a hash: whose cell it is stands there. */
  readonly #hints = new Int32Array(HINTS);
  #everyMs = DEFAULT_EVERY_MS;
  #heardAt = Number.NEGATIVE_INFINITY;
  #saidBadCost = false;

  constructor(world: World, clock: AuthorityClock, plans: PlanBook) {
    this.#world = world;
    this.#clock = clock;
    this.#reports = new LimitReports({ world, clock, plans, cells: this.#cells });
    this.#rates = new Rates(this.#asked, this.#cells, this.#reports, plans);
    this.#quotas = new Quotas(this.#asked, this.#cells, this.#reports);
  }

  /** Verifiers of the api that may answer, as far as is known. */
  get verifiers(): number {
    return this.#reports.verifiers;
  }

  /** What is counted: subjects times limits. */
  get size(): number {
    return this.#cells.size;
  }

  /** A boot was registered at `from` (the authority's time). */
  begin(from: number, everyMs: number): void {
    this.#everyMs = everyMs;
    this.#reports.begin(from);
  }

  /** An answer, to a registration or a report, received at the monotonic time `at`. */
  heard({ now, verifiers, limits }: Pick<Grant, "now" | "verifiers" | "limits">, at: number): void {
    this.restore(verifiers ?? 1);
    this.#heardAt = at;
    this.#reports.told(limits, this.#clock.localOf(now));
  }

  /** From a file: so many verifiers there were. */
  restore(verifiers: number): void {
    this.#reports.verifiers = Math.max(1, verifiers);
  }

  /** As in limit-reports.ts. */
  drain(from: number): Spent[] {
    return this.#reports.drain(from);
  }

  untold(spent: readonly Spent[], from: number): void {
    this.#reports.untold(spent, from);
  }

  /** Forgets everything: it was another api's. */
  clear(): void {
    for (let cell = 0; cell < this.#cells.end; cell++) if (this.#cells.isUsed(cell)) this.#cells.drop(cell);
    this.#reports.clear();
  }

  /** Takes `cost` of all limits of the plan, at the monotonic time `at`, or nothing of any. */
  take(subjects: Subjects, slot: number, plan: Plan, cost: number | undefined, at: number): Outcome {
    const { limits } = plan;
    const { times, found, key, consumer } = this.#asked;
    const units = cost === undefined ? 1 : this.#costOf(cost);
    times[AT] = at;
    times[NOW] = this.#clock.earliest(at);
    times[SHARE] = at - this.#heardAt > STALE_REPORTS * this.#everyMs ? this.#reports.verifiers : 1;
    if (plan.ofKey) this.#read(subjects, slot, false, key);
    if (plan.ofConsumer) this.#read(subjects, slot, true, consumer);
    const hint = slot & (HINTS - 1);
    let near = (this.#hints[hint] as number) - 1;
    let states: LimitState[] = NONE;
    for (let i = 0; i < limits.length; i++) {
      const limit = limits[i] as ReadyLimit;
      near = limit.isRate ? this.#rates.cellOf(limit, near) : this.#quotas.cellOf(limit, near);
      found[i] = near;
      const state = limit.isRate ? this.#rates.take(i, near, limit, units) : this.#quotas.take(near, limit, units);
      if (state === undefined) return this.#refuse(limits, i, units);
      // A list that grows by itself takes room for seventeen, and most plans have one limit or two.
      if (i === 0) states = [state];
      else if (i === 1) states = [states[0] as LimitState, state];
      else states.push(state);
    }
    this.#hints[hint] = found[0] as number;
    if (units > 0) this.#reports.touch(found, limits.length, at);
    if (units > 1) this.#noteLarge(limits, units);
    return { code: "ok", limits: states, retryAfterMs: undefined };
  }

  /** The limit at `full` had no room: what those before it were charged is given back. The one that takes longest is named. */
  #refuse(limits: readonly ReadyLimit[], full: number, cost: number): Outcome {
    const [rates, quotas, cells] = [this.#rates, this.#quotas, this.#cells];
    const { found, times } = this.#asked;
    const states: LimitState[] = [];
    let [refusing, longest] = [full, 0];
    for (const [i, limit] of limits.entries()) {
      if (i > full) found[i] = limit.isRate ? rates.cellOf(limit, -1) : quotas.cellOf(limit, -1);
      const cell = found[i] as number;
      if (i < full && limit.isRate) rates.giveBack(i, cell, cost);
      else if (i < full) quotas.giveBack(cell, cost);
      const waitMs = limit.isRate ? rates.waitMs(cell, limit, cost) : quotas.waitMs(cell, limit, cost, this.#everyMs);
      if (waitMs > longest) [refusing, longest] = [i, waitMs];
      states.push(limit.isRate ? rates.left(cell, limit, waitMs) : quotas.left(cell, limit, waitMs));
    }
    const cell = found[refusing] as number;
    cells.setWord(cell, REFUSED, cells.word(cell, REFUSED) + 1);
    const refuser = limits[refusing] as ReadyLimit;
    if (!refuser.isRate && quotas.isUngranted(cell, refuser, cost)) this.#reports.refusedFor(cell, cost);
    found[0] = cell;
    this.#reports.touch(found, 1, times[AT] as number);
    const code = refuser.isRate ? "rate_limited" : "quota_exceeded";
    return { code, limits: states, retryAfterMs: longest };
  }

  /** Of what was let through: rates that owe more than a burst for it. */
  #noteLarge(limits: readonly ReadyLimit[], units: number): void {
    for (const [i, limit] of limits.entries())
      if (limit.isRate && units > limit.burst) this.#reports.usedAtOnce(this.#asked.found[i] as number, units);
  }

  #read(subjects: Subjects, slot: number, ofConsumer: boolean, subject: Subject): void {
    const odd = subjects.subjectAt(slot, ofConsumer, subject.words);
    if (odd !== undefined) this.#cells.pack(odd, subject);
    subject.settle();
  }

  /** Nobody throws on the hot path: what is no cost is one unit, and said once. */
  #costOf(cost: number): number {
    const { min, max } = limitBounds.cost;
    if (Number.isSafeInteger(cost) && cost >= min && cost <= max) return cost;
    if (!this.#saidBadCost) this.#world.log("warn", "limits.bad_cost", { cost: String(cost), min, max });
    this.#saidBadCost = true;
    return typeof cost === "number" && cost > max ? max : 1;
  }
}
