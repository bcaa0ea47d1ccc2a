/**
 * I1, I4, I19: what a verifier answered must be what the committed history said at some moment within the staleness bound, by core's
 * `judgeCode` on the record of that moment.
 *
 *     positions   ──p1──────────┬──p2────────────┬──p3────────▶ true time
 *     decision                        ├ bound ───────┤ t        p1 is too old to answer from; p2 and p3 will do
 */
import { type Ask, judgeCode, sha256Text, type Verdict, type VerdictCode } from "@keyover/core";
import type { KeyPast, Model, Position } from "./model.ts";

export interface Decision {
  at: number;
  verifier: string;
  text: string;
  ask: Ask;
  source: string;
  verdict: Verdict;
  /** What this verifier's lease may be taken for too long, because its machine's clock was set back while it was down. */
  grace: number;
}

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
      accepted: verdict.valid,
    });
    if (verdict.version !== version || verdict.key !== past.id)
      model.fail("I19", past.id, `${verifier} took version ${version} for ${verdict.key} version ${verdict.version}`);
  }
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
  const possible = codesWithin(past, sha256Text(text), ask, at - bound, at);
  if (possible.has(code)) return;
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

/** What would have been right at some moment between the two. */
function codesWithin(past: KeyPast, sha256: string, ask: Ask, from: number, to: number): Set<VerdictCode> {
  const codes = new Set<VerdictCode>();
  const { positions } = past;
  for (let i = positions.length - 1; i >= 0; i--) {
    const position = positions[i] as Position;
    const held = position.byHash.get(sha256);
    codes.add(held === undefined ? "unknown" : judgeCode(held, ask, to));
    if (position.at <= from) return codes;
  }
  codes.add("unknown");
  return codes;
}
