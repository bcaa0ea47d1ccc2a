/**
 * Carries out what an operator has chosen, key by key. Each key is one commit, which also removes the row of what verifiers
 * said of it: whatever stops this in the middle, the rows that are left are what is left to do.
 *
 *     choice committed (the feed leaps beyond every number that was heard of)
 *        ──▶ what the backup has on offer is on its way again, once
 *        ──▶ for each row: the key as chosen, told anew in the feed; the row is gone
 *        ──▶ no row left: the api is served, in its new epoch
 */
import {
  decide,
  type Effect,
  effectivePolicy,
  type Fence,
  isAccepted,
  type KeyRecord,
  makeHandle,
  type Phase,
  type Rotation,
  runningBrownout,
  type Version,
  type World,
} from "@keyover/core";
import type { Custody } from "../custody/custody.ts";
import { strike } from "../engine/rotations.ts";
import { KeyChange, type KeyState } from "../keys/change.ts";
import type { KeyDesk } from "../keys/key-desk.ts";
import { replanOf } from "../keys/replan.ts";
import { accept, type Outcome, refuse } from "../outcome.ts";
import type { Api, RememberedKey, Restoration, RestoreChoice, Side } from "../store/entities.ts";
import { type Held, put, type Fence as ShardFence, type Store } from "../store/store.ts";
import { newestClaims } from "./claims.ts";
import { type LocalKey, type MergeTools, mergedKey, type Struck, struckBy } from "./merge.ts";
import type { Restorations } from "./restorations.ts";
import { onItsWay } from "./rotation-again.ts";

export interface CarryOutDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  custody: Custody;
  restorations: Restorations;
}

interface SettleDeps extends CarryOutDeps {
  /** By consumer: the number of the record that its networks were taken from. */
  networksOf: Map<string, number>;
}

const PAGE = 100;

/** `fence`: that this process does it for all. Resolves when the api is served, or rejects; then the next call goes on. */
export async function carryOut(deps: CarryOutDeps, apiId: string, fence: ShardFence | undefined): Promise<void> {
  const { store, desk, world, restorations } = deps;
  const api = (await store.get("api", apiId))?.value;
  const held = await restorations.of(apiId);
  const choice = held?.value.choice;
  if (api === undefined || held === undefined || choice === undefined || choice === null) return;
  const begun = await letGo(deps, api, held, choice, fence);
  const networksOf = new Map<string, number>();
  for (;;) {
    const rows = await store.list("remembered_key", { equals: { api_id: apiId } }, { limit: PAGE });
    for (const { value } of rows) await settle({ ...deps, networksOf }, api, choice, value, fence);
    if (rows.length === 0) break;
  }
  const { value: restoration } = begun;
  if (restoration.reconciledAt === null) await goOnFrom(deps, apiId, choice, fence);
  const next: Restoration = {
    ...restoration,
    reconciledAt: restoration.reconciledAt ?? world.clock.now(),
    choice: null,
    late: false,
    compared: choice.compared,
    comparedBefore: choice.comparedBefore ?? restoration.comparedBefore,
    chosenAt: choice.at,
  };
  const entry = {
    at: world.clock.now(),
    actor: choice.by,
    action: "restore.reconciled",
    subjects: [apiId],
    details: { side: choice.side, reason: choice.reason },
  };
  const done = await desk.commit({ fence, writes: [put("restoration", next, begun)], audit: [entry], feed: [] });
  restorations.forget();
  if (done.ok) world.log("warn", "restore.reconciled", { api: apiId, side: choice.side, by: choice.by });
}

/**
 * Rotations of the backup that may have gone further than any record says. Done over again this changes nothing.
 *
 *     propagating, offered  its successor is taken to be in its consumer's hands: it can still be claimed, once it is offered again, and a
 *                           rollback waits until it is quiet
 *     planned, and due      it may have made a successor: another rotation takes its place, with another number. Whoever holds that
 *                           successor can't be taken for a holder of the new one
 */
async function goOnFrom(deps: CarryOutDeps, apiId: string, choice: RestoreChoice, fence: ShardFence | undefined) {
  for (const phase of ["propagating", "offered", "planned"] as const)
    await eachRotation(deps, apiId, phase, choice, fence, goOn);
}

