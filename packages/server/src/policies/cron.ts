/**
 * Cron expressions with a zone, by croner. Where the clock is put forward over the time of a job, it fires at the moment of the jump; where
 * the clock is put back, a job at a fixed time fires once, at the first of the two.
 */
import type { CronNext } from "@keyover/core";
import { Cron } from "croner";

const KNOWN_MAX = 1_000;
const known = new Map<string, Cron>();

function parse(expression: string, zone: string): Cron {
  const name = `${zone} ${expression}`;
  let cron = known.get(name);
  if (cron === undefined) {
    cron = new Cron(expression, { timezone: zone, mode: "5-part", paused: true });
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(name, cron);
  }
  return cron;
}

export const cronNext: CronNext = ({ expression, zone }, after) =>
  parse(expression, zone).nextRun(new Date(after))?.getTime() ?? null;

const FIELDS = [
  { name: "minute", takes: "0 to 59" },
  { name: "hour", takes: "0 to 23" },
  { name: "day of the month", takes: "1 to 31, or L for the last" },
  { name: "month", takes: "1 to 12, or jan to dec" },
  { name: "day of the week", takes: "0 to 7 (both are Sunday), or sun to sat" },
];
const NICKNAMES = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly"];
const FORM = "five fields: minute, hour, day of the month, month, day of the week; such as 30 9 * * mon-fri";

/** What is wrong with an expression and what would be right, in a sentence. The parser's own words speak of its insides. */
export function cronProblem(expression: string): string | undefined {
  if (isRead(expression)) return undefined;
  const text = expression.trim();
  if (text.startsWith("@")) return `there is no ${text}; it takes ${NICKNAMES.join(", ")}, or ${FORM}`;
  const fields = text === "" ? [] : text.split(/\s+/);
  if (fields.length !== FIELDS.length) return `has ${fields.length} of ${FORM}`;
  const wrong = fields.findIndex((field, i) => !isRead(fields.map((_, at) => (at === i ? field : "*")).join(" ")));
  const [field, known] = [fields[wrong], FIELDS[wrong]];
  if (field === undefined || known === undefined) return `can't be read; it takes ${FORM}`;
  return `the ${known.name} can't be ${field}: ${fieldProblem(field) ?? `it takes ${known.takes}, *, lists as 1,3, ranges as 1-5, steps as */2`}`;
}

function fieldProblem(field: string): string | undefined {
  if (/\/0*(,|$)/.test(field)) return "a step of 0 goes nowhere";
  const backwards = [...field.matchAll(/(\d+)-(\d+)/g)].find(([, from, to]) => Number(from) > Number(to));
  return backwards === undefined ? undefined : `${backwards[0]} runs backwards`;
}

function isRead(expression: string): boolean {
  try {
    parse(expression, "UTC");
    return true;
  } catch {
    return false;
  }
}
