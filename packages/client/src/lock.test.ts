import { describe, expect, test } from "vitest";
import { seeded, TestClock, TestPlatter } from "./client.test-world.ts";
import { LEASE_MS, type Lock, LockFolder } from "./lock.ts";

const FOLDER = "/etc/bot/key.lock";

interface Scene {
  clock: TestClock;
  platter: TestPlatter;
  alive: Set<number>;
  folder: (pid: number, step?: () => Promise<void>, place?: string) => LockFolder;
}

function scene(seed = 1): Scene {
  const clock = new TestClock();
  const platter = new TestPlatter();
  const alive = new Set([1, 2, 3, 4]);
  return {
    clock,
    platter,
    alive,
    folder: (pid, step, place = "here") =>
      new LockFolder({
        disk: platter.disk(step),
        clock,
        random: seeded(seed * 1000 + pid),
        host: { name: "h", pid, place, alive: (other) => alive.has(other), env: () => undefined },
      }),
  };
}

describe("the lock", () => {
  test("has one owner, and the next one after it is released", async () => {
    const { folder, platter } = scene();
    const [one, two] = [folder(1), folder(2)];
    const lock = (await one.take(FOLDER)) as Lock;
    expect(await lock.held()).toBe(true);
    expect(await two.take(FOLDER)).toBeUndefined();
    await lock.release();
    expect(await lock.held()).toBe(false);
    const next = (await two.take(FOLDER)) as Lock;
    await next.release();
    expect(platter.names()).toEqual([]);
  });

  test("of a process that died is taken over at once", async () => {
    const { folder, alive } = scene();
    const lock = (await folder(1).take(FOLDER)) as Lock;
    alive.delete(1);
    const next = (await folder(2).take(FOLDER)) as Lock;
    expect(await next.held()).toBe(true);
    expect(await lock.held()).toBe(false);
    await lock.release(); // the dead one wakes up: it harms nobody
    expect(await next.held()).toBe(true);
  });

  test("of a living process is not taken over while it renews, however the wall clock is set", async () => {
    const { folder, clock } = scene();
    const lock = (await folder(1).take(FOLDER)) as Lock;
    const other = folder(2, undefined, "elsewhere");
    for (let i = 0; i < 60; i++) {
      clock.wall += i % 2 === 0 ? 3_600_000 : -3_600_000;
      expect(await other.take(FOLDER)).toBeUndefined();
      await clock.advance(1_000);
    }
    expect(await lock.held()).toBe(true);
  });

  test("of a process in another container is taken over when it has been still for a lease", async () => {
    const { folder, clock, platter } = scene();
    platter.put(`${FOLDER}/aaaa`, '{"pid":1,"place":"elsewhere","beat":4}');
    const other = folder(2);
    expect(await other.take(FOLDER)).toBeUndefined();
    await clock.advance(LEASE_MS - 1);
    expect(await other.take(FOLDER)).toBeUndefined();
    await clock.advance(1);
    expect(await other.take(FOLDER)).toBeDefined();
  });

  test("is no longer trusted by an owner that could not renew it, well before others may take it", async () => {
    const { folder, clock } = scene();
    let stuck = false;
    const lock = (await folder(1, async () => (stuck ? new Promise(() => {}) : undefined)).take(FOLDER)) as Lock;
    stuck = true;
    await clock.advance(LEASE_MS * 0.7);
    expect(await lock.held()).toBe(false);
  });

  test("garbage in the folder blocks for a lease and no longer", async () => {
    const { folder, clock, platter } = scene();
    platter.put(`${FOLDER}/.DS_Store`, "\u0000");
    const one = folder(1);
    expect(await one.take(FOLDER)).toBeUndefined();
    await clock.advance(LEASE_MS);
    expect(await one.take(FOLDER)).toBeDefined();
  });

  test("what a process left that died before it was owner is tidied up by the next owner", async () => {
    const { folder, platter, alive } = scene();
    let steps = 0;
    void folder(1, async () => (++steps > 4 ? new Promise(() => {}) : undefined)).take(FOLDER);
    await new Promise((resolve) => setImmediate(resolve));
    expect(platter.names()).toHaveLength(2);
    alive.delete(1);
    const two = folder(2);
    const lock = (await two.take(FOLDER)) as Lock;
    await two.sweep(FOLDER);
    await lock.release();
    expect(platter.names()).toEqual([]);
  });
});

/**
 * Four processes take and release, each of their steps on the disk at a moment of chance; now and then an owner dies
 * and leaves its lock. At no moment are there two living owners.
 */
test.each(Array.from({ length: 60 }, (_, i) => i + 1))(
  "never has two owners, whatever the order of steps (seed %i)",
  async (seed) => {
    const { folder, alive, platter } = scene(seed);
    const random = seeded(seed * 31);
    const chance = () => (random(1)[0] as number) / 256;
    const step = async () => {
      const longest = chance() < 0.15 ? 120 : 6; // now and then one is slow enough for the others to do a lot
      for (let turns = Math.floor(chance() * longest); turns > 0; turns--) await Promise.resolve();
    };
    // A dead owner's lock lies there when they all begin.
    platter.put(`${FOLDER}/dead0`, '{"pid":99,"place":"here","beat":1}');
    const owners = new Set<number>();
    let taken = 0;
    const live = async (pid: number) => {
      const locks = folder(pid, step);
      for (let i = 0; i < 12; i++) {
        const lock = await locks.take(FOLDER);
        if (lock === undefined) {
          await step();
          continue;
        }
        taken++;
        expect([...owners]).toEqual([]);
        owners.add(pid);
        for (let work = 0; work < 8; work++) await step();
        expect([...owners]).toEqual([pid]);
        owners.delete(pid);
        if (chance() < 0.3) {
          alive.delete(pid); // dies with the lock in its hands
          return;
        }
        await lock.release();
      }
    };
    await Promise.all([1, 2, 3, 4].map(live));
    expect(taken).toBeGreaterThan(0);
  },
);
