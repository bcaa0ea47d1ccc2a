/**
 * A version in one line of sixteen words, which is one cache line:
 *
 *     0–7  digest     8  meta     9  consumer     10  seq, low word     11–15  handle, seq, number (handle-words.ts)
 *
 * A *plain* line says all that there is to say of a key with one version and nothing special. Whatever else a key may have (several
 * versions, a rotation, an end, a fence, a brownout, names of another form) makes it *rare*: its record stands as text in a block
 * (arena.ts), with one head line for the key and one for each version, whose word 9 is the block. A head has no digest: its word 0
 * leads to the first version's line, whose word 10 leads to the next (slot + 1; 0: none). The number of such a version is its place in the record.
 *
 * meta, the one word that decides; the other bits of a line that is no longer in use stay, until its slot is used again:
 *
 *     bit 0     in use                5      compromised         15–31  profile
 *         1–2   state (or kind)       6      rare
 *         3–4   status (or of a rare line: 3 its name is hashed, 4 its environment has no number)
 *         7–14  environment
 */
import type { KeyStatus, VersionRecord } from "@keyover/core";

export const DIGEST_WORDS = 8;
export const META = 8;
export const CONSUMER = 9;
export const BLOCK = 9;
export const SEQ = 10;
/** Of a rare version's line. */
export const NEXT = 10;
/** Of a rare head's line. */
export const FIRST = 0;
export const HANDLE = 11;
/** The last of the handle's words; its high half is the version's number. */
export const NUMBER = 15;

const STATES: readonly VersionRecord["state"][] = ["pending", "active", "retiring", "retired"];
const STATUSES: readonly KeyStatus[] = ["active", "suspended", "revoked"];

const USED = 1;
const COMPROMISED = 1 << 5;
const RARE = 1 << 6;
const KIND_HEAD = 0;
const KIND_VERSION = 1 << 1;
const KIND = 3 << 1;
export const ENVIRONMENTS_MAX = 256;
export const PROFILES_MAX: number = 1 << 17;

const NAME_HASHED = 1 << 3;
const NO_ENVIRONMENT = 1 << 4;

/** `environment`: its number, or -1. `hashed`: the handle's words are a hash of a name that is no handle. */
export function rareMeta(kind: "head" | "version", environment: number, hashed: boolean): number {
  const kindBits = kind === "head" ? KIND_HEAD : KIND_VERSION;
  const flags = USED | RARE | kindBits | (hashed ? NAME_HASHED : 0);
  return flags | (environment < 0 ? NO_ENVIRONMENT : environment << 7);
}

export function isNameHashed(meta: number): boolean {
  return (meta & (RARE | NAME_HASHED)) === (RARE | NAME_HASHED);
}

/** Undefined for a state or a status that has no number. */
export function plainMeta(
  { state, compromised }: VersionRecord,
  status: KeyStatus,
  environment: number,
  profile: number,
): number | undefined {
  const [stateBits, statusBits] = [STATES.indexOf(state), STATUSES.indexOf(status)];
  if (stateBits < 0 || statusBits < 0) return undefined;
  const flags = USED | (compromised ? COMPROMISED : 0);
  return flags | (stateBits << 1) | (statusBits << 3) | (environment << 7) | (profile << 15);
}

export function isInUse(meta: number): boolean {
  return (meta & USED) !== 0;
}

export function notInUse(meta: number): number {
  return meta & ~USED;
}

export function isRare(meta: number): boolean {
  return (meta & RARE) !== 0;
}

/** In use, and all that there is to say of its key. */
export function isPlain(meta: number): boolean {
  return (meta & (USED | RARE)) === USED;
}

/** A version's line: what a digest may lead to. */
export function hasDigest(meta: number): boolean {
  return (meta & USED) !== 0 && (meta & (RARE | KIND)) !== RARE;
}

/** The line that stands for its key. */
export function isHead(meta: number): boolean {
  return (meta & USED) !== 0 && (meta & (RARE | KIND)) !== (RARE | KIND_VERSION);
}

/** In use, plain, of an active key, in a state that is accepted. */
export function isAcceptable(meta: number): boolean {
  return (meta & (USED | RARE | (3 << 3))) === USED && (meta & KIND) !== KIND;
}

export function stateOf(meta: number): VersionRecord["state"] {
  return STATES[(meta >> 1) & 3] as VersionRecord["state"];
}

export function statusOf(meta: number): KeyStatus {
  return STATUSES[(meta >> 3) & 3] as KeyStatus;
}

export function isCompromised(meta: number): boolean {
  return (meta & COMPROMISED) !== 0;
}

/** -1: it has no number. */
export function environmentOf(meta: number): number {
  if ((meta & (RARE | NO_ENVIRONMENT)) === (RARE | NO_ENVIRONMENT)) return -1;
  return (meta >> 7) & (ENVIRONMENTS_MAX - 1);
}

export function profileOf(meta: number): number {
  return meta >>> 15;
}
