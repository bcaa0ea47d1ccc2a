/**
 * What the rotation tests share: rotations brought to a phase by `decide` itself, and a small model of the server that
 * carries out effects on versions.
 */

import { decide } from "./decide.ts";
import type { QuietVerdict } from "./evidence.ts";
import { quietQuestion } from "./gates.ts";
import { type Fence, isAccepted, type VersionState } from "./key.ts";
import type { RotationPolicy } from "./policy.ts";
import { type Decision, type Effect, planRotation, type Rotation, type RotationEvent } from "./rotation.ts";

export const START = 1_000_000;

export const testPolicy: RotationPolicy = {
  overlapMinMs: 10,
  overlapMs: 100,
  quietMs: 5,
  gapMargin: 1.5,
  youngQuietMs: 0,
  onDeadline: "hold",
  rollbackMs: 50,
  claimMs: 400,
  claim: "token",
  overlapMaxMs: 366 * 86_400_000,
  consumerMayExtendMs: 90,
  remindMs: [],
  brownout: { zone: "UTC", at: "12:00", lengthsMs: [20, 40], announceMs: 50, errorBudget: 3, after: "hold" },
  fence: null,
  automaticRollback: null,
};

type Start = Parameters<typeof planRotation>[0];

export function planned(change: Partial<Start> = {}, now = START): Rotation {
  return planRotation(
    {
      id: "rot_1",
      keyId: "key_1",
      apiId: "api_1",
      from: 1,
      to: 2,
      policy: testPolicy,
      reason: "schedule",
      startedBy: "ana",
      origin: "authority",
      ...change,
    },
    now,
  );
}

/** What the engine would hand over if this were the evidence: an answer to the rotation's own question. */
export function evidenceFor(rotation: Rotation, quiet: boolean, now: number): QuietVerdict {
  const question = quietQuestion(rotation) ?? { version: rotation.from, countsFrom: now };
  return { quiet, ...question, watermark: now, quietAt: question.countsFrom + rotation.policy.quietMs, sources: [] };
}

export const harmless: Fence = { scopes: ["market:read"], networks: ["203.0.113.0/24"] };

/** Events by a short name; what is left open is filled in from the rotation and the time. */
const events = {
  begin: () => ({ type: "begin" }),
  acknowledged: () => ({ type: "acknowledged" }),
  used: () => ({ type: "used" }),
  noise: (rotation, now) => ({ type: "assessed", evidence: evidenceFor(rotation, false, now) }),
  quiet: (rotation, now) => ({ type: "assessed", evidence: evidenceFor(rotation, true, now) }),
  claim: () => ({ type: "claim" }),
  confirm: () => ({ type: "confirm" }),
  extend: (_rotation, now) => ({ type: "move-deadline", overlapEndsAt: now + 60 }),
  extendOwn: () => ({ type: "extend", byMs: 60 }),
  pause: () => ({ type: "pause", by: "ana", reason: "wait" }),
  resume: () => ({ type: "resume" }),
  retire: () => ({ type: "retire", by: "ana", reason: "late" }),
  rollback: () => ({ type: "rollback", reason: "broken" }),
  cancel: () => ({ type: "cancel" }),
  kill: () => ({ type: "compromise", version: "from", mode: "kill", by: "ana", reason: "leaked" }),
  contain: () => ({
    type: "compromise",
    version: "from",
    mode: "contain",
    fence: harmless,
    by: "ana",
    reason: "leaked",
  }),
  killSuccessor: () => ({ type: "compromise", version: "to", mode: "kill", by: "ana", reason: "leaked" }),
  containSuccessor: () => ({
    type: "compromise",
    version: "to",
    mode: "contain",
    fence: harmless,
    by: "ana",
    reason: "leaked",
  }),
  fence: () => ({ type: "fence", fence: harmless, notes: [] }),
  emptyFence: () => ({ type: "fence", fence: {}, notes: ["nothing to limit"] }),
  browned: () => ({ type: "browned", refusals: 4 }),
  refused: () => ({ type: "refused", refusals: 5, sources: 2, lastAt: null }),
  fewRefused: () => ({ type: "refused", refusals: 4, sources: 2, lastAt: null }),
  refusedByOne: () => ({ type: "refused", refusals: 500, sources: 1, lastAt: null }),
  refusedAgain: (_rotation, now) => ({ type: "refused", refusals: 500, sources: 5, lastAt: now - 999 }),
  brownout: () => ({ type: "brownout", forMs: 20, by: "ana", reason: "rehearsal" }),
  endBrownout: () => ({ type: "end-brownout", by: "ana", reason: "enough" }),
  liftFence: () => ({ type: "lift-fence", by: "ana", reason: "too narrow" }),
  abandon: () => ({ type: "abandon" }),
} as const satisfies Record<string, (rotation: Rotation, now: number) => RotationEvent>;

export type EventName = keyof typeof events;

export function eventNamed(name: EventName, rotation: Rotation, now: number): RotationEvent {
  const make: (rotation: Rotation, now: number) => RotationEvent = events[name];
  return make(rotation, now);
}

