/**
 * I1, I4, I19: what a verifier answered must be what the committed history said at some moment within the staleness bound, by core's
 * `judgeCode` on the record of that moment.
 *
 *     positions   ──p1──────────┬──p2────────────┬──p3────────▶ true time
 *     decision                        ├ bound ───────┤ t        p1 is too old to answer from; p2 and p3 will do
 */
import { type Ask, isAccepted, judgeCode, sha256Text, type Verdict, type VerdictCode } from "@keyover/core";
import { checkExpired } from "./check-expiry.ts";
import { checkUse, isLimited } from "./check-use.ts";
import { type KeyPast, type Model, type Position, positionsSince } from "./model.ts";
import type { Process } from "./process.ts";

export interface Decision {
  at: number;
  verifier: string;
  process: Process;
  text: string;
  ask: Ask;
  /** Units of the key's limits. */
  cost: number;
  source: string;
  verdict: Verdict;
  /** What this verifier's lease may be taken for too long, because its machine's clock was set back while it was down. */
  grace: number;
  /** What time it is, it may know from its disk alone. */
  young: boolean;
}

/** A verifier's time is no later than the authority's, and earlier by no more than an exchange takes. */
const EXCHANGE_MS = 4_000;
/** What the authority's own clock may be ahead. */
const AHEAD_MS = 60;

/** A "no such key" is at most as old as a remembered no and the question's way. */
const UNKNOWN_MS = 2_000 + 1_000 + 50;

export function checkDecision(model: Model, decision: Decision): void {
  const { at, verdict, text, ask, verifier } = decision;
  const { code } = verdict;
  model.counts.requests++;
  const known = model.secrets.get(sha256Text(text));
  if (known === undefined) {
    if (verdict.valid) model.fail("I8", undefined, `${verifier} accepted a text that is nobody's key`);
    return;
  }
  const { key: past, version } = known;
  if (verdict.version !== undefined) {
    // A number that a restore gave to another secret: whoever still goes by the older one says nothing of this one.
    const own = past.hashes.get(version) === sha256Text(text) ? version : Number.NaN;
    past.uses.push({
      at,
      version: own,
      number: version,
      sha256: sha256Text(text),
      source: decision.source,
      verifier,
      // Whoever is refused for a limit holds a good version, and uses it.
      accepted: verdict.valid || isLimited(code),
      code,
    });
    if (verdict.version !== version || verdict.key !== past.id)
      model.fail("I19", past.id, `${verifier} took version ${version} for ${verdict.key} version ${verdict.version}`);
  }
  if (code === "expired") checkExpired(model, past);
  if (code === "brownout") past.browned = true;
  model.history.note(verifier, `v${version} ${code}${verdict.stale ? " (stale)" : ""}`, past.id);
  if (code === "stale_replica") {
    model.counts.unavailable++;
    if (model.settled) {
      model.counts.wronglyRefused++;
      model.fail("I1", past.id, `${verifier} can't decide, though everything has worked for long enough`);
    }
    return;
  }
  const staleMs = model.staleMs * 1.001 + 5 + decision.grace;
  const bound = code === "unknown" ? Math.min(staleMs, UNKNOWN_MS + model.lateMs) : staleMs;
  const times = timesAround(at, decision.young ? staleMs : 0, model.clockErrorMs + decision.grace);
  const possible = codesWithin(past, sha256Text(text), ask, at - bound, times);
  if (code === "brownout" || code === "fenced") checkLimitedUse(model, decision, past, sha256Text(text), at - bound);
  checkUse(model, { at, past, process: decision.process, verdict, cost: decision.cost, boundMs: bound });
  // A limit refuses only what is in order.
  if (possible.has(isLimited(code) ? "ok" : code)) return;
  const list = [...possible].join(", ");
  if (verdict.valid) {
    model.counts.wronglyAccepted++;
    model.fail(
      "I4",
      past.id,
      `${verifier} accepted version ${version}; for the last ${Math.round(bound)} ms the answer was ${list}`,
    );
  } else {
    model.counts.wronglyRefused++;
    const invariant = possible.has("ok") && possible.size === 1 ? "I1" : "I19";
    model.fail(
      invariant,
      past.id,
      `${verifier} said ${code} to version ${version}; for the last ${Math.round(bound)} ms the answer was ${list}`,
    );
  }
}

interface Times {
  /** What a verifier may take for the time, at the least and at the most. */
  now: number[];
  latest: number[];
}

/** `early`: how far ahead it may be; `late`: how far back, at the most that it thinks possible. */
function timesAround(at: number, early: number, late: number): Times {
  const ahead = at + early + AHEAD_MS;
  return { now: [at - EXCHANGE_MS, at, ahead], latest: [at - AHEAD_MS - late, at, ahead + EXCHANGE_MS] };
}

/** Only the old version of a rotation is browned out, and for no longer than was said; a leaked one is told of no network. */
function checkLimitedUse(model: Model, decision: Decision, past: KeyPast, sha256: string, from: number): void {
  const { code, version } = decision.verdict;
  const late = model.clockErrorMs + decision.grace + AHEAD_MS;
  const right = positionsSince(past, from).some(({ record, byHash }) => {
    const held = byHash.get(sha256)?.version;
    if (held === undefined) return false;
    const limited = held.fence !== undefined && (!held.compromised || held.fence.scopes !== undefined);
    // After a restore a fenced one may be on its way once more, and its record tells of no rotation.
    if (code === "fenced") return limited && (record?.rotation?.from ?? version) === version;
    return (
      record?.rotation?.from === version && (held.brownoutUntil ?? 0) > decision.at - late && isAccepted(held.state)
    );
  });
  if (!right)
    model.fail("limits", past.id, `${decision.verifier} said ${code} to version ${version}, which is not limited so`);
}

/** What would have been right at some moment from then on. */
function codesWithin(past: KeyPast, sha256: string, ask: Ask, from: number, { now, latest }: Times): Set<VerdictCode> {
  const codes = new Set<VerdictCode>();
  const { positions } = past;
  for (let i = positions.length - 1; i >= 0; i--) {
    const position = positions[i] as Position;
    const held = position.byHash.get(sha256);
    if (held === undefined) codes.add("unknown");
    else {
      // Most are limited by no time.
      const timed = position.record?.expiresAt !== undefined || held.version.brownoutUntil !== undefined;
      for (const time of timed ? now : now.slice(1, 2))
        for (const most of timed ? latest : latest.slice(1, 2)) codes.add(judgeCode(held, ask, time, most));
    }
    if (position.at <= from) return codes;
  }
  codes.add("unknown");
  return codes;
}
