/**
 * What is counted of a subject (a key or a consumer) and one limit: a cell of 64 bytes, one cache line, outside of the heap.
 *
 *     32-bit words   0–4  the subject's handle, as in a line (handle-words.ts); beside it in word 4 the limit's mark: of a consumer, its number
 *                    5    state: 0 a free cell; else bit 0 dirty, 1 answered, 2–31 boot; of a rate: burst
 *                    6    refused since the last report
 *                    7    rate: touched, seconds    quota: how much there is in a period, about
 *     doubles        4    rate: tat (monotonic)     quota: the beginning of its period
 *                    5    units since the last report
 *                    6    rate: what a unit takes   quota: room, units that may be used before the next answer
 *                    7    rate: since, where earlier than the next report's interval      quota: used by all, as far as is known
 *
 * Cells are found by the subject's handle and not by its slot: a key's lines are written anew with each change, from a plain one to rare ones and
 * back, and dropped and brought again by snapshots. None of that touches a count, because nothing here knows of slots. A number beside each
 * slot would save a hash (10 ns) and would have to be carried over on every one of those ways; and a consumer has no slot.
 *
 * The cells of one subject are mostly made one after the other, and stay neighbours: the one beside the last that was found is looked at first.
 */
import { Buckets, WRITERS_LOAD_MAX } from "../flat/buckets.ts";
import { handleHash, handleText, packHandle } from "../flat/handle-words.ts";
import { placeOf, Segments, segmentOf } from "../flat/segments.ts";

export const STATE = 5;
export const REFUSED = 6;
export const TOUCHED = 7;
export const SIZE = 7;
/** It is on the list of those that have something to report. */
export const DIRTY = 1;
/** Of a quota: the boot has heard what it was granted. */
export const ANSWERED = 2;
export const BOOT_SHIFT = 2;

export const TAT = 4;
export const PERIOD = 4;
export const UNSENT = 5;
export const UNIT = 6;
export const ROOM = 6;
export const SINCE = 7;
export const USED = 7;

const OF_CONSUMER = 1 << 12;
const ID_SHIFT = 13;
const IDS_MAX = 1 << 18;
const LOW_30 = 0x3fff_ffff;
const DIGITS = 0xfff;
/** No five digits of a handle are as much: the subject's name is no handle, and word 0 its number. */
const ODD = LOW_30;

/** A quota's units, as they stand in a word. */
export function sizeWord(units: number): number {
  return Math.min(units, 2 ** 31 - 1);
}

/** What stands beside the handle: which limit, and whose. */
export function markOf(id: number, ofConsumer: boolean): number {
  if (id >= IDS_MAX) throw new RangeError("more names of limits than anybody has");
  return (ofConsumer ? OF_CONSUMER : 0) | (id << ID_SHIFT);
}

/** A subject to find cells of: its handle's words alone. */
export class Subject {
  readonly words: Int32Array = new Int32Array(5);
  #hash = 0;
  #isHashed = false;

  /** After the words were written: what stood beside the handle goes. */
  settle(): void {
    const { words } = this;
    words[0] = (words[0] as number) & LOW_30;
    words[1] = (words[1] as number) & LOW_30;
    words[2] = (words[2] as number) & LOW_30;
    words[3] = (words[3] as number) & LOW_30;
    words[4] = (words[4] as number) & DIGITS;
    this.#isHashed = false;
  }

  /** Mostly nobody asks. */
  get hash(): number {
    if (!this.#isHashed) this.#hash = handleHash(this.words, 0);
    this.#isHashed = true;
    return this.#hash;
  }
}

export class LimitCells {
  readonly #segments = new Segments();
  readonly #doubles: Float64Array[] = [];
  readonly #index: Buckets;
  #end = 0;
  #free: number[] = [];
  /** Subjects whose names are no handles. */
  #odd = new Map<string, number>();
  #oddNames: string[] = [];

  constructor() {
    this.#index = new Buckets(
      {
        hashOf: (cell) => this.#hashAt(cell),
        isIn: (cell) => this.isUsed(cell),
        end: () => this.#end,
      },
      WRITERS_LOAD_MAX,
    );
  }

  /** Cells in use. */
  get size(): number {
    return this.#index.size;
  }

  /** Every cell in use is below. */
  get end(): number {
    return this.#end;
  }

  /** Where a cell's words, and doubles, are: at `placeOf(cell)`, and at half of it. */
  words(cell: number): Int32Array {
    return this.#segments.words[segmentOf(cell)] as Int32Array;
  }

