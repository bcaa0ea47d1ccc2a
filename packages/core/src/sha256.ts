/**
 * SHA-256 (FIPS 180-4) of ASCII text, leaving the digest as eight words. The words are what a replica's table is
 * indexed by, so no string, Buffer or object is made on the way; Node's `crypto.hash` hands back a string that must be
 * taken apart again (`npm run bench -- verify` shows both).
 * For passwords and other guessable things this would be the wrong function; a secret here has 190 random bits.
 */
import { sha256Padded } from "./sha256-block.ts";

const encoder = new TextEncoder();
let bytes = new Uint8Array(128);

/**
 * The eight words of the digest of an ASCII `text`, written into `digest` (length 8).
 * The caller answers for the text being ASCII: `parseKeyText` has looked at each character.
 */
export function sha256Ascii(text: string, digest: Int32Array): void {
  const length = text.length;
  if (bytes.length < length + 72) bytes = new Uint8Array(2 * length + 72);
  encoder.encodeInto(text, bytes);
  sha256Padded(bytes, length, digest);
}

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A digest's words as the 43 characters of base64url without padding (RFC 4648 §5): the form in rows and on the wire. */
export function digestText(digest: Int32Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (let i = 0; i < 32; i++) {
    held = (held << 8) | (((digest[i >> 2] as number) >>> (24 - 8 * (i & 3))) & 0xff);
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      text += BASE64URL.charAt((held >>> bits) & 63);
    }
    held &= (1 << bits) - 1;
  }
  return text + BASE64URL.charAt((held << (6 - bits)) & 63);
}

/** Beyond all values of the alphabet. */
const NO_VALUE = 64;
/** By character code. */
const VALUES = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = BASE64URL.indexOf(String.fromCharCode(code));
  return value < 0 ? NO_VALUE : value;
});

/** Writes the words of a `digestText` into `digest`; false if `text` is not one. */
export function parseDigestText(text: string, digest: Int32Array): boolean {
  if (text.length !== 43) return false;
  /** Bits that no word has taken yet, the first of them highest. */
  let held = 0;
  let bits = 0;
  let word = 0;
  let all = 0;
  for (let i = 0; i < 43; i++) {
    const code = text.charCodeAt(i);
    const value = code < 128 ? (VALUES[code] as number) : NO_VALUE;
    all |= value;
    if (bits < 26) {
      held = (held << 6) | value;
      bits += 6;
      continue;
    }
    const over = bits - 26;
    digest[word++] = (held << (6 - over)) | (value >>> over);
    held = value & ((1 << over) - 1);
    bits = over;
  }
  // The last character has two spare bits; only one spelling counts.
  return all < NO_VALUE && held === 0;
}

const scratch = new Int32Array(8);

/** SHA-256 of an ASCII text as `digestText`. */
export function sha256Text(text: string): string {
  sha256Ascii(text, scratch);
  return digestText(scratch);
}
