/**
 * Base62 (0-9A-Za-z, in ASCII order, so that equal-length texts sort as the numbers they stand for).
 */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Fills a fresh Uint8Array of `length` bytes from a cryptographically secure source. */
export type RandomBytes = (length: number) => Uint8Array;

/** `value` (a safe non-negative integer) as exactly `length` base62 digits; the high digits are lost if it does not fit. */
export function encodeBase62(value: number, length: number): string {
  let rest = value;
  let text = "";
  for (let i = 0; i < length; i++) {
    text = ALPHABET.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

/**
 * `length` base62 digits, each uniform: bytes of 248 and more are drawn again, because 256 is no multiple of 62
 * and a plain remainder would favour the first eight digits.
 */
export function randomBase62(length: number, random: RandomBytes): string {
  let text = "";
  while (text.length < length) {
    for (const byte of random(length)) {
      if (byte < 248 && text.length < length) text += ALPHABET.charAt(byte % 62);
    }
  }
  return text;
}
