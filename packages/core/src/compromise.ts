/**
 * The emergency: a version is in wrong hands. It overtakes every phase in one commit (I11). The leaked version is refused, or fenced,
 * at once; where that leaves no sound version, a new rotation starts in the same commit.
 */
import { activateSuccessor, backToOld, offerAgain, overlap, refuse, restoreOld } from "./moves.ts";
import type { Decision, Effect, Rotation, RotationEvent } from "./rotation.ts";

type Compromise = Extract<RotationEvent, { type: "compromise" }>;

export function compromise(rotation: Rotation, event: Compromise, now: number): Decision {
  if (event.version === "to") {
    if (rotation.phase === "planned") return refuse("no_such_version", "the successor does not exist yet");
    if (event.mode === "contain") {
      return refuse(
        "contain_needs_old_version",
        `version ${rotation.to} is the successor of a running rotation; kill it, or end the rotation first`,
      );
    }
    return killSuccessor(rotation, event, now);
  }
  return event.mode === "kill" ? killOld(rotation, event, now) : containOld(rotation, event, now);
}

/** Refused now. In every phase the successor is, or becomes, the version that stays. */
function killOld(rotation: Rotation, event: Compromise, now: number): Decision {
  const effects: Effect[] = [
    { do: "mark-compromised", version: rotation.from },
    { do: "set-state", version: rotation.from, state: "retired" },
  ];
  const marked: Rotation = { ...rotation, fromCompromised: true, fromRefusedAt: now };
  const forced = { by: event.by, reason: event.reason, at: now };
  if (rotation.fromRefusedAt !== null || rotation.phase === "retired") {
    // Refused already: only the mark is new, if that.
    return { ok: true, next: { ...rotation, fromCompromised: true }, effects: effects.slice(0, 1) };
  }
  switch (rotation.phase) {
    case "planned":
      return { ok: true, next: { ...marked, startsAt: Math.min(rotation.startsAt, now), forced }, effects };
    case "rolled-back":
      // The way back is gone: the successor, still accepted, is current again.
      effects.push(...activateSuccessor(rotation));
      return { ok: true, next: { ...offerAgain(marked, now), phase: "retired", retiredAt: now, forced }, effects };
    case "overlapping":
      return { ok: true, next: { ...marked, phase: "retired", retiredAt: now, forced }, effects };
    default:
      return { ok: true, next: { ...marked, forced }, effects };
  }
}

/** Fenced, and marked: from now on the successor is the only way. A contain never loosens a kill. */
function containOld(rotation: Rotation, event: Compromise, now: number): Decision {
  const marked: Rotation = { ...rotation, fromCompromised: true };
  const effects: Effect[] = [{ do: "mark-compromised", version: rotation.from }];
  if (rotation.phase === "retired" || rotation.fromRefusedAt !== null) return { ok: true, next: marked, effects };
  if (event.fence !== undefined) effects.push({ do: "set-fence", version: rotation.from, fence: event.fence });
  if (rotation.phase === "planned") {
    return { ok: true, next: { ...marked, startsAt: Math.min(rotation.startsAt, now) }, effects };
  }
  if (rotation.phase !== "rolled-back") return { ok: true, next: marked, effects };
  const { next, effects: forward } = overlap(offerAgain(marked, now), now, {});
  return { ok: true, next, effects: [...effects, ...forward] };
}

/** Back to the old version if it is clean; otherwise a new rotation replaces both, in the same commit. */
function killSuccessor(rotation: Rotation, event: Compromise, now: number): Decision {
  const effects: Effect[] = [
    { do: "mark-compromised", version: rotation.to },
    { do: "set-state", version: rotation.to, state: "retired" },
    { do: "erase-sealed", version: rotation.to },
  ];
  const next = { ...backToOld(rotation, event.reason, now), endedAt: now, claimEndedAt: rotation.claimEndedAt ?? now };
  if (!rotation.fromCompromised) return { ok: true, next, effects: [...effects, ...restoreOld(rotation)] };
  if (rotation.fromRefusedAt === null && rotation.phase !== "retired") {
    // Contained: fenced, but all that the consumer has.
    effects.push(...restoreOld(rotation), { do: "replace", version: rotation.from, reason: event.reason });
  } else {
    effects.push(
      { do: "set-current", version: rotation.to },
      { do: "replace", version: rotation.to, reason: event.reason },
    );
  }
  return { ok: true, next: { ...next, phase: "cancelled", rolledBackAt: null, rollbackReason: null }, effects };
}
