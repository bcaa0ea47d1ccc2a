/**
 * The rotation of one key from version `from` to version `to`, as a pure function:
 *
 *     decide(rotation, event, now) → { next, effects } | refusal
 *
 *     planned ──begin──▶ propagating ──acknowledged──▶ offered ──used/confirmed──▶ overlapping
 *        │                    │                          │  │                        │    │
 *      cancel               cancel            cancel ◀───┘  └─────retire (forced)──┐ │  assessed: gates met,
 *        ▼                    ▼             (not handed out)                       ▼ ▼  policy's deadline, or retire
 *     cancelled           cancelled                                               retired ──assessed──▶ completed
 *                                                                                    │   (rollback window over)
 *     rolled-back ◀── rollback, from propagating, offered, overlapping, retired ◀────┘
 *         │  the old version is current again; the successor stays accepted until it is quiet, then it is destroyed
 *         ├── assessed: successor quiet, or retire ──▶ (ended)
 *         └── compromise of the old version ──▶ overlapping (contained) or retired (killed): the way back is gone
 *
 * What the world does is an observation: repeated, late or out of place it changes nothing (I13). What a person asks
 * for is a command: out of place it is refused with a code. A pause holds back what time and evidence would bring about; what
 * consumers do goes on. A fence and brownouts are no phases: they may come in `offered` and in `overlapping`, end by themselves, and change
 * nothing of what a phase waits for (brownout.ts, rule-fence.ts, sub-states.ts). `compromise` overtakes every phase (I11): the leaked version
 * is refused in the same commit, and if that leaves no version a new rotation starts in it.
 *
 * Enforced here: I2 (a claim before `offered` is refused), I3 (gates.ts), I6 (`begin` makes one successor),
 * I8, I10 (`rollback` refuses a compromised version; every path leaves an accepted one), I11.
 * The complete table of phases and events stands in rotation.test.ts.
 */
import { browned, brownOutNow, brownoutByTime, endBrownouts, POLICY, planIsOver } from "./brownout.ts";
import { compromise } from "./compromise.ts";
import { countText } from "./count-text.ts";
import { extend, moveDeadline, pause } from "./deadline.ts";
import { claimEndsAt, deadlinePassed, gates, isQuiet } from "./gates.ts";
import { activateSuccessor, backToOld, endRolledBack, goOn, overlap, refuse, restoreOld, unchanged } from "./moves.ts";
import type { Decision, Effect, Rotation, RotationEvent, RotationEventType } from "./rotation.ts";
import { liftFence, putUpFence } from "./rule-fence.ts";
import { settled } from "./sub-states.ts";

type RefusedUses = Extract<RotationEvent, { type: "refused" }>;

export function decide(rotation: Rotation, event: RotationEvent, now: number): Decision {
  if (rotation.endedAt !== null) return afterTheEnd(rotation, event);
  const decision = decideAlone(rotation, event, now);
  return decision.ok ? settled(rotation, decision, now) : decision;
}

/** Without what a move means for the fence and the brownouts. */
function decideAlone(rotation: Rotation, event: RotationEvent, now: number): Decision {
  switch (event.type) {
    case "begin":
      return begin(rotation, now);
    case "acknowledged":
      return rotation.phase === "propagating" && rotation.paused === null ? offer(rotation, now) : unchanged(rotation);
    case "used":
      return used(rotation, now);
    case "assessed":
      return rotation.paused === null ? assess(rotation, event, now) : unchanged(rotation);
    case "fence":
      return putUpFence(rotation, event.fence, now);
    case "browned":
      return browned(rotation, event.refusals, now);
    case "refused":
      return refusedUses(rotation, event, now);
    case "claim":
      return claim(rotation, now);
    case "confirm":
      return confirm(rotation, now);
    case "extend":
      return extend(rotation, event.byMs, now);
    case "move-deadline":
      return moveDeadline(rotation, event.overlapEndsAt, now);
    case "pause":
      return pause(rotation, event, now);
    case "resume":
      return rotation.paused === null ? unchanged(rotation) : { ok: true, next: goOn(rotation, now), effects: [] };
    case "retire":
      return retireByForce(rotation, event, now);
    case "rollback":
      return rollback(rotation, event.reason, now);
    case "cancel":
      return cancel(rotation, now);
    case "brownout":
      return brownOutNow(rotation, event, now);
    case "end-brownout":
      return endBrownouts(rotation, event.by, event.reason, now);
    case "lift-fence":
      return liftFence(rotation, event.by, event.reason, now);
    case "compromise":
      return compromise(rotation, event, now);
    case "abandon":
      return abandon(rotation, now);
  }
}

