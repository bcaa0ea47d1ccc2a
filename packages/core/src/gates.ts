/** What a rotation waits for. */
import type { QuietVerdict } from "./evidence.ts";
import type { Rotation } from "./rotation.ts";

/**
 * The question that `assessed` answers: is this version quiet, counting silence from then at the earliest? Undefined where no
 * answer would change anything. An answer to another question (computed before a rollback, say) counts as "not quiet" (I13).
 * Silence before the offer proves nothing: a source that was seen once has no usual gap yet, so the policy's minimum counts from
 * the offer on; after a rollback, from the rollback.
 */
export function quietQuestion(rotation: Rotation): { version: number; countsFrom: number } | undefined {
  if (rotation.endedAt !== null) return undefined;
  const { phase, from, to } = rotation;
  if (phase === "offered" || phase === "overlapping")
    return { version: from, countsFrom: rotation.offeredAt as number };
  return phase === "rolled-back" ? { version: to, countsFrom: rotation.rolledBackAt as number } : undefined;
}

export function isQuiet(rotation: Rotation, evidence: QuietVerdict): boolean {
  const question = quietQuestion(rotation);
  if (question === undefined) return false;
  return evidence.quiet && evidence.version === question.version && evidence.countsFrom >= question.countsFrom;
}

export interface Gate {
  name: "minimum-overlap" | "successor-used" | "old-version-quiet";
  met: boolean;
  /** When it can be met at the earliest; null where that is up to the consumer, or it is met. */
  earliestAt: number | null;
  /**
   * Who could meet it: the consumer by using the successor, verifiers by reporting, an operator by restoring the key, or time
   * alone. Null: it is met.
   */
  waitsFor: "time" | "consumer" | "verifiers" | "operator" | null;
}

/**
 * What `overlapping → retired` waits for (I3). A killed version is refused already: nothing is left to wait for but the
 * successor's use, and not even that.
 */
export function gates(rotation: Rotation, evidence: QuietVerdict, now: number): Gate[] {
  const killed = rotation.fromRefusedAt !== null;
  const minimumAt = rotation.offeredAt === null ? null : rotation.offeredAt + rotation.policy.overlapMinMs;
  const minimum = killed || (minimumAt !== null && now >= minimumAt);
  const quiet = killed || isQuiet(rotation, evidence);
  const used = killed || rotation.usedAt !== null;
  return [
    open("minimum-overlap", minimum, minimumAt, "time"),
    open("successor-used", used, null, "consumer"),
    open("old-version-quiet", quiet, evidence.quietAt, quietWaitsFor(evidence, now)),
  ];
}

function open(name: Gate["name"], met: boolean, earliestAt: number | null, waitsFor: Gate["waitsFor"]): Gate {
  return met ? { name, met, earliestAt: null, waitsFor: null } : { name, met, earliestAt, waitsFor };
}

function quietWaitsFor({ quietAt, watermark, sources }: QuietVerdict, now: number): Gate["waitsFor"] {
  // Silent for long enough, and yet not quiet: the key is suspended or has expired, and nobody could use it.
  if (watermark >= quietAt) return "operator";
  if (now >= quietAt && watermark < quietAt) return "verifiers";
  return sources.some(({ quiet, moved }) => !quiet && !moved) ? "consumer" : "time";
}

export function deadlinePassed(rotation: Rotation, now: number): boolean {
  return rotation.overlapEndsAt !== null && now >= rotation.overlapEndsAt;
}

/**
 * After this the sealed successor can't be claimed any more. Counted from the offer; one that a restored database took back on its way, and
 * an operator rolled back before it was offered again, from the rollback.
 */
export function claimEndsAt({ offeredAt, rolledBackAt, createdAt, policy, pausedMs }: Rotation): number {
  return (offeredAt ?? rolledBackAt ?? createdAt) + policy.claimMs + pausedMs;
}
