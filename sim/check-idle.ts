/**
 * L3: a key that nobody uses is announced, suspended, and at last revoked; one that is used never is. Recomputed from every request that was ever decided
 * on, the committed rows of boots and the policies that held, without core's idle.ts.
 *
 *     last use, or the end of the last hole ──unusedMs──▶ announced ──suspendAfterMs──▶ suspended ──revokeAfterMs without a try──▶ revoked
 */
import type { IdleState, Key } from "@keyover/core";
import type { Commit } from "./check-commit.ts";
import { slackOf } from "./check-end.ts";
import { isLost, type Mark, marks } from "./check-quiet.ts";
import type { KeyPast, Model, Use } from "./model.ts";
import { type Resolved, resolve } from "./rules.ts";

/** What a verifier's time may be behind, for an exchange with the authority. */
const EXCHANGE_MS = 2_000;

interface Idle {
  unusedMs: number | null;
  suspendAfterMs: number | null;
  revokeAfterMs: number | null;
}

/** The policy did that to the key, and no person: whether it might, `checkIdle` says. */
export function isForIdleness({ batch, before, past }: Commit): boolean {
  const own = batch.audit.some(({ actor }) => actor === "policy");
  const idle = past.key.status === "suspended" ? past.key.idle : before.key?.idle;
  return own && past.key.status !== "active" && idle?.suspendedAt != null;
}

export function checkIdle(model: Model, commit: Commit): void {
  const { past, before, batch } = commit;
  const [was, key] = [before.key, past.key];
  if (was === undefined || was.idle === key.idle) {
    if (was === undefined || was.status === key.status || !isForIdleness(commit)) return;
  }
  const fail = (what: string) => model.fail("L3", past.id, what);
  const told = (event: string) => {
    const draft = batch.notices?.find((each) => each.event === event && each.keyId === past.id);
    if (draft === undefined) fail(`the commit does not raise ${event}`);
    return draft?.details;
  };
  const look = new Look(model, commit);
  const idle = key.idle ?? null;
  if (idle !== null && idle.suspendedAt === null && idle.announcedAt !== was.idle?.announcedAt) {
    model.saw("unused key: announced");
    if (told("key.idle")?.suspendAt !== idle.suspendAt) fail("it is told another time than is kept");
    if (look.isOff(idle.announcedAt)) fail(`it is announced ${idle.announcedAt - model.time.at} ms from the truth`);
    look.check("is announced as idle", (policy, mark) => look.unusedProblem(policy, mark, model.time.at));
  }
  if (!isForIdleness(commit) || was.status === key.status) return;
  model.saw(`unused key: ${key.status}`);
  if (key.rotationId !== null) fail(`the key is ${key.status} for idleness in the midst of a rotation`);
  if (key.status === "suspended")
    look.check("is suspended for idleness", (policy, mark) => look.suspendProblem(policy, mark, was.idle));
  else {
    told("key.revoked");
    look.check("is revoked for idleness", (policy, mark) => look.revokeProblem(policy, mark, was));
  }
}

/** What may have been seen of a key when it was decided upon: each policy that held, each watermark. */
class Look {
  readonly #model: Model;
  readonly #commit: Commit;
  readonly #slackMs: number;

  constructor(model: Model, commit: Commit) {
    this.#model = model;
    this.#commit = commit;
    this.#slackMs = slackOf(model, commit.process) + model.clockErrorMs;
  }

  isOff(at: number): boolean {
    const late = this.#model.time.at - at;
    return late > this.#slackMs || late < -this.#model.clockErrorMs;
  }

  check(what: string, problemOf: (policy: Idle, mark: Mark) => string | undefined): void {
    const model = this.#model;
    const { past, before } = this.#commit;
    const from = model.time.at - this.#slackMs;
    let problem: string | undefined;
    for (const state of model.rules.since(from)) {
      const policy = idleOf(resolve(state, before.key ?? past.key));
      for (const mark of marks(model, past.apiId, from - VIEW_AGE_MS)) {
        const found = problemOf(policy, mark);
        if (found === undefined) return;
        problem ??= found;
      }
    }
    model.fail("L3", past.id, `the key ${what}: ${problem}`);
  }

