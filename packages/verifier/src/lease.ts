/**
 * Two questions of time that a verifier answers without trusting its own wall clock (I12).
 *
 * `AuthorityClock`: what time is it at the authority? Each answer carries the authority's `now`, stamped after the
 * request was sent and before the answer was received, so the difference to the local monotonic clock lies between two
 * bounds. Bounds of several answers are intersected; between answers they widen by what two crystals may drift. Where an answer
 * contradicts the bounds, the authority's clock was set, or another authority speaks, whose clock is another: its word is taken.
 * Time that such a step skips or repeats has not passed: `steppedSince` finds it.
 *
 * `Lease`: may this verifier still answer?
 *
 *     fresh    until leaseMs after the earlier of: the last granted request was sent; the replica was last known whole
 *     static   after that, if the policy says so, for staticMs: answers go out marked stale
 *     over     after that: every answer is `stale_replica`
 *
 * A grant alone does not make a verifier fresh: one whose reports arrive while its feed is stuck would accept what was
 * revoked. Only a beat, or a snapshot, says that the replica is whole: an entry may have been long on its way, with a revocation
 * behind it. Both times are taken from before the authority can have said its word, so the lease ends here first.
 */
import type { Clock, StalenessPolicy } from "@keyover/core";

/** Ten times what a plain quartz drifts, and as fast as NTP slews a clock. */
const DRIFT = 500e-6;
/** Clocks of several authorities, or of one that has been corrected, may differ by this much. */
const STEP_MS = 1_000;

const NEVER = Number.NEGATIVE_INFINITY;

/** What the authority's clock was taken to show. */
export interface ClockMark {
  /** Monotonic. */
  at: number;
  earliest: number;
  latest: number;
}

export class AuthorityClock {
  readonly #clock: Clock;
  /** The authority's time minus the local monotonic time lies between these two, as of `#asOf`. */
  #lower = Number.NEGATIVE_INFINITY;
  #upper = Number.POSITIVE_INFINITY;
  #asOf = 0;
  /** The bounds come from a file and the wall clock; the first real answer replaces them. */
  #restored = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An answer that said `now`, sent for and received at these monotonic times. */
  heard(now: number, sentAt: number, receivedAt: number): void {
    const newLower = now - receivedAt;
    const newUpper = now - sentAt + DRIFT * (receivedAt - sentAt);
    const slack = DRIFT * Math.max(0, receivedAt - this.#asOf);
    const lower = Math.max(this.#lower - slack, newLower);
    const upper = Math.min(this.#upper + slack, newUpper);
    // No overlap: the authority's clock was set. Then, and after a mere estimate, the last word alone counts.
    const anew = this.#restored || lower > upper;
    this.#restored = false;
    this.#asOf = receivedAt;
    this.#lower = anew ? newLower : lower;
    this.#upper = anew ? newUpper : upper;
  }

  /** What a file said: `now` was an estimate. */
  restore(now: number): void {
    const at = this.#clock.elapsed();
    this.heard(now, at, at);
    this.#restored = true;
  }

  /** No later than the authority's time at `at` (monotonic). */
  earliest(at: number = this.#clock.elapsed()): number {
    return at + this.#lower - DRIFT * (at - this.#asOf);
  }

  /** No earlier than the authority's time at `at` (monotonic). */
  latest(at: number = this.#clock.elapsed()): number {
    return at + this.#upper + DRIFT * (at - this.#asOf);
  }

  /**
   * The local monotonic time, no later than the true one, at which the authority's clock showed `now`, as it was just said. Never,
   * if by all we know it does not show that yet: its clock was set, and until an answer tells how, nobody knows when this was.
   */
  localOf(now: number): number {
    const at = this.#clock.elapsed();
    const local = now - this.#upper - DRIFT * (at - this.#asOf);
    if (local > at + STEP_MS) return NEVER;
    return Math.min(local, at);
  }

  mark(): ClockMark {
    const at = this.#clock.elapsed();
    return { at, earliest: this.earliest(at), latest: this.latest(at) };
  }

  /**
   * By how much more the authority's time has moved on since `mark` than time has passed here; 0 where what was uncertain
   * then and is now, drift, and small corrections can explain it.
   */
  steppedSince(mark: ClockMark): number {
    const now = this.mark();
    const passed = now.at - mark.at;
    const tolerated = STEP_MS + 2 * DRIFT * passed;
    // The true time was between the bounds at both ends.
    const most = now.latest - mark.earliest - passed;
    const least = now.earliest - mark.latest - passed;
    if (least > tolerated) return least;
    return most < -tolerated ? most : 0;
  }
}

export type Standing = "fresh" | "static" | "over";

/** All times are monotonic milliseconds. */
export class Lease {
  /** Read by the hot path: fresh before this. */
  until: number = NEVER;
  #staticUntil = NEVER;
  #grantedAt = NEVER;
  #wholeAt = NEVER;
  /** Only what was whole after this counts. */
  #wholeAfter = NEVER;
  /** By what was granted to this boot the authority waits for it until then, at least. */
  #awaitedUntil = Number.POSITIVE_INFINITY;
  #policy: StalenessPolicy | undefined;

  get policy(): StalenessPolicy | undefined {
    return this.#policy;
  }

  /** The replica lacked nothing that the authority had committed by then. */
  get wholeAt(): number {
    return this.#wholeAt;
  }

  get staticUntil(): number {
    return this.#staticUntil;
  }

  /**
   * The authority granted what was asked for at `sentAt`. An answer that was overtaken by a later one counts for nothing. If all that was
   * granted before was over when it came, the authority may have gone on without this verifier: what was whole before the answer is not
   * enough, whether or not anything was.
   */
  grant({ leaseMs, onStale, staticMs }: StalenessPolicy, sentAt: number, receivedAt: number): void {
    if (sentAt < this.#grantedAt) return;
    if (receivedAt >= this.#awaitedUntil) this.#wholeFrom(receivedAt);
    this.#awaitedUntil = sentAt + leaseMs + (onStale === "static" ? staticMs : 0);
    this.#policy = { leaseMs, onStale, staticMs };
    this.#grantedAt = sentAt;
    this.#renew();
  }

  /** The replica lacked nothing that the authority had committed by `at`. */
  whole(at: number): void {
    if (at <= this.#wholeAt || at < this.#wholeAfter) return;
    this.#wholeAt = at;
    this.#renew();
  }

  /** The authority no longer knows this boot. */
  end(at: number): void {
    this.#grantedAt = NEVER;
    this.#awaitedUntil = Number.POSITIVE_INFINITY;
    this.#wholeFrom(at);
    this.until = Math.min(this.until, at);
    this.#setStatic();
  }

  /** From a file, after a restart without the authority. */
  restore({ leaseMs, onStale, staticMs }: StalenessPolicy, until: number): void {
    this.#policy = { leaseMs, onStale, staticMs };
    this.until = until;
    this.#setStatic();
  }

  standing(at: number): Standing {
    if (at < this.until) return "fresh";
    return at < this.#staticUntil ? "static" : "over";
  }

  #wholeFrom(at: number): void {
    this.#wholeAt = NEVER;
    this.#wholeAfter = at;
  }

  #renew(): void {
    if (this.#policy === undefined) return;
    const until = Math.min(this.#grantedAt, this.#wholeAt) + this.#policy.leaseMs;
    // While a new boot has its grant but not its feed, what the file allowed still counts.
    if (until === NEVER) return;
    this.until = until;
    this.#setStatic();
  }

  #setStatic(): void {
    this.#staticUntil = this.until + (this.#policy?.onStale === "static" ? this.#policy.staticMs : 0);
  }
}
