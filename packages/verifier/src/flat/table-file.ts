/**
 * A flat table as a file: lines as they stand in memory, so that ten million keys are read in seconds.
 *
 *     "keyover-replica 3\n"
 *     chunks:  [ kind │ bytes │ number │ CRC-32 ] payload       the sum is of the three words before it and the payload
 *
 *     head      JSON, first: whose it is, and how many keys to make room for
 *     lines     plain lines, 64 bytes each
 *     records   rare records, a line of JSON each
 *     shared    JSON: environments, lists of scopes and networks
 *     consumers their handles, in units as in memory
 *     end       JSON, last: how many chunks and consumers there are
 *
 * It is written in slices while the table goes on changing. What changes meanwhile may come twice, and then the newer counts, or as it
 * was: whoever writes the file keeps a journal of what came since it began. What lines refer to by number comes after them,
 * because numbers are never taken back.
 *
 * Whatever of it is not as it was written, is cut off, or of another version, makes the whole useless.
 */
import { crc32 } from "node:zlib";
import type { KeyRecord } from "@keyover/core";
import { asRecord, isTexts, parseJson } from "../shapes.ts";
import { FlatTable } from "./flat-table.ts";
import { isRare } from "./line.ts";
import type { Profile } from "./profiles.ts";
import { placeOf, UNIT_WORDS } from "./segments.ts";

export const FORMAT = "keyover-replica 3\n";
const KINDS = { head: 1, lines: 2, records: 3, shared: 4, consumers: 5, end: 6 };
const HEAD_BYTES = 16;
const UNIT_BYTES = 4 * UNIT_WORDS;
/** About 2 ms of work. */
const LINES_PER_CHUNK = 8_192;
const RECORDS_BYTES = 256 * 1024;
/** Many keys may have long lists of their own: all of them together could be longer than a chunk that is read. */
const PROFILES_PER_CHUNK = 1_000;
/** No chunk is longer but by a record's length. */
const CHUNK_BYTES_MAX = 64 * 1024 * 1024;
/** The words of a file are those of this machine's memory; another may have them the other way round. */
const BYTE_ORDER = new Uint8Array(Int32Array.of(0x0102_0304).buffer).join();

/** The file, piece by piece. `head`: what its reader is to know beside the table. */
export function* fileChunks(table: FlatTable, head: unknown): Generator<Buffer> {
  let number = 0;
  const chunk = (kind: number, payload: Buffer) => {
    const words = Buffer.alloc(HEAD_BYTES);
    words.writeUInt32LE(kind, 0);
    words.writeUInt32LE(payload.length, 4);
    words.writeUInt32LE(number++, 8);
    words.writeUInt32LE(sumOf(words, payload), 12);
    return Buffer.concat([words, payload]);
  };
  const json = (kind: number, value: unknown) => chunk(kind, Buffer.from(JSON.stringify(value)));
  yield Buffer.from(FORMAT);
  yield json(KINDS.head, { head, byteOrder: BYTE_ORDER, keys: table.size, consumers: table.consumers.count });
  const lines = new Int32Array(UNIT_WORDS * LINES_PER_CHUNK);
  const linesBytes = Buffer.from(lines.buffer);
  let filled = 0;
  let records = "";
  for (const slot of table.heads()) {
    const [words, at] = [table.wordsOf(slot), placeOf(slot)];
    if (isRare(table.metaOf(slot))) records += `${JSON.stringify(table.recordOf(slot))}\n`;
    else lines.set(words.subarray(at, at + UNIT_WORDS), UNIT_WORDS * filled++);
    if (filled === LINES_PER_CHUNK) {
      yield chunk(KINDS.lines, linesBytes);
      filled = 0;
    }
    if (records.length >= RECORDS_BYTES) {
      yield chunk(KINDS.records, Buffer.from(records));
      records = "";
    }
  }
  if (filled > 0) yield chunk(KINDS.lines, linesBytes.subarray(0, UNIT_BYTES * filled));
  if (records !== "") yield chunk(KINDS.records, Buffer.from(records));
  const { environments, list } = table.profiles;
  for (let from = 0; from === 0 || from < list.length; from += PROFILES_PER_CHUNK) {
    const some = list.slice(from, from + PROFILES_PER_CHUNK);
    yield json(KINDS.shared, { environments, profiles: some.map(listOf) });
  }
  const consumers = table.consumers.count;
  for (const units of table.consumers.units()) yield chunk(KINDS.consumers, units);
  yield json(KINDS.end, { chunks: number, consumers });
}

function listOf({ scopes, networks, plan }: Profile): unknown[] {
  return plan === undefined ? [scopes, networks] : [scopes, networks, plan];
}

function sumOf(words: Buffer, payload: Buffer): number {
  return crc32(payload, crc32(words.subarray(0, 12)));
}

export class Unreadable extends Error {}

