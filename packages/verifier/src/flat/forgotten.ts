/**
 * What a cache has seen and does not hold: of each key, and of each digest, the highest number that the feed brought or that was given up.
 * Not by name, which would have no end, but in so many buckets that two keys rarely share one.
 *
 *     entry 71 of a key that is not held ──▶ bucket of the key, buckets of its digests: 71
 *     an answer, of when the feed was at 70 ──▶ its bucket says 71: too old, ask again
 *
 * A bucket that keys share says a higher number than it need: then an answer is asked for once more than it need be. It never says a lower one.
 */
import { type KeyRecord, parseDigestText } from "@keyover/core";

const BUCKETS = 65_536;

export class Forgotten {
  readonly #newest = new Float64Array(BUCKETS);
  readonly #digest = new Int32Array(8);
  /** Nothing is known of what came up to here: an answer must be newer. */
  #floor = 0;

  note({ key, seq, versions }: KeyRecord): void {
    this.#raise(bucketOfKey(key), seq);
    for (const { sha256 } of versions)
      if (parseDigestText(sha256, this.#digest)) this.#raise(bucketOfDigest(this.#digest), seq);
  }

  noteAllTo(seq: number): void {
    this.#floor = Math.max(this.#floor, seq);
  }

  /** The number that what is said of this digest, and of this key, must have reached. */
  newestOf(digest: Int32Array, key: string | undefined): number {
    const ofDigest = Math.max(this.#floor, this.#newest[bucketOfDigest(digest)] as number);
    return key === undefined ? ofDigest : Math.max(ofDigest, this.#newest[bucketOfKey(key)] as number);
  }

  clear(): void {
    this.#newest.fill(0);
    this.#floor = 0;
  }

  #raise(bucket: number, seq: number): void {
    if (seq > (this.#newest[bucket] as number)) this.#newest[bucket] = seq;
  }
}

/** The table's buckets go by the first word. */
function bucketOfDigest(digest: Int32Array): number {
  return (digest[1] as number) & (BUCKETS - 1);
}

function bucketOfKey(key: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x0100_0193);
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1);
}
