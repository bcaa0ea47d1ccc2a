import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planned, reach, testPolicy } from "./rotation.test-world.ts";
import type { Rotation } from "./rotation.ts";
import { freeAt, type Quiet } from "./schedule.ts";
import { suggestedWindow } from "./suggested.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const policy = { ...testPolicy, overlapMs: 2 * DAY, claimMs: 3 * DAY };

function offered(iso: string, calendar: Quiet | null): Rotation {
  const offeredAt = Date.parse(iso);
  const { rotation } = reach(planned({ policy, calendar }), "begin", "acknowledged");
  return { ...rotation, offeredAt, overlapEndsAt: offeredAt + policy.overlapMs };
}

const market: Quiet = {
  blackouts: [{ name: "market hours", zone: "America/New_York", from: "09:30", to: "16:00" }],
  holidays: [],
};

describe("when a client best changes over", () => {
  test("from the offer on, within an hour or a quarter of the overlap", () => {
    const rotation = offered("2026-03-09T12:00:00Z", null);
    const from = rotation.offeredAt as number;
    expect(suggestedWindow(rotation, from)).toEqual({ from, to: from + HOUR });
    const short = { ...rotation, overlapEndsAt: from + 40 * MINUTE };
    expect(suggestedWindow(short, from)).toEqual({ from, to: from + 10 * MINUTE });
  });

  test("at once where the old version is in wrong hands, blackout or not", () => {
    const rotation = { ...offered("2026-03-09T15:00:00Z", market), fromCompromised: true };
    expect(suggestedWindow(rotation, 0)).toEqual({ from: rotation.offeredAt, to: rotation.offeredAt });
  });

  test("after the blackout, and done before the next one begins", () => {
    expect(suggestedWindow(offered("2026-03-09T15:00:00Z", market), 0)).toEqual({
      from: Date.parse("2026-03-09T20:00:00Z"),
      to: Date.parse("2026-03-09T21:00:00Z"),
    });
    expect(suggestedWindow(offered("2026-03-09T13:10:00Z", market), 0)).toEqual({
      from: Date.parse("2026-03-09T13:10:00Z"),
      to: Date.parse("2026-03-09T13:30:00Z"),
    });
  });

  test("inside a blackout only where the deadline comes before its end", () => {
    const days = { blackouts: [{ zone: "UTC", from: "2026-03-01", to: "2026-03-20" }], holidays: [] };
    const rotation = offered("2026-03-09T13:10:00Z", days);
    const from = rotation.offeredAt as number;
    expect(suggestedWindow(rotation, from)).toEqual({ from, to: from + HOUR });
  });

  test("before a brownout that runs or was announced; one that is over says nothing", () => {
    const rotation = offered("2026-03-09T12:00:00Z", null);
    const from = rotation.offeredAt as number;
    const slot = { until: from + HOUR, by: "tok_1", begunAt: null, endedAt: null };
    const at = (begins: number, change = {}) => {
      const brownouts = { announcedAt: null, slots: [{ ...slot, from: begins, ...change }], stopped: null };
      return suggestedWindow({ ...rotation, brownouts }, from);
    };
    expect(at(from + 20 * MINUTE)).toEqual({ from, to: from + 20 * MINUTE });
    expect(at(from - MINUTE, { begunAt: from - MINUTE })).toEqual({ from: from - MINUTE, to: from - MINUTE });
    expect(at(from + 20 * MINUTE, { endedAt: from })).toEqual({ from, to: from + HOUR });
    expect(at(from + DAY)).toEqual({ from, to: from + HOUR });
  });

  test("no moment that a client can draw lies in a blackout, and none behind the deadline", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 7 * 24 * 60 }),
        fc.integer({ min: 1, max: 2 * 24 * 60 }),
        (minutes, overlapMinutes) => {
          const base = offered("2026-03-06T00:00:00Z", market);
          const offeredAt = (base.offeredAt as number) + minutes * MINUTE;
          const rotation = { ...base, offeredAt, overlapEndsAt: offeredAt + overlapMinutes * MINUTE };
          const { from, to } = suggestedWindow(rotation, offeredAt);
          expect(from).toBeLessThanOrEqual(to);
          expect(to).toBeLessThanOrEqual(rotation.overlapEndsAt);
          const free = freeAt(market, offeredAt);
          if (free === null || free.at >= rotation.overlapEndsAt) return;
          for (const share of [0, 0.25, 0.5, 0.75, 0.999]) {
            const moment = Math.floor(from + share * (to - from));
            expect(freeAt(market, moment)?.at).toBe(moment);
          }
        },
      ),
    );
  });
});
