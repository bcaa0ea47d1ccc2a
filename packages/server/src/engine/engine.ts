/**
 * The engine carries rotations forward. It holds no truth of its own: each step reads the rotation and the facts from the store
 * and the fleet, asks core's `decide`, and commits what follows, guarded by the revisions it read. A crash between any two steps
 * loses nothing, because the next visit reads the same facts again (I7).
 *
 *     a commit, an acknowledgement, a use, or a due time ──▶ agenda ──▶ visit: facts ──▶ decide ──▶ commit ──▶ feed
 *                                                              ▲                                      │
 *                                                              └──────────── again, until nothing changes
 *
 * The agenda is a map from rotation to the time when it is worth looking again. It is rebuilt at start and can be wrong only
 * by looking too early or, after a bug, a minute late.
 */
import { deadlinePassed, decide, type Rotation, type RotationEvent, type Sighting, type World } from "@keyover/core";
import type { Evidence } from "../evidence/evidence.ts";
import type { Fleet } from "../feed/fleet.ts";
import type { KeyDesk } from "../keys/key-desk.ts";
import { accept, type Outcome, refuse } from "../outcome.ts";
import type { Store } from "../store/store.ts";
import { gatherFacts, nextEvent, nextLook } from "./facts.ts";

export interface Engine {
  /** Puts every rotation that has not ended on the agenda. */
  load(): Promise<void>;
  /** Look at this rotation as soon as possible. */
  wake(rotationId: string): void;
  /** An api's fleet has moved forward: some successors may be accepted everywhere now. */
  fleetMoved(apiId: string): void;
  /** These uses are durable. */
  seen(sightings: readonly Sighting[]): void;
  /** Visits everything that is due. */
  pass(): Promise<void>;
  /** How many rotations have not ended. */
  live(): number;
}

export interface EngineDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  fleet: Fleet;
  evidence: Evidence;
  /** Called for each event that moved a rotation. */
  onStep(event: string): void;
}

/** More events than this in one visit mean that two of them undo each other. */
const EVENTS_PER_VISIT_MAX = 8;
const AFTER_FAILURE_MS = 2_000;
/** Versions whose first use is remembered, so that each use after it costs one look-up in memory. */
const NOTICED_MAX = 500_000;