const observations: ReadonlySet<RotationEventType> = new Set([
  "begin",
  "acknowledged",
  "used",
  "assessed",
  "fence",
  "browned",
  "refused",
  "abandon",
]);

function afterTheEnd(rotation: Rotation, event: RotationEvent): Decision {
  if (observations.has(event.type)) return unchanged(rotation);
  return refuse("rotation_ended", `rotation ${rotation.id} has ended (${rotation.phase})`);
}

function begin(rotation: Rotation, now: number): Decision {
  if (rotation.phase !== "planned") return unchanged(rotation);
  if (rotation.paused !== null) return refuse("rotation_paused", "it is paused; resume it first");
  if (now < rotation.startsAt) return refuse("rotation_not_due", "it starts later");
  return {
    ok: true,
    next: { ...rotation, phase: "propagating" },
    effects: [{ do: "create-successor", version: rotation.to }],
  };
}

function offer(rotation: Rotation, now: number): Decision {
  const offered: Rotation = {
    ...rotation,
    phase: "offered",
    offeredAt: now,
    overlapEndsAt: now + rotation.policy.overlapMs,
  };
  // A consumer with a secret of its own may have used it while it was still travelling.
  return offered.usedAt === null ? { ok: true, next: offered, effects: [] } : overlap(offered, now, {});
}

function used(rotation: Rotation, now: number): Decision {
  if (rotation.phase === "planned" || rotation.usedAt !== null) return unchanged(rotation);
  // A secret of ours that is still travelling is in nobody's hands: whoever reports its use is wrong, or lies.
  if (rotation.phase === "propagating" && rotation.origin === "authority") return unchanged(rotation);
  const proven: Rotation = { ...rotation, usedAt: now, claimEndedAt: rotation.claimEndedAt ?? now };
  const effects: Effect[] = [{ do: "erase-sealed", version: rotation.to }];
  if (rotation.phase !== "offered") return { ok: true, next: proven, effects };
  const { next, effects: more } = overlap(proven, now, {});
  return { ok: true, next, effects: [...effects, ...more] };
}

function claim(rotation: Rotation, now: number): Decision {
  const { phase } = rotation;
  if (phase === "planned" || phase === "propagating") {
    return refuse(
      "rotation_not_offered",
      "the successor is handed out once every verifier accepts it; try again shortly",
    );
  }
  if (phase === "rolled-back")
    return refuse("already_rolled_back", "this rotation was rolled back; the old version is current");
  if (rotation.claimEndedAt !== null) {
    return refuse(
      "claim_ended",
      "the successor was proven to be in its holder's hands, or the time to claim it is over",
    );
  }
  return { ok: true, next: { ...rotation, claimedAt: rotation.claimedAt ?? now }, effects: [] };
}

/** The consumer's word opens the overlap, but it is no proof: the sealed copy stays until the successor is used. */
function confirm(rotation: Rotation, now: number): Decision {
  const { phase } = rotation;
  if (phase === "planned" || phase === "propagating") {
    return refuse("rotation_not_offered", "the successor is not offered yet");
  }
  if (phase === "rolled-back")
    return refuse("already_rolled_back", "this rotation was rolled back; the old version is current");
  if (rotation.confirmedAt !== null) return unchanged(rotation);
  return phase === "offered"
    ? overlap(rotation, now, { confirmedAt: now })
    : { ok: true, next: { ...rotation, confirmedAt: now }, effects: [] };
}

