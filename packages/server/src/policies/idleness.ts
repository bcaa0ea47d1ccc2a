/**
 * Looks after keys that nobody uses: announces, suspends and revokes them (core/idle.ts). One process does it for all.
 *
 *     idleAt has come ──▶ facts of a page of keys ──▶ nothing to do: the dates move, one commit for all of them
 *                                                └──▶ a step: the key by itself, on facts read again, one commit
 *
 * A use moves no date: it reaches no credential's row (I16). So a key that is in use is looked at once in the time after which it would be
 * idle. Only a try of a key that was suspended here is heard at once, because somebody stands before a closed door.
 */
import {
  type IdleLook,
  type IdleState,
  type IdleStep,
  type Key,
  lookIdle,
  type Sighting,
  unusedSince,
} from "@keyover/core";
import { fenceIn, type Proof } from "../engine/shares.ts";
import type { Evidence } from "../evidence/evidence.ts";
import type { KeyChange, KeyState } from "../keys/change.ts";
import { accept, type Outcome } from "../outcome.ts";
import { type Held, put } from "../store/store.ts";
import type { IdleFacts } from "./idle-facts.ts";
import type { Policies } from "./key-policies.ts";
import { createKeyWork, type KeyWorkDeps } from "./key-work.ts";

export interface Idleness {
  /** What is due, in parts of a bounded size. */
  look(): Promise<void>;
  /** These uses are durable. */
  seen(sightings: readonly Sighting[]): void;
}

export interface IdlenessDeps extends KeyWorkDeps {
  policies: Policies;
  evidence: Evidence;
  facts: IdleFacts;
}

/** In one round, of about a second. */
const LOOKS_MAX = 200;
const STEPS_MAX = 50;
/** A key that is refused again and again is asked about once in this time. */
const ASKED_MS = 3_600_000;
const ASKED_MAX = 100_000;
/** People are told again of tries after this. */
const TOLD_AGAIN_MS = 7 * 86_400_000;
const SOURCES_TOLD = 10;

