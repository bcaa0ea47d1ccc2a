/**
 * Processes that share a file, on a disk and a network that take their time, so that each step of one can fall between any
 * two of another, and a process's look at its file between any two of its own changeover. Whatever the order: each rotation
 * and rollback is followed by all, no request is refused, one successor is claimed once, and nobody asks without end.
 */
import { expect, test } from "vitest";
import { API, FILE, scene, seeded, type TestPlatter } from "./client.test-world.ts";
import { createKeyHolder, type KeyHolder } from "./client.ts";
import type { Disk } from "./disk.ts";

const SEEDS = 120;
const LONG_MS = 60_000;

/** Each call waits before it does its work, and once more before it tells what came of it. */
function slow(disk: Disk, pause: () => Promise<undefined>): Disk {
  const slowed = Object.entries(disk).map(([name, work]) => [
    name,
    async (...given: unknown[]) => {
      await pause();
      const outcome: unknown = await (work as (...given: unknown[]) => Promise<unknown>)(...given);
      await pause();
      return outcome;
    },
  ]);
  return Object.fromEntries(slowed) as Disk;
}

test.each(Array.from({ length: SEEDS }, (_, i) => i + 1))("seed %i", async (seed) => {
  const stage = scene();
  const { provider, clock, platter } = stage;
  provider.pollAfterMs = 1_000;
  provider.suggested = { from: 0, to: 0 };
  const random = seeded(seed);
  const [diskMs = 0, networkMs = 0] = random(2);
  const pause = (upToMs: number) => async (): Promise<undefined> => {
    const [high = 0] = random(1);
    await new Promise<void>((resolve) => clock.after((high / 256) * upToMs, resolve));
    return undefined;
  };
  const wait = pause(networkMs);
  provider.before = () => wait();
  provider.after = () => wait();
  const changes: (number | undefined)[][] = [[], [], []];
  const holders = [1, 2, 3].map((pid) =>
    createKeyHolder(
      stage.options({
        onChange: ({ version }) => changes[pid - 1]?.push(version),
        world: stage.world(seed * 10 + pid),
        host: stage.host(pid),
        disk: slow(platter.disk(), pause(diskMs / 4)),
      }),
    ),
  );
  await follow(1);

  provider.rotate();
  await follow(2);
  provider.rollBack();
  await follow(1);
  await run(1_000); // what is on its way arrives
  provider.end();
  provider.rotate();
  await follow(3);
  await run(1_000);
  provider.retire();
  await run(5_000);
  expect(provider.count("/claim")).toBe(2);
  expect(provider.served.filter(({ status }) => status !== 200)).toEqual([]);
  expect(provider.served.length).toBeGreaterThan(100);
  expect(changes).toEqual([1, 2, 3].map(() => [2, 1, 3]));
  for (const holder of holders) await Promise.all([holder.close(), clock.advance(10_000)]);

  async function follow(version: number): Promise<void> {
    const askedBefore = provider.count("/v1/changeover");
    const from = clock.elapsed();
    const arrived = () => holders.every((holder) => holder.state().version === version) && inFile(platter, version);
    while (!arrived() && clock.elapsed() - from < LONG_MS) await run(50);
    const versions = holders.map((holder) => holder.state().version);
    expect(versions, JSON.stringify(holders.map((holder) => holder.state()))).toEqual([version, version, version]);
    const asked = provider.count("/v1/changeover") - askedBefore;
    expect(asked).toBeLessThan(3 * (10 + (2 * (clock.elapsed() - from)) / 1_000));
  }

  async function run(ms: number): Promise<void> {
    for (const holder of holders) request(holder);
    await clock.advance(ms);
  }

  function request(holder: KeyHolder): void {
    holder.fetch(`${API}/quotes`).catch(() => {});
  }

  function inFile(disk: TestPlatter, version: number): boolean {
    return disk.text(FILE)?.trim() === provider.secret(version);
  }
});
