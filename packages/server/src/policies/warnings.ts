/** What is allowed in a policy, and yet probably not what was meant. */
import { defaultSchedule, type PolicySpec, resolvePolicy } from "@keyover/core";

const DAY = 86_400_000;
const HOUR = 3_600_000;
/** `1.5 days`; what is shorter than a day in hours, and than an hour in minutes. */
function days(ms: number): string {
  const [length, unit] = ms >= DAY ? [DAY, "day"] : ms >= HOUR ? [HOUR, "hour"] : [60_000, "minute"];
  const count = Math.round((ms / length) * 10) / 10;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

export function policyWarnings(spec: PolicySpec): string[] {
  const { rotation, schedule } = resolvePolicy([{ rule: { kind: "start" }, spec }]);
  const { everyMs, cron, maxAgeMs, jitterMs } = schedule;
  const warnings: string[] = [];
  const inherited = spec.schedule?.maxAgeMs === undefined;
  if (everyMs !== null && maxAgeMs !== null && everyMs > maxAgeMs) {
    const age = inherited ? `the maximum age of ${days(maxAgeMs)} that is inherited` : "its maximum age";
    warnings.push(
      `schedule.everyMs (${days(everyMs)}) is longer than ${age}, which then decides; say schedule.maxAgeMs as well`,
    );
  }
  const period = Math.min(everyMs ?? Infinity, maxAgeMs ?? Infinity);
  if (jitterMs !== null && jitterMs > period / 2)
    warnings.push(`schedule.jitterMs (${days(jitterMs)}) is more than half of the period (${days(period)})`);
  if (everyMs === null && cron === null && maxAgeMs === null)
    warnings.push("keys under this policy never rotate by themselves");
  if (maxAgeMs !== null && maxAgeMs > 366 * DAY)
    warnings.push(
      `schedule.maxAgeMs (${days(maxAgeMs)}) is over a year; the default is ${days(defaultSchedule.maxAgeMs ?? 0)}`,
    );
  if (rotation.quietMs > rotation.overlapMs) {
    const then =
      rotation.onDeadline === "hold" ? "the deadline always comes first" : "the old version never retires on evidence";
    warnings.push(
      `quietMs (${days(rotation.quietMs)}) is longer than overlapMs (${days(rotation.overlapMs)}): ${then}`,
    );
  }
  if ((spec.channels ?? []).length > 0)
    warnings.push("channels is not used yet: a notice goes to each channel that asks for its event (keyover channel)");
  const early = rotation.remindMs.filter((ms) => ms >= rotation.overlapMs);
  if (spec.remindMs !== undefined && early.length > 0)
    warnings.push(
      `remindMs has ${early.map(days).join(", ")}, which is before the overlap of ${days(rotation.overlapMs)} begins`,
    );
  return warnings;
}
