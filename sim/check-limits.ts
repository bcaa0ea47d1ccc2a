/**
 * Fences, brownouts and automatic rollback: only where a policy or a person says so, only of the old version of a rotation whose successor is accepted,
 * announced before, and over by themselves. Worked out from the committed rows, the true times and the true uses.
 *
 *     fence      put up when it is due, once; gone with a rollback, a cancellation, or a person's word
 *     brownout   announced ──▶ begun ──▶ over, all within an overlap; the version's own end is the slot's
 *     rollback   by itself only over its threshold, within its window, once per cool-down, never to a version in wrong hands
 */
import { isAccepted, type Rotation, type Version } from "@keyover/core";
import type { NoticeEvent } from "../packages/server/src/store/notice-entities.ts";
import type { Commit } from "./check-commit.ts";
import { blackoutIn } from "./check-schedule.ts";
import { type KeyPast, type Model, type RotationPast, sinceOf } from "./model.ts";

type Slot = NonNullable<Rotation["brownouts"]>["slots"][number];
type Fail = (what: string) => void;

/** After each commit: whatever limits a clean version is its rotation's. */
export function checkLimited(model: Model, past: KeyPast): void {
  const open = [...past.rotations.values()].find(({ rotation }) => rotation.endedAt === null)?.rotation;
  for (const { number, state, compromised, fence, brownoutUntil } of past.versions.values()) {
    if (!isAccepted(state)) continue;
    // After a restore one may be on its way once more.
    const own = open?.from === number && (isOpen(open) || open.phase === "propagating") ? open : undefined;
    const fail = (what: string) => model.fail("limits", past.id, `version ${number} ${what}`);
    if (fence !== null && !compromised && (own?.fenced == null || own.fenced.lifted !== null))
      fail("is fenced, and no rotation has put a fence around it");
    const slot = own === undefined ? undefined : runningOf(own);
    const until = brownoutUntil ?? 0;
    if (until > model.time.at + model.clockErrorMs && slot?.until !== until)
      fail(`is refused until ${until}; its rotation's brownout ends ${slot?.until}`);
    if (slot !== undefined && own?.paused !== null) fail("is in a brownout, and its rotation is paused");
    const over = slot === undefined || slot.until < model.time.at;
    if (!over && slot.until !== brownoutUntil) fail("is in a brownout, and does not say until when");
  }
}

function isOpen({ phase, endedAt }: Rotation): boolean {
  return (phase === "offered" || phase === "overlapping") && endedAt === null;
}

function slotsOf(rotation: Rotation | undefined): readonly Slot[] {
  return rotation?.brownouts?.slots ?? [];
}

function runningOf(rotation: Rotation | undefined): Slot | undefined {
  return slotsOf(rotation).find(({ begunAt, endedAt }) => begunAt !== null && endedAt === null);
}

/** A rotation that was changed. */
export function checkLimits(model: Model, commit: Commit, was: Rotation, known: RotationPast, slackMs: number): void {
  const { past, batch } = commit;
  const { rotation } = known;
  const fail = (what: string) => model.fail("limits", past.id, `rotation ${rotation.from}→${rotation.to} ${what}`);
  const told = (event: NoticeEvent) => {
    if (!batch.notices?.some((draft) => draft.event === event && draft.rotationId === rotation.id))
      fail(`does not raise ${event}`);
  };
  if (was.fenced === null && rotation.fenced !== null) checkFence(model, past, known, slackMs, fail, told);
  checkAnnounced(model, commit, was, rotation, fail);
  for (const slot of slotsOf(rotation)) {
    const before = slotsOf(was).find(({ from, by }) => from === slot.from && by === slot.by);
    if (slot.begunAt !== null && (before?.begunAt ?? null) === null) {
      told("brownout.begun");
      checkBegun(model, rotation, before, slot, slackMs, fail);
    }
  }
  const running = runningOf(was);
  if (running !== undefined && runningOf(rotation)?.from !== running.from) {
    told("brownout.ended");
    checkBudget(model, past, rotation, running, fail);
  }
}

