import { describe, expect, test } from "vitest";
import { limitStateOf, limitUseEnds, spendLimit } from "./limit-state.ts";
import type { RateLimit } from "./limits.ts";
import { settleRate, sizeOf, standingTat } from "./rate-use.ts";

const START = Date.UTC(2026, 10, 22);
const limit = (units: number, windowMs: number, burst: number, per: RateLimit["per"] = "key"): RateLimit => ({
  kind: "rate",
  name: "r",
  per,
  units,
  windowMs,
  burst,
});
const fast = limit(100, 1_000, 200);
const slow = limit(5, 1_000, 5);
const perDay = limit(1_000, 86_400_000, 1_000);

describe("units that were used under another size", () => {
  const under = (size: RateLimit, now: number) => ({ size: sizeOf(size), now });

  test("are charged at that: a last report before a downgrade owes what it would have", () => {
    // 100 units in a second at 100 a second: nothing is owed when it is over. As five a second they would be 20 s.
    const use = settleRate(undefined, slow, 100, START, START + 60_000, under(fast, START + 1_000));
    expect(limitStateOf(use, slow, START + 1_000)).toMatchObject({ remaining: 5, resetMs: 0 });
    // Of 250 there are 1.5 s left to pay, not more than that.
    const more = settleRate(undefined, slow, 250, START, START + 60_000, under(fast, START + 1_000));
    expect(limitStateOf(more, slow, START + 1_000).resetMs).toBeCloseTo(1_000 * Math.min(1.5, 1));
  });

  test("add to what is owed under it, and under the size that is in force", () => {
    const before = settleRate(undefined, fast, 150, START);
    const after = settleRate(before, slow, 50, START, START + 60_000, under(fast, START));
    // 200 units of 10 ms, which are more than a burst of five.
    expect(after.tat - START).toBeCloseTo(1_000);
    const late = settleRate(settleRate(undefined, slow, 2, START), slow, 1, START, START + 60_000, under(fast, START));
    expect(late.tat - START).toBeCloseTo(400 + 10);
  });

  test("of a day's rate make nobody wait for a day, and a size that is none of ours can't", () => {
    const use = settleRate(undefined, fast, 1_000, START, START + 60_000, under(perDay, START));
    expect(use.tat - START).toBeLessThanOrEqual(2_000);
    const odd = { size: { unitMs: 86_400_000, burst: 1_000_000 }, now: START };
    expect(settleRate(undefined, fast, 1e9, START, START + 60_000, odd).tat - START).toBeLessThanOrEqual(60_000);
  });
});

describe("keys of one consumer whose plans have two sizes", () => {
  const [large, small] = [
    { ...fast, per: "consumer" as const },
    { ...slow, per: "consumer" as const },
  ];
  const standing = [sizeOf(large), sizeOf(small)];
  const now = START;

  test("do not use up each other's", () => {
    let use = settleRate(undefined, large, 200, now, Number.POSITIVE_INFINITY, { standing, now });
    use = settleRate(use, small, 4, now, Number.POSITIVE_INFINITY, { standing, now });
    expect(limitStateOf(use, small, now, standing).remaining).toBe(1);
    expect(limitStateOf(use, large, now, standing).remaining).toBe(0);
    const spent = spendLimit(use, small, 1, now, standing);
    expect("use" in spent && limitStateOf(spent.use, large, now, standing).remaining).toBe(0);
    expect("use" in spent && limitStateOf(spent.use, small, now, standing).remaining).toBe(0);
    expect(limitUseEnds(use, small)).toBe(now + 2_000);
  });

  test("whose plan changes owe the same units under the new size, and nothing of the old one stays", () => {
    const day = { ...perDay, per: "consumer" as const };
    const use = settleRate(undefined, day, 1_000, now, Number.POSITIVE_INFINITY, { standing: [sizeOf(day)], now });
    expect(limitStateOf(use, day, now, [sizeOf(day)]).resetMs).toBeGreaterThan(80_000_000);
    expect(standingTat(use, large, now, standing)).toEqual({ tat: now + 2_000 });
    // While another plan has it still, it is another bucket.
    expect(standingTat(use, large, now, [...standing, sizeOf(day)]).tat).toBeUndefined();
  });

  test("a row of before sizes were kept is of the size that is asked for", () => {
    expect(standingTat({ kind: "rate", tat: now + 50 }, large, now, standing)).toEqual({ tat: now + 50 });
    expect(standingTat({ kind: "rate", tat: now + 50, unit: 10 }, large, now, standing)).toEqual({ tat: now + 50 });
  });
});
