/**
 * Read-through: a well-formed key with a right checksum that the replica lacks is asked of the authority, so that a fresh key
 * works everywhere at once (R03), and a cache gets what it lacks. Noise can't be turned into load: one question per digest at a time, `ASKING_MAX`
 * at once, no more in vain than the budget (admission.ts), and a "no" is remembered for `NO_MS`.
 *
 *     not held ──a "no" is remembered──▶ unknown
 *        └──let in?──no──▶ unavailable, at once
 *              └──yes──▶ waits for its turn ──▶ asked ──▶ record, unknown, or no answer: unavailable, and a pause
 *
 * `unknown` is said only on the authority's word. Without it (unreachable, too slow, not let in) the answer is `unavailable`,
 * and the caller's answer is 503: nobody's good key is called a bad one. Of several authorities each is asked for its part of the time.
 *
 * A "no" costs whoever causes it, so no more are remembered at a time than `BURST` and what the budget gives in `NO_MS`: nobody can
 * push another's "no" out of the memory.
 */
import { digestText, type KeyRecord, type PlanRecord, type World } from "@keyover/core";
import { Admission, networkOf } from "./admission.ts";
import type { AuthorityCalls } from "./authority-calls.ts";
import { asMissAnswer } from "./shapes.ts";

const ASKING_MAX = 32;
const NO_MS = 2_000;
const TIMEOUT_MS = 1_000;
/** A question that has waited so long for its turn is not asked any more. */
const WAIT_MS = 1_000;
/** After a failure, ask nothing for this long: waiting for the timeout again would hold up requests for nothing. */
const PAUSE_MS = 200;

/**
 * `asOf`: everything that the feed had up to this number was known to who answered. `plans`: what the record's limits are in, which the feed may not
 * have brought yet either.
 */
export type MissOutcome =
  | { code: "record"; record: KeyRecord; plans: readonly PlanRecord[]; asOf: number }
  | { code: "unknown"; asOf: number }
  | { code: "unavailable" };

const UNAVAILABLE: MissOutcome = { code: "unavailable" };

export interface MissParts {
  world: World;
  calls: AuthorityCalls;
  /** For now nothing is to be asked. */
  closed: () => boolean;
  /** Of what the replica holds; empty while it holds nothing. */
  epoch: () => string;
  /** May "there is no such key" be believed, if it was true when the feed was at `asOf`? */
  isCurrent: (digest: Int32Array, asOf: number) => boolean;
}

/** Since the start. */
export interface MissCounts {
  /** Decisions on keys that were not held. */
  missed: number;
  /** Questions to the authority, and what came of them: a key, the word that there is none, or nothing in time. */
  asked: number;
  found: number;
  unknown: number;
  failed: number;
  /** Not asked. */
  dropped: number;
  /** Of these, because of their network: others could have asked. */
  noisy: number;
}

/** Who waits to be asked. */
interface Turn {
  network: string;
  take: () => void;
}

interface No {
  /** Monotonic. */
  until: number;
  asOf: number;
}

export class Misses {
  readonly counts: MissCounts = { missed: 0, asked: 0, found: 0, unknown: 0, failed: 0, dropped: 0, noisy: 0 };
  readonly #parts: MissParts;
  #madeAdmission: Admission | undefined;
  /** Oldest first. */
  #no = new Map<string, No>();
  /** What is asked, or waits to be. */
  #questions = new Map<string, Promise<MissOutcome>>();
  #asking = 0;
  #turns: Turn[] = [];
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(parts: MissParts) {
    this.#parts = parts;
  }

