/** When hidden programs call: pure schedules, made before the replay begins. Nothing here knows the product. */
import type { Chance } from "../chance.ts";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Fourteen months: each rotation that begins within the year can end. */
export const FROM: number = Date.UTC(2026, 0, 1);
export const TO: number = Date.UTC(2027, 2, 1);

export type Times = readonly number[];

/** From `offsetMs` into the first day on. */
export function every(periodMs: number, offsetMs: number): Times {
  const times: number[] = [];
  for (let at = FROM + offsetMs; at < TO; at += periodMs) times.push(at);
  return times;
}

/** Three calls on the first of these months (0: January), at this hour. */
export function firstOfMonth(months: readonly number[], hour: number): Times {
  const times: number[] = [];
  for (const year of [2026, 2027])
    for (const month of months) for (let call = 0; call < 3; call++) times.push(Date.UTC(year, month, 1, hour, call));
  return within(times);
}

export const allMonths: readonly number[] = Array.from({ length: 12 }, (_, month) => month);

/** Saturdays and Sundays, every three hours of the day. */
export function weekends(): Times {
  return every(3 * HOUR, 9 * HOUR).filter((at) => {
    const date = new Date(at);
    return [0, 6].includes(date.getUTCDay()) && date.getUTCHours() >= 9 && date.getUTCHours() <= 21;
  });
}

export function workdays(): Times {
  return every(HOUR, 10 * MINUTE).filter((at) => ![0, 6].includes(new Date(at).getUTCDay()));
}

/** Bursts of three to thirty calls; how long nothing happens between them is chance alone. */
export function bursts(chance: Chance, meanMs: number): Times {
  const times: number[] = [];
  for (let at = FROM; at < TO; at += -Math.log(1 - chance.unit()) * meanMs) {
    const calls = chance.whole(3, 30);
    for (let call = 0; call < calls; call++) times.push(Math.ceil(at) + call * MINUTE);
  }
  return within(times.sort((a, b) => a - b));
}

/**
 * By the wall clock of a zone, as a simple cron does it: a time that the clock jumps over does not come, one that comes twice fires once.
 * `fires` is asked of each half hour.
 */
export function byWallClock(zone: string, fires: (wall: { hour: number; minute: number }) => boolean): Times {
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    dateStyle: "short",
    timeStyle: "short",
    hourCycle: "h23",
  });
  const fired = new Set<string>();
  return every(HOUR / 2, 0).filter((at) => {
    const wall = format.format(at);
    const [hour = 0, minute = 0] = (/(\d\d):(\d\d)$/.exec(wall) ?? []).slice(1).map(Number);
    if (!fires({ hour, minute }) || fired.has(wall)) return false;
    fired.add(wall);
    return true;
  });
}

function within(times: Times): Times {
  return times.filter((at) => at >= FROM && at < TO);
}
