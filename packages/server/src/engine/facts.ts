/** What the engine looks at before it asks core, and when it is worth looking again. Pure but for `gatherFacts`. */
import { decide, gates, type Key, type QuietVerdict, type Rotation, type RotationEvent } from "@keyover/core";
import type { Evidence } from "../evidence/evidence.ts";
import type { Fleet, FleetMember } from "../feed/fleet.ts";
import type { Store } from "../store/store.ts";

export interface Facts {
  key: Key;
  /** While the successor propagates: verifiers that may answer and do not hold the key's newest record. */
  laggards: FleetMember[];
  /** The successor was used. */
  used: boolean;
  quiet: QuietVerdict;
}

export async function gatherFacts(
  { store, fleet, evidence }: { store: Store; fleet: Fleet; evidence: Evidence },
  key: Key,
  rotation: Rotation,
): Promise<Facts> {
  const seq = (await store.recordOfKey(key.id))?.seq ?? 0;
  // Read after the number: a verifier that registered before that commit is in the view, and one that came later has the entry.
  const laggards = rotation.phase === "propagating" ? (await fleet.view(key.apiId)).laggards(seq) : [];
  return {
    key,
    laggards,
    used: rotation.usedAt !== null || (await evidence.used(key.id, rotation.to)),
    quiet: await evidence.quiet(key, rotation),
  };
}

/** The first event that the facts call for and that would change something. */
export function nextEvent(rotation: Rotation, facts: Facts, now: number): RotationEvent | undefined {
  const events: RotationEvent[] = [];
  if (facts.key.status === "revoked") events.push({ type: "abandon" });
  events.push({ type: "begin" });
  if (facts.used) events.push({ type: "used" });
  if (rotation.phase === "propagating" && facts.laggards.length === 0) events.push({ type: "acknowledged" });
  events.push({ type: "assessed", evidence: facts.quiet });
  return events.find((event) => {
    const decision = decide(rotation, event, now);
    return decision.ok && decision.next !== rotation;
  });
}

/** Looks again at the earliest after this, so that nothing spins. */
const SOONEST_MS = 200;
/** And at the latest after this, whatever was forgotten. */
const LATEST_MS = 60_000;

/** A bell that another process rang may be lost; a successor that everybody holds should not wait for long. */
const PROPAGATING_LOOK_MS = 1_000;

/**
 * When something could have changed by the passing of time alone. Everything else wakes the rotation; `shared`: unless another
 * process heard of it and its bell was lost.
 */
export function nextLook(rotation: Rotation, facts: Facts, now: number, shared: boolean): number {
  const times: number[] = [];
  switch (rotation.phase) {
    case "planned":
      times.push(rotation.startsAt);
      break;
    case "propagating":
      times.push(...facts.laggards.map((laggard) => laggard.answersUntil));
      if (shared) times.push(now + PROPAGATING_LOOK_MS);
      break;
    case "offered":
    case "overlapping":
      times.push(
        ...gates(rotation, facts.quiet, now).flatMap((gate) => (gate.earliestAt === null ? [] : [gate.earliestAt])),
      );
      times.push(rotation.overlapEndsAt ?? now, (rotation.offeredAt ?? now) + rotation.policy.claimMs);
      break;
    case "retired":
      times.push(
        (rotation.retiredAt ?? now) + rotation.policy.rollbackMs,
        (rotation.offeredAt ?? now) + rotation.policy.claimMs,
      );
      break;
    case "rolled-back":
      times.push(facts.quiet.quietAt);
      break;
    default:
      break;
  }
  // A time that is past and changed nothing waits for the watermark, which moves about once a second.
  const late = times.some((time) => time <= now && time > now - 10 * LATEST_MS);
  const next = Math.min(...times.filter((time) => time > now), now + LATEST_MS);
  return Math.max(now + SOONEST_MS, late ? Math.min(next, now + SOONEST_MS) : next);
}
