/**
 * Wall clocks. A zone's rules come from the runtime (ICU); here is only the arithmetic between a moment and what the clock on the wall
 * shows. Where the clock is put back a time of day comes twice, where it is put forward it never comes.
 */

/** What a wall clock shows. */
export interface WallTime {
  /** Days since 1970-01-01, as a number that can be counted on. */
  day: number;
  /** 0 for Sunday. */
  weekday: number;
  /** Minutes since midnight. */
  minutes: number;
}

const DAY = 86_400_000;
const MINUTE = 60_000;

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    const numbers = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" } as const;
    format = new Intl.DateTimeFormat("en-US", {
      ...numbers,
      second: "numeric",
      era: "short",
      hourCycle: "h23",
      timeZone: zone,
    });
    formats.set(zone, format);
  }
  return format;
}

/** True for a zone's IANA name that this runtime knows. Offsets such as `+02:00` are no zones: they know no summer. */
export function isZone(zone: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]{1,60}$/.test(zone)) return false;
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** What the zone's wall clock is ahead of UTC at a moment, in milliseconds. */
export function zoneOffset(zone: string, at: number): number {
  if (zone === "UTC") return 0;
  const second = Math.floor(at / 1_000) * 1_000;
  const parts: Record<string, string> = {};
  for (const { type, value } of formatOf(zone).formatToParts(second)) parts[type] = value;
  const number = (name: string) => Number(parts[name]);
  const shown = Date.UTC(
    number("year"),
    number("month") - 1,
    number("day"),
    number("hour"),
    number("minute"),
    number("second"),
  );
  return shown - second;
}

export function wallTime(zone: string, at: number): WallTime {
  const shown = at + zoneOffset(zone, at);
  const day = Math.floor(shown / DAY);
  return { day, weekday: (((day + 4) % 7) + 7) % 7, minutes: Math.floor((shown - day * DAY) / MINUTE) };
}

/**
 * The moment at which the wall clock shows `minutes` past the midnight of `day`. Of two, the first or the last as asked; where the clock
 * jumps over it, the moment of the jump.
 */
export function momentOf(zone: string, day: number, minutes: number, which: "first" | "last"): number {
  const shown = day * DAY + minutes * MINUTE;
  const [before, after] = [zoneOffset(zone, shown - DAY), zoneOffset(zone, shown + DAY)];
  const fits = [shown - before, shown - after].filter((at) => at + zoneOffset(zone, at) === shown);
  if (fits.length > 0) return which === "first" ? Math.min(...fits) : Math.max(...fits);
  let [low, high] = [shown - Math.max(before, after) - 1, shown - Math.min(before, after) + 1];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (middle + zoneOffset(zone, middle) < shown) low = middle;
    else high = middle;
  }
  return high;
}

/** Days since 1970-01-01 of `YYYY-MM-DD`; undefined for what is no date. */
export function dayOf(date: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(date)) return undefined;
  const at = Date.parse(`${date}T00:00:00Z`);
  return Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== date ? undefined : at / DAY;
}

/** Minutes since midnight of `HH:MM`; `24:00` is the end of the day. */
export function minutesOf(time: string): number | undefined {
  const match = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(time);
  const minutes = match === null ? Number.NaN : Number(match[1]) * 60 + Number(match[2]);
  return minutes <= 1_440 ? minutes : undefined;
}
