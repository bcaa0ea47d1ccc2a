/**
 * What policies bring about by themselves. One process does it for all; each round takes a limited number, found by an index.
 *
 *     start      keys whose `rotateAt` has come: look at the facts again, then begin, or move the date. One commit each
 *     announce   keys whose `expiryAt` has come: announce, grant the grace, note the end. One commit each
 *     replan     notes of changed policies and labels: the dates of the next few hundred keys, one commit for a page
 *     patrol     a slow walk over all keys, for what an older program changed without knowing of dates
 *
 * Nothing is remembered here that the store does not have: a date that has come stays come until a commit moves it, so a crash or a second
 * process repeats a look and never an effect (the commit is guarded by the key's revision).
 */
import {
  IN_USE_MS,
  type Key,
  nextExpiryStep,
  policyProblem,
  type ResolvedPolicy,
  rotationWaits,
  type Version,
} from "@keyover/core";
import { fenceIn, type Proof } from "../engine/shares.ts";
import type { Evidence } from "../evidence/evidence.ts";
import type { KeyChange, KeyState } from "../keys/change.ts";
import type { Ledger, ManyWork } from "../keys/many-keys.ts";
import { accept, type Outcome } from "../outcome.ts";
import type { Replan } from "../store/policy-entities.ts";
import { type DueDate, type Held, put, type Store, type Write } from "../store/store.ts";
import type { Policies } from "./key-policies.ts";
import { createKeyWork, type KeyWorkDeps, type Work } from "./key-work.ts";

export interface Scheduler {
  start(): Promise<void>;
  announce(): Promise<void>;
  replan(): Promise<void>;
  patrol(): Promise<void>;
}

export interface SchedulerDeps extends KeyWorkDeps {
  policies: Policies;
  evidence: Evidence;
}

