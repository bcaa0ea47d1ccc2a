/**
 * A table (flat/flat-table.ts) that another thread writes, while this one looks things up in it. Nobody waits for anybody.
 *
 * **Why what is found is right** (ECMAScript memory model, so on ARM as on x86). The writer writes a line's words, then its meta by `Atomics.store`,
 * then a bucket that leads there. A reader that comes by a bucket reads the meta by `Atomics.load` *before* it compares the digest. If that
 * says "in use", it is the value that the writer stored after the words, so all of them are seen as they were written; they are not
 * written again before the slot is used again, and that is not before this thread has said, between two look-ups, that it has let go of the slot
 * (thread-replica.ts). A bucket that was read too early, or leads to a line that was given up meanwhile, does not lead to an answer: then it is
 * looked up anew. So what is found is what the key's record said at one moment of the look-up.
 *
 * **Why what is not found is not there.** Buckets of a run move back when one is taken out, and a search can be passed by one that moves. The
 * writer counts before and after (`SHIFTS`), and "not there" is believed only if the count stood still and was even. All reads of that second search
 * are `Atomics.load`. A writer that died in the midst of a move leaves the count odd for ever: after some tries the answer is "not there" all the
 * same, which leads to a question to the authority, and never to a wrong answer.
 *
 * **Why a revocation that was acknowledged is seen.** The reader acknowledges what the writer said by a message, which comes after all that the
 * writer did before; no plain read can see anything older after that.
 */
import { Table } from "../flat/buckets.ts";
import { isInUse, META } from "../flat/line.ts";
import { placeOf, segmentOf } from "../flat/segments.ts";
import { isDigestAt, TableView } from "../flat/table-view.ts";

export const CHANGED = -2;
const SEGMENTS_MAX = 32;
const NONE = new Int32Array(new SharedArrayBuffer(0));
const EMPTY = new Int32Array(new SharedArrayBuffer(4));

export class SharedTable extends TableView {
  override digests: Table = new Table(1, 1, EMPTY.buffer);

  constructor() {
    super();
    // A line in a segment that has not been heard of is equal to no digest.
    for (let index = 0; index < SEGMENTS_MAX; index++) this.lines.put(index, NONE);
  }

  /** The slot of a digest, or -1: which may be wrong while the table changes. */
  override find(digest: Int32Array): number {
    const { buckets, capacity, slotBits } = this.digests;
    const segments = this.lines.words;
    const hash = digest[0] as number;
    const tag = hash << slotBits;
    const mask = (1 << slotBits) - 1;
    for (let bucket = this.digests.home(hash); ; ) {
      const held = buckets[bucket] as number;
      if (held === 0) return -1;
      if ((held ^ tag) >>> slotBits === 0) {
        const slot = (held & mask) - 1;
        const [words, at] = [segments[segmentOf(slot)] as Int32Array, placeOf(slot)];
        if (isThere(words, at) && isDigestAt(words, at, digest)) return slot;
      }
      if (++bucket === capacity) bucket = 0;
    }
  }

  /**
   * The same with reads that are ordered against the writer's: a tenth as fast, and right if no bucket moved meanwhile. `CHANGED`: a line was
   * given up in this very moment, and its digest may lead elsewhere by now.
   */
  findInOrder(digest: Int32Array): number {
    const { buckets, capacity, slotBits } = this.digests;
    const hash = digest[0] as number;
    const mask = (1 << slotBits) - 1;
    let bucket = this.digests.home(hash);
    // While buckets move there may be no free one for a moment.
    for (let looked = 0; looked < capacity; looked++) {
      const held = Atomics.load(buckets, bucket);
      if (held === 0) return -1;
      if ((held ^ (hash << slotBits)) >>> slotBits === 0) {
        const slot = (held & mask) - 1;
        const [words, at] = [this.wordsOf(slot), placeOf(slot)];
        if (!isThere(words, at)) return CHANGED;
        if (isDigestAt(words, at, digest)) return slot;
      }
      if (++bucket === capacity) bucket = 0;
    }
    return -1;
  }
}

/** By a read that comes before those of the line's other words. */
function isThere(words: Int32Array, at: number): boolean {
  return at < words.length && isInUse(Atomics.load(words, at + META));
}
