/** A fleet that moves on while many successors are on their way: each is offered as soon as it may be, and nothing is gone through for it. */
import type { Clock } from "@keyover/core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { TestAuthority, TestClock } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { createEngine, type EngineDeps } from "./engine.ts";

let keyover: TestAuthority | undefined;
afterEach(() => keyover?.close());

async function begin(watch: (store: Store) => Store, keys: number, staleness = {}) {
  const clock = new TestClock();
  keyover = await TestAuthority.start({ clock, store: watch(openMemoryStore({ now: () => clock.at })) });
  const authority = keyover;
  const api = await authority.api({ staleness });
  const consumer = await authority.consumer();
  const verifier = await authority.verifier(api);
  const rotations: string[] = [];
  for (let i = 0; i < keys; i++) {
    const { id } = await authority.key({ api, consumer });
    rotations.push((await authority.ok("POST", `/v1/keys/${id}/rotations`, { reason: "test" })).id);
  }
  const phases = async () =>
    Promise.all(rotations.map(async (id) => (await authority.store.get("rotation", id))?.value.phase));
  return { keyover: authority, verifier, phases };
}

test("an acknowledgement that comes while a rotation is looked at is not lost", async () => {
  // What is known of the fleet was read by then; what is known of uses is not.
  let slow: Promise<void> | undefined;
  const watch = (store: Store): Store => ({
    ...store,
    async uses(keyId) {
      await slow;
      return store.uses(keyId);
    },
  });
  let letGo = () => {};
  slow = new Promise((resolve) => {
    letGo = resolve;
  });
  const { keyover, verifier, phases } = await begin(watch, 1);
  await keyover.clock.advance(0);
  await verifier.read();
  await verifier.ack();
  await keyover.clock.advance(0);
  expect(await phases()).toEqual(["propagating"]);
  slow = undefined;
  letGo();
  await keyover.clock.advance(0);
  expect(await phases()).toEqual(["offered"]);
});

test("an acknowledgement reads the fleet, not the rotations, and wakes those whose entry is applied", async () => {
  const asked: string[] = [];
  const watch = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const member = Reflect.get(target, name) as unknown;
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          asked.push(name === "get" || name === "list" ? `${name} ${String(args[0])}` : String(name));
          return Reflect.apply(member, target, args);
        };
      },
    });
  const { keyover, verifier, phases } = await begin(watch, 20);
  await keyover.clock.advance(0);
  const before = await keyover.store.feedHead(await apiOf(keyover));
  asked.length = 0;
  // One entry for each key made and one for each rotation: the first five rotations are in the first ten.
  await verifier.ack(before - 30);
  await keyover.clock.advance(0);
  expect((await phases()).filter((phase) => phase === "offered")).toHaveLength(5);
  expect(asked.filter((each) => each === "list rotation" || each === "liveRotations")).toEqual([]);
  // Each of the five is read to be looked at, to be changed, and once it was changed.
  expect(asked.filter((each) => each === "get rotation").length).toBeLessThanOrEqual(5 * 4 + 20);
  await verifier.read();
  await verifier.ack();
  await keyover.clock.advance(0);
  expect(new Set(await phases())).toEqual(new Set(["offered"]));
});

test("of many that get stuck at the same moment a tick tells of a part, and the others do not wait for the next", async () => {
  let raised = 0;
  const watch = (store: Store): Store => ({
    ...store,
    async post(mail) {
      raised += (mail.raise ?? []).filter(({ event }) => event === "rotation.stuck").length;
      return store.post(mail);
    },
  });
  const { keyover, phases } = await begin(watch, 50, { onStale: "static", staticMs: 3_600_000 });
  await keyover.clock.advance(0);
  expect(new Set(await phases())).toEqual(new Set(["propagating"]));
  await keyover.clock.advance(300_000);
  await keyover.authority.tick();
  expect(raised).toBeGreaterThan(0);
  expect(raised).toBeLessThanOrEqual(16);
  await keyover.clock.advance(0);
  expect(raised).toBe(50);
});

async function apiOf({ store }: TestAuthority): Promise<string> {
  return (await store.list("api", {}, { limit: 1 }))[0]?.value.id ?? "";
}

describe("a great many that are due at once", () => {
  const ids = Array.from({ length: 300 }, (_, i) => `rot_${String(i).padStart(4, "0")}`);

  /** An engine whose rotations are all gone by the time that it looks. */
  function engineOf(found: (id: string) => void) {
    let turns = 0;
    const clock: Clock = {
      now: () => 0,
      elapsed: () => 0,
      after(_delayMs, run) {
        turns += 1;
        setImmediate(run);
        return () => {};
      },
    };
    const store = {
      shared: false,
      liveRotations: async (after: string, limit: number) => ids.filter((id) => id > after).slice(0, limit),
      usedSuccessors: async () => [],
      provenSecrets: async () => ({ found: [], next: undefined }),
      async get(_table: string, id: string) {
        found(id);
      },
    };
    const shares = { holds: () => true, proofFor: () => "alone" };
    const deps = { world: { clock, log: () => {} }, store, shares } as unknown as EngineDeps;
    return { engine: createEngine(deps), turns: () => turns };
  }

  test("take turns with other work", async () => {
    const looked: string[] = [];
    const { engine, turns } = engineOf((id) => looked.push(id));
    await engine.load();
    await engine.pass();
    expect(looked.toSorted()).toEqual(ids);
    expect(turns()).toBe(4);
  });

  test("are no longer work for a tick than a few: it does a part of them, and the rest goes on by itself", async () => {
    const looked: string[] = [];
    const { engine } = engineOf((id) => looked.push(id));
    await engine.load();
    await engine.part();
    expect(looked.length).toBeLessThanOrEqual(64);
    // The next tick does not wait for all of it either.
    await engine.part();
    expect(looked.length).toBeLessThanOrEqual(128);
    await vi.waitFor(() => expect(looked.toSorted()).toEqual(ids));
    expect(new Set(looked).size).toBe(looked.length);
    // Nothing is left under way: what is due then is looked at.
    engine.wake("rot_0007");
    await engine.part();
    expect(looked.at(-1)).toBe("rot_0007");
  });

  test("are found a part at a time where their bells were lost, and then from the beginning again", async () => {
    const looked: string[] = [];
    const { engine } = engineOf((id) => looked.push(id));
    const round = async () => {
      looked.length = 0;
      await engine.reconcile();
      await engine.pass();
      return looked.toSorted();
    };
    expect(await round()).toEqual(ids.slice(0, 250));
    expect(await round()).toEqual(ids.slice(250));
    expect(await round()).toEqual(ids.slice(0, 250));
  });

  test("let those go first that are woken meanwhile", async () => {
    const looked: string[] = [];
    const { engine } = engineOf((id) => {
      looked.push(id);
      if (looked.length === 10) engine.wake("rot_urgent");
    });
    await engine.load();
    await engine.pass();
    expect(looked.indexOf("rot_urgent")).toBeLessThan(ids.length);
    expect(looked.length).toBe(ids.length + 1);
  });
});
