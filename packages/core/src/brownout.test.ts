import { describe, expect, test } from "vitest";
import { planBrownouts } from "./brownout.ts";
import { decide } from "./decide.ts";
import { type BrownoutRule, defaultRotationPolicy, effectivePolicy, policyProblem } from "./policy.ts";
import { recordOf } from "./record.ts";
import { planned, reach, START, testPolicy } from "./rotation.test-world.ts";
import type { Quiet } from "./schedule.ts";
import { zoneOffset } from "./zone.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MINUTE = 60_000;
const at = (iso: string) => Date.parse(iso);
const free: Quiet = { blackouts: [], holidays: [] };

function plan(rule: Partial<BrownoutRule>, earliest: number, calendar: Quiet | null = free): string[] | string {
  const slots = planBrownouts({ ...defaultRotationPolicy.brownout, ...rule }, calendar, earliest);
  if (typeof slots === "string") return slots;
  return slots.map(({ from, until }) => `${new Date(from).toISOString()} ${until - from}`);
}

describe("R09: the plan", () => {
  test("one a day at its time, the first not before it was announced long enough", () => {
    expect(plan({}, at("2026-03-02T12:00:00Z"))).toEqual([
      "2026-03-02T12:00:00.000Z 60000",
      "2026-03-03T12:00:00.000Z 60000",
      "2026-03-04T12:00:00.000Z 60000",
      "2026-03-05T12:00:00.000Z 300000",
    ]);
    expect(plan({ lengthsMs: [MINUTE] }, at("2026-03-02T12:00:00.001Z"))).toEqual(["2026-03-03T12:00:00.000Z 60000"]);
  });

  test("by the wall clock of its zone, whatever summer does to it", () => {
    const rule = { zone: "Europe/Berlin", at: "12:00", lengthsMs: [MINUTE, MINUTE] };
    expect(plan(rule, at("2026-03-28T00:00:00Z"))).toEqual([
      "2026-03-28T11:00:00.000Z 60000",
      "2026-03-29T10:00:00.000Z 60000",
    ]);
  });

  test("a time that the clock jumps over is the jump; one that comes twice is taken once", () => {
    const rule = { zone: "Europe/Berlin", at: "02:30", lengthsMs: [MINUTE, MINUTE] };
    expect(plan(rule, at("2026-03-29T00:00:00Z"))).toEqual([
      "2026-03-29T01:00:00.000Z 60000",
      "2026-03-30T00:30:00.000Z 60000",
    ]);
    expect(plan(rule, at("2026-10-25T00:00:00Z"))).toEqual([
      "2026-10-25T00:30:00.000Z 60000",
      "2026-10-26T01:30:00.000Z 60000",
    ]);
  });

  test("no two overlap, even where a zone left out a day", () => {
    const skipped = at("2011-12-30T10:00:00Z");
    expect(zoneOffset("Pacific/Apia", skipped) - zoneOffset("Pacific/Apia", skipped - MINUTE)).toBe(DAY);
    const rule = { zone: "Pacific/Apia", at: "00:00", lengthsMs: [HOUR, HOUR, HOUR] };
    const slots = planBrownouts({ ...defaultRotationPolicy.brownout, ...rule }, free, at("2011-12-28T12:00:00Z"));
    if (typeof slots === "string") throw new Error(slots);
    for (const [i, slot] of slots.slice(1).entries())
      expect(slot.from).toBeGreaterThanOrEqual(slots[i]?.until ?? Infinity);
  });

  test("what would touch a blackout or a holiday moves to the next day, as a whole", () => {
    const market = { zone: "UTC", from: "12:03", to: "16:00" };
    const holidays = [{ zone: "UTC", dates: ["2026-03-04"] }];
    const lengthsMs = [3 * MINUTE, 3 * MINUTE + 1];
    const calendar = { blackouts: [{ ...market, days: ["mon" as const, "tue" as const] }], holidays };
    expect(plan({ lengthsMs }, at("2026-03-02T00:00:00Z"), calendar)).toEqual([
      "2026-03-02T12:00:00.000Z 180000",
      "2026-03-05T12:00:00.000Z 180001",
    ]);
  });

  test("where every day is taken there is none, and it says why", () => {
    const calendar = { blackouts: [{ zone: "UTC", from: "11:30", to: "12:30" }], holidays: [] };
    expect(plan({}, at("2026-03-02T00:00:00Z"), calendar)).toContain("leave no time for a brownout at 12:00");
    expect(plan({ zone: "Europe/Nowhere" }, 0)).toContain("Europe/Nowhere");
  });
});

