/**
 * The limits of one api in this process: is there room for a request, and what is told of it. Never waits for anything (limit-state.ts has
 * the arithmetic and the bounds).
 *
 *     take ──all limits have room──▶ charged to each of their cells ──drain: a report's `spent`──▶ authority
 *       └──one has none──▶ charged to none: `rate_limited`, `quota_exceeded`               │
 *                     cells ◀──told: what all verifiers used, what this one may use────────┘
 *
 * Times of rates are the local monotonic clock's, of quotas the authority's. A verifier that has heard nothing for 2.5 reports counts as one of
 * `verifiers`: with its share of rates. Of a quota it has what it was granted.
 *
 * Cells stay while they say anything: a rate's until what is owed is paid, a quota's until its period is over. They are not kept on disk: each start
 * of the process is one more boot in the bounds.
 */
import {
  creditOf,
  type Grant,
  keptOf,
  type LimitState,
  limitBounds,
  type QuotaLimit,
  rateRemaining,
  rateWaitMs,
  resizedTat,
  SPENT_PER_REPORT_MAX,
  type Spent,
  spendRate,
  type Told,
  type VerdictCode,
  type World,
} from "@keyover/core";
import type { AuthorityClock } from "../lease.ts";
import * as words from "./limit-cells.ts";
import { isConsumer, LimitCells } from "./limit-cells.ts";
import { type Plan, type PlanBook, periodAt, type ReadyLimit } from "./plan-book.ts";

const { ANSWERED, BOOT_SHIFT, DIRTY, PERIOD, REFUSED, ROOM, SINCE, SIZE, STATE, TAT, TOUCHED, UNIT, UNSENT, USED } =
  words;

