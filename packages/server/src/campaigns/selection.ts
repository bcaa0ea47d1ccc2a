/**
 * The keys that a selection means, a page at a time, along an index. The walk goes through *lanes*: the keys that are named, the keys of each
 * consumer, of each api, or all keys; whichever the selection says that is narrowest. What else it says is looked at key by key.
 *
 *     cursor = lane, last key ──▶ next keys of the lane ──▶ … or the next lane ──▶ which of them are meant
 *
 * A cursor is a text, so that a walk goes on where a crash has ended it. It goes by handles, so a key that is made meanwhile is met if it comes
 * behind the cursor. A page looks at a limited number of keys, whether or not it finds any.
 *
 * Whoever adds another way to name keys adds a lane here, and the question to `isSelected`.
 */
import { isAccepted, isSelected, type Key, type KeySelection, type Version } from "@keyover/core";
import { allOf, sightsOf, VALUES_MAX } from "../keys/sights.ts";
import type { Consumer } from "../store/entities.ts";
import type { Held, Store } from "../store/store.ts";

export interface FoundKey {
  key: Key;
  consumerLabels: Readonly<Record<string, string>>;
}

export interface FoundPage {
  found: FoundKey[];
  /** They match, but are refused for good. */
  revoked: number;
  /** Null: that was all. */
  cursor: string | null;
}

/** Where a walk begins. */
export const WALK_START = "";

/** Keys looked at for one page. */
const LOOKED_MAX = 1_000;
const CONSUMERS_PAGE = 500;

interface Place {
  lane: string;
  after: string;
}

/** `at` null: the walk is over. */
interface Step {
  keys: Held<Key>[];
  at: Place | null;
}

/** Up to `limit` keys and some that were looked at in vain. `strikes`: for an emergency, to which a version that may come back counts too. */
export async function selectPage(
  store: Store,
  select: KeySelection,
  cursor: string,
  limit: number,
  strikes = false,
): Promise<FoundPage> {
  const lanes = lanesOf(store, select);
  const page: FoundPage = { found: [], revoked: 0, cursor };
  let at: Place | null = placeOf(cursor);
  let looked = 0;
  while (at !== null && page.found.length < limit && looked < LOOKED_MAX) {
    const step: Step = await lanes(at, limit - page.found.length);
    // A lane without a key costs a look as well.
    looked += Math.max(1, step.keys.length);
    const { found, revoked } = await meant(store, select, step.keys, strikes ? isExposed : isInUse);
    page.found.push(...found);
    page.revoked += revoked;
    at = step.at;
  }
  page.cursor = at === null ? null : `${at.lane} ${at.after}`;
  return page;
}

function placeOf(cursor: string): Place {
  const [lane = "", after = ""] = cursor.split(" ");
  return { lane, after };
}

function lanesOf(store: Store, select: KeySelection): (at: Place, limit: number) => Promise<Step> {
  const { keys, consumers, consumerLabels, apis, custodians } = select;
  if (keys !== undefined) return namedKeys(store, sorted(keys));
  if (custodians !== undefined) return shownKeys(store, sorted(custodians));
  const along =
    (column: string, next: (after: string) => Promise<string | undefined>) => async (at: Place, limit: number) => {
      const lane = at.lane === "" ? await next("") : at.lane;
      if (lane === undefined) return { keys: [], at: null };
      const rows = await store.list("key", { equals: { [column]: lane } }, { after: at.after, limit });
      if (rows.length === limit) return { keys: rows, at: { lane, after: lastOf(rows) } };
      const following = await next(lane);
      return { keys: rows, at: following === undefined ? null : { lane: following, after: "" } };
    };
  if (consumers !== undefined) return along("consumer_id", nextOf(sorted(consumers)));
  if (consumerLabels !== undefined) return along("consumer_id", nextLabelled(store, consumerLabels));
  if (apis !== undefined) return along("api_id", nextOf(sorted(apis)));
  return async ({ after }, limit) => {
    const rows = await store.list("key", {}, { after, limit });
    return { keys: rows, at: rows.length < limit ? null : { lane: "-", after: lastOf(rows) } };
  };
}

function namedKeys(store: Store, ids: readonly string[]): (at: Place, limit: number) => Promise<Step> {
  return async ({ after }, limit) => {
    const rest = ids.filter((id) => id > after);
    const wanted = rest.slice(0, limit);
    const rows = await store.list("key", { oneOf: { column: "id", values: wanted } }, { limit });
    return { keys: rows, at: rest.length <= limit ? null : { lane: "-", after: wanted.at(-1) as string } };
  };
}

/** Rows of custody sort by key. */
function shownKeys(store: Store, values: readonly string[]): (at: Place, limit: number) => Promise<Step> {
  return async ({ after }, limit) => {
    // Behind all rows of the last key.
    const page = { after: after === "" ? undefined : `${after}~`, limit };
    const asked = piecesOf(values).map((piece) =>
      store.list("custodian", { oneOf: { column: "who", values: piece } }, page),
    );
    // The first of all pieces, in one order.
    const all = (await Promise.all(asked)).flat().sort((a, b) => (a.value.id < b.value.id ? -1 : 1));
    const rows = all.slice(0, limit);
    const ids = sorted(rows.flatMap(({ value }) => value.keyId ?? []));
    const keys = await store.list("key", { oneOf: { column: "id", values: ids } }, { limit: Math.max(1, ids.length) });
    const last = ids.at(-1);
    return { keys, at: rows.length < limit || last === undefined ? null : { lane: "-", after: last } };
  };
}

