/**
 * Campaigns, commit by commit: each key in at most one item and each item begun at most once, nothing begins but while the campaign runs, a wave comes
 * after what the gate of the last one asks for, counts are counts, and nobody but an operator pauses, aborts or takes back. Emergencies strike what was
 * selected, and nothing else.
 */
import type { Campaign, ItemState, Version } from "@keyover/core";
import type { CampaignItem } from "../packages/server/src/store/campaign-entities.ts";
import type { Batch } from "../packages/server/src/store/store.ts";
import {
  brokenIn,
  type CampaignPast,
  itemsIn,
  mayMean,
  type Tally,
  talliesSince,
  type WaveTally,
  waveIn,
} from "./campaign-model.ts";
import { slackOf } from "./check-end.ts";
import type { KeyPast, Model } from "./model.ts";
import type { Process } from "./process.ts";

/** A look that further keys are started by may be this old. */
const HEALTH_MS = 1_000;
/** For a report of refusals to be counted. */
const COUNTED_MS = 4_000;

type Fail = (what: string) => void;

interface Step {
  model: Model;
  batch: Batch;
  past: CampaignPast;
  /** As it was before the commit. */
  was: Campaign;
  next: Campaign;
  /** The campaign itself, not an operator. */
  byItself: boolean;
  /** How old what it went by may be. */
  slackMs: number;
  fail: Fail;
}

/** Before the commit is taken over: keys are in the model as they were. */
export function takeCampaigns(model: Model, process: Process, batch: Batch): void {
  const { all } = model.campaigns;
  const items = batch.writes.flatMap((write) => ("put" in write && write.put === "campaign_item" ? [write.value] : []));
  for (const write of batch.writes) {
    if ("remove" in write || write.put !== "campaign") continue;
    const next = write.value;
    const fail = (what: string) => model.fail("campaign", undefined, `${next.id} (${next.action}) ${what}`);
    const past = all.get(next.id);
    if (past === undefined) {
      all.set(next.id, begun(next));
      told(batch, next.id, "campaign.started", fail);
      continue;
    }
    const byItself = batch.audit.some(({ actor }) => actor === next.id);
    const slackMs = slackOf(model, process);
    const step = { model, batch, past, was: past.row, next, byItself, slackMs, fail };
    if (byItself && model.leases.size > 0 && model.owners.get(0) !== process)
      model.fail("I9", undefined, `${process.name} carries ${next.id} forward, and that is another's work`);
    for (const item of items) if (item.campaignId === next.id) checkItem(step, item);
    checkState(step);
    checkWave(step);
    past.row = next;
    checkCounts(past, fail);
    ask(step);
  }
  const stray = items.find(({ campaignId }) => !touches(batch, campaignId));
  if (stray !== undefined)
    model.fail("campaign", stray.keyId, `an item of ${stray.campaignId} was written without its campaign`);
}

function touches(batch: Batch, campaignId: string): boolean {
  return batch.writes.some((write) => "put" in write && write.put === "campaign" && write.value.id === campaignId);
}

function begun(row: Campaign): CampaignPast {
  return { row, items: new Map(), rotations: new Map(), struck: new Map(), tallies: [], metAt: Number.NaN };
}

/** L4: what people should hear of a campaign is raised with it. */
function told(batch: Batch, id: string, event: string, fail: Fail): void {
  if (!batch.notices?.some((draft) => draft.event === event && draft.campaignId === id))
    fail(`does not raise ${event}`);
}

// ---- items ----------------------------------------------------------------------------------------------------------------

function checkItem(step: Step, item: CampaignItem): void {
  const { model, past, was, next, slackMs } = step;
  const fail = (what: string) => model.fail("campaign", item.keyId, `${next.id}: the key's item ${what}`);
  const before = past.items.get(item.keyId);
  past.items.set(item.keyId, item);
  if (before?.state !== item.state) model.saw(`key of a campaign: ${item.state}`);
  const key = model.keys.get(item.keyId);
  if (before === undefined) {
    if (was.state !== "selecting" || was.cursor === null) fail(`is selected while the campaign is ${was.state}`);
    if (key === undefined || !mayMean(model.rules, was.select, key, model.time.at - slackMs - 1_000))
      fail(`was selected; ${JSON.stringify(was.select)} does not mean it`);
    if (item.state !== "waiting") checkDone(step, item, key, fail);
    return;
  }
  // How many a percent is stands once all are selected: then keys are drawn.
  if (was.state === "selecting" && was.cursor === null && before.state === "waiting" && item.state === "waiting")
    return;
  if (before.wave !== item.wave) fail("went from one wave to another");
  if (before.state === "waiting") {
    if (was.state !== "running") fail(`is ${item.state} while the campaign is ${was.state}`);
    if (was.wave !== item.wave) fail(`is ${item.state} in wave ${item.wave}; the one under way is ${was.wave}`);
    checkDone(step, item, key, fail);
  } else if (before.state !== "started") fail(`was ${before.state}, and is ${item.state}`);
  else {
    if (item.state !== "rolled-back" && item.state !== "started") fail(`was started, and is ${item.state}`);
    if (was.rollback?.wave !== item.wave) fail("is touched again, and its wave is not being taken back");
    if (item.rotationId !== before.rotationId) fail("names another rotation than it began");
    if (item.state === "started") checkLeft(step, item, fail);
  }
}

