/**
 * What becomes of a key's rotation when verifiers remember more than the backup does. Pure.
 *
 *     verifiers show one running ──▶ it is taken up again under its id, in the phase that they show
 *     a successor without one    ──▶ a rotation that was still propagating: the one in the backup, or one made for it
 *     none                       ──▶ the one in the backup has ended since; one that is planned for later stays
 *
 * What a record does not say is taken so that nobody is refused for it: the successor may be in its consumer's hands; whether it was used
 * has to be seen again. A secret that was made after the backup can't be handed out any more, so such a rotation waits at its deadline,
 * whatever its policy says.
 */
import {
  isAccepted,
  type KeyRecord,
  limits,
  type Phase,
  POLICY,
  planRotation,
  type Rotation,
  type RotationPolicy,
  type RotationRecord,
  type VersionRecord,
} from "@keyover/core";

export interface AgainTools {
  now: number;
  apiId: string;
  /** In force for a rotation of this key that starts now. */
  policy: RotationPolicy;
  actor: string;
  /** For a rotation whose id nobody knows. */
  newId: () => string;
}

export interface RotationsAfter {
  /** That runs from now on. */
  running: Rotation | undefined;
  /** The backup's, if it has ended. */
  ended: Rotation | undefined;
}

/** `local`: the backup's running rotation. `secretOf`: what the backup has of a version of the record. */
export function rotationsAfter(
  record: KeyRecord,
  local: Rotation | undefined,
  secretOf: (version: number) => SecretHere,
  tools: AgainTools,
): RotationsAfter {
  const endLocal = (rotation: Rotation) => endOf(record, rotation, secretOf(rotation.to), tools.now);
  const shown = shownRotation(record, local, secretOf, tools);
  if (shown !== undefined) {
    const same = local?.id === shown.id ? local : undefined;
    const running = takenUp(record, shown, same, secretOf(shown.to), tools);
    return { running, ended: local === undefined || same !== undefined ? undefined : endLocal(local) };
  }
  if (local === undefined) return { running: undefined, ended: undefined };
  if (isStillPlanned(record, local, tools.now)) return { running: local, ended: undefined };
  return { running: undefined, ended: endLocal(local) };
}

/** As before its offer. */
export function onItsWay(rotation: Rotation): Rotation {
  return { ...rotation, phase: "propagating", offeredAt: null, overlapEndsAt: null, brownouts: null };
}

/** `unknown`: it was made after the backup, or the backup has another secret under that number. */
export type SecretHere = "sealed" | "hash" | "unknown";

const RUNNING: readonly string[] = ["offered", "overlapping", "retired", "rolled-back"] satisfies Phase[];

/** The rotation that runs at the verifiers. While it propagates its record does not name it; its successor is there. */
function shownRotation(
  record: KeyRecord,
  local: Rotation | undefined,
  secretOf: (version: number) => SecretHere,
  { newId }: AgainTools,
): RotationRecord | undefined {
  if (record.rotation !== undefined && RUNNING.includes(record.rotation.phase)) return record.rotation;
  const pending = record.versions.find(({ state, number }) => state === "pending" && number !== record.current);
  if (pending === undefined) return undefined;
  const known = local?.to === pending.number && secretOf(pending.number) !== "unknown" ? local.id : undefined;
  return { id: known ?? newId(), phase: "propagating", from: record.current, to: pending.number };
}

/** A kill that verifiers have not heard of is upheld anew, in the phase that they show: after a rollback it has more to do than before. */
function refusedAt(
  { fromRefusedAt }: Rotation,
  phase: Phase,
  old: VersionRecord | undefined,
  now: number,
): number | null {
  if (old !== undefined && isAccepted(old.state)) return null;
  const killed = old?.compromised === true && phase !== "retired";
  return killed ? (fromRefusedAt ?? old.retiredAt ?? now) : fromRefusedAt;
}

function takenUp(
  record: KeyRecord,
  shown: RotationRecord,
  local: Rotation | undefined,
  secret: SecretHere,
  tools: AgainTools,
): Rotation {
  const { now, apiId, policy, actor } = tools;
  const { id, from, to, phase } = shown;
  const base =
    local ??
    planRotation(
      {
        id,
        keyId: record.key,
        apiId,
        from,
        to,
        policy,
        reason: "taken up again after a restore",
        startedBy: actor,
        origin: "authority",
      },
      now,
    );
  const old = record.versions.find(({ number }) => number === from);
  const refused = old?.compromised === true && !isAccepted(old.state);
  const beyondOffer = phase === "overlapping" || phase === "retired" || phase === "rolled-back";
  const since = shown.since ?? now;
  return {
    ...base,
    ...timesOf(base, shown, since, old, now),
    phase,
    from,
    to,
    policy: secret !== "unknown" || beyondOffer ? base.policy : { ...base.policy, onDeadline: "hold" },
    // Its consumer may have handed it in, and use it already.
    origin: secret === "unknown" && phase === "propagating" ? "consumer" : base.origin,
    ...limitsOf(base, shown, old, tools),
    claimedAt: secret === "sealed" && phase === "propagating" ? base.claimedAt : (base.claimedAt ?? now),
    claimEndedAt: secret === "sealed" ? base.claimEndedAt : (base.claimEndedAt ?? now),
    confirmedAt: beyondOffer ? (base.confirmedAt ?? now) : base.confirmedAt,
    fromCompromised: base.fromCompromised || old?.compromised === true,
    // What forced a retirement that did not happen, by verifiers' word, forced nothing. A kill stays one.
    forced: phase === "retired" || refused || base.fromRefusedAt !== null ? base.forced : null,
    fromRefusedAt: refusedAt(base, phase, old, now),
    endedAt: null,
  };
}

