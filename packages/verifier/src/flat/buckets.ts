/**
 * From a hash to a slot: open addressing with linear probing, four bytes a bucket.
 *
 *     bucket   [ tag │ slot + 1 ]     0: free
 *
 * The high bits of the hash choose the bucket, by multiplication, so that a table may have any size; its low bits are the tag, as
 * many as the slot's number leaves of the word, so that few buckets of others lead to a look at their line. Removal moves
 * later buckets of a run back instead of leaving marks, so that a table under steady change stays as fast as a fresh one.
 *
 * It grows without a stop: a larger table is filled beside this one, some slots with each `prepare`, in the order of their
 * numbers (slots below the cursor are in both tables), and takes its place when it is whole.
 */

/** For an index on the hot path: 3 buckets to be looked at, most of them in one cache line. */
export const HOT_LOAD_MAX = 0.8;
/** For one that changes alone ask: 5.5 of them, and an eighth less memory. */
export const WRITERS_LOAD_MAX = 0.9;
const GROWTH = 1.5;
const CAPACITY_MIN = 64;
/** A table of so many slots is filled at once. */
const AT_ONCE = 4_096;
const PER_STEP = 64;

export interface Slots {
  /** The 32 bits of a slot that is in this table. */
  hashOf(slot: number): number;
  /** True if the slot belongs in this table. */
  isIn(slot: number): boolean;
  /** Every slot that is in use is below this. */
  end(): number;
}

export class Buckets {
  table: Table = new Table(CAPACITY_MIN, 8);
  /** Called with a larger table before it takes the place of this one. */
  onTable: (table: Table) => void = () => undefined;
  /** Called before and after buckets move: whoever searches meanwhile, in another thread, may pass over one. */
  onShift: () => void = () => undefined;
  size = 0;
  readonly #slots: Slots;
  /** Beyond this share of buckets in use a larger table is begun; it is whole before this one has no room. */
  readonly #loadMax: number;
  #next: Table | undefined;
  /** Slots below are in `#next` too. */
  #cursor = 0;

  constructor(slots: Slots, loadMax: number) {
    this.#slots = slots;
    this.#loadMax = loadMax;
  }

  /** Makes room for so many, now. */
  reserve(size: number): void {
    const capacity = Math.ceil((size / this.#loadMax) * 1.02);
    if (capacity <= this.table.capacity) return;
    this.#begin(capacity, size);
    this.#fill(Number.POSITIVE_INFINITY);
  }

  add(slot: number, hash: number): void {
    this.size++;
    this.table.add(slot, hash);
    if (slot < this.#cursor) this.#next?.add(slot, hash);
  }

  remove(slot: number, hash: number): void {
    this.size--;
    this.onShift();
    this.table.remove(slot, hash, this.#slots);
    this.onShift();
    if (slot < this.#cursor) this.#next?.remove(slot, hash, this.#slots);
  }

  /** `slot`, which has the same hash, takes the place of `old`: at no time is neither found. */
  replace(old: number, slot: number, hash: number): void {
    this.table.replace(old, slot, hash);
    if (this.#next === undefined) return;
    if (slot < this.#cursor) this.#next.add(slot, hash);
    if (old < this.#cursor) this.#next.remove(old, hash, this.#slots);
  }

  /** Makes room for `count` slots to be added or replaced, before `isIn` says yes of the first of them. */
  prepare(count: number): void {
    const end = this.#slots.end();
    const { capacity, slotsMax } = this.table;
    const wanted = this.size + count;
    if (this.#next === undefined) {
      if (wanted <= this.#loadMax * capacity && end < 0.8 * slotsMax) return;
      this.#begin(
        wanted > this.#loadMax * capacity ? Math.ceil(Math.max(capacity, wanted) * GROWTH) : capacity,
        end + count,
      );
    }
    const pressed = end <= AT_ONCE || wanted > 0.95 * capacity || end + count > slotsMax;
    this.#fill(pressed ? Number.POSITIVE_INFINITY : PER_STEP * count);
  }

  #begin(capacity: number, end: number): void {
    this.#next = new Table(capacity, Math.ceil(Math.log2(2 * Math.max(capacity, end))));
    this.#cursor = 0;
  }

  #fill(count: number): void {
    const [next, slots] = [this.#next, this.#slots];
    if (next === undefined) return;
    const to = Math.min(slots.end(), this.#cursor + count);
    for (let slot = this.#cursor; slot < to; slot++) if (slots.isIn(slot)) next.add(slot, slots.hashOf(slot));
    this.#cursor = to;
    if (to < slots.end()) return;
    this.onTable(next);
    this.table = next;
    this.#next = undefined;
    this.#cursor = 0;
  }
}

export class Table {
  readonly buckets: Int32Array<SharedArrayBuffer>;
  readonly capacity: number;
  readonly slotBits: number;
  readonly slotsMax: number;
  readonly #scale: number;

  constructor(capacity: number, slotBits: number, buffer = new SharedArrayBuffer(4 * capacity)) {
    this.capacity = capacity;
    this.slotBits = slotBits;
    this.slotsMax = 2 ** slotBits - 1;
    this.buckets = new Int32Array(buffer);
    this.#scale = capacity / 2 ** 32;
  }

  /** Where the search for a hash begins. */
  home(hash: number): number {
    return ((hash >>> 0) * this.#scale) | 0;
  }

  /** The slot with this hash that is the same as what is looked for, or -1. */
  find(hash: number, same: (slot: number) => boolean): number {
    const { buckets, capacity, slotBits } = this;
    for (let bucket = this.home(hash); ; ) {
      const held = buckets[bucket] as number;
      if (held === 0) return -1;
      const slot = (held & ((1 << slotBits) - 1)) - 1;
      if ((held ^ (hash << slotBits)) >>> slotBits === 0 && same(slot)) return slot;
      if (++bucket === capacity) bucket = 0;
    }
  }

  add(slot: number, hash: number): void {
    const { buckets, capacity } = this;
    let bucket = this.home(hash);
    while (buckets[bucket] !== 0) if (++bucket === capacity) bucket = 0;
    buckets[bucket] = (hash << this.slotBits) | (slot + 1);
  }

  replace(old: number, slot: number, hash: number): void {
    this.buckets[this.#bucketOf(old, hash)] = (hash << this.slotBits) | (slot + 1);
  }

  remove(slot: number, hash: number, slots: Slots): void {
    const { buckets, capacity, slotBits } = this;
    const mask = (1 << slotBits) - 1;
    let hole = this.#bucketOf(slot, hash);
    for (let next = hole; ; ) {
      if (++next === capacity) next = 0;
      const bucket = buckets[next] as number;
      if (bucket === 0) break;
      const home = this.home(slots.hashOf((bucket & mask) - 1));
      // It may move back to the hole only if the hole does not lie before the bucket that it wants.
      if (this.#distance(home, next) < this.#distance(hole, next)) continue;
      Atomics.store(buckets, hole, bucket);
      hole = next;
    }
    Atomics.store(buckets, hole, 0);
  }

  #bucketOf(slot: number, hash: number): number {
    const { buckets, capacity } = this;
    const wanted = (hash << this.slotBits) | (slot + 1);
    let bucket = this.home(hash);
    while (buckets[bucket] !== wanted) {
      if (buckets[bucket] === 0) throw new Error(`slot ${slot} is not in the table`);
      if (++bucket === capacity) bucket = 0;
    }
    return bucket;
  }

  #distance(from: number, to: number): number {
    return to >= from ? to - from : to - from + this.capacity;
  }
}
