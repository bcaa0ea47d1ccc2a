/** What a policy says, as people say it. */
import { type Blackout, type Holidays, resolvePolicy, type Schedule } from "@keyover/core";
import { clean, formatDuration } from "./render.ts";

/** What none means, where it is not nothing. */
export const NOTHING: Record<string, string> = { "schedule.jitterMs": "a tenth of the period, 7d at most" };

/** Each member that there is, with its default. */
export function memberLines(indent: string): string[] {
  const members = Object.entries(resolvePolicy([]).members);
  const width = Math.max(...members.map(([member]) => member.length));
  return members.map(
    ([member, { value }]) => `${indent}${member.padEnd(width)}  ${valueText(member, value, NOTHING[member] ?? "none")}`,
  );
}

/** Values on a line; `nothing`: where there is none. */
export function valueText(member: string, value: unknown, nothing: string): string {
  if (value === null || value === undefined) return nothing;
  return clean(inWords(member.split(".").at(-1) as string, value));
}

/** As a file would say it, a line each; what is told apart by its members goes deeper. */
export function specLines(spec: object, indent = "  "): string[] {
  return Object.entries(spec).flatMap(([member, value]) => {
    if (isObject(value) && WORDS[member] === undefined)
      return [`${indent}${member}`, ...specLines(value, `${indent}  `)];
    return [`${indent}${member}: ${valueText(member, value, "none")}`];
  });
}

const WORDS: Record<string, (value: never) => string> = {
  blackouts: blackoutText,
  holidays: ({ name, zone, dates }: Holidays) => `${datesText(dates)}, ${zone}${inBrackets(name)}`,
  cron: ({ expression, zone }: NonNullable<Schedule["cron"]>) => `${expression}, ${zone}`,
};

function blackoutText(blackout: Blackout): string {
  const { name, zone, from, to } = blackout;
  const end = `, ${zone}${inBrackets(name)}`;
  if (/^\d{4}-/.test(from)) return `from ${from} to ${to}, whole days${end}`;
  const on = "days" in blackout && blackout.days !== undefined ? blackout.days.join(", ") : "every day";
  return `${on} from ${from} to ${to}${to <= from ? " on the next day" : ""}${end}`;
}

/** More than these are counted. */
const DATES_MAX = 4;

function datesText(dates: readonly string[]): string {
  if (dates.length <= DATES_MAX) return dates.join(", ");
  const sorted = dates.toSorted();
  return `${dates.length} days from ${sorted[0]} to ${sorted.at(-1)}`;
}

const inBrackets = (name: string | undefined) => (name === undefined ? "" : ` (${name})`);

function inWords(member: string, value: unknown): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return "none";
    return value.map((each) => inWords(member, each)).join(value.some(isObject) ? "; " : ", ");
  }
  if (isObject(value)) {
    const words = WORDS[member];
    if (words !== undefined) return words(value as never);
    const members = Object.entries(value).map(([name, inner]) => `${name} ${inWords(name, inner)}`);
    return members.length === 0 ? "none" : members.join(", ");
  }
  if (typeof value === "number") return member.endsWith("Ms") ? formatDuration(value) : String(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "string" ? value : "none";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
