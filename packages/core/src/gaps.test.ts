import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { foldSighting, judgeQuiet, type Sighting, type SourceUse } from "./evidence.ts";
import { GAP_FLOOR_MS, GAP_RUNGS, gapRung, rememberedGaps, slicesKept, usualGap } from "./gaps.ts";
import { refusedSince } from "./refusals.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const job = { network: "198.51.100.0/24", client: "job/1.0", instance: "" };

function sighting(first: number, change: Partial<Sighting> = {}): Sighting {
  const seen = { key: "key_1", version: 1, source: job, last: first, accepted: 1, refused: 0, longestGapMs: 0 };
  return { ...seen, first, ...change };
}

function seenAt(times: readonly number[]): SourceUse {
  const use = times.reduce<SourceUse | undefined>((held, at) => foldSighting(held, sighting(at)), undefined);
  if (use === undefined) throw new Error("never seen");
  return use;
}

/** From `from` on, `count` times. */
function every(ms: number, from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i * ms);
}

const usualOf = (times: readonly number[]) => usualGap(seenAt(times)).lengthMs;

describe("the usual gap", () => {
  test("R07: a monthly job is covered from its second run on, and for good", () => {
    for (const runs of [2, 3, 4, 6, 12, 36]) expect(usualOf(every(30 * DAY, 0, runs)), `${runs} runs`).toBe(30 * DAY);
  });

  test("so are quarterly and yearly ones: what is long is remembered for five times its length", () => {
    for (const runs of [2, 4, 6, 7, 20]) {
      expect(usualOf(every(92 * DAY, 0, runs))).toBe(92 * DAY);
      expect(usualOf(every(365 * DAY, 0, runs))).toBe(365 * DAY);
    }
  });

  test("one outage in a long history lengthens nothing; while the history is young it might have been the rhythm", () => {
    const outage = (daysBefore: number) => [
      ...every(HOUR, 0, daysBefore * 24 + 1),
      ...every(HOUR, (daysBefore + 3) * DAY, 20 * 24),
    ];
    expect(usualOf(outage(50))).toBe(3 * DAY);
    expect(usualOf(outage(90))).toBe(HOUR);
    expect(usualGap(seenAt(outage(90)))).toMatchObject({ rank: 2 });
  });

  test("a second one of that length does, and both are forgotten after 100 to 120 days", () => {
    const two = (after: number) => [
      ...every(HOUR, 0, 100 * 24 + 1),
      ...every(HOUR, 103 * DAY, 10 * 24 + 1),
      ...every(HOUR, 115 * DAY, after * 24 + 1),
    ];
    expect(usualOf(two(1))).toBe(2 * DAY);
    expect(usualOf(two(99))).toBe(2 * DAY);
    expect(usualOf(two(121))).toBe(HOUR);
  });

  test("nights and weekends: the weekend", () => {
    const office = every(HOUR, 0, 150 * 24).filter(
      (at) => (at / DAY) % 7 < 5 && (at / HOUR) % 24 >= 9 && (at / HOUR) % 24 < 17,
    );
    expect(usualOf(office)).toBe(65 * HOUR);
  });

  test("its own silence now makes it forget nothing", () => {
    const use = seenAt(every(30 * DAY, 0, 14));
    const rule = { quietMs: DAY, gapMargin: 1.5, youngQuietMs: 0 };
    const verdict = judgeQuiet(1, [use], { at: use.lastSeen + 44 * DAY, waitingFor: [], holes: [] }, 0, rule);
    expect(verdict.sources[0]).toMatchObject({ usual: { lengthMs: 30 * DAY, rank: 2 }, young: false, quiet: false });
  });

  test("a silence from before silences were tallied counts until it could have come again", () => {
    const use = { ...seenAt(every(DAY, 0, 121)), longestGapMs: 31 * DAY };
    expect(usualGap({ ...use, gapsSince: use.lastSeen - 100 * DAY }).lengthMs).toBe(31 * DAY);
    expect(usualGap({ ...use, gapsSince: use.lastSeen - 156 * DAY }).lengthMs).toBe(DAY);
  });

  test("short silences are not told apart, and the bound on them holds for ever", () => {
    const busy = seenAt([...every(1_000, 0, 100), 20_000 + 99_000, ...every(HOUR / 2, 200_000, 110 * 48)]);
    expect(busy.gaps.every(({ longestMs }) => longestMs >= GAP_FLOOR_MS)).toBe(true);
    const calm = { ...busy, gaps: [], longestGapMs: 20_000 };
    expect(usualGap(calm).lengthMs).toBe(20_000);
    expect(usualGap({ ...calm, longestGapMs: HOUR }).lengthMs).toBe(GAP_FLOOR_MS);
  });
});

/** All silences with their ends, and nothing tallied. */
function silences(times: readonly number[]): { lengthMs: number; endedAt: number }[] {
  return times.slice(1).map((endedAt, i) => ({ lengthMs: endedAt - (times[i] as number), endedAt }));
}

const lengths = fc.oneof(
  fc.integer({ min: 1, max: 2 * GAP_FLOOR_MS }),
  fc.integer({ min: 1, max: 40 * DAY }),
  fc.constantFrom(HOUR, DAY, 7 * DAY, 30 * DAY, 3 * DAY),
);
const histories = fc.array(lengths, { minLength: 1, maxLength: 60, size: "max" }).map((list) => {
  let at = 0;
  return [0, ...list.map((length) => (at += length))];
});

