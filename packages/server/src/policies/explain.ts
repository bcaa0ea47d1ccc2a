/** Which rule gives which value for a key, and what will happen when: for people. Pure. */
import {
  endOfKey,
  expirySteps,
  type IdleFacts,
  idleSteps,
  type Key,
  type NextStart,
  policyProblem,
  type Reason,
  type ResolvedPolicy,
  type Rotation,
  type Rule,
  type SourceUse,
  type Target,
} from "@keyover/core";
import type { KeyPolicies } from "../keys/key-desk.ts";
import { limitsAhead, limitsOf } from "./limits.ts";
import { overlapWarnings } from "./reach.ts";
import { brownoutWarnings } from "./warnings.ts";

export interface Facts {
  key: Key;
  policy: ResolvedPolicy;
  /** Of the current version. */
  activatedAt: number | null;
  /** That has not ended. */
  rotation: Rotation | undefined;
  uses: readonly SourceUse[];
  /** What is known of its use. */
  idle: IdleFacts | undefined;
  nextStart: KeyPolicies["nextStart"];
  /** Of the channels that the policy names, those that are not there, or not any more. */
  missingChannels: readonly string[];
  now: number;
}

interface Entry {
  at: number;
  what: string;
  text: string;
}

export function explainPolicy(facts: Facts) {
  const { key, policy, rotation, now } = facts;
  const start = rotation === undefined ? facts.nextStart(key, facts.activatedAt, policy, now) : null;
  const members = Object.entries(policy.members).map(([member, { value, rule, overrode }]) => ({
    member,
    value,
    rule: ruleView(rule),
    overrode: overrode.map((each) => ({ value: each.value, rule: ruleView(each.rule) })),
  }));
  return {
    key: key.id,
    now,
    members,
    problem: policyProblem(policy.rotation) ?? null,
    warnings: [
      ...overlapWarnings(facts.uses, rotation?.policy ?? policy.rotation),
      ...aheadWarnings(facts, start),
      ...channelWarnings(facts.missingChannels),
    ],
    rotateAt: start?.at ?? null,
    reasons: (start?.reasons ?? []).map(reasonView),
    calendar: calendarOf(facts, start),
  };
}

// ---- rules ---------------------------------------------------------------------------------------------------------------

function ruleView(rule: Rule) {
  if (rule.kind !== "policy") return { kind: rule.kind, text: OWN[rule.kind] };
  const { policy, name, version, attachment, target } = rule;
  const text = `policy ${name} (version ${version}), attached to ${targetWords(target)}`;
  return { kind: rule.kind, policy, name, version, attachment, target, text };
}

const OWN: Record<Exclude<Rule["kind"], "policy">, string> = {
  default: "the default",
  api: "the api itself",
  key: "the key itself",
  start: "the start of the rotation",
};

function targetWords(target: Target): string {
  switch (target.kind) {
    case "api":
      return `api ${target.api}`;
    case "environment":
      return `environment ${target.environment} of ${target.api}`;
    case "label":
      return `consumers with ${target.name}=${target.value}${target.api === null ? "" : ` in ${target.api}`}`;
    case "key":
      return `key ${target.key}`;
  }
}

// ---- reasons -------------------------------------------------------------------------------------------------------------

function reasonView(reason: Reason) {
  const from = "from" in reason ? { from: reason.from } : {};
  return { because: reason.because, ...from, to: reason.to, text: reasonText(reason) };
}

/** `Mon 2026-03-02 14:30 America/New_York` */
function wallText(zone: string, at: number): string {
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    weekday: "short",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const { weekday = "", year, month, day, hour, minute } = parts;
  return `${weekday.replace(".", "")} ${year}-${month}-${day} ${hour}:${minute} ${zone}`;
}

const utc = (at: number) => wallText("UTC", at);

function reasonText(reason: Reason): string {
  switch (reason.because) {
    case "every":
      return `the cadence comes round at ${utc(reason.to)}`;
    case "cron":
      return `the cron expression fires at ${utc(reason.to)}`;
    case "age":
      return `the version reaches its maximum age at ${utc(reason.to)}`;
    case "jitter":
      return `moved to ${utc(reason.to)} by this key's jitter`;
    case "overdue":
      return `moved to ${utc(reason.to)}: it was overdue when the rule began to hold, and such keys are spread`;
    case "after-failure":
      return `moved to ${utc(reason.to)}: the last rotation was cancelled or rolled back`;
    case "not-before":
      return `moved from ${utc(reason.from)} to the present`;
    case "age-first":
      return `moved back to ${utc(reason.to)}: the maximum age wins over blackouts`;
    case "blackout":
    case "holiday": {
      const named = reason.name === "" ? reason.because : `${reason.because} '${reason.name}'`;
      return `moved from ${wallText(reason.zone, reason.from)} to ${wallText(reason.zone, reason.to)} because of ${named}`;
    }
  }
}

// ---- the calendar --------------------------------------------------------------------------------------------------------

