/**
 * What a campaign does next, as pure functions: `stepCampaign` by itself, `commandCampaign` on an operator's word.
 *
 *     selecting, drawing ──▶ running: start a wave's keys ──▶ its gate: shares, then soak ──▶ the next wave … ──▶ ended
 *        │                      │  ▲                             │
 *        └──────▶ paused ◀──────┘  └──── resume, continue ──── held ◀── a limit passed, a gate's time over, an api restored
 *
 * A pause or a hold keeps further keys from being started; rotations that run go on. The answer of a step is what to do (`select`,
 * `draw`, `start`, `roll-back`), what to wait for, or the campaign as it stands from now on. Nothing here does I/O, so a crash between two
 * steps loses nothing: the next look finds the same campaign and the same health.
 *
 * An emergency strikes while it selects, waits for no gate, is stopped by no limit and by no restored api, and ends when no verifier that
 * may answer lacks the last of it.
 */
import {
  type Campaign,
  doneItems,
  type ItemCounts,
  type ItemState,
  noItems,
  sumItems,
  type WaveGate,
  waveName,
} from "./campaign.ts";
import { drawsKeys } from "./campaign-shares.ts";
import type { ProblemCode } from "./codes.ts";
import { countText } from "./count-text.ts";

/** How the rotations of a wave stand. Those taken back are in `broken` alone. */
export interface WaveHealth {
  rotations: number;
  offered: number;
  claimed: number;
  retired: number;
  broken: number;
}

export interface CampaignHealth {
  /** Of the wave under way. */
  wave: WaveHealth;
  /** Cancelled or rolled back, over all waves. */
  broken: number;
  /** As in CampaignLimits.refusedMax: `refusalWeight`. */
  refused: number;
  /** Apis of the campaign that are held after a restore. */
  heldApis: readonly string[];
}

export type CampaignStep =
  | { do: "nothing" }
  | { do: "select" }
  /** All keys are found: now it is known how many a percent is. */
  | { do: "draw" }
  | { do: "start" }
  | { do: "roll-back" }
  /** An emergency: for verifiers to apply what was struck. */
  | { do: "confirm" }
  /** `until`: when time alone could change it; null: something else has to. */
  | { do: "wait"; for: string; until: number | null }
  | { do: "become"; next: Campaign; action: string; notice: "campaign.held" | "campaign.ended" | null };

export function stepCampaign(campaign: Campaign, health: CampaignHealth, now: number): CampaignStep {
  if (campaign.rollback !== null) return { do: "roll-back" };
  if (campaign.state !== "selecting" && campaign.state !== "running") return { do: "nothing" };
  const trouble = campaign.action === "rotate" ? troubleOf(campaign, health) : undefined;
  if (trouble !== undefined) return hold(campaign, trouble, now);
  if (campaign.state === "selecting") return { do: campaign.cursor === null ? "draw" : "select" };
  if (waitingIn(campaign) > 0) return { do: "start" };
  return campaign.action === "rotate" ? atTheGate(campaign, health.wave, now) : { do: "confirm" };
}

function troubleOf(campaign: Campaign, { broken, refused, heldApis }: CampaignHealth): string | undefined {
  const { limits, accepted } = campaign;
  if (heldApis.length > 0)
    return `the database was restored, and ${heldApis.join(", ")} ${heldApis.length === 1 ? "is" : "are"} not served yet`;
  const failed = failuresOf(campaign, broken) - accepted.failed;
  if (failed > limits.failedMax)
    return `${countText(failed, "key")} failed or ${failed === 1 ? "was" : "were"} taken back; ${limits.failedMax} ${limits.failedMax === 1 ? "is" : "are"} allowed`;
  const more = refused - accepted.refused;
  if (more > limits.refusedMax)
    return `consumers are refused with retired versions that they had used before: it counts ${more} more than was accepted, ${limits.refusedMax} allowed; its report names them`;
  return undefined;
}

/**
 * Against CampaignLimits.refusedMax, from the number of keys by which each consumer is refused. A consumer counts once with its first key, and once
 * more at 2, 4, 8 … keys: however often it tries, one that is left behind can't hold a campaign again and again, and still is heard when
 * it gets much worse.
 */
export function refusalWeight(keysByConsumer: Iterable<number>): number {
  let weight = 0;
  for (const keys of keysByConsumer) weight += 32 - Math.clz32(keys);
  return weight;
}

/** Against CampaignLimits.failedMax. */
export function failuresOf(campaign: Pick<Campaign, "counts">, broken: number): number {
  return sumItems(campaign.counts).failed + broken;
}

function waitingIn({ counts, wave }: Campaign): number {
  return counts[wave]?.waiting ?? 0;
}