/**
 * Verifiers may have let go of what the backup has on offer, and not all of them are known: one may have registered since, or come back
 * that was thought lost. So it is offered again when all that may answer have it (I2), or by the word of those that were heard, who come
 * next. Done once, before them.
 */
async function letGo(
  deps: CarryOutDeps,
  api: Api,
  held: Held<Restoration>,
  choice: RestoreChoice,
  fence: ShardFence | undefined,
): Promise<Held<Restoration>> {
  if (held.value.reconciledAt !== null || choice.letGo === true) return held;
  await eachRotation(deps, api.id, "offered", choice, fence, (change, rotation, why) =>
    change.take(onItsWay(rotation), withoutBrownout(rotation), "rotation.offer_again", { reason: why }),
  );
  const value: Restoration = { ...held.value, choice: { ...choice, letGo: true } };
  const audit = [
    { at: deps.world.clock.now(), actor: choice.by, action: "restore.let_go", subjects: [api.id], details: {} },
  ];
  const done = await deps.desk.commit({ fence, writes: [put("restoration", value, held)], audit, feed: [] });
  if (!done.ok) throw new Error(done.detail ?? done.code);
  deps.restorations.forget();
  return { value, rev: held.rev + 1 };
}

async function eachRotation(
  { store, desk }: CarryOutDeps,
  apiId: string,
  phase: Phase,
  { by, reason }: RestoreChoice,
  fence: ShardFence | undefined,
  work: (change: KeyChange, rotation: Rotation, why: string) => void,
): Promise<void> {
  const filter = { equals: { ended: false, api_id: apiId, phase } };
  for (let after: string | undefined; ; ) {
    const page = await store.list("rotation", filter, { after, limit: PAGE });
    for (const { value } of page) {
      const command = { actor: by, fence, whileHeld: true };
      const outcome = await desk.change(value.keyId, command, (change) => {
        if (change.rotation?.id === value.id && change.rotation.phase === phase) work(change, change.rotation, reason);
        return accept(undefined);
      });
      if (!outcome.ok) throw new Error(outcome.detail ?? outcome.code);
    }
    after = page.at(-1)?.value.id;
    if (page.length < PAGE) return;
  }
}

function goOn(change: KeyChange, rotation: Rotation, why: string): void {
  const { phase, claimedAt, origin, from, reason, policy, scopes } = rotation;
  const onItsWay = phase === "propagating" || phase === "offered";
  if (onItsWay && claimedAt === null && origin === "authority")
    change.take({ ...rotation, claimedAt: change.now }, [], "rotation.claim_assumed", { reason: why });
  if (phase !== "planned" || rotation.startsAt > change.now || change.key.status === "revoked") return;
  const cancelled = decide(rotation, { type: "cancel" }, change.now);
  if (!cancelled.ok) return;
  change.take(cancelled.next, cancelled.effects, "rotation.cancelled", { reason: why });
  const refused = !isAccepted(change.version(from)?.state ?? "active");
  change.startRotation({
    from,
    reason,
    policy,
    scopes: scopes ?? undefined,
    ...(refused ? { compromised: "kill" as const } : {}),
  });
}

/** One key. What can't be done as chosen is left as it is here, and said: nothing may hold the api for good. */
async function settle(
  deps: SettleDeps,
  api: Api,
  choice: RestoreChoice,
  row: RememberedKey,
  fence: ShardFence | undefined,
): Promise<void> {
  const { desk, world } = deps;
  const outcome = await settleKey(deps, api, choice, row, fence);
  if (outcome.ok) return;
  // Another process's by now, or nobody's for the moment: the row stays.
  if (outcome.code === "conflict") throw new Error(outcome.detail ?? outcome.code);
  const { code, detail } = outcome;
  world.log("error", "restore.key_left_out", { api: api.id, key: row.keyId, code, detail });
  const left = await desk.commit({ fence, ...leaveOut(api, choice, row, world.clock.now(), code), feed: [] });
  if (!left.ok) throw new Error(left.code);
}

function leaveOut(api: Api, { by, reason }: RestoreChoice, { id, keyId }: RememberedKey, at: number, why: string) {
  const entry = { at, actor: by, action: "restore.key_left_out", subjects: [keyId, api.id], details: { reason, why } };
  return { writes: [{ remove: "remembered_key" as const, id }], audit: [entry] };
}

