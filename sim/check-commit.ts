/**
 * What each commit must keep: I3, I6, I8, I10, I11, I12, and that nothing ends or comes back without a cause. The causes are listed here, not
 * taken from core's `decide`: a version ceases to be accepted by evidence, a person, a policy, a leak, or because nobody ever had it.
 */
import { isAccepted, type Rotation, type Version } from "@keyover/core";
import type { NoticeEvent } from "../packages/server/src/store/notice-entities.ts";
import type { Batch } from "../packages/server/src/store/store.ts";
import { endProblem, slackOf, wasUsed } from "./check-end.ts";
import { checkIdle, isForIdleness } from "./check-idle.ts";
import { automaticProblem, checkHurt, checkLimited, checkLimits, isAutomatic, liftProblem } from "./check-limits.ts";
import { checkPause } from "./check-pause.ts";
import { checkPolicy } from "./check-schedule.ts";
import { type KeyPast, type Model, type RotationPast, sinceOf, wasHandedOut } from "./model.ts";
import type { Process } from "./process.ts";
import type { Before } from "./witness.ts";

export interface Commit {
  process: Process;
  batch: Batch;
  past: KeyPast;
  before: Before;
  /** The feed got an entry about this key. */
  fed: boolean;
  /** Sealed secrets of this key that were erased. */
  erased: { id: string }[];
}

export function checkCommit(model: Model, commit: Commit): void {
  const { past, before } = commit;
  checkInventory(model, commit);
  if (before.key !== undefined && before.key.status !== past.key.status) {
    const deed = { active: "restore", suspended: "suspend", revoked: "revoke" }[past.key.status];
    if (!model.wasAsked(deed, past.id) && !isForIdleness(commit))
      model.fail("I14", past.id, `nobody asked to ${deed} the key`);
  }
  for (const [number, version] of past.versions) {
    const was = before.versions.get(number);
    if (was === version) continue;
    if (was === undefined) checkBirth(model, commit, version);
    else checkChange(model, commit, was, version);
  }
  const named = new Set(commit.batch.audit.flatMap(({ subjects }) => subjects));
  if (!named.has(past.id)) model.fail("I14", past.id, "the key was changed, and the audit log does not name it");
  for (const [id, { rotation }] of past.rotations) {
    const was = before.rotations.get(id);
    if (was !== rotation && !named.has(id))
      model.fail("I14", past.id, "a rotation was changed, and the audit log does not name it");
    if (was !== rotation) checkRotation(model, commit, was, past.rotations.get(id) as RotationPast);
  }
  checkIdle(model, commit);
  checkLimited(model, past);
  checkErasure(model, commit);
  checkTold(model, commit);
}

/** L4 begins in the commit: what people should hear of is raised with it, or never. */
function checkTold(model: Model, { batch, past, before }: Commit): void {
  const told = (event: NoticeEvent, rotation?: string) => {
    const raised = batch.notices?.some(
      (draft) => draft.event === event && draft.keyId === past.id && draft.rotationId === rotation,
    );
    if (raised !== true) model.fail("L4", past.id, `the commit does not raise ${event}`);
  };
  if (before.key?.status === "active" && past.key.status === "suspended") told("key.suspended");
  for (const [id, { rotation }] of past.rotations) {
    const was = before.rotations.get(id);
    if (was === undefined) told("rotation.planned", id);
    if (was === undefined || was === rotation) continue;
    const news = (time: "offeredAt" | "retiredAt" | "rolledBackAt") => was[time] === null && rotation[time] !== null;
    if (news("offeredAt")) told("rotation.offered", id);
    if (news("retiredAt")) told("rotation.retired", id);
    if (news("rolledBackAt")) told("rotation.rolled-back", id);
    if (was.phase !== "completed" && rotation.phase === "completed") told("rotation.completed", id);
  }
  const leaked = [...past.versions.values()].some(
    ({ number, compromised }) => compromised && before.versions.get(number)?.compromised === false,
  );
  if (leaked && !batch.notices?.some(({ event, keyId }) => event === "key.compromised" && keyId === past.id))
    model.fail("L4", past.id, "the commit does not raise key.compromised");
}

/** I8: one or two accepted versions, one rotation at a time, and the feed says what the inventory says. */
export function checkInventory(model: Model, { past, before, fed }: Commit): void {
  const versions = [...past.versions.values()];
  const accepted = versions.filter(({ state }) => isAccepted(state));
  if (accepted.length > 2) model.fail("I8", past.id, `${accepted.length} versions are accepted`);
  if (accepted.length === 0 && past.key.status !== "revoked") model.fail("I10", past.id, "no version is accepted");
  const open = [...past.rotations.values()].filter(({ rotation }) => rotation.endedAt === null);
  if (open.length > 1) model.fail("I8", past.id, "two rotations run at once");
  if ((open[0]?.rotation.id ?? null) !== past.key.rotationId)
    model.fail("I8", past.id, "the key names another rotation than the one that runs");
  const shown = past.told;
  if (shown === undefined) return;
  const known = picture(versions.flatMap(shownOf));
  const told = picture(shown.versions);
  if (known !== told || shown.status !== past.key.status)
    model.fail("I8", past.id, `the feed ${fed ? "was told" : "says"} ${told}; in truth it is ${known}`);
  if (before.key?.status === "revoked" && past.key.status !== "revoked")
    model.fail("I10", past.id, "a revoked key came back");
}