function calendarOf(facts: Facts, start: NextStart | null): Entry[] {
  const { key, policy, rotation, now } = facts;
  const entries: Entry[] = [];
  if (rotation !== undefined) entries.push(...courseOf(rotation, now));
  else if (start !== null) {
    entries.push({ at: start.at, what: "rotation", text: "a rotation begins by itself" });
    entries.push(
      ...overlapOf(
        start.at,
        start.at + policy.rotation.overlapMs,
        policy.rotation,
        "if every verifier answers at once",
        now,
      ),
      ...limitsAhead(policy.rotation, start.at, start.at + policy.rotation.overlapMs, policy.schedule),
    );
  }
  for (const { at, what } of expirySteps(key, policy.expiry)) {
    if (at > (key.expiryDone ?? 0)) entries.push({ at, what: `expiry-${what}`, text: EXPIRY[what] });
  }
  const end = endOfKey(key);
  if (key.graceUntil != null && end !== null)
    entries.push({ at: key.expiresAt as number, what: "grace", text: `it was in use: accepted until ${utc(end)}` });
  const idle = facts.idle === undefined || rotation !== undefined ? [] : idleSteps(key, policy.idle, facts.idle, now);
  for (const { at, what } of idle) entries.push({ at, what: `idle-${what}`, text: IDLE[what] });
  return entries.sort((a, b) => a.at - b.at);
}

const IDLE = {
  announce: "if nobody uses the key until then, that is announced",
  suspend: "if nobody uses the key until then, it is suspended",
  revoke: "if nobody tries or restores the key until then, it is revoked",
};

const EXPIRY = {
  announce: "the key's expiry is announced",
  grace: "if the key is in use then, it gets its grace",
  expired: "the key is refused from here on",
};

/** Of a rotation that runs, what lies ahead. */
function courseOf(rotation: Rotation, now: number): Entry[] {
  const { id, phase, offeredAt, overlapEndsAt, policy, paused, retiredAt } = rotation;
  if (paused !== null)
    return [
      { at: paused.at, what: "paused", text: `${id} is paused by ${paused.by}: ${paused.reason}; all dates move on` },
    ];
  if (retiredAt !== null)
    return [
      {
        at: retiredAt + policy.rollbackMs,
        what: "rollback-end",
        text: `${id}: the old version can no longer come back`,
      },
    ];
  if (phase === "rolled-back") return [];
  const entries: Entry[] = [];
  if (phase === "planned") entries.push({ at: rotation.startsAt, what: "rotation", text: `${id} begins` });
  const offered = offeredAt ?? Math.max(now, rotation.startsAt);
  const condition = offeredAt === null ? "if every verifier answers at once" : "";
  const deadline = overlapEndsAt ?? offered + policy.overlapMs;
  // What is known replaces what the policy lets expect.
  const planned =
    rotation.brownouts?.announcedAt == null ? limitsAhead(policy, offered, deadline, rotation.calendar) : [];
  const ahead = planned.filter(({ what }) => what !== "fence" || offeredAt === null);
  return [...entries, ...overlapOf(offered, deadline, policy, condition, now), ...ahead, ...limitsOf(rotation)];
}

const DEADLINE: Record<Rotation["policy"]["onDeadline"], string> = {
  hold: "the deadline: the old version stays until its gates are met or a person decides",
  retire: "the deadline: the old version retires, whoever uses it",
  brownout: "the deadline: brownouts are announced for whoever has not moved",
};

function overlapOf(
  offered: number,
  deadline: number,
  policy: Rotation["policy"],
  condition: string,
  now: number,
): Entry[] {
  const noted = condition === "" ? "" : `, ${condition}`;
  // What has not happened by now can't be in the past.
  const quiet = Math.max(now, offered + Math.max(policy.overlapMinMs, policy.quietMs));
  const reminders = policy.remindMs.map((ms) => deadline - ms).filter((at) => at > offered);
  return [
    { at: offered, what: "offer", text: `the successor is offered${noted}` },
    {
      at: quiet,
      what: "earliest-retirement",
      text: "the old version retires at the earliest, if it falls silent at once",
    },
    ...reminders.map((at) => ({ at, what: "reminder", text: "whoever has not moved is reminded" })),
    {
      at: deadline,
      what: "deadline",
      text: DEADLINE[policy.onDeadline],
    },
    { at: quiet + policy.rollbackMs, what: "rollback-end", text: "the way back closes at the earliest" },
  ];
}

/** Of brownouts that are not announced yet: by the rotation that runs, or the next one. */
function aheadWarnings({ policy, rotation, now }: Facts, start: NextStart | null): string[] {
  if (rotation === undefined)
    return brownoutWarnings(policy.rotation, policy.schedule, (start?.at ?? now) + policy.rotation.overlapMs);
  const { brownouts, overlapEndsAt, startsAt, retiredAt, policy: own, calendar } = rotation;
  if (brownouts?.announcedAt != null || retiredAt !== null) return [];
  return brownoutWarnings(own, calendar, overlapEndsAt ?? Math.max(now, startsAt) + own.overlapMs);
}

function channelWarnings(missing: readonly string[]): string[] {
  return missing.map(
    (name) => `channels names ${name}, and there is no such channel any more: notices go out by the others alone`,
  );
}