  /** What is known of a digest that is not held: the authority said of late that there is none; it may be asked; or it may not. */
  look(digest: Int32Array, address: string | undefined): "unknown" | "ask" | "unavailable" {
    this.counts.missed++;
    if (this.#isUnknown(digest)) return "unknown";
    const standing = this.#standing(networkOf(address));
    if (standing === "open" || this.#questions.has(digestText(digest))) return "ask";
    this.#drop(standing);
    return "unavailable";
  }

  ask(digest: Int32Array, address: string | undefined): Promise<MissOutcome> {
    const sha256 = digestText(digest);
    const asked = this.#questions.get(sha256);
    if (asked !== undefined) return asked;
    const network = networkOf(address);
    const standing = this.#standing(network);
    if (standing !== "open") {
      this.#drop(standing);
      return Promise.resolve(UNAVAILABLE);
    }
    this.#admission.enter(network);
    const answer = this.#inTurn(sha256, network).then((outcome) => {
      this.#questions.delete(sha256);
      this.#admission.leave(network, outcome.code === "unknown");
      return outcome;
    });
    this.#questions.set(sha256, answer);
    return answer;
  }

  async #inTurn(sha256: string, network: string): Promise<MissOutcome> {
    const { clock } = this.#parts.world;
    const since = clock.elapsed();
    if (this.#asking < ASKING_MAX) this.#asking++;
    else await new Promise<void>((take) => void this.#turns.push({ network, take }));
    const isLate = clock.elapsed() - since > WAIT_MS;
    const outcome = isLate || this.#isHeldUp() ? UNAVAILABLE : await this.#ask(sha256);
    const next = this.#nextTurn();
    if (next === undefined) this.#asking--;
    else next.take();
    return outcome;
  }

  /** Of the network that has asked least in vain, the one that waits longest: behind a flood at a slow authority nobody else's turn would come. */
  #nextTurn(): Turn | undefined {
    let [best, least] = [0, Number.POSITIVE_INFINITY];
    for (const [at, { network }] of this.#turns.entries()) {
      const score = this.#admission.scoreOf(network);
      if (score < least) [best, least] = [at, score];
    }
    return this.#turns.splice(best, 1)[0];
  }

  /** Never rejects. */
  async #ask(sha256: string): Promise<MissOutcome> {
    const { calls, world } = this.#parts;
    this.counts.asked++;
    const answer = await calls.ask("misses", { sha256 }, TIMEOUT_MS);
    const parsed = answer.ok ? asMissAnswer(answer.body) : undefined;
    if (parsed === undefined || !this.#isOurs(parsed.epoch)) {
      this.counts.failed++;
      if (parsed === undefined) this.#pausedUntil = world.clock.elapsed() + PAUSE_MS;
      return UNAVAILABLE;
    }
    const { record, plans = [], seq: asOf = -1 } = parsed;
    if (record !== null) {
      this.counts.found++;
      return { code: "record", record, plans, asOf };
    }
    this.counts.unknown++;
    this.#remember(sha256, asOf);
    return { code: "unknown", asOf };
  }

  /** The database was restored, and we have not been asked yet what we remember: until then our word stands. */
  #isOurs(epoch: string | undefined): boolean {
    const own = this.#parts.epoch();
    return epoch === undefined || own === "" || epoch === own;
  }

  #isUnknown(digest: Int32Array): boolean {
    if (this.#no.size === 0) return false;
    const no = this.#no.get(digestText(digest));
    return no !== undefined && this.#parts.world.clock.elapsed() < no.until && this.#parts.isCurrent(digest, no.asOf);
  }

  #remember(sha256: string, asOf: number): void {
    const now = this.#parts.world.clock.elapsed();
    this.#no.delete(sha256);
    for (const [oldest, { until }] of this.#no) {
      if (until > now) break;
      this.#no.delete(oldest);
    }
    this.#no.set(sha256, { until: now + NO_MS, asOf });
  }

  /** Most verifiers of many apis never miss a key of some. */
  get #admission(): Admission {
    this.#madeAdmission ??= new Admission(this.#parts.world);
    return this.#madeAdmission;
  }

  #standing(network: string): "open" | "held up" | "full" | "noisy" {
    return this.#isHeldUp() ? "held up" : this.#admission.standing(network);
  }

  #isHeldUp(): boolean {
    return this.#parts.closed() || this.#parts.world.clock.elapsed() < this.#pausedUntil;
  }

  #drop(standing: "held up" | "full" | "noisy"): void {
    this.counts.dropped++;
    if (standing === "noisy") this.counts.noisy++;
  }
}
