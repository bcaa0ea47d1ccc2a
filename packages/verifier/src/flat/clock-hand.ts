/**
 * Which key a full cache gives up: CLOCK. A use sets one byte of its slot; a hand goes round the slots, takes the byte away where it finds
 * one, and stops at the first key that was not used since it came by last.
 *
 *     slot   0  1  2  3  4  5 …        a key in rotation has several slots: it was used if one of them was, and goes as a whole
 *     used   1  0  1  1  0  0
 *               ▲ hand
 *
 * After `LOOKS_MAX` keys that were all used it takes the one that it has come to: no request waits for a whole round.
 */
import type { FlatTable } from "./flat-table.ts";
import { isHead, isRare } from "./line.ts";

const LOOKS_MAX = 128;

export class ClockHand {
  #used = new Uint8Array(1_024);
  #at = -1;

  /** On the hot path of a cache. */
  use(slot: number): void {
    if (slot >= this.#used.length) this.#grow(slot);
    this.#used[slot] = 1;
  }

  /** The head of the key to give up. There must be one. */
  next(table: FlatTable): number {
    for (let looks = 0; ; ) {
      this.#at = this.#at + 1 < table.end ? this.#at + 1 : 0;
      const meta = table.metaOf(this.#at);
      if (!isHead(meta)) continue;
      const used = isRare(meta) ? this.#takeAll(table.slotsOf(this.#at)) : this.#take(this.#at);
      if (!used || ++looks === LOOKS_MAX) return this.#at;
    }
  }

  #takeAll(slots: readonly number[]): boolean {
    let used = false;
    for (const slot of slots) used = this.#take(slot) || used;
    return used;
  }

  #take(slot: number): boolean {
    const used = this.#used[slot] === 1;
    if (used) this.#used[slot] = 0;
    return used;
  }

  #grow(slot: number): void {
    const larger = new Uint8Array(2 * (slot + 1));
    larger.set(this.#used);
    this.#used = larger;
  }
}
