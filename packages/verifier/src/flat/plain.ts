/** Which records say nothing but what a plain line can hold (line.ts), so that the record can be made from the line again, member by member. */
import type { KeyRecord, VersionRecord } from "@keyover/core";
import { NUMBER_LIMIT, SEQ_LIMIT } from "./handle-words.ts";

const RECORD_MEMBERS = new Set("seq key consumer environment status scopes networks current plan versions".split(" "));
const VERSION_MEMBERS = new Set("number state sha256 compromised".split(" "));

/** The only version of a record that is plain as far as its members go, or undefined. */
export function plainVersion(record: KeyRecord): VersionRecord | undefined {
  const version = record.versions[0];
  if (version === undefined || record.versions.length !== 1 || record.current !== version.number) return undefined;
  if (version.number >= NUMBER_LIMIT || record.seq >= SEQ_LIMIT || typeof version.compromised !== "boolean")
    return undefined;
  return hasOnly(record, RECORD_MEMBERS) && hasOnly(version, VERSION_MEMBERS) ? version : undefined;
}

/** A newer authority may send members that this verifier has never heard of: they are kept as well. */
function hasOnly(value: object, members: ReadonlySet<string>): boolean {
  // Not `Object.entries`: its arrays were half the cost of applying an entry.
  for (const member in value)
    if (!members.has(member) && (value as Record<string, unknown>)[member] !== undefined) return false;
  return true;
}
