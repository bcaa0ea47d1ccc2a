/** Moves that several events share. Each answers the next rotation and its effects. */
import type { Decision, Effect, RefusalCode, Rotation } from "./rotation.ts";

export interface Move {
  ok: true;
  next: Rotation;
  effects: Effect[];
}

export function overlap(rotation: Rotation, now: number, change: Partial<Rotation>): Move {
  const effects = activateSuccessor(rotation);
  if (rotation.fromRefusedAt === null) effects.push({ do: "set-state", version: rotation.from, state: "retiring" });
  return { ok: true, next: { ...rotation, ...change, phase: "overlapping", overlappingAt: now }, effects };
}

export function activateSuccessor(rotation: Rotation): Effect[] {
  return [
    { do: "set-state", version: rotation.to, state: "active" },
    { do: "set-current", version: rotation.to },
  ];
}

export function backToOld(rotation: Rotation, reason: string, now: number): Rotation {
  return {
    ...rotation,
    phase: "rolled-back",
    rolledBackAt: now,
    rollbackReason: reason,
    overlapEndsAt: null,
    paused: null,
    retiredAt: null,
    forced: null,
  };
}

/** A pause is over: what it held up lies later by its length. */
export function goOn(rotation: Rotation, now: number): Rotation {
  if (rotation.paused === null) return rotation;
  const { offeredAt, overlapEndsAt, pausedMs } = rotation;
  if (offeredAt === null) return { ...rotation, paused: null };
  const lengthMs = Math.max(0, now - rotation.paused.at);
  return {
    ...rotation,
    paused: null,
    pausedMs: pausedMs + lengthMs,
    overlapEndsAt: overlapEndsAt === null ? null : overlapEndsAt + lengthMs,
  };
}

/** The way back is closed: who has gone back moves again, and gets the whole time for it. */
export function offerAgain(rotation: Rotation, now: number): Rotation {
  return {
    ...rotation,
    offeredAt: now,
    overlappingAt: now,
    overlapEndsAt: now + rotation.policy.overlapMs,
    pausedMs: 0,
    rolledBackAt: null,
    rollbackReason: null,
  };
}

export function restoreOld(rotation: Rotation): Effect[] {
  return [
    { do: "set-state", version: rotation.from, state: "active" },
    { do: "set-current", version: rotation.from },
  ];
}

export function endRolledBack(rotation: Rotation, now: number): Move {
  return {
    ok: true,
    next: { ...rotation, endedAt: now, claimEndedAt: rotation.claimEndedAt ?? now },
    effects: [
      { do: "set-state", version: rotation.to, state: "destroyed" },
      { do: "erase-sealed", version: rotation.to },
    ],
  };
}

export function unchanged(rotation: Rotation): Decision {
  return { ok: true, next: rotation, effects: [] };
}

export function refuse(code: RefusalCode, detail: string): Decision {
  return { ok: false, code, detail };
}