/** Its wave is taken back, and its rotation is not: it can't be. */
function checkLeft({ model, past, slackMs }: Step, item: CampaignItem, fail: Fail): void {
  const rotation = past.rotations.get(item.rotationId ?? "");
  if (rotation === undefined || rotation.fromCompromised || model.restoredAt.length > 0) return;
  const { phase, retiredAt, policy } = rotation;
  const within = phase === "retired" && model.time.at < (retiredAt ?? 0) + policy.rollbackMs - slackMs;
  if (phase === "offered" || phase === "overlapping" || within)
    fail(`is left (${item.why}), and its rotation is ${phase}`);
}

/** Its turn has come. */
function checkDone(step: Step, item: CampaignItem, key: KeyPast | undefined, fail: Fail): void {
  if (item.state === "waiting") fail("was tried, and waits as before");
  else if (item.state === "started") checkStarted(step, item, key, fail);
  else if (item.why === null) fail(`is ${item.state}, and does not say why`);
  else if (step.was.action === "rotate" && item.state === "skipped") checkSkipped(step, item, key, fail);
}

function checkStarted(
  { model, batch, past, was, slackMs }: Step,
  item: CampaignItem,
  key: KeyPast | undefined,
  fail: Fail,
) {
  const rotation = batch.writes
    .flatMap((write) => ("put" in write && write.put === "rotation" ? [write.value] : []))
    .find(({ id }) => id === item.rotationId);
  if (rotation?.keyId !== item.keyId) return fail(`is started, and ${item.rotationId} is not in its commit`);
  if (was.action !== "rotate") return;
  if (rotation.campaign?.id !== was.id || rotation.campaign.wave !== item.wave)
    fail("began a rotation that is not its own");
  if (key?.key.rotationId != null) fail(`is started, and ${key.key.rotationId} runs`);
  if ([...past.rotations.values()].some(({ keyId }) => keyId === item.keyId)) fail("is started for the second time");
  checkLimits({ model, past, was, slackMs: slackMs + HEALTH_MS, fail });
}

/** A key that is in order and in no rotation is not passed over. */
function checkSkipped({ model, slackMs }: Step, item: CampaignItem, past: KeyPast | undefined, fail: Fail): void {
  if (past === undefined || past.key.status !== "active" || past.key.rotationId !== null) return;
  const from = model.time.at - slackMs - model.clockErrorMs;
  const changedAt = Math.max(past.statusChangedAt, past.rotationEndedAt ?? 0, past.expirySetAt ?? 0);
  const end = Math.max(past.key.expiresAt ?? Infinity, past.key.graceUntil ?? 0);
  if (changedAt < from && end > model.time.at + slackMs)
    fail(`is passed over (${item.why}), and nothing is in its way`);
}

function checkCounts(past: CampaignPast, fail: Fail): void {
  const states: ItemState[] = ["waiting", "started", "skipped", "failed", "rolled-back"];
  for (const [wave, counts] of past.row.counts.entries())
    for (const state of states) {
      const found = itemsIn(past, state, wave);
      if (counts[state] !== found) fail(`counts ${counts[state]} ${state} in wave ${wave}; there are ${found}`);
    }
}

// ---- states ---------------------------------------------------------------------------------------------------------------

