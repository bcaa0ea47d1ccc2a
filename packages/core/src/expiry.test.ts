import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultExpiry, type Expiry, endOfKey, expirySteps, GRACE_LEAD_MS, nextExpiryStep } from "./expiry.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const expiresAt = 1_000 * DAY;
const key = { expiresAt, graceUntil: null };

describe("the steps of an expiry", () => {
  test("are announced, decided and taken in order", () => {
    expect(expirySteps(key, { ...defaultExpiry, graceMs: 3 * DAY })).toEqual([
      { at: expiresAt - 30 * DAY, what: "announce" },
      { at: expiresAt - 7 * DAY, what: "announce" },
      { at: expiresAt - DAY, what: "announce" },
      { at: expiresAt - GRACE_LEAD_MS, what: "grace" },
      { at: expiresAt, what: "expired" },
    ]);
    expect(expirySteps(key, defaultExpiry).map(({ what }) => what)).not.toContain("grace");
    expect(expirySteps({ expiresAt: null }, defaultExpiry)).toEqual([]);
  });

  test("a granted grace moves the end, and is not asked for again", () => {
    const steps = expirySteps({ expiresAt, graceUntil: expiresAt + DAY }, { ...defaultExpiry, graceMs: DAY });
    expect(steps.at(-1)).toEqual({ at: expiresAt + DAY, what: "expired" });
    expect(steps.map(({ what }) => what)).not.toContain("grace");
  });

  test("of several that were missed the last is taken, and a grace always", () => {
    const expiry: Expiry = { announceMs: [30 * DAY, 7 * DAY, DAY], graceMs: DAY };
    expect(nextExpiryStep(key, expiry, 0, expiresAt - 5 * DAY)).toEqual({
      due: { at: expiresAt - 7 * DAY, what: "announce" },
      next: expiresAt - DAY,
    });
    expect(nextExpiryStep(key, expiry, 0, expiresAt + HOUR).due).toEqual({ at: expiresAt - HOUR, what: "grace" });
    expect(nextExpiryStep(key, expiry, expiresAt, expiresAt + HOUR)).toEqual({ due: undefined, next: null });
  });

  test("however seldom somebody looks, an expiry is announced before the end or found at it, and no step comes twice", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 20 * DAY }), { maxLength: 40 }),
        fc.nat(2 * DAY),
        (waits, graceMs) => {
          const expiry: Expiry = { announceMs: [30 * DAY, 7 * DAY, DAY], graceMs };
          let done = 0;
          let now = expiresAt - 40 * DAY;
          const taken: string[] = [];
          for (const wait of [...waits, 60 * DAY, DAY]) {
            now += wait;
            const { due, next } = nextExpiryStep(key, expiry, done, now);
            if (next !== null) expect(next).toBeGreaterThan(now);
            if (due === undefined) continue;
            taken.push(`${due.what} ${due.at}`);
            done = due.what === "grace" ? due.at : now;
          }
          expect(new Set(taken).size).toBe(taken.length);
          expect(taken.at(-1)).toBe(`expired ${expiresAt}`);
          if (graceMs > 0) expect(taken.at(-2)).toBe(`grace ${expiresAt - GRACE_LEAD_MS}`);
        },
      ),
    );
  });
});

test("a grace never shortens, and a key without an expiry has no end", () => {
  expect(endOfKey({ expiresAt: 5, graceUntil: 3 })).toBe(5);
  expect(endOfKey({ expiresAt: 5, graceUntil: 8 })).toBe(8);
  expect(endOfKey({ expiresAt: null, graceUntil: 8 })).toBeNull();
  expect(endOfKey({ expiresAt: 5 })).toBe(5);
});
