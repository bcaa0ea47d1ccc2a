/** What must be so of every forecast. Whether its numbers are true: sim/calibration.test.ts. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { foldSighting, type SourceUse, type Watermark } from "./evidence.ts";
import { forecastRefusal } from "./forecast.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

interface Seen {
  at: number;
  version?: number;
}

function use(client: string, seen: readonly Seen[]): SourceUse {
  const source = { network: "203.0.113.0/24", client, instance: "" };
  return seen.reduce<SourceUse | undefined>(
    (held, { at, version = 1 }) =>
      foldSighting(held, {
        key: "key_1",
        version,
        source,
        first: at,
        last: at,
        accepted: 1,
        refused: 0,
        longestGapMs: 0,
      }),
    undefined,
  ) as SourceUse;
}

const every = (ms: number, from: number, to: number, version = 1): Seen[] =>
  Array.from({ length: Math.floor((to - from) / ms) + 1 }, (_, i) => ({ at: from + i * ms, version }));
const mark = (at: number, holes: Watermark["holes"] = []): Watermark => ({ at, waitingFor: [], holes });
const question = { version: 1, successor: 2, offeredAt: 60 * DAY };
const chanceOf = (at: number, ...uses: SourceUse[]) => forecastRefusal(question, uses, mark(at)).chance;

describe("the forecast", () => {
  const hourly = use("hourly", every(HOUR, 0, 61 * DAY));

  test("is near certain for a source in its rhythm, and falls as its silence grows beyond it", () => {
    const chances = [0.5, 0.99, 2, 6, 24, 240, 2_400].map((hours) => chanceOf(61 * DAY + hours * HOUR, hourly));
    expect(chances[0]).toBeGreaterThan(0.9);
    expect(chances.toSorted((a, b) => b - a)).toEqual(chances);
    expect(chances.at(-2)).toBeLessThan(0.05);
  });

  test("a monthly job that is due again soon is likelier to come than a bot that is silent for as long", () => {
    const monthly = use("job", every(30 * DAY, 0, 60 * DAY));
    const silentFor = (days: number) => chanceOf(60 * DAY + days * DAY, monthly);
    expect(silentFor(10)).toBeGreaterThan(2 * silentFor(45));
    expect(silentFor(10)).toBeGreaterThan(3 * chanceOf(70 * DAY, use("bot", every(HOUR, 0, 60 * DAY))));
  });

  test("of one that was seen on the successor since it is less; of a name that several have, more again", () => {
    const move = every(HOUR, 61 * DAY + HOUR, 62 * DAY, 2);
    const back = [...move.slice(0, 12), { at: 61.6 * DAY }, ...move.slice(13)];
    const moved = use("bot", [...every(HOUR, 0, 61 * DAY), ...move]);
    const shared = use("bot", [...every(HOUR, 0, 61 * DAY), ...back]);
    const [same, one, many] = [hourly, moved, shared].map((each, i) =>
      forecastRefusal(question, [each], mark((i === 0 ? 61 : 62) * DAY)),
    );
    expect(one?.sources[0]).toMatchObject({ moved: true, shared: false });
    expect(many?.sources[0]).toMatchObject({ moved: true, shared: true });
    expect(one?.chance).toBeLessThan(many?.chance as number);
    expect(one?.chance).toBeLessThan(same?.chance as number);
    expect(one?.moved).toBe(1);
  });

  test("the faster the others have changed over, the less is to be feared of the last", () => {
    const last = use("last", every(DAY, 0, 62 * DAY));
    const others = (version: number) =>
      [1, 2, 3].map((n) => use(`bot ${n}`, [...every(HOUR, 0, 60 * DAY), { at: 60.1 * DAY, version }]));
    const of = (version: number) => {
      const { sources } = forecastRefusal(question, [last, ...others(version)], mark(64 * DAY));
      return sources.find(({ source }) => source.client === "last")?.chance as number;
    };
    expect(of(2)).toBeLessThan(of(1));
  });

  test("what happened in a hole is unknown: silence begins at its end", () => {
    const at = 65 * DAY;
    const hole = { boot: "boo_1", instance: "eu", from: 62 * DAY, to: 64.9 * DAY };
    const { sources } = forecastRefusal(question, [hourly], mark(at, [hole]));
    expect(sources[0]).toMatchObject({ silentMs: at - hole.to });
    expect(sources[0]?.chance).toBeGreaterThan(chanceOf(at, hourly));
  });

  test("is never nothing, nor more than certain, whatever was seen", () => {
    const seen = fc.array(fc.record({ at: fc.nat(200 * DAY), version: fc.integer({ min: 1, max: 2 }) }), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(fc.array(seen, { maxLength: 4 }), fc.nat(200 * DAY), fc.nat(100 * DAY), (lists, offeredAt, later) => {
        const uses = lists.map((list, i) =>
          use(
            `bot ${i}`,
            list.toSorted((a, b) => a.at - b.at),
          ),
        );
        const { chance, sources } = forecastRefusal({ ...question, offeredAt }, uses, mark(200 * DAY + later));
        for (const each of [chance, ...sources.map((source) => source.chance)]) {
          expect(each).toBeGreaterThan(0);
          expect(each).toBeLessThanOrEqual(1);
        }
        for (const source of sources) expect(chance).toBeGreaterThanOrEqual(source.chance - 1e-9);
      }),
      { numRuns: 500 },
    );
  });
});