function atTheGate(campaign: Campaign, health: WaveHealth, now: number): CampaignStep {
  const { gate } = campaign.waves[campaign.wave] as { gate: WaveGate };
  const open = openShares(gate, health);
  if (open.length > 0) {
    // What it had come to may be gone again, in its soak: then the gate is what it is held for, and what `continue` passes over.
    if (isLate(campaign, now))
      return hold(
        { ...campaign, metAt: null },
        `${waveTitle(campaign)} has not come to what its gate asks for: ${open.join("; ")}`,
        now,
      );
    const until = gate.waitMs === null || campaign.wholeAt === null ? null : campaign.wholeAt + gate.waitMs;
    return { do: "wait", for: open.join("; "), until };
  }
  if (gate.soakMs > 0 && health.rotations > 0) {
    if (campaign.metAt === null)
      return { do: "become", next: { ...campaign, metAt: now }, action: "campaign.gate-met", notice: null };
    const until = campaign.metAt + gate.soakMs;
    if (now < until) return { do: "wait", for: "the soak after its gate was met", until };
  }
  return goOn(campaign, now);
}

/** The gate under way was to be met by now. */
function isLate({ waves, wave, wholeAt }: Campaign, now: number): boolean {
  const waitMs = waves[wave]?.gate.waitMs ?? null;
  return waitMs !== null && wholeAt !== null && now - wholeAt >= waitMs;
}

function openShares(gate: WaveGate, { rotations, broken, ...health }: WaveHealth): string[] {
  const sound = rotations - broken;
  return (["offered", "claimed", "retired"] as const).flatMap((what) => {
    const needed = Math.ceil(gate[what] * sound - 1e-9);
    return health[what] >= needed ? [] : [`${health[what]} of ${sound} ${what}, ${needed} needed`];
  });
}

function goOn(campaign: Campaign, now: number): CampaignStep {
  const next = nextWave(campaign, now);
  const ended = next.state === "ended";
  const action = ended ? "campaign.ended" : "campaign.wave";
  return { do: "become", next, action, notice: ended ? "campaign.ended" : null };
}

/** The next wave that has a key, or the end. */
function nextWave(campaign: Campaign, now: number): Campaign {
  const wave = campaign.counts.findIndex((counts, i) => i > campaign.wave && counts.waiting > 0);
  if (wave < 0) return endCampaign(campaign, "done", now);
  return { ...onTheMove(campaign, now), wave, wholeAt: null, metAt: null };
}

export function endCampaign(campaign: Campaign, outcome: "done" | "aborted", now: number): Campaign {
  return { ...campaign, state: "ended", outcome, endedAt: now };
}

function onTheMove(campaign: Campaign, now: number): Campaign {
  return { ...campaign, lap: { at: now, done: doneItems(campaign.counts) } };
}

function hold(campaign: Campaign, reason: string, now: number): CampaignStep {
  const why = { at: now, by: "policy", reason };
  const next: Campaign = { ...campaign, state: "held", resumes: resuming(campaign), why };
  return { do: "become", next, action: "campaign.held", notice: "campaign.held" };
}

function resuming({ state, resumes }: Campaign): Campaign["resumes"] {
  return state === "selecting" || state === "running" ? state : resumes;
}

function waveTitle({ wave, waves }: Campaign): string {
  return `wave ${wave + 1} (${waveName((waves[wave] as Campaign["waves"][number]).of)})`;
}

// ---- what was done ------------------------------------------------------------------------------------------------------

export type NewCampaign = Pick<
  Campaign,
  "id" | "name" | "action" | "select" | "waves" | "limits" | "pace" | "fence" | "reason" | "startedBy"
>;

/** `cursor`: where its selection begins. */
export function newCampaign(wanted: NewCampaign, cursor: string, now: number): Campaign {
  return {
    ...wanted,
    createdAt: now,
    state: "selecting",
    resumes: "selecting",
    cursor,
    wave: 0,
    counts: wanted.waves.map(() => noItems),
    apis: [],
    wholeAt: null,
    metAt: null,
    lap: { at: now, done: 0 },
    why: null,
    accepted: { failed: 0, refused: 0 },
    rollback: null,
    receipts: [],
    outcome: null,
    endedAt: null,
  };
}

/** Items found, and struck at once if it is an emergency, by wave and state. `cursor` null: that was all. */
export function selectedMore(
  campaign: Campaign,
  found: readonly { wave: number; state: ItemState }[],
  { cursor, apis }: Pick<Campaign, "cursor" | "apis">,
  now: number,
): Campaign {
  const counts = campaign.counts.map((each) => ({ ...each }));
  for (const { wave, state } of found) (counts[wave] as ItemCounts)[state]++;
  const next = { ...campaign, counts, cursor, apis: [...new Set([...campaign.apis, ...apis])].sort() };
  return cursor !== null || drawsKeys(campaign.waves) ? next : begun(next, now);
}

