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

/** What is wrong with an expression, in a sentence. */
export function cronProblem(expression: string): string | undefined {
  try {
    parse(expression, "UTC");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error);
  }
}
