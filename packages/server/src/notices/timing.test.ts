import { randomBytes } from "node:crypto";
import { isZone } from "@keyover/core";
import { describe, expect, test } from "vitest";
import type { QuietHours } from "../store/notice-entities.ts";
import { AT, aChannel } from "./notices.test-support.ts";
import { afterQuiet, isQuiet, nextAttempt, parseRetryAfter, slotFor } from "./timing.ts";

const at = (text: string) => Date.parse(text);
const iso = (time: number) => new Date(time).toISOString();
const hours = (zone: string, from: string, to: string): QuietHours => ({ zone, from, to });

describe("quiet hours", () => {
  test.each<[string, QuietHours, string, string]>([
    ["within a day", hours("UTC", "12:00", "14:00"), "2026-03-10T12:30:00Z", "2026-03-10T14:00:00Z"],
    ["before midnight", hours("UTC", "22:00", "07:00"), "2026-03-10T23:59:59Z", "2026-03-11T07:00:00Z"],
    ["after midnight", hours("UTC", "22:00", "07:00"), "2026-03-11T06:59:00Z", "2026-03-11T07:00:00Z"],
    ["not at their end", hours("UTC", "22:00", "07:00"), "2026-03-11T07:00:00Z", "2026-03-11T07:00:00Z"],
    ["not before them", hours("UTC", "22:00", "07:00"), "2026-03-10T21:59:59Z", "2026-03-10T21:59:59Z"],
    ["of another zone", hours("America/New_York", "22:00", "07:00"), "2026-07-10T03:00:00Z", "2026-07-10T11:00:00Z"],
    ["a zone of half hours", hours("Asia/Kolkata", "22:00", "07:00"), "2026-07-10T17:00:00Z", "2026-07-11T01:30:00Z"],
    // Berlin, 29 March 2026: 02:00 becomes 03:00.
    [
      "a night of 8 hours in spring",
      hours("Europe/Berlin", "22:00", "07:00"),
      "2026-03-28T21:30:00Z",
      "2026-03-29T05:00:00Z",
    ],
    [
      "an end in the hour that spring leaves out",
      hours("Europe/Berlin", "22:00", "02:30"),
      "2026-03-29T00:30:00Z",
      "2026-03-29T01:00:00Z",
    ],
    [
      "hours that spring leaves out",
      hours("Europe/Berlin", "02:00", "03:00"),
      "2026-03-29T00:59:59Z",
      "2026-03-29T00:59:59Z",
    ],
    // Berlin, 25 October 2026: 03:00 becomes 02:00.
    [
      "a night of 10 hours in autumn",
      hours("Europe/Berlin", "22:00", "07:00"),
      "2026-10-24T20:30:00Z",
      "2026-10-25T06:00:00Z",
    ],
    [
      "an end in the hour that autumn repeats",
      hours("Europe/Berlin", "22:00", "02:30"),
      "2026-10-24T23:59:00Z",
      "2026-10-25T00:30:00Z",
    ],
    ["its second time", hours("Europe/Berlin", "02:00", "02:30"), "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"],
    ["from and to alike: never", hours("UTC", "08:00", "08:00"), "2026-03-10T08:00:00Z", "2026-03-10T08:00:00Z"],
  ])("%s", (_what, quiet, given, expected) => {
    expect(iso(afterQuiet(quiet, at(given)))).toBe(iso(at(expected)));
    expect(isQuiet(quiet, afterQuiet(quiet, at(given)))).toBe(false);
  });

  test("a zone must exist", () => {
    expect(["Europe/Berlin", "UTC", "Mars/Olympus", "", "berlin"].map(isZone)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe("slots", () => {
  const night = hours("UTC", "11:00", "13:00");

  test("each by itself, without digest and outside quiet hours", () => {
    expect(slotFor(aChannel(), "info", AT)).toEqual({ collects: false, dueAt: AT });
  });

  test("in quiet hours they come together at the end; urgent ones pass", () => {
    expect(slotFor(aChannel({ quiet: night }), "warning", AT)).toEqual({ collects: true, dueAt: AT + 3_600_000 });
    expect(slotFor(aChannel({ quiet: night }), "urgent", AT)).toEqual({ collects: false, dueAt: AT });
  });

  test("a digest that would end in quiet hours waits for their end", () => {
    const channel = aChannel({ quiet: hours("UTC", "12:05", "13:00"), digestMs: 600_000 });
    expect(slotFor(channel, "info", AT)).toEqual({ collects: true, dueAt: AT + 3_600_000 });
    expect(slotFor(channel, "urgent", AT).dueAt - AT).toBeLessThanOrEqual(2_000);
  });
});

describe("retries", () => {
  const random = (length: number) => randomBytes(length);

  test("pauses grow from seconds to hours, and end after three days", () => {
    let now = AT;
    const pauses: number[] = [];
    for (let attempts = 1; ; attempts++) {
      const next = nextAttempt({ attempts, firstDueAt: AT }, now, random);
      if (next === undefined) break;
      pauses.push(next - now);
      now = next;
    }
    expect(pauses[0]).toBeGreaterThanOrEqual(4_000);
    expect(pauses[0]).toBeLessThanOrEqual(6_000);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(6 * 3_600_000 * 1.2);
    expect(pauses.length).toBeGreaterThan(12);
    expect(pauses.length).toBeLessThan(30);
    expect(now - AT).toBeGreaterThanOrEqual(3 * 86_400_000);
  });

  test("many that failed together do not come back together", () => {
    const times = Array.from({ length: 20 }, () => nextAttempt({ attempts: 3, firstDueAt: AT }, AT, random));
    expect(new Set(times).size).toBeGreaterThan(10);
  });

  test("a longer pause that the target asks for is kept, for a day at most", () => {
    expect(nextAttempt({ attempts: 1, firstDueAt: AT }, AT, random, 600_000)).toBe(AT + 600_000);
    expect(nextAttempt({ attempts: 1, firstDueAt: AT }, AT, random, 9e9)).toBe(AT + 86_400_000);
    const sooner = nextAttempt({ attempts: 9, firstDueAt: AT }, AT, random, 1_000) ?? 0;
    expect(sooner - AT).toBeGreaterThan(4 * 3_600_000);
  });

  test.each([
    ["120", 120_000],
    ["Sun, 22 Nov 2026 12:01:00 GMT", 60_000],
    ["Sun, 22 Nov 2026 11:00:00 GMT", 0],
    ["soon", undefined],
    ["-5", undefined],
    ["1e9", undefined],
    [undefined, undefined],
  ])("Retry-After %s", (text, ms) => {
    expect(parseRetryAfter(text, AT)).toBe(ms);
  });
});
