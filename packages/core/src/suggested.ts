/**
 * When a client best changes over, as ACME's renewal information does it (RFC 9773): a window, in which each client draws a moment of its own.
 * It begins with the offer and takes a share of the overlap; it lies outside the policy's blackouts where that can be done before the deadline,
 * and before a brownout.
 */
import { nextBrownout } from "./brownout.ts";
import type { Rotation } from "./rotation.ts";
import { freeAt, freeUntil } from "./schedule.ts";

export interface SuggestedWindow {
  from: number;
  to: number;
}

/** A fleet of instances moves within this share of the overlap. */
const SHARE = 0.25;
const WINDOW_MS_MAX = 3_600_000;

/** Of a rotation that is offered, or further. */
export function suggestedWindow(rotation: Rotation, now: number): SuggestedWindow {
  const { from, to } = ofOverlap(rotation, now);
  // Whoever has moved by then notices nothing of it.
  const brownout = nextBrownout(rotation)?.from ?? Number.POSITIVE_INFINITY;
  return { from: Math.min(from, brownout), to: Math.min(to, brownout) };
}

function ofOverlap(rotation: Rotation, now: number): SuggestedWindow {
  const from = rotation.offeredAt ?? now;
  // A leaked version has no time to lose.
  if (rotation.fromCompromised) return { from, to: from };
  const deadline = rotation.overlapEndsAt ?? from;
  const spanMs = Math.min((deadline - from) * SHARE, WINDOW_MS_MAX);
  const plain = { from, to: Math.floor(from + spanMs) };
  const free = rotation.calendar === null ? null : freeAt(rotation.calendar, from);
  if (rotation.calendar === null || free === null || free.at >= deadline) return plain;
  const until = Math.min(Math.floor(free.at + spanMs), deadline);
  return { from: free.at, to: freeUntil(rotation.calendar, free.at, until) };
}
