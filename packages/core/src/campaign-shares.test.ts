/** Which wave a key is in: by what it is, and by exact shares of all keys, however few and in whatever order they are found. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultWaveGate, type Wave, type WaveFacts, type WaveOf, wavesProblem, wholeWaves } from "./campaign.ts";
import { drawOf, drawsKeys, exactCuts, homeOf, likelyCuts, runsOf, sharesOf, waveAt } from "./campaign-shares.ts";

const wavesOf = (...all: WaveOf[]): Wave[] =>
  wholeWaves(
    all.map((of) => ({ of, gate: defaultWaveGate })),
    defaultWaveGate,
  );
const percents = (...all: number[]) => wavesOf(...all.map((percent) => ({ percent })));
const keysOf = (count: number): WaveFacts[] =>
  Array.from({ length: count }, (_, i) => ({ keyId: `key_${i}`, environment: "live", consumerLabels: {} }));

/** Found `page` keys at a time: the wave of each. */
function split(waves: readonly Wave[], keys: readonly WaveFacts[], campaign = "cam_1", page = 1_000): number[] {
  const drawn = keys.map((facts) => ({ home: homeOf(waves, facts), draw: drawOf(campaign, facts.keyId) }));
  const runs = [];
  for (let i = 0; i < drawn.length; i += page) runs.push(...runsOf(drawn.slice(i, i + page)));
  const cuts = exactCuts(waves, runs);
  const found = drawn.map(({ home, draw }) => waveAt(cuts, home, draw));
  expect(sharesOf(waves, runs, cuts)).toEqual(countsOf(waves, found));
  return found;
}

function countsOf(waves: readonly Wave[], found: readonly number[]): number[] {
  const counts = waves.map(() => 0);
  for (const wave of found) counts[wave] = (counts[wave] as number) + 1;
  return counts;
}

const counted = (waves: readonly Wave[], count: number) => countsOf(waves, split(waves, keysOf(count)));

describe("percents are exact", () => {
  test.each<[keys: number, percents: number[], expected: number[]]>([
    [10, [10, 50, 100], [1, 4, 5]],
    [300, [30], [90, 210]],
    [18, [50], [9, 9]],
    [1_200, [5, 25], [60, 240, 900]],
    [3, [10, 50, 100], [1, 1, 1]],
    [2, [10, 50, 100], [1, 1, 0]],
    [1, [1, 2], [1, 0, 0]],
    [0, [1, 2], [0, 0, 0]],
    // A wave holds a key though its share is none.
    [1_000, [0.01, 0.02, 100], [1, 1, 998]],
    [999, [33.3], [333, 666]],
  ])("of %i keys %j", (keys, all, expected) => {
    expect(counted(percents(...all), keys)).toEqual(expected);
  });

  test("canaries before count in, and what takes keys by what they are leaves its share to others", () => {
    const canary: WaveOf = { keys: ["key_3"] };
    expect(counted(wavesOf(canary, { percent: 30 }), 300)).toEqual([1, 89, 210]);
    const keys = keysOf(100).map((key, i) => ({ ...key, environment: i < 40 ? "test" : "live" }));
    const waves = wavesOf({ percent: 10 }, { environment: "test" }, { percent: 60 });
    const found = split(waves, keys);
    const counts = countsOf(waves, found);
    expect([counts[0], (counts[0] as number) + (counts[1] as number) + (counts[2] as number)]).toEqual([10, 60]);
    // Of test, all that were not drawn before.
    for (const [i, key] of keys.entries()) if (key.environment === "test") expect(found[i]).toBeLessThan(2);
  });

  test("where earlier waves hold more already, one key is drawn", () => {
    const keys = keysOf(20).map((key, i) => ({ ...key, environment: i < 15 ? "test" : "live" }));
    expect(
      countsOf(
        wavesOf({ environment: "test" }, { percent: 50 }),
        split(wavesOf({ environment: "test" }, { percent: 50 }), keys),
      ),
    ).toEqual([15, 1, 4]);
  });

  const label: fc.Arbitrary<WaveOf> = fc
    .constantFrom("eu", "us")
    .map((value) => ({ consumerLabel: { name: "region", value } }));
  const wave: fc.Arbitrary<WaveOf> = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 10_000 }).map((n) => ({ percent: n / 100 })) },
    fc.constantFrom("test", "live").map((environment) => ({ environment })),
    label,
    fc.subarray(["key_0", "key_1", "key_2", "key_7"], { minLength: 1 }).map((keys) => ({ keys })),
  );
  const waves = fc
    .array(wave, { maxLength: 6 })
    .filter((all) => wavesProblem(all.map((of) => ({ of, gate: defaultWaveGate }))) === undefined)
    .map((all) => wavesOf(...all));
  const keys = fc
    .array(fc.record({ environment: fc.constantFrom("test", "live"), region: fc.constantFrom("eu", "us", "ap") }), {
      maxLength: 120,
    })
    .map((all) =>
      all.map(({ environment, region }, i) => ({ keyId: `key_${i}`, environment, consumerLabels: { region } })),
    );

  test("whatever the waves and the keys: up to each wave of percents there are just so many, one at least, or none is left", () => {
    fc.assert(
      fc.property(waves, keys, fc.string({ unit: "binary-ascii" }), (all, facts, campaign) => {
        const found = split(all, facts, campaign);
        const counts = countsOf(all, found);
        let before = 0;
        for (const [i, { of }] of all.entries()) {
          const own = counts[i] as number;
          if ("percent" in of && of.percent < 100) {
            const left = found.filter((at, n) => at >= i && homeOf(all, facts[n] as WaveFacts) > i).length;
            const wanted = Math.round((facts.length * of.percent) / 100) - before;
            expect(own).toBe(Math.min(left, Math.max(1, wanted)));
          }
          before += own;
        }
        for (const [n, at] of found.entries()) {
          const home = homeOf(all, facts[n] as WaveFacts);
          // Nobody is in a wave that does not take it, nor behind the one that does.
          expect(at === home || (at < home && "percent" in (all[at] as Wave).of)).toBe(true);
        }
      }),
    );
  });

  test("neither the pages nor the order in which keys are found make a difference", () => {
    fc.assert(
      fc.property(
        waves,
        keys,
        fc.integer({ min: 1, max: 130 }),
        fc.infiniteStream(fc.nat()),
        (all, facts, page, chance) => {
          const whole = split(all, facts);
          const order = facts.map((_, n) => ({ n, at: chance.next().value as number })).sort((a, b) => a.at - b.at);
          const mixed = split(
            all,
            order.map(({ n }) => facts[n] as WaveFacts),
            "cam_1",
            page,
          );
          expect(new Map(order.map(({ n }, i) => [n, mixed[i]]))).toEqual(new Map(whole.map((at, n) => [n, at])));
        },
      ),
    );
  });
});

