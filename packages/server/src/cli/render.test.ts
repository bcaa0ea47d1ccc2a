import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bar,
  type Column,
  clean,
  cut,
  formatDuration,
  formatTime,
  moment,
  parseDuration,
  parseTime,
  relative,
  roughly,
  table,
  widthOfText,
} from "./render.ts";

const DAY = 86_400_000;

describe("durations", () => {
  it.each([
    ["14d", 14 * DAY],
    ["36h", 36 * 3_600_000],
    ["90s", 90_000],
    ["250ms", 250],
    ["2w", 14 * DAY],
    ["1h30m", 5_400_000],
    ["1.5h", 5_400_000],
    ["0", 0],
  ])("%s is read", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(["", "14", "d", "-1d", "1 d", "1y", "1dd x", "1e9d", "١d", "99999999999999d"])("%j is refused", (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it.each(["14d", "36h", "90s", "250ms", "90m", "0s"])("%s is shown as it was given", (text) =>
    expect(formatDuration(parseDuration(text) ?? -1)).toBe(text),
  );

  it("are shown exactly: what is printed reads back as the same", () => {
    fc.assert(
      fc.property(fc.nat({ max: 400 * DAY }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  it.each([
    [840, "840ms"],
    [61_000, "1m 1s"],
    [59_999, "1m"],
    [3_600_000, "1h"],
    [2 * DAY + 3 * 3_600_000 + 7_000, "2d 3h"],
  ])("%d ms are roughly %s", (ms, text) => expect(roughly(ms)).toBe(text));
});

describe("times", () => {
  const at = Date.parse("2026-10-04T07:12:33.456Z");

  it("are local, with their offset", () => {
    expect(formatTime(at, 120)).toBe("2026-10-04T09:12:33+02:00");
    expect(formatTime(at, -210)).toBe("2026-10-04T03:42:33-03:30");
    expect(formatTime(at, 0)).toBe("2026-10-04T07:12:33Z");
  });

  it("say how long ago or how soon", () => {
    expect(relative(at, at + 192_000)).toBe("3m 12s ago");
    expect(relative(at, at - 2 * DAY)).toBe("in 2d");
    expect(relative(at, at + 400)).toBe("now");
    expect(moment(null, at)).toBe("–");
  });

  it("that can't be are not shown as garbage", () => expect(formatTime(Number.POSITIVE_INFINITY)).toBe("–"));

  it("are read as dates, dates with a time, or durations from now", () => {
    expect(parseTime("90d", at)).toBe(at + 90 * DAY);
    expect(parseTime("2027-01-31", at)).toBe(new Date(2027, 0, 31).getTime());
    expect(parseTime("2027-01-31 09:00", at)).toBe(new Date(2027, 0, 31, 9).getTime());
    expect(parseTime("2027-01-31T09:00:00Z", at)).toBe(Date.parse("2027-01-31T09:00:00Z"));
    expect(parseTime("2027-01-31T09:00+05:30", at)).toBe(Date.parse("2027-01-31T03:30:00Z"));
  });

  it.each(["2027-02-30", "2027-13-01", "2027-01-31 25:00", "tomorrow", "1/2/2027", ""])("%j is refused", (text) =>
    expect(parseTime(text, at)).toBeUndefined(),
  );
});

describe("tables", () => {
  interface Row {
    id: string;
    name: string;
    n: number | null;
  }
  const columns: Column<Row>[] = [
    { title: "HANDLE", of: (row) => row.id },
    { title: "NAME", of: (row) => row.name, flexible: true },
    { title: "N", of: (row) => row.n, right: true },
  ];
  const rows = [
    { id: "key_1", name: "short", n: 7 },
    { id: "key_22", name: "a name that goes on and on", n: null },
  ];

  it("are aligned, and show a dash for what is not there", () => {
    expect(table(rows, columns)).toBe(
      [
        "HANDLE  NAME                        N",
        "key_1   short                       7",
        "key_22  a name that goes on and on  –",
      ].join("\n"),
    );
  });

  it("cut names to fit the terminal, never handles", () => {
    const lines = table(rows, columns, 24).split("\n");
    expect(lines[2]).toBe("key_22  a name that …  –");
    for (const line of lines) expect(widthOfText(line)).toBeLessThanOrEqual(24);
  });

  it("become blocks where even that is too wide", () => {
    expect(table(rows.slice(0, 1), columns, 10)).toBe("HANDLE  key_1\nNAME    short\nN       7");
  });

  it("align wide characters", () => {
    const wide = table(
      [
        { id: "a", name: "日本", n: 1 },
        { id: "b", name: "plain", n: 2 },
      ],
      columns,
    ).split("\n");
    expect(wide.map(widthOfText)).toEqual([16, 16, 16]);
  });

  it("keep what others named from steering the terminal", () => {
    expect(clean("evil\u001b[31m\nname\u202e")).toBe("evil�name�");
    expect(cut("日本語", 4)).toBe("日…");
  });
});

it("a share is a bar that never leaves its frame", () => {
  expect(bar(0.5, 4)).toBe("██░░");
  expect(bar(-1, 2) + bar(7, 2)).toBe("░░██");
});
