/**
 * L1, L2: after the heal every rotation ends. Where a consumer never changes over, the authority says so and names what it waits for; then
 * a person ends it, as the documentation tells them to.
 */

import type { Caller } from "./caller.ts";
import type { CampaignOperators } from "./campaign-deeds.ts";
import type { CampaignPast } from "./campaign-model.ts";
import { checkCampaignAnswers } from "./check-campaign-end.ts";
import type { Consumer } from "./consumer.ts";
import type { Controllers } from "./control-deeds.ts";
import type { KeyPast, Model } from "./model.ts";
import type { Operators } from "./operators.ts";
import type { RestoreWatch } from "./restore-watch.ts";
import type { VirtualTime } from "./time.ts";

export interface Healed {
  model: Model;
  time: VirtualTime;
  consumers: Consumer[];
  operators: Operators;
  controllers: Controllers;
  campaigns: CampaignOperators;
  restores: RestoreWatch;
  caller: Caller;
}

/** For verifiers to come back, and their leases and holes to pass. */
const SETTLE_MS = 8_000;
const RECONCILED_WITHIN_MS = 60_000;
/** A few waves of each, of which each may be held and waits for people. */
const CAMPAIGNS_WITHIN_MS = 120_000;

export async function checkEnds(healed: Healed): Promise<void> {
  const { model, time, operators } = healed;
  const over = () => model.violation !== undefined;
  await time.runUntil(time.at + 3_000, over);
  await reconciled(healed, over);
  for (const past of model.keys.values()) if (past.key.status === "suspended") operators.restore(past);
  time.after(model.staleMs + SETTLE_MS, () => {
    model.settled = true;
  });
  for (const consumer of healed.consumers) consumer.quietly = true;
  await campaignsEnd(healed, over);
  const begin = time.at;
  const bound = Math.max(...[...model.keys.values()].map((past) => boundOf(model, past)));
  const asked = new Set<string>();
  while (!over() && time.at < begin + bound) {
    const open = running(model);
    if (open.length === 0) return;
    for (const past of open) {
      const consumer = healed.consumers.find(({ key }) => key === past.id);
      if (isPaused(past)) healed.controllers.resume(past.key.rotationId ?? "");
      const step = `${past.key.rotationId} ${past.rotations.get(past.key.rotationId ?? "")?.rotation.phase}`;
      if (time.at - begin < SETTLE_MS || asked.has(step)) continue;
      const way = needsAPerson(past, consumer);
      if (way === undefined) continue;
      asked.add(step);
      await ended(time, over, explains(healed, past));
      operators.end(way, past);
    }
    await time.runUntil(time.at + 1_000, over);
  }
  for (const past of running(model)) {
    const rotation = past.rotations.get(past.key.rotationId as string)?.rotation;
    const evidence = await ended(time, over, healed.caller.call("GET", `/v1/rotations/${rotation?.id}/evidence`));
    const why = JSON.stringify(evidence?.body ?? null).slice(0, 1_500);
    model.fail(
      "L1",
      past.id,
      `${Math.round(bound / 1_000)} s after the heal rotation ${rotation?.from}→${rotation?.to} is still ${rotation?.phase}: ${why}`,
    );
  }
}

/** A campaign ends as well, where need be on an operator's word. */
async function campaignsEnd({ model, time, campaigns, caller }: Healed, over: () => boolean): Promise<void> {
  if (model.campaigns.all.size === 0 && !campaigns.busy) return;
  const latest = time.at + CAMPAIGNS_WITHIN_MS;
  while (!over() && (campaigns.busy || model.campaigns.live().length > 0)) {
    const [past] = model.campaigns.live();
    if (time.at > latest) return model.fail("L1", undefined, late(past));
    campaigns.finish();
    await time.runUntil(time.at + 1_000, over);
  }
  if (!over()) await ended(time, over, checkCampaignAnswers(model, caller));
}

function late(past: CampaignPast | undefined): string {
  if (past === undefined) return "what was asked of campaigns is never answered";
  const { id, action, state, wave } = past.row;
  return `${id} (${action}) is still ${state} in wave ${wave}`;
}

