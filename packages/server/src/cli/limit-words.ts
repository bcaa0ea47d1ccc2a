/**
 * Limits as words of the command line:
 *
 *     sustained=100/1s burst 200 per consumer       name = units / window [burst units] [per key | consumer]
 *     monthly=1000000/month Europe/Zurich           name = units / day or month [zone] [per key | consumer]
 */
import { isZone, type Limit, limitBounds, limitsProblem } from "@keyover/core";
import { UsageError } from "./exit-codes.ts";
import { formatDuration, parseDuration } from "./render.ts";

export const RATE_FORM = "name=units/window, such as sustained=100/1s";
export const QUOTA_FORM = "name=units/day or name=units/month, such as monthly=1000000/month";
const RATE_EXAMPLE = '--rate "sustained=100/1s burst 200"';
const QUOTA_EXAMPLE = '--quota "monthly=1000000/month Europe/Zurich"';

const HEAD = /^([^=\s]+)=([0-9_]{1,20})\/(\S+)$/;

/** In the order in which they were given: rates, then quotas; undefined if there were none. */
export function limitsOf(rates: readonly string[] = [], quotas: readonly string[] = []): Limit[] | undefined {
  if (rates.length + quotas.length === 0) return undefined;
  const limits = [...rates.map(rateOf), ...quotas.map(quotaOf)];
  const problem = limitsProblem(limits);
  if (problem !== undefined) throw new UsageError(problem);
  return limits;
}

function rateOf(text: string): Limit {
  const wrong = (what: string) => new UsageError(`--rate "${text}": ${what}; write ${RATE_EXAMPLE}`);
  const { name, units, span, words } = headOf(text, wrong, "name=units/window");
  const windowMs = parseDuration(/^\d/.test(span) ? span : `1${span}`);
  if (windowMs === undefined) throw wrong(`${span} is no duration, such as 1s, 1m or 24h`);
  const { min, max } = limitBounds.windowMs;
  if (windowMs < min || windowMs > max) {
    const instead = windowMs > max ? `; for longer there are quotas: --quota "${name}=${units}/month"` : "";
    throw new UsageError(
      `--rate "${text}": a window of ${span} is too ${windowMs > max ? "long" : "short"}; it is from ${formatDuration(min)} to ${formatDuration(max)}${instead}`,
    );
  }
  const per = perOf(words, wrong);
  const burst = burstOf(takeWord(words, "burst"), units, text, wrong);
  if (words.length > 0) throw wrong(`"${words.join(" ")}" says nothing here`);
  return named({ kind: "rate", name, per, units, windowMs, burst }, wrong);
}

/** As large as the units, if it is left out. */
function burstOf(word: string | undefined, units: number, text: string, wrong: Wrong): number {
  const { min, max } = limitBounds.burst;
  if (word === undefined && units > max)
    throw new UsageError(
      `--rate "${text}": without a burst all ${units} units may come at once, and a burst is ${max} at most; write --rate "${text} burst ${max}"`,
    );
  if (word === undefined) return units;
  if (!/^\d[\d_]*$/.test(word)) throw wrong(`burst takes a whole number, not "${word}"`);
  const burst = numberOf(word);
  if (burst < min || burst > max) throw wrong(`burst takes a whole number from ${min} to ${max}, not ${word}`);
  return burst;
}

function quotaOf(text: string): Limit {
  const wrong = (what: string) => new UsageError(`--quota "${text}": ${what}; write ${QUOTA_EXAMPLE}`);
  const { name, units, span, words } = headOf(text, wrong, "name=units/month");
  if (span !== "day" && span !== "month") throw wrong(`a quota is for a day or a month, not "${span}"`);
  const per = perOf(words, wrong);
  if (words.includes("burst")) throw wrong("a burst belongs to a rate (--rate)");
  const [zone = "UTC", ...rest] = words;
  if (rest.length > 0) throw wrong(`"${rest.join(" ")}" says nothing here`);
  if (!isZone(zone)) throw wrong(`"${zone}" is no time zone's IANA name, such as UTC or Europe/Zurich`);
  return named({ kind: "quota", name, per, units, period: span, zone }, wrong);
}

/** Its name, and what else may be wrong with it by itself. */
function named(limit: Limit, wrong: Wrong): Limit {
  const problem = limitsProblem([limit]);
  if (problem !== undefined) throw wrong(problem);
  return limit;
}

type Wrong = (what: string) => UsageError;

function headOf(text: string, wrong: Wrong, form: string) {
  const [head = "", ...words] = text.trim().split(/\s+/);
  const [, name, units, span] = HEAD.exec(head) ?? [];
  if (name === undefined || units === undefined || span === undefined) throw wrong(`it begins with ${form}`);
  const count = numberOf(units);
  if (count < 1 || count > limitBounds.units)
    throw wrong(`units are a whole number from 1 to ${limitBounds.units}, not ${units}`);
  return { name, units: count, span, words };
}

function numberOf(digits: string): number {
  return Number(digits.replaceAll("_", ""));
}

function perOf(words: string[], wrong: Wrong): Limit["per"] {
  const per = takeWord(words, "per") ?? "key";
  if (per !== "key" && per !== "consumer") throw wrong(`it is per key or per consumer, not per "${per}"`);
  return per;
}

/** The word after `name`, both taken out; an empty text where nothing follows. */
function takeWord(words: string[], name: string): string | undefined {
  const at = words.indexOf(name);
  return at < 0 ? undefined : (words.splice(at, 2)[1] ?? "");
}

/** As it is written on the command line. */
export function limitText(limit: Limit): string {
  const per = limit.per === "consumer" ? " per consumer" : "";
  if (limit.kind === "quota") return `${limit.name}=${limit.units}/${limit.period} ${limit.zone}${per}`;
  return `${limit.name}=${limit.units}/${formatDuration(limit.windowMs)} burst ${limit.burst}${per}`;
}
