/**
 * When keys rotate by themselves, and under which policy: worked out from committed policies, attachments and labels as they stood at some moment
 * that the authority may have read. The rules are those of docs/policies.md, written down anew.
 */
import { type Key, type Quiet, type Rotation, shareOf } from "@keyover/core";
import type { KeyPast, Model } from "./model.ts";
import { type Resolved, resolve } from "./rules.ts";

/** As scale.ts has them. */
const RETRY_MS = 4_000;
const SPREAD_MS = 3_000;
const WEEK_MS = 7 * 86_400_000;
const MINUTE_MS = 60_000;

/** A rotation that begins has the policy that holds, whatever is changed beside it. */
export function checkPolicy(model: Model, past: KeyPast, before: Key, rotation: Rotation, slackMs: number): void {
  // After a restore one that was planned is begun anew, as it was.
  const former = [...past.rotations.values()].findLast((known) => known.rotation.endedAt !== null)?.rotation;
  if (model.restoredAt.length > 0 && JSON.stringify(former?.policy) === JSON.stringify(rotation.policy)) return;
  const mine: Record<string, unknown> = { ...rotation.policy };
  const states = model.rules.since(model.time.at - slackMs);
  const odd = states.map((state) => {
    const { values } = resolve(state, before);
    return Object.keys(mine).find((name) => JSON.stringify(mine[name]) !== JSON.stringify(values[name]));
  });
  if (!odd.includes(undefined))
    model.fail(
      "policy",
      past.id,
      `a rotation begins with ${odd[0]} ${JSON.stringify(mine[odd[0] ?? ""])}; another one holds`,
    );
  if (rotation.startedBy !== "policy") return;
  const problems = states.map((state) => whyNot(model, past, before, resolve(state, before), slackMs));
  if (!problems.includes(undefined)) model.fail("schedule", past.id, `the key rotates by itself: ${problems[0]}`);
}

/** Undefined if it may start now. */
function whyNot(model: Model, past: KeyPast, key: Key, policy: Resolved, slackMs: number): string | undefined {
  const { at } = model.time;
  const late = at + slackMs + model.clockErrorMs;
  if (key.status !== "active") return `it is ${key.status}`;
  const end = endOf(key);
  if (end !== undefined && end <= at - slackMs - model.clockErrorMs) return "it has expired";
  const due = dueOf(past, key, policy, "earliest");
  if (due === undefined) return "no policy says so";
  if (late < due.at) return `${Math.round(due.at - at)} ms before it is due by its ${due.rule}`;
  if (late < policy.scheduleSince) return "before the rule was made";
  const { lastRotation } = key;
  if (lastRotation?.failed === true && late < lastRotation.endedAt + RETRY_MS)
    return `${Math.round(at - lastRotation.endedAt)} ms after a rotation failed`;
  const ageFirst = policy.values["schedule.maxAgeFirst"] === true && due.ageAt !== undefined && late >= due.ageAt;
  const inside = blackoutAt(policy, at - slackMs - model.clockErrorMs) ?? "";
  if (!ageFirst && inside !== "" && inside === blackoutAt(policy, late)) return `within ${inside}`;
  return undefined;
}

interface Due {
  rule: string;
  at: number;
  /** When the version has its maximum age. */
  ageAt: number | undefined;
}

