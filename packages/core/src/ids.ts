/**
 * Handles: the public names of things. A handle may be logged, put in a URL, sorted by; it opens nothing.
 * Its prefix is never a prefix of a secret (see `reservedPrefixes` in key-text.ts), so that nobody,
 * person or scanner, takes the one for the other.
 */
import { encodeBase62, type RandomBytes, randomBase62 } from "./base62.ts";

export const handlePrefixes = {
  api: "api",
  consumer: "con",
  key: "key",
  version: "ver",
  rotation: "rot",
  token: "tok",
  boot: "boo",
  replica: "rep",
  policy: "pol",
  attachment: "att",
  replan: "rpl",
  channel: "chn",
  notice: "ntc",
  noticeEvent: "nev",
  campaign: "cam",
  plan: "pln",
} as const;

export type HandleKind = keyof typeof handlePrefixes;

const TIME_DIGITS = 8; // 62^8 ms reach to the year 8888
const RANDOM_DIGITS = 14; // 83 bits beside the millisecond

/** A new handle such as `key_0UbAw3xk…`: 8 digits of time (so handles sort by age) and 14 of chance. */
export function makeHandle(kind: HandleKind, now: number, random: RandomBytes): string {
  return `${handlePrefixes[kind]}_${encodeBase62(now, TIME_DIGITS)}${randomBase62(RANDOM_DIGITS, random)}`;
}

/** True if `text` has the form of a handle of this kind. */
export function isHandle(kind: HandleKind, text: string): boolean {
  const prefix = `${handlePrefixes[kind]}_`;
  return text.startsWith(prefix) && /^[0-9A-Za-z]{22}$/.test(text.slice(prefix.length));
}
