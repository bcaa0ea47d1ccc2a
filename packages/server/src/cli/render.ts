/** How things look to a person: tables, times, durations. Pure; nothing here knows the clock, the terminal or the API. */
import { stripVTControlCharacters } from "node:util";

export { countText as count } from "@keyover/core";

// ---- durations --------------------------------------------------------------------------------------------------------

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;

const unitMs: Record<string, number> = { ...Object.fromEntries(UNITS), w: 7 * 86_400_000 };

/** Milliseconds of `14d`, `36h`, `90s`, `250ms`, `2w`, `1h30m`, `1.5h` or `0`; undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "0") return 0;
  if (!/^(\d{1,12}(\.\d{1,6})?(ms|[wdhms]))+$/.test(trimmed)) return undefined;
  let sum = 0;
  for (const [, count, unit] of trimmed.matchAll(/([\d.]+)(ms|[wdhms])/g))
    sum += Number(count) * (unitMs[unit as string] ?? 0);
  return Number.isSafeInteger(Math.round(sum)) ? Math.round(sum) : undefined;
}

/** Exact, and what `parseDuration` takes: in one unit where that stays short (`14d`, `36h`, `90s`), else in several (`1h5m`). */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  const sign = ms < 0 ? "-" : "";
  const length = Math.abs(Math.round(ms));
  const whole = UNITS.find(([, unit]) => length % unit === 0) ?? UNITS[4];
  if (length / whole[1] < 1_000) return `${sign}${length / whole[1]}${whole[0]}`;
  return sign + spread(length, UNITS.length).join("");
}

/** Rounded to what a person takes in at a glance: `2d 3h`, `3m 12s`, `840ms`. */
export function roughly(ms: number): string {
  const length = Math.abs(ms);
  if (length < 1_000) return `${Math.round(length)}ms`;
  const second = Math.round(length / 1_000) * 1_000;
  return spread(second, 2).join(" ");
}

/** The largest units that make up a length, at most `parts` in a row. */
function spread(ms: number, parts: number): string[] {
  const from = UNITS.findIndex(([, unit]) => ms >= unit);
  const found: string[] = [];
  let rest = ms;
  for (const [name, unit] of UNITS.slice(from, from + parts)) {
    const count = Math.floor(rest / unit);
    if (count > 0) found.push(`${count}${name}`);
    rest -= count * unit;
  }
  return found;
}

// ---- sizes ------------------------------------------------------------------------------------------------------------

/** `840 bytes`, `1.2 MiB`. */
export function byteCount(bytes: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let [size, unit] = [bytes, -1];
  while (size >= 1024 && unit + 1 < units.length) [size, unit] = [size / 1024, unit + 1];
  return unit < 0 ? `${bytes} bytes` : `${size.toFixed(1)} ${units[unit]}`;
}

// ---- times ------------------------------------------------------------------------------------------------------------

const two = (value: number) => String(value).padStart(2, "0");

