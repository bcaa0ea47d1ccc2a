/**
 * A process that dies between any two of its steps: each read and write of the disk, within a creation of a file, before and after
 * each request takes effect at the provider; killed (the disk keeps what was written) or by a power cut (it keeps what was
 * synced). Whatever the step, the next process has a key that works, ends up on the successor, and not one of its requests is refused.
 */
import { expect, test } from "vitest";
import { API, dead, FILE, type Scene, scene, settle } from "./client.test-world.ts";
import { createKeyHolder, type KeyHolder } from "./client.ts";

type Story = { name: string; begin: (stage: Scene, holder: KeyHolder) => Promise<void>; probe: boolean; ends: number };

const stories: Story[] = [
  {
    name: "a changeover",
    probe: false,
    ends: 2,
    begin: async (stage, holder) => {
      stage.provider.rotate();
      void holder.check();
      await settle();
      await use(stage, holder);
    },
  },
  {
    name: "a changeover with a probe, whose use of the successor ends the time to claim it",
    probe: true,
    ends: 2,
    begin: async (stage, holder) => {
      stage.provider.rotate();
      void holder.check();
      await settle();
      await use(stage, holder);
    },
  },
  {
    name: "a rollback",
    probe: false,
    ends: 1,
    begin: async (stage, holder) => {
      stage.provider.rotate();
      void holder.check();
      await stage.clock.advance(100);
      await use(stage, holder);
      stage.provider.rollBack();
      void holder.check();
      await stage.clock.advance(100);
      await use(stage, holder);
    },
  },
  {
    name: "the end of a rotation",
    probe: false,
    ends: 2,
    begin: async (stage, holder) => {
      stage.provider.rotate();
      void holder.check();
      await stage.clock.advance(100);
      await use(stage, holder);
      if (stage.provider.rotation?.used) stage.provider.end();
      void holder.check();
      await stage.clock.advance(100);
    },
  },
];

async function use(stage: Scene, holder: KeyHolder): Promise<void> {
  const answer = holder.fetch(`${API}/quotes`);
  answer.catch(() => {});
  await stage.clock.advance(50);
}

/** Runs the story until its `diesAt`-th step; the number of steps it took. */
async function play(story: Story, diesAt: number, cut: boolean): Promise<{ steps: number; stage: Scene }> {
  const stage = scene();
  stage.provider.suggested = { from: 0, to: 0 };
  let steps = 0;
  const step = async (torn?: () => void): Promise<void> => {
    steps++;
    if (steps > diesAt) return dead();
    if (steps < diesAt) return;
    torn?.();
    return dead();
  };
  stage.provider.before = async () => {
    await step();
    return undefined;
  };
  stage.provider.after = stage.provider.before;
  const probe = story.probe ? { probe: { url: `${API}/ping` } } : {};
  const holder = createKeyHolder(stage.options({ disk: stage.platter.disk(step), ...probe }));
  holder.ready.catch(() => {});
  await settle();
  if (steps < diesAt) await story.begin(stage, holder);
  stage.alive.delete(1);
  if (cut) stage.platter.powerCut();
  return { steps, stage };
}

for (const story of stories) {
  test.each([
    ["killed", false],
    ["a power cut", true],
  ])(`${story.name}, ${"%s"} after any step`, async (_, cut) => {
    const { steps: total } = await play(story, Number.POSITIVE_INFINITY, false);
    expect(total).toBeGreaterThan(20);
    for (let diesAt = 1; diesAt <= total; diesAt++) await survives(story, diesAt, cut);
  });
}

async function survives(story: Story, diesAt: number, cut: boolean): Promise<void> {
  const { stage } = await play(story, diesAt, cut);
  const { provider, platter, clock } = stage;
  const where = `${story.name}, step ${diesAt}, ${cut ? "power cut" : "killed"}`;
  // The story goes on at the provider though the process is gone.
  if (provider.rotation === undefined && provider.current === 1) provider.rotate();
  if (story.ends === 1 && provider.rotation?.phase === "overlapping") provider.rollBack();
  provider.before = async () => undefined;
  provider.after = async () => undefined;
  provider.served.length = 0;
  provider.pollAfterMs = 5_000;
  const holder = createKeyHolder(stage.options({ host: stage.host(2), world: stage.world(11) }));
  await holder.ready;
  for (let i = 0; i < 15; i++) {
    expect((await holder.fetch(`${API}/quotes`)).status, where).toBe(200);
    await clock.advance(2_000);
    if (story.ends === 1 && provider.rotation?.phase === "overlapping") provider.rollBack();
  }
  expect(
    provider.served.filter(({ status }) => status !== 200),
    where,
  ).toEqual([]);
  expect(holder.state().version, where).toBe(story.ends);
  expect(platter.text(FILE)?.trim(), where).toBe(provider.secret(story.ends));
  if (provider.rotation !== undefined) provider.end();
  await clock.advance(10_000);
  const gone = provider.secret(story.ends === 2 ? 1 : 2);
  for (const name of platter.names()) expect(platter.text(name) ?? "", `${where}: ${name}`).not.toContain(gone);
  // A dead process's lock may lie there until the next changeover needs it; a file with a secret may not.
  const left = platter.names().filter((name) => !name.startsWith(`${FILE}.lock`));
  expect(
    left.filter((name) => name !== FILE && name !== `${FILE}.keyover`),
    where,
  ).toEqual([]);
  await holder.close();
}
