/** What a move of a rotation is called in the audit log, and what people hear of it: read off the difference between before and after. Pure. */
import { type BrownoutSlot, isFenced, limits, type Rotation, type RotationEvent } from "@keyover/core";
import type { NoticeEvent } from "../store/notice-entities.ts";

interface Change {
  /** Of the audit log. */
  action: string;
  details: Record<string, unknown>;
  notice?: NoticeEvent | undefined;
}

/** The audit action: the phase that was entered, or what happened within one. */
export function actionOf(before: Rotation, after: Rotation, event: RotationEvent): string {
  if (before.phase !== after.phase) return `rotation.${after.phase}`;
  if (before.endedAt === null && after.endedAt !== null) return "rotation.ended";
  if (event.type !== "assessed" && event.type !== "browned" && event.type !== "fence") return `rotation.${event.type}`;
  const [change] = subChanges(before, after);
  return change === undefined ? `rotation.${event.type}` : `rotation.${change.action}`;
}

/** The same in numbers. */
export function detailsOf(before: Rotation, after: Rotation, event: RotationEvent): Record<string, unknown> {
  if (event.type === "refused") return { cause: event.type, refusals: event.refusals, sources: event.sources };
  const notes = event.type === "fence" && event.notes.length > 0 ? { notes: event.notes } : {};
  return Object.assign(notes, ...subChanges(before, after).map(({ details }) => details));
}

export interface MoveNotice {
  event: NoticeEvent;
  details: Record<string, unknown>;
}

export function noticesOf(before: Rotation, after: Rotation): MoveNotice[] {
  const { from, to, reason } = after;
  const about = { from, to, reason };
  const notices: MoveNotice[] = [];
  const news = (of: "offeredAt" | "retiredAt" | "rolledBackAt") => before[of] === null && after[of] !== null;
  const tell = (event: NoticeEvent, more: Record<string, unknown> = {}) =>
    notices.push({ event, details: { ...about, ...more } });
  if (news("offeredAt")) tell("rotation.offered");
  if (news("retiredAt")) tell("rotation.retired", after.forced === null ? {} : { forced: after.forced.reason });
  if (news("rolledBackAt")) tell("rotation.rolled-back", { why: after.rollbackReason });
  if (before.phase !== "completed" && after.phase === "completed") tell("rotation.completed");
  for (const { notice, details } of subChanges(before, after)) if (notice !== undefined) tell(notice, details);
  return notices;
}

/** Of the fence and the brownouts; what ended first. */
function subChanges(before: Rotation, after: Rotation): Change[] {
  return [
    ...endedBrownouts(before, after),
    ...begunBrownouts(before, after),
    ...announced(before, after),
    ...fences(before, after),
  ];
}

function slotsOf({ brownouts }: Rotation): readonly BrownoutSlot[] {
  return brownouts?.slots ?? [];
}

function endedBrownouts(before: Rotation, after: Rotation): Change[] {
  const stopped = after.brownouts?.stopped;
  const why = stopped === before.brownouts?.stopped ? undefined : stopped?.reason;
  return slotsOf(before).flatMap((slot): Change[] => {
    if (slot.endedAt !== null) return [];
    const now = slotsOf(after).find(({ from, by }) => from === slot.from && by === slot.by);
    const details = { at: slot.from, until: slot.until };
    if (slot.begunAt === null)
      return now !== undefined && now.endedAt !== null ? [{ action: "brownout-missed", details }] : [];
    if (now !== undefined && now.endedAt === null) return [];
    const early = now === undefined || (now.endedAt ?? 0) < slot.until;
    return [{ action: "brownout-ended", notice: "brownout.ended", details: { ...details, early, why } }];
  });
}

function begunBrownouts(before: Rotation, after: Rotation): Change[] {
  const running = (rotation: Rotation) =>
    slotsOf(rotation).find(({ begunAt, endedAt }) => begunAt !== null && endedAt === null);
  const begun = running(after);
  if (begun === undefined || running(before)?.from === begun.from) return [];
  const details = { at: begun.from, until: begun.until, by: begun.by };
  return [{ action: "brownout-begun", notice: "brownout.begun", details }];
}

function announced(before: Rotation, after: Rotation): Change[] {
  const at = after.brownouts?.announcedAt ?? null;
  if (at === null || at === before.brownouts?.announcedAt) return [];
  const slots = slotsOf(after)
    .filter(({ endedAt, begunAt }) => endedAt === null && begunAt === null)
    .map(({ from, until }) => ({ at: from, forMs: until - from }));
  const [first] = slots;
  if (first === undefined)
    return [{ action: "brownouts-impossible", details: { why: after.brownouts?.stopped?.reason } }];
  return [{ action: "brownouts-announced", notice: "brownout.announced", details: { ...first, slots } }];
}

function fences(before: Rotation, after: Rotation): Change[] {
  const { fenced } = after;
  if (fenced !== null && before.fenced === null) {
    const notice = limits(fenced.fence) ? "fence.applied" : undefined;
    return [{ action: "fenced", notice, details: { fence: fenced.fence } }];
  }
  if (!isFenced(before) || isFenced(after) || after.fromCompromised) return [];
  return [{ action: "fence-lifted", notice: "fence.lifted", details: { why: fenced?.lifted?.reason } }];
}
