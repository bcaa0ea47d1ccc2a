/**
 * The emergency: a version is in wrong hands. It overtakes every phase in one commit (I11). The leaked version is refused, or fenced,
 * at once; where that leaves no sound version, a new rotation starts in the same commit.
 */
import { activateSuccessor, backToOld, goOn, offerAgain, overlap, refuse, restoreOld } from "./moves.ts";
import type { Decision, Effect, Rotation, RotationEvent } from "./rotation.ts";
import { atMost, isFenced } from "./rule-fence.ts";

/** Retired, and a rollback could make it accepted again. */
export function mayComeBack(rotation: Rotation | undefined, version: number): boolean {
  if (rotation === undefined || rotation.endedAt !== null || rotation.phase !== "retired") return false;
  return rotation.from === version && !rotation.fromCompromised;
}

type Compromise = Extract<RotationEvent, { type: "compromise" }>;

export function compromise(held: Rotation, event: Compromise, now: number): Decision {
  // It overtakes a pause as well: with a leaked version nothing waits for anybody's leave.
  const rotation = goOn(held, now);
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
  if (event.fence !== undefined) {
    const fence =
      rotation.fenced !== null && isFenced(rotation) ? atMost(event.fence, rotation.fenced.fence) : event.fence;
    effects.push({ do: "set-fence", version: rotation.from, fence });
  }
  if (rotation.phase === "planned") {
    return { ok: true, next: { ...marked, startsAt: Math.min(rotation.startsAt, now) }, effects };
  }
  if (rotation.phase !== "rolled-back") return { ok: true, next: marked, effects };
  const { next, effects: forward } = overlap(offerAgain(marked, now), now, {});
  return { ok: true, next, effects: [...effects, ...forward] };
}

/**
 * Back to the old version if it is clean and still accepted; otherwise a new rotation replaces both, in the same commit. A version that
 * has retired does not come back by itself: its holders have let go of it, and it would be one more secret to worry about.
 */
function killSuccessor(rotation: Rotation, event: Compromise, now: number): Decision {
  const { from, to } = rotation;
  const effects: Effect[] = [
    { do: "mark-compromised", version: to },
    { do: "set-state", version: to, state: "retired" },
    { do: "erase-sealed", version: to },
  ];
  const ended = { endedAt: now, claimEndedAt: rotation.claimEndedAt ?? now };
  const replace = (version: number): Effect => ({ do: "replace", version, reason: event.reason });
  if (rotation.phase === "retired") {
    effects.push(
      { do: "set-state", version: from, state: "destroyed" },
      { do: "set-current", version: to },
      replace(to),
    );
    return { ok: true, next: { ...rotation, ...ended, phase: "completed" }, effects };
  }
  if (!rotation.fromCompromised) {
    return {
      ok: true,
      next: { ...backToOld(rotation, event.reason, now), ...ended },
      effects: [...effects, ...restoreOld(rotation)],
    };
  }
  if (rotation.fromRefusedAt === null)
    effects.push(...restoreOld(rotation), replace(from)); // fenced, but all that the consumer has
  else effects.push({ do: "set-current", version: to }, replace(to));
  return { ok: true, next: { ...rotation, ...ended, phase: "cancelled", overlapEndsAt: null }, effects };
}
