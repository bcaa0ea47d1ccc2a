/**
 * Who may ask the authority about a key that is not held, when strangers' keys come faster than it should be asked. What is limited is
 * questions about keys that do not exist: one that turns out to exist gives back what it took, so a cache that fills costs nothing here.
 *
 *     budget   BURST questions, PER_SECOND more each second, for all networks together; those under way or waiting for their turn are taken from it
 *     score    of a network (/24, /48): its questions of late that were in vain, and a thirty-second of those under way; halved every HALVE_MS
 *
 *     a question is let in ⇔ budget left / BURST > score / (score + 32)
 *
 * So the more a network has asked in vain, the more must be left for it to ask again. Under a flood what is left settles where the
 * flooding networks may just not have it, near all where one network floods, near a tenth where a thousand do; and whoever asked less in vain
 * still finds it. A network that asked for nothing strange yet may take the last. Only new networks without end could crowd it out.
 *
 * Scores are kept in a sketch (count-min, three rows): a fixed size, whatever comes. Where networks share a cell in all three rows, the
 * higher score counts for both; which ones do is different in each process, and can't be worked out from outside.
 */
import { truncatedNetwork, type World } from "@keyover/core";

export const PER_SECOND = 200;
/** As many networks may ask for the first time at once. */
export const BURST = 1_000;
/** What a question counts in its network's score: while it is under way, because a flood does not wait for answers; and when it was in vain. */
const ASKED = 1;
const IN_VAIN = 32;
/** At this score half of the budget must be left. */
const SCORE_OF_HALF = 32 * IN_VAIN;

export class Admission {
  readonly #world: World;
  readonly #scores: Scores;
  #budget = BURST;
  #filledAt: number;

  constructor(world: World) {
    this.#world = world;
    this.#scores = new Scores(world);
    this.#filledAt = world.clock.elapsed();
  }

  /** `"open"`, or what stands in the way: there is nothing left, or not for this network. */
  standing(network: string): "open" | "full" | "noisy" {
    this.#refill();
    if (this.#budget < 1) return "full";
    const score = this.#scores.of(network);
    return this.#budget / BURST > score / (score + SCORE_OF_HALF) ? "open" : "noisy";
  }

  /** The higher, the more it has asked in vain, or asks now. */
  scoreOf(network: string): number {
    return this.#scores.of(network);
  }

  /** After "open". */
  enter(network: string): void {
    this.#budget--;
    this.#scores.add(network, ASKED);
  }

  /** `spent`: the authority was asked in vain. */
  leave(network: string, spent: boolean): void {
    this.#scores.add(network, (spent ? IN_VAIN : 0) - ASKED);
    if (!spent) this.#budget = Math.min(BURST, this.#budget + 1);
  }

  #refill(): void {
    const now = this.#world.clock.elapsed();
    this.#budget = Math.min(BURST, this.#budget + ((now - this.#filledAt) * PER_SECOND) / 1_000);
    this.#filledAt = now;
  }
}

/** The name that a caller's questions are counted under. */
export function networkOf(address: string | undefined): string {
  return address === undefined ? "unknown" : truncatedNetwork(address);
}

const ROWS = 3;
const CELLS = 16_384;
const SCORE_MAX = 65_535;
const HALVE_MS = 10_000;

class Scores {
  readonly #world: World;
  readonly #seeds: Int32Array;
  readonly #cells = new Uint16Array(ROWS * CELLS);
  #halvedAt: number;

  constructor(world: World) {
    this.#world = world;
    const { buffer, byteOffset } = world.random(4 * ROWS);
    const seeds = new DataView(buffer, byteOffset);
    this.#seeds = Int32Array.from({ length: ROWS }, (_, row) => seeds.getInt32(4 * row));
    this.#halvedAt = world.clock.elapsed();
  }

  of(network: string): number {
    this.#halve();
    let score = SCORE_MAX;
    for (let row = 0; row < ROWS; row++) score = Math.min(score, this.#cells[this.#cell(row, network)] as number);
    return score;
  }

  add(network: string, by: number): void {
    for (let row = 0; row < ROWS; row++) {
      const cell = this.#cell(row, network);
      this.#cells[cell] = Math.max(0, Math.min(SCORE_MAX, (this.#cells[cell] as number) + by));
    }
  }

  #halve(): void {
    const passed = Math.floor((this.#world.clock.elapsed() - this.#halvedAt) / HALVE_MS);
    if (passed === 0) return;
    this.#halvedAt += passed * HALVE_MS;
    for (let cell = 0; cell < this.#cells.length; cell++)
      this.#cells[cell] = (this.#cells[cell] as number) >> Math.min(passed, 16);
  }

  #cell(row: number, network: string): number {
    let hash = this.#seeds[row] as number;
    for (let i = 0; i < network.length; i++) hash = Math.imul(hash ^ network.charCodeAt(i), 0x0100_0193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
    return row * CELLS + ((hash ^ (hash >>> 13)) & (CELLS - 1));
  }
}
