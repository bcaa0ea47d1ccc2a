/**
 * Form, checksum and SHA-256 of a key's text as one WebAssembly function: the bytes of `key-digest.ts`'s module.
 *
 *     text in memory ─▶ 4 vectors ─┬▶ which bytes are digits, which underscores: two masks of 64 bits ─▶ form
 *                                  ├▶ CRC-32, eight bytes a step ─▶ the last six digits
 *                                  └▶ padding ─▶ schedule (vectors) ─▶ rounds (i32) ─▶ digest in memory
 *
 * WebAssembly has what JavaScript has not: vectors, rotation, and constants that no typed array must be asked for. The
 * message schedule (FIPS 180-4 §6.2.2) is worked out four words at a time, four rounds before it is needed, between
 * the rounds: so it waits for nothing, and takes turns with them on different units of the processor. It is faster than
 * what a C compiler makes of the plain loops; only instructions made for SHA are faster still.
 */
import { BODY_LENGTH, CHECKSUM_LENGTH, NAME_MAX, NAME_MIN } from "./key-scan.ts";
import {
  type Code,
  get,
  giveUp,
  i8x16,
  i32,
  i32x4,
  i64,
  Locals,
  moduleOf,
  repeat,
  set,
  v128,
  when,
} from "./wasm-code.ts";

/** Where what lies in memory, in bytes. What the function only reads is put there by `key-digest.ts`. */
export const PLACES = {
  text: 0,
  digest: 128,
  ahead: 160,
  rounds: 256,
  positions: 512,
  values: 576,
  crc: 1024,
} as const;

/** The only parameter: how long the text is, TEXT_LENGTH_MIN to TEXT_LENGTH_MAX. */
const LENGTH = 0;
/** Longer texts take a second block: eight bytes are the length's, and one marks the end. */
const ONE_BLOCK = 55;
const NOTHING = i8x16.all(0);
const length = get(LENGTH);
const low = (count: Code): Code => i64.add(i64.shl(i64.const(1n), i64.extend(count)), i64.const(-1n));
const bit = (at: Code): Code => i64.shl(i64.const(1n), i64.extend(at));
const refuseIf = (condition: Code): Code => when(condition, giveUp(i32.const(0)));

/** The function answers the length of the prefix, and has left the digest in memory; or answers 0. */
export function keyDigestModule(initial: Int32Array): Uint8Array<ArrayBuffer> {
  const locals = new Locals();
  const text = locals.many(4, "v128");
  const prefixEnd = locals.make("i32");
  return moduleOf(locals, [
    ...text.map((vector, i) => set(vector, v128.load(PLACES.text + 16 * i))),
    ...formCode(locals, text, prefixEnd),
    ...checksumCode(locals),
    ...paddingCode(locals, text),
    ...sha256Code(locals, text, initial),
    get(prefixEnd),
  ]);
}

function formCode(locals: Locals, text: readonly number[], prefixEnd: number): Code[] {
  const [all, underscores] = locals.many(2, "i64") as [number, number];
  const environmentEnd = locals.make("i32");
  const isUnderscore = (bytes: Code) => i8x16.eq(bytes, i8x16.all(95));
  const within = (bytes: Code, from: string, count: number) =>
    i8x16.leU(i8x16.sub(bytes, i8x16.all(from.charCodeAt(0))), i8x16.all(count - 1));
  // With this bit set a capital letter is a small one; nothing else becomes a letter.
  const isDigit = (bytes: Code) => v128.or(within(bytes, "0", 10), within(v128.or(bytes, i8x16.all(32)), "a", 26));
  const isEither = (bytes: Code) => v128.or(isDigit(bytes), isUnderscore(bytes));
  const p = get(prefixEnd);
  return [
    set(all, low(length)),
    refuseIf(i64.ne(i64.and(maskOf(text, isEither), get(all)), get(all))),
    set(underscores, i64.and(maskOf(text, isUnderscore), get(all))),
    set(prefixEnd, i32.wrap(i64.ctz(get(underscores)))),
    set(environmentEnd, i32.sub(length, i32.const(BODY_LENGTH + 1))),
    refuseIf(i32.gtU(i32.sub(p, i32.const(NAME_MIN)), i32.const(NAME_MAX - NAME_MIN))),
    refuseIf(i32.ltS(i32.sub(get(environmentEnd), p), i32.const(NAME_MIN + 1))),
    refuseIf(i64.ne(get(underscores), i64.or(bit(p), bit(get(environmentEnd))))),
  ];
}