// ---- fences ------------------------------------------------------------------------------------------------------------

function checkFence(
  model: Model,
  past: KeyPast,
  known: RotationPast,
  slackMs: number,
  fail: Fail,
  told: (event: NoticeEvent) => void,
): void {
  const { rotation, offeredAt } = known;
  const { policy, fenced, usedAt, pausedMs, paused } = rotation;
  const rule = policy.fence;
  if (rule === null || fenced === null) {
    fail("is fenced, and its policy has no fence");
    return;
  }
  if (!isOpen(rotation) || paused !== null || rotation.fromCompromised) fail(`is fenced while it is ${rotation.phase}`);
  const since = rule.from === "offered" ? sinceOf(offeredAt, rotation.offeredAt) : (usedAt ?? Infinity);
  const early = since + rule.afterMs + pausedMs - model.time.at - slackMs - model.clockErrorMs;
  if (!(early <= 0)) fail(`is fenced ${Math.round(early)} ms before that is due`);
  const { scopes, networks } = fenced.fence;
  if (scopes === undefined && networks === undefined) return;
  told("fence.applied");
  const version = past.versions.get(rotation.from);
  if (JSON.stringify(version?.fence) !== JSON.stringify(fenced.fence)) fail("has another fence than its old version");
  for (const pattern of rule.without ?? [])
    if (
      scopes !== undefined &&
      ["market:read", "trade:write"].some((scope) => fits(pattern, scope) && covers(scopes, scope))
    )
      fail(`is fenced to ${scopes.join(" ")}; that was to be without ${pattern}`);
  if (rule.networks === "seen" && networks !== undefined) checkNetworks(past, rotation, networks, fail);
}

/** Who came with it before may use it still: all of a consumer's instances are in one network. */
function checkNetworks(past: KeyPast, rotation: Rotation, networks: readonly string[], fail: Fail): void {
  const own = past.uses.filter(({ version, at }) => version === rotation.from && at < rotation.createdAt);
  const inside = own.some(({ source }) => networks.includes(`${source.split("|")[0]?.replace(/\d+$/, "0")}/24`));
  if (!inside) fail(`is fenced to ${networks.join(", ")}, where it was never used`);
}

function fits(pattern: string, scope: string): boolean {
  return new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(scope);
}

function covers(grants: readonly string[], scope: string): boolean {
  return grants.some((grant) => fits(grant, scope));
}

/** A clean version's fence is gone: was there a cause? */
export function liftProblem(model: Model, past: KeyPast, was: Version): string | undefined {
  if (was.compromised) return "is gone, and it leaked";
  const rotation = [...past.rotations.values()].findLast((known) => known.rotation.from === was.number)?.rotation;
  if (rotation === undefined) return "is gone";
  if (rotation.phase === "rolled-back" || rotation.phase === "cancelled") return undefined;
  return model.wasAsked("lift-fence", rotation.id) ? undefined : "is gone, and nobody asked for it";
}

// ---- brownouts ----------------------------------------------------------------------------------------------------------

