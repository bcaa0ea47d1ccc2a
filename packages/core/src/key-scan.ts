/**
 * The form and checksum of a key's text (`key-text.ts`), and its digest, in JavaScript. `key-digest.ts` is faster where there is
 * WebAssembly, and must answer the same.
 */
import { encodeBase62 } from "./base62.ts";
import { crc32Bytes } from "./crc32.ts";
import { sha256Padded } from "./sha256-block.ts";

export const RANDOM_LENGTH = 32;
export const CHECKSUM_LENGTH = 6;
export const BODY_LENGTH: number = RANDOM_LENGTH + CHECKSUM_LENGTH;
export const NAME_MIN = 2;
export const NAME_MAX = 10;
/** The longest text that is looked at: 10 + 1 + 10 + 1 + 38. */
export const TEXT_LENGTH_MAX: number = 2 * (NAME_MAX + 1) + BODY_LENGTH;
export const TEXT_LENGTH_MIN: number = 2 * (NAME_MIN + 1) + BODY_LENGTH;

const encoder = new TextEncoder();
/** The text last scanned, and room for two blocks of SHA-256. */
const bytes = new Uint8Array(128);

const UNDERSCORE = 95;
const BAD = 64;
/** The value of each base62 digit; `BAD` for every other byte. */
export const DIGITS: Uint8Array = new Uint8Array(256).fill(BAD);
for (let value = 0; value < 62; value++) DIGITS[encodeBase62(value, 1).charCodeAt(0)] = value;

/** As `digestKeyText`. */
export function digestPlainly(text: string, digest: Int32Array): number {
  const prefixEnd = scanKeyText(text);
  if (prefixEnd !== 0) sha256Padded(bytes, text.length, digest);
  return prefixEnd;
}

/**
 * Copies the text into `bytes` and answers the length of its prefix, or 0 if it is no key's text. A character beyond
 * ASCII becomes bytes from 0x80 up, the first of them at the character's own place, and those are no digits.
 * 75 ns; a look at each character of the string itself took five times that.
 */
export function scanKeyText(text: string): number {
  const length = text.length;
  if (length < TEXT_LENGTH_MIN || length > TEXT_LENGTH_MAX) return 0;
  encoder.encodeInto(text, bytes);
  const environmentEnd = length - BODY_LENGTH - 1;
  let prefixEnd = 0;
  while (prefixEnd <= NAME_MAX && bytes[prefixEnd] !== UNDERSCORE) prefixEnd++;
  if (prefixEnd < NAME_MIN || prefixEnd > NAME_MAX) return 0;
  if (environmentEnd - prefixEnd <= NAME_MIN || bytes[environmentEnd] !== UNDERSCORE) return 0;
  if (digitsIn(0, prefixEnd) >= BAD) return 0;
  if (digitsIn(prefixEnd + 1, environmentEnd) >= BAD) return 0;
  if (digitsIn(environmentEnd + 1, length) >= BAD) return 0;
  const checksumStart = length - CHECKSUM_LENGTH;
  let written = 0;
  for (let i = checksumStart; i < length; i++) written = written * 62 + (DIGITS[bytes[i] as number] as number);
  return written === crc32Bytes(bytes, checksumStart) ? prefixEnd : 0;
}

/** All digit values OR-ed together: `BAD` or more if one of the bytes is no digit. */
function digitsIn(from: number, to: number): number {
  let seen = 0;
  for (let i = from; i < to; i++) seen |= DIGITS[bytes[i] as number] as number;
  return seen;
}
