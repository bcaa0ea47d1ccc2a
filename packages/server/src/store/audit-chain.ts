/**
 * The audit log's hash chain: each entry's hash covers the one before, so that a changed, removed or reordered entry
 * breaks every hash after it. `verifyChain` needs nothing but the entries.
 */
import { hash } from "node:crypto";
import type { AuditDraft, AuditEntry } from "./store.ts";

/** SHA-256 (base64url) of the previous hash, a newline, and the entry's canonical JSON. */
export function chainHash(previous: string, entry: AuditDraft & { seq: number }): string {
  const { seq, at, actor, action, subjects, details } = entry;
  return hash("sha256", `${previous}\n${canonicalJson({ seq, at, actor, action, subjects, details })}`, "base64url");
}

/** JSON with members sorted by name at every depth, so that equal values have equal text (the ASCII subset of RFC 8785). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

export interface ChainState {
  seq: number;
  hash: string;
}

export const chainStart: ChainState = { seq: 0, hash: "" };

/** Checks a stretch of entries that follows `from`; the state after it, or the number of the first entry that is wrong. */
export function verifyChain(from: ChainState, entries: readonly AuditEntry[]): ChainState | { brokenAt: number } {
  let state = from;
  for (const entry of entries) {
    if (entry.seq !== state.seq + 1 || chainHash(state.hash, entry) !== entry.hash) return { brokenAt: state.seq + 1 };
    state = { seq: entry.seq, hash: entry.hash };
  }
  return state;
}
