/**
 * What is counted of a subject (a key or a consumer) and one limit: a cell of 64 bytes, one cache line, outside of the heap.
 *
 *     32-bit words   0–4  the subject's handle, as in a line (handle-words.ts); beside it in word 4: of a consumer, the limit's number
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
const DIGITS = 0xfff;
/** No five digits of a handle are as much: the subject's name is no handle, and word 0 its number. */
const ODD = 0x3fff_ffff;

export class LimitCells {
  readonly #segments = new Segments();
  readonly #doubles: Float64Array[] = [];
  readonly #index: Buckets;
  readonly #wanted = new Int32Array(5);
  readonly #isWanted = (cell: number): boolean => this.#isAt(cell);
  #end = 0;
  #free: number[] = [];
  /** Subjects whose names are no handles. */
  #odd = new Map<string, number>();
  #oddNames: string[] = [];

  constructor() {
    this.#index = new Buckets(
      {
        hashOf: (cell) => this.#hash(this.#words(cell), placeOf(cell)),
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

  /** One of its words, or doubles, by the number above. */
  word(cell: number, number: number): number {
    return this.#words(cell)[placeOf(cell) + number] as number;
  }

  setWord(cell: number, number: number, value: number): void {
    this.#words(cell)[placeOf(cell) + number] = value;
  }

  get(cell: number, number: number): number {
    return (this.#doubles[segmentOf(cell)] as Float64Array)[placeOf(cell) / 2 + number] as number;
  }

  set(cell: number, number: number, value: number): void {
    (this.#doubles[segmentOf(cell)] as Float64Array)[placeOf(cell) / 2 + number] = value;
  }

  isUsed(cell: number): boolean {
    return this.#words(cell)[placeOf(cell) + STATE] !== 0;
  }

  /** The cell of a subject by its handle's words, or -1. The words may have other bits beside them. */
  find(handle: Int32Array, ofConsumer: boolean, id: number): number {
    this.#want(handle, ofConsumer, id);
    return this.#index.table.find(this.#hash(this.#wanted, 0), this.#isWanted);
  }

  /** A new cell, all zeros but for its state (not 0), of a subject that `find` did not find. */
  make(handle: Int32Array, ofConsumer: boolean, id: number, state: number): number {
    if (id >= IDS_MAX) throw new RangeError("more names of limits than anybody has");
    this.#want(handle, ofConsumer, id);
    this.#index.prepare(1);
    const cell = this.#free.pop() ?? this.#end++;
    this.#segments.reach(cell);
    const segment = segmentOf(cell);
    const words = this.#words(cell);
    this.#doubles[segment] ??= new Float64Array(words.buffer as SharedArrayBuffer);
    const at = placeOf(cell);
    words.fill(0, at, at + 16);
    words.set(this.#wanted, at);
    words[at + STATE] = state;
    this.#index.add(cell, this.#hash(words, at));
    return cell;
  }

  drop(cell: number): void {
    const [words, at] = [this.#words(cell), placeOf(cell)];
    this.#index.remove(cell, this.#hash(words, at));
    words[at + STATE] = 0;
    this.#free.push(cell);
  }

  /** The words of a subject by name, as `find` takes them. */
  pack(subject: string, into: Int32Array): void {
    if (packHandle(subject, isConsumer(subject) ? "con" : "key", into)) return;
    let number = this.#odd.get(subject);
    if (number === undefined) {
      number = this.#oddNames.push(subject) - 1;
      this.#odd.set(subject, number);
    }
    into.fill(0);
    into[0] = number;
    into[1] = ODD;
  }

  subjectOf(cell: number): string {
    const [words, at] = [this.#words(cell), placeOf(cell)];
    if (words[at + 1] === ODD) return this.#oddNames[words[at] as number] as string;
    return handleText((words[at + 4] as number) & OF_CONSUMER ? "con" : "key", words, at);
  }

  idOf(cell: number): number {
    return (this.#words(cell)[placeOf(cell) + 4] as number) >>> ID_SHIFT;
  }

  #words(cell: number): Int32Array {
    return this.#segments.words[segmentOf(cell)] as Int32Array;
  }

  #want(handle: Int32Array, ofConsumer: boolean, id: number): void {
    const wanted = this.#wanted;
    for (let i = 0; i < 4; i++) wanted[i] = (handle[i] as number) & ODD;
    wanted[4] = ((handle[4] as number) & DIGITS) | (ofConsumer ? OF_CONSUMER : 0) | (id << ID_SHIFT);
  }

  #isAt(cell: number): boolean {
    const [words, at, wanted] = [this.#words(cell), placeOf(cell), this.#wanted];
    for (let i = 0; i < 5; i++) if (words[at + i] !== wanted[i]) return false;
    return true;
  }

  #hash(words: Int32Array, at: number): number {
    const hash = Math.imul(handleHash(words, at) ^ ((words[at + 4] as number) >>> 12), 0x9e37_79b1);
    return hash ^ (hash >>> 15);
  }
}

/** Whether a limit's subject is a consumer, by its name. */
export function isConsumer(subject: string): boolean {
  return subject.startsWith("con_");
}
