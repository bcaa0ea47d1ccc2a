/** What a rotation that stands still tells people, and when. */
import { effectivePolicy, planRotation, type QuietVerdict, type Rotation } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { nextStandingNotice, type StandingFacts, standingNotices } from "./reminders.ts";

const AT = 1_800_000_000_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const quiet: QuietVerdict = { quiet: false, version: 1, watermark: AT, countsFrom: AT, quietAt: AT + DAY, sources: [] };
const facts: StandingFacts = { laggards: [], quiet };

function rotation(change: Partial<Rotation> = {}, remindMs = [7 * DAY, 3 * DAY, DAY, HOUR]): Rotation {
  const policy = effectivePolicy({ overlapMs: 14 * DAY, remindMs });
  const start = { id: "rot_1", keyId: "key_1", apiId: "api_1", from: 1, to: 2, reason: "", startedBy: "tok_1" };
  const planned = planRotation({ ...start, policy, origin: "authority" }, AT);
  return { ...planned, phase: "offered", offeredAt: AT, overlapEndsAt: AT + 14 * DAY, ...change };
}

const told = (of: Rotation, now: number, more = facts) =>
  standingNotices(of, "con_1", more, now).map(({ event, dedupe }) => `${event}${dedupe?.split("rot_1")[1]}`);

describe("reminders", () => {
  test("one for each step, the nearest of those that are due", () => {
    const of = rotation();
    const at = (before: number) => AT + 14 * DAY - before;
    expect(told(of, AT)).toEqual([]);
    expect(told(of, at(7 * DAY) - 1)).toEqual([]);
    for (const [now, step] of [
      [at(7 * DAY), 7 * DAY],
      [at(3 * DAY) - 1, 7 * DAY],
      [at(3 * DAY), 3 * DAY],
      [at(HOUR), HOUR],
      [at(1), HOUR],
    ] as const)
      expect(told(of, now)).toEqual([`rotation.reminder ${at(step)}`]);
  });

  test("a step that lies before the offer would remind somebody who was just told", () => {
    expect(told(rotation({ overlapEndsAt: AT + 2 * DAY }), AT + 1)).toEqual([]);
    expect(told(rotation({ overlapEndsAt: AT + DAY }), AT + DAY - 1)).toEqual([`rotation.reminder ${AT + DAY - HOUR}`]);
  });

  test("a deadline that is moved reminds anew", () => {
    const before = told(rotation(), AT + 14 * DAY - DAY);
    const after = told(rotation({ overlapEndsAt: AT + 20 * DAY }), AT + 20 * DAY - DAY);
    expect(after).not.toEqual(before);
  });

  test("nobody is told of one that is paused, has ended, or waits for its beginning", () => {
    const paused = { at: AT, by: "tok_1", reason: "" };
    for (const change of [{ paused }, { endedAt: AT }, { phase: "retired" as const }, { phase: "planned" as const }])
      expect(told(rotation(change), AT + 30 * DAY)).toEqual([]);
  });
});