function checkAnnounced(model: Model, { batch }: Commit, was: Rotation, rotation: Rotation, fail: Fail): void {
  const { brownouts, policy, overlapEndsAt, calendar } = rotation;
  if (brownouts === null || brownouts.announcedAt === null || brownouts.announcedAt === was.brownouts?.announcedAt)
    return;
  const { announcedAt, slots } = brownouts;
  if (policy.onDeadline !== "brownout") fail("announces brownouts; its policy does not");
  if (!isOpen(rotation) || rotation.paused !== null || rotation.fromRefusedAt !== null)
    fail(`announces brownouts while it is ${rotation.phase}`);
  if ((overlapEndsAt ?? Infinity) > model.time.at + model.clockErrorMs) fail("announces brownouts before its deadline");
  const plan = slots.filter(({ by, begunAt, endedAt }) => by === "policy" && begunAt === null && endedAt === null);
  if (plan.length === 0) return;
  const said = batch.notices?.find(
    ({ event, rotationId }) => event === "brownout.announced" && rotationId === rotation.id,
  );
  const times = (said?.details.slots ?? []) as { at: number }[];
  if (JSON.stringify(times.map(({ at }) => at)) !== JSON.stringify(plan.map(({ from }) => from)))
    fail("announces other brownouts than it plans");
  const lengths = plan.map(({ from, until }) => until - from);
  if (JSON.stringify(lengths) !== JSON.stringify(policy.brownout.lengthsMs))
    fail(`plans brownouts of ${lengths.join(", ")} ms`);
  for (const { from, until } of plan) {
    if (from < announcedAt + policy.brownout.announceMs)
      fail(`announces a brownout ${from - announcedAt} ms before it begins`);
    const inside = calendar === null ? undefined : (blackoutIn(calendar, from) ?? blackoutIn(calendar, until - 1));
    if (inside !== undefined) fail(`plans a brownout within ${inside}`);
  }
}

function checkBegun(
  model: Model,
  rotation: Rotation,
  before: Slot | undefined,
  slot: Slot,
  slackMs: number,
  fail: Fail,
): void {
  const { at } = model.time;
  if (!isOpen(rotation) || rotation.paused !== null || rotation.fromRefusedAt !== null)
    fail(`begins a brownout while it is ${rotation.paused === null ? rotation.phase : "paused"}`);
  if (at < slot.from - model.clockErrorMs - slackMs) fail(`begins a brownout ${Math.round(slot.from - at)} ms early`);
  if (at > slot.until + slackMs) fail(`begins a brownout ${Math.round(at - slot.until)} ms after its end`);
  if (before === undefined && !model.wasAsked("brownout", rotation.id)) fail("begins a brownout that nobody announced");
  if (before !== undefined && before.until !== slot.until)
    fail("begins a brownout that ends at another time than was said");
}

/** For a report, and for the engine to look at it. */
const LOOK_MS = 3_500;

/** One that ran to its end was within its budget, as far as anybody can have known. */
function checkBudget(
  model: Model,
  past: KeyPast,
  rotation: Rotation,
  { from, until, begunAt }: Slot,
  fail: Fail,
): void {
  const ended = slotsOf(rotation).find((slot) => slot.from === from);
  const { errorBudget } = rotation.policy.brownout;
  if (errorBudget === null || ended?.endedAt !== until || !model.steadySince(begunAt ?? from)) return;
  const moved = new Set(
    past.reported
      .filter(({ version, accepted }) => version === rotation.to && accepted > 0)
      .map(({ source }) => source),
  );
  const refused = past.reported
    .filter(({ version, accepted, source }) => version === rotation.from && accepted === 0 && !moved.has(source))
    .filter(({ first, at }) => first >= (begunAt ?? from) && at <= until - LOOK_MS)
    .reduce((sum, row) => sum + row.refused, 0);
  if (refused > errorBudget) fail(`ran a brownout to its end over ${refused} refusals; its budget is ${errorBudget}`);
}

/** Whether the plan has come to its end with at least one brownout: then the policy may retire. */
export function planProblem({ policy, brownouts }: Rotation): string | undefined {
  if (policy.onDeadline !== "brownout") return "the policy says to hold at the deadline";
  if (policy.brownout.after !== "retire") return "the policy says to hold after the brownouts";
  if (brownouts === null || brownouts.announcedAt === null) return "no brownouts were announced";
  if (brownouts.stopped !== null) return "the brownouts were stopped";
  const plan = brownouts.slots.filter(({ by, from }) => by === "policy" && from >= (brownouts.announcedAt ?? 0));
  if (plan.some(({ endedAt }) => endedAt === null)) return "a brownout is still to come";
  return plan.some(({ begunAt }) => begunAt !== null) ? undefined : "no brownout took place";
}