type Limits = Pick<Rotation, "fenced" | "brownouts">;

/**
 * What verifiers show of the policy's fence and of brownouts counts. The record names one brownout, the next; what else was planned is lost, and
 * so a plan of which anything is not known comes to nothing but this: it holds.
 */
function limitsOf(base: Rotation, shown: RotationRecord, old: VersionRecord | undefined, tools: AgainTools): Limits {
  const open = shown.phase === "offered" || shown.phase === "overlapping";
  return { fenced: fencedAgain(base, old, tools), brownouts: open ? brownoutsAgain(base, shown, old, tools) : null };
}

/** Of a version in wrong hands the fence is an emergency's. */
function fencedAgain({ fenced }: Rotation, old: VersionRecord | undefined, { now, actor }: AgainTools) {
  if (old === undefined || old.compromised) return null;
  const { fence } = old;
  if (fence !== undefined) return { at: fenced?.at ?? now, fence, lifted: null };
  if (fenced === null || fenced.lifted !== null || !limits(fenced.fence)) return fenced;
  return { ...fenced, lifted: { at: now, by: actor, reason: "verifiers know of no fence" } };
}

function brownoutsAgain(
  { brownouts }: Rotation,
  { brownout }: RotationRecord,
  old: VersionRecord | undefined,
  { now, actor }: AgainTools,
): Rotation["brownouts"] {
  const slots = brownouts?.slots ?? [];
  const known = slots.some((slot) => slot.from === brownout?.from && slot.until === brownout.until);
  const unfinished = slots.some(({ endedAt }) => endedAt === null);
  if (known || (brownout === undefined && !unfinished)) return brownouts;
  const past = slots.filter(({ endedAt }) => endedAt !== null);
  const stopped = { at: now, by: actor, reason: "what else was planned is not known after a restore" };
  if (brownout === undefined) return { announcedAt: brownouts?.announcedAt ?? now, slots: past, stopped };
  const begunAt = old?.brownoutUntil === brownout.until ? brownout.from : null;
  const slot = { from: brownout.from, until: brownout.until, by: POLICY, begunAt, endedAt: null };
  return { announcedAt: Math.min(now, brownout.from), slots: [...past, slot], stopped };
}

type Times = Pick<
  Rotation,
  "offeredAt" | "overlappingAt" | "overlapEndsAt" | "retiredAt" | "rolledBackAt" | "rollbackReason"
>;

/** `since`: the offer's time, or the rollback's. */
function timesOf(
  base: Rotation,
  shown: RotationRecord,
  since: number,
  old: VersionRecord | undefined,
  now: number,
): Times {
  const none: Times = {
    offeredAt: null,
    overlappingAt: null,
    overlapEndsAt: null,
    retiredAt: null,
    rolledBackAt: null,
    rollbackReason: null,
  };
  const endsAt = Math.max(
    shown.endsAt ?? base.overlapEndsAt ?? since + base.policy.overlapMs,
    // Of a key that was made after the backup the policy is lost; the one that is in force instead may ask for more.
    since + base.policy.overlapMinMs,
  );
  const times: Record<Phase, () => Times> = {
    planned: () => none,
    propagating: () => none,
    offered: () => ({ ...none, offeredAt: since, overlapEndsAt: endsAt }),
    overlapping: () => ({
      ...none,
      offeredAt: since,
      overlappingAt: base.overlappingAt ?? since,
      overlapEndsAt: endsAt,
    }),
    retired: () => ({
      ...none,
      offeredAt: since,
      overlappingAt: base.overlappingAt ?? since,
      overlapEndsAt: endsAt,
      retiredAt: old?.retiredAt ?? now,
    }),
    "rolled-back": () => ({
      ...none,
      offeredAt: base.offeredAt ?? since,
      overlappingAt: base.overlappingAt,
      rolledBackAt: since,
      rollbackReason: base.rollbackReason ?? "rolled back before the restore",
    }),
    completed: () => none,
    cancelled: () => none,
  };
  return times[shown.phase]();
}

/** One that is to start later has left no trace at the verifiers; one that should have started, and left none, is over. */
function isStillPlanned(record: KeyRecord, local: Rotation, now: number): boolean {
  const begun = record.current !== local.from || record.versions.some(({ number }) => number === local.to);
  return local.phase === "planned" && record.status !== "revoked" && !begun && local.startsAt > now;
}

function endOf(record: KeyRecord, local: Rotation, secret: SecretHere, now: number): Rotation {
  const phase = endPhase(record, local, secret);
  return { ...local, phase, endedAt: now, claimEndedAt: local.claimEndedAt ?? now };
}

function endPhase({ current, versions }: KeyRecord, local: Rotation, secret: SecretHere): Phase {
  const madeLater = local.phase === "planned";
  if (current === local.to && (secret !== "unknown" || madeLater)) return "completed";
  const old = versions.find(({ number }) => number === local.from);
  if (current > local.to && (old === undefined || (old.compromised && !isAccepted(old.state)))) return "completed";
  const moved = local.phase === "overlapping" || local.phase === "retired" || local.phase === "rolled-back";
  return moved && current === local.from ? "rolled-back" : "cancelled";
}
