/**
 * As much of Protocol Buffers' wire format as one question and one answer need (protobuf.dev/programming-guides/encoding): varints, and
 * texts and messages with their length before them. Fields that nobody asks for are passed over without being copied.
 */

/** The bytes are no message. */
export class WireError extends Error {}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
const VARINT_BYTES_MAX = 10;

/** Walks over the fields of one message: `while (fields.next()) switch (fields.number) …`. */
export class Fields {
  number = 0;
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;
  #type = VARINT;
  /** Of the field's value. */
  #from = 0;
  #to = 0;

  constructor(bytes: Buffer, from = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.number = Math.floor(tag / 8);
    this.#type = tag % 8;
    if (this.number === 0) throw new WireError("a field without a number");
    if (this.#type === LENGTH) {
      const length = this.#varint();
      this.#from = this.#at;
      this.#pass(length);
    } else {
      this.#from = this.#at;
      if (this.#type === VARINT) this.#varint();
      else if (this.#type === FIXED64) this.#pass(8);
      else if (this.#type === FIXED32) this.#pass(4);
      else throw new WireError("a group");
    }
    this.#to = this.#at;
    return true;
  }

  text(): string {
    this.#mustBeLong();
    return this.#bytes.toString("utf8", this.#from, this.#to);
  }

  /** The fields of the message that stands here. */
  message(): Fields {
    this.#mustBeLong();
    return new Fields(this.#bytes, this.#from, this.#to);
  }

  #mustBeLong(): void {
    if (this.#type !== LENGTH) throw new WireError("a number where a text or a message belongs");
  }

  #pass(length: number): void {
    if (length > this.#end - this.#at) throw new WireError("cut off");
    this.#at += length;
  }

  /** Exact up to 2^53; what is larger is no tag and no length, and only passed over. */
  #varint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      if (this.#at >= this.#end) throw new WireError("cut off");
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    throw new WireError("a number of more than ten bytes");
  }
}

/** Writes one message into one buffer. A message within is written in its place, and its length put before it afterwards. */
export class MessageWriter {
  #bytes: Buffer;
  #at: number;

  /** `ahead`: so many bytes are left free before the message. */
  constructor(ahead = 0) {
    this.#bytes = Buffer.allocUnsafe(1_024);
    this.#at = ahead;
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  text(field: number, value: string): this {
    const length = Buffer.byteLength(value);
    this.#make(2 * VARINT_BYTES_MAX + length);
    this.#varint(field * 8 + LENGTH);
    this.#varint(length);
    this.#at += this.#bytes.write(value, this.#at);
    return this;
  }

  number(field: number, value: number): this {
    this.#make(2 * VARINT_BYTES_MAX);
    this.#varint(field * 8 + VARINT);
    this.#varint(value);
    return this;
  }

  message(field: number, write: (within: this) => unknown): this {
    this.#make(2 * VARINT_BYTES_MAX);
    this.#varint(field * 8 + LENGTH);
    const lengthAt = this.#at++;
    write(this);
    const length = this.#at - lengthAt - 1;
    const more = sizeOf(length) - 1;
    if (more > 0) {
      this.#make(more);
      this.#bytes.copyWithin(lengthAt + 1 + more, lengthAt + 1, this.#at);
    }
    const end = this.#at + more;
    this.#at = lengthAt;
    this.#varint(length);
    this.#at = end;
    return this;
  }

  #make(room: number): void {
    if (this.#at + room <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#at + room));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
  }
}

function sizeOf(value: number): number {
  let size = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++;
  return size;
}
