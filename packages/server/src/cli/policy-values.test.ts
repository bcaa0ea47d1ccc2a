import { expect, test } from "vitest";
import { specLines, valueText } from "./policy-values.ts";

const DAY = 86_400_000;
const zone = "Europe/Berlin";

test.each<[string, unknown, string]>([
  ["schedule.blackouts", [], "none"],
  ["schedule.blackouts", [{ zone, from: "09:00", to: "17:30" }], "every day from 09:00 to 17:30, Europe/Berlin"],
  [
    "schedule.blackouts",
    [
      { name: "night", zone, days: ["fri", "sat"], from: "22:00", to: "06:00" },
      { name: "freeze", zone, from: "2026-12-20", to: "2027-01-02" },
    ],
    "fri, sat from 22:00 to 06:00 on the next day, Europe/Berlin (night); from 2026-12-20 to 2027-01-02, whole days, Europe/Berlin (freeze)",
  ],
  ["schedule.holidays", [{ zone, dates: ["2026-12-25", "2026-12-26"] }], "2026-12-25, 2026-12-26, Europe/Berlin"],
  [
    "schedule.holidays",
    [{ name: "DE", zone, dates: ["2026-12-25", "2026-01-01", "2026-05-01", "2026-10-03", "2026-12-26"] }],
    "5 days from 2026-01-01 to 2026-12-26, Europe/Berlin (DE)",
  ],
  ["schedule.cron", { expression: "30 9 * * mon-fri", zone }, "30 9 * * mon-fri, Europe/Berlin"],
  ["schedule.cron", null, "none"],
  ["remindMs", [7 * DAY, DAY], "7d, 1d"],
  ["overlapMs", 14 * DAY, "14d"],
  ["gapMargin", 1.5, "1.5"],
  ["schedule.maxAgeFirst", false, "no"],
  ["channels", ["ops", "night"], "ops, night"],
  [
    "fence",
    { from: "used", afterMs: 3_600_000, without: ["*:withdraw", "withdraw"], networks: null },
    "from used, afterMs 1h, without *:withdraw, withdraw, networks none",
  ],
])("%s of %j", (member, value, text) => {
  expect(valueText(member, value, "none")).toBe(text);
});

test("a whole policy, a line each, without a brace", () => {
  const blackouts = [{ zone, from: "09:00", to: "17:30" }];
  const spec = { overlapMs: DAY, schedule: { cron: { expression: "@daily", zone }, blackouts }, channels: ["ops"] };
  expect(specLines(spec)).toEqual([
    "  overlapMs: 1d",
    "  schedule",
    "    cron: @daily, Europe/Berlin",
    "    blackouts: every day from 09:00 to 17:30, Europe/Berlin",
    "  channels: ops",
  ]);
});

test("names that somebody chose begin no line and steer no terminal", () => {
  const name = "a\n\u001b[31mb";
  const text = valueText("schedule.blackouts", [{ name, zone, from: "09:00", to: "10:00" }], "none");
  for (const control of ["\n", "\u001b"]) expect(text).not.toContain(control);
});
