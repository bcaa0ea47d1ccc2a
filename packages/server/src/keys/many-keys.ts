/**
 * Several keys changed in one commit, with what belongs to it beside them (a ledger: which were changed, which not, how far one has come).
 *
 *     read all ─▶ work on all ─▶ one batch ─▶ commit ──▶ kept
 *        ▲                                      │ conflict: whose key was changed meanwhile? whose policy?
 *        └── the others again ◀─────────────────┴──▶ those, one by one, afterwards
 *
 * A key's revision stands for all that belongs to it, and a change says which rows of policies it relies on (its checks), so a
 * conflict is found by looking at revisions. One that is contended keeps none of the others from being changed; a ledger that was
 * changed itself (a campaign that was paused) refuses the whole. A crash leaves a whole commit or nothing of it: so the ledger tells
 * what is left to do.
 */
import type { Version } from "@keyover/core";
import { accept, type Outcome, type Refusal, refuse } from "../outcome.ts";
import type { Sealed } from "../store/entities.ts";
import type { Batch, Check, CommitOutcome, Conflict, Fence, Held, Store } from "../store/store.ts";
import type { KeyChange, KeyState } from "./change.ts";

export interface Ledger<T> {
  /** What the commit of these outcomes writes beside the keys: nothing, or rows with their audit entries. */
  entries(outcomes: ReadonlyMap<string, Outcome<T>>): Pick<Batch, "writes" | "audit" | "notices">;
  kept(outcomes: ReadonlyMap<string, Outcome<T>>): void;
}

export interface ManyCommand {
  actor: string;
  fence?: Fence | undefined;
  /** As in Command. */
  whileHeld?: boolean | undefined;
  /** Is told of each rotation that was touched, instead of the engine. */
  onRotation?: ((rotationId: string) => void) | undefined;
}

export interface ChangedKey {
  change: KeyChange;
  state: KeyState;
}

/** An outcome for each, in their order. Like `work` of one key it runs again after a conflict. */
export type ManyWork<T> = (keys: readonly ChangedKey[]) => Promise<Outcome<T>[]>;

export interface ManyKeysDeps {
  store: Store;
  commit(batch: Batch): Promise<CommitOutcome>;
  heldBack(apiId: string): Promise<Refusal | undefined>;
  begin(state: KeyState, actor: string): KeyChange;
  /** What every change of a key ends with. */
  finish(change: KeyChange, state: KeyState): Promise<void>;
  onRotation: (rotationId: string) => void;
  refusalOf(conflict: Conflict): Refusal;
}

const ATTEMPTS_MAX = 6;

export async function changeMany<T>(
  deps: ManyKeysDeps,
  keyIds: readonly string[],
  command: ManyCommand,
  work: ManyWork<T>,
  ledger: Ledger<T>,
): Promise<Outcome<void>> {
  const alone: string[] = [];
  let together = [...keyIds];
  for (let attempts = 1; together.length > 0; attempts++) {
    const tried = await attempt(deps, together, command, work, ledger);
    if (tried.ok) break;
    if (tried.conflict !== "row") return deps.refusalOf(tried.conflict);
    const moved = await movedSince(deps.store, tried.read);
    if (moved.size === 0) {
      if (attempts < ATTEMPTS_MAX && (await othersMoved(deps.store, tried.checks))) continue;
      return refuse("conflict", "what the keys were to be noted in was changed meanwhile");
    }
    alone.push(...moved);
    together = together.filter((id) => !moved.has(id));
  }
  for (const id of alone) {
    const refusal = await changeAlone(deps, id, command, work, ledger);
    if (refusal !== undefined) return refusal;
  }
  return accept(undefined);
}

async function changeAlone<T>(
  deps: ManyKeysDeps,
  id: string,
  command: ManyCommand,
  work: ManyWork<T>,
  ledger: Ledger<T>,
): Promise<Refusal | undefined> {
  for (let i = 0; i < ATTEMPTS_MAX; i++) {
    const tried = await attempt(deps, [id], command, work, ledger);
    if (tried.ok) return undefined;
    if (tried.conflict !== "row") return deps.refusalOf(tried.conflict);
    const moved = (await movedSince(deps.store, tried.read)).size > 0 || (await othersMoved(deps.store, tried.checks));
    if (!moved) return refuse("conflict");
  }
  const contended = new Map([[id, deps.refusalOf("row") as Outcome<T>]]);
  const noted = await keep(deps, contended, [], command, ledger);
  return noted.ok ? undefined : deps.refusalOf(noted.conflict);
}

/** What has nothing to write is kept all the same. */
async function keep<T>(
  deps: ManyKeysDeps,
  outcomes: ReadonlyMap<string, Outcome<T>>,
  batches: readonly Batch[],
  { fence }: ManyCommand,
  ledger: Ledger<T>,
): Promise<{ ok: true } | { ok: false; conflict: Conflict }> {
  const beside = ledger.entries(outcomes);
  const writes = [...batches.flatMap((batch) => batch.writes), ...beside.writes];
  if (writes.length > 0) {
    const outcome = await deps.commit({
      writes,
      checks: checksIn(batches),
      audit: [...batches.flatMap(({ audit }) => audit), ...beside.audit],
      feed: batches.flatMap(({ feed }) => feed),
      notices: [...batches.flatMap(({ notices = [] }) => notices), ...(beside.notices ?? [])],
      fence,
    });
    if (!outcome.ok) return outcome;
  }
  ledger.kept(outcomes);
  return { ok: true };
}