/** Items that wait went from one wave to another, by the draw. `whole`: that was all. */
export function drawnMore(
  campaign: Campaign,
  moves: readonly { from: number; to: number }[],
  whole: boolean,
  now: number,
): Campaign {
  const counts = campaign.counts.map((each) => ({ ...each }));
  for (const { from, to } of moves) {
    (counts[from] as ItemCounts).waiting--;
    (counts[to] as ItemCounts).waiting++;
  }
  const next = { ...campaign, counts };
  return whole ? begun(next, now) : next;
}

function begun(campaign: Campaign, now: number): Campaign {
  const first = campaign.counts.findIndex(({ waiting }) => waiting > 0);
  return { ...onTheMove(campaign, now), state: "running", wave: Math.max(0, first), wholeAt: first < 0 ? now : null };
}

/** Items of a wave that went from one state to another. */
export function itemsMoved(
  campaign: Campaign,
  wave: number,
  moves: readonly { from: ItemState; to: ItemState }[],
  now: number,
): Campaign {
  const counts = campaign.counts.map((each) => ({ ...each }));
  const own = counts[wave] as ItemCounts;
  for (const { from, to } of moves) {
    own[from]--;
    own[to]++;
  }
  const whole = wave === campaign.wave && own.waiting === 0 && campaign.wholeAt === null;
  return { ...campaign, counts, wholeAt: whole ? now : campaign.wholeAt };
}

/**
 * More of a wave was taken back. What is by this take-back is nobody's failure; what others had rolled back counts as it did before.
 * `after`: how far; null: that was all.
 */
export function rolledBackMore(
  campaign: Campaign,
  back: { own: number; others: number },
  after: string | null,
  now: number,
): Campaign {
  const { rollback, accepted } = campaign;
  if (rollback === null) return campaign;
  const moves = Array.from({ length: back.own + back.others }, () => ({ from: "started", to: "rolled-back" }) as const);
  return {
    ...itemsMoved(campaign, rollback.wave, moves, now),
    accepted: { ...accepted, failed: accepted.failed + back.own },
    rollback: after === null ? null : { ...rollback, after },
  };
}

// ---- an operator's word -------------------------------------------------------------------------------------------------

export type CampaignCommand =
  | { type: "pause"; reason: string }
  /** After a pause; after a hold it is looked at anew, and held again if nothing has changed. */
  | { type: "resume" }
  /** What holds it is accepted as it is; while it runs, the gate that it waits at. */
  | { type: "continue"; reason: string }
  | { type: "abort"; reason: string }
  /** Every rotation of the wave; the one under way if none is named. */
  | { type: "roll-back"; wave?: number | undefined; reason: string };

export type CampaignDecision = { ok: true; next: Campaign } | { ok: false; code: ProblemCode; detail: string };

export function commandCampaign(
  campaign: Campaign,
  command: CampaignCommand,
  by: string,
  health: Pick<CampaignHealth, "broken" | "refused">,
  now: number,
): CampaignDecision {
  if (command.type === "roll-back") return rollBack(campaign, command, by, now);
  if (campaign.state === "ended")
    return refuse("campaign_ended", campaign.outcome === "aborted" ? "it was aborted" : "it has ended");
  const why = { at: now, by, reason: "reason" in command ? command.reason : "" };
  switch (command.type) {
    case "pause":
      if (campaign.state === "paused" || campaign.state === "held") return { ok: true, next: campaign };
      return { ok: true, next: { ...campaign, state: "paused", resumes: campaign.state, why } };
    case "resume":
      if (campaign.rollback !== null) return busy(campaign);
      if (campaign.state !== "paused" && campaign.state !== "held") return { ok: true, next: campaign };
      return { ok: true, next: resumed(forgetful(campaign, health), now) };
    case "continue":
      return campaign.rollback === null ? passOver(campaign, health, now) : busy(campaign);
    case "abort":
      return { ok: true, next: { ...endCampaign(campaign, "aborted", now), why } };
  }
}

/** Refusals that were accepted, and are gone with a wave that was taken back, are no allowance for others. */
function forgetful(campaign: Campaign, { refused }: Pick<CampaignHealth, "refused">): Campaign {
  const { accepted } = campaign;
  return { ...campaign, accepted: { ...accepted, refused: Math.min(accepted.refused, refused) } };
}

function resumed(campaign: Campaign, now: number): Campaign {
  return { ...onTheMove(campaign, now), state: campaign.resumes, why: null };
}

