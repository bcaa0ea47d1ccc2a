import type { Clock } from "@keyover/core";
import { expect, test } from "vitest";
import { createSteadyClock } from "./steady-clock.ts";

const START = 1_800_000_000_000;
const HOUR = 3_600_000;

/** A machine's monotonic clock, and a reference that somebody may set. */
async function aClock(waits = 0) {
  const machine = { elapsed: 5_000, set: 0, waits };
  const clock: Clock = { now: () => 0, elapsed: () => machine.elapsed, after: () => () => {} };
  const lines: string[] = [];
  const reference = async () => {
    machine.elapsed += machine.waits;
    const found = START + machine.elapsed - 5_000 + machine.set;
    machine.elapsed += machine.waits;
    return found;
  };
  const steady = await createSteadyClock(clock, reference, (level, event) => void lines.push(`${level} ${event}`));
  const pass = async (ms: number, everyMs = 1_000) => {
    for (let left = ms; left > 0; left -= everyMs) {
      machine.elapsed += Math.min(left, everyMs);
      await steady.sync();
    }
  };
  return { machine, steady, lines, pass };
}

test("shows the reference's time, and counts on by itself", async () => {
  const { machine, steady } = await aClock();
  expect(steady.now()).toBe(START);
  machine.elapsed += 700;
  expect(steady.now()).toBe(START + 700);
});

test("a slow answer is not taken for a wrong clock", async () => {
  const { machine, steady, pass, lines } = await aClock();
  machine.waits = 400;
  await pass(20_000);
  expect(Math.abs(steady.now() - (START + machine.elapsed - 5_000))).toBeLessThanOrEqual(401);
  expect(lines).toEqual([]);
});

test("is never ahead of the reference, however long it waits for its time", async () => {
  for (const waits of [0, 30, 2_000, 40_000]) {
    const { machine, steady, pass, lines } = await aClock(waits);
    const truth = () => START + machine.elapsed - 5_000;
    expect(steady.now()).toBeLessThanOrEqual(truth());
    machine.waits = 0;
    await pass(3_000);
    expect(steady.now()).toBe(truth());
    machine.waits = waits;
    await pass(3_000);
    expect(steady.now()).toBeLessThanOrEqual(truth());
    expect(lines).toEqual([]);
  }
});

test("a small step forward is taken over, a small one back is gone by going slower", async () => {
  const { machine, steady, pass } = await aClock();
  machine.set = 800;
  await steady.sync();
  expect(steady.now()).toBe(START + 800);
  machine.set = 0;
  let before = steady.now();
  for (let i = 0; i < 40; i++) {
    await pass(1_000);
    expect(steady.now()).toBeGreaterThan(before);
    before = steady.now();
  }
  expect(steady.now()).toBe(START + machine.elapsed - 5_000);
});

for (const [name, step] of [
  ["ahead", HOUR],
  ["back", -HOUR],
] as const) {
  test(`a clock that is set an hour ${name} changes a time by no more than a twentieth, and says so once`, async () => {
    const { machine, steady, pass, lines } = await aClock();
    machine.set = step;
    const begun = machine.elapsed;
    const from = steady.now();
    await pass(600_000);
    const [shown, passed] = [steady.now() - from, machine.elapsed - begun];
    expect(Math.abs(shown - passed)).toBeLessThanOrEqual(0.05 * passed + 1);
    expect(Math.abs(shown - passed)).toBeGreaterThan(0.04 * passed);
    expect(lines).toEqual(["warn clock.stepped"]);
    await pass(25 * HOUR, 10_000);
    expect(steady.now()).toBe(START + machine.elapsed - 5_000 + step);
  });
}
