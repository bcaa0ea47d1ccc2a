/** A hidden program as it runs: which version it presents at each of its calls. */
import type { Program } from "./consumers.ts";
import { HOUR } from "./rhythms.ts";

/** Calls with no more than this between them are one run. */
const RUN_GAP_MS = HOUR / 2;

/** What the key's holder can know: the version to be on, and since when it can be had. */
export interface OnOffer {
  to: number;
  since: number;
}

export class RunningProgram {
  readonly program: Program;
  version = 1;
  /** When its runs began. */
  runs: number[] = [];
  #next = 0;
  #lastCall = Number.NEGATIVE_INFINITY;
  /** Runs with the old version since this offer. */
  #waited: { to: number; runs: number } = { to: 0, runs: 0 };

  constructor(program: Program) {
    this.program = program;
  }

  /** Its calls up to then, which were not taken yet. */
  callsUntil(to: number): number[] {
    const calls: number[] = [];
    const { times } = this.program;
    for (; (times[this.#next] ?? Number.POSITIVE_INFINITY) <= to; this.#next++) calls.push(times[this.#next] as number);
    return calls;
  }

  /** The version that it presents now. */
  present(at: number, offer: OnOffer | undefined): number {
    const begins = at - this.#lastCall > RUN_GAP_MS;
    if (begins) this.runs.push(at);
    this.#lastCall = at;
    if (offer !== undefined && offer.to > this.version && this.#isReady(at, offer, begins)) this.version = offer.to;
    return this.version;
  }

  #isReady(at: number, { to, since }: OnOffer, begins: boolean): boolean {
    const { moves } = this.program;
    if ("afterMs" in moves) return at >= since + moves.afterMs;
    if (this.#waited.to !== to) this.#waited = { to, runs: 0 };
    if (this.#waited.runs >= moves.runs) return begins;
    if (begins) this.#waited.runs++;
    return false;
  }
}