describe("the draw", () => {
  test("is another in each campaign, and as good as chance: of many keys each part holds its share", () => {
    const keys = keysOf(20_000);
    const waves = percents(1, 25);
    expect(split(waves, keys)).toEqual(split(waves, keys));
    const [one, two] = [split(waves, keys), split(waves, keys, "cam_2")];
    const both = one.filter((at, i) => at === 1 && two[i] === 1).length;
    // A quarter of a quarter.
    expect(both / keys.length).toBeCloseTo(0.24 * 0.24, 2);
    const early = one.slice(0, 10_000).filter((at) => at < 2).length;
    expect(early / 5_000).toBeCloseTo(0.5, 1);
  });

  test("puts most keys where they will be before all are found", () => {
    const keys = keysOf(20_000);
    const waves = percents(1, 25);
    const likely = keys.map(({ keyId }) => waveAt(likelyCuts(waves), 2, drawOf("cam_1", keyId)));
    const exact = split(waves, keys);
    expect(exact.filter((at, i) => at !== likely[i]).length).toBeLessThan(400);
  });

  test("is asked for where a wave is a part of what is left, and nowhere else", () => {
    expect(drawsKeys(percents(10))).toBe(true);
    expect(drawsKeys(percents(100))).toBe(false);
    expect(drawsKeys(wavesOf({ environment: "test" }))).toBe(false);
  });
});

test("by what it is a key is in the first wave that takes it, and in the last if none does", () => {
  const waves = wavesOf(
    { keys: ["key_1"] },
    { environment: "test" },
    { consumerLabel: { name: "region", value: "eu" } },
  );
  expect(waves).toHaveLength(4);
  const home = (keyId: string, environment: string, consumerLabels: Record<string, string>) =>
    homeOf(waves, { keyId, environment, consumerLabels });
  expect(home("key_1", "test", { region: "eu" })).toBe(0);
  expect(home("key_2", "test", { region: "eu" })).toBe(1);
  expect(home("key_2", "live", { region: "eu" })).toBe(2);
  expect(home("key_2", "live", { region: "us" })).toBe(3);
  expect(home("key_2", "live", { constructor: "eu" })).toBe(3);
});
