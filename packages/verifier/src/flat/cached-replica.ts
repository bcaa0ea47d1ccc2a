/**
 * A replica that holds some keys of the api, at most so many, and asks the authority for the others (decision 026).
 *
 *     feed entry ──its key is held──▶ applied             a miss ──answer──▶ as new as all that was seen of it? ──yes──▶ held
 *        └─────────is not held──▶ its number is noted ─────────────────────────────▲  └──no──▶ asked again
 *     a full cache gives up a key ──▶ its number is noted ─────────────────────────┘
 *
 * What holds at every moment (I5): of a key that is held, the newest record up to `seq`; of any other, no answer is let in that is older than
 * what the feed brought or the cache gave up. So it does not matter when a question was asked, by which process it was answered, and how long
 * the answer was on its way.
 */
import type { FeedEntry, KeyRecord } from "@keyover/core";
import type { PlanBook } from "../limits/plan-book.ts";
import type { Known } from "../replica.ts";
import { ClockHand } from "./clock-hand.ts";
import { FlatReplica } from "./flat-replica.ts";
import { Forgotten } from "./forgotten.ts";

/** Beyond this a cache is no smaller than what it saves. */
export const CACHE_KEYS_MAX = 10_000_000;

export class CachedReplica extends FlatReplica {
  override readonly isWhole: boolean = false;
  readonly keysMax: number;
  readonly #hand = new ClockHand();
  readonly #forgotten = new Forgotten();
  hits = 0;
  evictions = 0;

  constructor(keysMax: number, onRelease: (slot: number) => void, plans?: PlanBook) {
    super(onRelease, plans);
    this.keysMax = keysMax;
  }

  override used(slot: number): void {
    this.hits++;
    this.#hand.use(slot);
  }

  override isCurrent(digest: Int32Array, record: KeyRecord | null, asOf: number): boolean {
    return Math.max(asOf, record?.seq ?? 0) >= this.#forgotten.newestOf(digest, record?.key);
  }

  override apply(entry: FeedEntry): "applied" | "old" | "gap" {
    const { record, ...rest } = entry;
    if (record === undefined || this.seqOf(record.key) !== undefined) return super.apply(entry);
    const outcome = super.apply(rest);
    if (outcome !== "gap") this.#forgotten.note(record);
    return outcome;
  }

  /** `isCurrent` must have been asked. */
  override put(record: KeyRecord): boolean {
    // Before and not after: what has just come is not what is given up.
    if (this.seqOf(record.key) === undefined) while (this.size >= this.keysMax) this.#giveUp();
    return super.put(record);
  }

  override settle(seq: number, present: Known): void {
    super.settle(seq, present);
    this.#forgotten.noteAllTo(seq);
  }

  override clear(): void {
    super.clear();
    this.#forgotten.clear();
  }

  #giveUp(): void {
    const { table } = this;
    const head = this.#hand.next(table);
    this.#forgotten.note(table.recordOf(head));
    table.drop(head);
    this.evictions++;
  }
}

/** What is wrong with a number of keys to hold; undefined: nothing. */
export function cacheProblem(keys: unknown): string | undefined {
  if (Number.isSafeInteger(keys) && (keys as number) >= 1 && (keys as number) <= CACHE_KEYS_MAX) return undefined;
  const shown = typeof keys === "number" ? String(keys) : `a ${typeof keys}`;
  return `a whole number of keys from 1 to ${CACHE_KEYS_MAX}; got ${shown}`;
}