async function settleKey(
  deps: SettleDeps,
  api: Api,
  choice: RestoreChoice,
  row: RememberedKey,
  fence: ShardFence | undefined,
): Promise<Outcome<void>> {
  const { store, desk, world, custody } = deps;
  const { side, record } = chosenFor(choice, row);
  const there = await store.get("key", row.keyId);
  if (there !== undefined && there.value.apiId !== api.id) return refuse("not_found", "the key belongs to another api");
  if (there !== undefined) {
    const command = { actor: choice.by, fence, whileHeld: true };
    return desk.change(row.keyId, command, async (change, state) => {
      change.follow(await desk.policies.of(state.api, change.key));
      if (side === "verifiers") {
        await takeOver(deps, change, state, choice, record);
        await takeNetworks(deps, change, api, record);
      }
      finish(change, choice, row, side, record, state.versions);
      return accept(undefined);
    });
  }
  if (side === "backup")
    return desk.commit({ fence, ...leaveOut(api, choice, row, world.clock.now(), "backup"), feed: [] });
  const policy = effectivePolicy(api.policy);
  const merged = mergedKey(undefined, record, toolsOf(deps, api.id, choice, policy));
  const state = { api, key: { value: merged.key, rev: 0 }, versions: [], sealed: [], rotation: undefined };
  const change = new KeyChange(state, { world, custody, policy, actor: choice.by });
  // Plans are as in the backup: one that was made since is lost, and the key has its api's default.
  const plan = record.plan === undefined ? undefined : (await store.get("plan", record.plan))?.value;
  const own = plan?.apiId === api.id ? { plan: plan.id } : {};
  change.become({ ...merged, key: { ...merged.key, ...own }, rotationBefore: undefined });
  change.follow(await desk.policies.of(api, merged.key));
  if ((await store.get("consumer", record.consumer)) === undefined) {
    const consumer = { id: record.consumer, name: `recovered ${record.consumer}`, labels: {}, notes: LOST_CONSUMER };
    const networks = record.consumerNetworks ?? [];
    change.also(put("consumer", { ...consumer, networks, createdAt: world.clock.now(), createdBy: "system" }));
  } else await takeNetworks(deps, change, api, record);
  finish(change, choice, row, side, record, []);
  return desk.commit({ fence, ...change.batch() });
}

const LOST_CONSUMER = "Made after the backup that was restored; only its handle is known.";

/** The key as verifiers remember it takes the place of the backup's. */
async function takeOver(
  deps: CarryOutDeps,
  change: KeyChange,
  { api, key, versions, rotation, sealed }: KeyState,
  choice: RestoreChoice,
  record: KeyRecord,
): Promise<void> {
  const local: LocalKey = {
    key: key.value,
    versions: versions.map(({ value }) => value),
    rotation: rotation?.value,
    sealed: new Set(sealed.map(({ value }) => value.id)),
  };
  const policy = effectivePolicy(api.policy, key.value.policy);
  const merged = mergedKey(local, record, toolsOf(deps, api.id, choice, policy));
  const id = merged.rotation?.id;
  const rotationBefore =
    id === undefined || id === local.rotation?.id ? undefined : await deps.store.get("rotation", id);
  const { status, statusReason, statusChangedAt } = key.value;
  // Revoked here since the restore.
  const revoked = status === "revoked" ? { status, statusReason, statusChangedAt } : {};
  change.become({ ...merged, key: { ...merged.key, ...revoked }, rotationBefore });
}

/**
 * What verifiers remember of the consumer's networks is the consumer's again: else the next look at its keys would undo it, and a key that is
 * made later would lack it. What somebody set since the restore stands, or a newer record said, and reaches this key as well.
 */
async function takeNetworks(
  { store, world, restorations, networksOf }: SettleDeps,
  change: KeyChange,
  api: Api,
  { seq, consumer: id, consumerNetworks: networks = [] }: KeyRecord,
): Promise<void> {
  const newest = Math.max(seq, networksOf.get(id) ?? 0);
  networksOf.set(id, newest);
  const held = await store.get("consumer", id);
  if (held === undefined || String(held.value.networks ?? []) === String(networks)) return;
  const set = (held.value.networksSetAt ?? -1) >= (await restorations.restoredAt(api.id));
  const stands = set || seq < newest;
  if (!stands) change.also(put("consumer", { ...held.value, networks, networksSetAt: undefined }, held));
  change.also(replanOf({ consumerId: id }, id, world));
}

