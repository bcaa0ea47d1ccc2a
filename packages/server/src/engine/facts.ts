/** What the engine looks at before it asks core, and when it is worth looking again. Pure but for `gatherFacts`. */
import { decide, gates, type Key, type QuietVerdict, type Rotation, type RotationEvent } from "@keyover/core";
import type { Evidence } from "../evidence/evidence.ts";
import type { Fleet, FleetMember } from "../feed/fleet.ts";
import type { Store } from "../store/store.ts";
import { nextStandingNotice } from "./reminders.ts";

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
  const [laggards, used, quiet] = await Promise.all([
    rotation.phase === "propagating" ? laggardsOf(store, fleet, key) : [],
    rotation.usedAt !== null || evidence.used(rotation),
    evidence.quiet(key, rotation),
  ]);
  return { key, laggards, used, quiet };
}

async function laggardsOf(store: Store, fleet: Fleet, key: Key): Promise<FleetMember[]> {
  const seq = (await store.recordOfKey(key.id))?.seq ?? 0;
  // Read after the number: a verifier that registered before that commit is in the view, and one that came later has the entry.
  return (await fleet.view(key.apiId)).laggards(seq);
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
  const claimEnd = (rotation.offeredAt ?? now) + rotation.policy.claimMs + rotation.pausedMs;
  switch (rotation.phase) {
    case "planned":
      times.push(rotation.startsAt);
      break;
    case "propagating":
      times.push(...facts.laggards.map((laggard) => laggard.answersUntil));
      if (shared) times.push(now + PROPAGATING_LOOK_MS);
      break;
    case "overlapping":
      for (const { name, earliestAt } of gates(rotation, facts.quiet, now)) {
        if (name === "old-version-quiet") times.push(seenQuietAt(facts.quiet, now));
        else if (earliestAt !== null) times.push(earliestAt);
      }
      times.push(rotation.overlapEndsAt ?? now, claimEnd);
      break;
    case "offered":
      times.push(rotation.overlapEndsAt ?? now, claimEnd);
      break;
    case "retired":
      times.push((rotation.retiredAt ?? now) + rotation.policy.rollbackMs, claimEnd);
      break;
    case "rolled-back":
      times.push(seenQuietAt(facts.quiet, now), claimEnd);
      break;
    default:
      break;
  }
  times.push(nextStandingNotice(rotation, now));
  // What is past and changed nothing waits for something else.
  const next = Math.min(...times.filter((time) => time > now), now + LATEST_MS);
  return Math.max(now + SOONEST_MS, next);
}

/**
 * When the watermark will have reached the moment of quiet, if it goes on moving as it does. It lags by the second or so between two reports, and
 * by more where a verifier is cut off: then there is no hurry.
 */
function seenQuietAt({ quiet, quietAt, watermark }: QuietVerdict, now: number): number {
  if (quiet) return Number.POSITIVE_INFINITY;
  return now + Math.max(quietAt - watermark, (now - watermark) / 4);
}
