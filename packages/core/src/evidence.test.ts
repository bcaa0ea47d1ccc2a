import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Coverage,
  foldSighting,
  judgeQuiet,
  mayAnswer,
  type QuietRule,
  type Sighting,
  type Source,
  type SourceUse,
  sourceId,
  type Watermark,
  watermark,
} from "./evidence.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const bot: Source = { network: "203.0.113.0/24", client: "bot/1.0", instance: "a" };
const job: Source = { network: "198.51.100.0/24", client: "job/1.0", instance: "" };
const rule: QuietRule = { quietMs: DAY, gapMargin: 1.5, youngQuietMs: 0 };

function sighting(change: Partial<Sighting>): Sighting {
  const first = change.first ?? change.last ?? 0;
  return {
    key: "key_1",
    version: 1,
    source: bot,
    first,
    last: first,
    accepted: 1,
    refused: 0,
    longestGapMs: 0,
    ...change,
  };
}

function fold(sightings: readonly Sighting[]): SourceUse {
  const use = sightings.reduce<SourceUse | undefined>(foldSighting, undefined);
  if (use === undefined) throw new Error("nothing to fold");
  return use;
}

function seenAt(version: number, source: Source, ...times: number[]): SourceUse {
  return fold(times.map((at) => sighting({ version, source, first: at, last: at })));
}

function whole(at: number): Watermark {
  return { at, waitingFor: [], holes: [] };
}

const boot: Coverage = {
  boot: "boo_1",
  instance: "eu-1",
  coveredTo: 0,
  answersUntil: 100,
  closed: false,
  replacedAt: null,
  removedAt: null,
};

/** The real uses behind some reports: each verifier saw some of them, and reported them in runs. */
const uses = fc
  .array(
    fc.record({
      at: fc.nat(10_000),
      verifier: fc.nat(2),
      version: fc.integer({ min: 1, max: 2 }),
      accepted: fc.boolean(),
    }),
    {
      minLength: 1,
      maxLength: 25,
      size: "max",
    },
  )
  .map((list) => list.sort((a, b) => a.at - b.at));

type Use = { at: number; verifier: number; version: number; accepted: boolean };

/** Reports of at most four uses each, per verifier and version, in order of time. */
function reported(list: readonly Use[]): Sighting[] {
  const runs = new Map<string, Use[][]>();
  for (const use of list) {
    const name = `${use.verifier} ${use.version}`;
    const own = runs.get(name) ?? [];
    const open = own.at(-1);
    if (open === undefined || open.length === 4) own.push([use]);
    else open.push(use);
    runs.set(name, own);
  }
  return [...runs.values()].flat().map((run) => {
    const times = run.map((use) => use.at);
    return sighting({
      version: (run[0] as Use).version,
      first: times[0] as number,
      last: times.at(-1) as number,
      accepted: run.filter((use) => use.accepted).length,
      refused: run.filter((use) => !use.accepted).length,
      longestGapMs: longestSilence(times),
    });
  });
}

function longestSilence(times: readonly number[]): number {
  return times.slice(1).reduce((longest, at, i) => Math.max(longest, at - (times[i] as number)), 0);
}

const shuffledReports = uses.chain((list) => {
  const sightings = reported(list);
  return fc.record({
    list: fc.constant(list),
    sightings: fc.constant(sightings),
    shuffled: fc.shuffledSubarray(sightings, { minLength: sightings.length }),
  });
});

