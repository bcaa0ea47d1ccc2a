/**
 * I3: why is this version no longer accepted? The causes are listed here, not taken from core's `decide`: it ceases to be accepted by
 * evidence, by a person, by the policy, by a leak, or because nobody ever had it.
 */
import type { Version } from "@keyover/core";
import { planProblem } from "./check-limits.ts";
import { quietProblem } from "./check-quiet.ts";
import { type KeyPast, type Model, type RotationPast, sinceOf, wasHandedOut } from "./model.ts";
import type { Process } from "./process.ts";

/** Undefined if it ended for a cause. */
export function endProblem(model: Model, past: KeyPast, process: Process, version: Version): string | undefined {
  const { number } = version;
  if (version.compromised && model.wasAsked("kill", `${past.id} ${number}`)) return undefined;
  // The newest that it is part of: what ended with this commit, or goes on.
  const known = [...past.rotations.values()].findLast(
    ({ rotation }) => rotation.from === number || rotation.to === number,
  );
  if (known === undefined) return "ended outside any rotation";
  if (known.rotation.to === number) return successorProblem(model, past, process, known);
  if (known.rotation.forced !== null) return about("was retired by force", forceProblem(model, known));
  return about("retired", evidenceProblem(model, past, process, known));
}

function evidenceProblem(model: Model, past: KeyPast, process: Process, known: RotationPast): string | undefined {
  const { rotation, offeredAt } = known;
  const slackMs = slackOf(model, process);
  const overlap = model.time.at - sinceOf(offeredAt, rotation.offeredAt);
  // What was read and what is committed lie apart by as long as the database takes.
  if (!(overlap >= rotation.policy.overlapMinMs - slackMs))
    return `${Math.round(overlap)} ms after the offer; the minimum is ${rotation.policy.overlapMinMs}`;
  if (!wasUsed(past, rotation.to)) return "its successor was never used";
  return quietProblem(model, past, known, rotation.from, slackMs);
}

function successorProblem(model: Model, past: KeyPast, process: Process, known: RotationPast): string | undefined {
  const { rotation } = known;
  const handedOut = wasHandedOut(past, rotation);
  if (rotation.phase === "rolled-back") {
    if (rotation.forced !== null) return about("ended by force", forceProblem(model, known));
    if (!handedOut && !wasUsed(past, rotation.to)) return undefined;
    const problem = quietProblem(model, past, known, rotation.to, slackOf(model, process));
    return about("ended after a rollback", problem);
  }
  if (rotation.phase !== "cancelled") return `ended, and its rotation is ${rotation.phase}`;
  if (past.key.status === "revoked") return undefined;
  if (!model.wasAsked("cancel", rotation.id)) return "was cancelled: nobody asked for that";
  // A restore took its offer back, and nobody has made it anew.
  if (model.restoredAt.length > 0 && known.offeredAt === undefined) return undefined;
  if (wasUsed(past, rotation.to)) return "was cancelled: it was in use";
  // A secret that its consumer made is in its hands from the start; to take it back is what `cancel` is for until it is used.
  return handedOut && rotation.origin === "authority" ? "was cancelled: it was handed out" : undefined;
}

function forceProblem(model: Model, { rotation }: RotationPast): string | undefined {
  const { forced } = rotation;
  if (forced === null) return "no force is recorded";
  if (forced.by !== "policy") return model.wasAsked("retire", rotation.id) ? undefined : "nobody asked for that";
  if (rotation.policy.onDeadline !== "retire") {
    const problem = planProblem(rotation);
    if (problem !== undefined) return problem;
  }
  const early = (rotation.overlapEndsAt ?? Infinity) - model.time.at;
  return early > model.clockErrorMs ? `${Math.round(early)} ms before the deadline` : undefined;
}

function about(what: string, problem: string | undefined): string | undefined {
  return problem === undefined ? undefined : `${what}: ${problem}`;
}

export function wasUsed(past: KeyPast, version: number): boolean {
  return past.uses.some((use) => use.version === version && use.accepted);
}

/** How old what a process read may be when it commits: its stops, and the database's delays. */
export function slackOf(model: Model, process: Process): number {
  const stopped =
    model.time.at - process.stoppedUntil < 2 * model.lateMs + 1_000 ? process.stoppedUntil - process.stoppedAt : 0;
  return model.lateMs + model.clockErrorMs + stopped;
}
