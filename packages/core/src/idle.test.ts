import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  answeringSince,
  defaultIdleness,
  type IdleFacts,
  type IdleKey,
  type IdleLook,
  type Idleness,
  idleDate,
  idleSteps,
  lookIdle,
  rotationWaits,
} from "./idle.ts";

const DAY = 86_400_000;
const MINUTE = 60_000;
const T0 = 1_800_000_000_000;
const policy: Idleness = {
  unusedMs: 30 * DAY,
  announceMs: [7 * DAY, DAY],
  suspendAfterMs: 20 * DAY,
  revokeAfterMs: 40 * DAY,
};
const aKey = (change: Partial<IdleKey> = {}): IdleKey => ({
  status: "active",
  createdAt: T0,
  statusChangedAt: T0,
  expiresAt: null,
  ...change,
});
/** All is known up to `now`. */
const known = (now: number, change: Partial<IdleFacts> = {}): IdleFacts => ({
  accepted: null,
  refused: null,
  knownUntil: now,
  silentFrom: 0,
  ...change,
});
const day = (n: number) => T0 + n * DAY;

/** Carries the key through a look, as the server does. */
function after(key: IdleKey, look: IdleLook, now: number): IdleKey {
  const status = look.step === "suspend" ? "suspended" : look.step === "revoke" ? "revoked" : key.status;
  const statusChangedAt = status === key.status ? key.statusChangedAt : now;
  return { ...key, status, statusChangedAt, idle: look.idle, idleAt: look.idleAt };
}

