/**
 * What a verifier and the authority tell each other of the cells, about once a second.
 *
 *     touched cells ──▶ drain: `spent` of a report ──not counted: untold──▶ drain of a later one
 *     quotas that nobody uses ──▶ as well, to give back what they do not need
 *     `limits` of the answer ──▶ told: what all have used, what this boot may use
 *
 * Units are told with the size of the rate that they were used under. Where that changed since they were used, they are set aside as they were.
 */
import {
  type Grant,
  keptOf,
  type RateSize,
  SPENT_PER_REPORT_MAX,
  type Spent,
  type Told,
  type World,
} from "@keyover/core";
import type { AuthorityClock } from "../lease.ts";
import {
  ANSWERED,
  BOOT_SHIFT,
  DIRTY,
  isConsumer,
  type LimitCells,
  markOf,
  PERIOD,
  REFUSED,
  ROOM,
  SINCE,
  SIZE,
  STATE,
  Subject,
  sizeWord,
  TAT,
  TOUCHED,
  UNIT,
  UNSENT,
  USED,
} from "./limit-cells.ts";
import type { PlanBook } from "./plan-book.ts";
import { SetAside } from "./set-aside.ts";

/** After so many without use a quota's grant is given back, but for a share. */
const IDLE_REPORTS = 10;
/** A cell that nobody has touched for so long, and that says nothing more, is dropped. */
const IDLE_S = 60;
/** No period is longer, whatever its zone does. */
const PERIOD_MS_MAX = 32 * 86_400_000;
/** Cells looked at with each report, for those to drop: about 0.1 ms. */
const SWEPT_PER_REPORT = 2_000;

export interface LimitReportsParts {
  world: World;
  clock: AuthorityClock;
  plans: PlanBook;
  cells: LimitCells;
}

export class LimitReports {
  readonly #clock: AuthorityClock;
  readonly #plans: PlanBook;
  readonly #cells: LimitCells;
  readonly #elapsed: () => number;
  readonly #subject = new Subject();
  /** Cells with something to report, oldest first. */
  #dirty: number[] = [];
  readonly #aside = new SetAside();
  /** By cell, for the next report: of a rate the largest cost beyond its burst, of a quota the smallest that was refused for want of a grant. */
  readonly #costs = new Map<number, number>();
  /** Cells of quotas by the report that they were in last, oldest first. */
  #warm = new Map<number, number>();
  #reports = 0;
  #cursor = 0;
  #drainedAt: number;
  /** Counts boots from 1: what was granted to an earlier one is not this one's. */
  boot = 1;
  /** Verifiers of the api that may answer, as far as is known. */
  verifiers = 1;

  constructor({ world, clock, plans, cells }: LimitReportsParts) {
    this.#elapsed = () => world.clock.elapsed();
    this.#clock = clock;
    this.#plans = plans;
    this.#cells = cells;
    this.#drainedAt = this.#elapsed();
  }

  /** A boot was registered at `from` (the authority's time). */
  begin(from: number): void {
    this.boot++;
    // What was used before belongs to no interval of this boot.
    this.#leave(from - (this.#elapsed() - this.#drainedAt));
  }

