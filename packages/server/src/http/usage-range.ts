/** The time that a question about usage spans, and how finely: checked, because each bucket is a row of the answer. */
import { BUCKET_MS, DAY_MS, type Store, type UsageBucket } from "../store/store.ts";

interface Fineness {
  stepMs: number;
  /** What one answer may span. */
  mostMs: number;
  mostText: string;
  /** Without `from`. */
  usualMs: number;
}

const FINENESS = {
  "10s": { stepMs: BUCKET_MS, mostMs: DAY_MS, mostText: "a day", usualMs: 3_600_000 },
  minute: { stepMs: 60_000, mostMs: 2 * DAY_MS, mostText: "two days", usualMs: 2 * DAY_MS },
  day: { stepMs: DAY_MS, mostMs: 400 * DAY_MS, mostText: "400 days", usualMs: 30 * DAY_MS },
} as const satisfies Record<string, Fineness>;

export interface UsageQuestion {
  from?: number | undefined;
  to?: number | undefined;
  by: keyof typeof FINENESS;
}

/** How to read the answer, or what is wrong with the question. */
export function usageIn(
  { from, to, by }: UsageQuestion,
  now: number,
): { read: (store: Store, keyId: string) => Promise<UsageBucket[]> } | string {
  const { stepMs, mostMs, mostText, usualMs } = FINENESS[by];
  const until = to ?? now + 1;
  const since = from ?? Math.max(0, until - usualMs);
  if (since > until) return `from (${since}) lies behind to (${until})`;
  // The first bucket may have begun before `from`, and is part of the answer. Who counts from its own clock may be a little off.
  if (until - since > mostMs + stepMs)
    return `by=${by} answers ${mostText} at most; ask for a shorter time, or more coarsely`;
  const begin = since - (since % stepMs);
  return {
    read: (store, keyId) =>
      by === "day" ? store.days(keyId, begin, until) : store.buckets(keyId, begin, until, stepMs),
  };
}