/** Of what is destroyed verifiers are told if it leaked. */
function shownOf(version: Version): Shown[] {
  const { state, sha256, compromised } = version;
  if (sha256 === null || (state === "destroyed" && !compromised)) return [];
  return [state === "destroyed" ? { ...version, state: "retired" } : version];
}

interface Shown extends Pick<Version, "number" | "state" | "sha256" | "compromised"> {
  fence?: Version["fence"] | undefined;
  brownoutUntil?: number | null | undefined;
}

/** What a verifier must know of versions. */
export function picture(versions: readonly Shown[]): string {
  return versions
    .map(({ number, state, sha256, compromised, fence, brownoutUntil }) => {
      const limit = fence == null ? "" : ` within ${JSON.stringify(fence)}`;
      const out = brownoutUntil == null || !isAccepted(state) ? "" : ` out until ${brownoutUntil}`;
      return `v${number} ${state}${compromised ? "!" : ""} ${sha256?.slice(0, 6)}${limit}${out}`;
    })
    .sort((a, b) => a.localeCompare(b))
    .join(", ");
}

/** I6: a version is made once, by its rotation or with its key. */
function checkBirth(model: Model, { past, before }: Commit, version: Version): void {
  const wanted = before.key?.nextVersion ?? 1;
  const last = Math.max(0, ...before.versions.keys());
  if (version.number <= last || version.number < wanted - 1)
    model.fail("I6", past.id, `version ${version.number} was made though the key has had ${last}`);
  const mother = [...past.rotations.values()].filter(({ rotation }) => rotation.to === version.number);
  if (before.key !== undefined && mother.length !== 1)
    model.fail("I6", past.id, `version ${version.number} belongs to ${mother.length} rotations`);
}

function checkChange(model: Model, commit: Commit, was: Version, version: Version): void {
  const { past, process } = commit;
  const { number } = version;
  if (was.compromised && !version.compromised) model.fail("I10", past.id, `the mark of version ${number} was lifted`);
  if (was.state === "destroyed" && version.state !== "destroyed")
    model.fail("I5", past.id, `version ${number} was destroyed and is back`);
  if (version.sha256 !== was.sha256 && version.sha256 !== null)
    model.fail("I6", past.id, `version ${number} has another secret`);
  if (was.fence !== null && version.fence === null) {
    const problem = liftProblem(model, past, was);
    if (problem !== undefined) model.fail("I11", past.id, `the fence of version ${number} ${problem}`);
  }
  if (!was.compromised && version.compromised) checkStrike(model, commit, was, version);
  if (isAccepted(was.state) && !isAccepted(version.state)) {
    const problem = endProblem(model, past, process, version);
    if (problem !== undefined) model.fail("I3", past.id, `version ${number} ${problem}`);
  }
  if (!isAccepted(was.state) && isAccepted(version.state)) checkReturn(model, commit, version);
  if (was.state === "retired" && version.state === "destroyed") checkDestruction(model, commit, version);
}

/** I11: in one commit the leaked version is refused or fenced, and a successor is there or on its way. */
function checkStrike(model: Model, { past }: Commit, was: Version, version: Version): void {
  const { number } = version;
  const kill = model.wasAsked("kill", `${past.id} ${number}`);
  const contain = model.wasAsked("contain", `${past.id} ${number}`);
  if (!kill && !contain) model.fail("I14", past.id, `nobody said that version ${number} leaked`);
  past.undisturbed = false;
  if (isAccepted(version.state) && (version.fence === null || (kill && !contain)))
    model.fail("I11", past.id, `version ${number} leaked, and is accepted as before`);
  const sound = [...past.versions.values()].some((each) => isAccepted(each.state) && !each.compromised);
  if (isAccepted(was.state) && !sound && past.key.rotationId === null)
    model.fail("I11", past.id, `version ${number} leaked, and nothing is on its way to replace it`);
}

/** I10: only a rollback, or a leak of the successor, brings a version back, and never one that leaked. */
function checkReturn(model: Model, commit: Commit, version: Version): void {
  const { past } = commit;
  const { number } = version;
  if (version.compromised) model.fail("I10", past.id, `version ${number} leaked and is accepted again`);
  const known = [...past.rotations.values()].findLast(({ rotation }) => rotation.from === number);
  const asked =
    known?.rotation.phase === "rolled-back" && (model.wasAsked("rollback", known.rotation.id) || isAutomatic(commit));
  if (!asked) model.fail("I5", past.id, `version ${number} is accepted again, and nobody asked for it`);
}

