import type { Limit } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { UsageError } from "./exit-codes.ts";
import { limitsOf, limitText } from "./limit-words.ts";

const rate: Limit = { kind: "rate", name: "sustained", per: "key", units: 100, windowMs: 1_000, burst: 200 };
const quota: Limit = {
  kind: "quota",
  name: "monthly",
  per: "key",
  units: 1_000_000,
  period: "month",
  zone: "Europe/Zurich",
};

describe("a limit in words", () => {
  test.each<[string, Limit]>([
    ["sustained=100/1s burst 200", rate],
    ["sustained=100/s burst 200 per key", rate],
    ["sustained=100/1s per consumer burst 200", { ...rate, per: "consumer" }],
    ["sustained=100/1s", { ...rate, burst: 100 }],
    ["sustained=1_000/90s", { ...rate, units: 1_000, windowMs: 90_000, burst: 1_000 }],
  ])("--rate %j", (text, limit) => expect(limitsOf([text])).toEqual([limit]));

  test.each<[string, Limit]>([
    ["monthly=1000000/month Europe/Zurich", quota],
    ["monthly=1_000_000/month", { ...quota, zone: "UTC" }],
    ["daily=5/day per consumer", { ...quota, name: "daily", units: 5, period: "day", zone: "UTC", per: "consumer" }],
  ])("--quota %j", (text, limit) => expect(limitsOf([], [text])).toEqual([limit]));

  test("is written as it is read", () => {
    for (const limit of [rate, { ...rate, per: "consumer" as const, windowMs: 5_400_000 }])
      expect(limitsOf([limitText(limit)])).toEqual([limit]);
    expect(limitsOf([], [limitText(quota)])).toEqual([quota]);
  });

  test.each<[string[], string[], string]>([
    [["100/1s"], [], "it begins with name=units/window"],
    [["a=100"], [], "it begins with name=units/window"],
    [["a=-1/1s"], [], "it begins with name=units/window"],
    [["a=1.5/1s"], [], "it begins with name=units/window"],
    [["a=1/1x"], [], "1x is no duration"],
    [["a=1/1s burst"], [], 'burst takes a whole number, not ""'],
    [["a=1/1s bursts 5"], [], '"bursts 5" says nothing here'],
    [["a=1/1s per app"], [], "per key or per consumer"],
    [["a=0/1s"], [], "units are a whole number from 1 to 9007199254740991, not 0; write"],
    [["a=9007199254740992/1s"], [], "not 9007199254740992"],
    [["a=1/1ms"], [], '--rate "a=1/1ms": a window of 1ms is too short; it is from 1s to 1d'],
    [
      ["x=5/2d"],
      [],
      'a window of 2d is too long; it is from 1s to 1d; for longer there are quotas: --quota "x=5/month"',
    ],
    [["x=2000000/1s"], [], "without a burst all 2000000 units may come at once, and a burst is 1000000 at most"],
    [["x=2000000/1s"], [], 'write --rate "x=2000000/1s burst 1000000"'],
    [["x=5/1s burst 2_000_000"], [], "burst takes a whole number from 1 to 1000000, not 2_000_000"],
    [["x=5/1s burst 0"], [], "not 0"],
    [["A=1/1s"], [], '--rate "A=1/1s": "A" is no name of a limit'],
    [["a=1/1s"], ["a=1/day"], 'two limits are called "a"'],
    [[], ["a=1/week"], 'a quota is for a day or a month, not "week"'],
    [[], ["a=1/day Europe/Zurick"], '"Europe/Zurick" is no time zone\'s IANA name'],
    [[], ["a=5/day burst 3"], "a burst belongs to a rate"],
    [[], ["a=1/day UTC per key twice"], '"twice" says nothing here'],
  ])("%j %j is refused, and what would be right is said", (rates, quotas, sentence) => {
    expect(() => limitsOf(rates, quotas)).toThrow(UsageError);
    expect(() => limitsOf(rates, quotas)).toThrow(sentence);
  });

  test("none given is none said", () => expect(limitsOf(undefined, [])).toBeUndefined());
});
