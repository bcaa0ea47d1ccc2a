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
import { crc32 } from "./crc32.ts";
import { handlePrefixes } from "./ids.ts";
import { BODY_LENGTH, CHECKSUM_LENGTH, RANDOM_LENGTH, scanKeyText } from "./key-scan.ts";

export { digestKeyText } from "./key-digest.ts";
export { CHECKSUM_LENGTH, RANDOM_LENGTH, TEXT_LENGTH_MAX } from "./key-scan.ts";

/** The prefix of the authority's own tokens: `kot_<role>_…`. No api may take it. */
export const TOKEN_PREFIX = "kot";

const NAME = /^[a-z][a-z0-9]{1,9}$/;

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
  const prefixEnd = scanKeyText(text);
  if (prefixEnd === 0) return undefined;
  return { prefix: text.slice(0, prefixEnd), environment: text.slice(prefixEnd + 1, text.length - BODY_LENGTH - 1) };
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