function checkDestruction(model: Model, { past, process }: Commit, version: Version): void {
  const known = [...past.rotations.values()].findLast(
    ({ rotation }) => rotation.from === version.number && rotation.retiredAt !== null,
  );
  if (known === undefined || version.compromised) return;
  const successorLeaked = past.versions.get(known.rotation.to)?.compromised === true;
  if (successorLeaked || known.rotation.fromCompromised) return;
  const passed = model.time.at - sinceOf(known.retiredAt, known.rotation.retiredAt);
  if (!(passed >= known.rotation.policy.rollbackMs - slackOf(model, process)))
    model.fail(
      "I10",
      past.id,
      `version ${version.number} was destroyed ${passed} ms after it retired; the way back is open for ${known.rotation.policy.rollbackMs}`,
    );
}

/** Each of those that are changed at once is read about, one after the other, before any is written. */
function keysIn({ writes }: Batch): number {
  return writes.filter((write) => "put" in write && write.put === "key").length;
}

/** I12, and the order of phases: what a rotation says of times is so in truth. */
function checkRotation(model: Model, commit: Commit, was: Rotation | undefined, known: RotationPast): void {
  const { past, process, before, batch } = commit;
  const { rotation } = known;
  const slack = slackOf(model, process);
  for (const name of [
    "createdAt",
    "offeredAt",
    "claimedAt",
    "confirmedAt",
    "usedAt",
    "retiredAt",
    "rolledBackAt",
    "endedAt",
  ] as const) {
    const time = rotation[name];
    if (time === null || time === was?.[name]) continue;
    if (time > model.time.at + model.clockErrorMs || time < model.time.at - slack - model.lateMs * (keysIn(batch) - 1))
      model.fail("I12", past.id, `${name} is ${time - model.time.at} ms from the truth`);
  }
  if (was === undefined) checkPolicy(model, past, before.key ?? past.key, rotation, slack);
  if (was !== undefined && was !== rotation) {
    checkPause(model, past, was, known, slack);
    checkLimits(model, commit, was, known, slack);
    if (was.phase === "retired" && rotation.phase === "completed") checkHurt(model, past, was, slack);
  }
  const { offeredAt, overlapEndsAt, policy } = rotation;
  if (offeredAt !== null && overlapEndsAt !== null && overlapEndsAt - offeredAt < policy.overlapMinMs)
    model.fail("I12", past.id, "the deadline comes before the minimum overlap is over");
  if (was !== undefined && was.rolledBackAt === null && rotation.rolledBackAt !== null) {
    const struck = past.versions.get(rotation.to)?.compromised === true;
    if (isAutomatic(commit)) {
      const problem = automaticProblem(model, past, was, known, slack);
      if (problem !== undefined) model.fail("I10", past.id, problem);
      past.autoRolledBackAt = model.time.at;
    } else if (!struck && !model.wasAsked("rollback", rotation.id))
      model.fail("I14", past.id, "nobody asked for the rollback");
    const old = past.versions.get(rotation.from);
    if (old?.compromised === true) model.fail("I10", past.id, `rolled back to version ${rotation.from}, which leaked`);
    if (old?.state !== "active" || past.key.currentVersion !== rotation.from)
      model.fail("I10", past.id, `rolled back, but version ${rotation.from} is ${old?.state}`);
  }
  if (was?.confirmedAt === null && rotation.confirmedAt !== null && !wasHandedOut(past, rotation))
    model.fail("I13", past.id, `version ${rotation.to} was confirmed, and nobody was ever given it`);
  if (was?.usedAt === null && rotation.usedAt !== null && !wasUsed(past, rotation.to))
    model.fail("I3", past.id, `version ${rotation.to} counts as used, and was not`);
  if (was !== undefined && was.endedAt !== null && was !== rotation && JSON.stringify(was) !== JSON.stringify(rotation))
    model.fail("I8", past.id, "a rotation that had ended was changed");
  if (before.key?.status === "revoked" && was === undefined) model.fail("I8", past.id, "a revoked key is rotated");
}

/** From the offer; one that was handed out before a restore, and rolled back before it was offered again, from the rollback. */
function claimableSince({ offeredAt, rolledBackAt, rotation }: RotationPast): number {
  const offered = sinceOf(offeredAt, rotation.offeredAt);
  return Number.isNaN(offered) ? sinceOf(rolledBackAt, rotation.rolledBackAt) : offered;
}

/** A sealed secret goes once its holder has proven to have it, its time is over, or its version is. */
function checkErasure(model: Model, { past, before, process, erased }: Commit): void {
  for (const { id } of erased) {
    const version = [...past.versions.values()].find((each) => each.id === id);
    if (version === undefined || !isAccepted(version.state) || past.key.status === "revoked") continue;
    const { number } = version;
    if (wasUsed(past, number)) continue;
    // After a restore the number may have been another rotation's before.
    const known = [...past.rotations.values()].findLast(({ rotation }) => rotation.to === number);
    const since = known === undefined ? past.createdAt : claimableSince(known);
    const policy = known?.rotation.policy ?? undefined;
    const over =
      since !== undefined && policy !== undefined && model.time.at >= since + policy.claimMs - slackOf(model, process);
    if (known === undefined && before.key !== undefined && model.time.at - past.createdAt > 1_000) continue;
    if (!over)
      model.fail("I6", past.id, `the sealed secret of version ${number} is gone before anybody proved to have it`);
  }
}
