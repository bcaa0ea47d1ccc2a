import type { Clock } from "@keyover/core";
import { expect, test } from "vitest";
import { createGathering } from "./gathering.ts";

/** Time that passes when it is told to, and while something is sent. */
function stage(tookMs: number) {
  let at = 1_000;
  let timers: { at: number; run: () => void }[] = [];
  const clock: Clock = {
    now: () => at,
    elapsed: () => at,
    after(delayMs, run) {
      const timer = { at: at + delayMs, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
  };
  const sent: { at: number; items: number[] }[] = [];
  const state = { tookMs };
  const gathering = createGathering<number>(clock, (items) => {
    sent.push({ at, items: [...items] });
    at += state.tookMs;
  });
  return {
    state,
    sent,
    gathering,
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    pass: (ms: number) => {
      const end = at + ms;
      for (;;) {
        const next = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers = timers.filter((timer) => timer !== next);
        at = Math.max(at, next.at);
        next.run();
      }
      at = Math.max(at, end);
    },
    timers: () => timers.length,
  };
}

test("what comes in one turn is sent in it, together", async () => {
  const { gathering, sent, turn } = stage(2);
  for (const item of [1, 2, 3]) void Promise.resolve().then(() => gathering.add(item, false));
  await turn();
  expect(sent).toEqual([{ at: 1_000, items: [1, 2, 3] }]);
});

test("what comes after it waits in proportion to what sending took, and goes together", async () => {
  const { gathering, sent, turn, pass, timers } = stage(2);
  gathering.add(1, false);
  await turn();
  gathering.add(2, false);
  pass(5);
  gathering.add(3, false);
  await turn();
  expect(sent).toHaveLength(1);
  pass(9);
  expect(sent.slice(1)).toEqual([{ at: 1_016, items: [2, 3] }]);
  expect(timers()).toBe(0);
  // Once the pause is over, nothing waits.
  pass(100);
  gathering.add(4, false);
  await turn();
  expect(sent.at(-1)).toEqual({ at: 1_118, items: [4] });
});

test("with nobody to send to, or few, there is no pause", async () => {
  const { gathering, sent, turn } = stage(0);
  for (const item of [1, 2]) {
    gathering.add(item, false);
    await turn();
  }
  expect(sent.map(({ items }) => items)).toEqual([[1], [2]]);
});

test("what presses takes along what waits, after a shorter pause", async () => {
  const { gathering, sent, turn, pass, timers } = stage(2);
  gathering.add(1, false);
  await turn();
  gathering.add(2, false);
  gathering.add(3, true);
  gathering.add(4, false);
  pass(2);
  expect(sent.slice(1)).toEqual([{ at: 1_004, items: [2, 3, 4] }]);
  expect(timers()).toBe(0);
  // And the next that does not press waits as before.
  gathering.add(5, false);
  pass(13);
  expect(sent).toHaveLength(2);
  pass(1);
  expect(sent.at(-1)?.items).toEqual([5]);
});

test("a process that stood still while it sent makes nobody wait for as long again", async () => {
  for (const [pressing, pauseMs] of [
    [false, 50],
    [true, 5],
  ] as const) {
    const { gathering, sent, turn, pass } = stage(60_000);
    gathering.add(1, false);
    await turn();
    gathering.add(2, pressing);
    pass(pauseMs - 1);
    expect(sent.map(({ items }) => items)).toEqual([[1]]);
    pass(1);
    expect(sent.map(({ items }) => items)).toEqual([[1], [2]]);
  }
});

test("a flush sends at once what waits, and nothing twice", async () => {
  const { gathering, sent, turn, pass, timers } = stage(2);
  gathering.flush();
  expect(sent).toEqual([]);
  gathering.add(1, false);
  gathering.flush();
  await turn();
  gathering.add(2, false);
  gathering.flush();
  pass(100);
  expect(sent.map(({ items }) => items)).toEqual([[1], [2]]);
  expect(timers()).toBe(0);
});