function checkState(step: Step): void {
  const { model, batch, past, was, next, byItself, fail } = step;
  const asked = (deed: string) => model.wasAsked(`campaign ${deed}`, next.id);
  if (was.rollback === null && next.rollback !== null && !asked("take-back"))
    fail("takes a wave back, and nobody asked");
  if (was.rollback !== null && next.rollback === null) checkTakenBack(past, was.rollback.wave, fail);
  const stopping = next.state === "ended" && was.state !== "ended";
  if (stopping) told(batch, next.id, "campaign.ended", fail);
  if (was.state === next.state) return;
  model.saw(`campaign (${next.action}): ${next.outcome ?? next.state}`);
  if (was.state === "ended") fail(`had ended, and is ${next.state}`);
  else if (next.state === "paused") {
    if (!asked("pause")) fail("was paused, and nobody asked");
  } else if (next.state === "held") {
    if (next.why?.by === "policy") checkHeld(step);
    else if (!asked("take-back")) fail("is held, and nobody asked");
  } else if (next.outcome === "aborted") {
    if (!asked("abort")) fail("was aborted, and nobody asked");
  } else if (was.state === "paused" || was.state === "held") {
    const may = asked("resume") || asked("continue");
    if (byItself || !may) fail(`was ${was.state}, and goes on by itself`);
  } else if (stopping && was.state === "selecting") fail("ends while it selects");
}

/** By the policy: is something wrong, or was it? */
function checkHeld({ model, batch, past, was, next, slackMs, fail }: Step): void {
  told(batch, next.id, "campaign.held", fail);
  if (model.restoredAt.length > 0) return;
  const { waitMs = null } = was.waves[was.wave]?.gate ?? {};
  const late = waitMs !== null && was.wholeAt !== null && model.time.at >= was.wholeAt + waitMs - slackMs;
  const most = Math.max(...talliesSince(past, model.time.at - slackMs - HEALTH_MS).map(brokenIn));
  const failed = itemsIn(past, "failed") + most - was.accepted.failed > was.limits.failedMax;
  const refused = refusalsOf(model, past).all - was.accepted.refused > was.limits.refusedMax;
  if (!late && !failed && !refused) fail(`is held, and nothing is wrong: ${next.why?.reason}`);
}

/** Every rotation of it that could still be taken back was, or its item says why not. */
function checkTakenBack(past: CampaignPast, wave: number, fail: Fail): void {
  for (const { wave: own, state, rotationId, why, keyId } of past.items.values()) {
    const phase = past.rotations.get(rotationId ?? "")?.phase;
    if (own === wave && state === "started" && why === null)
      fail(`has taken wave ${wave} back; ${keyId} is ${phase}, and nobody says why`);
  }
}

// ---- waves ----------------------------------------------------------------------------------------------------------------

function checkWave(step: Step): void {
  const { model, past, was, next, byItself, slackMs, fail } = step;
  if (was.metAt === null && next.metAt !== null) {
    past.metAt = model.time.at;
    checkGate(step, (tally) => sharesProblem(was, tally));
  }
  if (was.state === "selecting") return;
  const ended = next.state === "ended" && was.state !== "ended" && next.outcome === "done";
  if (was.wave === next.wave && !ended) return;
  if (was.action !== "rotate") return;
  const passed = model.wasAsked("campaign continue", next.id) && !byItself;
  if (next.wave < was.wave) fail("goes back to a wave");
  const waiting = itemsIn(past, "waiting", was.wave);
  if (waiting > 0) fail(`leaves wave ${was.wave}, in which ${waiting} wait`);
  if (ended && itemsIn(past, "waiting") > 0) fail("ends, and keys wait");
  if (passed) return;
  if (!byItself) fail("goes past a gate, and nobody asked");
  model.saw("gate passed");
  checkGate(step, (tally) => sharesProblem(was, tally) ?? soakProblem(step, tally));
  checkLimits({ model, past, was, slackMs, fail });
}

function checkGate(
  { model, past, slackMs, was, fail }: Step,
  problemOf: (tally: WaveTally) => string | undefined,
): void {
  const tallies = talliesSince(past, model.time.at - slackMs);
  const problems = tallies.map((tally) => problemOf(waveIn(tally, was.wave)));
  if (!problems.includes(undefined)) fail(`goes past the gate of wave ${was.wave}: ${problems[0]}`);
}

function sharesProblem({ waves, wave }: Campaign, tally: WaveTally): string | undefined {
  const { gate } = waves[wave] as Campaign["waves"][number];
  const sound = tally.rotations - tally.broken;
  const open = (["offered", "claimed", "retired"] as const).find((what) => tally[what] < gate[what] * sound - 1e-6);
  return open === undefined ? undefined : `${tally[open]} of ${sound} are ${open}; its share is to be ${gate[open]}`;
}