/** One bit for each of 64 bytes, the first lowest. */
function maskOf(text: readonly number[], test: (bytes: Code) => Code): Code {
  const [a, b, c, d] = text.map((vector) => i8x16.bitmask(test(get(vector)))) as [Code, Code, Code, Code];
  const half = (first: Code, second: Code) => i64.extend(i32.or(first, i32.shl(second, i32.const(16))));
  return i64.or(half(a, b), i64.shl(half(c, d), i64.const(32n)));
}

/** As `crc32Bytes`, with eight tables for eight bytes a step; what is left over takes four, then one. */
function checksumCode(locals: Locals): Code[] {
  const [at, end, crc, next] = locals.many(4, "i32") as [number, number, number, number];
  /** What byte `byte` of a word adds when `after` bytes follow it. The index is worked out with the 4 bytes of an entry. */
  const entry = (word: number, byte: number, after: number) => {
    const index = byte === 0 ? i32.shl(get(word), i32.const(2)) : i32.shrU(get(word), i32.const(8 * byte - 2));
    return i32.load(PLACES.crc + 1024 * after, i32.and(index, i32.const(0x3fc)));
  };
  const word = (local: number, after: number) =>
    [0, 1, 2, 3].map((byte) => entry(local, byte, after + 3 - byte)).reduce(i32.xor);
  const takeWord = set(crc, i32.xor(get(crc), i32.load(PLACES.text, get(at))));
  const advance = (by: number) => set(at, i32.add(get(at), i32.const(by)));
  const left = (count: number) => i32.leU(i32.add(get(at), i32.const(count)), get(end));
  const eight = [
    takeWord,
    set(next, i32.load(PLACES.text + 4, get(at))),
    set(crc, i32.xor(word(next, 0), word(crc, 4))),
    advance(8),
  ];
  const one = [
    set(crc, i32.xor(get(crc), i32.load8(PLACES.text, get(at)))),
    set(crc, i32.xor(entry(crc, 0, 0), i32.shrU(get(crc), i32.const(8)))),
    advance(1),
  ];
  const digit = (i: number) => i64.extend(i32.load8(PLACES.values, i32.load8(PLACES.text + i, get(end))));
  let written = digit(0);
  // In 64 bits: six digits can stand for more than 2^32, and that is no checksum.
  for (let i = 1; i < CHECKSUM_LENGTH; i++) written = i64.add(i64.mul(written, i64.const(62n)), digit(i));
  return [
    set(end, i32.sub(length, i32.const(CHECKSUM_LENGTH))),
    set(crc, i32.const(-1)),
    set(at, i32.const(0)),
    repeat(eight, left(8)),
    when(left(4), takeWord, set(crc, word(crc, 0)), advance(4)),
    when(left(1), repeat(one, left(1))),
    refuseIf(i64.ne(written, i64.extend(i32.xor(get(crc), i32.const(-1))))),
  ];
}

/** Turns the text's vectors into the block's words: what lies behind the text is cut off, 0x80 marks its end. */
function paddingCode(locals: Locals, text: readonly number[]): Code[] {
  const end = locals.make("v128");
  const bigEndian = v128.const([3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12]);
  const block = text.map((vector, i) => {
    const positions = v128.load(PLACES.positions + 16 * i);
    const kept = v128.and(get(vector), i8x16.ltU(positions, get(end)));
    const mark = v128.and(i8x16.eq(positions, get(end)), i8x16.all(0x80));
    return set(vector, i8x16.swizzle(v128.or(kept, mark), bigEndian));
  });
  return [set(end, i8x16.splat(length)), ...block];
}

function sha256Code(locals: Locals, words: readonly number[], initial: Int32Array): Code[] {
  const [isLast, more] = locals.many(2, "i32") as [number, number];
  const lastWords = words[3] as number;
  const putBits = set(lastWords, i32x4.replaceLane(get(lastWords), 3, i32.shl(length, i32.const(3))));
  const bytes = [...new Uint8Array(Int32Array.from(initial).buffer)];
  return [
    v128.store(PLACES.digest, v128.const(bytes.slice(0, 16))),
    v128.store(PLACES.digest + 16, v128.const(bytes.slice(16))),
    set(isLast, i32.leU(length, i32.const(ONE_BLOCK))),
    when(get(isLast), putBits),
    repeat(
      [
        ...compressCode(locals, words),
        set(more, i32.eqz(get(isLast))),
        when(get(more), ...words.map((vector) => set(vector, NOTHING)), putBits, set(isLast, i32.const(1))),
      ],
      get(more),
    ),
  ];
}

