/**
 * Just enough of WebAssembly's binary format to write one function that works on one page of memory
 * (WebAssembly Core Specification 2.0 §5). An instruction is its bytes, its operands' before it; what is written
 * `i32.add(get(a), i32.const(1))` is `local.get a, i32.const 1, i32.add`. Bytes are nested lists until the end.
 */
export type Code = readonly (number | Code)[];

type Unary = (a: Code) => Code;
type Binary = (a: Code, b: Code) => Code;

const unary =
  (...op: number[]): Unary =>
  (a) => [a, op];
const binary =
  (...op: number[]): Binary =>
  (a, b) => [a, b, op];

/** LEB128, unsigned. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

/** LEB128, signed. */
function signed(value: bigint): number[] {
  const byte = Number(value & 127n);
  const rest = value >> 7n;
  if ((rest === 0n && byte < 64) || (rest === -1n && byte >= 64)) return [byte];
  return [byte | 128, ...signed(rest)];
}

/** The opcode of a vector instruction. */
const vector = (op: number): number[] => [0xfd, ...unsigned(op)];
const load =
  (align: number, ...op: number[]) =>
  (offset: number, at: Code = i32.const(0)): Code => [at, op, align, unsigned(offset)];
const store =
  (align: number, ...op: number[]) =>
  (offset: number, value: Code): Code => [i32.const(0), value, op, align, unsigned(offset)];
const shift =
  (op: number) =>
  (a: Code, by: number): Code => [a, i32.const(by), vector(op)];

export const i32 = {
  const: (value: number): Code => [0x41, signed(BigInt(value | 0))],
  load: load(2, 0x28),
  load8: load(0, 0x2d),
  store: store(2, 0x36),
  eqz: unary(0x45),
  ne: binary(0x47),
  ltS: binary(0x48),
  gtU: binary(0x4b),
  leU: binary(0x4d),
  add: binary(0x6a),
  sub: binary(0x6b),
  and: binary(0x71),
  or: binary(0x72),
  xor: binary(0x73),
  shl: binary(0x74),
  shrU: binary(0x76),
  rotr: binary(0x78),
  /** The low half of an i64. */
  wrap: unary(0xa7),
};

export const i64 = {
  const: (value: bigint): Code => [0x42, signed(BigInt.asIntN(64, value))],
  ne: binary(0x52),
  /** How many zeros lie below the lowest one. */
  ctz: unary(0x7a),
  add: binary(0x7c),
  mul: binary(0x7e),
  and: binary(0x83),
  or: binary(0x84),
  shl: binary(0x86),
  /** Of an i32, unsigned. */
  extend: unary(0xad),
};

export const v128 = {
  const: (bytes: readonly number[]): Code => [vector(0x0c), bytes],
  load: load(4, ...vector(0x00)),
  store: store(4, ...vector(0x0b)),
  and: binary(...vector(0x4e)),
  or: binary(...vector(0x50)),
  xor: binary(...vector(0x51)),
};

/** Sixteen bytes. */
export const i8x16 = {
  all: (byte: number): Code => v128.const(Array<number>(16).fill(byte)),
  splat: unary(...vector(0x0f)),
  /** Bytes of `a` by number; those from 16 up are 0. */
  swizzle: binary(...vector(0x0e)),
  eq: binary(...vector(0x23)),
  ltU: binary(...vector(0x26)),
  leU: binary(...vector(0x2a)),
  sub: binary(...vector(0x71)),
  /** The highest bit of each byte, that of the first lowest. */
  bitmask: unary(...vector(0x64)),
};

/** Four words. */
export const i32x4 = {
  /** Words by number, 0 to 3 of `a` and 4 to 7 of `b`. */
  shuffle: (a: Code, b: Code, words: readonly number[]): Code => [
    a,
    b,
    vector(0x0d),
    words.flatMap((word) => [0, 1, 2, 3].map((byte) => 4 * word + byte)),
  ],
  replaceLane: (a: Code, lane: number, value: Code): Code => [a, value, vector(0x1c), lane],
  shl: shift(0xab),
  shrU: shift(0xad),
  add: binary(...vector(0xae)),
};

const VOID = 0x40;
const END = 0x0b;
export const get = (local: number): Code => [0x20, unsigned(local)];
export const set = (local: number, value: Code): Code => [value, 0x21, unsigned(local)];
export const when = (condition: Code, ...then: Code[]): Code => [condition, 0x04, VOID, then, END];
/** Once more as long as `again`, which is asked at the end. */
export const repeat = (body: Code, again: Code): Code => [0x03, VOID, body, again, 0x0d, 0, END];
export const giveUp = (answer: Code): Code => [answer, 0x0f];

const TYPES = { i32: 0x7f, i64: 0x7e, v128: 0x7b };

/** The local variables of a function with one parameter, which is local 0. */
export class Locals {
  readonly types: number[] = [];

  make(type: keyof typeof TYPES): number {
    this.types.push(TYPES[type]);
    return this.types.length;
  }

  many(count: number, type: keyof typeof TYPES): number[] {
    return Array.from({ length: count }, () => this.make(type));
  }
}

/** Made by the engine's own functions, and without spreading: this runs once, before any of it is compiled. */
function flat(code: readonly unknown[]): number[] {
  return code.flat(Number.POSITIVE_INFINITY) as number[];
}

/** A module with 64 KiB of `memory` and the function `run` of an i32 that answers an i32; both are exported. */
export function moduleOf(locals: Locals, body: Code): Uint8Array<ArrayBuffer> {
  const sized = (content: Code): Code => {
    const bytes = flat(content);
    return unsigned(bytes.length).concat(bytes);
  };
  const named = (name: string): Code => sized([...new TextEncoder().encode(name)]);
  const section = (id: number, ...content: Code): Code => [id, sized(content)];
  const declared = [unsigned(locals.types.length), locals.types.map((type) => [1, type])];
  const code = [
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, 1, 0x60, 1, TYPES.i32, 1, TYPES.i32),
    section(3, 1, 0),
    section(5, 1, 1, 1, 1),
    section(7, 2, named("memory"), 2, 0, named("run"), 0, 0),
    section(10, 1, sized([declared, body, END])),
  ];
  return Uint8Array.from(flat(code));
}