  /** The first so many have something to report, at the monotonic time `at`. */
  touch(found: Int32Array, count: number, at: number): void {
    for (let i = 0; i < count; i++)
      if ((this.#cells.word(found[i] as number, STATE) & DIRTY) === 0) this.#starts(found[i] as number, at);
  }

  /** A request of a rate that cost more than the burst. */
  usedAtOnce(cell: number, cost: number): void {
    this.#costs.set(cell, Math.max(this.#costs.get(cell) ?? 0, cost));
  }

  /** A request of a quota that was refused for want of a grant. The smallest counts: what is enough for it is soonest there. */
  refusedFor(cell: number, cost: number): void {
    this.#costs.set(cell, Math.min(this.#costs.get(cell) ?? cost, cost));
  }

  #starts(cell: number, at: number): void {
    this.#cells.setWord(cell, STATE, this.#cells.word(cell, STATE) | DIRTY);
    this.#dirty.push(cell);
    if (!this.#isQuota(cell)) this.#cells.setWord(cell, TOUCHED, Math.floor(at / 1_000));
  }

  /** A quota has another size than when it was asked for last. What lies here is looked at again, if nobody uses it. */
  resize(cell: number, units: number): void {
    this.#cells.setWord(cell, SIZE, sizeWord(units));
    if (this.#cells.word(cell, STATE) & DIRTY) return;
    this.#warm.delete(cell);
    this.#warm.set(cell, this.#reports);
  }

  /** A rate's cell is about to get another size: what was used under this one is told so. */
  setAside(cell: number): void {
    const cells = this.#cells;
    const [units, refused] = [cells.get(cell, UNSENT), cells.word(cell, REFUSED)];
    if (units === 0 && refused === 0) return;
    const since = cells.get(cell, SINCE);
    const largest = this.#costOf(cell);
    const spent: Spent = { ...this.#nameOf(cell), units, refused, rate: this.#sizeOf(cell), largest };
    this.#aside.add(since === Number.POSITIVE_INFINITY ? spent : { ...spent, since });
    cells.set(cell, UNSENT, 0);
    cells.setWord(cell, REFUSED, 0);
    cells.set(cell, SINCE, Number.POSITIVE_INFINITY);
  }

  /** What was used and refused since the last call, for a report whose interval begins at `from`; what is too much waits for the next. */
  drain(from: number): Spent[] {
    this.#drainedAt = this.#elapsed();
    const aside = this.#aside.take(SPENT_PER_REPORT_MAX);
    const cells = this.#dirty.splice(0, SPENT_PER_REPORT_MAX - aside.length);
    this.#leave(from);
    this.#reports++;
    for (const cell of cells) {
      this.#warm.delete(cell);
      if (this.#isQuota(cell)) this.#warm.set(cell, this.#reports);
    }
    const idle = this.#idle(SPENT_PER_REPORT_MAX - aside.length - cells.length);
    const spent = [
      ...aside.map(({ since, ...each }) => sinceBefore(each, since, from)),
      ...[...cells, ...idle].map((cell) => this.#spentOf(cell, from)),
    ];
    this.#sweep();
    return spent;
  }

  /** A report whose interval began at `from` was not counted: what it said goes with the next one. */
  untold(spent: readonly Spent[], from: number): void {
    const cells = this.#cells;
    for (const each of spent) {
      const { units, refused, period, since = from, rate, largest } = each;
      const [cell = -1] = this.#cellsOf(each, period === undefined);
      if (cell < 0 || (units === 0 && refused === 0)) continue;
      if (period !== undefined && cells.get(cell, PERIOD) !== period) continue;
      if (rate !== undefined && !this.#isOfSize(cell, rate)) {
        this.#aside.add({ ...each, since });
        continue;
      }
      if ((cells.word(cell, STATE) & DIRTY) === 0) this.#starts(cell, this.#elapsed());
      cells.set(cell, UNSENT, cells.get(cell, UNSENT) + units);
      cells.setWord(cell, REFUSED, cells.word(cell, REFUSED) + refused);
      if (largest !== undefined) this.usedAtOnce(cell, largest);
      this.#usedSince(cell, since);
    }
  }

  /** Of an answer, whose `now` was at the monotonic time `then`. */
  told(limits: Grant["limits"], then: number): void {
    for (const told of limits ?? [])
      for (const cell of this.#cellsOf(told, told.quota === undefined)) this.#hear(cell, told, then);
  }

  clear(): void {
    this.#dirty = [];
    this.#aside.clear();
    this.#costs.clear();
    this.#warm.clear();
  }

  #hear(cell: number, { owedMs, quota }: Told, then: number): void {
    const cells = this.#cells;
    if (owedMs !== undefined) {
      // What was used since the report is not in the answer. It counts from the report on, as it will there: a late answer must not make all of it
      // look as used just now.
      const owed = owedMs > 0 ? then + owedMs : Number.NEGATIVE_INFINITY;
      const since = cells.get(cell, SINCE) === Number.POSITIVE_INFINITY ? this.#drainedAt : Number.NEGATIVE_INFINITY;
      const tat = Math.max(owed, since) + cells.get(cell, UNSENT) * cells.get(cell, UNIT);
      cells.set(cell, TAT, Math.max(cells.get(cell, TAT), tat));
    }
    if (quota === undefined || quota.period < cells.get(cell, PERIOD)) return;
    if (quota.period > cells.get(cell, PERIOD)) cells.set(cell, UNSENT, 0);
    const unsent = cells.get(cell, UNSENT);
    cells.set(cell, PERIOD, quota.period);
    cells.set(cell, USED, quota.used + unsent);
    cells.set(cell, ROOM, quota.granted - quota.own - unsent);
    cells.setWord(cell, STATE, (this.boot << BOOT_SHIFT) | ANSWERED | (cells.word(cell, STATE) & DIRTY));
  }

  #spentOf(cell: number, from: number): Spent {
    const cells = this.#cells;
    const [units, refused] = [cells.get(cell, UNSENT), cells.word(cell, REFUSED)];
    const cost = this.#costOf(cell);
    let spent: Spent = { ...this.#nameOf(cell), units, refused };
    if (this.#isQuota(cell)) {
      spent.period = cells.get(cell, PERIOD);
      if (cost !== undefined) spent.wants = cost;
      const wantsMore = units === 0 && refused > 0;
      const isAnswered = (cells.word(cell, STATE) & ANSWERED) !== 0;
      if (isAnswered && !wantsMore) spent.keeps = this.#keep(cell, units);
      // What is too little for its requests is given back all the same: else each might hold a part, and nobody enough.
      if (isAnswered && wantsMore && cost !== undefined) spent.holds = this.#keep(cell, units);
    } else {
      spent = sinceBefore({ ...spent, rate: this.#sizeOf(cell), largest: cost }, cells.get(cell, SINCE), from);
      cells.set(cell, SINCE, Number.POSITIVE_INFINITY);
    }
    cells.set(cell, UNSENT, 0);
    cells.setWord(cell, REFUSED, 0);
    cells.setWord(cell, STATE, cells.word(cell, STATE) & ~DIRTY);
    return spent;
  }

  #costOf(cell: number): number | undefined {
    const cost = this.#costs.get(cell);
    this.#costs.delete(cell);
    return cost;
  }

  /** What is left for a later report was used before that begins. */
  #leave(since: number): void {
    for (const cell of this.#dirty) this.#usedSince(cell, since);
    this.#aside.leave(since);
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
    if (state >>> BOOT_SHIFT !== this.boot || (state & (ANSWERED | DIRTY)) !== ANSWERED) return false;
    return this.#cells.get(cell, ROOM) > this.#kept(cell, 0);
  }

  #kept(cell: number, units: number): number {
    return keptOf(Math.max(0, this.#cells.word(cell, SIZE) - this.#cells.get(cell, USED)), units, this.verifiers);
  }

  #sweep(): void {
    const cells = this.#cells;
    const at = this.#elapsed();
    const [second, over] = [Math.floor(at / 1_000), this.#clock.earliest(at) - PERIOD_MS_MAX];
    const end = Math.min(cells.end, this.#cursor + SWEPT_PER_REPORT);
    for (let cell = this.#cursor; cell < end; cell++) {
      if (!cells.isUsed(cell) || cells.word(cell, STATE) & DIRTY) continue;
      const isOver = this.#isQuota(cell)
        ? cells.get(cell, PERIOD) < over
        : cells.get(cell, TAT) <= at && second - cells.word(cell, TOUCHED) > IDLE_S;
      if (isOver) cells.drop(cell);
      else if (this.#isQuota(cell)) this.#shrink(cell);
    }
    this.#cursor = end === cells.end ? 0 : end;
  }

  /** A cell that nobody asks for hears nothing of a plan that became smaller, and would keep a share of the former size. */
  #shrink(cell: number): void {
    const most = this.#plans.mostUnits(this.#cells.idOf(cell));
    if (most !== undefined && this.#cells.word(cell, SIZE) > sizeWord(most)) this.resize(cell, most);
  }

  /** Those that are meant. An older authority does not say of what size a consumer's rate is: then each. */
  #cellsOf({ subject, limit, rate }: Pick<Told, "subject" | "limit" | "rate">, isRate: boolean): number[] {
    const ofConsumer = isConsumer(subject);
    this.#cells.pack(subject, this.#subject);
    this.#subject.settle();
    return this.#plans
      .idsOf(isRate ? "rate" : "quota", limit, ofConsumer, rate)
      .map((id) => this.#cells.find(this.#subject, markOf(id, ofConsumer), -1))
      .filter((cell) => cell >= 0);
  }

  #nameOf(cell: number): Pick<Spent, "subject" | "limit"> {
    return { subject: this.#cells.subjectOf(cell), limit: this.#plans.nameOf(this.#cells.idOf(cell)) };
  }

  #sizeOf(cell: number): RateSize {
    return { unitMs: this.#cells.get(cell, UNIT), burst: this.#cells.word(cell, STATE) >>> BOOT_SHIFT };
  }

  #isOfSize(cell: number, { unitMs, burst }: RateSize): boolean {
    return this.#cells.get(cell, UNIT) === unitMs && this.#cells.word(cell, STATE) >>> BOOT_SHIFT === burst;
  }

  #isQuota(cell: number): boolean {
    return this.#plans.isQuota(this.#cells.idOf(cell));
  }

  #usedSince(cell: number, since: number): void {
    if (!this.#isQuota(cell)) this.#cells.set(cell, SINCE, Math.min(this.#cells.get(cell, SINCE), since));
  }
}

/** `since` is said only where it is before the report's interval. */
function sinceBefore(spent: Omit<Spent, "since">, since: number | undefined, from: number): Spent {
  return since !== undefined && since < from ? { ...spent, since: Math.floor(since) } : spent;
}
