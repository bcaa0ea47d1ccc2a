/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11): what limits a key has, and what is left of them.
 *
 *     RateLimit-Policy: "sustained";q=100;w=60;keyover-burst=20, "monthly";q=1000000
 *     RateLimit: "sustained";r=12;t=5, "monthly";r=997312;t=723411
 *
 * `q` units in each `w` seconds, `r` of them left, for the next `t` seconds no more than that. A month has no `w`: its length differs. The unit (`qu`)
 * is the draft's default, requests; a request that costs more counts as so many.
 */
import type { Limit, LimitState } from "./limits.ts";

export const RATE_LIMIT_POLICY_HEADER = "ratelimit-policy";
export const RATE_LIMIT_HEADER = "ratelimit";

/** The largest integer of RFC 9651 §3.3.1. */
const INTEGER_MAX = 999_999_999_999_999;

/** The response headers for a key's limits, as name and value pairs; none if it has none. Names of limits need no escape (limits.ts). */
export function limitHeaders(limits: readonly LimitState[] | undefined): [name: string, value: string][] {
  if (limits === undefined || limits.length === 0) return [];
  const left = limits.map(
    ({ limit, remaining, resetMs }) => `"${limit.name}";r=${whole(remaining)};t=${whole(Math.ceil(resetMs / 1_000))}`,
  );
  return [
    [RATE_LIMIT_POLICY_HEADER, limits.map(({ limit }) => policyOf(limit)).join(", ")],
    [RATE_LIMIT_HEADER, left.join(", ")],
  ];
}

function policyOf(limit: Limit): string {
  const { name, units } = limit;
  if (limit.kind === "quota") return `"${name}";q=${whole(units)}${limit.period === "day" ? ";w=86400" : ""}`;
  // A window is whole seconds there: 10 in 1.5 s are 20 in 3 s.
  const times = 1_000 / greatestCommonDivisor(limit.windowMs, 1_000);
  const policy = `"${name}";q=${whole(times * units)};w=${(times * limit.windowMs) / 1_000}`;
  return limit.burst === units ? policy : `${policy};keyover-burst=${limit.burst}`;
}

function whole(value: number): number {
  return Math.min(INTEGER_MAX, value);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
