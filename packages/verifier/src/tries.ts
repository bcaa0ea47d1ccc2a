/**
 * The tries of one thing that must succeed in the end: a report, an acknowledgement, the feed.
 *
 *     a round: each authority once, one right after the other, with little patience
 *     all failed: a pause of 25 ms to 5 s, doubling, with jitter; then the next round, with all the patience there is
 *
 * The lease is the measure of "little". A verifier with `leaseMs` left that loses its authority must notice it, and be answered by
 * another, before the lease is over. At the shortest lease, 2 s:
 *
 *     last beat ──1.5 s: silent──▶ another is asked ──it beats at once──▶ fresh again, 0.5 s to spare
 *     last report ──1 s: the next──▶ 0.5 s: no answer ──▶ another is asked ──▶ granted, 0.5 s to spare
 *
 * With one authority alone there is nobody else to ask, and no reason to hurry.
 */
import { defaultStalenessPolicy, jittered, sleep, type World } from "@keyover/core";
import type { AuthorityCalls } from "./authority-calls.ts";
import type { Lease } from "./lease.ts";

/** Give or take half. */
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 3_300;
const CALL_MS = 5_000;
const SNAPSHOT_MS = 10_000;
/** A beat comes each second; this much later it is missing. */
const BEAT_MISSING_MS = 1_500;

/** For how long nothing may come. */
export interface Patience {
  /** Before a call is answered, or a stream begins. */
  callMs: number;
  /** On the feed. */
  feedMs: number;
  /** In the midst of a snapshot. */
  snapshotMs: number;
}

export class Tries {
  readonly #world: World;
  readonly #calls: AuthorityCalls;
  readonly #lease: Lease;
  #failed = 0;
  #delayMs = PAUSE_MIN_MS;

  constructor(world: World, calls: AuthorityCalls, lease: Lease) {
    this.#world = world;
    this.#calls = calls;
    this.#lease = lease;
  }

  get patience(): Patience {
    const { leaseMs } = this.#lease.policy ?? defaultStalenessPolicy;
    const { count } = this.#calls;
    return patienceOf(leaseMs, count > 1 && this.#failed < count);
  }

  succeeded(): void {
    this.#failed = 0;
    this.#delayMs = PAUSE_MIN_MS;
  }

  /** After a failure, resolves when it is time for the next try. `elsewhere`: another authority may do better. */
  async next(elsewhere: boolean): Promise<void> {
    this.#failed++;
    if (elsewhere && this.#failed % this.#calls.count !== 0) return;
    const { clock, random } = this.#world;
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(2 * delayMs, PAUSE_MAX_MS);
    await sleep(clock, jittered(delayMs, 0.5, random));
  }
}

/** Exported for the test of the sums above. */
export function patienceOf(leaseMs: number, hurried: boolean): Patience {
  if (!hurried) {
    return { callMs: CALL_MS, feedMs: Math.max(2_500, Math.min(CALL_MS, leaseMs / 2)), snapshotMs: SNAPSHOT_MS };
  }
  const quarterMs = Math.min(CALL_MS, leaseMs / 4);
  const silenceMs = Math.max(BEAT_MISSING_MS, quarterMs);
  return { callMs: quarterMs, feedMs: silenceMs, snapshotMs: silenceMs };
}
