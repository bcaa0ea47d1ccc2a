/**
 * The least that a decision over very many keys can cost: the hash of the text, and then one wait for the line that it leads to. Whatever
 * table is meant, it must read that line. Beside it the ways to find it, with nothing around them:
 *
 *     one line        the line itself, its place known from the digest as if by magic
 *     bucket, line    as flat-table.ts does: four bytes in an index, then the line
 *     window          no index: the line is one of four behind the digest's place; one in seven finds none free there, and has a bucket
 */
import { hash, randomBytes } from "node:crypto";
import { timed } from "./decisions.ts";
import { type Row, rowOf } from "./report.ts";

const ROUNDS = 5;
const CALLS = 500_000;
const WORDS = 16;
const WINDOW = 4;
/** Of the lines behind all digests' places, so many are in use. */
const WINDOW_LOAD = 0.93;
const BUCKET_LOAD = 0.8;

export async function floor(quick: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for (const keys of quick ? [5_000] : [1_000_000, 10_000_000]) rows.push(...rowsOf(keys, quick ? 50_000 : CALLS));
  return rows;
}

function rowsOf(keys: number, calls: number): Row[] {
  const known = Math.min(calls, keys);
  const texts = Array.from({ length: known }, () => randomBytes(37).toString("base64url"));
  const digests = Int32Array.from({ length: keys }, (_, i) => (i < known ? firstWord(texts[i] as string) : mixed(i)));
  const [placed, indexed, windowed] = [new Placed(digests), new Indexed(digests), new Windowed(digests)];
  const order = shuffled(calls).map((i) => i % known);
  const hidden = order.map((i) => i ^ (digests[i] as number));
  // Each text lies in memory behind the last, as a header that has just been read does.
  const presented = Array.from(order, (i) => Buffer.from(texts[i] as string).toString("latin1"));
  const passes: Record<string, () => void> = {
    bare: () => {
      for (const text of presented) firstWord(text);
    },
    "one line": () => {
      for (let i = 0; i < order.length; i++) placed.find(firstWord(presented[i] as string), hidden[i] as number);
    },
    "bucket, line": () => {
      for (const text of presented) indexed.find(firstWord(text));
    },
    "line in a window": () => {
      for (const text of presented) windowed.find(firstWord(text));
    },
  };
  const took = new Map(Object.keys(passes).map((name) => [name, [] as number[]]));
  for (let round = -1; round < ROUNDS; round++)
    for (const [name, pass] of Object.entries(passes)) {
      const nanoseconds = timed(pass, order.length);
      if (round >= 0) took.get(name)?.push(nanoseconds);
    }
  const baselineRounds = took.get("bare") ?? [];
  took.delete("bare");
  const found = [...took].map(([name, rounds]) =>
    rowOf({
      name: `${keys.toLocaleString("en")} keys: hash, ${name}`,
      unit: "ns",
      rounds,
      baselineName: "crypto.hash, latin1",
      baselineRounds,
    }),
  );
  const bytes = (of: number) => [of / keys];
  found.push(
    rowOf({
      name: `${keys.toLocaleString("en")} keys: memory of lines in windows, a key`,
      unit: "B",
      rounds: bytes(windowed.bytes),
      baselineName: "bucket, line",
      baselineRounds: bytes(indexed.bytes),
    }),
  );
  return found;
}

/** The first 32 bits of the hash, as a table needs them. */
function firstWord(text: string): number {
  const digest = hash("sha256", text, "binary");
  return (
    (digest.charCodeAt(0) << 24) | (digest.charCodeAt(1) << 16) | (digest.charCodeAt(2) << 8) | digest.charCodeAt(3)
  );
}

/** Stands for what a line says: a decision reads it. */
function isLine(words: Int32Array, at: number, digest: number): boolean {
  return words[at] === digest && words[at + 8] === 1;
}

function put(words: Int32Array, at: number, digest: number): void {
  words[at] = digest;
  words[at + 8] = 1;
}

class Placed {
  readonly #lines: Int32Array;

  constructor(digests: Int32Array) {
    this.#lines = new Int32Array(WORDS * digests.length);
    for (const [i, digest] of digests.entries()) put(this.#lines, WORDS * i, digest);
  }

  /** `hidden`: the line's number, by the digest alone to be had from it; nothing is read before the hash is there. */
  find(digest: number, hidden: number): number {
    const at = WORDS * (hidden ^ digest);
    if (!isLine(this.#lines, at, digest)) throw new Error("not there");
    return at;
  }
}

class Indexed {
  readonly #lines: Int32Array;
  readonly #buckets: Int32Array;
  readonly #bits: number;

  constructor(digests: Int32Array) {
    const capacity = Math.ceil(digests.length / BUCKET_LOAD) + 1;
    this.#lines = new Int32Array(WORDS * digests.length);
    this.#buckets = new Int32Array(capacity);
    this.#bits = Math.ceil(Math.log2(digests.length + 2));
    for (const [i, digest] of digests.entries()) {
      put(this.#lines, WORDS * i, digest);
      let bucket = home(digest, capacity);
      while (this.#buckets[bucket] !== 0) bucket = (bucket + 1) % capacity;
      this.#buckets[bucket] = (digest << this.#bits) | (i + 1);
    }
  }

  get bytes(): number {
    return this.#lines.byteLength + this.#buckets.byteLength;
  }

  find(digest: number): number {
    const [buckets, bits] = [this.#buckets, this.#bits];
    const mask = (1 << bits) - 1;
    for (let bucket = home(digest, buckets.length); ; bucket = bucket + 1 === buckets.length ? 0 : bucket + 1) {
      const held = buckets[bucket] as number;
      if (held === 0) throw new Error("not there");
      if ((held ^ (digest << bits)) >>> bits !== 0) continue;
      const at = WORDS * ((held & mask) - 1);
      if (isLine(this.#lines, at, digest)) return at;
    }
  }
}

class Windowed {
  readonly #lines: Int32Array;
  readonly #homes: number;
  readonly #others: Indexed;

  constructor(digests: Int32Array) {
    this.#homes = Math.ceil(digests.length / WINDOW_LOAD);
    this.#lines = new Int32Array(WORDS * (this.#homes + WINDOW));
    const others = digests.filter((digest) => {
      const first = home(digest, this.#homes);
      for (let line = first; line < first + WINDOW; line++) {
        if (this.#lines[WORDS * line + 8] !== 0) continue;
        put(this.#lines, WORDS * line, digest);
        return false;
      }
      return true;
    });
    this.#others = new Indexed(others);
  }

  get bytes(): number {
    return this.#lines.byteLength + this.#others.bytes;
  }

  find(digest: number): number {
    const first = WORDS * home(digest, this.#homes);
    for (let at = first; at < first + WORDS * WINDOW; at += WORDS) if (isLine(this.#lines, at, digest)) return at;
    return this.#others.find(digest);
  }
}

function home(digest: number, capacity: number): number {
  return ((digest >>> 0) * (capacity / 2 ** 32)) | 0;
}

function mixed(number: number): number {
  let word = Math.imul(number ^ (number >>> 16), 0x21f0_aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a_2d97);
  return word ^ (word >>> 15);
}

function shuffled(count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
