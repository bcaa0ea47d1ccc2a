/**
 * The crash matrix (I6, I7). A scenario is played once undisturbed, which tells its effects 1..N. Then, for each of them, the authority
 * dies before it, and after it, and a new process recovers, which tells the effects 1..M of that recovery: all from its start until the step
 * that was under way is done. For each of those it dies once more, before and after, and a third process takes over. Whatever happened, in
 * the end everything is as in the undisturbed run. How the dying works: crash-points.test-support.ts.
 */
import { rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { SECOND } from "./authority.test-support.ts";
import { checkFiles, checkInvariants, pictureOf } from "./crash-checks.test-support.ts";
import { ask, claim, pass, prepare, Run, type Step, use } from "./crash-matrix.test-support.ts";
import { scratch, type Wreck } from "./crash-points.test-support.ts";

export interface Scenario {
  name: string;
  /** What happened before, undisturbed. */
  given: Step[];
  /** What the authority dies in. */
  steps: Step[];
  /** Audited actions whose commits must be among the effects: else the scenario does not test what it says. */
  commits: string[];
}

export const because = { reason: "routine" };
export const second = pass(SECOND);
export const start = ask("start", ({ keyId }) => ({ path: `/v1/keys/${keyId}/rotations`, body: {} }));

/** Of the rotation that `start` began. */
export function order(name: string, body: unknown = because, by?: "holder"): Step {
  return ask(name, ({ asked }) => ({ path: `/v1/rotations/${asked.start?.answer.id}/${name}`, body, by }));
}

export function orderOfKey(name: string, body: unknown = because): Step {
  return ask(name, ({ keyId }) => ({ path: `/v1/keys/${keyId}/${name}`, body }));
}

/** How a rotation gets there. */
const offered = [start, second];
const overlapping = [...offered, claim, use(2), second];
export const reached = {
  propagating: [start],
  offered,
  overlapping,
  retired: [...overlapping, order("retire"), second],
  "rolled-back": [...overlapping, order("rollback"), second],
};

let prepared: Promise<Wreck> | undefined;

export function dieEverywhere(scenarios: readonly Scenario[]): void {
  afterAll(() => rmSync(scratch, { recursive: true }));
  test.each(scenarios)(
    "$name: ends as if nothing had been, wherever the authority dies",
    async (scenario) => {
      const { effects, recoveries, wrecks } = await matrix(scenario);
      for (const action of scenario.commits)
        expect(effects, `no commit of ${action}`).toContainEqual(expect.stringMatching(`^commit .*${action}`));
      expect(effects.length).toBeGreaterThan(0);
      expect(recoveries).toBeGreaterThan(0);
      // Each effect leaves a wreck of its own; what comes after one is most often what comes before the next.
      expect(wrecks).toBeGreaterThan(effects.length + recoveries / 2);
    },
    60_000,
  );
}

async function matrix({ given, steps }: Scenario) {
  prepared ??= prepare();
  const before = await Run.start(await prepared);
  await before.play(given);
  const left = before.wreck();
  await before.disk.close();
  const all = [...given, ...steps];

  const undisturbed = await Run.start(left, true);
  const expected = await end(undisturbed, all, all);
  const { effects, wrecks } = undisturbed.disk;
  checkFiles(undisturbed, wrecks);

  const counts = { effects, recoveries: 0, wrecks: wrecks.length };
  for (const wreck of wrecks) {
    const recovery = await Run.start(wreck, true);
    const interrupted = recovery.outside.step;
    await toldOf(wreck, async () => expect(await end(recovery, all, all.slice(0, interrupted + 1))).toEqual(expected));
    counts.recoveries += recovery.disk.effects.length;
    counts.wrecks += recovery.disk.wrecks.length;
    for (const again of recovery.disk.wrecks) {
      const last = await Run.start(again);
      await toldOf(again, async () => expect(await end(last, all)).toEqual(expected));
    }
  }
  return counts;
}

/** Plays what is left of the scenario, lets the rotation end, checks everything. `mortal`: the steps in which it is noted where it could die. */
async function end(run: Run, steps: readonly Step[], mortal: readonly Step[] = []) {
  try {
    await run.play(mortal);
    run.disk.watching = false;
    await run.play(steps);
    await run.finish();
    await checkInvariants(run);
    return await pictureOf(run);
  } finally {
    await run.disk.close();
  }
}

/** A failure says where the processes died. */
async function toldOf<T>({ story }: Wreck, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error) error.message = `the authority dies ${story}:\n${error.message}`;
    throw error;
  }
}
