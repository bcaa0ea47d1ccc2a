/**
 * What a pause holds back, and who may move a deadline. Recomputed from the committed rows and the true times of pauses.
 *
 *     paused: nothing begins, nothing is offered, nothing retires by gates or deadline, no claim time ends
 *     the deadline moves: by an offer, by as much as a pause was long, or because somebody asked, within what the policy allows
 */
import type { Rotation } from "@keyover/core";
import type { KeyPast, Model, RotationPast } from "./model.ts";

export function checkPause(model: Model, past: KeyPast, was: Rotation, known: RotationPast, slackMs: number): void {
  const { rotation } = known;
  const fail = (what: string) => model.fail("pause", past.id, `rotation ${rotation.from}→${rotation.to} ${what}`);
  if (was.paused !== null) checkHeld(model, was, rotation, fail);
  if (was.paused === null && rotation.paused !== null && !model.wasAsked("pause", rotation.id))
    fail("was paused, and nobody asked for it");
  if (JSON.stringify(was.policy) !== JSON.stringify(rotation.policy)) fail("has another policy than it began with");
  if (JSON.stringify(was.calendar) !== JSON.stringify(rotation.calendar))
    fail("has another calendar than it began with");
  checkDeadline(model, was, known, slackMs, fail);
}

type Fail = (what: string) => void;

/** What time and evidence bring about waits; what consumers do and people ask for does not. */
function checkHeld(model: Model, was: Rotation, rotation: Rotation, fail: Fail): void {
  const asked = (deed: string) => model.wasAsked(deed, rotation.id);
  const struck = rotation.fromCompromised || rotation.rolledBackAt !== null;
  if (was.phase === "planned" && rotation.phase !== "planned" && rotation.phase !== "cancelled" && !struck)
    fail("began while it was paused");
  if (was.offeredAt === null && rotation.offeredAt !== null) fail("was offered while it was paused");
  const byItself = rotation.forced === null || rotation.forced.by === "policy";
  if (was.retiredAt === null && rotation.retiredAt !== null && byItself)
    fail("retired its old version while it was paused");
  const proven = rotation.usedAt !== null || rotation.endedAt !== null || asked("rollback");
  if (was.claimEndedAt === null && rotation.claimEndedAt !== null && rotation.paused !== null && !proven)
    fail("ended its claim while it was paused");
  if (rotation.paused !== null || struck || rotation.endedAt !== null || asked("resume")) return;
  if (!asked("retire") && !asked("rollback") && !asked("cancel")) fail("goes on, and nobody asked for that");
}

function checkDeadline(model: Model, was: Rotation, known: RotationPast, slackMs: number, fail: Fail): void {
  const { rotation, pausedAt } = known;
  const { overlapEndsAt, offeredAt, policy, pausedMs } = rotation;
  const movedMs = (overlapEndsAt ?? 0) - (was.overlapEndsAt ?? 0);
  const offered = offeredAt !== was.offeredAt;
  if (offered && offeredAt !== null && overlapEndsAt !== null && overlapEndsAt - offeredAt !== policy.overlapMs)
    fail("was not offered for as long as its policy says");
  if (offered || overlapEndsAt === null || was.overlapEndsAt === null || rotation.endedAt !== null) return;
  if (was.paused !== null && rotation.paused === null) {
    // What the clock was off when it began, and when it ended.
    const tolerance = 2 * (slackMs + model.clockErrorMs) + (known.pauseSlackMs ?? 0);
    const lengthMs = model.time.at - (pausedAt ?? Number.NaN);
    if (!(Math.abs(movedMs - lengthMs) <= tolerance))
      fail(`was paused for ${Math.round(lengthMs)} ms, and its deadline lies ${movedMs} ms later`);
    if (pausedMs - was.pausedMs !== movedMs) fail("counts another length of its pauses than its deadline was moved by");
    return;
  }
  if (movedMs === 0) return;
  if (was.paused !== null) fail("has another deadline, and is paused");
  const own = rotation.extendedMs - was.extendedMs;
  if (own === 0 ? !model.wasAsked("deadline", rotation.id) : !model.wasAsked("extend", rotation.id))
    fail("has another deadline, and nobody asked for it");
  if (own !== 0 && own !== movedMs) fail(`was extended by ${own} ms; its deadline lies ${movedMs} ms later`);
  if (rotation.extendedMs > policy.consumerMayExtendMs)
    fail(`was extended by ${rotation.extendedMs} ms by its consumer, which may do ${policy.consumerMayExtendMs}`);
  const latest = (offeredAt ?? 0) + policy.overlapMaxMs + pausedMs;
  if (movedMs > 0 && overlapEndsAt > latest) fail(`may last until ${latest}; its deadline is ${overlapEndsAt}`);
}