function piecesOf<T>(values: readonly T[]): T[][] {
  const count = Math.ceil(values.length / VALUES_MAX);
  return Array.from({ length: count }, (_, i) => values.slice(i * VALUES_MAX, (i + 1) * VALUES_MAX));
}

function sorted(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}

function lastOf(rows: readonly Held<Key>[]): string {
  return rows.at(-1)?.value.id ?? "";
}

function nextOf(values: readonly string[]): (after: string) => Promise<string | undefined> {
  return async (after) => values.find((value) => value > after);
}

/** Consumers are read by the page, and those of the page that carry the labels are remembered. */
function nextLabelled(store: Store, labels: Record<string, string>): (after: string) => Promise<string | undefined> {
  let ahead: string[] = [];
  let readTo = "";
  let whole = false;
  const carries = ({ labels: own }: Consumer) => Object.entries(labels).every(([name, value]) => own[name] === value);
  return async (after) => {
    if (after > readTo) readTo = after;
    ahead = ahead.filter((id) => id > after);
    while (ahead.length === 0 && !whole) {
      const rows = await store.list("consumer", {}, { after: readTo, limit: CONSUMERS_PAGE });
      whole = rows.length < CONSUMERS_PAGE;
      readTo = rows.at(-1)?.value.id ?? readTo;
      ahead = rows
        .map(({ value }) => value)
        .filter(carries)
        .map(({ id }) => id);
    }
    return ahead[0];
  };
}

type Counts = (version: Version, key: Key) => boolean;
const isInUse: Counts = ({ state }) => isAccepted(state);
/** Of a key in rotation the version that has retired may come back, until the rotation has ended. */
const isExposed: Counts = ({ state, compromised }, { rotationId }) =>
  isAccepted(state) || (state === "retired" && !compromised && rotationId !== null);

async function meant(
  store: Store,
  select: KeySelection,
  rows: readonly Held<Key>[],
  counts: Counts,
): Promise<Pick<FoundPage, "found" | "revoked">> {
  const keys = rows.map(({ value }) => value);
  const consumers = await labelsOf(store, keys);
  const madeAt = select.createdBefore === undefined ? undefined : await madeSince(store, keys, counts);
  const shown = await shownAmong(store, select, keys, counts);
  const matching = keys
    .filter(({ id }) => shown?.has(id) ?? true)
    .map((key) => ({ key, consumerLabels: consumers.get(key.consumerId) ?? {} }))
    .filter((found) => isSelected(select, { ...found, madeAt: madeAt?.get(found.key.id) ?? [] }));
  const found = matching.filter(({ key }) => key.status !== "revoked");
  return { found, revoked: matching.length - found.length };
}

async function labelsOf(store: Store, keys: readonly Key[]): Promise<Map<string, Record<string, string>>> {
  const values = [...new Set(keys.map(({ consumerId }) => consumerId))];
  const rows = await store.list("consumer", { oneOf: { column: "id", values } }, { limit: Math.max(1, values.length) });
  return new Map(rows.map(({ value }) => [value.id, value.labels]));
}

/** Keys of which somebody has seen what still works; undefined: nobody asks. */
async function shownAmong(
  store: Store,
  { custodians }: KeySelection,
  keys: readonly Key[],
  counts: Counts,
): Promise<ReadonlySet<string> | undefined> {
  if (custodians === undefined) return undefined;
  const ids = keys.map(({ id }) => id);
  const sights = await sightsOf(store, new Set(custodians), ids);
  const versions = await allOf(store, "version", "key_id", ids);
  const keyOf = new Map(keys.map((key) => [key.id, key]));
  const seen = versions.filter(
    (version) => counts(version, keyOf.get(version.keyId) as Key) && sights.get(version.keyId)?.has(version.number),
  );
  return new Set(seen.map(({ keyId }) => keyId));
}

const VERSIONS_PAGE = 5_000;

/** When each key's versions that count were made. */
async function madeSince(store: Store, keys: readonly Key[], counts: Counts): Promise<Map<string, number[]>> {
  const keyOf = new Map(keys.map((key) => [key.id, key]));
  const values = [...keyOf.keys()];
  const found = new Map<string, number[]>();
  for (let after: string | undefined; ; ) {
    const rows: Held<Version>[] = await store.list(
      "version",
      { oneOf: { column: "key_id", values } },
      { after, limit: VERSIONS_PAGE },
    );
    for (const { value } of rows)
      if (counts(value, keyOf.get(value.keyId) as Key))
        found.set(value.keyId, [...(found.get(value.keyId) ?? []), value.createdAt]);
    if (rows.length < VERSIONS_PAGE) return found;
    after = rows.at(-1)?.value.id;
  }
}
