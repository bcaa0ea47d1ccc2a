/**
 * CRC-32 (ISO-HDLC, as in zip and Ethernet) of ASCII text; unsigned. Four bytes a step ("slicing by 4"): each byte of a
 * step looks in a table of its own, so the steps wait for one another a quarter as often as with one table.
 */
const T0 = new Int32Array(256);
const T1 = new Int32Array(256);
const T2 = new Int32Array(256);
const T3 = new Int32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  T0[n] = c;
}
for (let n = 0; n < 256; n++) {
  T1[n] = followedByZero(T0[n] as number);
  T2[n] = followedByZero(T1[n] as number);
  T3[n] = followedByZero(T2[n] as number);
}

function followedByZero(crc: number): number {
  return (crc >>> 8) ^ (T0[crc & 0xff] as number);
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
