/**
 * Read-through: a well-formed key with a right checksum that the replica lacks is asked of the authority, so that a fresh key
 * works everywhere at once (R03). Noise can't be turned into load: one question per digest at a time, `IN_FLIGHT_MAX` at once,
 * `PER_SECOND` on average, and a "no" is remembered for `NO_MS`.
 *
 * `unknown` is said only on the authority's word. Without it (unreachable, too slow, over budget) the answer is `unavailable`,
 * and the caller's answer is 503: nobody's good key is called a bad one. Of several authorities each is asked for its part of the time.
 */
import { digestText, type KeyRecord, type World } from "@keyover/core";
import type { AuthorityCalls } from "./authority-calls.ts";
import { asMissAnswer } from "./shapes.ts";

const IN_FLIGHT_MAX = 32;
const PER_SECOND = 200;
const NO_MS = 2_000;
const NO_MAX = 10_000;
const TIMEOUT_MS = 1_000;
/** After a failure, ask nothing for this long: waiting for the timeout again would hold up requests for nothing. */
const PAUSE_MS = 200;

export type MissOutcome = { code: "record"; record: KeyRecord } | { code: "unknown" } | { code: "unavailable" };

const UNKNOWN: MissOutcome = { code: "unknown" };
const UNAVAILABLE: MissOutcome = { code: "unavailable" };

export class Misses {
  readonly #world: World;
  readonly #calls: AuthorityCalls;
  readonly #closed: () => boolean;
  readonly #epoch: () => string;
  /** When each "no" is forgotten (monotonic), oldest first. */
  #no = new Map<string, number>();
  #inFlight = new Map<string, Promise<MissOutcome>>();
  #tokens = PER_SECOND;
  #filledAt: number;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  asked = 0;
  /** Not asked, for want of budget. */
  dropped = 0;

  /** `closed`: for now nothing is to be asked. `epoch`: of what the replica holds; empty while it holds nothing. */
  constructor(world: World, calls: AuthorityCalls, closed: () => boolean, epoch: () => string) {
    this.#world = world;
    this.#calls = calls;
    this.#closed = closed;
    this.#epoch = epoch;
    this.#filledAt = world.clock.elapsed();
  }

  /** True if the authority said within the last two seconds that there is no such key. */
  isUnknown(digest: Int32Array): boolean {
    if (this.#no.size === 0) return false;
    const until = this.#no.get(digestText(digest));
    return until !== undefined && this.#world.clock.elapsed() < until;
  }

  ask(digest: Int32Array): Promise<MissOutcome> {
    const sha256 = digestText(digest);
    const asked = this.#inFlight.get(sha256);
    if (asked !== undefined) return asked;
    if (!this.#mayAsk()) {
      this.dropped++;
      return Promise.resolve(UNAVAILABLE);
    }
    const answer = this.#ask(sha256).finally(() => this.#inFlight.delete(sha256));
    this.#inFlight.set(sha256, answer);
    return answer;
  }

  async #ask(sha256: string): Promise<MissOutcome> {
    this.asked++;
    const answer = await this.#calls.ask("misses", { sha256 }, TIMEOUT_MS);
    const parsed = answer.ok ? asMissAnswer(answer.body) : undefined;
    if (parsed === undefined) {
      this.#pausedUntil = this.#world.clock.elapsed() + PAUSE_MS;
      return UNAVAILABLE;
    }
    if (!this.#isOurs(parsed.epoch)) return UNAVAILABLE;
    if (parsed.record !== null) return { code: "record", record: parsed.record };
    this.#remember(sha256);
    return UNKNOWN;
  }

  /** The database was restored, and we have not been asked yet what we remember: until then our word stands. */
  #isOurs(epoch: string | undefined): boolean {
    const own = this.#epoch();
    return epoch === undefined || own === "" || epoch === own;
  }

  #remember(sha256: string): void {
    const now = this.#world.clock.elapsed();
    this.#no.delete(sha256);
    for (const [oldest, until] of this.#no) {
      if (until > now && this.#no.size < NO_MAX) break;
      this.#no.delete(oldest);
    }
    this.#no.set(sha256, now + NO_MS);
  }

  #mayAsk(): boolean {
    const now = this.#world.clock.elapsed();
    if (this.#closed()) return false;
    if (now < this.#pausedUntil || this.#inFlight.size >= IN_FLIGHT_MAX) return false;
    this.#tokens = Math.min(PER_SECOND, this.#tokens + ((now - this.#filledAt) * PER_SECOND) / 1_000);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
