/** What a policy limits of an old version while its successor waits, as a calendar for people. Pure. */
import {
  type FenceRule,
  fenceDueAt,
  nextBrownout,
  planBrownouts,
  type Quiet,
  type Rotation,
  type RotationPolicy,
} from "@keyover/core";
import { lengthText } from "./warnings.ts";

export interface LimitEntry {
  at: number;
  what: string;
  text: string;
}

/** Of an overlap to come, or that has begun and is not yet at its deadline. */
export function limitsAhead(
  { fence, onDeadline, brownout }: RotationPolicy,
  offered: number,
  deadline: number,
  calendar: Quiet | null,
): LimitEntry[] {
  const entries: LimitEntry[] = [];
  if (fence?.from === "offered") entries.push(fenceEntry(fence, offered + fence.afterMs));
  if (onDeadline !== "brownout") return entries;
  const plan = planBrownouts(brownout, calendar, deadline + brownout.announceMs);
  if (typeof plan === "string") return [...entries, { at: deadline, what: "no-brownout", text: `${plan}: it holds` }];
  return [
    ...entries,
    ...plan.map(({ from, until }) => ({
      at: from,
      what: "brownout",
      text: `whoever has not moved is refused for ${lengthText(until - from)}`,
    })),
  ];
}

/** Of a rotation that runs. */
export function limitsOf(rotation: Rotation): LimitEntry[] {
  const { policy, fenced, brownouts } = rotation;
  const entries: LimitEntry[] = [];
  const dueAt = fenceDueAt(rotation);
  if (policy.fence !== null && dueAt !== null) entries.push(fenceEntry(policy.fence, dueAt));
  if (fenced !== null && fenced.lifted === null)
    entries.push({ at: fenced.at, what: "fence", text: "the old version was fenced" });
  if (nextBrownout(rotation) === undefined) return entries;
  for (const { from, until, endedAt } of brownouts?.slots ?? []) {
    if (endedAt !== null) continue;
    entries.push({ at: from, what: "brownout", text: `the old version is refused for ${lengthText(until - from)}` });
  }
  return entries;
}

function fenceEntry({ scopes, without, networks }: FenceRule, at: number): LimitEntry {
  const limits = [
    scopes === undefined ? undefined : `only ${scopes.join(", ")}`,
    without === undefined ? undefined : `no more ${without.join(", ")}`,
    networks === undefined ? undefined : "only from the networks that it was seen from",
  ].filter((part) => part !== undefined);
  return { at, what: "fence", text: `the old version is fenced: ${limits.join("; ")}` };
}
