/** Who is selected, and which waves make sense. */
import { describe, expect, test } from "vitest";
import {
  defaultWaveGate,
  isSelected,
  type KeySelection,
  saysNothing,
  type Wave,
  type WaveOf,
  wavesProblem,
  wholeWaves,
} from "./campaign.ts";

const wavesOf = (...all: WaveOf[]): Wave[] => all.map((of) => ({ of, gate: defaultWaveGate }));

describe("waves", () => {
  test("a last one that takes all needs no other behind it", () => {
    expect(wholeWaves(wavesOf({ percent: 100 }), defaultWaveGate)).toHaveLength(1);
    expect(wholeWaves(wavesOf({ rest: true }), defaultWaveGate)).toHaveLength(1);
    expect(wholeWaves([], defaultWaveGate)).toEqual(wavesOf({ rest: true }));
  });

  test.each<[string, WaveOf[], string | undefined]>([
    ["canaries, then percents", [{ keys: ["key_1"] }, { percent: 5 }, { percent: 100 }], undefined],
    ["percents that shrink", [{ percent: 20 }, { percent: 5 }], "wave 2 has 5 % after 20 %"],
    [
      "the same percent twice",
      [{ percent: 20 }, { environment: "test" }, { percent: 20 }],
      "wave 3 has 20 % after 20 %",
    ],
    ["one behind all", [{ percent: 100 }, { environment: "test" }], "wave 2 gets no key"],
    ["one behind the rest", [{ rest: true }, { percent: 5 }], "wave 2 gets no key"],
    ["an environment twice", [{ environment: "test" }, { percent: 5 }, { environment: "test" }], "which wave 1 takes"],
    ["a canary twice", [{ keys: ["key_1"] }, { keys: ["key_2", "key_1"] }], "wave 2 names key_1, which wave 1 takes"],
    [
      "a label twice",
      [{ consumerLabel: { name: "a", value: "b" } }, { consumerLabel: { name: "a", value: "b" } }],
      "which wave 1 takes",
    ],
    ["too many", Array.from({ length: 51 }, (_, i) => ({ percent: i + 1 })), "50 waves at most"],
  ])("%s", (_what, all, problem) => {
    const found = wavesProblem(wavesOf(...all));
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });
});

describe("a selection", () => {
  const key = {
    id: "key_1",
    apiId: "api_1",
    environment: "live",
    consumerId: "con_1",
    labels: { team: "desk", tier: "gold" },
  };
  const chosen = (select: KeySelection, madeAt: number[] = [100, 300]) =>
    isSelected(select, { key, consumerLabels: { partner: "acme" }, madeAt });

  test.each<[KeySelection, boolean]>([
    [{ everything: true }, true],
    [{ apis: ["api_1"] }, true],
    [{ apis: ["api_2", "api_3"] }, false],
    [{ apis: ["api_2", "api_1"], environments: ["live"] }, true],
    [{ apis: ["api_1"], environments: ["test"] }, false],
    [{ consumers: ["con_1"] }, true],
    [{ consumers: ["con_2"] }, false],
    [{ keys: ["key_2", "key_1"] }, true],
    [{ keys: ["key_2"] }, false],
    [{ consumerLabels: { partner: "acme" } }, true],
    [{ consumerLabels: { partner: "acme", region: "eu" } }, false],
    [{ keyLabels: { team: "desk", tier: "gold" } }, true],
    [{ keyLabels: { team: "desk", tier: "silver" } }, false],
    [{ keyLabels: { constructor: "desk" } }, false],
    [{ createdBefore: 100 }, false],
    [{ createdBefore: 101 }, true],
    [{ createdBefore: 101, apis: ["api_2"] }, false],
  ])("%j: %s", (select, expected) => {
    expect(chosen(select)).toBe(expected);
  });

  test("a key without an accepted version was not made before anything", () => {
    expect(chosen({ createdBefore: 1_000 }, [])).toBe(false);
  });

  test("that says nothing has to say so", () => {
    expect(saysNothing({})).toBe(true);
    expect(saysNothing({ apis: undefined })).toBe(true);
    expect(saysNothing({ everything: true })).toBe(false);
  });
});