describe("what reports add up to", () => {
  test("in any order they give the same uses, and no silence shorter than the real ones", () => {
    fc.assert(
      fc.property(shuffledReports, ({ list, sightings, shuffled }) => {
        const [ordered, other] = [fold(sightings), fold(shuffled)];
        const sums = ({ source, versions, lastSeen }: SourceUse) => ({
          source,
          lastSeen,
          versions: Object.entries(versions).map(([version, seen]) => ({ version, ...seen, refusedRun: null })),
        });
        expect(sums(other)).toEqual(sums(ordered));
        const real = longestSilence(list.map((use) => use.at));
        expect(ordered.longestGapMs).toBeGreaterThanOrEqual(real);
        expect(other.longestGapMs).toBeGreaterThanOrEqual(real);
      }),
      { numRuns: 2_000 },
    );
  });

  test("a late report never shortens anything", () => {
    fc.assert(
      fc.property(shuffledReports, fc.nat(12_000), ({ shuffled }, at) => {
        const before = fold(shuffled);
        const after = foldSighting(before, sighting({ first: at, last: at }));
        expect(after.lastSeen).toBeGreaterThanOrEqual(before.lastSeen);
        expect(after.longestGapMs).toBeGreaterThanOrEqual(before.longestGapMs);
        const was = before.versions[1];
        if (was !== undefined) {
          expect(after.versions[1]?.first).toBeLessThanOrEqual(was.first);
          expect(after.versions[1]?.last).toBeGreaterThanOrEqual(was.last);
        }
      }),
    );
  });

  test("a report of the earliest use that comes last still counts the silence after it", () => {
    const use = fold([sighting({ first: 30 * DAY }), sighting({ first: 0 })]);
    expect(use.longestGapMs).toBe(30 * DAY);
  });

  test("the silence is the key's, across its versions", () => {
    const use = fold([sighting({ version: 1, first: 0 }), sighting({ version: 2, first: 5 * HOUR })]);
    expect(use.longestGapMs).toBe(5 * HOUR);
    expect(use.versions[1]).toMatchObject({ first: 0, last: 0, accepted: 1, refused: 0 });
  });

  test("folding leaves what it was given as it was", () => {
    const before = Object.freeze(seenAt(1, bot, 10));
    Object.freeze(before.versions);
    foldSighting(before, sighting({ first: 20, accepted: 2, refused: 3 }));
    expect(before.versions[1]).toMatchObject({ first: 10, last: 10, accepted: 1, refused: 0 });
  });

  test("sources differ by network, client and instance", () => {
    expect(new Set([bot, job, { ...bot, instance: "b" }, { ...bot, client: "bot/2.0" }].map(sourceId)).size).toBe(4);
  });
});

