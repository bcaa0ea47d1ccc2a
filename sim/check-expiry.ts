/**
 * No key expires silently. When a verifier refuses one because it has expired, its expiry was announced before, if there was a step to announce it at
 * and an authority that looked; and a key in use was given the grace that its policy sets.
 */
import { defaultExpiry, type Expiry } from "@keyover/core";
import type { KeyPast, Model } from "./model.ts";
import { resolve } from "./rules.ts";

/** As scale.ts has it: so long before the expiry the grace is decided upon. */
const GRACE_LEAD_MS = 3_000;
/** A process that has begun its next round has ended the one before; three of them may fail. */
const ROUNDS = 4;
const ROUND_MS = 2_500;

/** A verifier said `expired`. */
export function checkExpired(model: Model, past: KeyPast): void {
  const { key } = past;
  const { at } = model.time;
  past.undisturbed = false;
  if (key.expiresAt === null || past.expiryChecked === key.expiresAt || model.restoredAt.length > 0) return;
  // What a verifier goes by may be older than the key's last change.
  if (at < Math.max(key.expiresAt, key.graceUntil ?? 0)) return;
  past.expiryChecked = key.expiresAt;
  const { expiresAt } = key;
  const setAt = past.expirySetAt ?? past.createdAt;
  const rule = steadyRule(model, past, setAt, at);
  if (rule === undefined) return;
  const slack = model.clockErrorMs + model.lateMs;
  const steps = rule.announceMs.map((ms) => expiresAt - ms).filter((step) => step > setAt + slack);
  const announced = model.mail.raised.some(
    ({ draft }) => draft.event === "key.expiring" && draft.keyId === past.id && draft.details.expiresAt === expiresAt,
  );
  if (steps.length > 0 && !announced && looked(model, Math.min(...steps) + slack, expiresAt))
    model.fail("expiry", past.id, "the key has expired, and nobody was told before");
  const inUse =
    (past.reported.find(({ accepted }) => accepted > 0)?.at ?? Infinity) < expiresAt - GRACE_LEAD_MS - slack;
  const decidedFrom = Math.max(expiresAt - GRACE_LEAD_MS, setAt) + slack;
  const decides = expiresAt - GRACE_LEAD_MS > setAt + slack;
  if (rule.graceMs > 0 && inUse && decides && key.graceUntil == null && looked(model, decidedFrom, at))
    model.fail("expiry", past.id, "the key was in use when it expired, and got no grace");
}

/** Undefined if it was changed meanwhile. */
function steadyRule(model: Model, { key }: KeyPast, from: number, to: number): Expiry | undefined {
  const texts = new Set<string>();
  let rule: Expiry = defaultExpiry;
  for (const state of model.rules.since(from)) {
    if (state.at > to) continue;
    const { values } = resolve(state, key);
    rule = { announceMs: values["expiry.announceMs"] as number[], graceMs: values["expiry.graceMs"] as number };
    texts.add(JSON.stringify(rule));
  }
  return texts.size === 1 ? rule : undefined;
}

/** Whether some process looked for what is due often enough, without being stopped in between, while there was time to. */
function looked({ rounds }: Model, from: number, to: number): boolean {
  for (const times of rounds.values()) {
    let row = 0;
    let before = Number.NEGATIVE_INFINITY;
    for (const time of times.filter((each) => each >= from && each <= to)) {
      row = time - before <= ROUND_MS ? row + 1 : 1;
      before = time;
      if (row >= ROUNDS) return true;
    }
  }
  return false;
}
