/** The short form of `npm run sim -- --year`: one consumer of each kind, every half day a look. */
import { beforeAll, describe, expect, test } from "vitest";
import { type Change, replayYear, yearPolicies } from "./replay.ts";
import { DAY, MINUTE } from "./rhythms.ts";
import { breaches, rowsOf } from "./table.ts";

const SHORT = { seed: "year test", copies: 1, stepMs: DAY / 2 };
const PATIENCE_MS = 120_000;

describe("a year of hidden consumers under the default policy", () => {
  let changes: Change[];
  beforeAll(async () => {
    const only = ["monthly-early", "weekend", "fleet", "thief", "poser", "lossy"];
    ({ changes } = await replayYear({ ...SHORT, policy: {}, only, until: Date.UTC(2026, 6, 20) }));
  }, PATIENCE_MS);

  test("R07: nobody whose rhythm was seen is cut off", () => {
    const retired = changes.filter(({ retiredAt }) => retiredAt !== undefined);
    expect(retired.length).toBeGreaterThan(7);
    expect(changes.filter(({ known, cutOff }) => known && cutOff > 0)).toEqual([]);
  });

  test("every old version retires when the evidence allows it: no earlier, and no later", () => {
    expect(breaches(changes, 3 * MINUTE)).toEqual([]);
    const rows = rowsOf(changes.filter(({ kind }) => !kind.includes("reports get lost")));
    for (const { kind, lateMs } of rows) expect(lateMs, kind).toBeLessThanOrEqual(3 * MINUTE);
  });

  test("a fleet that takes longer than the overlap is waited for past its deadline", () => {
    const fleet = changes.filter(({ kind, retiredAt }) => kind.startsWith("fleet") && retiredAt !== undefined);
    expect(fleet.length).toBeGreaterThan(0);
    for (const { retiredAt = 0, deadline } of fleet) expect(retiredAt).toBeGreaterThan(deadline);
  });

  test("while a thief uses the old version the evidence names it, and never calls it safe to retire", () => {
    const thieves = changes.flatMap(({ thief }) => (thief === undefined || thief.looks === 0 ? [] : [thief]));
    expect(thieves.length).toBeGreaterThan(1);
    for (const { looks, leastForecast } of thieves) {
      expect(looks).toBeGreaterThan(40);
      expect(leastForecast).toBeGreaterThan(0.1);
    }
  });

  test("what no history shows is not known: a monthly job that was seen once is cut off", () => {
    expect(changes.filter(({ known, cutOff }) => !known && cutOff > 0)).toHaveLength(1);
  });
});

test(
  "an hourly cron by the wall clock is not cut off where the clock is put forward, nor where it is put back, and retires on time",
  async () => {
    const { changes } = await replayYear({ ...SHORT, policy: {}, only: ["hourly"], until: Date.UTC(2026, 10, 10) });
    for (const night of [Date.UTC(2026, 2, 29, 1), Date.UTC(2026, 9, 25, 1)])
      expect(changes.some(({ offeredAt, retiredAt = 0 }) => offeredAt < night && night < retiredAt)).toBe(true);
    expect(changes.filter(({ cutOff }) => cutOff > 0)).toEqual([]);
    expect(breaches(changes, 3 * MINUTE)).toEqual([]);
  },
  PATIENCE_MS,
);

test(
  "a policy with patience for young sources waits for the job that was seen once",
  async () => {
    const [, policy = {}] = Object.values(yearPolicies);
    const { changes } = await replayYear({ ...SHORT, policy, only: ["monthly-early"], until: Date.UTC(2026, 7, 1) });
    expect(changes.filter(({ retiredAt }) => retiredAt !== undefined).length).toBeGreaterThan(0);
    expect(changes.filter(({ cutOff }) => cutOff > 0)).toEqual([]);
    expect(breaches(changes, 3 * MINUTE)).toEqual([]);
  },
  PATIENCE_MS,
);