describe("how far the evidence reaches", () => {
  test("without verifiers it reaches to now", () => {
    expect(watermark([], 500)).toEqual({ at: 500, waitingFor: [], holes: [] });
  });

  test("the slowest verifier that may still answer holds it back, and is named", () => {
    const mark = watermark(
      [
        { ...boot, coveredTo: 80, answersUntil: 200 },
        { ...boot, boot: "boo_2", instance: "eu-2", coveredTo: 70, answersUntil: 200 },
      ],
      90,
    );
    expect(mark).toEqual({ at: 70, waitingFor: [{ boot: "boo_2", instance: "eu-2", coveredTo: 70 }], holes: [] });
  });

  test("R07: no report is never taken for no traffic: one that registered and says nothing holds it until it can't answer", () => {
    const silent = { ...boot, coveredTo: 10, answersUntil: 1_000 };
    expect(watermark([silent], 999).at).toBe(10);
    const lost = watermark([silent], 1_000);
    expect(lost).toEqual({
      at: 1_000,
      waitingFor: [],
      holes: [{ boot: "boo_1", instance: "eu-1", from: 10, to: 1_000 }],
    });
    expect(judgeQuiet(1, [], lost, 0, { ...rule, quietMs: 50, gapMargin: 1 })).toMatchObject({
      quiet: false,
      quietAt: 1_050,
    });
  });

  test("a verifier that said goodbye leaves no hole", () => {
    expect(watermark([{ ...boot, coveredTo: 10, closed: true }], 5_000)).toEqual({
      at: 5_000,
      waitingFor: [],
      holes: [],
    });
  });

  test.each([
    ["replaced", { replacedAt: 40 }, 40],
    ["removed", { removedAt: 60 }, 60],
    ["replaced after its lease", { replacedAt: 400 }, 100],
    ["replaced and removed", { replacedAt: 40, removedAt: 60 }, 40],
  ])("one that was %s leaves a hole up to the moment after which it can't have answered", (_how, change, to) => {
    const gone = { ...boot, coveredTo: 10, ...change };
    const now = 500;
    expect(mayAnswer(gone, now)).toBe(false);
    expect(watermark([gone], now).holes).toEqual([{ boot: "boo_1", instance: "eu-1", from: 10, to }]);
    expect(watermark([gone], now).at).toBe(now);
  });

  test("one whose last report reaches past its end leaves no hole", () => {
    expect(watermark([{ ...boot, coveredTo: 40, replacedAt: 40 }], 500).holes).toEqual([]);
    expect(watermark([{ ...boot, coveredTo: 100 }], 500).holes).toEqual([]);
  });

  test("another verifier never moves it forward, nor fills a hole; another report never moves it back", () => {
    const coverage = fc.record({
      boot: fc.constantFrom("boo_1", "boo_2"),
      instance: fc.constant("eu"),
      coveredTo: fc.nat(300),
      answersUntil: fc.nat(300),
      closed: fc.boolean(),
      replacedAt: fc.option(fc.nat(300)),
      removedAt: fc.option(fc.nat(300)),
    });
    fc.assert(
      fc.property(fc.array(coverage), coverage, fc.nat(300), fc.nat(50), (list, one, now, more) => {
        const [without, mark] = [watermark(list, now), watermark([...list, one], now)];
        expect(mark.at).toBeLessThanOrEqual(without.at);
        expect(mark.holes).toEqual(expect.arrayContaining(without.holes));
        const further = watermark([...list, { ...one, coveredTo: one.coveredTo + more }], now);
        expect(further.at).toBeGreaterThanOrEqual(mark.at);
        for (const hole of mark.holes) expect(hole.to).toBeGreaterThan(hole.from);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("whether a version is quiet", () => {
  test("R07: a monthly job keeps the old version alive between its runs, while the bots have long moved", () => {
    const sources = [
      fold([0, 30, 60].map((day) => sighting({ source: job, first: day * DAY }))),
      fold([sighting({ first: 60 * DAY }), sighting({ version: 2, first: 60 * DAY + 1 })]),
    ];
    const judge = (day: number) => judgeQuiet(1, sources, whole(day * DAY), 0, rule);
    expect(judge(64)).toMatchObject({ quiet: false, quietAt: 105 * DAY });
    expect(judge(104.9)).toMatchObject({
      quiet: false,
      sources: [
        { source: job, quiet: false, moved: false, longestGapMs: 30 * DAY, quietAt: 105 * DAY },
        { source: bot, quiet: true, moved: true },
      ],
    });
    expect(judge(105).quiet).toBe(true);
  });

  test("I3: a silent consumer keeps the old version alive until the policy's minimum is over", () => {
    const sources = [seenAt(1, bot, 10 * HOUR)];
    expect(judgeQuiet(1, sources, whole(34 * HOUR - 1), 0, rule).quiet).toBe(false);
    expect(judgeQuiet(1, sources, whole(34 * HOUR), 0, rule).quiet).toBe(true);
  });

  test("a refused use is a use: somebody still holds this version", () => {
    const refused = fold([sighting({ first: 0 }), sighting({ first: 9 * HOUR, accepted: 0, refused: 1 })]);
    expect(judgeQuiet(1, [refused], whole(30 * HOUR), 0, rule)).toMatchObject({ quiet: false, quietAt: 33 * HOUR });
  });

  test("silence ends at the watermark, whatever the clock says", () => {
    const mark = watermark([{ ...boot, coveredTo: 20 * HOUR, answersUntil: 90 * DAY }], 60 * DAY);
    expect(judgeQuiet(1, [seenAt(1, bot, 0)], mark, 0, rule)).toMatchObject({ quiet: false, watermark: 20 * HOUR });
  });

  test("I3: a hole starts every source's silence anew at its end, and a version that nobody was seen on as well", () => {
    const hole = { boot: "boo_1", instance: "eu-1", from: 2 * HOUR, to: 50 * HOUR };
    const mark = { ...whole(60 * HOUR), holes: [hole] };
    expect(judgeQuiet(1, [seenAt(1, bot, 0)], mark, 0, rule)).toMatchObject({
      quiet: false,
      countsFrom: 50 * HOUR,
      quietAt: 74 * HOUR,
    });
    const slow = seenAt(1, job, 0, 30 * HOUR);
    expect(judgeQuiet(1, [slow], mark, 0, rule)).toMatchObject({ quiet: false, quietAt: 95 * HOUR });
    expect(judgeQuiet(1, [], mark, 0, rule)).toMatchObject({ quiet: false, quietAt: 74 * HOUR });
  });

  test("a source that was never seen on this version does not speak for it", () => {
    expect(judgeQuiet(1, [seenAt(2, bot, 90 * HOUR)], whole(91 * HOUR), 0, rule)).toMatchObject({
      quiet: true,
      sources: [],
    });
  });

  describe("a source that a brownout or fence has turned away", () => {
    const refusal = (at: number) => sighting({ version: 1, source: bot, first: at, accepted: 0, refused: 3 });
    const judged = (uses: SourceUse[], at: number, since: number | null) =>
      judgeQuiet(1, uses, whole(at), 0, rule, since);

    test("a refused try is a use: silence counts from it, not from the last accepted one", () => {
      const use = fold([sighting({ first: 0 }), refusal(5 * HOUR)]);
      expect(judged([use], 28 * HOUR, null)).toMatchObject({ quiet: false, quietAt: 29 * HOUR });
    });

    test("who fell silent upon it may have been stopped by it, and is waited for twice as long", () => {
      const use = fold([sighting({ first: 0 }), refusal(5 * HOUR)]);
      const verdict = judged([use], 52 * HOUR, 5 * HOUR);
      expect(verdict).toMatchObject({ quiet: false, quietAt: 53 * HOUR, sources: [{ turnedAway: true }] });
      expect(judged([use], 53 * HOUR, 5 * HOUR)).toMatchObject({ quiet: true });
    });

    test("not who has moved, was accepted since, or was refused before that began", () => {
      const moved = fold([sighting({ first: 0 }), refusal(5 * HOUR), sighting({ version: 2, first: 6 * HOUR })]);
      const again = fold([sighting({ first: 0 }), refusal(5 * HOUR), sighting({ first: 6 * HOUR })]);
      const before = fold([sighting({ first: 0 }), refusal(4 * HOUR)]);
      const needed = [moved, again, before].map((use) => judged([use], 7 * HOUR, 5 * HOUR).sources[0]);
      expect(needed.map((source) => [source?.turnedAway, source?.neededMs])).toEqual(Array(3).fill([false, DAY]));
    });
  });

  test("the sources that hold it back longest come first", () => {
    const verdict = judgeQuiet(1, [seenAt(1, bot, 5), seenAt(1, job, 9)], whole(10), 0, rule);
    expect(verdict.sources.map((source) => source.source)).toEqual([job, bot]);
  });

  const sightings = fc.array(
    fc.record({
      version: fc.integer({ min: 1, max: 2 }),
      source: fc.constantFrom(bot, job),
      first: fc.nat(500),
      longestGapMs: fc.nat(50),
    }),
    { maxLength: 12 },
  );
  const holes = fc.array(
    fc.record({ boot: fc.constant("boo_1"), instance: fc.constant("eu"), from: fc.nat(300), to: fc.nat(600) }),
    { maxLength: 3 },
  );
  const shortRule = { quietMs: 40, gapMargin: 1.5, youngQuietMs: 60 };

  function bySource(list: readonly Partial<Sighting>[]): SourceUse[] {
    const held = new Map<Source | undefined, SourceUse>();
    for (const each of list) held.set(each.source, foldSighting(held.get(each.source), sighting(each)));
    return [...held.values()];
  }

  test("it is quiet exactly when the watermark has reached `quietAt`, and each source on its own", () => {
    fc.assert(
      fc.property(sightings, holes, fc.nat(900), fc.nat(600), (seen, lost, at, from) => {
        const verdict = judgeQuiet(1, bySource(seen), { ...whole(at), holes: lost }, from, shortRule);
        expect(verdict.quiet).toBe(at >= verdict.quietAt);
        for (const source of verdict.sources) expect(source.quiet).toBe(at >= source.quietAt);
        if (verdict.quiet) expect(verdict.sources.every((source) => source.quiet)).toBe(true);
        const latest = judgeQuiet(1, bySource(seen), { ...whole(verdict.quietAt), holes: lost }, from, shortRule);
        expect(latest.quiet).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  // An older use makes a source older, and `youngQuietMs` is for the young.
  const grown = { ...shortRule, youngQuietMs: 0 };

  test("nothing that is learned later makes it quiet earlier: no sighting, no hole, no restoration", () => {
    fc.assert(
      fc.property(
        sightings,
        sightings,
        holes,
        holes,
        fc.nat(600),
        fc.nat(100),
        (seen, more, lost, lostToo, from, later) => {
          const quietAt = (list: Partial<Sighting>[], gone: typeof lost, since: number) =>
            judgeQuiet(1, bySource(list), { ...whole(0), holes: gone }, since, grown).quietAt;
          const before = quietAt(seen, lost, from);
          expect(quietAt([...seen, ...more], lost, from)).toBeGreaterThanOrEqual(before);
          expect(quietAt(seen, [...lost, ...lostToo], from)).toBeGreaterThanOrEqual(before);
          expect(quietAt(seen, lost, from + later)).toBeGreaterThanOrEqual(before);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
