/**
 * A handle's 22 base62 digits (ids.ts) as five words, so that a key is named in a line without a string on the heap, with the record's
 * number and the version's number in the bits that are left:
 *
 *     word 0–3   30 bits: five digits      2 bits of seq
 *     word 4     12 bits: two digits       4 bits of seq      16 bits: version number
 *
 * The low 32 bits of seq stand in a word of their own (line.ts); with these twelve it reaches to 2^44.
 */
const HANDLE_WORDS = 5;
const DIGITS = 22;
const LOW_30 = 0x3fff_ffff;
export const SEQ_LIMIT: number = 2 ** 44;
export const NUMBER_LIMIT: number = 1 << 16;

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** The value of each base62 digit; -1 for every other ASCII character. */
const VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < 62; value++) VALUES[ALPHABET.charCodeAt(value)] = value;
const CODES = Uint8Array.from(ALPHABET, (digit) => digit.charCodeAt(0));

/** Writes the digits of `<prefix>_<22 digits>` into the first five of `words`; false if `text` has another form. */
export function packHandle(text: string, prefix: string, words: Int32Array): boolean {
  const start = prefix.length + 1;
  if (text.length !== start + DIGITS || text.charCodeAt(start - 1) !== 95 || !text.startsWith(prefix)) return false;
  let at = start;
  for (let i = 0; i < HANDLE_WORDS; i++) {
    let word = 0;
    for (const end = i < 4 ? at + 5 : at + 2; at < end; at++) {
      const code = text.charCodeAt(at);
      const value = code < 128 ? (VALUES[code] as number) : -1;
      if (value < 0) return false;
      word = word * 62 + value;
    }
    words[i] = word;
  }
  return true;
}

const codes: number[] = Array.from({ length: DIGITS }, () => 0);

/** The text again, from five words as they stand in a line. */
export function handleText(prefix: string, words: Int32Array, at: number): string {
  for (let i = 0; i < 4; i++) digits((words[at + i] as number) & LOW_30, 5 * i + 4);
  const last = (words[at + 4] as number) & 0xfff;
  codes[21] = CODES[last % 62] as number;
  codes[20] = CODES[(last / 62) | 0] as number;
  return `${prefix}_${String.fromCharCode.apply(null, codes)}`;
}

function digits(word: number, end: number): void {
  let rest = word;
  for (let i = end; i > end - 5; i--) {
    const next = (rest / 62) | 0;
    codes[i] = CODES[rest - next * 62] as number;
    rest = next;
  }
}

/** Puts the high bits of `seq` and the version's number beside the digits in `words`. */
export function packBeside(words: Int32Array, seq: number, number: number): void {
  const high = Math.floor(seq / 2 ** 32);
  for (let i = 0; i < 4; i++) words[i] = ((words[i] as number) & LOW_30) | (((high >> (2 * i)) & 3) << 30);
  words[4] = ((words[4] as number) & 0xfff) | (((high >> 8) & 0xf) << 12) | (number << 16);
}

/** The number of the record, from its low word and the five words beside which its high bits stand. */
export function seqOfWords(low: number, words: Int32Array, at: number): number {
  let high = (((words[at + 4] as number) >>> 12) & 0xf) << 8;
  for (let i = 0; i < 4; i++) high |= ((words[at + i] as number) >>> 30) << (2 * i);
  return high * 2 ** 32 + (low >>> 0);
}

/** True if two groups of five words name the same handle, whatever stands beside it. */
export function sameHandle(a: Int32Array, atA: number, b: Int32Array, atB: number): boolean {
  for (let i = 0; i < 4; i++) if ((((a[atA + i] as number) ^ (b[atB + i] as number)) & LOW_30) !== 0) return false;
  return (((a[atA + 4] as number) ^ (b[atB + 4] as number)) & 0xfff) === 0;
}

/** 32 well-spread bits of a handle: its first digits are a time, and those of one second are alike. */
export function handleHash(words: Int32Array, at: number): number {
  let hash = (words[at + 4] as number) & 0xfff;
  for (let i = 0; i < 4; i++) {
    hash = Math.imul(hash ^ ((words[at + i] as number) & LOW_30), 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0x85eb_ca6b);
  return hash ^ (hash >>> 13);
}
