import { crc32 } from "node:zlib";
import { type KeyRecord, makeHandle, sha256Text } from "@keyover/core";
import { beforeAll, describe, expect, test } from "vitest";
import { FlatTable } from "./flat-table.ts";
import { FORMAT, fileChunks, TableReader, Unreadable } from "./table-file.ts";

const record = (i: number, seq: number, rare = false): KeyRecord => ({
  seq,
  key: makeHandle("key", 1_790_000_000_000 + i, (length) => new Uint8Array(length).fill(i % 200)),
  consumer: makeHandle("consumer", 1_790_000_000_000 + (i >> 3), (length) => new Uint8Array(length)),
  environment: i % 5 === 0 ? "test" : "live",
  status: i % 7 === 0 ? "revoked" : "active",
  scopes: i % 2 === 0 ? ["market:read"] : ["market:*", "trade:write"],
  networks: i % 3 === 0 ? ["203.0.113.0/24"] : [],
  current: 1,
  versions: [{ number: 1, state: "active", sha256: sha256Text(`${i}`), compromised: i % 11 === 0 }],
  ...(rare ? { expiresAt: seq } : {}),
});

function read(bytes: Buffer): TableReader {
  const reader = new TableReader();
  let at = 0;
  for (let taken = -1; taken !== 0 && at < bytes.length; at += taken) taken = reader.take(bytes, at);
  reader.finish(bytes.length - at);
  return reader;
}

const recordsOf = (table: FlatTable) =>
  new Map([...table.heads()].map((head) => table.recordOf(head)).map((each) => [each.key, each]));
/** Not `expect().toThrow` each time: there are ten thousand of them. */
function reasonOf(bytes: Buffer): string {
  try {
    read(bytes);
    return "none";
  } catch (error) {
    if (error instanceof Unreadable) return error.message;
    throw error;
  }
}

const head = { api: "market" };
const KEYS = 20_000;
let table: FlatTable;
let whole: Buffer;
/** Of a table small enough to be read a thousand times. */
let small: Buffer;

beforeAll(() => {
  const few = new FlatTable();
  for (let i = 0; i < 1_500; i++) few.write(record(i, i + 1, i % 50 === 0), -1);
  small = Buffer.concat([...fileChunks(few, head)]);
  table = new FlatTable();
  for (let i = 0; i < KEYS; i++) table.write(record(i, i + 1, i % 50 === 0), -1);
  whole = Buffer.concat([...fileChunks(table, head)]);
});

