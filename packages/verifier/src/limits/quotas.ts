/** Quotas: their cells, and what a request takes of them. What a verifier may use is granted by the authority (limit-state.ts). */
import { creditOf, type LimitState } from "@keyover/core";
import { placeOf } from "../flat/segments.ts";
import { type Asked, NOW } from "./asked.ts";
import {
  BOOT_SHIFT,
  DIRTY,
  type LimitCells,
  PERIOD,
  ROOM,
  SIZE,
  STATE,
  sizeWord,
  UNSENT,
  USED,
} from "./limit-cells.ts";
import type { LimitReports } from "./limit-reports.ts";
import { periodAt, type ReadyQuota } from "./plan-book.ts";

export class Quotas {
  readonly #asked: Asked;
  readonly #cells: LimitCells;
  readonly #reports: LimitReports;

  constructor(asked: Asked, cells: LimitCells, reports: LimitReports) {
    this.#asked = asked;
    this.#cells = cells;
    this.#reports = reports;
  }

  /** Its cell, of this period and this boot. */
  cellOf(ready: ReadyQuota, near: number): number {
    const cells = this.#cells;
    const known = cells.find(this.#asked.of(ready), ready.mark, near);
    const cell = known < 0 ? this.#make(ready) : known;
    const { from, to } = periodAt(ready, this.#asked.times[NOW] as number);
    const began = cells.get(cell, PERIOD);
    // One that begins behind the next was of a clock that was wrong.
    const isLater = from > began || began > to;
    if (isLater || cells.word(cell, STATE) >>> BOOT_SHIFT !== this.#reports.boot)
      this.#renew(cell, ready.limit.units, from, isLater);
    else if (cells.word(cell, SIZE) !== sizeWord(ready.limit.units)) this.#reports.resize(cell, ready.limit.units);
    return cell;
  }

  /** Undefined: it has to wait, and nothing is charged. */
  take(cell: number, ready: ReadyQuota, cost: number): LimitState | undefined {
    const { limit } = ready;
    const [doubles, place] = [this.#cells.doubles(cell), placeOf(cell) / 2];
    let used = doubles[place + USED] as number;
    if (cost > 0) {
      const room = doubles[place + ROOM] as number;
      if (used + cost > limit.units || room < cost) return undefined;
      used += cost;
      doubles[place + USED] = used;
      doubles[place + ROOM] = room - cost;
      doubles[place + UNSENT] = (doubles[place + UNSENT] as number) + cost;
    }
    return { limit, remaining: Math.max(0, limit.units - used), resetMs: this.#restMs(ready) };
  }

  /** What was taken just now. */
  giveBack(cell: number, cost: number): void {
    const cells = this.#cells;
    cells.set(cell, USED, cells.get(cell, USED) - cost);
    cells.set(cell, ROOM, cells.get(cell, ROOM) + cost);
    cells.set(cell, UNSENT, cells.get(cell, UNSENT) - cost);
  }

  /** How long the request has to wait: until the period ends, or the authority may have granted more. 0: not at all. */
  waitMs(cell: number, ready: ReadyQuota, cost: number, everyMs: number): number {
    if (cost === 0) return 0;
    if (this.#cells.get(cell, USED) + cost > ready.limit.units) return Math.max(1, this.#restMs(ready));
    return this.#cells.get(cell, ROOM) >= cost ? 0 : everyMs;
  }

  /** It lacks nothing but a grant. */
  isUngranted(cell: number, { limit }: ReadyQuota, cost: number): boolean {
    return this.#cells.get(cell, ROOM) < cost && this.#cells.get(cell, USED) + cost <= limit.units;
  }

  /** What is left for a request that is refused, and has to wait for this limit so long. */
  left(cell: number, ready: ReadyQuota, waitMs: number): LimitState {
    const { limit } = ready;
    const left = Math.max(0, limit.units - this.#cells.get(cell, USED));
    if (waitMs === 0) return { limit, remaining: left, resetMs: this.#restMs(ready) };
    return { limit, remaining: Math.max(0, Math.min(left, this.#cells.get(cell, ROOM))), resetMs: waitMs };
  }

  #restMs(ready: ReadyQuota): number {
    const now = this.#asked.times[NOW] as number;
    return Math.max(0, periodAt(ready, now).to - now);
  }

  #make(ready: ReadyQuota): number {
    const cell = this.#cells.make(this.#asked.of(ready), ready.mark, this.#reports.boot << BOOT_SHIFT);
    this.#cells.set(cell, PERIOD, Number.NEGATIVE_INFINITY);
    return cell;
  }

  /** In a new period, or of a new boot: until it hears what it is granted it has a credit. */
  #renew(cell: number, units: number, from: number, isLater: boolean): void {
    const cells = this.#cells;
    const { boot, verifiers } = this.#reports;
    if (isLater) {
      cells.set(cell, PERIOD, from);
      cells.set(cell, USED, 0);
      cells.set(cell, UNSENT, 0);
    }
    cells.setWord(cell, STATE, (boot << BOOT_SHIFT) | (cells.word(cell, STATE) & DIRTY));
    cells.setWord(cell, SIZE, sizeWord(units));
    cells.set(cell, ROOM, creditOf(units, verifiers) - cells.get(cell, UNSENT));
  }
}
