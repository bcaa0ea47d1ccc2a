/** Keys of which everybody knows what must be said of them at any time, for threads that write and read at once. */
import { type KeyRecord, parseDigestText, sha256Text, type VersionRecord } from "@keyover/core";

/** Words that a writer and its readers share beside the table. */
export const REVOKED = 0;
export const STOP = 1;

export type Kind = "stable" | "flicker" | "doomed";

const handle = (prefix: string, kind: Kind, i: number) =>
  `${prefix}_${{ stable: "1", flicker: "2", doomed: "3" }[kind]}${String(i).padStart(21, "0")}`;

export const keyOf = (kind: Kind, i: number): string => handle("key", kind, i);
export const consumerOf = (kind: Kind, i: number): string => handle("con", kind, i % 977);
export const scopesOf = (kind: Kind, i: number): string[] => [`${kind}:${i % 13}`, "read"];

const digests = new Map<string, { text: string; words: Int32Array }>();

export function digestOf(kind: Kind, i: number, version: number): { text: string; words: Int32Array } {
  const name = `${kind} ${i} ${version}`;
  const known = digests.get(name);
  if (known !== undefined) return known;
  const words = new Int32Array(8);
  const text = sha256Text(`what ${name} would be presented as`);
  parseDigestText(text, words);
  const made = { text, words };
  digests.set(name, made);
  return made;
}

/** Its first version is accepted whatever else there is; with `versions` of two it is a rare record. */
export function recordOf(kind: Kind, i: number, seq: number, change: { versions?: number; revoked?: boolean } = {}) {
  const versions = Array.from({ length: change.versions ?? 1 }, (_, at): VersionRecord => {
    return {
      number: at + 1,
      state: at === 0 ? "active" : "pending",
      sha256: digestOf(kind, i, at + 1).text,
      compromised: false,
    };
  });
  const record: KeyRecord = {
    seq,
    key: keyOf(kind, i),
    consumer: consumerOf(kind, i),
    environment: "live",
    status: change.revoked === true ? "revoked" : "active",
    scopes: scopesOf(kind, i),
    networks: [],
    current: 1,
    versions,
  };
  return record;
}
