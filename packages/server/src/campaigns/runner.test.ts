/** Whose turn it is. */
import { defaultLimits, defaultWaveGate, newCampaign, sleep } from "@keyover/core";
import { expect, test } from "vitest";
import { TestClock } from "../authority.test-support.ts";
import { type CampaignRunner, createCampaignRunner, type RunnerDeps } from "./runner.ts";

const AT = 1_800_000_000_000;

test("whoever is woken all the time, by each of its own commits, does something in each turn, and so do the others", async () => {
  const wanted = { name: "spring", action: "rotate" as const, select: { everything: true as const }, pace: null };
  const rest = { waves: [{ of: { rest: true as const }, gate: defaultWaveGate }], limits: defaultLimits, fence: null };
  const held = ["cam_1", "cam_2"].map((id) => {
    const value = newCampaign({ ...wanted, ...rest, id, reason: "routine", startedBy: "tok_1" }, "", AT);
    return { rev: 1, value };
  });
  const asked: string[] = [];
  let calls = 0;
  const store = {
    async list() {
      await Promise.resolve();
      if (calls++ < 20) runner.wake();
      return held;
    },
    async get(_table: string, id: string) {
      asked.push(id);
      await Promise.resolve();
      if (calls++ < 20) runner.wake();
      return undefined;
    },
  };
  const clock = new TestClock();
  const world = { clock: clock.process(), log: () => {} };
  const deps = { world, store, shares: { leads: () => ({}) }, onRotation: () => {} };
  const runner: CampaignRunner = createCampaignRunner(deps as unknown as RunnerDeps);
  await clock.during(Promise.race([runner.run(), sleep(world.clock, 10_000)]));
  expect(asked.slice(0, 4)).toEqual(["cam_1", "cam_2", "cam_1", "cam_2"]);
});
