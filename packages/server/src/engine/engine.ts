/**
 * The engine carries rotations forward. It holds no truth of its own: each step reads the rotation and the facts from the store
 * and the fleet, asks core's `decide`, and commits what follows, guarded by the revisions it read. A crash between any two steps
 * loses nothing, because the next visit reads the same facts again (I7).
 *
 *     a commit, an acknowledgement, a use, or a due time ──▶ agenda ──▶ visit: facts ──▶ decide ──▶ commit ──▶ feed
 *                                                              ▲                                      │
 *                                                              └──────────── again, until nothing changes
 *
 * The agenda (agenda.ts) says when which rotation is worth looking at again. It is rebuilt at start and can be wrong only
 * by looking too early or, after a bug, half a minute late. Where several processes share a database each has its part of the rotations
 * (shares.ts), and the store takes a commit of the engine only from the process whose part it is.
 */
import {
  deadlinePassed,
  decide,
  type Rotation,
  type RotationEvent,
  type Sighting,
  sleep,
  type World,
} from "@keyover/core";
import type { Evidence } from "../evidence/evidence.ts";
import type { Fleet } from "../feed/fleet.ts";
import type { KeyDesk } from "../keys/key-desk.ts";
import { actionOf, detailsOf } from "../keys/move-told.ts";
import { accept, type Outcome, refuse } from "../outcome.ts";
import type { Fence, Store } from "../store/store.ts";
import { createAgenda } from "./agenda.ts";
import { type Facts, gatherFacts, nextEvent, nextLook } from "./facts.ts";
import { createOnTheWay } from "./on-the-way.ts";
import { standingNotices } from "./reminders.ts";
import { fenceIn, type Shares } from "./shares.ts";

export interface Engine {
  /** Puts every rotation of ours that has not ended on the agenda. */
  load(): Promise<void>;
  /** Look at this rotation as soon as possible. */
  wake(rotationId: string): void;
  /** An api's fleet has moved forward: some successors may be accepted everywhere now. */
  fleetMoved(apiId: string): void;
  /** These uses are durable. */
  seen(sightings: readonly Sighting[]): void;
  /** Visits everything that is due, a part at a time, and lets other work have its turn between. */
  pass(): Promise<void>;
  /** The same, but resolves with its next part: the rest goes on by itself. So a tick takes no longer, however much is due at once. */
  part(): Promise<void>;
  /**
   * What passed unseen while bells got lost: rotations of ours that are not on the agenda, successors in use. Every few seconds, some hundreds
   * of them at a time.
   */
  reconcile(): Promise<void>;
}

export interface EngineDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  fleet: Fleet;
  evidence: Evidence;
  shares: Shares;
  /** True while an api is held after a restore: none of its rotations moves. */
  isHeld(apiId: string): Promise<boolean>;
  /** Called for each event that moved a rotation. */
  onStep(event: string): void;
  /** Something was raised that people should hear of. */
  onNotices(): void;
}

/** More events than this in one visit mean that two of them undo each other. */
const EVENTS_PER_VISIT_MAX = 8;
const AFTER_FAILURE_MS = 2_000;
/** Whether it is still held. */
const HELD_LOOK_MS = 1_000;
/** Most of a visit is waiting for the database, where that is another process. In a file, what is visited at once is written at once. */
const VISITS_AT_ONCE = { shared: 8, alone: 16 };
/**
 * A part of a pass: then other work gets its turn, and whoever was woken meanwhile comes first. A look at a rotation counts as one, and what
 * is written costs several looks: some ten milliseconds in all (bench `million`).
 */
const PART_MAX = 64;
const COST_OF_WRITE = 4;
/** In one round of `reconcile`, in order of id; the next round goes on from there. */
const RECONCILED_AT_ONCE = 250;
const LOADED_AT_ONCE = 5_000;
/** A brownout's error budget, and a retirement that hurts, are looked at so soon after a refused use. */
const REFUSALS_MS = 1_000;
/** Versions whose first use is remembered, so that each use after it costs one look-up in memory. */
const NOTICED_MAX = 500_000;

