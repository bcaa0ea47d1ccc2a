/** What the engine looks at before it asks core, and when it is worth looking again. Pure but for `gatherFacts`. */
import {
  brownoutTimes,
  commonGrants,
  crc32,
  decide,
  fenceDueAt,
  gates,
  type Key,
  nextBrownout,
  type PlannedFence,
  planFence,
  type QuietVerdict,
  type Refused,
  type Rotation,
  type RotationEvent,
  refusedBefore,
  refusedIn,
  refusedSince,
  runningBrownout,
  type SourceUse,
} from "@keyover/core";
import type { Evidence } from "../evidence/evidence.ts";
import type { Fleet, FleetMember } from "../feed/fleet.ts";
import type { Store } from "../store/store.ts";
import { nextStandingNotice } from "./reminders.ts";

export interface Facts {
  key: Key;
  /** While the successor propagates: verifiers that may answer and do not hold the key's newest record, which is entry `needs`. */
  laggards: FleetMember[];
  needs: number;
  /** The successor was used. */
  used: boolean;
  quiet: QuietVerdict;
  /** The policy's fence, where it is due. */
  fence: PlannedFence | undefined;
  /** While a brownout runs: refused uses by sources that have not moved. */
  browned: number | undefined;
  /** Where a brownout is about to begin: what its sources had been refused before. */
  refusedBefore: Record<string, number> | undefined;
  /** After the retirement: refused uses of the old version. */
  refused: Refused | undefined;
}

export async function gatherFacts(
  { store, fleet, evidence }: { store: Store; fleet: Fleet; evidence: Evidence },
  key: Key,
  rotation: Rotation,
  now: number,
): Promise<Facts> {
  const [way, { used, quiet, uses }] = await Promise.all([
    rotation.phase === "propagating" ? wayOf(store, fleet, key) : { laggards: [], needs: 0 },
    evidence.signs(key, rotation),
  ]);
  const brownout = runningBrownout(rotation);
  const next = nextBrownout(rotation);
  const { from, retiredAt } = rotation;
  return {
    key,
    ...way,
    used: rotation.usedAt !== null || used,
    quiet,
    fence: await fenceFor(store, key, rotation, uses, now),
    browned: brownout === undefined ? undefined : refusedIn(brownout, rotation, uses),
    refusedBefore: next?.begunAt === null ? refusedBefore(rotation, uses, now) : undefined,
    refused: retiredAt === null ? undefined : refusedSince(uses, from, retiredAt),
  };
}

/** What the policy's fence comes to for the old version, once it is due. */
async function fenceFor(
  store: Store,
  key: Key,
  rotation: Rotation,
  uses: readonly SourceUse[],
  now: number,
): Promise<PlannedFence | undefined> {
  const { fence: rule } = rotation.policy;
  const dueAt = fenceDueAt(rotation);
  if (rule === null || dueAt === null || now < dueAt) return undefined;
  const [api, versions] = await Promise.all([
    store.get("api", key.apiId),
    store.list("version", { equals: { key_id: key.id } }, { limit: 10_000 }),
  ]);
  const own = versions.find(({ value }) => value.number === rotation.from)?.value.scopes ?? null;
  const grants = own === null ? key.scopes : commonGrants(key.scopes, own);
  return planFence(rule, rotation, { grants, scopes: api?.value.scopes ?? [], uses });
}

async function wayOf(store: Store, fleet: Fleet, key: Key): Promise<Pick<Facts, "laggards" | "needs">> {
  const needs = (await store.recordOfKey(key.id))?.seq ?? 0;
  // Read after the number: a verifier that registered before that commit is in the view, and one that came later has the entry.
  return { laggards: (await fleet.view(key.apiId)).laggards(needs), needs };
}

/** The first event that the facts call for and that would change something. */
export function nextEvent(rotation: Rotation, facts: Facts, now: number): RotationEvent | undefined {
  const events: RotationEvent[] = [];
  if (facts.key.status === "revoked") events.push({ type: "abandon" });
  events.push({ type: "begin" });
  if (facts.used) events.push({ type: "used" });
  if (rotation.phase === "propagating" && facts.laggards.length === 0) events.push({ type: "acknowledged" });
  if (facts.browned !== undefined) events.push({ type: "browned", refusals: facts.browned });
  if (facts.fence !== undefined) events.push({ type: "fence", ...facts.fence });
  if (facts.refused !== undefined) events.push(refusedUses(facts.refused, facts.key));
  events.push({ type: "assessed", evidence: facts.quiet, refusedBefore: facts.refusedBefore });
  return events.find((event) => {
    const decision = decide(rotation, event, now);
    return decision.ok && decision.next !== rotation;
  });
}

function refusedUses({ known, sources }: Refused, { autoRolledBackAt }: Key): RotationEvent {
  const count = sources.filter((source) => source.known).length;
  return { type: "refused", refusals: known, sources: count, lastAt: autoRolledBackAt ?? null };
}

/** Looks again at the earliest after this, so that nothing spins. */
const SOONEST_MS = 200;
/** And at the latest after this, whatever was forgotten; some sooner, so that those which began together do not stay together. */
const LATEST_MS = 60_000;

/** A bell that another process rang may be lost; a successor that everybody holds should not wait for long. */
const PROPAGATING_LOOK_MS = 1_000;

/** A brownout whose error budget is spent must not go on because a bell was lost. */
const BROWNOUT_LOOK_MS = 2_000;

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
  times.push(...brownoutTimes(rotation), fenceDueAt(rotation) ?? now);
  if (facts.browned !== undefined) times.push(now + BROWNOUT_LOOK_MS);
  times.push(nextStandingNotice(rotation, now));
  // What is past and changed nothing waits for something else.
  const latest = LATEST_MS / 2 + (crc32(`${rotation.id} ${now}`) % (LATEST_MS / 2));
  const next = Math.min(...times.filter((time) => time > now), now + latest);
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
