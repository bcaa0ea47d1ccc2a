/**
 * What a rotation that stands still tells people: that its deadline comes nearer, that it has passed, and, when it is stuck, what it waits for
 * (L2); after the retirement, that the old version is still tried. Pure. The same is drafted at each look; `dedupe` lets it through once, for
 * each deadline anew if that is moved.
 */
import {
  deadlinePassed,
  defaultRotationPolicy,
  gates,
  nextBrownout,
  type QuietVerdict,
  type Refused,
  type Rotation,
} from "@keyover/core";
import type { NoticeDraft } from "../store/notice-entities.ts";

/** A verifier that is restarted is back within seconds; people are told of one that is not. */
const LAGGING_MS = 300_000;
/** So long after the deadline nobody has done anything about it. */
const STUCK_MS = 86_400_000;

export interface StandingFacts {
  laggards: readonly { instance: string; boot: string }[];
  quiet: QuietVerdict;
  /** After the retirement: refused uses of the old version. */
  refused?: Refused | undefined;
}

export function standingNotices(
  rotation: Rotation,
  consumerId: string,
  facts: StandingFacts,
  now: number,
): NoticeDraft[] {
  if (rotation.endedAt !== null || rotation.paused != null) return [];
  const { id, keyId, apiId } = rotation;
  const draft: Draft = (event, dedupe, details) => ({
    event,
    at: now,
    keyId,
    rotationId: id,
    consumerId,
    apiId,
    details: { from: rotation.from, to: rotation.to, ...details },
    dedupe: `${event} ${id} ${dedupe}`,
  });
  if (rotation.phase === "propagating" && facts.laggards.length > 0 && now >= startedAt(rotation) + LAGGING_MS) {
    const names = facts.laggards.map(({ instance, boot }) => `verifier ${instance} (${boot})`);
    const details = { why: "verifiers", waitsFor: names, since: startedAt(rotation) };
    return [draft("rotation.stuck", "verifiers", details)];
  }
  if (rotation.phase === "retired") return refusedNotices(rotation, facts, draft);
  const { overlapEndsAt } = rotation;
  if (!isOpen(rotation) || overlapEndsAt === null) return [];
  if (deadlinePassed(rotation, now)) {
    const since = heldSince(rotation, overlapEndsAt);
    if (since === undefined) return [];
    const waitsFor = gates(rotation, facts.quiet, now).flatMap(({ name, met }) => (met ? [] : [gateText(name, facts)]));
    const event = now >= since + STUCK_MS ? "rotation.stuck" : "rotation.deadline";
    const brownouts = rotation.brownouts?.stopped?.reason;
    return [draft(event, `deadline ${since}`, { why: "deadline", waitsFor, since: overlapEndsAt, brownouts })];
  }
  // Of several that were missed the nearest is enough.
  const step = stepsOf(rotation).findLast((each) => each <= now);
  return step === undefined
    ? []
    : [draft("rotation.reminder", String(step), { leftMs: overlapEndsAt - now, deadline: overlapEndsAt })];
}

/** The deadline; or when the brownouts after it came to an end, one way or another. Undefined: some are still to come. */
function heldSince(rotation: Rotation, deadline: number): number | undefined {
  if (nextBrownout(rotation) !== undefined) return undefined;
  const { slots = [], stopped = null } = rotation.brownouts ?? {};
  return Math.max(deadline, stopped?.at ?? 0, ...slots.map(({ endedAt }) => endedAt ?? 0));
}

type Draft = (event: NoticeDraft["event"], dedupe: string, details: Record<string, unknown>) => NoticeDraft;

/** Once, and again when it has grown to ten, to a hundred, and so on. */
function refusedNotices({ retiredAt }: Rotation, { refused }: StandingFacts, draft: Draft): NoticeDraft[] {
  if (refused === undefined || refused.known === 0 || retiredAt === null) return [];
  const sources = refused.sources.filter(({ known }) => known).length;
  const details = { count: refused.known, sources, since: retiredAt };
  return [draft("key.refused-uses", `${retiredAt} ${Math.floor(Math.log10(refused.known))}`, details)];
}

/** When there is something to tell again, by the passing of time alone. */
export function nextStandingNotice(rotation: Rotation, now: number): number {
  if (rotation.phase === "propagating") return startedAt(rotation) + LAGGING_MS;
  if (!isOpen(rotation) || rotation.overlapEndsAt === null) return Number.POSITIVE_INFINITY;
  const stuckAt = (heldSince(rotation, rotation.overlapEndsAt) ?? Number.POSITIVE_INFINITY) + STUCK_MS;
  return [...stepsOf(rotation), stuckAt].find((each) => each > now) ?? Number.POSITIVE_INFINITY;
}

function isOpen({ phase }: Rotation): boolean {
  return phase === "offered" || phase === "overlapping";
}

function startedAt({ createdAt, startsAt }: Rotation): number {
  return Math.max(createdAt, startsAt);
}

/** In order of time. A step that lies before the offer would remind somebody who has just been told. */
function stepsOf({ offeredAt, overlapEndsAt, policy }: Rotation): number[] {
  if (offeredAt === null || overlapEndsAt === null) return [];
  // A rotation that began under a program before has no steps.
  const remindMs: number[] | undefined = policy.remindMs;
  return (remindMs ?? defaultRotationPolicy.remindMs)
    .map((before) => overlapEndsAt - before)
    .filter((at) => at > offeredAt)
    .sort((a, b) => a - b);
}

function gateText(name: ReturnType<typeof gates>[number]["name"], { quiet }: StandingFacts): string {
  if (name === "minimum-overlap") return "the minimum overlap";
  if (name === "successor-used") return "the first use of the successor";
  const loud = quiet.sources.filter((source) => !source.quiet).slice(0, 3);
  const names = loud.map(({ source }) => [source.network, source.client, source.instance].filter(Boolean).join(" "));
  return `silence of the old version${names.length === 0 ? "" : ` (${names.join(", ")})`}`;
}