describe("a look at a key", () => {
  test("that is not asked about, or revoked, or over, finds nothing", () => {
    const now = day(500);
    const nothing = { step: null, idle: null, idleAt: null };
    expect(lookIdle(aKey(), defaultIdleness, known(now), now)).toEqual(nothing);
    expect(lookIdle(aKey({ status: "revoked" }), policy, known(now), now)).toEqual(nothing);
    expect(lookIdle(aKey({ expiresAt: day(100) }), policy, known(now), now)).toEqual(nothing);
    expect(lookIdle(aKey({ status: "suspended" }), policy, known(now), now)).toEqual(nothing);
    expect(lookIdle(aKey({ expiresAt: day(100), graceUntil: day(600) }), policy, known(now), now).step).toBe(
      "announce",
    );
  });

  test("comes again when it would be idle, whatever moves that on", () => {
    const now = day(10);
    const idleAt = (change: Partial<IdleFacts>, key: Partial<IdleKey> = {}) =>
      lookIdle(aKey(key), policy, known(now, change), now).idleAt;
    expect(idleAt({})).toBe(day(30));
    expect(idleAt({ accepted: day(4) })).toBe(day(34));
    expect(idleAt({ silentFrom: day(6) })).toBe(day(36));
    expect(idleAt({ accepted: day(4) }, { statusChangedAt: day(7) })).toBe(day(37));
    expect(idleAt({ refused: day(9) })).toBe(day(30));
  });

  test("says nothing of a silence that is not reported whole", () => {
    const now = day(30) + MINUTE;
    const unsure = known(now, { knownUntil: day(30) - 1 });
    expect(lookIdle(aKey(), policy, unsure, now)).toEqual({ step: null, idle: null, idleAt: now + MINUTE });
    expect(lookIdle(aKey(), policy, known(now, { knownUntil: day(30) }), now).step).toBe("announce");
  });

  test("suspends on the day that was told, and not before all is known up to it", () => {
    const announced = after(aKey(), lookIdle(aKey(), policy, known(day(30)), day(30)), day(30));
    expect(announced.idle).toMatchObject({ since: T0, announcedAt: day(30), suspendAt: day(50) });
    const at = day(50);
    const last = { ...announced, idle: { ...announced.idle, doneUntil: day(49) } } as IdleKey;
    expect(lookIdle(last, policy, known(at, { knownUntil: at - 1 }), at)).toMatchObject({
      step: null,
      idleAt: at + MINUTE,
    });
    expect(lookIdle(last, policy, known(at), at)).toMatchObject({ step: "suspend", idleAt: day(90) });
    expect(lookIdle(last, policy, known(at + DAY), at + DAY).step).toBe("suspend");
    // More than a day late, or a reminder missed by as much: the whole time anew.
    const anew = { step: "announce", idle: { announcedAt: at + DAY + 1, suspendAt: at + 21 * DAY + 1 } };
    expect(lookIdle(last, policy, known(at + DAY + 1), at + DAY + 1)).toMatchObject(anew);
    expect(lookIdle(announced, policy, known(at), at)).toMatchObject({ step: "announce", idle: { announcedAt: at } });
  });

  test("takes a hole, or a use, after the announcement for the end of that silence", () => {
    const announced = after(aKey(), lookIdle(aKey(), policy, known(day(30)), day(30)), day(30));
    for (const change of [{ accepted: day(31) }, { silentFrom: day(31) }])
      expect(lookIdle(announced, policy, known(day(32), change), day(32))).toMatchObject({
        step: "forget",
        idleAt: day(61),
      });
    // A short rule makes it idle again at once; then it is announced again, for the whole time.
    const quick = { ...policy, unusedMs: 7 * DAY };
    expect(lookIdle(announced, quick, known(day(39), { accepted: day(31) }), day(39))).toMatchObject({
      step: "announce",
      idle: { since: day(31), suspendAt: day(59) },
    });
  });

  test("of a suspended key puts off its revocation for a try, for what is unknown, and for having come late", () => {
    const suspendedAt = day(50);
    const idle = {
      since: T0,
      announcedAt: day(30),
      suspendAt: day(50),
      doneUntil: day(49),
      suspendedAt,
      triedAt: null,
    };
    const key = aKey({ status: "suspended", statusChangedAt: suspendedAt, idle: { ...idle, revokeAt: day(90) } });
    const look = (now: number, change: Partial<IdleFacts> = {}) => lookIdle(key, policy, known(now, change), now);
    expect(look(day(90))).toMatchObject({ step: "revoke", idleAt: null });
    expect(look(day(90), { refused: day(50) })).toMatchObject({ step: "revoke" });
    expect(look(day(90), { refused: day(60) })).toMatchObject({
      step: "tried",
      idle: { triedAt: day(60) },
      idleAt: day(100),
    });
    expect(look(day(90), { accepted: day(60) })).toMatchObject({ step: "tried", idleAt: day(100) });
    expect(look(day(90), { silentFrom: day(70) })).toMatchObject({ step: "put-off", idleAt: day(110) });
    expect(look(day(91) + 1)).toMatchObject({ step: "put-off", idleAt: day(131) + 1 });
    expect(look(day(90), { knownUntil: day(89) })).toMatchObject({ step: null, idleAt: day(90) + MINUTE });
    expect(lookIdle(key, { ...policy, revokeAfterMs: null }, known(day(95)), day(95))).toMatchObject({
      step: null,
      idleAt: null,
    });
  });

  test("never suspends or revokes, whatever is known when, but after a whole time of silence that was announced", () => {
    const world = fc.record({
      stepsMs: fc.array(fc.integer({ min: MINUTE, max: 3 * DAY }), { minLength: 50, maxLength: 400 }),
      used: fc.array(fc.nat(), { maxLength: 3 }),
      tried: fc.array(fc.nat(), { maxLength: 3 }),
      lagMs: fc.array(fc.integer({ min: 0, max: 4 * DAY }), { minLength: 1, maxLength: 10 }),
    });
    fc.assert(
      fc.property(world, ({ stepsMs, used, tried, lagMs }) => {
        let key = aKey();
        let now = T0;
        let accepted: number | null = null;
        let refused: number | null = null;
        for (const [i, stepMs] of stepsMs.entries()) {
          now += stepMs;
          if (key.status === "revoked") return;
          if (used.some((n) => n % 400 === i) && key.status === "active") accepted = now;
          if (tried.some((n) => n % 400 === i) && key.status === "suspended") refused = now;
          const lag = lagMs[i % lagMs.length] ?? 0;
          const facts = known(now, { accepted, refused, knownUntil: now - lag });
          const look = lookIdle(key, policy, facts, now);
          const { idle } = look;
          if (look.step === "suspend") {
            expect(now - (accepted ?? T0)).toBeGreaterThanOrEqual(50 * DAY);
            expect(now - (idle?.announcedAt ?? now)).toBeGreaterThanOrEqual(20 * DAY);
            expect(now).toBeLessThanOrEqual((idle?.suspendAt ?? 0) + DAY);
            expect(facts.knownUntil).toBeGreaterThanOrEqual(idle?.suspendAt ?? now);
          }
          if (look.step === "revoke") {
            expect(now - (idle?.suspendedAt ?? now)).toBeGreaterThanOrEqual(40 * DAY);
            expect(now - (refused ?? 0)).toBeGreaterThanOrEqual(40 * DAY);
          }
          if (key.status === "active" && look.step !== "revoke") expect(look.idleAt).toBeGreaterThan(now);
          key = after(key, look, now);
        }
      }),
      { seed: 20_261_122, numRuns: 300 },
    );
  });
});