function soakProblem({ model, past, was, slackMs }: Step, { rotations }: WaveTally): string | undefined {
  const { soakMs } = (was.waves[was.wave] as Campaign["waves"][number]).gate;
  if (soakMs === 0 || rotations === 0) return undefined;
  const soaked = model.time.at - past.metAt;
  return was.metAt !== null && soaked >= soakMs - slackMs
    ? undefined
    : `it soaked for ${Math.round(soaked)} of ${soakMs} ms`;
}

type Limited = Pick<Step, "model" | "past" | "was" | "slackMs" | "fail">;

/** Further keys begin only within its limits, as far as anybody can have known. */
function checkLimits({ model, past, was, slackMs, fail }: Limited): void {
  const { limits, accepted } = was;
  const broken = Math.min(...talliesSince(past, model.time.at - slackMs).map((tally: Tally) => brokenIn(tally)));
  const failed = itemsIn(past, "failed") + broken - accepted.failed;
  const own = itemsIn(past, "failed");
  // What failed in this very commit was not known before.
  if (failed - own + Math.min(own, failedBefore(was)) > limits.failedMax)
    fail(`goes on over ${failed} failures; ${limits.failedMax} are allowed`);
  if (!model.steadySince(model.time.at - 2 * COUNTED_MS)) return;
  const refused = refusalsOf(model, past).weight - accepted.refused;
  if (refused > limits.refusedMax)
    fail(`goes on over refusals that count ${refused}; ${limits.refusedMax} are allowed`);
}

function failedBefore({ counts }: Campaign): number {
  return counts.reduce((sum, { failed }) => sum + failed, 0);
}

/**
 * Refused uses of versions that it retired: all that were reported; and what must have been counted by now of keys of known sources: each consumer
 * with its first key, and again with its second, fourth, eighth.
 */
function refusalsOf(model: Model, { rotations }: CampaignPast): { all: number; weight: number } {
  const sum = { all: 0, weight: 0 };
  const keysOf = new Map<string, number>();
  for (const { keyId, from, retiredAt, phase } of rotations.values()) {
    if (retiredAt === null || (phase !== "retired" && phase !== "completed")) continue;
    const rows = (model.keys.get(keyId)?.reported ?? []).filter(({ version }) => version === from);
    const known = new Set<string>();
    // A verifier that is cut off may accept it after another has refused it; then it is refused no more, as far as anybody knows.
    const acceptedLast = new Map<string, number>();
    for (const { source, accepted, first, last } of rows) {
      if (accepted === 0) continue;
      if (first < retiredAt) known.add(source);
      acceptedLast.set(source, Math.max(acceptedLast.get(source) ?? 0, last));
    }
    const counted = rows.some(
      ({ accepted, refused, first, last, at, source }) =>
        accepted === 0 &&
        refused > 0 &&
        first >= retiredAt &&
        known.has(source) &&
        last > (acceptedLast.get(source) ?? 0) &&
        at < model.time.at - COUNTED_MS,
    );
    sum.all += rows.reduce((all, { refused }) => all + refused, 0);
    const consumer = model.keys.get(keyId)?.key.consumerId ?? "";
    const keys = (keysOf.get(consumer) ?? 0) + 1;
    if (!counted) continue;
    keysOf.set(consumer, keys);
    if (Number.isInteger(Math.log2(keys))) sum.weight++;
  }
  return sum;
}

// ---- what a campaign asks for ---------------------------------------------------------------------------------------------

/** What it does to keys was asked for: by whoever started it, or had a wave of it taken back. */
function ask({ model, batch, past, was, byItself, fail }: Step): void {
  if (!byItself) return;
  for (const write of batch.writes) {
    if ("remove" in write) continue;
    if (write.put === "key" && !past.items.has(write.value.id))
      fail(`changes ${write.value.id}, which is none of its keys`);
    if (write.put === "version") askStrike(model, past, was, write.value);
    if (write.put !== "rotation" || was.rollback === null) continue;
    const item = past.items.get(write.value.keyId);
    if (item?.state === "rolled-back" && item.wave === was.rollback.wave && item.rotationId === write.value.id)
      model.ask("rollback", write.value.id);
  }
}

function askStrike(model: Model, past: CampaignPast, { action, select }: Campaign, version: Version): void {
  const before = model.keys.get(version.keyId)?.versions.get(version.number);
  if (action === "rotate" || !version.compromised || before === undefined) return;
  if (before.createdAt >= (select.createdBefore ?? Infinity) || before.compromised) {
    if (!before.compromised) return;
    if (action === "contain") return;
  }
  model.ask(action, `${version.keyId} ${version.number}`);
  if (version.sha256 !== null) past.struck.set(version.id, { keyId: version.keyId, sha256: version.sha256 });
}