export function createIdleness(deps: IdlenessDeps): Idleness {
  const { world, store, desk, policies, evidence } = deps;
  const work = createKeyWork(deps);
  /** Refused keys, by when each was asked about. */
  const asked = new Map<string, number>();

  const sourcesOf = async (keyId: string, since: number) => {
    const uses = (await evidence.uses(keyId)).filter(({ lastSeen }) => lastSeen > since);
    return uses
      .sort((a, b) => b.lastSeen - a.lastSeen)
      .slice(0, SOURCES_TOLD)
      .map(({ source }) => source);
  };

  const takeStep = async (change: KeyChange, step: IdleStep, before: Key, look: IdleLook) => {
    const { now } = change;
    const idle = look.idle as IdleState;
    const { since, suspendAt, revokeAt, suspendedAt } = idle ?? {};
    switch (step) {
      case "forget":
        change.note("key.no-longer-idle", { announcedAt: before.idle?.announcedAt ?? null });
        break;
      case "announce":
        change.note("key.idle", { since, suspendAt });
        change.raise("key.idle", { since, suspendAt });
        break;
      case "suspend":
        refuseFrom(change, "suspended", `unused since ${dayOf(since)}`);
        change.raise("key.suspended", { reason: change.key.statusReason, since, revokeAt, idle: true });
        break;
      case "revoke":
        refuseFrom(change, "revoked", `unused since ${dayOf(since)}, suspended since ${dayOf(suspendedAt ?? now)}`);
        change.raise("key.revoked", { reason: change.key.statusReason, since, idle: true });
        break;
      case "tried": {
        const sources = await sourcesOf(before.id, before.idle?.triedAt ?? suspendedAt ?? now);
        change.note("key.tried", { at: idle.triedAt, revokeAt });
        change.raise("key.refused-uses", { idle: true, suspendedAt, revokeAt, sources });
        break;
      }
      case "put-off":
        change.note("key.revocation-put-off", { revokeAt });
        // Nobody has heard that it will be revoked.
        if (before.idle?.revokeAt === null)
          change.raise("key.suspended", { reason: change.key.statusReason, since, revokeAt, idle: true });
        break;
    }
  };

  /** One key, on the facts as they are now. `tries`: only what was tried, and not if people heard of it lately. */
  const settle = async (change: KeyChange, { api }: KeyState, tries: boolean): Promise<Outcome<unknown>> => {
    const { key, now } = change;
    // In rotation: its end is waited for.
    if (key.rotationId !== null || (!tries && (key.idleAt ?? Infinity) > now)) return accept(undefined);
    const policy = await policies.of(api, key);
    const facts = (await deps.facts.of([key])).get(key.id);
    if (facts === undefined) return accept(undefined);
    const look = lookIdle(key, policy.idle, facts, now);
    const lately = (look.idle?.triedAt ?? 0) < (key.idle?.triedAt ?? Number.NEGATIVE_INFINITY) + TOLD_AGAIN_MS;
    if (tries && (look.step !== "tried" || lately)) return accept(undefined);
    if (look.step === null) change.note("key.replanned", { idleAt: look.idleAt, since: unusedSince(key, facts) });
    else await takeStep(change, look.step, key, look);
    change.key = { ...change.key, idle: look.idle };
    const activatedAt = change.version(key.currentVersion)?.activatedAt ?? null;
    change.setDates({ ...policies.dates(change.key, activatedAt, policy), idleAt: look.idleAt });
    return accept(undefined);
  };

  /** Where there is nothing to do but to look again, only the date moves. */
  const moveDates = async (leads: Proof, moved: readonly [Held<Key>, IdleLook][]) => {
    if (moved.length === 0) return;
    const audit = {
      at: world.clock.now(),
      actor: "policy",
      action: "keys.replanned",
      subjects: moved.map(([{ value }]) => value.id),
      details: { keys: moved.length, cause: "use" },
    };
    const writes = moved.map(([held, { idleAt, idle }]) => put("key", { ...held.value, idleAt, idle }, held));
    await desk.commit({ fence: fenceIn(leads), writes, audit: [audit], feed: [] });
  };

  const tried = async (keyId: string) => {
    const key = (await store.get("key", keyId))?.value;
    if (key?.status !== "suspended" || key.idle?.suspendedAt == null) return;
    await desk.change(keyId, { actor: "policy" }, (change, state) => settle(change, state, true));
  };

  return {
    async look() {
      const due = await work.due("idle_at", LOOKS_MAX);
      if (due === undefined || due.keys.length === 0) return;
      const { leads, keys } = due;
      const now = world.clock.now();
      const values = keys.map(({ value }) => value);
      const [resolved, facts] = await Promise.all([policies.ofMany(values), deps.facts.of(values)]);
      const moved: [Held<Key>, IdleLook][] = [];
      const steps: string[] = [];
      for (const [i, held] of keys.entries()) {
        const [policy, known] = [resolved[i]?.idle, facts.get(held.value.id)];
        if (policy === undefined || known === undefined) continue;
        const look = lookIdle(held.value, policy, known, now);
        if (look.step === null) moved.push([held, look]);
        else steps.push(held.value.id);
      }
      await moveDates(leads, moved);
      await work.each("idle_at", leads, steps.slice(0, STEPS_MAX), (change, state) => settle(change, state, false));
    },

    seen(sightings) {
      const now = world.clock.elapsed();
      for (const { key, accepted } of sightings) {
        if (accepted > 0 || now - (asked.get(key) ?? Number.NEGATIVE_INFINITY) < ASKED_MS) continue;
        if (asked.size >= ASKED_MAX) asked.clear();
        asked.set(key, now);
        tried(key).catch((error: unknown) => {
          asked.delete(key);
          world.log("error", "idle.try_failed", { key, error: String(error) });
        });
      }
    },
  };
}

/** The key keeps what is known of its silence: by that it is told from one that a person has suspended. */
function refuseFrom(change: KeyChange, status: "suspended" | "revoked", reason: string): void {
  change.key = { ...change.key, status, statusReason: reason, statusChangedAt: change.now };
  change.note(`key.${status}`, { reason });
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