/** Reads such a file; throws `Unreadable`, with the reason. Nothing may be used before `finish` has answered. */
export class TableReader {
  readonly table: FlatTable = new FlatTable();
  /** As it was given to `fileChunks`. */
  head: unknown;
  #begun = false;
  #number = 0;
  #ended = false;
  /** Records that came twice, or whose digest did. */
  #late: Int32Array[] = [];
  #records: KeyRecord[] = [];
  /** One for all parts: fresh ones would be a gigabyte for the garbage collector. */
  #lines = new Int32Array(UNIT_WORDS * LINES_PER_CHUNK);

  /** Reads the next part, at a place in `bytes`. Answers its length; 0 if it is not there whole. */
  take(bytes: Buffer, at: number): number {
    if (!this.#begun) {
      checkFormat(bytes);
      this.#begun = true;
      return FORMAT.length;
    }
    if (bytes.length - at < HEAD_BYTES) return 0;
    const [kind, length] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    if (length > CHUNK_BYTES_MAX) throw new Unreadable("its checksum does not hold");
    const end = at + HEAD_BYTES + length;
    if (bytes.length < end) return 0;
    const words = bytes.subarray(at, at + HEAD_BYTES);
    const payload = bytes.subarray(at + HEAD_BYTES, end);
    if (words.readUInt32LE(12) !== sumOf(words, payload)) throw new Unreadable("its checksum does not hold");
    if (words.readUInt32LE(8) !== this.#number || this.#ended) throw new Unreadable("its parts are not in their order");
    this.#whole(() => this.#chunk(kind, payload));
    this.#number++;
    return HEAD_BYTES + length;
  }

  /** `left`: bytes after the last part. */
  finish(left: number): void {
    if (!this.#begun) checkFormat(Buffer.alloc(0));
    if (!this.#ended) throw new Unreadable("cut off");
    if (left > 0) throw new Unreadable("its parts are not in their order");
    this.#whole(() => {
      const { table } = this;
      for (const record of [...this.#late.map((line) => table.plainRecord(line, 0)), ...this.#records]) {
        const head = table.headOf(record.key);
        if (head < 0 || table.seqOf(head) < record.seq) table.write(record, head);
      }
    });
  }

  /** What its sum says is as it was written, and yet makes no sense: another program wrote it. */
  #whole(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw error instanceof Unreadable ? error : new Unreadable("a part of it does not have the form of one");
    }
  }

  #chunk(kind: number, payload: Buffer): void {
    if ((kind === KINDS.head) !== (this.#number === 0)) throw new Unreadable("it has no head");
    if (kind === KINDS.head) this.#readHead(payload);
    else if (kind === KINDS.lines) this.#readLines(payload);
    else if (kind === KINDS.records) this.#readRecords(payload);
    else if (kind === KINDS.shared) this.#readShared(payload);
    else if (kind === KINDS.consumers) this.table.consumers.append(payload);
    else if (kind === KINDS.end) this.#readEnd(payload);
    else throw new Unreadable("a part of it is of an unknown kind");
  }

  #readHead(payload: Buffer): void {
    const { head, byteOrder, keys } = parseJson(payload.toString()) as Record<string, unknown>;
    if (byteOrder !== BYTE_ORDER) throw new Unreadable("it was written by a machine with another byte order");
    this.head = head;
    this.table.reserve(keys as number);
  }

  #readLines(payload: Buffer): void {
    if (payload.length % UNIT_BYTES !== 0) throw new RangeError("a line is cut off");
    // A copy, because the words of a chunk need not lie where words may.
    if (this.#lines.byteLength < payload.length) this.#lines = new Int32Array(payload.length / 4);
    Buffer.from(this.#lines.buffer).set(payload);
    this.#late.push(...this.table.adopt(this.#lines.subarray(0, payload.length / 4)));
  }

  #readRecords(payload: Buffer): void {
    for (const line of payload.toString().split("\n")) {
      if (line === "") continue;
      const record = asRecord(parseJson(line));
      if (record === undefined) throw new Unreadable("a record does not have the form of one");
      this.#records.push(record);
    }
  }

  #readShared(payload: Buffer): void {
    const { environments, profiles } = parseJson(payload.toString()) as { environments: unknown; profiles: unknown[] };
    if (!isTexts(environments)) throw new Unreadable("its environments are none");
    for (const name of environments) this.table.profiles.environment(name);
    for (const [scopes, networks, plan] of profiles as [string[], string[], string?][])
      this.table.profiles.profile(scopes, networks, plan);
  }

  #readEnd(payload: Buffer): void {
    const { chunks, consumers } = parseJson(payload.toString()) as Record<string, number>;
    if (chunks !== this.#number) throw new Unreadable("its parts are not in their order");
    this.table.consumers.adopt(consumers as number);
    if (!this.table.isWhole()) throw new Unreadable("a key of it refers to what is not in it");
    this.#ended = true;
  }
}

function checkFormat(bytes: Buffer): void {
  const format = bytes.subarray(0, FORMAT.length).toString("latin1");
  if (format === FORMAT) return;
  const line = bytes.subarray(0, 64).toString("latin1").split("\n", 1)[0] as string;
  if (line.startsWith("keyover-replica ")) throw new Unreadable(`format "${line}" is not "${FORMAT.trimEnd()}"`);
  throw new Unreadable("not a replica of Keyover");
}