describe("stuck (L2)", () => {
  const laggards = [{ instance: "web-3", boot: "boo_1" }];

  test("a verifier that keeps a successor from being offered is named after five minutes", () => {
    const of = rotation({ phase: "propagating", offeredAt: null, overlapEndsAt: null });
    expect(told(of, AT + 299_999, { ...facts, laggards })).toEqual([]);
    expect(told(of, AT + 300_000)).toEqual([]);
    const [stuck] = standingNotices(of, "con_1", { ...facts, laggards }, AT + 300_000);
    expect(stuck).toMatchObject({
      event: "rotation.stuck",
      consumerId: "con_1",
      details: { why: "verifiers", waitsFor: ["verifier web-3 (boo_1)"], since: AT },
    });
  });

  test("one that was planned ahead counts from its beginning", () => {
    const of = rotation({ phase: "propagating", offeredAt: null, startsAt: AT + DAY });
    expect(told(of, AT + DAY + 299_999, { ...facts, laggards })).toEqual([]);
    expect(told(of, AT + DAY + 300_000, { ...facts, laggards })).toHaveLength(1);
  });

  test("held at the deadline: what is not met, and which source is not silent", () => {
    const source = { network: "203.0.113.0/24", client: "bot", instance: "" };
    const usual = { lengthMs: 0, rank: 1, of: 0 } as const;
    const known = { historyMs: 0, young: true, turnedAway: false, neededMs: DAY, usual, longestGapMs: 0 };
    const loud = { source, lastSeen: AT, quietAt: AT, quiet: false, moved: false, ...known };
    const of = rotation({ phase: "overlapping", usedAt: AT });
    const seen = { ...facts, quiet: { ...quiet, sources: [loud] } };
    for (const [event, now] of [
      ["rotation.deadline", AT + 14 * DAY],
      ["rotation.deadline", AT + 15 * DAY - 1],
      ["rotation.stuck", AT + 15 * DAY],
    ] as const) {
      const [notice] = standingNotices(of, "con_1", seen, now);
      expect(notice).toMatchObject({
        event,
        details: {
          why: "deadline",
          waitsFor: ["silence of the old version (203.0.113.0/24 bot)"],
          since: AT + 14 * DAY,
        },
      });
    }
  });

  test("while brownouts are to come nothing is stuck; after them, or where they were stopped, it is", () => {
    const slot = { from: AT + 15 * DAY, until: AT + 15 * DAY + 60_000, by: "policy", begunAt: null, endedAt: null };
    const stopped = { at: AT + 15 * DAY, by: "policy", reason: "too many" };
    const at = (brownouts: Rotation["brownouts"], now: number) => told(rotation({ brownouts }), now);
    const plan = { announcedAt: AT + 14 * DAY, slots: [slot], stopped: null };
    expect(at(plan, AT + 17 * DAY)).toEqual([]);
    const over = { ...plan, slots: [{ ...slot, begunAt: slot.from, endedAt: slot.until }] };
    expect(at(over, slot.until)).toEqual([`rotation.deadline deadline ${slot.until}`]);
    expect(at(over, slot.until + DAY)).toEqual([`rotation.stuck deadline ${slot.until}`]);
    const off = { ...plan, slots: [], stopped };
    expect(at(off, stopped.at)).toEqual([`rotation.deadline deadline ${stopped.at}`]);
    const [notice] = standingNotices(rotation({ brownouts: off }), "con_1", facts, stopped.at);
    expect(notice?.details).toMatchObject({ brownouts: "too many" });
  });
});

describe("R10: a retired version that is still tried", () => {
  const source = { network: "203.0.113.0/24", client: "bot", instance: "" };
  const refused = (known: number) => {
    const seen = [{ source, refused: known, since: AT, last: AT, known: true }];
    const sources = [...seen, { source, refused: 7, since: AT, last: AT, known: false }];
    return { ...facts, refused: { total: known + 7, known, sources: known === 0 ? sources.slice(1) : sources } };
  };
  const of = rotation({ phase: "retired", retiredAt: AT });

  test("is told of when it is tried by somebody who had used it, and when it has grown tenfold", () => {
    const times = [0, 1, 9, 10, 99, 100].map((known) => told(of, AT + 1, refused(known))[0]);
    const step = (magnitude: number) => `key.refused-uses ${AT} ${magnitude}`;
    expect(times).toEqual([undefined, step(0), step(0), step(1), step(1), step(2)]);
    expect(standingNotices(of, "con_1", refused(41), AT)[0]?.details).toMatchObject({
      count: 41,
      sources: 1,
      since: AT,
    });
    expect(told(rotation({ phase: "overlapping", usedAt: AT }), AT + 1, refused(5))).toEqual([]);
  });
});

test("the engine looks again when there is something to tell", () => {
  const of = rotation();
  let now = AT;
  const looks: number[] = [];
  for (let next = nextStandingNotice(of, now); next !== Number.POSITIVE_INFINITY; next = nextStandingNotice(of, now)) {
    looks.push((AT + 14 * DAY - next) / HOUR);
    now = next;
  }
  expect(looks).toEqual([7 * 24, 3 * 24, 24, 1, -24]);
  expect(nextStandingNotice(rotation({ phase: "propagating" }), AT)).toBe(AT + 300_000);
});