/** In one round, of about a second: so a whole fleet that falls due at once moves at a pace that the rest can bear. */
const STARTS_MAX = 50;
const EXPIRIES_MAX = 50;
/** A page takes about 12 ms on SQLite: a round stays within what a tick may cost. */
const PAGE = 200;
const PAGES_MAX = 3;
const REPLANS_LOOKED_AT = 100;
/** A key that could not be started, or whose policy contradicts itself, is looked at again after this. */
const AGAIN_MS = 3_600_000;

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const { world, store, desk, policies, shares } = deps;
  const work = createKeyWork(deps);
  let patrolAfter = "";

  const eachDue = async (what: DueDate, limit: number, take: Work) => {
    const due = await work.due(what, limit);
    if (due === undefined) return;
    const ids = due.keys.map(({ value }) => value.id);
    await work.each(what, due.leads, ids, take);
  };

  const begin = async (change: KeyChange, { api }: KeyState): Promise<Outcome<unknown>> => {
    const { key, now } = change;
    // Somebody was faster.
    if (key.rotationId !== null || (key.rotateAt ?? Infinity) > now) return accept(undefined);
    const policy = await policies.of(api, key);
    const activatedAt = change.version(key.currentVersion)?.activatedAt ?? null;
    const start = policies.nextStart(key, activatedAt, policy, now);
    const contradiction = policyProblem(policy.rotation);
    if (contradiction !== undefined)
      world.log("error", "schedule.invalid_policy", { key: key.id, problem: contradiction });
    const waits = await waitsForUse(key, policy, now);
    if (start !== null && waits !== null) {
      change.setDates({ rotateAt: waits, expiryAt: key.expiryAt, idleAt: key.idleAt });
      change.note("key.replanned", { rotateAt: waits, because: "nobody uses it" });
      return accept(undefined);
    }
    if (start === null || start.at > now || contradiction !== undefined) {
      const rotateAt = contradiction === undefined ? (start?.at ?? null) : now + AGAIN_MS;
      change.setDates({ rotateAt, expiryAt: key.expiryAt, idleAt: key.idleAt });
      change.note("key.replanned", { rotateAt, because: start?.reasons.at(-1)?.because ?? "nothing is due" });
      return accept(undefined);
    }
    change.follow(policy);
    change.startRotation({ from: key.currentVersion, reason: "scheduled" });
    return accept(undefined);
  };

  const waitsForUse = async (key: Key, { idle }: ResolvedPolicy, now: number) => {
    if (idle.unusedMs === null) return null;
    const accepted = (await store.lastUses([key.id])).get(key.id)?.accepted ?? null;
    return rotationWaits(key, idle, accepted, now);
  };

  const announceOne = async (change: KeyChange, { api }: KeyState): Promise<Outcome<unknown>> => {
    const { key, now } = change;
    const policy = await policies.of(api, key);
    const { due } = nextExpiryStep(key, policy.expiry, key.expiryDone ?? 0, now);
    if (due !== undefined && key.status !== "revoked") await takeStep(change, policy, due.what);
    // What was missed meanwhile is done with, but for a grace that is still to be decided.
    change.key = { ...change.key, expiryDone: due?.what === "grace" ? due.at : now };
    if (due === undefined) change.note("key.replanned", { expiry: "nothing is due" });
    const activatedAt = change.version(key.currentVersion)?.activatedAt ?? null;
    change.setDates(policies.dates(change.key, activatedAt, policy));
    return accept(undefined);
  };

  const takeStep = async (change: KeyChange, { expiry }: ResolvedPolicy, what: "announce" | "grace" | "expired") => {
    const { key, now } = change;
    const expiresAt = key.expiresAt as number;
    if (what === "expired") {
      change.note("key.expired", { expiresAt, graceUntil: key.graceUntil ?? null });
      change.raise("key.expired", { expiresAt, graceUntil: key.graceUntil ?? null });
      return;
    }
    const uses = (await deps.evidence.uses(key.id)).filter(({ lastSeen }) => lastSeen >= now - IN_USE_MS);
    const used = { inUse: uses.length > 0, sources: uses.slice(0, 10).map(({ source }) => source) };
    const graceUntil = what === "grace" && used.inUse ? expiresAt + expiry.graceMs : null;
    change.raise("key.expiring", { expiresAt, ...used, ...(what === "grace" ? { graceUntil } : {}) });
    if (graceUntil === null) {
      change.note("key.expiring", { expiresAt, inUse: used.inUse });
      return;
    }
    change.note("key.grace", { expiresAt, graceUntil });
    // Refused for a while, so silent for a while: evidence starts again from here.
    change.key = { ...key, graceUntil, ...(now >= expiresAt ? { statusChangedAt: now } : {}) };
  };

  /** The keys of a page whose dates are not what they should be, put right. */
  const redated = async (keys: readonly Held<Key>[], sure: boolean): Promise<Write[]> => {
    const resolved = await policies.ofMany(keys.map(({ value }) => value));
    const activated = await activationsOf(store, keys);
    // A rule that is new may make a key due that was last used long ago; else the date that stands knows better.
    const used = sure ? await lastAccepted(store, keys, resolved) : undefined;
    return keys.flatMap((held, i) => {
      const { value: key } = held;
      const accepted = used === undefined ? undefined : (used.get(key.id)?.accepted ?? null);
      const dates = policies.dates(key, activated.get(key.id) ?? null, resolved[i] as ResolvedPolicy, accepted);
      // In rotation: its end dates it anew. One whose time has come may have been put off, for a blackout say: the round that starts it
      // knows better.
      const past = (key.rotateAt ?? null) !== null && (dates.rotateAt ?? Infinity) <= world.clock.now();
      const rotateAt = key.rotationId !== null || (!sure && past) ? key.rotateAt : dates.rotateAt;
      const stays = (name: "expiryAt" | "idleAt") => (key[name] ?? null) === (dates[name] ?? null);
      const same = key.rotateAt === rotateAt && stays("expiryAt") && stays("idleAt");
      return same ? [] : [put("key", { ...key, ...dates, rotateAt }, held)];
    });
  };

  /** `narrow`: rather one of a single consumer or key, which has not to wait for what concerns a million: its networks may be what changed. */
  const nextReplan = async (narrow: boolean): Promise<Held<Replan> | undefined> => {
    const notes = await store.list("replan", {}, { limit: narrow ? REPLANS_LOOKED_AT : 1 });
    return notes.find(({ value }) => value.consumerId !== null || value.keyId !== null) ?? notes[0];
  };

  /** Keys whose consumer's networks are others by now. False if one of them could not be changed. */
  const followConsumers = async (leads: Proof, keys: readonly Held<Key>[]): Promise<boolean> => {
    const ids = [...new Set(keys.map(({ value }) => value.consumerId))];
    const consumers = await store.list("consumer", { oneOf: { column: "id", values: ids } }, { limit: ids.length });
    const lists = new Map(consumers.map(({ value }) => [value.id, value.networks ?? []]));
    const listOf = (key: Key) => lists.get(key.consumerId) ?? [];
    const behind = keys.filter(({ value }) => String(value.consumerNetworks ?? []) !== String(listOf(value)));
    if (behind.length === 0) return true;
    let contended = false;
    const follow: ManyWork<void> = async (changed) =>
      changed.map(({ change }) => {
        const networks = listOf(change.key);
        change.key = { ...change.key, consumerNetworks: networks };
        change.note("key.consumer-networks", { networks });
        return accept(undefined);
      });
    const command = { actor: "policy", fence: fenceIn(leads), whileHeld: true };
    const ledger: Ledger<void> = {
      entries: () => ({ writes: [], audit: [] }),
      kept: (outcomes) => {
        contended ||= [...outcomes.values()].some((outcome) => !outcome.ok && outcome.code === "conflict");
      },
    };
    const outcome = await desk.changeMany(
      behind.map(({ value }) => value.id),
      command,
      follow,
      ledger,
    );
    if (outcome.ok && !contended) return true;
    world.log("warn", "schedule.networks_not_told", { keys: behind.length });
    return false;
  };

  const finishReplan = async (leads: Proof, replan: Held<Replan>, writes: Write[], keys: readonly Held<Key>[]) => {
    const done = replan.value.keyId !== null || keys.length < PAGE;
    const after = keys.at(-1)?.value.id ?? replan.value.after;
    const own: Write = done
      ? { remove: "replan", id: replan.value.id }
      : put("replan", { ...replan.value, after }, replan);
    const audit = {
      at: world.clock.now(),
      actor: "policy",
      action: "keys.replanned",
      subjects: [replan.value.cause, ...idsOf(writes)],
      details: { keys: writes.length, looked: keys.length, after: replan.value.after, done },
    };
    const outcome = await desk.commit({ fence: fenceIn(leads), writes: [...writes, own], audit: [audit], feed: [] });
    // Else a key changed under it: the same page again.
    return outcome.ok && !done;
  };

  return {
    start: () => eachDue("rotate_at", STARTS_MAX, begin),
    announce: () => eachDue("expiry_at", EXPIRIES_MAX, announceOne),

    async replan() {
      for (let i = 0; i < PAGES_MAX; i++) {
        const leads = shares.leads();
        // After the narrow one the oldest has its turn, so neither keeps the other waiting for ever.
        const narrow = i === 0;
        const replan = leads === undefined ? undefined : await nextReplan(narrow);
        if (leads === undefined || replan === undefined) return;
        // Else the same page again.
        if (!(await followConsumers(leads, await keysOf(store, replan.value)))) continue;
        const keys = await keysOf(store, replan.value);
        const more = await finishReplan(leads, replan, await redated(keys, true), keys);
        if (!more && !narrow) return;
      }
    },

    async patrol() {
      const leads = shares.leads();
      if (leads === undefined) return;
      const keys = await store.list("key", {}, { after: patrolAfter, limit: PAGE });
      patrolAfter = keys.length < PAGE ? "" : (keys.at(-1)?.value.id ?? "");
      const writes = await redated(keys, false);
      if (writes.length === 0) return;
      const audit = {
        at: world.clock.now(),
        actor: "policy",
        action: "keys.replanned",
        subjects: idsOf(writes),
        details: { keys: writes.length, cause: "patrol" },
      };
      await desk.commit({ fence: fenceIn(leads), writes, audit: [audit], feed: [] });
    },
  };
}