/** One block: three times sixteen rounds that make the words of the next sixteen, and the sixteen that make none. */
function compressCode(locals: Locals, words: readonly number[]): Code[] {
  const state = locals.many(8, "i32");
  const rounds = new Rounds(locals, state);
  const done = locals.make("i32");
  const schedule = new Schedule(locals, words);
  const sixteen = (next: boolean): Code[] =>
    [0, 1, 2, 3].flatMap((four) => {
      const steps = next ? schedule.next() : [];
      const at = PLACES.ahead + 16 * four;
      const mixed = [0, 1, 2, 3].flatMap((i) => [
        ...rounds.next(i32.load(at + 4 * i)),
        ...steps.slice(2 * i, 2 * i + 2),
      ]);
      return next ? [...mixed, v128.store(at, schedule.withConstants(16 + 4 * four, get(done)))] : mixed;
    });
  return [
    ...state.map((local, i) => set(local, i32.load(PLACES.digest + 4 * i))),
    rounds.begin(),
    ...words.map((_, i) => v128.store(PLACES.ahead + 16 * i, schedule.withConstants(4 * i, i32.const(0), i))),
    set(done, i32.const(0)),
    repeat([...sixteen(true), set(done, i32.add(get(done), i32.const(64)))], i32.ne(get(done), i32.const(192))),
    ...sixteen(false),
    ...state.map((local, i) => i32.store(PLACES.digest + 4 * i, i32.add(i32.load(PLACES.digest + 4 * i), get(local)))),
  ];
}

/** Rounds that change the names of the eight working variables instead of their places. After eight they are back. */
class Rounds {
  readonly #names: number[];
  /** `a ^ b` of this round, and of the one before: its `b ^ c`. */
  #ab: number;
  #bc: number;

  constructor(locals: Locals, state: readonly number[]) {
    this.#names = [...state];
    [this.#ab, this.#bc] = locals.many(2, "i32") as [number, number];
  }

  begin(): Code {
    const [, b, c] = this.#names as [number, number, number];
    return set(this.#bc, i32.xor(get(b), get(c)));
  }

  /** `word`: of the schedule, with the round's constant. */
  next(word: Code): Code[] {
    const [a, b, , d, e, f, g, h] = this.#names as [number, number, number, number, number, number, number, number];
    const choice = i32.xor(get(g), i32.and(get(e), i32.xor(get(f), get(g))));
    const majority = i32.xor(i32.and(get(this.#ab), get(this.#bc)), get(b));
    const turned = (local: number, by: readonly number[]) =>
      by.map((count) => i32.rotr(get(local), i32.const(count))).reduce(i32.xor);
    const codes = [
      set(h, i32.add(i32.add(i32.add(get(h), word), choice), turned(e, [6, 11, 25]))),
      set(d, i32.add(get(d), get(h))),
      set(this.#ab, i32.xor(get(a), get(b))),
      set(h, i32.add(get(h), i32.add(turned(a, [2, 13, 22]), majority))),
    ];
    this.#names.unshift(this.#names.pop() as number);
    [this.#ab, this.#bc] = [this.#bc, this.#ab];
    return codes;
  }
}

/** The last sixteen words of the schedule in four vectors; they too change names instead of places. */
class Schedule {
  readonly #vectors: number[];
  readonly #sum: number;

  constructor(locals: Locals, words: readonly number[]) {
    this.#vectors = [...words];
    this.#sum = locals.make("v128");
  }

  /**
   * Seven steps to the next four words. Each of them needs the word two places before it: so the first two are finished first, and
   * then the other two from them.
   */
  next(): Code[] {
    const [x0, x1, x2, x3] = this.#vectors as [number, number, number, number];
    const { add, shuffle } = i32x4;
    const sum = this.#sum;
    const codes = [
      set(sum, shuffle(get(x0), get(x1), [1, 2, 3, 4])),
      set(sum, small(sum, [7, 18], 3)),
      set(x0, add(add(get(x0), get(sum)), shuffle(get(x2), get(x3), [1, 2, 3, 4]))),
      set(sum, shuffle(get(x3), NOTHING, [2, 3, 4, 4])),
      set(x0, add(get(x0), small(sum, [17, 19], 10))),
      set(sum, shuffle(get(x0), NOTHING, [4, 4, 0, 1])),
      set(x0, add(get(x0), small(sum, [17, 19], 10))),
    ];
    this.#vectors.push(this.#vectors.shift() as number);
    return codes;
  }

  /** The newest four words, or those of vector `which`, with the constants of rounds `round` to `round + 3`, `later` bytes further on. */
  withConstants(round: number, later: Code, which = 3): Code {
    return i32x4.add(get(this.#vectors[which] as number), v128.load(PLACES.rounds + 4 * round, later));
  }
}

/** σ0 and σ1: vectors have no rotation. */
function small(local: number, rotations: readonly number[], shift: number): Code {
  const x = get(local);
  const rotated = rotations.flatMap((by) => [i32x4.shrU(x, by), i32x4.shl(x, 32 - by)]);
  return [...rotated, i32x4.shrU(x, shift)].reduce(v128.xor);
}