const STALE_REPORTS = 2.5;
/** After so many without use a quota's grant is given back, but for a share. */
const IDLE_REPORTS = 10;
const DEFAULT_EVERY_MS = 1_000;
/** A cell that nobody has touched for so long, and that says nothing more, is dropped. */
const IDLE_S = 60;
/** No period is longer, whatever its zone does. */
const PERIOD_MS_MAX = 32 * 86_400_000;
/** Cells looked at with each report, for those to drop: about 0.1 ms. */
const SWEPT_PER_REPORT = 2_000;
const SIZE_MAX = 2 ** 31 - 1;

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
  readonly #plans: PlanBook;
  readonly #cells = new LimitCells();
  /** Of the request at hand: the handles of key and consumer, its limits' cells, and what each of them says. */
  readonly #key = new Int32Array(5);
  readonly #consumer = new Int32Array(5);
  readonly #found = new Int32Array(limitBounds.limits);
  readonly #waits = new Float64Array(limitBounds.limits);
  readonly #tats = new Float64Array(limitBounds.limits);
  /** Cells with something to report, oldest first. */
  #dirty: number[] = [];
  /** Cells of quotas by the report that they were in last, oldest first. */
  #warm = new Map<number, number>();
  #reports = 0;
  #cursor = 0;
  /** Counts boots from 1: what was granted to an earlier one is not this one's. */
  #boot = 1;
  #verifiers = 1;
  #everyMs = DEFAULT_EVERY_MS;
  #heardAt = Number.NEGATIVE_INFINITY;
  #drainedAt: number;
  #saidBadCost = false;

  constructor(world: World, clock: AuthorityClock, plans: PlanBook) {
    this.#world = world;
    this.#clock = clock;
    this.#plans = plans;
    this.#drainedAt = world.clock.elapsed();
  }

  /** Verifiers of the api that may answer, as far as is known. */
  get verifiers(): number {
    return this.#verifiers;
  }

  /** What is counted: subjects times limits. */
  get size(): number {
    return this.#cells.size;
  }

  /** A boot was registered at `from` (the authority's time). */
  begin(from: number, everyMs: number): void {
    this.#boot++;
    this.#everyMs = everyMs;
    // What was used before belongs to no interval of this boot.
    const since = from - (this.#world.clock.elapsed() - this.#drainedAt);
    for (const cell of this.#dirty) this.#usedSince(cell, since);
  }

  /** An answer, to a registration or a report, received at the monotonic time `at`. */
  heard({ now, verifiers, limits }: Pick<Grant, "now" | "verifiers" | "limits">, at: number): void {
    this.#verifiers = Math.max(1, verifiers ?? 1);
    this.#heardAt = at;
    const then = this.#clock.localOf(now);
    for (const told of limits ?? []) this.#told(told, then);
  }

  /** From a file: so many verifiers there were. */
  restore(verifiers: number): void {
    this.#verifiers = Math.max(1, verifiers);
  }

  /** Takes `cost` of all limits of the plan, at the monotonic time `at`, or nothing of any. */
  take(subjects: Subjects, slot: number, plan: Plan, cost: number | undefined, at: number): Outcome {
    const { limits } = plan;
    const units = cost === undefined ? 1 : this.#costOf(cost);
    const [found, waits] = [this.#found, this.#waits];
    let refusing = -1;
    let [keyIsRead, consumerIsRead] = [false, false];
    for (let i = 0; i < limits.length; i++) {
      const limit = limits[i] as ReadyLimit;
      const handle = limit.ofConsumer ? this.#consumer : this.#key;
      if (!(limit.ofConsumer ? consumerIsRead : keyIsRead)) this.#read(subjects, slot, limit.ofConsumer, handle);
      if (limit.ofConsumer) consumerIsRead = true;
      else keyIsRead = true;
      found[i] = this.#cellOf(handle, limit, at);
      const wait = this.#look(i, limit, units, at);
      waits[i] = wait;
      if (wait > 0 && (refusing < 0 || wait > (waits[refusing] as number))) refusing = i;
    }
    if (refusing < 0) for (let i = 0; i < limits.length; i++) this.#charge(i, limits[i] as ReadyLimit, units, at);
    const states: LimitState[] = [];
    for (let i = 0; i < limits.length; i++) states.push(this.#stateOf(i, limits[i] as ReadyLimit, at));
    if (refusing < 0) return { code: "ok", limits: states };
    this.#countRefused(found[refusing] as number, at);
    const code = limits[refusing]?.limit.kind === "rate" ? "rate_limited" : "quota_exceeded";
    return { code, limits: states, retryAfterMs: waits[refusing] };
  }

  /** What was used and refused since the last call, for a report whose interval begins at `from`; what is too much waits for the next. */
  drain(from: number): Spent[] {
    this.#drainedAt = this.#world.clock.elapsed();
    const cells = this.#dirty.splice(0, SPENT_PER_REPORT_MAX);
    for (const cell of this.#dirty) this.#usedSince(cell, from);
    this.#reports++;
    for (const cell of cells) {
      this.#warm.delete(cell);
      if (this.#isQuota(cell)) this.#warm.set(cell, this.#reports);
    }
    const spent = [...cells, ...this.#idle(SPENT_PER_REPORT_MAX - cells.length)].map((cell) =>
      this.#spentOf(cell, from),
    );
    this.#sweep();
    return spent;
  }

  /** A report whose interval began at `from` was not counted: what it said goes with the next one. */
  untold(spent: readonly Spent[], from: number): void {
    for (const { subject, limit, units, refused, period, since } of spent) {
      const cell = this.#cellNamed(subject, limit, period === undefined ? "rate" : "quota");
      if (cell < 0 || (units === 0 && refused === 0)) continue;
      if (period !== undefined && this.#cells.get(cell, PERIOD) !== period) continue;
      this.#touch(cell);
      this.#cells.set(cell, UNSENT, this.#cells.get(cell, UNSENT) + units);
      this.#cells.setWord(cell, REFUSED, this.#cells.word(cell, REFUSED) + refused);
      this.#usedSince(cell, since ?? from);
    }
  }

  /** Forgets everything: it was another api's. */
  clear(): void {
    for (let cell = 0; cell < this.#cells.end; cell++) if (this.#cells.isUsed(cell)) this.#cells.drop(cell);
    this.#dirty = [];
    this.#warm.clear();
  }

  #read(subjects: Subjects, slot: number, ofConsumer: boolean, into: Int32Array): void {
    const odd = subjects.subjectAt(slot, ofConsumer, into);
    if (odd !== undefined) this.#cells.pack(odd, into);
  }

  /** Its cell, of this boot and this period. */
  #cellOf(handle: Int32Array, ready: ReadyLimit, at: number): number {
    const { limit, id, ofConsumer } = ready;
    const known = this.#cells.find(handle, ofConsumer, id);
    const cell = known >= 0 ? known : this.#cells.make(handle, ofConsumer, id, this.#boot << BOOT_SHIFT);
    if (limit.kind === "quota") this.#renew(cell, ready, limit, known < 0, at);
    else if (known >= 0) this.#resize(cell, ready, at);
    else {
      this.#sizeAs(cell, ready);
      this.#cells.set(cell, TAT, at);
      this.#cells.set(cell, SINCE, Number.POSITIVE_INFINITY);
      this.#cells.setWord(cell, TOUCHED, Math.floor(at / 1_000));
    }
    return cell;
  }

  /** A rate's cell, where the plan has changed. A consumer's may be of keys of different plans, which take turns at it: there nothing tells. */
  #resize(cell: number, ready: ReadyLimit, at: number): void {
    const { unit, burst, ofConsumer } = ready;
    const before = this.#cells.get(cell, UNIT);
    const isSame = before === unit && this.#cells.word(cell, STATE) >>> BOOT_SHIFT === burst;
    if (ofConsumer || isSame) return;
    this.#cells.set(cell, TAT, resizedTat(this.#cells.get(cell, TAT), at, before, unit, burst));
    this.#sizeAs(cell, ready);
  }

  #sizeAs(cell: number, { unit, burst }: ReadyLimit): void {
    this.#cells.set(cell, UNIT, unit);
    this.#cells.setWord(cell, STATE, (burst << BOOT_SHIFT) | (this.#cells.word(cell, STATE) & DIRTY));
  }

  /** A quota's cell, in a new period, or of a new boot: until it hears what it is granted it has a credit. */
  #renew(cell: number, ready: ReadyLimit, limit: QuotaLimit, isNew: boolean, at: number): void {
    const { from, to } = periodAt(ready, limit, this.#clock.earliest(at));
    const began = this.#cells.get(cell, PERIOD);
    // One that begins behind the next was of a clock that was wrong.
    const isLater = isNew || from > began || began > to;
    if (!isLater && this.#cells.word(cell, STATE) >>> BOOT_SHIFT === this.#boot) return;
    if (isLater) {
      this.#cells.set(cell, PERIOD, from);
      this.#cells.set(cell, USED, 0);
      this.#cells.set(cell, UNSENT, 0);
    }
    this.#cells.setWord(cell, STATE, (this.#boot << BOOT_SHIFT) | (this.#cells.word(cell, STATE) & DIRTY));
    this.#cells.setWord(cell, SIZE, Math.min(limit.units, SIZE_MAX));
    this.#cells.set(cell, ROOM, creditOf(limit.units, this.#verifiers) - this.#cells.get(cell, UNSENT));
  }

  /** How long the request has to wait for the limit; 0: not at all. */
  #look(i: number, ready: ReadyLimit, cost: number, at: number): number {
    if (cost === 0) return 0;
    const { limit, unit, burst } = ready;
    const cell = this.#found[i] as number;
    if (limit.kind === "quota") {
      if (this.#cells.get(cell, USED) + cost > limit.units) return Math.max(1, this.#resetMs(ready, limit, at));
      return this.#cells.get(cell, ROOM) >= cost ? 0 : this.#everyMs;
    }
    const share = this.#share(at);
    const [slow, few] = [unit * share, Math.max(1, Math.floor(burst / share))];
    const tat = this.#cells.get(cell, TAT);
    const after = spendRate(tat, at, cost, slow, few);
    if (after === undefined) return rateWaitMs(tat, at, cost, slow, few);
    this.#tats[i] = after;
    return 0;
  }

  #charge(i: number, { limit, unit }: ReadyLimit, cost: number, at: number): void {
    if (cost === 0) return;
    const cell = this.#found[i] as number;
    this.#touch(cell);
    this.#cells.set(cell, UNSENT, this.#cells.get(cell, UNSENT) + cost);
    if (limit.kind === "quota") {
      this.#cells.set(cell, ROOM, this.#cells.get(cell, ROOM) - cost);
      this.#cells.set(cell, USED, this.#cells.get(cell, USED) + cost);
    } else {
      this.#cells.set(cell, TAT, this.#tats[i] as number);
      this.#cells.set(cell, UNIT, unit);
      this.#cells.setWord(cell, TOUCHED, Math.floor(at / 1_000));
    }
  }

  #stateOf(i: number, ready: ReadyLimit, at: number): LimitState {
    const { limit, unit, burst } = ready;
    const [cell, wait] = [this.#found[i] as number, this.#waits[i] as number];
    if (limit.kind === "quota") {
      const left = Math.max(0, limit.units - this.#cells.get(cell, USED));
      const remaining = wait > 0 ? Math.max(0, Math.min(left, this.#cells.get(cell, ROOM))) : left;
      return { limit, remaining, resetMs: wait > 0 ? wait : this.#resetMs(ready, limit, at) };
    }
    const share = this.#share(at);
    const [slow, few] = [unit * share, Math.max(1, Math.floor(burst / share))];
    const tat = this.#cells.get(cell, TAT);
    const remaining = rateRemaining(tat, at, slow, few);
    if (wait > 0) return { limit, remaining, resetMs: wait };
    return { limit, remaining, resetMs: remaining === 0 ? rateWaitMs(tat, at, 1, slow, few) : Math.max(0, tat - at) };
  }

  #countRefused(cell: number, at: number): void {
    this.#touch(cell);
    this.#cells.setWord(cell, REFUSED, this.#cells.word(cell, REFUSED) + 1);
    if (!this.#isQuota(cell)) this.#cells.setWord(cell, TOUCHED, Math.floor(at / 1_000));
  }

  #told({ subject, limit, owedMs, quota }: Told, then: number): void {
    const cell = this.#cellNamed(subject, limit, quota === undefined ? "rate" : "quota");
    if (cell < 0) return;
    if (owedMs !== undefined) {
      // What was used since the report is not in the answer. It counts from the report on, as it will there: a late answer must not make all of it
      // look as used just now.
      const owed = owedMs > 0 ? then + owedMs : Number.NEGATIVE_INFINITY;
      const since =
        this.#cells.get(cell, SINCE) === Number.POSITIVE_INFINITY ? this.#drainedAt : Number.NEGATIVE_INFINITY;
      const tat = Math.max(owed, since) + this.#cells.get(cell, UNSENT) * this.#cells.get(cell, UNIT);
      this.#cells.set(cell, TAT, Math.max(this.#cells.get(cell, TAT), tat));
    }
    if (quota === undefined || quota.period < this.#cells.get(cell, PERIOD)) return;
    if (quota.period > this.#cells.get(cell, PERIOD)) this.#cells.set(cell, UNSENT, 0);
    const unsent = this.#cells.get(cell, UNSENT);
    this.#cells.set(cell, PERIOD, quota.period);
    this.#cells.set(cell, USED, quota.used + unsent);
    this.#cells.set(cell, ROOM, quota.granted - quota.own - unsent);
    this.#cells.setWord(cell, STATE, (this.#boot << BOOT_SHIFT) | ANSWERED | (this.#cells.word(cell, STATE) & DIRTY));
  }

  #spentOf(cell: number, from: number): Spent {
    const [units, refused] = [this.#cells.get(cell, UNSENT), this.#cells.word(cell, REFUSED)];
    const limit = this.#plans.nameOf(this.#cells.idOf(cell));
    const spent: Spent = { subject: this.#cells.subjectOf(cell), limit, units, refused };
    if (this.#isQuota(cell)) {
      spent.period = this.#cells.get(cell, PERIOD);
      const wantsMore = units === 0 && refused > 0;
      if (this.#cells.word(cell, STATE) & ANSWERED && !wantsMore) spent.keeps = this.#keep(cell, units);
    } else {
      const since = this.#cells.get(cell, SINCE);
      if (since < from) spent.since = Math.floor(since);
      this.#cells.set(cell, SINCE, Number.POSITIVE_INFINITY);
    }
    this.#cells.set(cell, UNSENT, 0);
    this.#cells.setWord(cell, REFUSED, 0);
    this.#cells.setWord(cell, STATE, this.#cells.word(cell, STATE) & ~DIRTY);
    return spent;
  }

  /** From now on, until the answer comes, it uses no more than this. */
  #keep(cell: number, units: number): number {
    const room = Math.max(0, this.#cells.get(cell, ROOM));
    const kept = Math.min(room, this.#kept(cell, units));
    this.#cells.set(cell, ROOM, kept);
    return kept;
  }

  /** Cells of quotas, at most so many, that were not used for some reports and hold more than they need. */
  #idle(most: number): number[] {
    const idle: number[] = [];
    for (const [cell, report] of this.#warm) {
      if (report > this.#reports - IDLE_REPORTS || idle.length >= most) break;
      this.#warm.delete(cell);
      if (this.#hasIdleGrant(cell)) idle.push(cell);
    }
    return idle;
  }

  #hasIdleGrant(cell: number): boolean {
    const state = this.#cells.word(cell, STATE);
    if (state >>> BOOT_SHIFT !== this.#boot || (state & (ANSWERED | DIRTY)) !== ANSWERED) return false;
    return this.#cells.get(cell, ROOM) > this.#kept(cell, 0);
  }

  #kept(cell: number, units: number): number {
    return keptOf(Math.max(0, this.#cells.word(cell, SIZE) - this.#cells.get(cell, USED)), units, this.#verifiers);
  }

  #sweep(): void {
    const at = this.#world.clock.elapsed();
    const [second, over] = [Math.floor(at / 1_000), this.#clock.earliest(at) - PERIOD_MS_MAX];
    const end = Math.min(this.#cells.end, this.#cursor + SWEPT_PER_REPORT);
    for (let cell = this.#cursor; cell < end; cell++) {
      if (!this.#cells.isUsed(cell) || this.#cells.word(cell, STATE) & DIRTY) continue;
      const isOver = this.#isQuota(cell)
        ? this.#cells.get(cell, PERIOD) < over
        : this.#cells.get(cell, TAT) <= at && second - this.#cells.word(cell, TOUCHED) > IDLE_S;
      if (isOver) this.#cells.drop(cell);
    }
    this.#cursor = end === this.#cells.end ? 0 : end;
  }

  #cellNamed(subject: string, limit: string, kind: "rate" | "quota"): number {
    this.#cells.pack(subject, this.#key);
    return this.#cells.find(this.#key, isConsumer(subject), this.#plans.idOf(kind, limit));
  }

  #isQuota(cell: number): boolean {
    return this.#plans.isQuota(this.#cells.idOf(cell));
  }

  #touch(cell: number): void {
    const state = this.#cells.word(cell, STATE);
    if (state & DIRTY) return;
    this.#cells.setWord(cell, STATE, state | DIRTY);
    this.#dirty.push(cell);
  }

  #usedSince(cell: number, since: number): void {
    if (!this.#isQuota(cell)) this.#cells.set(cell, SINCE, Math.min(this.#cells.get(cell, SINCE), since));
  }

  /** What a verifier may use: 1 of all, or of so many parts one. */
  #share(at: number): number {
    return at - this.#heardAt > STALE_REPORTS * this.#everyMs ? this.#verifiers : 1;
  }

  #resetMs(ready: ReadyLimit, limit: QuotaLimit, at: number): number {
    const now = this.#clock.earliest(at);
    return Math.max(0, periodAt(ready, limit, now).to - now);
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