/** What time and evidence bring about by themselves. */
function assess(
  rotation: Rotation,
  { evidence, refusedBefore }: Extract<RotationEvent, { type: "assessed" }>,
  now: number,
): Decision {
  switch (rotation.phase) {
    case "offered":
    case "overlapping":
      if (rotation.phase === "overlapping" && gates(rotation, evidence, now).every((gate) => gate.met)) {
        return retire(rotation, null, now);
      }
      if (deadlinePassed(rotation, now) && rotation.policy.onDeadline === "retire") {
        return retire(rotation, { by: POLICY, reason: "the overlap's deadline passed", at: now }, now);
      }
      return brownoutByTime(rotation, now, refusedBefore) ?? afterBrownouts(rotation, now) ?? endClaim(rotation, now);
    case "retired":
      // While the successor is neither proven nor out of its claim time, its sealed copy may be the only one there is (R04).
      if (rotation.claimEndedAt === null) return endClaim(rotation, now);
      return rotation.fromCompromised || rollbackOver(rotation, now) ? complete(rotation, now) : unchanged(rotation);
    case "rolled-back":
      return isQuiet(rotation, evidence) ? endRolledBack(rotation, now) : endClaim(rotation, now);
    default:
      return unchanged(rotation);
  }
}

function afterBrownouts(rotation: Rotation, now: number): Decision | undefined {
  if (rotation.policy.brownout.after !== "retire" || !deadlinePassed(rotation, now) || !planIsOver(rotation))
    return undefined;
  return retire(rotation, { by: POLICY, reason: "the last brownout is over", at: now }, now);
}

function endClaim(rotation: Rotation, now: number): Decision {
  if (rotation.claimEndedAt !== null || now < claimEndsAt(rotation)) return unchanged(rotation);
  return {
    ok: true,
    next: { ...rotation, claimEndedAt: now },
    effects: [{ do: "erase-sealed", version: rotation.to }],
  };
}

function retireByForce(rotation: Rotation, force: { by: string; reason: string }, now: number): Decision {
  switch (rotation.phase) {
    case "offered":
    case "overlapping":
      return retire(goOn(rotation, now), { by: force.by, reason: force.reason, at: now }, now);
    case "rolled-back":
      return endRolledBack({ ...rotation, forced: { by: force.by, reason: force.reason, at: now } }, now);
    case "retired":
      return refuse("already_retired", "the old version is retired already");
    default:
      return refuse(
        "rotation_not_offered",
        "the successor is not accepted everywhere yet; the old version is the only one that works",
      );
  }
}

function retire(rotation: Rotation, forced: Rotation["forced"], now: number): Decision {
  const effects = rotation.phase === "offered" ? activateSuccessor(rotation) : [];
  if (rotation.fromRefusedAt === null) effects.push({ do: "set-state", version: rotation.from, state: "retired" });
  const overlappingAt = rotation.overlappingAt ?? now;
  // A kill that came before is the reason that counts.
  const next: Rotation = {
    ...rotation,
    phase: "retired",
    paused: null,
    overlappingAt,
    retiredAt: now,
    forced: rotation.forced ?? forced,
  };
  return { ok: true, next, effects };
}

function rollbackOver(rotation: Rotation, now: number): boolean {
  return now >= (rotation.retiredAt as number) + rotation.policy.rollbackMs;
}

function complete(rotation: Rotation, now: number): Decision {
  return {
    ok: true,
    next: { ...rotation, phase: "completed", endedAt: now },
    effects: [
      { do: "set-state", version: rotation.from, state: "destroyed" },
      { do: "erase-sealed", version: rotation.to },
    ],
  };
}

/**
 * The old version is current again. Consumers that have moved must not be refused for it: the successor stays accepted
 * until the evidence says that they are back, unless nobody ever got it.
 */