/** Without what keeps it back. `latest`: whatever its jitter. */
function dueOf(past: KeyPast, key: Key, { values }: Resolved, which: "earliest" | "latest"): Due | undefined {
  const activatedAt = past.versions.get(key.currentVersion)?.activatedAt;
  if (activatedAt == null) return undefined;
  const [everyMs, maxAgeMs, cron, jitterMs] = ["everyMs", "maxAgeMs", "cron", "jitterMs"].map(
    (name) => values[`schedule.${name}`],
  ) as [number | null, number | null, object | null, number | null];
  const jitterOf = (period: number) => jitterMs ?? Math.min(WEEK_MS, period / 10);
  const more = which === "latest" ? 1 : 0;
  const all: Due[] = [];
  const ageAt = maxAgeMs === null ? undefined : activatedAt + maxAgeMs;
  if (everyMs !== null) all.push({ rule: "cadence", at: activatedAt + everyMs + more * jitterOf(everyMs), ageAt });
  if (maxAgeMs !== null)
    all.push({
      rule: "age",
      at: activatedAt + maxAgeMs - (1 - more) * Math.min(jitterOf(maxAgeMs), maxAgeMs / 2),
      ageAt,
    });
  if (cron !== null) {
    // Each minute: there are no others here.
    const after = Math.max(activatedAt, key.lastRotation?.endedAt ?? 0);
    all.push({ rule: "cron", at: (Math.floor(after / MINUTE_MS) + 1) * MINUTE_MS + more * (jitterMs ?? 0), ageAt });
  }
  return all.sort((a, b) => a.at - b.at)[0];
}

function endOf({ expiresAt, graceUntil }: Key): number | undefined {
  return expiresAt === null ? undefined : Math.max(expiresAt, graceUntil ?? 0);
}

/** For the round, for one key after the other, and for whoever has to take over first. */
const ROUND_MS = 5_000;

/** Nothing is forgotten: in good times each key that is due rotates. `since`: since when everything works and nothing was changed. */
export function checkLate(model: Model, since: number): void {
  const { at } = model.time;
  for (const past of model.keys.values()) {
    const { key } = past;
    const end = endOf(key);
    if (key.status !== "active" || key.rotationId !== null || (end !== undefined && end < at + ROUND_MS)) continue;
    const policy = resolve(model.rules.now, key);
    const due = dueOf(past, key, policy, "latest");
    if (due === undefined) continue;
    const { lastRotation } = key;
    const overdue = due.at < policy.scheduleSince + WEEK_MS;
    const jitterMs = (policy.values["schedule.jitterMs"] as number | null) ?? WEEK_MS;
    const spread = overdue
      ? policy.scheduleSince + shareOf(key.id) * Math.max(SPREAD_MS, Math.min(jitterMs, 1_000))
      : 0;
    const retry = lastRotation?.failed === true ? lastRotation.endedAt + RETRY_MS : 0;
    const latest =
      Math.max(due.at, spread, retry, since, model.rules.replannedAt, lastRotation?.endedAt ?? 0) + ROUND_MS;
    const blacked = [at - ROUND_MS, at].some((time) => blackoutAt(policy, time) !== undefined);
    if (at > latest && !blacked)
      model.fail(
        "schedule",
        past.id,
        `was due by its ${due.rule} ${Math.round(at - due.at)} ms ago, and does not rotate`,
      );
  }
}

interface Blackout {
  zone: string;
  from: string;
  to: string;
}

function blackoutAt({ values }: Resolved, at: number): string | undefined {
  const blackouts = values["schedule.blackouts"] as Blackout[];
  return blackoutIn({ blackouts, holidays: values["schedule.holidays"] as { zone: string; dates: string[] }[] }, at);
}

/** The blackout or holiday in which a moment lies. */
export function blackoutIn(
  { blackouts, holidays }: { blackouts: object[]; holidays: Quiet["holidays"] },
  at: number,
): string | undefined {
  for (const { zone, from, to } of blackouts as Blackout[]) {
    const wall = wallOf(zone, at).time;
    if (from <= to ? from <= wall && wall < to : from <= wall || wall < to) return `the blackout ${from} to ${to}`;
  }
  for (const { zone, dates } of holidays) if (dates.includes(wallOf(zone, at).date)) return "a holiday";
  return undefined;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function wallOf(zone: string, at: number): { date: string; time: string } {
  let format = formats.get(zone);
  if (format === undefined) {
    const digits = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" } as const;
    format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, ...digits });
    formats.set(zone, format);
  }
  const [date = "", time = ""] = format.format(at).split(" ");
  return { date, time };
}
