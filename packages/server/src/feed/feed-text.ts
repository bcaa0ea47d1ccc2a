/** The feed as text: server-sent events of the shapes in core's wire.ts. */
import type { FeedBeat, FeedEntry, KeyRecord } from "@keyover/core";

/** Of an entry that this reader may not see, its number and nothing else. No environments: it may see all. */
export function entryText(entry: FeedEntry, environments: ReadonlySet<string>): string {
  const seen: FeedEntry = covers(environments, entry) ? { ...entry } : { seq: entry.seq };
  if (isAwaited(entry)) seen.awaited = true;
  return `id: ${entry.seq}\nevent: entry\ndata: ${JSON.stringify(seen)}\n\n`;
}

export function beatText(seq: number, now: number): string {
  return `event: beat\ndata: ${JSON.stringify({ seq, now } satisfies FeedBeat)}\n\n`;
}

function covers(environments: ReadonlySet<string>, { record, plan }: FeedEntry): boolean {
  if (environments.size === 0 || plan !== undefined) return true;
  return record !== undefined && environments.has(record.environment);
}

/**
 * Does anybody wait until all verifiers have it? A rotation for its successor, which is not on offer before; a person for the receipt of
 * an emergency, or for a key to be refused. Of all else it is enough to hear with the next report.
 */
export function isAwaited({ record }: FeedEntry): boolean {
  if (record === undefined) return false;
  return (
    record.status !== "active" || record.versions.some((version) => version.compromised || isOnItsWay(version, record))
  );
}

/** A successor of which verifiers are not told yet that it is on offer. */
function isOnItsWay({ state }: KeyRecord["versions"][number], { rotation }: KeyRecord): boolean {
  return state === "pending" && rotation === undefined;
}