/** Each once, though many keys rely on it. */
function checksIn(batches: readonly Batch[]): Check[] {
  const all = batches.flatMap(({ checks = [] }) => checks);
  return [...new Map(all.map((check) => [`${check.table} ${check.id} ${check.rev}`, check])).values()];
}

type Attempt =
  | { ok: true }
  | { ok: false; conflict: Conflict; read: ReadonlyMap<string, KeyState>; checks: readonly Check[] };

async function attempt<T>(
  deps: ManyKeysDeps,
  keyIds: readonly string[],
  command: ManyCommand,
  work: ManyWork<T>,
  ledger: Ledger<T>,
): Promise<Attempt> {
  const read = await readMany(deps.store, keyIds);
  const outcomes = new Map<string, Outcome<T>>();
  const keys: ChangedKey[] = [];
  for (const id of keyIds) {
    const state = read.get(id);
    const held = state === undefined || command.whileHeld === true ? undefined : await deps.heldBack(state.api.id);
    if (state === undefined) outcomes.set(id, refuse("not_found", "there is no such key any more"));
    else if (held !== undefined) outcomes.set(id, held);
    else keys.push({ state, change: deps.begin(state, command.actor) });
  }
  const found = await work(keys);
  const changed = keys.filter(({ state }, i) => {
    outcomes.set(state.key.value.id, found[i] as Outcome<T>);
    return found[i]?.ok === true;
  });
  const batches: Batch[] = [];
  for (const { change, state } of changed) {
    if (change.batch().audit.length === 0) continue;
    await deps.finish(change, state);
    batches.push(change.batch());
  }
  const kept = await keep(deps, outcomes, batches, command, ledger);
  if (!kept.ok) return { ok: false, conflict: kept.conflict, read, checks: checksIn(batches) };
  const touched = command.onRotation ?? deps.onRotation;
  for (const { change } of changed) for (const id of change.rotationsTouched()) touched(id);
  return { ok: true };
}

/** Those that were changed since, or are gone. */
async function movedSince(store: Store, read: ReadonlyMap<string, KeyState>): Promise<Set<string>> {
  const ids = [...read.keys()];
  const now = await store.list("key", { oneOf: { column: "id", values: ids } }, { limit: ids.length });
  const revs = new Map(now.map(({ value, rev }) => [value.id, rev]));
  return new Set(ids.filter((id) => revs.get(id) !== read.get(id)?.key.rev));
}

/** Whether what the keys rely on was changed since, or is gone. */
async function othersMoved(store: Store, checks: readonly Check[]): Promise<boolean> {
  for (const [table, own] of Map.groupBy(checks, (check) => check.table)) {
    const values = [...new Set(own.map(({ id }) => id))];
    const now = await store.list(table, { oneOf: { column: "id", values } }, { limit: values.length });
    const revs = new Map(now.map(({ value, rev }) => [value.id, rev]));
    if (own.some(({ id, rev }) => revs.get(id) !== rev)) return true;
  }
  return false;
}

const ROWS_PAGE = 5_000;

/** Keys with all that belongs to them, by a few questions for all. Those that do not exist are missing. */
async function readMany(store: Store, keyIds: readonly string[]): Promise<Map<string, KeyState>> {
  const among = (column: string, values: readonly string[]) => ({ oneOf: { column, values: [...new Set(values)] } });
  const keys = await store.list("key", among("id", keyIds), { limit: keyIds.length });
  const ids = keys.map(({ value }) => value.id);
  const running = keys.flatMap(({ value }) => value.rotationId ?? []);
  const [apis, versions, sealed, rotations] = await Promise.all([
    store.list(
      "api",
      among(
        "id",
        keys.map(({ value }) => value.apiId),
      ),
      { limit: keyIds.length },
    ),
    allOf<Version>((page) => store.list("version", among("key_id", ids), page)),
    allOf<Sealed>((page) => store.list("sealed", among("key_id", ids), page)),
    store.list("rotation", among("id", running), { limit: keyIds.length }),
  ]);
  const apiOf = new Map(apis.map(({ value }) => [value.id, value]));
  const versionsOf = Map.groupBy(versions, ({ value }) => value.keyId);
  const sealedOf = Map.groupBy(sealed, ({ value }) => value.keyId);
  const rotationOf = new Map(rotations.map((held) => [held.value.id, held]));
  const states = keys.map((key): [string, KeyState] => {
    const { id, apiId, rotationId } = key.value;
    const api = apiOf.get(apiId);
    if (api === undefined) throw new Error(`${id} belongs to ${apiId}, which does not exist`);
    const rotation = rotationId === null ? undefined : rotationOf.get(rotationId);
    return [id, { api, key, versions: versionsOf.get(id) ?? [], sealed: sealedOf.get(id) ?? [], rotation }];
  });
  return new Map(states);
}

async function allOf<V extends { id: string }>(
  list: (page: { after: string | undefined; limit: number }) => Promise<Held<V>[]>,
): Promise<Held<V>[]> {
  const all: Held<V>[] = [];
  for (;;) {
    const rows = await list({ after: all.at(-1)?.value.id, limit: ROWS_PAGE });
    all.push(...rows);
    if (rows.length < ROWS_PAGE) return all;
  }
}
