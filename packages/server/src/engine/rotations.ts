/**
 * What people and consumers may ask of a rotation: start, move the deadline, retire, roll back, cancel, claim, confirm, and the
 * emergency. Each reads, asks core, and commits in one step.
 */
import {
  covers,
  decide,
  type Fence,
  isAccepted,
  policyProblem,
  type Rotation,
  type RotationEvent,
  type RotationPolicyPatch,
  refusedBefore,
  type SourceUse,
  type World,
} from "@keyover/core";
import type { Custody } from "../custody/custody.ts";
import type { Secret } from "../custody/secret.ts";
import type { Evidence } from "../evidence/evidence.ts";
import type { KeyChange } from "../keys/change.ts";
import type { Command, KeyDesk } from "../keys/key-desk.ts";
import { scopesProblem } from "../keys/keys.ts";
import { actionOf } from "../keys/move-told.ts";
import { accept, type Outcome, refuse } from "../outcome.ts";
import type { Sealed } from "../store/entities.ts";
import { type Held, put, type Store } from "../store/store.ts";

export interface StartRotation {
  reason: string;
  startsAt?: number | undefined;
  /** SHA-256 (base64url) of a secret that the consumer made. */
  sha256?: string | undefined;
  /** Grants of the successor; must be covered by those of the version it follows. */
  scopes?: string[] | undefined;
  policy?: RotationPolicyPatch | undefined;
}

export interface Emergency {
  mode: "kill" | "contain";
  /** May be left out while just one version is accepted. */
  version?: number | undefined;
  reason: string;
  /** With `contain`: what the leaked version may still do. Networks default to those it was seen from. */
  fence?: Fence | undefined;
}

/** An operator's or a consumer's command to a running rotation. */
export type RotationCommand = Extract<
  RotationEvent,
  {
    type:
      | "move-deadline"
      | "retire"
      | "rollback"
      | "cancel"
      | "pause"
      | "resume"
      | "brownout"
      | "end-brownout"
      | "lift-fence";
  }
>;

export interface Claimed {
  rotation: Rotation;
  secret: Secret;
}

export interface Rotations {
  start(keyId: string, start: StartRotation, command: Command<Rotation>): Promise<Outcome<Rotation>>;
  command(rotationId: string, event: RotationCommand, command: Command<Rotation>): Promise<Outcome<Rotation>>;
  /** `holder`: who takes it, and with which version of the key if the key speaks for itself. */
  claim(rotationId: string, holder: Holder): Promise<Outcome<Claimed>>;
  confirm(rotationId: string, holder: Holder, command: Command<Rotation>): Promise<Outcome<Rotation>>;
  /** Moves the deadline later, as far as the policy lets the holder. */
  extend(rotationId: string, byMs: number, holder: Holder, command: Command<Rotation>): Promise<Outcome<Rotation>>;
  emergency(keyId: string, emergency: Emergency, command: Command<Rotation>): Promise<Outcome<Rotation>>;
}

export interface Holder {
  actor: string;
  version?: number | undefined;
}

export interface RotationsDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  custody: Custody;
  evidence: Evidence;
}