/** A restore ends as well: every api is served, and the verifiers that knew more have been asked. */
async function reconciled({ model, time, restores }: Healed, over: () => boolean): Promise<void> {
  const latest = time.at + RECONCILED_WITHIN_MS;
  for (let calm = 0; calm < 8 && !over(); calm = restores.waiting().length === 0 ? calm + 1 : 0) {
    if (model.restoredAt.length === 0) return;
    if (time.at > latest) return model.fail("L1", undefined, "the restore is never reconciled");
    await time.runUntil(time.at + 500, over);
  }
}

function running(model: Model): KeyPast[] {
  return [...model.keys.values()].filter(({ key }) => key.rotationId !== null);
}

function isPaused(past: KeyPast): boolean {
  return past.rotations.get(past.key.rotationId ?? "")?.rotation.paused != null;
}

/** How a person ends a rotation that can't end by itself; undefined if it can. */
function needsAPerson(past: KeyPast, consumer: Consumer | undefined): "retire" | "rollback" | undefined {
  const rotation = past.rotations.get(past.key.rotationId ?? "")?.rotation;
  if (rotation === undefined) return undefined;
  const waits = rotation.phase === "offered" || rotation.phase === "overlapping";
  const lost = waits && rotation.claimEndedAt !== null && rotation.usedAt === null;
  if (lost && !rotation.fromCompromised) return "rollback";
  // It will never change over, or was left behind by force or by a leak and holds nothing that opens anything.
  // A key whose maker never heard of it has no consumer.
  return consumer?.cooperative === true && past.undisturbed && !lost ? undefined : "retire";
}

/** As scale.ts has it. */
const DAY_OF_BROWNOUTS_MS = 7_000;

/** The times that policies and evidence may take, and as much again. */
function boundOf(model: Model, past: KeyPast): number {
  const rotation = past.rotations.get(past.key.rotationId ?? "")?.rotation;
  if (rotation === undefined) return 0;
  const { claimMs, rollbackMs, quietMs, gapMargin, youngQuietMs } = rotation.policy;
  const { lengthsMs, announceMs } = rotation.policy.brownout;
  const brownouts =
    rotation.policy.onDeadline === "brownout" ? announceMs + 2 * DAY_OF_BROWNOUTS_MS * lengthsMs.length : 0;
  // The deadline may have been moved. It comes after the heal, and the pauses before it do not.
  const overlapMs =
    Math.max(rotation.policy.overlapMs, (rotation.overlapEndsAt ?? 0) - model.time.at) + rotation.pausedMs;
  let gap = 0;
  for (let i = 1; i < past.uses.length; i++) gap = Math.max(gap, (past.uses[i]?.at ?? 0) - (past.uses[i - 1]?.at ?? 0));
  const longest = Math.max(gap, longestOfSources(past));
  return (
    2 *
    (20_000 +
      2 * model.staleMs +
      overlapMs +
      claimMs +
      rollbackMs +
      2 * (quietMs + youngQuietMs + longest * gapMargin) +
      brownouts)
  );
}

function longestOfSources(past: KeyPast): number {
  const last = new Map<string, number>();
  let longest = 0;
  for (const { source, at } of past.uses) {
    longest = Math.max(longest, at - (last.get(source) ?? at));
    last.set(source, at);
  }
  return longest;
}

/** L2: the authority says what a rotation waits for. */
async function explains({ caller, model }: Healed, past: KeyPast): Promise<void> {
  const id = past.key.rotationId;
  if (id === null) return;
  const reply = await caller.call("GET", `/v1/rotations/${id}/evidence`);
  if (past.key.rotationId !== id || reply === undefined) return;
  const { gates, waitingFor } = reply.body as { gates?: { name: string; met: boolean }[]; waitingFor?: unknown };
  if (reply.status !== 200 || gates === undefined)
    return model.fail("L2", past.id, `no explanation: ${JSON.stringify(reply.body)}`);
  void waitingFor;
}

async function ended<T>(time: VirtualTime, over: () => boolean, work: Promise<T>): Promise<T | undefined> {
  let result: { value: T } | undefined;
  void work.then((value) => {
    result = { value };
  });
  for (let i = 0; result === undefined && i < 300 && !over(); i++) await time.runUntil(time.at + 100, over);
  return (result as { value: T } | undefined)?.value;
}