export function createEngine(deps: EngineDeps): Engine {
  const { world, store, desk, shares } = deps;
  const agenda = createAgenda();
  const noticed = new Set<string>();
  /** Keys whose rotation will be woken because of refused uses. */
  const refused = new Set<string>();
  /** Woken while they are being visited: what the visit found out may be old already. */
  const woken = new Set<string>();
  const heldAtDeadline = new Set<string>();
  /** By rotation, what people were told last: so that it is not written at each look. */
  const told = new Map<string, string>();
  let passing: Pass | undefined;
  /** Of the part that is under way. */
  let spent = 0;
  let scheduled = false;
  const onTheWay = createOnTheWay({
    view: (apiId) => deps.fleet.view(apiId),
    wake: (rotationId) => wake(rotationId),
    log: world.log,
  });
  const reconciled = { rotation: "", sealed: "" };

  const forget = (rotationId: string) => {
    agenda.delete(rotationId);
    onTheWay.gone(rotationId);
    woken.delete(rotationId);
    heldAtDeadline.delete(rotationId);
    told.delete(rotationId);
  };

  /** One step; true if there may be another. */
  const step = async (rotationId: string): Promise<boolean> => {
    woken.delete(rotationId);
    if (!shares.holds(rotationId)) {
      forget(rotationId);
      return false;
    }
    const rotation = (await store.get("rotation", rotationId))?.value;
    const key = rotation === undefined ? undefined : (await store.get("key", rotation.keyId))?.value;
    if (rotation === undefined || key === undefined || rotation.endedAt !== null) {
      forget(rotationId);
      return false;
    }
    const now = world.clock.now();
    if (await deps.isHeld(rotation.apiId)) {
      agenda.set(rotationId, now + HELD_LOOK_MS);
      return false;
    }
    if (rotation.phase === "propagating") onTheWay.looking(rotation.apiId, rotationId);
    else onTheWay.gone(rotationId);
    const facts = await gatherFacts(deps, key, rotation, now);
    const event = nextEvent(rotation, facts, now);
    if (event === undefined) {
      if (woken.has(rotationId)) agenda.soon(rotationId);
      else agenda.set(rotationId, nextLook(rotation, facts, now, store.shared));
      if (rotation.phase === "propagating") onTheWay.waits(rotation.apiId, rotationId, facts.needs);
      tellIfHeld(rotation, now);
      await tellPeople(rotation, facts, now);
      return false;
    }
    const proof = shares.proofFor(rotationId);
    // Another process's by now; it looks at the same facts.
    if (proof === undefined) return false;
    spent += COST_OF_WRITE;
    const outcome = await observe(desk, rotation, event, fenceIn(proof));
    if (!outcome.ok && !shares.holds(rotationId)) return false;
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
    const open = rotation.phase === "offered" || rotation.phase === "overlapping";
    const held = open && rotation.paused === null && deadlinePassed(rotation, now);
    if (!held || heldAtDeadline.has(rotation.id)) return;
    heldAtDeadline.add(rotation.id);
    world.log("warn", "rotation.held_at_deadline", {
      rotation: rotation.id,
      key: rotation.keyId,
      phase: rotation.phase,
    });
  };

  const tellPeople = async (rotation: Rotation, facts: Facts, now: number) => {
    const drafts = standingNotices(rotation, facts.key.consumerId, facts, now);
    const raise = drafts.filter(({ dedupe = "" }) => told.get(rotation.id) !== dedupe);
    const proof = shares.proofFor(rotation.id);
    if (raise.length === 0 || proof === undefined) return;
    spent += COST_OF_WRITE;
    if (!(await store.post({ fence: fenceIn(proof), raise }))) return;
    told.set(rotation.id, raise.at(-1)?.dedupe ?? "");
    deps.onNotices();
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

  const visitAll = async (queue: string[]) => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) await visit(id);
  };

  /** True if there may be more. */
  const visitPart = async (): Promise<boolean> => {
    const visitors = store.shared ? VISITS_AT_ONCE.shared : VISITS_AT_ONCE.alone;
    for (spent = 0; spent < PART_MAX; ) {
      const now = world.clock.now();
      const due = agenda.take(now, now + AFTER_FAILURE_MS, VISITS_AT_ONCE.alone);
      if (due.length === 0) return false;
      spent += due.length;
      await Promise.all(Array.from({ length: visitors }, () => visitAll(due)));
    }
    return true;
  };

  const visitDue = async (pass: Pass) => {
    while (await visitPart()) {
      pass.part.resolve();
      pass.part = Promise.withResolvers();
      await sleep(world.clock, 0);
    }
  };

  const start = (): Pass => {
    const pass: Pass = { part: Promise.withResolvers(), whole: Promise.resolve() };
    pass.whole = visitDue(pass).finally(() => {
      passing = undefined;
    });
    return pass;
  };

  const pass = (): Promise<void> => {
    passing ??= start();
    return passing.whole;
  };

  const wake = (rotationId: string) => {
    if (!shares.holds(rotationId)) return;
    agenda.soon(rotationId);
    woken.add(rotationId);
    if (scheduled) return;
    scheduled = true;
    world.clock.after(0, () => {
      scheduled = false;
      // Twice: a pass under way may have looked at the agenda for the last time.
      void pass().then(pass);
    });
  };

  /** The rotation of a key that was used, here or in another process. False: there is no such key. */
  const wakeOf = async (keyId: string): Promise<boolean> => {
    const key = (await store.get("key", keyId))?.value;
    if (key === undefined) return false;
    if (key.rotationId === null) return true;
    wake(key.rotationId);
    if (!shares.holds(key.rotationId)) store.ring(`use ${key.rotationId}`);
    return true;
  };

  const noticeUse = async (keyId: string, version: number) => {
    if (!(await wakeOf(keyId))) return;
    await desk.change(keyId, { actor: "engine" }, (change) => {
      change.eraseProvenSecret(version);
      return accept(undefined);
    });
  };

  /** Refusals of one key that come together are looked at once. */
  const noticeRefusal = (keyId: string) => {
    if (refused.has(keyId)) return;
    refused.add(keyId);
    world.clock.after(REFUSALS_MS, () => {
      refused.delete(keyId);
      wakeOf(keyId).catch((error: unknown) =>
        world.log("warn", "engine.notice_refusal_failed", { key: keyId, error: String(error) }),
      );
    });
  };

  return {
    async load() {
      for (let after = ""; ; ) {
        const ids = await store.liveRotations(after, LOADED_AT_ONCE);
        for (const id of ids) if (shares.holds(id)) agenda.set(id, 0);
        if (ids.length < LOADED_AT_ONCE) return;
        after = ids.at(-1) ?? "";
      }
    },
    async reconcile() {
      const ids = await store.liveRotations(reconciled.rotation, RECONCILED_AT_ONCE);
      reconciled.rotation = ids.length < RECONCILED_AT_ONCE ? "" : (ids.at(-1) ?? "");
      for (const id of ids) if (!agenda.has(id)) wake(id);
      for (const id of await store.usedSuccessors(ids)) wake(id);
      const { found, next } = await store.provenSecrets(reconciled.sealed, RECONCILED_AT_ONCE);
      reconciled.sealed = next ?? "";
      for (const { keyId, version } of found) await noticeUse(keyId, version);
    },
    wake,
    fleetMoved: (apiId) => onTheWay.moved(apiId),
    seen(sightings) {
      for (const { key, version, accepted, refused: turnedAway } of sightings) {
        if (turnedAway > 0) noticeRefusal(key);
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
    part() {
      passing ??= start();
      return Promise.race([passing.part.promise, passing.whole]);
    },
  };
}

interface Pass {
  /** Resolves when the part that is under way is done. */
  part: PromiseWithResolvers<void>;
  whole: Promise<void>;
}

/** Tells a rotation what the world did, and commits what follows. */
function observe(
  desk: KeyDesk,
  seen: Rotation,
  event: RotationEvent,
  fence: Fence | undefined,
): Promise<Outcome<Rotation>> {
  return desk.change<Rotation>(seen.keyId, { actor: "engine", fence }, (change) => {
    const rotation = change.rotation;
    if (rotation === undefined || rotation.id !== seen.id)
      return refuse("conflict", "the rotation has ended meanwhile");
    const decision = decide(rotation, event, change.now);
    if (!decision.ok) return refuse(decision.code, decision.detail);
    if (decision.next === rotation) return accept(rotation);
    const details = detailsOf(rotation, decision.next, event);
    change.take(decision.next, decision.effects, actionOf(rotation, decision.next, event), details);
    if (event.type === "refused") change.key = { ...change.key, autoRolledBackAt: change.now };
    return accept(decision.next);
  });
}