/** Each key that was changed is named. */
function idsOf(writes: readonly Write[]): string[] {
  return writes.flatMap((write) => ("put" in write ? [write.value.id] : []));
}

async function keysOf(store: Store, { apiId, consumerId, keyId, after }: Replan): Promise<Held<Key>[]> {
  if (keyId !== null) {
    const key = await store.get("key", keyId);
    return key === undefined ? [] : [key];
  }
  const equals = { api_id: apiId ?? undefined, consumer_id: consumerId ?? undefined };
  return store.list("key", { equals }, { after, limit: PAGE });
}

/** Where any of these policies asks. */
async function lastAccepted(store: Store, keys: readonly Held<Key>[], policies: readonly ResolvedPolicy[]) {
  const asked = keys.filter((_, i) => policies[i]?.idle.unusedMs !== null);
  return store.lastUses(asked.map(({ value }) => value.id));
}

/** When each key's current version was activated. */
async function activationsOf(store: Store, keys: readonly Held<Key>[]): Promise<Map<string, number | null>> {
  const values = keys.map(({ value }) => value.id);
  const current = new Map(keys.map(({ value }) => [value.id, value.currentVersion]));
  const found = new Map<string, number | null>();
  let after: string | undefined;
  for (;;) {
    const rows: Held<Version>[] = await store.list(
      "version",
      { oneOf: { column: "key_id", values } },
      { after, limit: VERSIONS_PAGE },
    );
    for (const { value } of rows)
      if (current.get(value.keyId) === value.number) found.set(value.keyId, value.activatedAt);
    if (rows.length < VERSIONS_PAGE) return found;
    after = rows.at(-1)?.value.id;
  }
}

const VERSIONS_PAGE = 5_000;
