import { beforeEach, expect, test } from "vitest";
import { createOnTheWay, type OnTheWay } from "./on-the-way.ts";

/** How far each verifier is. */
let applied: number[];
let reads: number;
let fails: boolean;
/** Waits until it is let go. */
let gate: Promise<void> | undefined;
let woken: string[];
let logged: string[];
let onTheWay: OnTheWay;

beforeEach(() => {
  applied = [0, 0];
  reads = 0;
  fails = false;
  gate = undefined;
  woken = [];
  logged = [];
  onTheWay = createOnTheWay({
    async view() {
      reads += 1;
      const live = applied.map((each) => ({ applied: each }));
      await gate;
      if (fails) throw new Error("the database is away");
      return { live } as never;
    },
    wake: (id) => void woken.push(id),
    log: (_level, event) => void logged.push(event),
  });
});

const turn = () => new Promise((resolve) => setImmediate(resolve));
const moved = async (apiId = "api_a") => {
  woken = [];
  onTheWay.moved(apiId);
  await turn();
  return woken;
};

test("a move wakes those whose entry every verifier has, and no others", async () => {
  for (const seq of [3, 4, 5]) onTheWay.waits("api_a", `rot_${seq}`, seq);
  onTheWay.waits("api_b", "rot_other", 1);
  applied = [9, 3];
  expect(await moved()).toEqual(["rot_3"]);
  applied = [4, 5];
  expect(await moved()).toEqual(["rot_4"]);
  expect(await moved()).toEqual([]);
  applied = [];
  expect(await moved()).toEqual(["rot_5"]);
  expect(await moved("api_b")).toEqual(["rot_other"]);
});

test("whoever is being looked at is woken by any move", async () => {
  onTheWay.looking("api_a", "rot_a");
  expect(await moved()).toEqual(["rot_a"]);
  onTheWay.looking("api_a", "rot_a");
  onTheWay.waits("api_a", "rot_a", 7);
  expect(await moved()).toEqual([]);
});

test("whoever waits no more is not woken", async () => {
  onTheWay.waits("api_a", "rot_a", 1);
  onTheWay.gone("rot_a");
  applied = [1];
  expect(await moved()).toEqual([]);
  expect(reads).toBe(0);
});

test("a hundred moves while the fleet is read are one more reading, which misses none of them", async () => {
  onTheWay.waits("api_a", "rot_5", 5);
  let letGo = () => {};
  gate = new Promise((resolve) => {
    letGo = resolve;
  });
  onTheWay.moved("api_a");
  applied = [5, 5];
  for (let i = 0; i < 100; i++) onTheWay.moved("api_a");
  letGo();
  await turn();
  expect(woken).toEqual(["rot_5"]);
  expect(reads).toBe(2);
});

test("a reading that fails wakes all: each looks for itself", async () => {
  for (const seq of [3, 4]) onTheWay.waits("api_a", `rot_${seq}`, seq);
  fails = true;
  expect(await moved()).toEqual(["rot_3", "rot_4"]);
  expect(logged).toEqual(["engine.fleet_moved_failed"]);
  fails = false;
  onTheWay.waits("api_a", "rot_3", 3);
  applied = [3];
  expect(await moved()).toEqual(["rot_3"]);
});
