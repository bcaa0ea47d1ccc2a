/**
 * CRC-32 (ISO-HDLC, as in zip and Ethernet) of ASCII text; unsigned. Four bytes a step ("slicing by 4"): each byte of a
 * step looks in a table of its own, so the steps wait for one another a quarter as often as with one table.
 */
const TABLES = crc32Tables(4);
const T0 = TABLES.subarray(0, 256);
const T1 = TABLES.subarray(256, 512);
const T2 = TABLES.subarray(512, 768);
const T3 = TABLES.subarray(768);

/** `count` tables of 256 words, one behind the other: what a byte adds when 0, 1, 2… bytes follow it in the same step. */
export function crc32Tables(count: number): Int32Array {
  const tables = new Int32Array(256 * count);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[n] = crc;
  }
  for (let n = 256; n < tables.length; n++) {
    const before = tables[n - 256] as number;
    tables[n] = (before >>> 8) ^ (tables[before & 0xff] as number);
  }
  return tables;
}

/** Of the first `length` characters of an ASCII text. */
export function crc32(text: string, length: number = text.length): number {
  let crc = -1;
  for (let i = 0; i < length; i++) {
    crc = (T0[(crc ^ text.charCodeAt(i)) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ -1) >>> 0;
}

/** Of the first `length` bytes. */
export function crc32Bytes(bytes: Uint8Array, length: number): number {
  let crc = -1;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    crc =
      (T3[(crc ^ (bytes[i] as number)) & 0xff] as number) ^
      (T2[((crc >>> 8) ^ (bytes[i + 1] as number)) & 0xff] as number) ^
      (T1[((crc >>> 16) ^ (bytes[i + 2] as number)) & 0xff] as number) ^
      (T0[(crc >>> 24) ^ (bytes[i + 3] as number)] as number);
  }
  for (; i < length; i++) {
    crc = (T0[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ -1) >>> 0;
}
