/**
 * Texts outside of the heap, in blocks of whole units (segments.ts), each with its length in bytes before it. Blocks of one size that
 * became free are used again; a block never lies across two segments.
 */
import { firstUnitOf, placeOf, Segments, segmentOf, UNIT_WORDS } from "./segments.ts";

const HEAD_BYTES = 4;
const UNIT_BYTES = 4 * UNIT_WORDS;
/** From here on sizes are rounded up to a power of two, so that there are few of them. */
const EXACT_UNITS_MAX = 32;

export class Arena {
  readonly segments: Segments = new Segments();
  #bytes: (Buffer | undefined)[] = [];
  #next = 0;
  /** Free blocks by size in units. */
  #free = new Map<number, number[]>();

  /** The block that the text is in. */
  put(text: string): number {
    const length = Buffer.byteLength(text);
    const size = unitsFor(length);
    const block = this.#free.get(size)?.pop() ?? this.#carve(size);
    const at = 4 * placeOf(block);
    const bytes = this.#bytesOf(block);
    bytes.writeUInt32LE(length, at);
    bytes.write(text, at + HEAD_BYTES);
    return block;
  }

  text(block: number): string {
    const at = 4 * placeOf(block);
    const bytes = this.#bytesOf(block);
    return bytes.toString("utf8", at + HEAD_BYTES, at + HEAD_BYTES + bytes.readUInt32LE(at));
  }

  free(block: number): void {
    const size = unitsFor(this.#bytesOf(block).readUInt32LE(4 * placeOf(block)));
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [block]);
    else free.push(block);
  }

  #carve(size: number): number {
    let segment = segmentOf(this.#next);
    // What is left of a segment, or one that is too small, stays empty: the next is twice as large.
    while (firstUnitOf(segment + 1) - this.#next < size) this.#next = firstUnitOf(++segment);
    const block = this.#next;
    this.segments.reach(block);
    this.#next += size;
    return block;
  }

  #bytesOf(block: number): Buffer {
    const segment = segmentOf(block);
    let bytes = this.#bytes[segment];
    if (bytes === undefined) {
      bytes = Buffer.from((this.segments.words[segment] as Int32Array<SharedArrayBuffer>).buffer);
      this.#bytes[segment] = bytes;
    }
    return bytes;
  }
}

function unitsFor(length: number): number {
  const units = Math.ceil((HEAD_BYTES + length) / UNIT_BYTES);
  return units <= EXACT_UNITS_MAX ? units : 2 ** Math.ceil(Math.log2(units));
}
