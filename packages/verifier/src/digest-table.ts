/**
 * From a SHA-256 digest to a slot: open addressing in two typed arrays, so that a million keys are no million objects
 * for the garbage collector, and a look-up with all that a usual decision needs touches two cache lines.
 *
 *     buckets   [second word, slot + 1] per bucket; the first word picks the bucket, the next free one is taken
 *     lines     sixteen words per slot: the digest, compared in full (half a digest that matches is no match), then
 *               eight words that are the table's users' (`RULE`, and the counters of sightings.ts)
 *
 * Removal moves later entries of the same run back instead of leaving tombstones, so that a table under steady change
 * stays as fast as a fresh one. SHA-256 spreads evenly: the words need no further hashing.
 */

/** What a replica needs of its table, so that another (in shared memory, say) can take its place. */
export interface DigestIndex {
  readonly size: number;
  /** `LINE` words per slot. Another array after any `add`. */
  readonly lines: Int32Array;
  /** The slot of a digest (eight words), or -1. */
  find(digest: Int32Array): number;
  /** The digest's slot: the one it has, or a free one with zeros behind the digest. Slots are small and used again. */
  add(digest: Int32Array): number;
  /** The slot that became free, or -1. */
  remove(digest: Int32Array): number;
}

export const LINE = 16;
/** The word of a line that says how to decide on the short way; 0: only on the long way (replica.ts). */
export const RULE = 8;

const WORDS = 8;
const CAPACITY_MIN = 64;
/** Beyond this share of buckets in use the table doubles. */
const LOAD_MAX = 0.6;

export class DigestTable implements DigestIndex {
  lines = new Int32Array(LINE * CAPACITY_MIN);
  #buckets = new Int32Array(2 * CAPACITY_MIN);
  #mask = CAPACITY_MIN - 1;
  #slotsUsed = 0;
  #free: number[] = [];

  get size(): number {
    return this.#slotsUsed - this.#free.length;
  }

  find(digest: Int32Array): number {
    const buckets = this.#buckets;
    const mask = this.#mask;
    const tag = digest[1] as number;
    for (let bucket = (digest[0] as number) & mask; ; bucket = (bucket + 1) & mask) {
      const slot = (buckets[2 * bucket + 1] as number) - 1;
      if (slot < 0) return -1;
      if (buckets[2 * bucket] === tag && this.#same(slot, digest)) return slot;
    }
  }

  add(digest: Int32Array): number {
    const held = this.find(digest);
    if (held >= 0) return held;
    if (this.size + 1 > LOAD_MAX * (this.#mask + 1)) this.#grow();
    const slot = this.#free.pop() ?? this.#slotsUsed++;
    if (LINE * slot >= this.lines.length) {
      const larger = new Int32Array(2 * this.lines.length);
      larger.set(this.lines);
      this.lines = larger;
    }
    this.lines.fill(0, LINE * slot, LINE * slot + LINE);
    this.lines.set(digest, LINE * slot);
    this.#place(slot);
    return slot;
  }

  remove(digest: Int32Array): number {
    const slot = this.find(digest);
    if (slot < 0) return -1;
    const buckets = this.#buckets;
    const mask = this.#mask;
    let hole = (digest[0] as number) & mask;
    while (buckets[2 * hole + 1] !== slot + 1) hole = (hole + 1) & mask;
    for (let next = (hole + 1) & mask; buckets[2 * next + 1] !== 0; next = (next + 1) & mask) {
      // An entry may move back to the hole only if the hole does not lie before the bucket that it wants.
      const wanted = (this.lines[LINE * ((buckets[2 * next + 1] as number) - 1)] as number) & mask;
      if (((next - wanted) & mask) < ((next - hole) & mask)) continue;
      buckets[2 * hole] = buckets[2 * next] as number;
      buckets[2 * hole + 1] = buckets[2 * next + 1] as number;
      hole = next;
    }
    buckets[2 * hole] = 0;
    buckets[2 * hole + 1] = 0;
    this.#free.push(slot);
    return slot;
  }

  #same(slot: number, digest: Int32Array): boolean {
    const lines = this.lines;
    const at = LINE * slot;
    for (let i = 0; i < WORDS; i++) if (lines[at + i] !== digest[i]) return false;
    return true;
  }

  /** Puts a slot whose digest is written into the first free bucket of its run. */
  #place(slot: number): void {
    const buckets = this.#buckets;
    const mask = this.#mask;
    let bucket = (this.lines[LINE * slot] as number) & mask;
    while (buckets[2 * bucket + 1] !== 0) bucket = (bucket + 1) & mask;
    buckets[2 * bucket] = this.lines[LINE * slot + 1] as number;
    buckets[2 * bucket + 1] = slot + 1;
  }

  #grow(): void {
    const before = this.#buckets;
    this.#buckets = new Int32Array(2 * before.length);
    this.#mask = before.length - 1;
    for (let i = 1; i < before.length; i += 2) {
      const slot = (before[i] as number) - 1;
      if (slot >= 0) this.#place(slot);
    }
  }
}