function rollback(rotation: Rotation, reason: string, now: number): Decision {
  if (rotation.phase === "planned") return refuse("rotation_not_offered", "it has not begun; cancel it instead");
  if (rotation.phase === "rolled-back") return refuse("already_rolled_back", "this rotation was rolled back already");
  if (rotation.fromCompromised) {
    return refuse("version_compromised", `version ${rotation.from} is marked compromised; it is never accepted again`);
  }
  if (rotation.phase === "retired" && rollbackOver(rotation, now)) {
    return refuse("rotation_ended", "the rollback window is over");
  }
  const next = backToOld(rotation, reason, now);
  if (rotation.claimedAt === null && rotation.confirmedAt === null && rotation.usedAt === null) {
    const ended = endRolledBack(next, now);
    return { ...ended, effects: [...restoreOld(rotation), ...ended.effects] };
  }
  return {
    ok: true,
    next,
    effects: [...restoreOld(rotation), { do: "set-state", version: rotation.to, state: "retiring" }],
  };
}

/** A retirement that hurts is taken back by itself, where the policy says so and no person has decided otherwise. */
function refusedUses(rotation: Rotation, { refusals, sources, lastAt }: RefusedUses, now: number): Decision {
  const rule = rotation.policy.automaticRollback;
  if (rotation.phase !== "retired" || rule === null) return unchanged(rotation);
  if (rotation.fromCompromised || rollbackOver(rotation, now)) return unchanged(rotation);
  if (rotation.forced !== null && rotation.forced.by !== POLICY) return unchanged(rotation);
  if (refusals < rule.refusals || sources < rule.sources) return unchanged(rotation);
  if (lastAt !== null && now < lastAt + rule.coolDownMs) return unchanged(rotation);
  const reason = `${countText(refusals, "request")} of ${countText(sources, "source")} that had used version ${rotation.from} before ${refusals === 1 ? "was" : "were"} refused since it retired`;
  return rollback(rotation, reason, now);
}

function cancel(rotation: Rotation, now: number): Decision {
  if (rotation.phase === "rolled-back") return refuse("already_rolled_back", "this rotation was rolled back already");
  if (rotation.usedAt !== null || rotation.phase === "overlapping" || rotation.phase === "retired") {
    return refuse("successor_in_use", "the successor is in use; roll back instead, and nobody is refused");
  }
  // After a restore one that was handed out may be on its way again.
  const handedOut = rotation.phase === "offered" || rotation.origin === "authority";
  if (handedOut && rotation.claimedAt !== null) {
    return refuse("successor_claimed", "the successor was handed out; roll back instead, and nobody is refused");
  }
  if (rotation.fromCompromised) {
    return refuse(
      "version_compromised",
      `version ${rotation.from} is marked compromised; without the successor the key would have no sound version`,
    );
  }
  const next: Rotation = { ...rotation, phase: "cancelled", paused: null, endedAt: now };
  return { ok: true, next, effects: dropSuccessor(rotation) };
}

function dropSuccessor(rotation: Rotation): Effect[] {
  if (rotation.phase === "planned") return [];
  return [
    { do: "set-state", version: rotation.to, state: "destroyed" },
    { do: "erase-sealed", version: rotation.to },
  ];
}

function abandon(rotation: Rotation, now: number): Decision {
  const ended = { endedAt: now, paused: null, claimEndedAt: rotation.claimEndedAt ?? now };
  if (rotation.phase === "planned")
    return { ok: true, next: { ...rotation, ...ended, phase: "cancelled" }, effects: [] };
  const effects: Effect[] = [{ do: "erase-sealed", version: rotation.to }];
  if (rotation.phase === "retired") return { ok: true, next: { ...rotation, ...ended, phase: "completed" }, effects };
  if (rotation.phase === "rolled-back") return { ok: true, next: { ...rotation, ...ended }, effects };
  return { ok: true, next: { ...rotation, ...ended, phase: "cancelled" }, effects };
}
