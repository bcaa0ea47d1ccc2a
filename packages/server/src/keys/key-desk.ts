/**
 * The one way to change a key. Reads all that belongs to it, lets `work` collect the change, commits it guarded by what was
 * read, and publishes the feed entry. If somebody else was faster it reads again and `work` runs again, so `work` must
 * have no effect but on the change that it is handed.
 */
import {
  effectivePolicy,
  type FeedEntry,
  type Key,
  type NextStart,
  type ResolvedPolicy,
  type RotationPolicyPatch,
  type World,
} from "@keyover/core";
import type { Custody } from "../custody/custody.ts";
import { type Outcome, type Refusal, refuse } from "../outcome.ts";
import type { Api } from "../store/entities.ts";
import type { Batch, Check, CommitOutcome, Conflict, Fence, IdempotencyRecord, Store } from "../store/store.ts";
import { KeyChange, type KeyDates, type KeyState } from "./change.ts";
import { changeMany, type Ledger, type ManyCommand, type ManyWork } from "./many-keys.ts";

/** Who asks, and how the answer is remembered for a repeated request. */
export interface Command<T> {
  actor: string;
  remember?: ((value: T) => IdempotencyRecord) | undefined;
  /** For the engine: that this is its work. */
  fence?: Fence | undefined;
  /** It may be done while the key's api is held after a restore: it only refuses more, or is what the api is held for. */
  whileHeld?: boolean | undefined;
}

/** A policy as it was read, and what must still be so when something is committed that relies on it. */
export interface GuardedPolicy {
  policy: ResolvedPolicy;
  checks: Check[];
}

/** What holds for a key, and when; the rooms of policies know. */
export interface KeyPolicies {
  /** As the store has it now; `start`: with what the start of a rotation says. */
  of(api: Api, key: Key, start?: RotationPolicyPatch): Promise<ResolvedPolicy>;
  guarded(keys: readonly Key[]): Promise<GuardedPolicy[]>;
  /** The next start by itself, with its reasons; `notBefore`: the present, where one is due. */
  nextStart(key: Key, activatedAt: number | null, policy: ResolvedPolicy, notBefore?: number): NextStart | null;
  /** `activatedAt`: of its current version; `accepted`: its last use, or undefined where that is not known. */
  dates(key: Key, activatedAt: number | null, policy: ResolvedPolicy, accepted?: number | null): KeyDates;
}

export interface KeyDesk {
  readonly policies: KeyPolicies;
  read(keyId: string): Promise<KeyState | undefined>;
  change<T>(
    keyId: string,
    command: Command<T>,
    work: (change: KeyChange, state: KeyState) => Outcome<T> | Promise<Outcome<T>>,
  ): Promise<Outcome<T>>;
  /** Several keys in one commit, with what `ledger` notes of them. One that conflicts, or is refused, keeps no other from being changed. */
  changeMany<T>(
    keyIds: readonly string[],
    command: ManyCommand,
    work: ManyWork<T>,
    ledger: Ledger<T>,
  ): Promise<Outcome<void>>;
  /** Commits a batch of one's own and publishes what it fed; conflicts become refusals. */
  commit(batch: Batch): Promise<Outcome<void>>;
  /** The refusal of changes to keys of an api that is held after a restore. */
  heldBack(apiId: string): Promise<Refusal | undefined>;
}

export interface KeyDeskDeps {
  world: World;
  store: Store;
  custody: Custody;
  policies: KeyPolicies;
  /** Called with the entries of each commit, for whoever follows the feed. */
  publish(entries: { apiId: string; entry: FeedEntry }[]): void;
  /** Called with the rotation of each committed change, to look at it again. */
  onRotation(rotationId: string): void;
  /** Called after a commit that raised something that people should hear of. */
  onNotices(): void;
  /** As in KeyDesk. */
  heldBack(apiId: string): Promise<Refusal | undefined>;
}

const ATTEMPTS_MAX = 6;