export interface Sample {
  rotation: Rotation;
  now: number;
}

/** A rotation after these events, one millisecond apart; a number waits. Every one of them must be taken. */
export function reach(start: Rotation, ...steps: (EventName | number)[]): Sample {
  let rotation = start;
  let now = START;
  for (const step of steps) {
    if (typeof step === "number") {
      now += step;
      continue;
    }
    now += 1;
    const decision = decide(rotation, eventNamed(step, rotation, now), now);
    if (!decision.ok) throw new Error(`${step} in ${rotation.phase}: ${decision.code}`);
    rotation = decision.next;
  }
  return { rotation, now };
}

/** `from retired`, `current to`, `replace from`: effects as a person reads them. */
export function spoken(effect: Effect, rotation: Rotation): string {
  const name = effect.version === rotation.from ? "from" : effect.version === rotation.to ? "to" : `${effect.version}`;
  switch (effect.do) {
    case "create-successor":
      return `create ${name}`;
    case "set-state":
      return `${name} ${effect.state}`;
    case "set-current":
      return `current ${name}`;
    case "mark-compromised":
      return `mark ${name}`;
    case "set-fence":
      return `${effect.fence === null ? "unfence" : "fence"} ${name}`;
    case "set-brownout":
      return effect.until === null ? `${name} accepted` : `${name} out until ${effect.until}`;
    case "erase-sealed":
      return `erase ${name}`;
    case "replace":
      return `replace ${name}`;
  }
}

interface ModelVersion {
  state: VersionState;
  compromised: boolean;
  fence: Fence | null;
  brownoutUntil: number | null;
  sealed: boolean;
}

/** One key in the server: its versions, its current version and its rotations. Effects are carried out as in a commit. */
export class KeyModel {
  readonly versions = new Map<number, ModelVersion>([
    [1, { state: "active", compromised: false, fence: null, brownoutUntil: null, sealed: false }],
  ]);
  /** How often each rotation made a successor. */
  readonly created = new Map<string, number>();
  readonly ended = new Map<string, Rotation>();
  current = 1;
  now: number = START;
  rotation: Rotation;
  #nextVersion = 3;
  #rotations = 1;

  constructor(change: Partial<Start> = {}) {
    this.rotation = frozen(planned(change));
  }

  accepted(): number[] {
    return [...this.versions].filter(([, version]) => isAccepted(version.state)).map(([number]) => number);
  }

  version(number: number): ModelVersion {
    const version = this.versions.get(number);
    if (version === undefined) throw new Error(`an effect names version ${number}, which does not exist`);
    return version;
  }

  /** Decides on the running rotation, and commits. */
  take(event: RotationEvent): Decision {
    const decision = decide(this.rotation, event, this.now);
    if (!decision.ok) return decision;
    const { origin, policy } = this.rotation;
    this.rotation = frozen(decision.next);
    for (const effect of decision.effects) this.#carryOut(effect, { origin, policy });
    return decision;
  }

  /** A new rotation of the key, as an operator starts one when the last has ended. */
  startNext(change: Partial<Start> = {}): void {
    const from = this.version(this.current);
    this.ended.set(this.rotation.id, this.rotation);
    this.#rotations += 1;
    this.rotation = frozen(
      planned(
        {
          id: `rot_${this.#rotations}`,
          from: this.current,
          to: this.#nextVersion++,
          policy: this.rotation.policy,
          fromCompromised: from.compromised,
          fromRefused: !isAccepted(from.state),
          ...change,
        },
        this.now,
      ),
    );
  }

  #carryOut(effect: Effect, start: Partial<Start>): void {
    if (effect.do === "create-successor") {
      if (this.versions.has(effect.version)) throw new Error(`version ${effect.version} is made a second time`);
      const sealed = start.origin === "authority";
      const fresh = { compromised: false, fence: null, brownoutUntil: null };
      this.versions.set(effect.version, { state: "pending", ...fresh, sealed });
      this.created.set(this.rotation.id, (this.created.get(this.rotation.id) ?? 0) + 1);
      return;
    }
    if (effect.do === "replace") {
      if (this.rotation.endedAt === null) throw new Error("a running rotation is replaced");
      if (this.current !== effect.version) throw new Error("the version to replace is not the current one");
      this.startNext({ ...start, origin: "authority", reason: effect.reason });
      return;
    }
    const version = this.version(effect.version);
    if (effect.do === "erase-sealed") version.sealed = false;
    if (effect.do === "mark-compromised") version.compromised = true;
    if (effect.do === "set-fence") version.fence = effect.fence;
    if (effect.do === "set-brownout") version.brownoutUntil = effect.until;
    if (effect.do === "set-current") this.current = effect.version;
    if (effect.do === "set-state") {
      if (version.state === "destroyed")
        throw new Error(`version ${effect.version} is destroyed; it can't become ${effect.state}`);
      version.state = effect.state;
    }
  }
}

/** Decisions must not change what they are given. */
function frozen(rotation: Rotation): Rotation {
  return Object.freeze(rotation);
}
