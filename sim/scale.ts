/**
 * What policies and schedules count in hours and weeks is seconds here, so that it happens within a simulation. Limits of the API are lowered; nothing
 * else of the product knows that time is short.
 */
export const scaled: { file: string; find: string; replace: string }[] = [
  { file: "core/src/schedule.ts", find: "RETRY_MS: number = WEEK;", replace: "RETRY_MS: number = 4_000;" },
  { file: "core/src/schedule.ts", find: "SPREAD_MS: number = WEEK;", replace: "SPREAD_MS: number = 3_000;" },
  { file: "core/src/schedule.ts", find: "everyMs: { min: HOUR,", replace: "everyMs: { min: 1_000," },
  { file: "core/src/schedule.ts", find: "maxAgeMs: { min: HOUR,", replace: "maxAgeMs: { min: 1_000," },
  { file: "core/src/expiry.ts", find: "GRACE_LEAD_MS = HOUR;", replace: "GRACE_LEAD_MS = 3_000;" },
  { file: "core/src/expiry.ts", find: "announceMs: { min: 60_000,", replace: "announceMs: { min: 1," },
  {
    file: "server/src/http/schema-parts.ts",
    find: "array(duration({ min: 60_000, max: policyLimits.overlapMs.max }))",
    replace: "array(duration({ min: 1, max: policyLimits.overlapMs.max }))",
  },
  // A day of brownouts is seven seconds, and they begin with it.
  {
    file: "core/src/brownout.ts",
    find: "let { day } = wallTime(rule.zone, earliest);",
    replace: "let day = Math.floor(earliest / 7_000);",
  },
  {
    file: "core/src/brownout.ts",
    find: 'const from = momentOf(zone, day, minutes, "first");',
    replace: "const from = day * 7_000;",
  },
  { file: "core/src/idle.ts", find: "const DAY = 24 * 60 * MINUTE;", replace: "const DAY = 4_000;" },
  { file: "core/src/idle.ts", find: "const AGAIN_MS = MINUTE;", replace: "const AGAIN_MS = 500;" },
  { file: "core/src/idle.ts", find: "unusedMs: { min: 7 * DAY,", replace: "unusedMs: { min: 1_000," },
  { file: "core/src/idle.ts", find: "announceMs: { min: 60 * MINUTE,", replace: "announceMs: { min: 1," },
  { file: "core/src/idle.ts", find: "suspendAfterMs: { min: DAY,", replace: "suspendAfterMs: { min: 1_000," },
  { file: "core/src/idle.ts", find: "revokeAfterMs: { min: DAY,", replace: "revokeAfterMs: { min: 1_000," },
  { file: "server/src/policies/idleness.ts", find: "const ASKED_MS = 3_600_000;", replace: "const ASKED_MS = 1_000;" },
  {
    file: "server/src/policies/idleness.ts",
    find: "const TOLD_AGAIN_MS = 7 * 86_400_000;",
    replace: "const TOLD_AGAIN_MS = 2_000;",
  },
  { file: "server/src/policies/key-work.ts", find: "const FAILED_MS = 60_000;", replace: "const FAILED_MS = 500;" },
];