describe("at the deadline", () => {
  const browning = { ...testPolicy, onDeadline: "brownout" as const };
  const never: Quiet = { blackouts: [{ zone: "UTC", from: "00:00", to: "24:00" }], holidays: [] };

  test("without a free day it holds, and the rotation says why", () => {
    const { rotation } = reach(planned({ policy: browning, calendar: never }), "begin", "acknowledged", 100, "noise");
    expect(rotation).toMatchObject({
      phase: "offered",
      brownouts: { slots: [], stopped: { by: "policy", reason: expect.stringContaining("366 days") } },
    });
    const later = START + 400 * DAY;
    const strict = {
      ...rotation,
      policy: { ...browning, brownout: { ...browning.brownout, after: "retire" as const } },
    };
    const noise = { type: "assessed", evidence: { ...quietNever, watermark: later } } as const;
    expect(decide({ ...strict, claimEndedAt: later }, noise, later)).toMatchObject({ next: { phase: "offered" } });
  });

  test("the first comes no sooner than was promised, however near its hour is", () => {
    const promised = { ...browning, brownout: { ...browning.brownout, announceMs: DAY } };
    const { rotation, now } = reach(planned({ policy: promised }), "begin", "acknowledged", 100, "noise");
    const noon = DAY / 2;
    expect(noon).toBeLessThan(now + DAY);
    expect(rotation.brownouts?.slots.map(({ from }) => from)).toEqual([noon + DAY, noon + 2 * DAY]);
  });

  test("one by hand that still runs is waited for", () => {
    const at = new Date(START + 200).toISOString().slice(11, 16);
    const soon = {
      ...browning,
      brownout: { ...browning.brownout, at, announceMs: 0 },
      overlapMs: 10 * MINUTE,
      claimMs: DAY,
    };
    const { rotation } = reach(planned({ policy: soon }), "begin", "acknowledged", 10 * MINUTE - 5);
    const byHand = decide(
      rotation,
      { type: "brownout", forMs: 10 * MINUTE, by: "ana", reason: "" },
      START + 10 * MINUTE - 1,
    );
    if (!byHand.ok) throw new Error(byHand.code);
    const noise = { type: "assessed", evidence: { ...quietNever, watermark: 0 } } as const;
    const both = decide(byHand.next, noise, START + 10 * MINUTE + 2);
    if (!both.ok) throw new Error(both.code);
    const [running, ...planOf] = both.next.brownouts?.slots ?? [];
    expect(planOf).toHaveLength(2);
    for (const { from } of planOf) expect(from).toBeGreaterThanOrEqual(running?.until ?? Infinity);
  });

  const quietNever = { quiet: false, version: 1, countsFrom: 0, quietAt: Infinity, sources: [] };

  test("the record names the brownout that runs or is next, until it is over", () => {
    const shown = (rotation: ReturnType<typeof reach>["rotation"]) =>
      recordOf(key, [], rotation).rotation?.brownout?.from;
    const announced = reach(planned({ policy: browning }), "begin", "acknowledged", 100, "noise");
    const [first, second] = announced.rotation.brownouts?.slots ?? [];
    expect(shown(announced.rotation)).toBe(first?.from);
    const missed = reach(announced.rotation, (first?.until ?? 0) - START, "noise");
    expect(shown(missed.rotation)).toBe(second?.from);
    expect(shown(reach(missed.rotation, "endBrownout").rotation)).toBeUndefined();
  });

  const key = { id: "key_1", status: "active", scopes: [], networks: [], expiresAt: null } as never;

  test("an hour without the announced time is kept for it: by hand nobody runs into it", () => {
    const { rotation } = reach(planned({ policy: browning }), "begin", "acknowledged", 100, "noise");
    const from = rotation.brownouts?.slots[0]?.from as number;
    const now = (forMs: number, at: number) => decide(rotation, { type: "brownout", forMs, by: "ana", reason: "" }, at);
    expect(now(20, from - 20)).toMatchObject({ ok: true });
    expect(now(20, from - 19)).toMatchObject({ ok: false, code: "brownout_out_of_range" });
    expect(now(100, START + 200)).toMatchObject({ ok: true });
    expect(now(101, START + 200)).toMatchObject({ ok: false, code: "brownout_out_of_range" });
    expect(now(0, START + 200)).toMatchObject({ ok: false, code: "brownout_out_of_range" });
  });
});

test("the error budget: the first refusal where it is 0, never where it is null", () => {
  const started = (errorBudget: number | null) =>
    reach(
      planned({ policy: { ...testPolicy, brownout: { ...testPolicy.brownout, errorBudget } } }),
      "begin",
      "acknowledged",
      "brownout",
    );
  const after = (errorBudget: number | null, refusals: number) => {
    const { rotation, now } = started(errorBudget);
    const decision = decide(rotation, { type: "browned", refusals }, now);
    return decision.ok && decision.next !== rotation ? "ended" : "goes on";
  };
  expect([after(0, 0), after(0, 1), after(3, 3), after(3, 4)]).toEqual(["goes on", "ended", "goes on", "ended"]);
  expect(after(null, 1_000_000)).toBe("goes on");
});

test("a brownout that is longer than the overlap is no policy", () => {
  const policy = effectivePolicy({ overlapMs: 2 * MINUTE, overlapMinMs: MINUTE });
  expect(policyProblem(policy)).toBeUndefined();
  expect(policyProblem({ ...policy, onDeadline: "brownout" })).toContain("longer than overlapMs");
});
