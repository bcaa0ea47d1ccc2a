import { describe, expect, test } from "vitest";
import type { Brownouts } from "./brownout.ts";
import { foldSighting, type Sighting, type SourceUse } from "./evidence.ts";
import { refusedBefore, refusedIn, refusedSince } from "./refusals.ts";

const bot = { network: "203.0.113.0/24", client: "bot/1", instance: "" };
const MINUTE = 60_000;
const slot = { from: 10 * MINUTE };
const rotation = { from: 1, to: 2, brownouts: null };

function seen(at: number, change: Partial<Sighting> = {}): Sighting {
  return {
    key: "key_1",
    version: 1,
    source: bot,
    first: at,
    last: at,
    accepted: 1,
    refused: 0,
    longestGapMs: 0,
    ...change,
  };
}
const refusal = (at: number, count = 1) => seen(at, { accepted: 0, refused: count });
const use = (...list: Sighting[]) => list.reduce<SourceUse | undefined>(foldSighting, undefined) as SourceUse;
const count = (...uses: SourceUse[]) => refusedIn(slot, rotation, uses);

test("R10: what a brownout refused before the retirement does not count as refused since, but for its last", () => {
  const at = 20 * MINUTE;
  const since = (...list: Sighting[]) => refusedSince([use(...list)], 1, at).known;
  expect(since(seen(0), refusal(slot.from, 50))).toBe(0);
  expect(since(seen(0), refusal(slot.from, 50), refusal(at + 1))).toBe(1);
  expect(since(seen(0), refusal(slot.from, 50), seen(slot.from + MINUTE), refusal(at + 1, 3))).toBe(3);
  // A report may cover both sides of the retirement.
  expect(since(seen(0), refusal(at - 900, 4), refusal(at + 1, 3))).toBe(7);
});

describe("R09: what the error budget counts", () => {
  test("refusals in the brownout, of sources that have not used the successor; of one that was never seen before too", () => {
    expect(count(use(seen(0), refusal(slot.from, 3), refusal(slot.from + 5, 2)), use(refusal(slot.from + 9)))).toBe(6);
    expect(count(use(seen(0), refusal(slot.from, 3), seen(slot.from + 1, { version: 2 })))).toBe(0);
    expect(
      count(use(seen(0), refusal(slot.from, 3), seen(slot.from + 1, { version: 2, accepted: 0, refused: 1 }))),
    ).toBe(3);
  });

  test("a report that has both of it counts; who is refused for another reason all along does not", () => {
    expect(count(use(seen(slot.from - 900, { last: slot.from + 100, accepted: 4, refused: 2 })))).toBe(2);
    expect(count(use(refusal(0, 50), refusal(slot.from, 50)))).toBe(0);
    expect(count(use(refusal(0, 50), seen(MINUTE), refusal(slot.from, 2)))).toBe(2);
  });

  describe("of a source that was refused before it, and not accepted since,", () => {
    const past = { from: 2 * MINUTE, until: 3 * MINUTE, by: "policy", begunAt: 2 * MINUTE, endedAt: 3 * MINUTE };
    const earlier: Brownouts = { announcedAt: 0, slots: [past], stopped: null };
    /** Of what was seen when the brownout began, and of what is seen now. */
    const counted = (brownouts: Brownouts | null, before: Sighting[], later: Sighting[]) => {
      const known = refusedBefore({ ...rotation, brownouts }, [use(...before)], slot.from);
      const running = { announcedAt: 0, slots: [], stopped: null, refusedBefore: known };
      return refusedIn(slot, { ...rotation, brownouts: running }, [use(...before, ...later)]);
    };

    test("what came on top counts: it calls during brownouts alone, or a fence refused it long ago", () => {
      expect(counted(earlier, [refusal(past.from + 1, 60)], [refusal(slot.from + 1, 7)])).toBe(7);
      expect(counted(earlier, [refusal(past.from + 1, 60)], [])).toBe(0);
      expect(counted(null, [refusal(0, 50)], [refusal(slot.from, 50)])).toBe(50);
      expect(counted(earlier, [seen(0), refusal(past.from + 1, 60)], [refusal(slot.from + 1, 7)])).toBe(7);
    });

    test("nothing counts if that went on until the last minute and no brownout ran: it is for another reason", () => {
      expect(counted(null, [refusal(0), refusal(slot.from - 30_000, 50)], [refusal(slot.from, 50)])).toBe(0);
      const last = { ...past, until: slot.from - 5_000, endedAt: slot.from - 5_000 };
      const justNow = { ...earlier, slots: [last] };
      expect(counted(justNow, [refusal(past.from), refusal(slot.from - 30_000, 50)], [refusal(slot.from, 8)])).toBe(8);
    });

    test("who was accepted after all, or has moved, counts anew, or not at all", () => {
      const before = [refusal(past.from + 1, 60)];
      expect(counted(earlier, before, [seen(slot.from - 1), refusal(slot.from + 1, 7)])).toBe(7);
      expect(counted(earlier, before, [seen(slot.from + 1, { version: 2 }), refusal(slot.from + 2, 7)])).toBe(0);
    });
  });

  test("what was accepted after the brownout ends the count", () => {
    expect(count(use(seen(0), refusal(slot.from, 3), seen(slot.from + MINUTE)))).toBe(0);
  });
});