describe("a table in a file", () => {
  test("comes back with every record, and is found by digest and key", () => {
    const back = read(whole);
    expect(back.head).toEqual(head);
    expect(back.table.newest).toBe(KEYS);
    expect(recordsOf(back.table)).toEqual(recordsOf(table));
    expect(back.table.perEnvironment).toEqual(table.perEnvironment);
    for (let i = 0; i < KEYS; i += 97) expect(back.table.recordOf(back.table.headOf(record(i, 0).key)).seq).toBe(i + 1);
  });

  test("cut off at every 4 KB, and at every byte of its first and last parts, is not read", () => {
    const cuts = Array.from({ length: Math.floor(small.length / 4_096) }, (_, i) => 4_096 * i);
    for (let i = 0; i < 600; i++) cuts.push(i, small.length - 1 - i);
    for (const cut of cuts) expect([cut, reasonOf(small.subarray(0, cut))]).not.toEqual([cut, "none"]);
  });

  test("with any one bit turned is not read", () => {
    const step = Math.floor(small.length / 400);
    const places = Array.from({ length: 400 }, (_, i) => i * step);
    for (let i = 0; i < 300; i++) places.push(i, small.length - 1 - i);
    for (const at of places) {
      const bit = 1 << (at % 8);
      small.writeUInt8(small.readUInt8(at) ^ bit, at);
      expect([at, reasonOf(small)]).not.toEqual([at, "none"]);
      small.writeUInt8(small.readUInt8(at) ^ bit, at);
    }
    expect(reasonOf(small)).toBe("none");
  });

  test("with parts left out, twice, in another order, or something behind the last, is not read", () => {
    const chunks = [...fileChunks(table, head)];
    const swapped = chunks.with(2, chunks[3] as Buffer).with(3, chunks[2] as Buffer);
    const others = [
      chunks.toSpliced(3, 1),
      [...chunks, Buffer.from("x")],
      [...chunks, chunks.at(-1) as Buffer],
      swapped,
    ];
    for (const each of others) expect(reasonOf(Buffer.concat(each))).toMatch(/order|cut off/);
    expect(reasonOf(Buffer.concat(chunks.toSpliced(1, 1)))).toBe("its parts are not in their order");
  });

  test("with right sums but a line that could not be there is not read", () => {
    const chunks = [...fileChunks(table, head)];
    const turned: [word: number, value: number][] = [
      [8, 0],
      [8, 0x41],
      [9, -1],
      [9, 1 << 30],
    ];
    for (const [word, value] of turned) {
      const lines = Buffer.from(chunks[2] as Buffer);
      lines.writeInt32LE(value, 16 + 4 * word);
      lines.writeUInt32LE(crc32(lines.subarray(16), crc32(lines.subarray(0, 12))), 12);
      expect(reasonOf(Buffer.concat(chunks.with(2, lines)))).toMatch(/form of one|refers to what is not in it/);
    }
  });

  test("of keys that each have long lists of their own has no part that is too long to be read", () => {
    const various = new FlatTable();
    const networks = (i: number) => Array.from({ length: 50 }, (_, n) => `10.${n}.${i >> 8}.${i & 255}/32`);
    for (let i = 0; i < 3_000; i++) various.write({ ...record(i, i + 1), networks: networks(i) }, -1);
    const chunks = [...fileChunks(various, head)];
    expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThan(2 * 1024 * 1024);
    expect(recordsOf(read(Buffer.concat(chunks)).table)).toEqual(recordsOf(various));
  });

  test("of another version is not read, and says which it is", () => {
    const other = Buffer.concat([Buffer.from(FORMAT.replace("3", "9")), whole.subarray(FORMAT.length)]);
    expect(reasonOf(other)).toBe('format "keyover-replica 9" is not "keyover-replica 3"');
    expect(reasonOf(Buffer.from("hello\n"))).toBe("not a replica of Keyover");
    expect(reasonOf(Buffer.alloc(0))).toBe("not a replica of Keyover");
  });

  test("written while keys change, come, become rare and go holds each key as it was or as it is", () => {
    const changing = new FlatTable();
    for (let i = 0; i < KEYS; i++) changing.write(record(i, i + 1, i % 50 === 0), -1);
    let seq = KEYS;
    const chunks: Buffer[] = [];
    const gone = new Set<string>();
    for (const chunk of fileChunks(changing, head)) {
      chunks.push(chunk);
      for (let n = 0; n < 500; n++) {
        const i = (n * 7_919 + chunks.length * 101) % (KEYS + 500);
        const { key } = record(i, 0);
        const place = changing.headOf(key);
        if (n % 20 === 0 && place >= 0) {
          changing.drop(place);
          gone.add(key);
        } else changing.write(record(i, ++seq, n % 3 === 0), place);
      }
    }
    const back = recordsOf(read(Buffer.concat(chunks)).table);
    for (const [key, { seq: now }] of recordsOf(changing)) {
      const held = back.get(key);
      // A key that was gone, or came, meanwhile may be lacking: the journal has it.
      if (held === undefined) expect([key, gone.has(key) || now > KEYS]).toEqual([key, true]);
      else expect(held.seq).toBeLessThanOrEqual(now);
    }
    for (const key of back.keys()) expect(back.get(key)?.versions).toHaveLength(1);
    expect(back.size).toBeGreaterThan(KEYS / 2);
  });

  test("of a key that comes twice, as a line or a text, the newer counts", () => {
    for (const [before, after] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ] as const) {
      const changing = new FlatTable();
      for (let i = 0; i < KEYS; i++) changing.write(record(i, i + 1, before), -1);
      const chunks: Buffer[] = [];
      for (const chunk of fileChunks(changing, head)) {
        if (chunks.push(chunk) === 3) changing.write(record(5, 2 * KEYS, after), changing.headOf(record(5, 0).key));
      }
      const { table: back } = read(Buffer.concat(chunks));
      expect([back.size, back.seqOf(back.headOf(record(5, 0).key))]).toEqual([KEYS, 2 * KEYS]);
      expect(back.recordOf(back.headOf(record(5, 0).key))).toEqual(record(5, 2 * KEYS, after));
    }
  });
});