describe("the date of the next look", () => {
  test("is left alone where the last use is not known, and else is the earliest that it can be", () => {
    const key = aKey({ idleAt: day(80) });
    expect(idleDate(key, policy, day(60), undefined)).toBe(day(80));
    expect(idleDate(key, policy, day(60), day(10))).toBe(day(40));
    expect(idleDate(key, policy, day(60), null)).toBe(day(30));
    expect(idleDate(aKey(), policy, day(60), undefined)).toBe(day(30));
    expect(idleDate(key, defaultIdleness, day(60), undefined)).toBeNull();
    const announced = aKey({ idle: lookIdle(aKey(), policy, known(day(30)), day(30)).idle, idleAt: day(31) });
    expect(idleDate(announced, policy, day(30), undefined)).toBe(day(31));
    expect(idleDate(announced, policy, day(30), null)).toBe(day(30));
    expect(idleDate(announced, defaultIdleness, day(30), undefined)).toBe(day(30));
  });

  test("is none for a key that a person has suspended, is revoked, or has expired", () => {
    for (const change of [{ status: "suspended" }, { status: "revoked" }, { expiresAt: day(1) }] as const)
      expect(idleDate(aKey({ ...change, idleAt: day(9) }), policy, day(60), null)).toBeNull();
  });
});

test("what lies ahead is told in order", () => {
  const words = (key: IdleKey, now: number) =>
    idleSteps(key, policy, known(now), now).map(({ what, at }) => `${what} ${(at - T0) / DAY}`);
  expect(words(aKey(), day(3))).toEqual(["announce 30", "announce 43", "announce 49", "suspend 50", "revoke 90"]);
  expect(idleSteps(aKey(), defaultIdleness, known(day(3)), day(3))).toEqual([]);
  const only = { ...policy, suspendAfterMs: null };
  expect(idleSteps(aKey(), only, known(day(3)), day(3))).toEqual([{ at: day(30), what: "announce" }]);
});

test("a rotation waits for a key that has not been used lately, until its announcement and no longer", () => {
  expect(rotationWaits(aKey(), policy, null, day(20))).toBeNull();
  const long = { ...policy, unusedMs: 60 * DAY };
  expect(rotationWaits(aKey(), long, null, day(40))).toBe(day(61));
  expect(rotationWaits(aKey(), long, day(30), day(40))).toBeNull();
  expect(rotationWaits(aKey(), long, null, day(61))).toBeNull();
  expect(rotationWaits(aKey(), defaultIdleness, null, day(40))).toBeNull();
});

describe("verifiers have answered since", () => {
  const span = (from: number, to: number) => ({ from: day(from), to: day(to) });
  test("the last time that none did for more than a day", () => {
    expect(answeringSince([], true, day(100))).toBe(0);
    expect(answeringSince([span(10, 101)], true, day(100))).toBe(day(10));
    expect(answeringSince([span(10, 50), span(50.5, 101)], true, day(100))).toBe(day(10));
    expect(answeringSince([span(10, 50), span(60, 101)], true, day(100))).toBe(day(60));
    expect(answeringSince([span(60, 101), span(10, 70), span(1, 5)], true, day(100))).toBe(day(10));
  });

  test("now, if none does; unless they are gone for so long that nobody waits for them", () => {
    expect(answeringSince([span(10, 98)], true, day(100))).toBe(day(100));
    expect(answeringSince([span(1, 5), span(10, 98)], true, day(190))).toBe(day(190));
    expect(answeringSince([span(1, 5), span(10, 98)], true, day(191))).toBe(day(98));
  });

  test("ever, where there were more than were looked at", () =>
    expect(answeringSince([span(10, 101)], false, day(100))).toBe(0));
});
