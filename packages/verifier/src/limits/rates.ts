/** Rates: their cells, and what a request takes of them. The arithmetic is core's (limit-state.ts). */
import { type LimitState, type RateLimit, rateRemaining, rateWaitMs, resizedTat, spendRate } from "@keyover/core";
import { placeOf } from "../flat/segments.ts";
import { type Asked, AT, SHARE } from "./asked.ts";
import { BOOT_SHIFT, DIRTY, type LimitCells, markOf, SINCE, STATE, TAT, TOUCHED, UNIT, UNSENT } from "./limit-cells.ts";
import type { LimitReports } from "./limit-reports.ts";
import type { PlanBook, ReadyRate } from "./plan-book.ts";

export class Rates {
  readonly #asked: Asked;
  readonly #cells: LimitCells;
  readonly #reports: LimitReports;
  readonly #plans: PlanBook;

  constructor(asked: Asked, cells: LimitCells, reports: LimitReports, plans: PlanBook) {
    this.#asked = asked;
    this.#cells = cells;
    this.#reports = reports;
    this.#plans = plans;
  }

  /** Its cell, of the size that the plan gives it. */
  cellOf(ready: ReadyRate, near: number): number {
    const { unit, burst, mark } = ready;
    const cells = this.#cells;
    const cell = cells.find(this.#asked.of(ready), mark, near);
    if (cell < 0) return this.#make(ready);
    if (cells.get(cell, UNIT) !== unit || cells.word(cell, STATE) >>> BOOT_SHIFT !== burst) this.#resize(cell, ready);
    return cell;
  }

  /** Undefined: it has to wait, and nothing is charged. */
  take(i: number, cell: number, { limit, unit, burst }: ReadyRate, cost: number): LimitState | undefined {
    const { times, tats } = this.#asked;
    const [at, share] = [times[AT] as number, times[SHARE] as number];
    const [slow, few] = [unit * share, fewOf(burst, share)];
    const [doubles, place] = [this.#cells.doubles(cell), placeOf(cell) / 2];
    let tat = doubles[place + TAT] as number;
    if (cost > 0) {
      const after = spendRate(tat, at, cost, slow, few);
      if (after === undefined) return undefined;
      tats[i] = tat;
      tat = after;
      doubles[place + TAT] = tat;
      doubles[place + UNSENT] = (doubles[place + UNSENT] as number) + cost;
    }
    return stateOf(limit, tat, at, slow, few);
  }

  /** What was taken just now. */
  giveBack(i: number, cell: number, cost: number): void {
    if (cost === 0) return;
    this.#cells.set(cell, TAT, this.#asked.tats[i] as number);
    this.#cells.set(cell, UNSENT, this.#cells.get(cell, UNSENT) - cost);
  }

  /** How long the request has to wait; 0: not at all. */
  waitMs(cell: number, { unit, burst }: ReadyRate, cost: number): number {
    const { times } = this.#asked;
    const [at, share] = [times[AT] as number, times[SHARE] as number];
    const [slow, few] = [unit * share, fewOf(burst, share)];
    const tat = this.#cells.get(cell, TAT);
    if (cost === 0 || spendRate(tat, at, cost, slow, few) !== undefined) return 0;
    return rateWaitMs(tat, at, cost, slow, few);
  }

  /** What is left for a request that is refused, and has to wait for this limit so long. */
  left(cell: number, { limit, unit, burst }: ReadyRate, waitMs: number): LimitState {
    const { times } = this.#asked;
    const [at, share] = [times[AT] as number, times[SHARE] as number];
    const state = stateOf(limit, this.#cells.get(cell, TAT), at, unit * share, fewOf(burst, share));
    return waitMs > 0 ? { ...state, resetMs: waitMs } : state;
  }

  #make(ready: ReadyRate): number {
    const { unit, burst, mark, ofConsumer, limit } = ready;
    const cells = this.#cells;
    const [subject, at] = [this.#asked.of(ready), this.#asked.times[AT] as number];
    let tat = at;
    // Of a consumer each size has a cell of its own. What is owed under one that no plan has any more is owed under this.
    for (const former of ofConsumer ? this.#plans.formerIds(limit.name) : []) {
      const cell = cells.find(subject, markOf(former, true), -1);
      if (cell >= 0) tat = Math.max(tat, resizedTat(cells.get(cell, TAT), at, cells.get(cell, UNIT), unit, burst));
    }
    const cell = cells.make(subject, mark, burst << BOOT_SHIFT);
    cells.set(cell, UNIT, unit);
    cells.set(cell, TAT, tat);
    cells.set(cell, SINCE, Number.POSITIVE_INFINITY);
    cells.setWord(cell, TOUCHED, Math.floor(at / 1_000));
    return cell;
  }

  /** The plan has changed, or the key has another. */
  #resize(cell: number, { unit, burst }: ReadyRate): void {
    const [cells, at] = [this.#cells, this.#asked.times[AT] as number];
    this.#reports.setAside(cell);
    cells.set(cell, TAT, resizedTat(cells.get(cell, TAT), at, cells.get(cell, UNIT), unit, burst));
    cells.set(cell, UNIT, unit);
    cells.setWord(cell, STATE, (burst << BOOT_SHIFT) | (cells.word(cell, STATE) & DIRTY));
  }
}

function stateOf(limit: RateLimit, tat: number, at: number, unit: number, burst: number): LimitState {
  const remaining = rateRemaining(tat, at, unit, burst);
  return { limit, remaining, resetMs: remaining === 0 ? rateWaitMs(tat, at, 1, unit, burst) : Math.max(0, tat - at) };
}

/** A V-th of a burst, where it is not all. */
function fewOf(burst: number, share: number): number {
  return share === 1 ? burst : Math.max(1, Math.floor(burst / share));
}