  doubles(cell: number): Float64Array {
    return this.#doubles[segmentOf(cell)] as Float64Array;
  }

  /** One of its words, or doubles, by the number above. */
  word(cell: number, number: number): number {
    return this.words(cell)[placeOf(cell) + number] as number;
  }

  setWord(cell: number, number: number, value: number): void {
    this.words(cell)[placeOf(cell) + number] = value;
  }

  get(cell: number, number: number): number {
    return this.doubles(cell)[placeOf(cell) / 2 + number] as number;
  }

  set(cell: number, number: number, value: number): void {
    this.doubles(cell)[placeOf(cell) / 2 + number] = value;
  }

  isUsed(cell: number): boolean {
    return this.words(cell)[placeOf(cell) + STATE] !== 0;
  }

  /** The cell of a subject and a limit, or -1. `near`: it may well be the one beside this; -1: nobody knows. */
  find(subject: Subject, mark: number, near: number): number {
    const { words } = subject;
    const wanted = (words[4] as number) | mark;
    if (near >= 0 && near + 1 < this.#end && this.#isAt(near + 1, words, wanted)) return near + 1;
    const { buckets, capacity, slotBits } = this.#index.table;
    const whole = mixed(subject.hash, mark);
    // As `Table.find`, which calls back for each that may be it: here that would cost as much as the rest.
    for (let bucket = this.#index.table.home(whole); ; ) {
      const held = buckets[bucket] as number;
      if (held === 0) return -1;
      const cell = (held & ((1 << slotBits) - 1)) - 1;
      if ((held ^ (whole << slotBits)) >>> slotBits === 0 && this.#isAt(cell, words, wanted)) return cell;
      if (++bucket === capacity) bucket = 0;
    }
  }

  /** A new cell, all zeros but for its state (not 0), of a subject that `find` did not find. */
  make(subject: Subject, mark: number, state: number): number {
    const own = subject.words;
    this.#index.prepare(1);
    const cell = this.#free.pop() ?? this.#end++;
    this.#segments.reach(cell);
    const segment = segmentOf(cell);
    const words = this.words(cell);
    this.#doubles[segment] ??= new Float64Array(words.buffer as SharedArrayBuffer);
    const at = placeOf(cell);
    words.fill(0, at, at + 16);
    words.set(own, at);
    words[at + 4] = (own[4] as number) | mark;
    words[at + STATE] = state;
    this.#index.add(cell, mixed(subject.hash, mark));
    return cell;
  }

  drop(cell: number): void {
    this.#index.remove(cell, this.#hashAt(cell));
    this.setWord(cell, STATE, 0);
    this.#free.push(cell);
  }

  /** Writes a subject's words by its name. */
  pack(name: string, { words }: Subject): void {
    if (packHandle(name, isConsumer(name) ? "con" : "key", words)) return;
    let number = this.#odd.get(name);
    if (number === undefined) {
      number = this.#oddNames.push(name) - 1;
      this.#odd.set(name, number);
    }
    words.fill(0);
    words[0] = number;
    words[1] = ODD;
  }

  subjectOf(cell: number): string {
    const [words, at] = [this.words(cell), placeOf(cell)];
    if (words[at + 1] === ODD) return this.#oddNames[words[at] as number] as string;
    return handleText((words[at + 4] as number) & OF_CONSUMER ? "con" : "key", words, at);
  }

  idOf(cell: number): number {
    return this.word(cell, 4) >>> ID_SHIFT;
  }

  #isAt(cell: number, own: Int32Array, last: number): boolean {
    const [words, at] = [this.words(cell), placeOf(cell)];
    return (
      words[at + 4] === last &&
      words[at + 3] === own[3] &&
      words[at + 2] === own[2] &&
      words[at + 1] === own[1] &&
      words[at] === own[0] &&
      words[at + STATE] !== 0
    );
  }

  #hashAt(cell: number): number {
    const [words, at] = [this.words(cell), placeOf(cell)];
    return mixed(handleHash(words, at), (words[at + 4] as number) & ~DIGITS);
  }
}

function mixed(hash: number, mark: number): number {
  const whole = Math.imul(hash ^ (mark >>> 12), 0x9e37_79b1);
  return whole ^ (whole >>> 15);
}

/** Whether a limit's subject is a consumer, by its name. */
export function isConsumer(subject: string): boolean {
  return subject.startsWith("con_");
}
