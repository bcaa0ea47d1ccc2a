/** Extend, shorten, pause: who holds a rotation back, and how far. */
import { refuse, unchanged } from "./moves.ts";
import type { Decision, Rotation } from "./rotation.ts";

/** Why there is no deadline to move. */
function noDeadline(rotation: Rotation): Decision | undefined {
  if (rotation.phase !== "offered" && rotation.phase !== "overlapping") {
    return rotation.phase === "planned" || rotation.phase === "propagating"
      ? refuse("rotation_not_offered", "the overlap begins when the successor is offered")
      : refuse("already_retired", "the overlap is over");
  }
  if (rotation.paused === null) return undefined;
  return refuse("rotation_paused", "the deadline moves on by the length of the pause; resume the rotation first");
}

export function moveDeadline(rotation: Rotation, overlapEndsAt: number, now: number): Decision {
  const none = noDeadline(rotation);
  if (none !== undefined) return none;
  const earliest = Math.max(now, (rotation.offeredAt as number) + rotation.policy.overlapMinMs);
  const latest = (rotation.offeredAt as number) + rotation.policy.overlapMaxMs + rotation.pausedMs;
  if (overlapEndsAt < earliest || overlapEndsAt > latest) {
    return refuse(
      "overlap_out_of_range",
      `the deadline must lie between ${new Date(earliest).toISOString()} (now, or the minimum overlap) and ${new Date(latest).toISOString()} (the policy's longest overlap)`,
    );
  }
  return { ok: true, next: { ...rotation, overlapEndsAt }, effects: [] };
}

export function extend(rotation: Rotation, byMs: number, now: number): Decision {
  const none = noDeadline(rotation);
  if (none !== undefined) return none;
  if (rotation.fromCompromised) {
    return refuse("version_compromised", "the old version is in wrong hands; only an operator moves this deadline");
  }
  const leftMs = rotation.policy.consumerMayExtendMs - rotation.extendedMs;
  if (byMs <= 0 || byMs > leftMs) {
    return refuse(
      "extension_not_allowed",
      `the policy lets the consumer move this deadline by ${Math.max(0, leftMs)} ms more`,
    );
  }
  const moved = moveDeadline(rotation, (rotation.overlapEndsAt as number) + byMs, now);
  return moved.ok ? { ...moved, next: { ...moved.next, extendedMs: rotation.extendedMs + byMs } } : moved;
}

export function pause(rotation: Rotation, { by, reason }: { by: string; reason: string }, now: number): Decision {
  if (rotation.phase === "retired")
    return refuse("already_retired", "the old version is retired; nothing is held back");
  if (rotation.phase === "rolled-back")
    return refuse("already_rolled_back", "this rotation was rolled back; nothing is held back");
  if (rotation.fromCompromised) {
    return refuse("version_compromised", "the old version is in wrong hands; its replacement does not wait");
  }
  if (rotation.paused !== null) return unchanged(rotation);
  return { ok: true, next: { ...rotation, paused: { at: now, by, reason } }, effects: [] };
}