test("it is the second longest of a time between the memory and 20 days more, or the longest while that is unknown", () => {
  fc.assert(
    fc.property(histories, (times) => {
      const last = times.at(-1) as number;
      const within = (slackMs: number) =>
        silences(times)
          .filter(({ lengthMs, endedAt }) => last - endedAt < Math.max(100 * DAY, 5 * lengthMs) + slackMs)
          .map(({ lengthMs }) => lengthMs)
          .sort((a, b) => b - a);
      const second = (all: number[]) => all[1] ?? 0;
      const usual = usualOf(times);
      expect(usual).toBeGreaterThanOrEqual(second(within(0)));
      const couldNotRecur = silences(times).filter(({ lengthMs }) => last < Math.max(100 * DAY, 5 * lengthMs));
      const young = Math.max(0, ...couldNotRecur.map(({ lengthMs }) => lengthMs));
      expect(usual).toBeGreaterThanOrEqual(
        Math.min(young, Math.max(...silences(times).map(({ lengthMs }) => lengthMs))),
      );
      // A rung remembers for as long as its longest silence needs, and slices are whole.
      const most = silences(times)
        .filter(({ lengthMs, endedAt }) => last - endedAt < Math.max(100 * DAY, 10 * lengthMs) + 40 * DAY)
        .map(({ lengthMs }) => lengthMs)
        .sort((a, b) => b - a);
      expect(usual).toBeLessThanOrEqual(Math.max(second(most), young, GAP_FLOOR_MS));
    }),
    { numRuns: 3_000 },
  );
});

test("what is kept of a source is bounded, however it comes", () => {
  const most = GAP_RUNGS.reduce((sum, _, rung) => sum + slicesKept(rung) + 1, 0);
  fc.assert(
    fc.property(histories, (times) => {
      const { gaps, lastSeen } = seenAt(times);
      expect(gaps.length).toBeLessThanOrEqual(Math.min(most, times.length));
      expect(rememberedGaps(gaps, lastSeen)).toEqual(gaps);
      for (const { rung, count, longestMs, secondMs } of gaps) {
        expect(gapRung(longestMs)).toBe(rung);
        expect(secondMs === 0).toBe(count === 1);
      }
    }),
  );
});

describe("young sources", () => {
  const mark = (at: number) => ({ at, waitingFor: [], holes: [] });
  const rule = { quietMs: DAY, gapMargin: 1.5, youngQuietMs: 0 };

  test("say so: the history could not have shown a longer rhythm", () => {
    const judge = (times: number[]) => judgeQuiet(1, [seenAt(times)], mark(times.at(-1) as number), 0, rule).sources[0];
    expect(judge([0])).toMatchObject({ young: true, historyMs: 0, neededMs: DAY });
    expect(judge([0, 30 * DAY])).toMatchObject({ young: true, neededMs: 45 * DAY });
    expect(judge([0, 30 * DAY, 60 * DAY])).toMatchObject({ young: false });
    expect(judge(every(HOUR, 0, 30))).toMatchObject({ young: false, neededMs: DAY });
  });

  test("must be silent for longer where the policy says so: the others not", () => {
    const careful = { ...rule, youngQuietMs: 32 * DAY };
    const needed = (times: number[]) => judgeQuiet(1, [seenAt(times)], mark(0), 0, careful).sources[0]?.neededMs;
    expect(needed([0])).toBe(32 * DAY);
    expect(needed(every(HOUR, 0, 31 * 24))).toBe(32 * DAY);
    expect(needed(every(HOUR, 0, 32 * 24 + 1))).toBe(DAY);
    expect(needed([0, 30 * DAY])).toBe(45 * DAY);
  });
});

describe("R10: refusals since a version ended", () => {
  const folded = (...list: Sighting[]) => [list.reduce<SourceUse | undefined>(foldSighting, undefined) as SourceUse];
  const refusal = (at: number, count = 1) => sighting(at, { accepted: 0, refused: count });

  test("are counted by source, those of known ones apart", () => {
    const [owner] = folded(sighting(1), refusal(10, 2), refusal(12));
    const thief = { ...job, client: "curl" };
    const [other] = folded({ ...refusal(11, 5), source: thief });
    expect(refusedSince([owner as SourceUse, other as SourceUse], 1, 9)).toEqual({
      total: 8,
      known: 3,
      sources: [
        { source: thief, refused: 5, since: 11, last: 11, known: false },
        { source: job, refused: 3, since: 10, last: 12, known: true },
      ],
    });
    expect(refusedSince(folded(sighting(1)), 1, 0).total).toBe(0);
  });

  test("what was refused before the last accepted use is not counted, nor of another version", () => {
    expect(refusedSince(folded(sighting(1), refusal(2), sighting(3)), 1, 0).total).toBe(0);
    expect(refusedSince(folded(sighting(1), refusal(2, 4), sighting(3), refusal(8)), 1, 4).known).toBe(1);
    expect(refusedSince(folded(sighting(1), { ...refusal(2), version: 2 }), 1, 0).total).toBe(0);
  });

  test("nor one that ended before the version did; a late report of an older use begins nothing anew", () => {
    expect(refusedSince(folded(sighting(1), refusal(2)), 1, 3).total).toBe(0);
    expect(refusedSince(folded(sighting(5), refusal(9), sighting(3)), 1, 6).total).toBe(1);
  });
});
