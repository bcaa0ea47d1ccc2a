/**
 * What is done to a key at its turn in a campaign, as work on its change (keys/many-keys.ts). A key is taken as it is then: one that is gone,
 * refused or in rotation already is passed over, and the item says why.
 *
 * An emergency strikes each accepted version that can be in wrong hands: those that were handed out, and with `createdBefore` those that were
 * made before. One that has retired and could come back by a rollback is marked, so that it does not. A successor that nobody has taken is what the key changes over to.
 */
import {
  type Campaign,
  decide,
  type Fence,
  type ItemState,
  isAccepted,
  mayComeBack,
  policyProblem,
  type ResolvedPolicy,
  type Rotation,
  type Version,
} from "@keyover/core";
import { dropPlanned, seenFrom, strike } from "../engine/rotations.ts";
import type { Evidence } from "../evidence/evidence.ts";
import type { KeyChange } from "../keys/change.ts";
import type { GuardedPolicy } from "../keys/key-desk.ts";
import { scopesProblem } from "../keys/keys.ts";
import type { ChangedKey, ManyWork } from "../keys/many-keys.ts";
import { actionOf } from "../keys/move-told.ts";
import { type Sights, sightsOf } from "../keys/sights.ts";
import { accept, type Outcome, type Refusal, refuse } from "../outcome.ts";
import type { Policies } from "../policies/key-policies.ts";
import { type Api, isExpired } from "../store/entities.ts";
import { OutcomeUnknownError, StorageFullError, type Store, StoreUnavailableError } from "../store/store.ts";
import type { HealthDeps } from "./health.ts";

export interface Deed {
  state: ItemState;
  rotationId: string | null;
  why: string | null;
}

export interface DeedTools {
  policies: Policies;
  evidence: Evidence;
  store: Store;
  restorations: HealthDeps["restorations"];
}

const skipped = (why: string): Outcome<Deed> => accept({ state: "skipped", rotationId: null, why });
const started = (rotation: Rotation, why: string | null = null): Outcome<Deed> =>
  accept({ state: "started", rotationId: rotation.id, why });

/** `waveOf`: of each key's item. */
export function deedOf(campaign: Campaign, waveOf: (keyId: string) => number, tools: DeedTools): ManyWork<Deed> {
  return async (keys) => {
    const policies = await tools.policies.guarded(keys.map(({ change }) => change.key));
    const networks = await networksSeen(campaign, keys, tools.evidence);
    const shown = await shownTo(campaign, keys, tools.store);
    const restored = await restoredApis(tools.restorations);
    return keys.map((key, i) =>
      byItself(() => {
        const { change, state } = key;
        const { policy, checks } = policies[i] as GuardedPolicy;
        change.joinCampaign({ id: campaign.id, wave: waveOf(change.key.id) });
        change.follow(policy, checks);
        return campaign.action === "rotate"
          ? begin(change, policy, campaign)
          : strikeKey(change, campaign, {
              api: state.api,
              networksOf: networks.get(change.key.id) ?? (() => []),
              shown,
              restoredAt: restored.get(state.api.id),
            });
      }),
    );
  };
}

/** One key's trouble is its own; the database's is everybody's. */
function byItself(work: () => Outcome<Deed>): Outcome<Deed> {
  try {
    return work();
  } catch (error) {
    const everybodys = [StorageFullError, StoreUnavailableError, OutcomeUnknownError].some(
      (kind) => error instanceof kind,
    );
    if (everybodys) throw error;
    return refuse("internal", String(error));
  }
}

function begin(change: KeyChange, policy: ResolvedPolicy, { reason }: Campaign): Outcome<Deed> {
  const { key, rotation, now } = change;
  if (key.status !== "active") return skipped(`the key is ${key.status}`);
  if (isExpired(key, now)) return skipped("the key has expired");
  if (key.rotationId !== null) {
    const other = rotation?.campaign == null ? "" : ` of campaign ${rotation.campaign.id}`;
    return skipped(`the key is in rotation ${key.rotationId}${other} already`);
  }
  const contradiction = policyProblem(policy.rotation);
  if (contradiction !== undefined) return refuse("invalid_policy", contradiction);
  return started(change.startRotation({ from: key.currentVersion, reason }));
}

// ---- emergency ------------------------------------------------------------------------------------------------------------

type NetworksOf = (version: number) => string[];

/** From where each version was accepted, if the fence is to be around that. */
async function networksSeen(
  { action, fence }: Campaign,
  keys: readonly ChangedKey[],
  evidence: Evidence,
): Promise<Map<string, NetworksOf>> {
  if (action !== "contain" || fence?.networks !== undefined) return new Map();
  return new Map(
    await Promise.all(
      keys.map(async ({ change }): Promise<[string, NetworksOf]> => {
        const uses = await evidence.uses(change.key.id);
        return [change.key.id, (version) => seenFrom(uses, version)];
      }),
    ),
  );
}

/** Of versions that were shown to somebody, just these are struck. */
async function shownTo(
  { action, select }: Campaign,
  keys: readonly ChangedKey[],
  store: Store,
): Promise<Sights | undefined> {
  if (select.custodians === undefined || action === "rotate") return undefined;
  return sightsOf(
    store,
    new Set(select.custodians),
    keys.map(({ change }) => change.key.id),
  );
}

