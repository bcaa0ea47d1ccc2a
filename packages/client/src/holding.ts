/**
 * What requests use: the current secret, and the way back while there is one. Memory only, so a request never waits for it.
 *
 * After a swap the new secret is on trial until a request with it was answered well. If it is refused on trial, the
 * process goes back to the old one at once; refused later (one server of a fleet is behind), only that request falls
 * back. A request whose body can be sent once only goes out with the proven secret for as long as the trial lasts.
 */
import type { Clock } from "@keyover/core";
import type { Held, Secret } from "./secret.ts";

/** After this long without a request that can be repeated, the others try the new secret too. */
const TRIAL_MS = 60_000;

export class Holding {
  #current: Held;
  #fallback: Held | undefined;
  #trialUntil: number | undefined;
  /** Refused for a while: no good for what can be sent once only. */
  #turnedAway: Secret | undefined;
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];

  constructor(current: Held, clock: Clock) {
    this.#current = current;
    this.#clock = clock;
  }

  get current(): Held {
    return this.#current;
  }

  get fallback(): Held | undefined {
    return this.#fallback;
  }

  get onTrial(): boolean {
    return this.#trialUntil !== undefined;
  }

  swap(next: Held, fallback: Held | undefined, onTrial: boolean): void {
    this.#current = next;
    this.#fallback = fallback?.secret.same(next.secret) ? undefined : fallback;
    this.#trialUntil = onTrial && this.#fallback !== undefined ? this.#clock.elapsed() + TRIAL_MS : undefined;
    this.#wake();
  }

  learn(secret: Secret, version: number): void {
    if (this.#current.secret.same(secret)) this.#current = { secret, version };
  }

  /** The secret for a request. */
  choose(replayable: boolean): Held {
    const trial = this.#trialUntil !== undefined && this.#clock.elapsed() < this.#trialUntil;
    if (!trial || replayable || this.#fallback === undefined) return this.#current;
    return this.#turnedAway?.same(this.#fallback.secret) ? this.#current : this.#fallback;
  }

  /** A request with this secret was answered well. True if that ended its trial. */
  accepted(secret: Secret): boolean {
    if (this.#trialUntil === undefined || !this.#current.secret.same(secret)) return false;
    this.#trialUntil = undefined;
    return true;
  }

  /** A request with this secret was refused. True if the process went back to the old one for it. */
  refused(secret: Secret): boolean {
    if (this.#fallback?.secret.same(secret)) this.#fallback = undefined;
    if (this.#trialUntil === undefined || this.#fallback === undefined) return false;
    if (!this.#current.secret.same(secret)) return false;
    this.swap(this.#fallback, undefined, false);
    return true;
  }

  /** A request with this secret was refused, and another may not be: in a brownout, or by a fence. It stays as the way back. */
  turnedAway(secret: Secret): void {
    this.#turnedAway = secret;
  }

  dropFallback(): void {
    this.#fallback = undefined;
    this.#trialUntil = undefined;
  }

  /** Resolves when another secret is current. */
  async otherThan(tried: readonly Secret[]): Promise<void> {
    while (tried.some((secret) => secret.same(this.#current.secret))) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