/** What both sides have in common: what is refused stays so, the row goes, and verifiers are told anew. */
function finish(
  change: KeyChange,
  choice: RestoreChoice,
  row: RememberedKey,
  side: Side,
  record: KeyRecord,
  versionsBefore: readonly Held<Version>[],
): void {
  const { reason, by } = choice;
  change.note("key.reconciled", { side, reason, seq: record.seq });
  change.also({ remove: "remembered_key", id: row.id });
  change.tellAnew();
  const records = row.claims.map((claim) => claim.record);
  if (side === "backup") {
    change.takeNumbers(Math.max(...records.flatMap(({ versions }) => versions.map(({ number }) => number))));
    offerAnew(change, records);
    if (choice.revive) return;
  }
  if (change.key.status !== "revoked" && records.some(({ status }) => status === "revoked")) {
    const revoked = {
      status: "revoked" as const,
      statusReason: "known to verifiers as revoked",
      statusChangedAt: change.now,
    };
    change.key = { ...change.key, ...revoked };
    change.note("key.revoked", { reason });
  }
  const before = versionsBefore.map(({ value }) => value);
  uphold(change, struckBy(records, before), by, reason);
}

/** On its way a rotation has no brownouts: the one that runs is over. */
function withoutBrownout(rotation: Rotation): Effect[] {
  return runningBrownout(rotation) === undefined ? [] : [{ do: "set-brownout", version: rotation.from, until: null }];
}

/** A successor that the backup has on offer, and verifiers have let go of since, goes to all of them before anybody may claim it (I2). */
function offerAnew(change: KeyChange, records: readonly KeyRecord[]): void {
  const { rotation } = change;
  const sha256 = rotation === undefined ? undefined : change.version(rotation.to)?.sha256;
  if (rotation?.phase !== "offered") return;
  const accepts = ({ versions }: KeyRecord) =>
    versions.some((version) => version.sha256 === sha256 && isAccepted(version.state));
  if (records.every(accepts)) return;
  change.carryOut(withoutBrownout(rotation), rotation);
  change.rotation = onItsWay(rotation);
}

/** Versions that anybody knows to be in wrong hands are refused, or fenced, here as well. The older first: so a successor can take over. */
function uphold(change: KeyChange, struck: ReadonlyMap<string, Struck>, by: string, reason: string): void {
  for (const { number } of change.versions()) {
    const version = change.version(number);
    const known = version?.sha256 == null ? undefined : struck.get(version.sha256);
    if (version === undefined || known === undefined) continue;
    const mark = () => change.carryOut([{ do: "mark-compromised", version: number }], undefined, reason);
    if (!isAccepted(version.state) || change.key.status === "revoked") {
      if (!version.compromised) mark();
      continue;
    }
    if (known.mode === "contain" && version.compromised) continue;
    const emergency = { version: number, reason: `known before the restore; ${reason}` };
    const fence: Fence = known.fence ?? { networks: [] };
    const contained =
      known.mode === "contain" && strike(change, number, { ...emergency, mode: "contain" }, fence, by).ok;
    const done = contained || strike(change, number, { ...emergency, mode: "kill" }, fence, by).ok;
    if (done && !isStillAccepted(change, number, contained)) continue;
    mark();
    change.carryOut([{ do: "set-state", version: number, state: "retired" }], undefined);
  }
}

/** A rotation that runs on may count its old version as refused already: then a leak of it moves nothing. */
function isStillAccepted(change: KeyChange, number: number, contained: boolean): boolean {
  const version = change.version(number);
  return version !== undefined && isAccepted(version.state) && !(contained && version.fence !== null);
}

function chosenFor(choice: RestoreChoice, row: RememberedKey): { side: Side; record: KeyRecord } {
  const own = choice.keys[row.keyId];
  const claims = newestClaims(row);
  const claim =
    claims.find(({ instances }) => own?.instance !== undefined && instances.includes(own.instance)) ?? claims[0];
  return { side: own?.side ?? choice.side, record: claim.record };
}

function toolsOf(
  { world }: CarryOutDeps,
  apiId: string,
  { by }: RestoreChoice,
  policy: MergeTools["policy"],
): MergeTools {
  const now = world.clock.now();
  return {
    now,
    apiId,
    policy,
    actor: by,
    newId: () => makeHandle("rotation", now, world.random),
    newVersionId: () => makeHandle("version", now, world.random),
  };
}
