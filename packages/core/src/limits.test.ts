import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { costProblem, type Limit, limitsProblem, periodOf, type QuotaLimit, type RateLimit } from "./limits.ts";

const rate: RateLimit = { kind: "rate", name: "sustained", per: "key", units: 100, windowMs: 60_000, burst: 20 };
const quota: QuotaLimit = { kind: "quota", name: "monthly", per: "consumer", units: 5, period: "month", zone: "UTC" };

describe("limits that make no sense are refused with what would be right", () => {
  test.each<[string, Partial<RateLimit>]>([
    ["units", { units: 0 }],
    ["units", { units: -1 }],
    ["units", { units: 1.5 }],
    ["units", { units: Number.NaN }],
    ["units", { units: Number.POSITIVE_INFINITY }],
    ["units", { units: 2 ** 53 }],
    ["units", { units: "7" as unknown as number }],
    ["windowMs", { windowMs: 999 }],
    ["windowMs", { windowMs: 86_400_001 }],
    ["windowMs", { windowMs: 1_000.5 }],
    ["windowMs", { windowMs: undefined as unknown as number }],
    ["burst", { burst: 0 }],
    ["burst", { burst: 1_000_001 }],
    ["burst", { burst: -0.5 }],
    ["name", { name: "" }],
    ["name", { name: "Sustained" }],
    ["name", { name: 'a"b' }],
    ["name", { name: "ü" }],
    ["name", { name: `a${"b".repeat(32)}` }],
  ])("%s of %o", (what, wrong) => {
    expect(limitsProblem([{ ...rate, ...wrong }])).toContain(what);
  });

  test.each(["+02:00", "Europe/Nowhere", "", "../etc/passwd", "UTC\n"])("the zone %o", (zone) => {
    expect(limitsProblem([{ ...quota, zone }])).toContain("IANA");
  });

  test("two of one name, and too many", () => {
    expect(limitsProblem([rate, { ...quota, name: rate.name }])).toContain('two limits are called "sustained"');
    const many = Array.from({ length: 9 }, (_, i): Limit => ({ ...rate, name: `r${i}` }));
    expect(limitsProblem(many)).toContain("at most 8");
    expect(limitsProblem(many.slice(1))).toBeUndefined();
  });

  test("the widest and the narrowest are taken", () => {
    expect(limitsProblem([])).toBeUndefined();
    expect(
      limitsProblem([{ ...rate, units: Number.MAX_SAFE_INTEGER, windowMs: 1_000, burst: 1_000_000 }]),
    ).toBeUndefined();
    expect(limitsProblem([{ ...rate, units: 1, windowMs: 86_400_000, burst: 1 }])).toBeUndefined();
    expect(limitsProblem([{ ...quota, units: Number.MAX_SAFE_INTEGER, zone: "Pacific/Apia" }])).toBeUndefined();
  });

  test.each([-1, 0.5, Number.NaN, 1_000_001, "1", null, 2n])("a cost of %s", (cost) => {
    expect(costProblem(cost)).toContain("whole number from 0 to 1000000");
  });

  test.each([0, 1, 1_000_000])("a cost of %s is one", (cost) => expect(costProblem(cost)).toBeUndefined());
});

describe("the period of a quota", () => {
  const day = (zone: string, at: string) => shown(periodOf({ period: "day", zone }, Date.parse(at)));
  const month = (zone: string, at: string) => shown(periodOf({ period: "month", zone }, Date.parse(at)));
  const shown = ({ from, to }: { from: number; to: number }) =>
    [from, to].map((at) => new Date(at).toISOString().replace(":00.000Z", "Z"));

  test("begins at midnight of its zone", () => {
    expect(day("UTC", "2026-02-28T23:59:59.999Z")).toEqual(["2026-02-28T00:00Z", "2026-03-01T00:00Z"]);
    expect(day("Europe/Zurich", "2026-07-01T21:59:59Z")).toEqual(["2026-06-30T22:00Z", "2026-07-01T22:00Z"]);
    expect(day("America/New_York", "2026-01-01T04:59:00Z")).toEqual(["2025-12-31T05:00Z", "2026-01-01T05:00Z"]);
  });

  test("is a calendar month, whatever its length", () => {
    expect(month("UTC", "2028-02-29T12:00:00Z")).toEqual(["2028-02-01T00:00Z", "2028-03-01T00:00Z"]);
    expect(month("UTC", "2026-12-31T23:59:59Z")).toEqual(["2026-12-01T00:00Z", "2027-01-01T00:00Z"]);
    expect(month("Europe/Zurich", "2026-10-31T23:30:00Z")).toEqual(["2026-10-31T23:00Z", "2026-11-30T23:00Z"]);
    expect(month("Asia/Kathmandu", "2026-03-31T18:15:00Z")).toEqual(["2026-03-31T18:15Z", "2026-04-30T18:15Z"]);
  });

  test("has 23 or 25 hours where the clock is changed, and begins where midnight is jumped over", () => {
    expect(day("Europe/Zurich", "2026-03-29T12:00:00Z")).toEqual(["2026-03-28T23:00Z", "2026-03-29T22:00Z"]);
    expect(day("Europe/Zurich", "2026-10-25T12:00:00Z")).toEqual(["2026-10-24T22:00Z", "2026-10-25T23:00Z"]);
    // Lebanon's clocks are put forward at midnight, Cuba's back at one.
    expect(day("Asia/Beirut", "2026-03-29T12:00:00Z")).toEqual(["2026-03-28T22:00Z", "2026-03-29T21:00Z"]);
    expect(day("America/Havana", "2026-11-01T12:00:00Z")).toEqual(["2026-11-01T04:00Z", "2026-11-02T05:00Z"]);
  });

  test("holds its moment, and the next begins where it ends: every zone, every moment", () => {
    const zone = fc.constantFrom(...Intl.supportedValuesOf("timeZone"), "UTC");
    const at = fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2060, 0) });
    fc.assert(
      fc.property(zone, fc.constantFrom("day" as const, "month" as const), at, (name, period, moment) => {
        const { from, to } = periodOf({ period, zone: name }, moment);
        expect(from).toBeLessThanOrEqual(moment);
        expect(to).toBeGreaterThan(moment);
        expect(periodOf({ period, zone: name }, to).from).toBe(to);
        expect(periodOf({ period, zone: name }, to - 1)).toEqual({ from, to });
        expect(periodOf({ period, zone: name }, from)).toEqual({ from, to });
      }),
      { numRuns: 500 },
    );
  });
});