function passOver(
  campaign: Campaign,
  { broken, refused }: Pick<CampaignHealth, "broken" | "refused">,
  now: number,
): CampaignDecision {
  const atGate = resuming(campaign) === "running" && waitingIn(campaign) === 0;
  if (campaign.state === "paused") return refuse("campaign_not_waiting", "it is paused; resume it first");
  if (campaign.state !== "held" && !atGate)
    return refuse("campaign_not_waiting", "keys are being selected or started; there is nothing to pass over");
  const held = campaign.state === "held";
  const next = {
    ...(held ? resumed(campaign, now) : campaign),
    accepted: { failed: failuresOf(campaign, broken), refused },
  };
  // Who accepts some failures has not said that the gate and its soak may be left out: only where that is what it was held for.
  const passes = atGate && (!held || (campaign.metAt === null && isLate(campaign, now)));
  return { ok: true, next: passes ? nextWave(next, now) : next };
}

function rollBack(
  campaign: Campaign,
  { wave = campaign.wave, reason }: Extract<CampaignCommand, { type: "roll-back" }>,
  by: string,
  now: number,
): CampaignDecision {
  if (campaign.action !== "rotate")
    return refuse("version_compromised", "what was killed or contained in an emergency does not come back");
  if (campaign.rollback !== null) return busy(campaign);
  if (campaign.itemsGone !== undefined)
    return refuse("campaign_ended", "it ended so long ago that what it did to each key is no longer kept");
  if ((campaign.counts[wave]?.started ?? 0) === 0)
    return refuse("wave_not_started", `of wave ${wave + 1} no rotation was started that could be taken back`);
  const rolling: Campaign = { ...campaign, rollback: { wave, by, reason, after: "" } };
  if (campaign.state === "ended" || campaign.state === "paused") return { ok: true, next: rolling };
  const why = { at: now, by, reason: `wave ${wave + 1} is taken back: ${reason}` };
  return { ok: true, next: { ...rolling, state: "held", resumes: resuming(campaign), why } };
}

function busy({ rollback }: Campaign): CampaignDecision {
  return refuse("campaign_rolling_back", `wave ${(rollback?.wave ?? 0) + 1} is being taken back; look again shortly`);
}

function refuse(code: ProblemCode, detail: string): CampaignDecision {
  return { ok: false, code, detail };
}

// ---- how long it takes --------------------------------------------------------------------------------------------------

export interface CampaignEstimate {
  /** At the earliest; null: nothing says. */
  endsAt: number | null;
  because: string;
}

/** From the pace so far, and what waits are certain. Gates that wait for people are in it as if they were met at once. */
export function estimateEnd(campaign: Campaign, now: number): CampaignEstimate {
  const { state, counts, lap, pace, waves, wave, wholeAt, metAt } = campaign;
  if (state === "ended") return { endsAt: campaign.endedAt, because: "it has ended" };
  if (state === "selecting") return { endsAt: null, because: "its keys are being selected" };
  if (state !== "running") return { endsAt: null, because: `it is ${state}` };
  const waiting = sumItems(counts).waiting;
  const done = doneItems(counts) - lap.done;
  // The wait at a gate is no part of the pace.
  const until = wholeAt ?? now;
  const measured = done > 0 && until > lap.at ? (done * 1_000) / (until - lap.at) : null;
  const perSecond = measured ?? pace;
  if (waiting > 0 && perSecond === null)
    return {
      endsAt: null,
      because: lap.done + done > 0 ? "the pace of this stretch is not known yet" : "no key has been started yet",
    };
  const startMs = waiting === 0 ? 0 : (waiting * 1_000) / (perSecond as number);
  const soaks = waves.flatMap(({ gate }, i) => {
    if (i < wave || sumItems([counts[i] as ItemCounts]).waiting + (i === wave ? 1 : 0) === 0) return [];
    return i === wave && metAt !== null ? [Math.max(0, metAt + gate.soakMs - now)] : [gate.soakMs];
  });
  const soakMs = soaks.reduce((sum, each) => sum + each, 0);
  const forPeople = waves.some(({ gate }, i) => i >= wave && (gate.claimed > 0 || gate.retired > 0));
  const parts = [
    ...(waiting > 0 ? [`${countText(waiting, "key")} at ${paceText(perSecond as number)}`] : []),
    ...(soakMs > 0 ? [`${soakText(soakMs)} of soak`] : []),
    ...(forPeople ? ["and as long as its consumers take, which nobody knows"] : []),
  ];
  return { endsAt: Math.ceil(now + startMs + soakMs), because: parts.join(", ") || "its last gate" };
}

/** In the largest unit of time in which it is one or more. */
function paceText(perSecond: number): string {
  if (perSecond >= 1) return `${Math.round(perSecond)} a second`;
  return perSecond * 60 >= 1 ? `${Math.round(perSecond * 60)} a minute` : `${Math.ceil(perSecond * 3_600)} an hour`;
}

function soakText(ms: number): string {
  if (ms < 120_000) return `${Math.ceil(ms / 1_000)} seconds`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} minutes` : `${Number((ms / 3_600_000).toFixed(1))} hours`;
}
