/**
 * When a notice is sent: quiet hours, the time in which several become one message, and how long after a failure it is tried again.
 * Pure; times are epoch milliseconds.
 */
import { jittered, minutesOf, momentOf, type RandomBytes, wallTime } from "@keyover/core";
import type { Channel, QuietHours, Severity } from "../store/notice-entities.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// ---- quiet hours --------------------------------------------------------------------------------------------------------

export function isQuiet({ zone, from, to }: QuietHours, at: number): boolean {
  const [begin, end] = [minutesOf(from) as number, minutesOf(to) as number];
  const now = wallTime(zone, at).minutes;
  return begin <= end ? begin <= now && now < end : begin <= now || now < end;
}

/**
 * When the quiet hours are over in which `at` lies; `at` itself if it lies in none. Where spring leaves their end out, they end when that hour
 * would have been over; where autumn repeats an hour, what lies in it is quiet twice.
 */
export function afterQuiet(quiet: QuietHours | null, at: number): number {
  if (quiet === null || !isQuiet(quiet, at)) return at;
  const { zone, to } = quiet;
  const { day } = wallTime(zone, at);
  const ends = [day, day + 1].flatMap((each) =>
    (["first", "last"] as const).map((which) => momentOf(zone, each, minutesOf(to) as number, which)),
  );
  // Quiet all day means never.
  const over = ends.filter((end) => end > at && !isQuiet(quiet, end));
  return over.length === 0 ? at : Math.min(...over);
}

// ---- digests ------------------------------------------------------------------------------------------------------------

/** Urgent ones wait only for those that come at the same moment: ten thousand keys that are killed at once are not ten thousand mails. */
const URGENT_COLLECT_MS = 2 * SECOND;

export interface Slot {
  /** Further events may join until it is due. */
  collects: boolean;
  dueAt: number;
}

export function slotFor({ digestMs, quiet }: Channel, severity: Severity, now: number): Slot {
  if (severity === "urgent") return { collects: digestMs > 0, dueAt: now + Math.min(digestMs, URGENT_COLLECT_MS) };
  const dueAt = afterQuiet(quiet, now + digestMs);
  return { collects: dueAt > now, dueAt };
}

// ---- retries ------------------------------------------------------------------------------------------------------------

const PAUSES = [5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR];
const JITTER = 0.2;
/** After this it is a dead letter. */
const TRY_FOR_MS = 3 * DAY;
/** A target may ask for a longer pause, but not for ever. */
const RETRY_AFTER_MS_MAX = DAY;

/** When to try again after `attempts` failures, or undefined: it is dead. */
export function nextAttempt(
  { attempts, firstDueAt }: { attempts: number; firstDueAt: number },
  now: number,
  random: RandomBytes,
  retryAfterMs = 0,
): number | undefined {
  if (now - firstDueAt >= TRY_FOR_MS) return undefined;
  const pause = PAUSES[Math.min(attempts, PAUSES.length) - 1] ?? (PAUSES[0] as number);
  const own = jittered(pause, JITTER, random);
  return Math.round(now + Math.max(own, Math.min(retryAfterMs, RETRY_AFTER_MS_MAX)));
}

/** Milliseconds of a `Retry-After`: seconds, or an HTTP date. Undefined for any other text. */
export function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * SECOND;
  const at = /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
