/**
 * Memory in units of 64 bytes, numbered from 0, that grows without a copy: segment k has 64 x 2^k units.
 *
 *     unit    0 … 63 │ 64 … 191 │ 192 … 447 │ …
 *     segment    0   │     1    │     2     │ …
 *
 * A segment is asked of the system whole and comes as zeros; what nobody has touched yet takes no memory.
 */
export const UNIT_WORDS = 16;
const FIRST = 64;
const FIRST_BITS = 6;
const UNIT_BYTES = 64;
/** Beyond this the place of a word in its segment would not fit a small integer. */
const UNITS_MAX = 2 ** 27 - FIRST;

export class Segments {
  /** By number; one that was passed over is empty. */
  readonly words: Int32Array<SharedArrayBuffer>[] = [];
  /** Called with a segment before anything is written there. */
  onGrow: (index: number, words: Int32Array<SharedArrayBuffer>) => void = () => undefined;

  /** Makes sure that the unit is there. */
  reach(unit: number): void {
    if (unit >= UNITS_MAX) throw new RangeError(`more than ${UNITS_MAX} versions, or 8 GB of records`);
    const index = segmentOf(unit);
    while (this.words.length <= index) this.words.push(NONE);
    if (this.words[index] !== NONE) return;
    this.put(index, new Int32Array(new SharedArrayBuffer((FIRST << index) * UNIT_BYTES)));
    this.onGrow(index, this.words[index] as Int32Array<SharedArrayBuffer>);
  }

  /** A segment, of this thread or another. */
  put(index: number, words: Int32Array<SharedArrayBuffer>): void {
    while (this.words.length <= index) this.words.push(NONE);
    this.words[index] = words;
  }
}

const NONE = new Int32Array(new SharedArrayBuffer(0));

/** The number of the segment that a unit is in. */
export function segmentOf(unit: number): number {
  return 31 - FIRST_BITS - Math.clz32(unit + FIRST);
}

/** The place of a unit's first word in its segment. */
export function placeOf(unit: number): number {
  const at = unit + FIRST;
  return (at - (1 << (31 - Math.clz32(at)))) * UNIT_WORDS;
}

/** The first unit of a segment. */
export function firstUnitOf(segment: number): number {
  return (FIRST << segment) - FIRST;
}
