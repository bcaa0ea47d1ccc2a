/** Channels that policies name. A policy is a file that outlives them, so it holds names; one that has gone is told of, and never in the way. */
import { type Refusal, refuse } from "../outcome.ts";
import type { Store } from "../store/store.ts";

/** Channels are made by hand. */
const ALL = 100_000;
/** As many as one reads. */
const NAMED_MAX = 20;

export async function missingChannels(store: Store, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const rows = await store.list("channel", { oneOf: { column: "name", values: names } }, { limit: names.length });
  const found = new Set(rows.map(({ value }) => value.name));
  return names.filter((name) => !found.has(name));
}

/** The refusal of a policy that names a channel that is not there. */
export async function unknownChannels(store: Store, names: readonly string[]): Promise<Refusal | undefined> {
  const unknown = await missingChannels(store, names);
  if (unknown.length === 0) return undefined;
  const rows = await store.list("channel", {}, { limit: ALL });
  const known = rows.map(({ value }) => value.name).sort();
  const more = known.length > NAMED_MAX ? ` and ${known.length - NAMED_MAX} more` : "";
  const there = known.length === 0 ? "there are none yet" : `there are ${known.slice(0, NAMED_MAX).join(", ")}${more}`;
  return refuse("unknown_channel", `there is no channel ${unknown.join(", ")}; ${there}`, {
    unknown,
    known: known.slice(0, NAMED_MAX),
  });
}