/** Local time with its offset, such as `2026-10-04T09:12:33+02:00`. */
export function formatTime(at: number, offsetMinutes: number = -new Date(at).getTimezoneOffset()): string {
  if (!Number.isFinite(at) || Math.abs(at) > 8.6e15) return "–";
  const local = new Date(at + offsetMinutes * 60_000).toISOString().slice(0, 19);
  const minutes = Math.abs(offsetMinutes);
  const offset = `${offsetMinutes < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return `${local}${offsetMinutes === 0 ? "Z" : offset}`;
}

/** `3m 12s ago`, `in 2d 3h`, `now`. */
export function relative(at: number, now: number): string {
  if (Math.abs(at - now) < 1_000) return "now";
  return at < now ? `${roughly(now - at)} ago` : `in ${roughly(at - now)}`;
}

/** Both of them; a dash for what has not happened. */
export function moment(at: number | null | undefined, now: number): string {
  return at === null || at === undefined ? "–" : `${formatTime(at)} (${relative(at, now)})`;
}

/** `never`, a date (local midnight), a date and time (local unless it says otherwise), or a duration from now. */
export function parseTime(text: string, now: number): number | undefined {
  const fromNow = parseDuration(text);
  if (fromNow !== undefined) return now + fromNow;
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?)?$/.exec(
    text.trim(),
  );
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as number[];
  const local = new Date(year as number, (month as number) - 1, day, hour, minute, second);
  const rolledOver =
    local.getMonth() !== (month as number) - 1 ||
    (hour as number) > 23 ||
    (minute as number) > 59 ||
    (second as number) > 59;
  if (rolledOver) return undefined;
  return match[7] === undefined ? local.getTime() : Date.parse(text.trim().replace(" ", "T"));
}

// ---- text from elsewhere ------------------------------------------------------------------------------------------------

// Control characters, and those that change the direction of text or break a line without being seen.
const UNSEEN =
  /[\p{Cc}\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]+/gu;

/** A name or note that somebody else chose must not move the cursor, change colours or turn the line round. */
export function clean(text: string): string {
  return stripVTControlCharacters(text).replace(UNSEEN, "�");
}

const segmenter = new Intl.Segmenter();
const WIDE =
  /^(\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6])/u;

/** Columns on a terminal. */
export function widthOfText(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

export function cut(text: string, width: number): string {
  if (widthOfText(text) <= width) return text;
  let shown = "";
  let used = 1;
  for (const { segment } of segmenter.segment(text)) {
    used += WIDE.test(segment) ? 2 : 1;
    if (used > width) break;
    shown += segment;
  }
  return `${shown}…`;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOfText(text)));
}

// ---- tables -------------------------------------------------------------------------------------------------------------

export interface Column<T> {
  title: string;
  of(row: T): string | number | null | undefined;
  /** May be cut to fit the terminal; handles may not. */
  flexible?: boolean | undefined;
  right?: boolean | undefined;
}

const GAP = 2;
const NARROW = 8;

/** Aligned columns. Too wide for the terminal: flexible cells are cut; if that is not enough each row becomes a block. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], width?: number): string {
  const cells = rows.map((row) => columns.map((column) => cellOf(column.of(row))));
  const widths = columns.map((column, i) =>
    Math.max(widthOfText(column.title), ...cells.map((row) => widthOfText(row[i] as string))),
  );
  const fitting = width === undefined ? widths : fit(widths, columns, width);
  if (fitting === undefined) return blocks(cells, columns);
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => {
        const shown = cut(cell, fitting[i] as number);
        if (columns[i]?.right) return " ".repeat((fitting[i] as number) - widthOfText(shown)) + shown;
        return i === row.length - 1 ? shown : pad(shown, fitting[i] as number);
      })
      .join(" ".repeat(GAP))
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...cells.map(line)].join("\n");
}

function cellOf(value: string | number | null | undefined): string {
  return value === null || value === undefined || value === "" ? "–" : clean(String(value));
}

function fit<T>(widths: readonly number[], columns: readonly Column<T>[], width: number): number[] | undefined {
  const fitting = [...widths];
  const total = () => fitting.reduce((sum, each) => sum + each, 0) + GAP * (fitting.length - 1);
  while (total() > width) {
    let widest = -1;
    columns.forEach((column, i) => {
      const now = fitting[i] as number;
      if (column.flexible && now > NARROW && now > (fitting[widest] ?? 0)) widest = i;
    });
    if (widest < 0) return undefined;
    fitting[widest] = (fitting[widest] as number) - 1;
  }
  return fitting;
}

function blocks<T>(cells: readonly string[][], columns: readonly Column<T>[]): string {
  return cells.map((row) => fields(row.map((cell, i) => [columns[i]?.title ?? "", cell]))).join("\n\n");
}

/** One thing, a line for each of its properties. */
export function fields(pairs: readonly (readonly [name: string, value: string | number | null | undefined])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${cellOf(value)}`).join("\n");
}

/** A share as a bar of `width` cells: `██████░░░░`. */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(Math.max(share, 0), 1) * width);
  return "█".repeat(full) + "░".repeat(width - full);
}