  /** By `at` it had not been used for long enough, as far as was known. */
  unusedProblem({ unusedMs }: Idle, mark: Mark, at: number): string | undefined {
    if (unusedMs === null) return "no policy says so";
    const since = silentSince(this.#commit, mark);
    const silent = Math.min(at, mark.at) - since + this.#slackMs + EXCHANGE_MS;
    return silent >= unusedMs ? undefined : `it was silent for ${Math.round(silent)} of ${unusedMs} ms`;
  }

  suspendProblem(policy: Idle, mark: Mark, told: IdleState | null | undefined): string | undefined {
    const { at } = this.#model.time;
    if (told?.suspendAt == null) return "nobody was told when";
    if (policy.suspendAfterMs === null) return "the policy only announces";
    const due = Math.max(told.suspendAt, told.announcedAt + policy.suspendAfterMs);
    if (at < due - this.#slackMs) return `${Math.round(due - at)} ms before it was told`;
    if (mark.at < due - this.#slackMs)
      return `verifiers have reported up to ${Math.round(due - mark.at)} ms before that`;
    const since = silentSince(this.#commit, mark);
    if (since > told.announcedAt + this.#slackMs)
      return `it was used ${Math.round(since - told.announcedAt)} ms after it was announced`;
    return this.unusedProblem(policy, mark, at);
  }

  revokeProblem({ revokeAfterMs }: Idle, mark: Mark, { idle }: Key): string | undefined {
    const { at } = this.#model.time;
    if (revokeAfterMs === null || idle?.suspendedAt == null) return "no policy says so";
    if (idle.revokeAt === null) return "nobody was told when";
    if (at < idle.revokeAt - this.#slackMs) return `${Math.round(idle.revokeAt - at)} ms before it was told`;
    const { past } = this.#commit;
    // Who tries what has leaked is no sign of life.
    const tried = lastUse(past, mark, ({ version }) => past.versions.get(version)?.compromised !== true);
    const since = Math.max(idle.suspendedAt, tried);
    const passed = Math.min(at, mark.at) - since + this.#slackMs + EXCHANGE_MS;
    return passed >= revokeAfterMs ? undefined : `only ${Math.round(passed)} of ${revokeAfterMs} ms after a try`;
  }
}

/** As check-quiet.ts has it. */
const VIEW_AGE_MS = 250;

function silentSince({ past, before }: Commit, mark: Mark): number {
  const used = lastUse(past, mark, ({ accepted }) => accepted);
  return Math.max(past.createdAt, before.key?.statusChangedAt ?? 0, used, mark.holeEnd);
}

function lastUse({ uses }: KeyPast, mark: Mark, counts: (use: Use) => boolean): number {
  return uses.findLast((use) => use.at <= mark.at && counts(use) && !isLost(mark, use))?.at ?? 0;
}

function idleOf({ values }: Resolved): Idle {
  const [unusedMs, suspendAfterMs, revokeAfterMs] = ["unusedMs", "suspendAfterMs", "revokeAfterMs"].map(
    (name) => values[`idle.${name}`] as number | null,
  );
  return { unusedMs: unusedMs ?? null, suspendAfterMs: suspendAfterMs ?? null, revokeAfterMs: revokeAfterMs ?? null };
}

// ---- L3: it comes to an end -----------------------------------------------------------------------------------------------

/** As scale.ts has it: a look at a key that was announced. */
const DAY_MS = 4_000;
/** For reports, for the round, for who has to take over first. */
const ROUNDS_MS = 6_000;
const PATIENCE_MS = 45_000;

/** In good times what nobody uses is suspended, or announced where the policy says no more. */
export async function checkIdleEnds(model: Model, healedAt: number, over: () => boolean): Promise<void> {
  const { time } = model;
  const latest = time.at + PATIENCE_MS;
  let wholeSince = healedAt + ROUNDS_MS;
  for (let open = true; open && !over() && time.at < latest; ) {
    await time.runUntil(time.at + 1_000, over);
    open = false;
    for (const past of model.keys.values()) {
      const [mark] = marks(model, past.apiId, time.at);
      if (mark === undefined || mark.at < time.at - 3_000) wholeSince = time.at;
      const left = leftOf(model, past, mark, wholeSince);
      if (left !== undefined && left < 0)
        model.fail("L3", past.id, `nobody has used the key, and ${Math.round(-left)} ms ago that should have ended it`);
      if (left !== undefined) open = true;
    }
  }
}

/** How long until the key has to be suspended or announced; undefined: nothing has to be done to it. */
function leftOf(model: Model, past: KeyPast, mark: Mark | undefined, wholeSince: number): number | undefined {
  const { key } = past;
  const { at } = model.time;
  const { unusedMs, suspendAfterMs } = idleOf(resolve(model.rules.now, key));
  if (key.status !== "active" || key.rotationId !== null || key.expiresAt !== null || unusedMs === null)
    return undefined;
  if (suspendAfterMs === null && key.idle != null) return undefined;
  const used = past.uses.findLast(({ accepted }) => accepted)?.at ?? 0;
  if (at - used < unusedMs) return undefined;
  const since = Math.max(
    used,
    past.createdAt,
    past.statusChangedAt,
    key.lastRotation?.endedAt ?? 0,
    mark?.holeEnd ?? 0,
    wholeSince,
    model.rules.now.at,
    model.rules.replannedAt,
  );
  return since + unusedMs + (suspendAfterMs ?? 0) + DAY_MS + ROUNDS_MS - at;
}