export function createEngine(deps: EngineDeps): Engine {
  const { world, store, desk } = deps;
  const agenda = new Map<string, number>();
  const noticed = new Set<string>();
  /** Woken while they are being visited: what the visit found out may be old already. */
  const woken = new Set<string>();
  const heldAtDeadline = new Set<string>();
  let passing: Promise<void> | undefined;
  let scheduled = false;

  /** One step; true if there may be another. */
  const step = async (rotationId: string): Promise<boolean> => {
    woken.delete(rotationId);
    const rotation = (await store.get("rotation", rotationId))?.value;
    const key = rotation === undefined ? undefined : (await store.get("key", rotation.keyId))?.value;
    if (rotation === undefined || key === undefined || rotation.endedAt !== null) {
      agenda.delete(rotationId);
      woken.delete(rotationId);
      heldAtDeadline.delete(rotationId);
      return false;
    }
    const now = world.clock.now();
    const facts = await gatherFacts(deps, key, rotation);
    const event = nextEvent(rotation, facts, now);
    if (event === undefined) {
      agenda.set(rotationId, woken.has(rotationId) ? 0 : nextLook(rotation, facts, now));
      tellIfHeld(rotation, now);
      return false;
    }
    const outcome = await observe(desk, rotation, event);
    if (!outcome.ok) throw new Error(`${event.type}: ${outcome.code} ${outcome.detail ?? ""}`);
    deps.onStep(event.type);
    world.log("info", "rotation.moved", {
      rotation: rotation.id,
      key: key.id,
      cause: event.type,
      from: rotation.phase,
      to: outcome.value.phase,
    });
    return true;
  };

  const tellIfHeld = (rotation: Rotation, now: number) => {
    const held = (rotation.phase === "offered" || rotation.phase === "overlapping") && deadlinePassed(rotation, now);
    if (!held || heldAtDeadline.has(rotation.id)) return;
    heldAtDeadline.add(rotation.id);
    world.log("warn", "rotation.held_at_deadline", {
      rotation: rotation.id,
      key: rotation.keyId,
      phase: rotation.phase,
    });
  };

  const visit = async (rotationId: string): Promise<void> => {
    try {
      for (let i = 0; i < EVENTS_PER_VISIT_MAX; i++) if (!(await step(rotationId))) return;
      world.log("error", "rotation.restless", { rotation: rotationId });
    } catch (error) {
      world.log("error", "rotation.visit_failed", { rotation: rotationId, error: String(error) });
    }
    agenda.set(rotationId, world.clock.now() + AFTER_FAILURE_MS);
  };

  const visitDue = async () => {
    for (;;) {
      const now = world.clock.now();
      const due = [...agenda].filter(([, at]) => at <= now).map(([id]) => id);
      if (due.length === 0) return;
      for (const id of due) {
        agenda.set(id, now + AFTER_FAILURE_MS);
        await visit(id);
      }
    }
  };

  const pass = (): Promise<void> => {
    passing ??= visitDue().finally(() => {
      passing = undefined;
    });
    return passing;
  };

  const wake = (rotationId: string) => {
    agenda.set(rotationId, 0);
    woken.add(rotationId);
    if (scheduled) return;
    scheduled = true;
    world.clock.after(0, () => {
      scheduled = false;
      // Twice: a pass under way may have looked at the agenda for the last time.
      void pass().then(pass);
    });
  };

  const noticeUse = async (keyId: string, version: number) => {
    const key = (await store.get("key", keyId))?.value;
    if (key === undefined) return;
    if (key.rotationId !== null) wake(key.rotationId);
    await desk.change(keyId, { actor: "engine" }, (change) => {
      change.eraseProvenSecret(version);
      return accept(undefined);
    });
  };

  return {
    async load() {
      let after: string | undefined;
      do {
        const page = await store.list("rotation", { equals: { ended: false } }, { after, limit: 1_000 });
        for (const { value } of page) agenda.set(value.id, 0);
        after = page.at(-1)?.value.id;
      } while (after !== undefined);
    },
    wake,
    fleetMoved(apiId) {
      store
        .list("rotation", { equals: { ended: false, api_id: apiId, phase: "propagating" } }, { limit: 100_000 })
        .then((waiting) => {
          for (const { value } of waiting) wake(value.id);
        })
        .catch((error: unknown) => world.log("error", "engine.fleet_moved_failed", { error: String(error) }));
    },
    seen(sightings) {
      for (const { key, version, accepted } of sightings) {
        const use = `${key} ${version}`;
        if (accepted === 0 || noticed.has(use)) continue;
        if (noticed.size >= NOTICED_MAX) noticed.clear();
        noticed.add(use);
        noticeUse(key, version).catch((error: unknown) => {
          noticed.delete(use);
          world.log("error", "engine.notice_use_failed", { key, error: String(error) });
        });
      }
    },
    pass,
    live: () => agenda.size,
  };
}

/** Tells a rotation what the world did, and commits what follows. */
function observe(desk: KeyDesk, seen: Rotation, event: RotationEvent): Promise<Outcome<Rotation>> {
  return desk.change<Rotation>(seen.keyId, { actor: "engine" }, (change) => {
    const rotation = change.rotation;
    if (rotation === undefined || rotation.id !== seen.id)
      return refuse("conflict", "the rotation has ended meanwhile");
    const decision = decide(rotation, event, change.now);
    if (!decision.ok) return refuse(decision.code, decision.detail);
    if (decision.next !== rotation)
      change.take(decision.next, decision.effects, actionOf(rotation, decision.next, event));
    return accept(decision.next);
  });
}

/** The audit action: the phase that was entered, or what happened within one. */
export function actionOf(before: Rotation, after: Rotation, event: RotationEvent): string {
  if (before.phase !== after.phase) return `rotation.${after.phase}`;
  if (before.endedAt === null && after.endedAt !== null) return "rotation.ended";
  return `rotation.${event.type}`;
}
