/**
 * Made-up consumers for sim/calibration.ts: programs that call by all sorts of rhythms, fail for a while, vanish, change over one by one or never, and
 * sometimes share a name. What a program does is decided by chance alone; nothing here knows the product.
 */
import type { Chance } from "./chance.ts";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** One call of the API. */
export interface Call {
  at: number;
  source: string;
  /** 1: the old version, 2: the successor. */
  version: number;
}

export interface Consumer {
  offeredAt: number;
  /** When somebody thinks of retiring the old version. */
  decidedAt: number;
  /** In order of time, until long after the decision. */
  calls: Call[];
}

/** After this long without a call nobody comes back. */
const AFTER_MS = 120 * DAY;

export function makeConsumer(chance: Chance): Consumer {
  const offeredAt = logBetween(chance, 3 * DAY, 200 * DAY);
  const decidedAt = offeredAt + logBetween(chance, HOUR / 2, 60 * DAY);
  const paceMs = logBetween(chance, DAY / 4, 6 * DAY);
  const readyAt = offeredAt + exponential(chance, DAY / 4);
  const programs = chance.whole(1, 4);
  const oneName = chance.happens(0.15);
  const calls: Call[] = [];
  for (let program = 0; program < programs; program++) {
    const source = oneName ? "all" : `program ${program}`;
    const movesAt = chance.happens(0.08) ? Number.POSITIVE_INFINITY : readyAt + exponential(chance, paceMs);
    const renamed = chance.happens(0.25) ? `${source}, new` : source;
    for (const at of callTimes(chance, decidedAt + AFTER_MS))
      calls.push(at < movesAt ? { at, source, version: 1 } : { at, source: renamed, version: 2 });
  }
  calls.sort((a, b) => a.at - b.at);
  return { offeredAt, decidedAt, calls };
}

/** What a program would do if nothing came between. `to`: the last time that matters. */
type Rhythm = (chance: Chance, to: number) => number[];

const rhythms: Rhythm[] = [
  // At random.
  (chance, to) => walk(chance, to, chance.happens(0.5) ? logBetween(chance, 10 * 60_000, 8 * HOUR) : 20 * 60_000),
  // By the clock.
  (chance, to) => {
    const period = chance.pick([HOUR / 3, HOUR / 2, HOUR, HOUR, 3 * HOUR, 6 * HOUR, DAY]);
    return every(chance, to, period, period * chance.pick([0.01, 0.05, 0.2]));
  },
  // In office hours of working days.
  (chance, to) => {
    const [opens, closes] = [chance.whole(6, 10), chance.whole(15, 20)];
    return walk(chance, to, 20 * 60_000).filter((at) => {
      const [day, hour] = [Math.floor(at / DAY) % 7, (at % DAY) / HOUR];
      return day < 5 && hour >= opens && hour < closes;
    });
  },
  // Every night, every week, on the first of the month.
  (chance, to) => every(chance, to, DAY, HOUR / 6).flatMap((at) => burst(at, 5)),
  (chance, to) => every(chance, to, 7 * DAY, HOUR).flatMap((at) => burst(at, 3)),
  (chance, to) => {
    const hour = chance.between(0, 24) * HOUR;
    const firsts = Array.from({ length: Math.ceil(to / (28 * DAY)) }, (_, month) => Date.UTC(2_001, month, 1) - EPOCH);
    return firsts
      .map((at) => at + hour)
      .filter((at) => at < to)
      .flatMap((at) => burst(at, 4));
  },
  // Now and then, and then a lot.
  (chance, to) =>
    walk(chance, to, logBetween(chance, DAY / 2, 4 * DAY)).flatMap((at) => burst(at, chance.whole(3, 30))),
];

/** A program's first day is any day of the calendar. */
const EPOCH = Date.UTC(2_001, 0, 1);

function callTimes(chance: Chance, to: number): number[] {
  const shift = chance.between(0, 365) * DAY;
  const begins = chance.happens(0.7) ? 0 : chance.between(0, to - AFTER_MS);
  const ends = exponential(chance, 200 * DAY);
  const outages = outagesOf(chance, to);
  const isUp = (at: number) =>
    at >= begins && at < ends && !outages.some(({ from, until }) => at >= from && at < until);
  const times = chance.pick(rhythms)(chance, to + shift);
  return times.map((at) => at - shift).filter((at) => at >= 0 && at < to && isUp(at));
}

function outagesOf(chance: Chance, to: number): { from: number; until: number }[] {
  if (chance.happens(0.5)) return [];
  return walk(chance, to, logBetween(chance, 10 * DAY, 80 * DAY)).map((from) => ({
    from,
    until: from + 3 * HOUR * Math.exp(1.3 * normal(chance)),
  }));
}

function walk(chance: Chance, to: number, meanMs: number): number[] {
  const times: number[] = [];
  for (let at = exponential(chance, meanMs); at < to; at += exponential(chance, meanMs)) times.push(at);
  return times;
}

function every(chance: Chance, to: number, periodMs: number, jitterMs: number): number[] {
  const times: number[] = [];
  for (let at = chance.between(0, periodMs); at < to; at += periodMs) times.push(at + chance.between(0, jitterMs));
  return times;
}

function burst(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i * 60_000);
}

function exponential(chance: Chance, mean: number): number {
  return -Math.log(1 - chance.unit()) * mean;
}

function logBetween(chance: Chance, low: number, high: number): number {
  return low * (high / low) ** chance.unit();
}

/** Twelve of even chance make a bell that is good enough. */
function normal(chance: Chance): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += chance.unit();
  return sum;
}
