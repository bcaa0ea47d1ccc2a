import { expect, test } from "vitest";
import { limitHeaders } from "./limit-header.ts";
import type { Limit } from "./limits.ts";

const rate = { kind: "rate", per: "key", name: "sustained", units: 100, windowMs: 60_000, burst: 100 } as const;
const daily = { kind: "quota", per: "key", name: "daily", units: 1_000, period: "day", zone: "UTC" } as const;
const header = (limit: Limit, remaining = 1, resetMs = 1) =>
  Object.fromEntries(limitHeaders([{ limit, remaining, resetMs }]));

test("a key's limits and what is left of them, as the draft has them", () => {
  const states = [
    { limit: rate, remaining: 50, resetMs: 30_000 },
    { limit: { ...daily, period: "month" as const, name: "monthly" }, remaining: 7, resetMs: 86_400_000.5 },
  ];
  expect(limitHeaders(states)).toEqual([
    ["ratelimit-policy", '"sustained";q=100;w=60, "monthly";q=1000'],
    ["ratelimit", '"sustained";r=50;t=30, "monthly";r=7;t=86401'],
  ]);
  expect(limitHeaders([])).toEqual([]);
  expect(limitHeaders(undefined)).toEqual([]);
});

test.each<[string, Partial<typeof rate> | typeof daily, string]>([
  ["a day", daily, '"daily";q=1000;w=86400'],
  ["a burst of its own", { burst: 20 as never }, '"sustained";q=100;w=60;keyover-burst=20'],
  ["a window that is no whole seconds", { windowMs: 1_500 as never }, '"sustained";q=200;w=3'],
  ["one of 1.001 s", { windowMs: 1_001 as never }, '"sustained";q=100000;w=1001'],
  [
    "more than a structured field can say",
    { ...daily, units: Number.MAX_SAFE_INTEGER as never },
    '"daily";q=999999999999999;w=86400',
  ],
])("%s", (_, limit, policy) => {
  expect(header({ ...rate, ...limit } as Limit)["ratelimit-policy"]).toBe(policy);
});

test("times are whole seconds, and never too short", () => {
  expect(header(rate, 0, 0).ratelimit).toBe('"sustained";r=0;t=0');
  expect(header(rate, 0, 1).ratelimit).toBe('"sustained";r=0;t=1');
  expect(header(rate, 0, 1_000.001).ratelimit).toBe('"sustained";r=0;t=2');
});