/** Apis that are held after a restore, and when that was. */
async function restoredApis(restorations: DeedTools["restorations"]): Promise<ReadonlyMap<string, number>> {
  const held = (await restorations.waiting()).filter(({ reconciledAt }) => reconciledAt === null);
  return new Map(held.map(({ id, restoredAt }) => [id, restoredAt]));
}

interface StrikeFacts {
  api: Api;
  networksOf: NetworksOf;
  /** Of versions that were shown to somebody, just these; undefined: of all. */
  shown: Sights | undefined;
  /** While its api is held: of what was made before, nobody knows whether it was begun or handed out since the backup. */
  restoredAt: number | undefined;
}

function strikeKey(change: KeyChange, campaign: Campaign, facts: StrikeFacts): Outcome<Deed> {
  const { action: mode, reason, id } = campaign;
  if (change.key.status === "revoked") return skipped("the key is revoked");
  if (mode === "rotate") return skipped("nothing has leaked");
  const exposed = exposedVersions(change, campaign, facts);
  const { strike: targets, spare } =
    mode === "contain" ? containable(change, exposed) : { strike: exposed, spare: null };
  if (targets.length === 0) return spare ?? skipped("no accepted version of it can be in wrong hands");
  let last: Rotation | undefined;
  for (const { number } of targets) {
    const fence: Fence = fenceFor(campaign, facts.api, () => facts.networksOf(number));
    if (facts.restoredAt !== undefined) dropPlanned(change, number, reason);
    const struck = strike(change, number, { mode, reason }, fence, id);
    if (!struck.ok) return struck;
    last = struck.value;
  }
  const { rotation } = change;
  if (rotation?.campaign === null && rotation.endedAt === null)
    change.rotation = { ...rotation, campaign: { id, wave: 0 } };
  const left = exposed.length - targets.length;
  const why =
    left === 0 ? null : "its successor was handed out already, and is not contained: kill it if it leaked too";
  return started(last as Rotation, why);
}

/** The old version of a rotation first: what happens to its successor depends on it. */
function exposedVersions(
  change: KeyChange,
  { action, select }: Campaign,
  { shown, restoredAt }: StrikeFacts,
): Version[] {
  const { rotation } = change;
  const before = select.createdBefore ?? Number.POSITIVE_INFINITY;
  const meant = change
    .versions()
    .filter(
      ({ number, createdAt }) => createdAt < before && (shown?.get(change.key.id)?.has(number) ?? shown === undefined),
    );
  const accepted = meant
    .filter(({ state }) => isAccepted(state))
    .filter(({ number, createdAt }) => {
      const forgotten = restoredAt !== undefined && createdAt <= restoredAt && action === "kill";
      return rotation?.to !== number || wasHandedOut(rotation) || forgotten;
    })
    .filter(({ compromised }) => action === "kill" || !compromised);
  // Where the successor is struck there is no way back.
  return accepted.length > 0 ? accepted : meant.filter(({ number }) => mayComeBack(rotation, number));
}

function wasHandedOut({ claimedAt, confirmedAt, usedAt }: Rotation): boolean {
  return claimedAt !== null || confirmedAt !== null || usedAt !== null;
}

/** The successor of a running rotation can't be fenced: there is nothing behind it. */
function containable(change: KeyChange, exposed: Version[]): { strike: Version[]; spare: Refusal | null } {
  const { rotation } = change;
  const targets = exposed.filter(({ number }) => number !== rotation?.to);
  if (exposed.length === 0 || targets.length > 0) return { strike: targets, spare: null };
  const detail = `version ${rotation?.to} is the successor of a running rotation; kill it, or end the rotation first`;
  return { strike: [], spare: refuse("contain_needs_old_version", detail) as Refusal };
}

/** Scopes that an api does not have mean nothing there. */
function fenceFor({ fence }: Campaign, api: Api, networks: () => string[]): Fence {
  const scopes = fence?.scopes?.filter((scope) => scopesProblem(api, [scope]) === undefined);
  return { scopes, networks: fence?.networks ?? networks() };
}

// ---- taking back ----------------------------------------------------------------------------------------------------------

/** `rotationOf`: what the campaign began with each key. */
export function takeBack(rotationOf: (keyId: string) => string | null, reason: string): ManyWork<Deed> {
  return async (keys) =>
    keys.map(({ change }) => byItself(() => takeBackOne(change, rotationOf(change.key.id), reason)));
}

function takeBackOne(change: KeyChange, rotationId: string | null, reason: string): Outcome<Deed> {
  const { rotation, now } = change;
  const stays = (why: string) => accept<Deed>({ state: "started", rotationId, why: `not taken back: ${why}` });
  if (rotation === undefined || rotation.id !== rotationId) return stays("its rotation has ended");
  if (rotation.phase === "rolled-back")
    return accept({ state: "rolled-back", rotationId, why: "it was rolled back before the wave was" });
  const event = { type: "rollback", reason } as const;
  const decision = decide(rotation, event, now);
  if (!decision.ok) return stays(decision.detail);
  change.take(decision.next, decision.effects, actionOf(rotation, decision.next, event), { reason });
  return accept({ state: "rolled-back", rotationId, why: null });
}
