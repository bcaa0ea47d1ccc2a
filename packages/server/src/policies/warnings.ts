/** What is allowed in a policy, and yet probably not what was meant. */
import {
  defaultSchedule,
  type PolicySpec,
  planBrownouts,
  type Quiet,
  type RotationPolicy,
  resolvePolicy,
} from "@keyover/core";

const DAY = 86_400_000;
const HOUR = 3_600_000;
/** `1.5 days`; what is shorter than a day in hours, and than an hour in minutes. */
export function lengthText(ms: number): string {
  const [length, unit] = ms >= DAY ? [DAY, "day"] : ms >= HOUR ? [HOUR, "hour"] : [60_000, "minute"];
  const count = Math.round((ms / length) * 10) / 10;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

export function policyWarnings(spec: PolicySpec, now: number): string[] {
  const { rotation, schedule } = resolvePolicy([{ rule: { kind: "start" }, spec }]);
  const { everyMs, cron, maxAgeMs, jitterMs } = schedule;
  const warnings: string[] = [];
  const inherited = spec.schedule?.maxAgeMs === undefined;
  if (everyMs !== null && maxAgeMs !== null && everyMs > maxAgeMs) {
    const age = inherited ? `the maximum age of ${lengthText(maxAgeMs)} that is inherited` : "its maximum age";
    warnings.push(
      `schedule.everyMs (${lengthText(everyMs)}) is longer than ${age}, which then decides; say schedule.maxAgeMs as well`,
    );
  }
  const period = Math.min(everyMs ?? Infinity, maxAgeMs ?? Infinity);
  if (jitterMs !== null && jitterMs > period / 2)
    warnings.push(
      `schedule.jitterMs (${lengthText(jitterMs)}) is more than half of the period (${lengthText(period)})`,
    );
  if (everyMs === null && cron === null && maxAgeMs === null)
    warnings.push("keys under this policy never rotate by themselves");
  if (maxAgeMs !== null && maxAgeMs > 366 * DAY)
    warnings.push(
      `schedule.maxAgeMs (${lengthText(maxAgeMs)}) is over a year; the default is ${lengthText(defaultSchedule.maxAgeMs ?? 0)}`,
    );
  if (rotation.quietMs > rotation.overlapMs) {
    const then =
      rotation.onDeadline === "hold"
        ? "the deadline always comes first, and the old version is held past it"
        : "the old version never retires on evidence";
    warnings.push(
      `quietMs (${lengthText(rotation.quietMs)}) is longer than overlapMs (${lengthText(rotation.overlapMs)}): ${then}`,
    );
  }
  const longest = rotation.quietMs > rotation.overlapMinMs ? "quietMs" : "overlapMinMs";
  if (rotation[longest] >= period && rotation.onDeadline === "hold")
    warnings.push(
      `${longest} (${lengthText(rotation[longest])}) is not shorter than the time between two rotations (${lengthText(period)}): the old version can't have retired when the next rotation is due, which then waits`,
    );
  const early = rotation.remindMs.filter((ms) => ms >= rotation.overlapMs);
  if (spec.remindMs !== undefined && early.length > 0)
    warnings.push(
      `remindMs has ${early.map(lengthText).join(", ")}, which is before the overlap of ${lengthText(rotation.overlapMs)} begins`,
    );
  return [
    ...warnings,
    ...limitWarnings(spec, rotation),
    ...brownoutWarnings(rotation, schedule, now + rotation.overlapMs),
    ...idleWarnings(spec),
  ];
}

/** Of fence, brownouts and automatic rollback. */
function limitWarnings(spec: PolicySpec, rotation: RotationPolicy): string[] {
  const { fence, onDeadline, overlapMs, automaticRollback, rollbackMs } = rotation;
  const warnings: string[] = [];
  if (spec.brownout !== undefined && onDeadline !== "brownout")
    warnings.push(`brownout counts only where onDeadline is brownout; here it is ${onDeadline}`);
  if (fence !== null && fence.afterMs >= overlapMs)
    warnings.push(
      `fence.afterMs (${lengthText(fence.afterMs)}) is not shorter than overlapMs (${lengthText(overlapMs)}): the fence comes after the deadline, if at all`,
    );
  if (automaticRollback !== null && rollbackMs === 0)
    warnings.push("automaticRollback never comes to pass: rollbackMs is 0");
  return warnings;
}

/** Of a rotation whose deadline is then: brownouts that no day is left for, so that what should come after them never does. */
export function brownoutWarnings(
  { onDeadline, brownout }: Pick<RotationPolicy, "onDeadline" | "brownout">,
  calendar: Quiet | null,
  deadline: number,
): string[] {
  if (onDeadline !== "brownout") return [];
  const plan = planBrownouts(brownout, calendar, deadline + brownout.announceMs);
  if (typeof plan !== "string") return [];
  const instead = brownout.after === "retire" ? ", and does not retire as brownout.after says" : "";
  return [`${plan}: none will come, and after its deadline the old version is held${instead}`];
}

/** A caller that comes once a month is not idle. */
const MONTHLY_MS = 32 * DAY;

function idleWarnings(spec: PolicySpec): string[] {
  const { unusedMs, announceMs, suspendAfterMs } = resolvePolicy([{ rule: { kind: "start" }, spec }]).idle;
  const warnings: string[] = [];
  if (unusedMs === null) {
    if (spec.idle !== undefined && spec.idle.unusedMs === undefined)
      warnings.push("idle says nothing of unusedMs; where no farther rule does, no key is idle");
    return warnings;
  }
  if (unusedMs < MONTHLY_MS)
    warnings.push(
      `idle.unusedMs (${lengthText(unusedMs)}) is shorter than a month: a monthly job is announced each time`,
    );
  const early = announceMs.filter((ms) => suspendAfterMs !== null && ms >= suspendAfterMs);
  if (early.length > 0 && spec.idle?.announceMs !== undefined)
    warnings.push(`idle.announceMs has ${early.map(lengthText).join(", ")}, which is before the first announcement`);
  if (suspendAfterMs === null && spec.idle?.revokeAfterMs != null)
    warnings.push("idle.revokeAfterMs counts from the suspension, and idle.suspendAfterMs is null: nothing is revoked");
  return warnings;
}
