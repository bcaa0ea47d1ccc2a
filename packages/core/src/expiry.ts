/**
 * The expiry of a key is never silent. It is announced at the policy's steps; a key that is still in use when the time comes gets the
 * grace that the policy sets, and works on until that is over. The grace has an end of its own: `expiresAt` stays what it was.
 *
 *     expiresAt − 30 d ── − 7 d ── − 1 d ── expiresAt − 1 h: in use? ──▶ grace ──▶ graceUntil: expired
 *        announce         …         …              └── no, or no grace ─────────▶ expiresAt: expired
 */
export interface Expiry {
  /** Announced this long before. */
  announceMs: number[];
  /** A key that is still in use works on for this long. */
  graceMs: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** No grace by itself: who set a date meant it. */
export const defaultExpiry: Expiry = { announceMs: [30 * DAY, 7 * DAY, DAY], graceMs: 0 };

export const expiryLimits = {
  announceMs: { min: 60_000, max: 366 * DAY },
  graceMs: { min: 0, max: 92 * DAY },
} as const;

/** The grace is granted so long before the expiry: no verifier may refuse the key before it has heard of it. */
export const GRACE_LEAD_MS = HOUR;
/** Used within this: in use. A monthly caller counts. */
export const IN_USE_MS: number = 32 * DAY;

export interface Expiring {
  expiresAt: number | null;
  graceUntil?: number | null | undefined;
}

/** Until when the key is accepted; null: without end. */
export function endOfKey({ expiresAt, graceUntil }: Expiring): number | null {
  return expiresAt === null ? null : Math.max(expiresAt, graceUntil ?? 0);
}

export interface ExpiryStep {
  at: number;
  what: "announce" | "grace" | "expired";
}

/** All steps of a key's expiry, in order. */
export function expirySteps(key: Expiring, { announceMs, graceMs }: Expiry): ExpiryStep[] {
  const end = endOfKey(key);
  if (key.expiresAt === null || end === null) return [];
  const { expiresAt } = key;
  const steps: ExpiryStep[] = announceMs.map((ms) => ({ at: expiresAt - ms, what: "announce" }));
  if (graceMs > 0 && (key.graceUntil ?? null) === null) steps.push({ at: expiresAt - GRACE_LEAD_MS, what: "grace" });
  return [...steps, { at: end, what: "expired" as const }].sort((a, b) => a.at - b.at);
}

/** The step to take at `now`, if one is due, and when to look again. Of several that were missed the last one is taken. */
export function nextExpiryStep(
  key: Expiring,
  expiry: Expiry,
  doneUntil: number,
  now: number,
): { due: ExpiryStep | undefined; next: number | null } {
  const open = expirySteps(key, expiry).filter(({ at }) => at > doneUntil);
  const missed = open.filter(({ at }) => at <= now);
  // A grace that is to be decided is not skipped for being late.
  const due = missed.find(({ what }) => what === "grace") ?? missed.at(-1);
  return { due, next: open.find(({ at }) => at > now)?.at ?? null };
}
