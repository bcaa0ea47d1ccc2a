/**
 * Which versions somebody could have seen, by the rows of custody.
 *
 *     row of a token ──▶ a version
 *     row of the key itself, which spoke with version n ──▶ a version, if n was seen: whoever had n could have claimed as well
 */
import type { Rotation } from "@keyover/core";
import type { Custodian, CustodyWay } from "../store/custodian-entities.ts";
import type { Entities, EntityName } from "../store/entities.ts";
import type { Store } from "../store/store.ts";

export interface Sight {
  keyId: string;
  version: number;
  /** The first time. */
  at: number;
  ways: Set<CustodyWay>;
  /** The tokens by which it was seen. */
  by: Set<string>;
}

/** By key and version. */
export type Sights = ReadonlyMap<string, ReadonlyMap<number, Sight>>;

/** Any database takes so many values in one question, and answers with so many rows. */
export const VALUES_MAX = 2_000;
const ROWS_MAX = 5_000;

/** All rows in which the column is one of these. */
export async function allOf<N extends EntityName>(
  store: Store,
  table: N,
  column: string,
  values: Iterable<string>,
): Promise<Entities[N][]> {
  const all = [...new Set(values)];
  const found: Entities[N][] = [];
  for (let i = 0; i < all.length; i += VALUES_MAX) {
    const oneOf = { column, values: all.slice(i, i + VALUES_MAX) };
    for (let after: string | undefined; ; ) {
      const rows = await store.list(table, { oneOf }, { after, limit: ROWS_MAX });
      for (const { value } of rows) found.push(value);
      if (rows.length < ROWS_MAX) break;
      after = rows.at(-1)?.value.id;
    }
  }
  return found;
}

/** What these tokens could have seen; of these keys alone, where they are given. */
export async function sightsOf(
  store: Store,
  tokenIds: ReadonlySet<string>,
  keyIds?: readonly string[],
): Promise<Sights> {
  const rows =
    keyIds === undefined
      ? await allOf(store, "custodian", "who", tokenIds)
      : (await allOf(store, "custodian", "key_id", keyIds)).filter(({ who }) => tokenIds.has(who));
  const seen = rows.filter(({ keyId }) => keyId !== null);
  const itself = await allOf(
    store,
    "custodian",
    "who",
    seen.flatMap(({ keyId }) => keyId ?? []),
  );
  // What was claimed before custody was recorded names its rotation alone.
  const nameless = [...seen, ...itself].filter(({ version }) => version === null);
  const rotations = await allOf(
    store,
    "rotation",
    "id",
    nameless.flatMap(({ rotationId }) => rotationId ?? []),
  );
  return gathered(seen, itself, new Map(rotations.map((rotation) => [rotation.id, rotation])));
}

function gathered(
  seen: readonly Custodian[],
  itself: readonly Custodian[],
  rotations: ReadonlyMap<string, Rotation>,
): Sights {
  const sights = new Map<string, Map<number, Sight>>();
  const add = ({ keyId, how, at }: Custodian, version: number, by: Iterable<string>) => {
    const ofKey = sights.get(keyId ?? "") ?? new Map<number, Sight>();
    sights.set(keyId ?? "", ofKey);
    const sight = ofKey.get(version) ?? { keyId: keyId ?? "", version, at, ways: new Set(), by: new Set() };
    sight.at = Math.min(sight.at, at);
    sight.ways.add(how);
    for (const who of by) sight.by.add(who);
    ofKey.set(version, sight);
  };
  const versionOf = ({ version, rotationId }: Custodian) => version ?? rotations.get(rotationId ?? "")?.to;
  const viaOf = ({ via, rotationId }: Custodian) => via ?? rotations.get(rotationId ?? "")?.from;
  for (const row of seen) {
    const version = versionOf(row);
    if (version !== undefined) add(row, version, [row.who]);
  }
  // In order of version: one may have been claimed with another that was claimed so.
  const chain = itself.flatMap((row) => {
    const [version, via] = [versionOf(row), viaOf(row)];
    return version === undefined || via === undefined ? [] : [{ row, version, via }];
  });
  for (const { row, version, via } of chain.sort((a, b) => a.version - b.version)) {
    const before = sights.get(row.keyId ?? "")?.get(via);
    if (before !== undefined) add(row, version, before.by);
  }
  return sights;
}
