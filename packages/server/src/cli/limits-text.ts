/** What a rotation limits of its old version meanwhile, in lines for people. Pure. */
import type { RotationRow } from "./entity-tables.ts";
import { formatDuration, moment, roughly } from "./render.ts";

type Pairs = [name: string, value: string][];

export function limitLines({ fenced, brownouts }: RotationRow, now: number): Pairs {
  const lines: Pairs = [];
  if (fenced !== null) lines.push(["fence", fenceText(fenced, now)]);
  if (brownouts === null) return lines;
  for (const { from, until, begunAt, endedAt } of brownouts.slots) {
    const length = formatDuration(until - from);
    if (endedAt === null && begunAt !== null) lines.push(["brownout", `runs until ${moment(until, now)}`]);
    else if (endedAt === null) lines.push(["brownout", `${moment(from, now)} for ${length}`]);
    else if (begunAt === null) lines.push(["brownout", `${moment(from, now)}: missed`]);
    else lines.push(["brownout", `${moment(from, now)}: over, after ${roughly(endedAt - begunAt)}`]);
  }
  const { stopped } = brownouts;
  if (stopped !== null)
    lines.push(["brownouts stopped", `${moment(stopped.at, now)} by ${stopped.by}: ${stopped.reason}`]);
  return lines;
}

export function fenceLimits(fence: NonNullable<RotationRow["fenced"]>["fence"]): string {
  const limits = [
    fence.scopes === undefined ? undefined : `scopes ${fence.scopes.join(", ") || "none"}`,
    fence.networks === undefined ? undefined : `from ${fence.networks.join(", ") || "nowhere"}`,
  ].filter((part) => part !== undefined);
  return limits.length === 0 ? "limits nothing of this version" : limits.join("; ");
}

function fenceText({ at, fence, lifted }: NonNullable<RotationRow["fenced"]>, now: number): string {
  const text = fenceLimits(fence);
  return lifted === null
    ? `${text}, since ${moment(at, now)}`
    : `${text}, until it was lifted ${moment(lifted.at, now)} by ${lifted.by}: ${lifted.reason}`;
}