export function createRotations(deps: RotationsDeps): Rotations {
  const { store, desk, custody, evidence } = deps;

  /** Asks core about the rotation with this id, wherever it stands now, and commits what follows. */
  const decideOn = async (
    rotationId: string,
    event: RotationEvent,
    command: Command<Rotation>,
    holder?: Holder,
  ): Promise<Outcome<Rotation>> => {
    const found = await store.get("rotation", rotationId);
    if (found === undefined) return refuse("not_found", `there is no rotation ${rotationId}`);
    if (found.value.endedAt !== null) {
      const decision = decide(found.value, event, deps.world.clock.now());
      return decision.ok ? accept(decision.next) : refuse(decision.code, decision.detail);
    }
    return desk.change(found.value.keyId, command, async (change) => {
      if (change.rotation?.id !== rotationId) return refuse("rotation_ended", `rotation ${rotationId} has ended`);
      if (!isSound(change, holder))
        return refuse("claim_not_allowed", "the version that asks is not accepted any more");
      const taken = takeDecision(change, change.rotation, event);
      if (taken.ok && event.type === "claim") await noteCustodian(store, change, taken.value, holder);
      return taken;
    });
  };

  return {
    start(keyId, start, command) {
      return desk.change(keyId, command, async (change, state) => {
        const problem = startProblem(change, start) ?? scopesProblem(state.api, start.scopes ?? []);
        if (problem !== undefined) return problem;
        const policy = await desk.policies.of(state.api, change.key, start.policy);
        const contradiction = policyProblem(policy.rotation);
        if (contradiction !== undefined) return refuse("invalid_policy", contradiction);
        change.follow(policy);
        return accept(change.startRotation({ ...start, policy: undefined, from: change.key.currentVersion }));
      });
    },

    async command(rotationId, event, command) {
      if (event.type !== "brownout") return decideOn(rotationId, event, command);
      const rotation = (await store.get("rotation", rotationId))?.value;
      const uses = rotation === undefined ? [] : await evidence.uses(rotation.keyId);
      const before = rotation === undefined ? {} : refusedBefore(rotation, uses, deps.world.clock.now());
      return decideOn(rotationId, { ...event, refusedBefore: before }, command);
    },

    confirm: (rotationId, holder, command) => decideOn(rotationId, { type: "confirm" }, command, holder),

    extend: (rotationId, byMs, holder, command) => decideOn(rotationId, { type: "extend", byMs }, command, holder),

    async claim(rotationId, holder) {
      const outcome = await decideOn(rotationId, { type: "claim" }, { actor: holder.actor }, holder);
      if (!outcome.ok) return outcome;
      const rotation = outcome.value;
      const sealed = await sealedOf(store, rotation);
      if (sealed === undefined)
        return refuse("secret_erased", "the sealed successor is gone: it was used, or its time is over");
      const secret = custody.open(sealed.value.envelope, {
        owner: rotation.keyId,
        version: rotation.to,
        purpose: "claim",
      });
      return accept({ rotation, secret });
    },

    async emergency(keyId, emergency, command) {
      const seenFrom =
        emergency.mode === "contain" && emergency.fence?.networks === undefined
          ? await networksOf(deps, keyId, emergency)
          : undefined;
      // Never held back: it only refuses more.
      return desk.change(keyId, { ...command, whileHeld: true }, async (change, { api }) => {
        const unknown = scopesProblem(api, emergency.fence?.scopes ?? []);
        if (unknown !== undefined) return unknown;
        const version = targetOf(change, emergency);
        if (typeof version !== "number") return version;
        change.follow(await desk.policies.of(api, change.key));
        if ((await desk.heldBack(api.id)) !== undefined) dropPlanned(change, version, emergency.reason);
        const fence: Fence = { scopes: emergency.fence?.scopes, networks: emergency.fence?.networks ?? seenFrom };
        return strike(change, version, emergency, fence, command.actor);
      });
    },
  };
}

/** A kill between the caller's check and this commit counts: the version that asks is looked at once more. */
function isSound(change: KeyChange, holder: Holder | undefined): boolean {
  if (holder?.version === undefined) return true;
  const version = change.version(holder.version);
  return change.key.status === "active" && version !== undefined && isAccepted(version.state) && !version.compromised;
}

/** Who takes the successor could have kept it. It may be taken several times, by several. */
async function noteCustodian(store: Store, change: KeyChange, { to }: Rotation, holder: Holder | undefined) {
  const custodian = change.custodian(to, "claimed", holder?.version);
  if ((await store.get("custodian", custodian.id)) === undefined) change.also(put("custodian", custodian));
}

async function sealedOf(store: Store, rotation: Rotation): Promise<Held<Sealed> | undefined> {
  const [sealed] = await store.list("sealed", { equals: { rotation_id: rotation.id } }, { limit: 1 });
  return sealed;
}

function takeDecision(change: KeyChange, rotation: Rotation, event: RotationEvent): Outcome<Rotation> {
  const decision = decide(rotation, event, change.now);
  if (!decision.ok) return refuse(decision.code, decision.detail, { rotation: rotation.id, phase: rotation.phase });
  if (decision.next !== rotation) {
    const { type: _type, refusedBefore: _before, ...details } = event as RotationEvent & { refusedBefore?: unknown };
    change.take(decision.next, decision.effects, actionOf(rotation, decision.next, event), details);
  }
  return accept(decision.next);
}

function inTheWay({ key, rotation }: KeyChange): string {
  const named = `key ${key.id} is in rotation ${key.rotationId}`;
  if (rotation?.phase !== "rolled-back") return `${named}; wait for its end, or cancel it or roll it back`;
  return `${named}, which was rolled back; version ${rotation.to} is accepted until it is quiet. Wait for that, or retire it now by force`;
}

const START_AHEAD_MS_MAX = 366 * 86_400_000;

