import { expect, test } from "vitest";
import { type Bin, calibrate, wilson } from "./calibration.ts";

/** A bin is out of the band if even the interval in which the truth lies 999 times of 1000 does not come within this factor of the forecast. */
const FACTOR = 1.5;

function isTrue({ forecast, hurt, decisions }: Bin): boolean {
  const { low, high } = wilson(hurt, decisions, 3.29);
  return low <= forecast * FACTOR && high >= forecast / FACTOR;
}

test("of the retirements that are forecast at a few percent so many hurt, and at every other chance", () => {
  const { bins, brier, brierBase, decisions, quiet } = calibrate(3_000, "calibration test");
  expect(decisions).toBeGreaterThan(2_500);
  expect(bins.filter((bin) => !isTrue(bin))).toEqual([]);
  expect(bins.filter(({ decisions: some }) => some > 100).length, "it says more than one thing").toBeGreaterThan(4);
  expect(brier).toBeLessThan(0.5 * brierBase);
  const [byDefault = { decisions: 0, hurt: 0 }, , patient = byDefault] = quiet;
  expect(byDefault.decisions).toBeGreaterThan(300);
  expect(byDefault.hurt / byDefault.decisions).toBeLessThan(0.05);
  expect(patient.hurt / patient.decisions).toBeLessThan(byDefault.hurt / byDefault.decisions);
}, 60_000);

test("a forecast that is off by three is noticed", () => {
  const bin = { from: 0.005, to: 0.02, low: 0, high: 1 };
  expect(isTrue({ ...bin, decisions: 500, forecast: 0.01, hurt: 6 })).toBe(true);
  expect(isTrue({ ...bin, decisions: 500, forecast: 0.01, hurt: 25 })).toBe(false);
  expect(isTrue({ ...bin, decisions: 2_000, forecast: 0.1, hurt: 60 })).toBe(false);
});