// ---- automatic rollback -------------------------------------------------------------------------------------------------

export function isAutomatic({ batch }: Commit): boolean {
  return batch.audit.some(({ actor, details }) => actor === "engine" && details.cause === "refused");
}

/** Undefined if the policy may have taken the retirement back. */
export function automaticProblem(model: Model, past: KeyPast, was: Rotation, known: RotationPast, slackMs: number) {
  const rule = was.policy.automaticRollback;
  const { at } = model.time;
  if (rule === null) return "nobody asked for the rollback";
  if (was.phase !== "retired" || was.retiredAt === null)
    return `a rotation that is ${was.phase} is rolled back by itself`;
  if (was.fromCompromised) return "a leaked version is brought back by itself";
  if (was.forced !== null && was.forced.by !== "policy")
    return "what a person retired by force is brought back by itself";
  if (at > was.retiredAt + was.policy.rollbackMs + slackMs) return "it is rolled back after its window";
  const last = past.autoRolledBackAt;
  if (last !== undefined && at - last < rule.coolDownMs - slackMs)
    return `it is rolled back by itself ${Math.round(at - last)} ms after the last time; the cool-down is ${rule.coolDownMs}`;
  const before = sinceOf(known.lastRetiredAt, was.retiredAt) - slackMs;
  const runs = refusedRuns(past, was.from).filter(({ last }) => last >= before - ONE_REPORT_MS);
  const count = runs.reduce((sum, run) => sum + run.count, 0);
  if (count < rule.refusals || runs.length < rule.sources)
    return `it is rolled back by itself over ${count} refusals of ${runs.length} sources; the policy says ${rule.refusals} of ${rule.sources}`;
  return undefined;
}

/** What was refused in one report with what was accepted may have come after. */
const ONE_REPORT_MS = 10_000;

/** Of each source that had used it: how often it was refused since. A run that began before the retirement counts whole. */
function refusedRuns({ uses }: KeyPast, version: number): { count: number; last: number }[] {
  const own = uses.filter((use) => use.version === version);
  const sources = new Set(own.filter(({ accepted }) => accepted).map(({ source }) => source));
  return [...sources].map((name) => {
    const all = own.filter(({ source }) => source === name);
    const since = (all.findLast(({ accepted }) => accepted)?.at ?? 0) - ONE_REPORT_MS;
    const refused = all.filter(({ accepted, at }) => !accepted && at >= since);
    return { count: refused.length, last: refused.at(-1)?.at ?? 0 };
  });
}

/** Its window is over: was there cause to take it back? By what was reported in time. */
export function checkHurt(model: Model, past: KeyPast, was: Rotation, slackMs: number): void {
  const rule = was.policy.automaticRollback;
  const { retiredAt, forced } = was;
  if (rule === null || retiredAt === null || was.fromCompromised || (forced !== null && forced.by !== "policy")) return;
  // An emergency ends it earlier than its window.
  const over = Math.min(retiredAt + was.policy.rollbackMs, model.time.at);
  const cool = (past.autoRolledBackAt ?? Number.NEGATIVE_INFINITY) + rule.coolDownMs + slackMs < over - LOOK_MS;
  if (!cool || past.key.status !== "active" || !model.steadySince(retiredAt)) return;
  const rows = past.reported.filter(({ version }) => version === was.from);
  const knownSources = new Set(
    rows.filter(({ accepted, first }) => accepted > 0 && first < retiredAt).map(({ source }) => source),
  );
  const hurt = rows.filter(
    ({ source, accepted, first, at }) =>
      accepted === 0 && first >= retiredAt && at <= over - LOOK_MS && knownSources.has(source),
  );
  const refusals = hurt.reduce((sum, { refused }) => sum + refused, 0);
  if (refusals >= rule.refusals && new Set(hurt.map(({ source }) => source)).size >= rule.sources)
    model.fail(
      "limits",
      past.id,
      `${refusals} refusals of known sources were reported, and version ${was.from} was not brought back`,
    );
}