function startProblem(change: KeyChange, start: StartRotation) {
  const { key } = change;
  if (key.status === "revoked") return refuse("key_is_revoked", `key ${key.id} is revoked; create a new key`);
  if (key.rotationId !== null) {
    return refuse("rotation_in_progress", inTheWay(change), {
      rotation: key.rotationId,
    });
  }
  if (start.startsAt !== undefined && start.startsAt > change.now + START_AHEAD_MS_MAX) {
    return refuse(
      "invalid_request",
      "startsAt lies more than 366 days ahead; until it begins no other rotation of the key can",
    );
  }
  if (start.sha256 !== undefined && start.startsAt !== undefined && start.startsAt > change.now) {
    return refuse(
      "invalid_request",
      "a secret that the consumer hands in begins its rotation at once; leave startsAt out",
    );
  }
  const held = change.version(key.currentVersion)?.scopes ?? key.scopes;
  if (start.scopes !== undefined && !(covers(held, start.scopes) && covers(key.scopes, start.scopes))) {
    return refuse(
      "scope_not_narrower",
      `the version in use has ${held.join(" ")}; to widen a key, change its scopes and say so`,
      { held },
    );
  }
  return undefined;
}

function targetOf(change: KeyChange, emergency: Emergency) {
  if (change.key.status === "revoked")
    return refuse("key_is_revoked", "every version of a revoked key is refused already");
  const accepted = change.versions().filter((version) => isAccepted(version.state));
  const names = accepted.map((version) => version.number);
  if (emergency.version === undefined) {
    const running = change.running();
    if (running?.fromCompromised) {
      const struck = `version ${running.from} was ${running.fromRefusedAt === null ? "contained" : "killed"} already`;
      return refuse(
        "already_retired",
        `${struck}, and version ${running.to} is to replace it; name a version if you mean that one too`,
      );
    }
    if (accepted.length === 1) return (accepted[0] as (typeof accepted)[number]).number;
    return refuse("invalid_request", `say which version: ${names.join(" and ")} are accepted`, { accepted: names });
  }
  if (change.version(emergency.version) === undefined) {
    return refuse(
      "no_such_version",
      `the key has versions ${change
        .versions()
        .map((version) => version.number)
        .join(", ")}`,
    );
  }
  return emergency.version;
}

/**
 * Of a restored database nobody knows yet whether what was planned has begun, and handed out a successor: the one that is made now belongs
 * to another rotation, so that a holder of the first is not taken for a holder of the second.
 */
export function dropPlanned(change: KeyChange, version: number, reason: string): void {
  const { rotation } = change;
  if (rotation?.phase !== "planned" || rotation.from !== version) return;
  const cancelled = decide(rotation, { type: "cancel" }, change.now);
  if (cancelled.ok) change.take(cancelled.next, cancelled.effects, "rotation.cancelled", { reason });
}

/** The emergency itself: through the running rotation if the version is part of it, else by a rotation that starts with it. */
export function strike(
  change: KeyChange,
  version: number,
  emergency: Emergency,
  fence: Fence,
  by: string,
): Outcome<Rotation> {
  const rotation = change.rotation?.endedAt === null ? change.rotation : undefined;
  const { mode, reason } = emergency;
  if (rotation !== undefined && (version === rotation.from || version === rotation.to)) {
    const side = version === rotation.from ? "from" : "to";
    const struck = takeDecision(change, rotation, { type: "compromise", version: side, mode, fence, by, reason });
    // One that was planned for later begins in the same commit: no key is left without a version to change over to (I8).
    if (struck.ok && struck.value.phase === "planned") return takeDecision(change, struck.value, { type: "begin" });
    // Where both versions are lost, a new rotation runs: that is the one to follow.
    return struck.ok ? accept(change.running() ?? struck.value) : struck;
  }
  if (rotation !== undefined || change.key.currentVersion !== version) {
    return refuse(
      "no_such_version",
      `version ${version} is not accepted any more; its key's current version is ${change.key.currentVersion}`,
    );
  }
  change.note("key.compromised", { version, mode, reason });
  change.carryOut([{ do: "mark-compromised", version }], undefined, reason);
  if (mode === "kill") change.carryOut([{ do: "set-state", version, state: "retired" }], undefined);
  else change.setFence(version, fence);
  return accept(change.startRotation({ from: version, reason, compromised: mode }));
}

/** The networks that a version was accepted from, for a fence around where its owner is. */
async function networksOf({ store, evidence }: RotationsDeps, keyId: string, emergency: Emergency): Promise<string[]> {
  const key = (await store.get("key", keyId))?.value;
  const version = emergency.version ?? key?.currentVersion ?? 0;
  return seenFrom(await evidence.uses(keyId), version);
}

export function seenFrom(uses: readonly SourceUse[], version: number): string[] {
  const accepted = uses.filter((use) => (use.versions[version]?.accepted ?? 0) > 0);
  return [...new Set(accepted.map((use) => use.source.network))].filter((network) => network.includes("/"));
}