export function createKeyDesk(deps: KeyDeskDeps): KeyDesk {
  const { store } = deps;

  const read = async (keyId: string): Promise<KeyState | undefined> => {
    const key = await store.get("key", keyId);
    if (key === undefined) return undefined;
    const { apiId, rotationId } = key.value;
    // Not one moment's picture; but every change of what belongs to a key changes the key's revision, which the commit checks.
    const [api, versions, sealed, rotation] = await Promise.all([
      store.get("api", apiId),
      store.list("version", { equals: { key_id: keyId } }, { limit: 10_000 }),
      store.list("sealed", { equals: { key_id: keyId } }, { limit: 100 }),
      rotationId === null ? undefined : store.get("rotation", rotationId),
    ]);
    if (api === undefined) throw new Error(`${keyId} belongs to ${apiId}, which does not exist`);
    return { api: api.value, key, versions, sealed, rotation };
  };

  const commit = async (batch: Batch): Promise<CommitOutcome> => {
    const outcome = await store.commit(batch);
    if (!outcome.ok) return outcome;
    deps.publish(outcome.feed);
    if (batch.notices !== undefined && batch.notices.length > 0) deps.onNotices();
    return outcome;
  };

  const begin = (state: KeyState, actor: string): KeyChange => {
    const policy = effectivePolicy(state.api.policy, state.key.value.policy);
    return new KeyChange(state, { world: deps.world, custody: deps.custody, policy, actor });
  };

  return {
    policies: deps.policies,
    read,
    heldBack: (apiId) => deps.heldBack(apiId),

    async change(keyId, command, work) {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const state = await read(keyId);
        if (state === undefined) return refuse("not_found", `there is no key ${keyId}`);
        const held = command.whileHeld === true ? undefined : await deps.heldBack(state.api.id);
        if (held !== undefined) return held;
        const change = begin(state, command.actor);
        const result = await work(change, state);
        if (!result.ok) return result;
        if (change.batch().audit.length === 0) return result; // nothing to change
        await dateAnew(deps.policies, change, state.api);
        const batch = change.batch();
        const outcome = await commit({
          ...batch,
          fence: command.fence,
          idempotency: command.remember?.(result.value),
        });
        if (outcome.ok) {
          for (const rotationId of change.rotationsTouched()) deps.onRotation(rotationId);
          return result;
        }
        if (outcome.conflict !== "row") return conflictRefusal(outcome.conflict);
      }
      return refuse("conflict");
    },

    changeMany: (keyIds, command, work, ledger) =>
      changeMany(
        {
          store,
          commit,
          begin,
          heldBack: (apiId) => deps.heldBack(apiId),
          finish: (change) => dateGuarded(deps.policies, change),
          onRotation: (id) => deps.onRotation(id),
          refusalOf: conflictRefusal,
        },
        keyIds,
        command,
        work,
        ledger,
      ),

    async commit(batch) {
      const outcome = await commit(batch);
      return outcome.ok ? { ok: true, value: undefined } : conflictRefusal(outcome.conflict);
    },
  };
}

/** The key's dates belong to the commit that moves them. */
export async function dateAnew(policies: KeyPolicies, change: KeyChange, api: Api): Promise<void> {
  if (!change.datesStale) return;
  const activatedAt = change.version(change.key.currentVersion)?.activatedAt ?? null;
  change.setDates(policies.dates(change.key, activatedAt, await policies.of(api, change.key)));
}

/** The same for one of many. Between the look at many policies and the commit of many keys there is time for a change. */
async function dateGuarded(policies: KeyPolicies, change: KeyChange): Promise<void> {
  if (!change.datesStale) return;
  if (change.followed === undefined) {
    const [found] = await policies.guarded([change.key]);
    if (found === undefined) return;
    change.follow(found.policy, found.checks);
  }
  const activatedAt = change.version(change.key.currentVersion)?.activatedAt ?? null;
  change.setDates(policies.dates(change.key, activatedAt, change.followed as ResolvedPolicy));
}

const conflictDetails: Partial<Record<Conflict, string>> = {
  idempotency: "a request with this Idempotency-Key is being answered right now",
  fence: "this work is another process's by now",
};

function conflictRefusal(conflict: Conflict) {
  if (conflict === "unique")
    return refuse("name_taken", "that name, prefix or hash is in use already; each must be unique");
  return refuse("conflict", conflictDetails[conflict]);
}
