/**
 * Millions of keys without millions of objects: each is made anew from its number when it is asked for. A share of them, spread evenly,
 * has a text that is known; of the others only the digest exists, because nobody presents them.
 */
import { digestText, encodeBase62, type KeyRecord, makeKeyText, sha256Text } from "@keyover/core";
import { addressOf, CALLERS } from "./keyring.ts";

/** Keys of a consumer. */
const KEYS_EACH = 10;
/** One key in so many is bound to a network. */
const BOUND_EVERY = 8;
const START = 1_790_000_000_000;

export class ManyKeys {
  readonly count: number;
  /** Keys whose text is known. */
  readonly known: number;
  readonly #digest = new Int32Array(8);

  constructor(count: number, known: number) {
    this.count = count;
    this.known = Math.min(count, known);
  }

  /** Of the known ones, from 0. */
  text(index: number): string {
    // The digits of a request's header are one flat string, and so is this.
    return Buffer.from(makeKeyText("mkt", "live", bytesOf(index))).toString("latin1");
  }

  /** Which caller is inside the network of the known key. */
  callerOf(index: number): number {
    return this.#numberOf(index) % CALLERS;
  }

  *records(): IterableIterator<KeyRecord> {
    let next = 0;
    for (let number = 0; number < this.count; number++) {
      const isKnown = number === this.#numberOf(next);
      yield this.record(number, number + 1, isKnown ? sha256Text(this.text(next)) : this.#digestOf(number));
      if (isKnown) next++;
    }
  }

  /** As it is, or with another digest: changed. */
  record(number: number, seq: number, sha256: string = this.#digestOf(number + 2 ** 31)): KeyRecord {
    const address = addressOf(number % CALLERS).replace(/\d+$/, "0/24");
    return {
      seq,
      key: handle("key", number),
      consumer: handle("con", Math.floor(number / KEYS_EACH)),
      environment: "live",
      status: "active",
      scopes: ["market:read", "trade:write"],
      networks: number % BOUND_EVERY === 0 ? [address] : [],
      current: 1,
      versions: [{ number: 1, state: "active", sha256, compromised: false }],
    };
  }

  /** Well-spread numbers of keys whose text is not known; where all are, of keys that are not there yet. */
  unpresented(turn: number): number {
    const index = (Math.imul(turn, 7_919) >>> 0) % this.known;
    return this.known === this.count ? this.count + index : this.#numberOf(index) + 1;
  }

  #numberOf(index: number): number {
    return Math.floor((index * this.count) / this.known);
  }

  #digestOf(number: number): string {
    for (let i = 0; i < 8; i++) this.#digest[i] = mixed(number, i);
    return digestText(this.#digest);
  }
}

function handle(prefix: string, number: number): string {
  const chance = encodeBase62(mixed(number, 8) >>> 0, 7) + encodeBase62(mixed(number, 9) >>> 0, 7);
  return `${prefix}_${encodeBase62(START + number, 8)}${chance}`;
}

/** As `crypto.randomBytes`, but the same for the same key each time. */
function bytesOf(index: number): (length: number) => Uint8Array {
  let turn = 16;
  return (length) => Uint8Array.from({ length }, () => mixed(index, turn++) & 0xff);
}

/** Well-spread 32 bits (MurmurHash3's last step). */
function mixed(number: number, turn: number): number {
  let hash = Math.imul(number, 0x9e37_79b1) ^ Math.imul(turn + 1, 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}
