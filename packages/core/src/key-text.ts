/**
 * The text of a secret: `<prefix>_<environment>_<32 random base62 digits><6 digits of checksum>`.
 *
 *     mkt_live_4sT0…32 digits…Zq3hW1kD
 *     └┬┘ └┬─┘ └──────┬──────┘└─┬──┘
 *   api's  key      190.5 bits   CRC-32 of all before it, base62
 *   prefix space    of chance
 *
 * The checksum lets a verifier, or a leak scanner, throw away a typing error or noise before any look-up.
 * It is no protection: anybody can compute it. With prefix and environment of 15 characters together or fewer the
 * text has at most 55 bytes and takes SHA-256 one block (FIPS 180-4 §5.1.1).
 */
import { encodeBase62, type RandomBytes, randomBase62 } from "./base62.ts";
import { crc32, crc32Bytes } from "./crc32.ts";
import { handlePrefixes } from "./ids.ts";
import { sha256Padded } from "./sha256-block.ts";

export const RANDOM_LENGTH = 32;
export const CHECKSUM_LENGTH = 6;
const BODY_LENGTH = RANDOM_LENGTH + CHECKSUM_LENGTH;

/** The prefix of the authority's own tokens: `kot_<role>_…`. No api may take it. */
export const TOKEN_PREFIX = "kot";

const NAME = /^[a-z][a-z0-9]{1,9}$/;
/** The longest text that `parseKeyText` looks at: 10 + 1 + 10 + 1 + 38. */
export const TEXT_LENGTH_MAX: number = 22 + BODY_LENGTH;
const TEXT_LENGTH_MIN = 2 + 1 + 2 + 1 + BODY_LENGTH;

const reservedPrefixes: ReadonlySet<string> = new Set([TOKEN_PREFIX, ...Object.values(handlePrefixes)]);

/** Why `prefix` may not be an api's key prefix, or undefined if it may. */
export function prefixProblem(prefix: string): string | undefined {
  if (!NAME.test(prefix)) return "a key prefix is 2 to 10 lowercase letters and digits, a letter first (such as mkt)";
  if (reservedPrefixes.has(prefix)) return `the prefix ${prefix} is Keyover's own; choose another`;
  return undefined;
}

/** Why `name` may not be an environment's name, or undefined if it may. */
export function environmentProblem(name: string): string | undefined {
  if (!NAME.test(name))
    return "an environment's name is 2 to 10 lowercase letters and digits, a letter first (such as live)";
  return undefined;
}

/** A fresh secret. `prefix` and `environment` must have passed the two checks above. */
export function makeKeyText(prefix: string, environment: string, random: RandomBytes): string {
  const head = `${prefix}_${environment}_${randomBase62(RANDOM_LENGTH, random)}`;
  return head + checksum(head, head.length);
}

export interface KeyText {
  prefix: string;
  environment: string;
}

/**
 * Prefix and environment of a well-formed text with a right checksum, else undefined. Every character has been
 * looked at when it answers, so the caller may treat the text as ASCII.
 */
export function parseKeyText(text: string): KeyText | undefined {
  const prefixEnd = scan(text);
  if (prefixEnd === 0) return undefined;
  return { prefix: text.slice(0, prefixEnd), environment: text.slice(prefixEnd + 1, text.length - BODY_LENGTH - 1) };
}

/**
 * For the hot path, `parseKeyText` and `sha256Ascii` in one: writes the eight words of the digest of a well-formed text
 * with a right checksum into `digest` and answers the length of its prefix; 0 for any other text. Makes nothing on the heap.
 */
export function digestKeyText(text: string, digest: Int32Array): number {
  const prefixEnd = scan(text);
  if (prefixEnd !== 0) sha256Padded(bytes, text.length, digest);
  return prefixEnd;
}

const encoder = new TextEncoder();
/** The text last scanned, and room for two blocks of SHA-256. */
const bytes = new Uint8Array(128);

const UNDERSCORE = 95;
const BAD = 64;
/** The value of each base62 digit; `BAD` for every other byte. */
const DIGITS = new Uint8Array(256).fill(BAD);
for (let value = 0; value < 62; value++) DIGITS[encodeBase62(value, 1).charCodeAt(0)] = value;

/**
 * Copies the text into `bytes` and answers the length of its prefix, or 0 if it is no key's text. A character beyond
 * ASCII becomes bytes from 0x80 up, the first of them at the character's own place, and those are no digits.
 * 75 ns; a look at each character of the string itself took five times that.
 */
function scan(text: string): number {
  const length = text.length;
  if (length < TEXT_LENGTH_MIN || length > TEXT_LENGTH_MAX) return 0;
  encoder.encodeInto(text, bytes);
  const environmentEnd = length - BODY_LENGTH - 1;
  let prefixEnd = 0;
  while (prefixEnd <= 10 && bytes[prefixEnd] !== UNDERSCORE) prefixEnd++;
  if (prefixEnd < 2 || prefixEnd > 10) return 0;
  if (environmentEnd - prefixEnd < 3 || bytes[environmentEnd] !== UNDERSCORE) return 0;
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

/** What may be shown of a secret so that a person can tell two apart: the head and four digits, never enough to guess. */
export function maskKeyText(text: string): string {
  const parsed = parseKeyText(text);
  if (parsed === undefined) return "[not a key]";
  const bodyStart = text.length - BODY_LENGTH;
  return `${text.slice(0, bodyStart + 4)}…`;
}

/** The form of a key's text, wherever it stands and whatever touches it. */
const KEY_TEXT = new RegExp(`[a-z][a-z0-9]{1,9}_[a-z][a-z0-9]{1,9}_[0-9A-Za-z]{${BODY_LENGTH}}`, "g");

/** For text that repeats what somebody sent: a secret in the wrong place is not sent back. */
export function withoutKeyTexts(text: string): string {
  return text.replace(KEY_TEXT, "[secret]");
}

function checksum(text: string, length: number): string {
  return encodeBase62(crc32(text, length), CHECKSUM_LENGTH);
}
