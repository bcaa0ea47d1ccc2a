/** `keyover plan …`, and plans of keys and apis, against a real authority. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Rig, startRig } from "./cli.test-world.ts";

let rig: Rig;
let key: string;
beforeAll(async () => {
  rig = await startRig();
  await rig.json("api", "create", "market", "--prefix", "mkt", "--scope", "market:read");
  await rig.json("consumer", "create", "acme-bot");
});
afterAll(() => rig.close());

const good = async (...args: string[]) => {
  const ran = await rig.run(args);
  expect(ran, ran.err).toMatchObject({ code: 0, err: "" });
  return ran.out;
};
const bad = async (...args: string[]) => {
  const ran = await rig.run(args);
  expect(ran.code).not.toBe(0);
  return ran.err;
};
const at = ["--api", "market"];
const LIMITS = ["--rate", "sustained=100/1s burst 200", "--quota", "monthly=1000000/month Europe/Zurich per consumer"];

test("a plan is made, listed, shown, changed and removed", async () => {
  expect(await good("plan", "list", ...at)).toContain("no plan yet");
  const made = await good("plan", "create", "pro", ...at, ...LIMITS);
  expect(made).toMatch(/rate +sustained=100\/1s burst 200\n/);
  expect(made).toMatch(/quota +monthly=1000000\/month Europe\/Zurich per consumer\n/);
  expect(await good("plan", "list", ...at)).toMatch(/pro +sustained=100\/1s burst 200; monthly=/);
  await good("plan", "update", "pro", ...at, "--rate", "sustained=50/1s");
  expect(await good("plan", "show", "pro", ...at)).toMatch(/rate +sustained=50\/1s burst 50\n/);
  expect(await good("plan", "update", "pro", ...at, "--clear-limits")).toMatch(/limits +none\n/);
  expect(await bad("plan", "update", "pro", ...at)).toContain("nothing to change");
  expect(await good("plan", "remove", "pro", ...at, "--yes")).toContain("The plan pro is removed.");
});

test("is given to keys and to an api, and then not removed", async () => {
  const plan = await rig.json<{ id: string }>("plan", "create", "free", ...at, "--rate", "sustained=5/1s");
  await rig.json("plan", "create", "pro", ...at, ...LIMITS);
  const where = ["--environment", "live", "--consumer", "acme-bot", "--scope", "market:read", "--plan", "pro"];
  key = (await rig.json<{ id: string }>("key", "create", ...at, ...where)).id;
  expect(await good("key", "show", key)).toMatch(/plan +pln_/);
  expect(await bad("plan", "remove", "pro", ...at, "--yes")).toContain("1 key has pro");
  await good("key", "update", key, "--default-plan");
  expect(await good("key", "show", key)).not.toMatch(/plan +pln_/);
  expect(await good("api", "update", "market", "--default-plan", "free")).toMatch(
    new RegExp(`default plan +${plan.id}`),
  );
  expect(await good("plan", "show", "free", ...at)).toContain("yes: keys without a plan of their own have it");
  expect(await bad("plan", "remove", "free", ...at, "--yes")).toContain("free is the default of market");
  await good("api", "update", "market", "--clear-default-plan");
  expect(await bad("key", "update", key, "--plan", "prp")).toContain("market has no plan prp; it has free, pro");
});

test("verify costs what is asked, and says what is left", async () => {
  await rig.json("plan", "create", "team", ...at, "--rate", "few=2/1h burst 5");
  const where = ["--environment", "live", "--consumer", "acme-bot", "--scope", "market:read", "--plan", "team"];
  const { secret } = await rig.json<{ secret: string }>("key", "create", ...at, ...where);
  const verify = (...more: string[]) => rig.run(["verify", ...at, ...more], { stdin: secret });
  const first = await verify("--cost", "4");
  expect(first.code).toBe(0);
  expect(first.out).toMatch(/left +few: 1 of 2, whole again in /);
  expect((await verify("--cost", "0")).out).toMatch(/left +few: 1 of 2/);
  expect((await verify()).code).toBe(0);
  const refused = await verify();
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("rate_limited")]);
  expect(refused.out).toMatch(/again in +\d+m/);
  expect((await verify("--cost", "x")).err).toContain("write a whole number");
  expect((await verify("--cost", "2000000")).code).not.toBe(0);
});

test("mistakes are told in words", async () => {
  expect(await bad("plan", "create", "x", ...at, "--rate", "100/s")).toContain("it begins with name=units/window");
  expect(await bad("plan", "create", "x", ...at, "--quota", "a=5/week")).toContain("for a day or a month");
  expect(await bad("plan", "create", "x")).toContain("--api");
  expect(await bad("plan", "update", "pro", ...at, "--clear-limits", "--rate", "a=1/1s")).toContain("--clear-limits");
  expect(await bad("key", "update", key, "--plan", "pro", "--default-plan")).toContain("exclude each other");
});

test("the use of a key is shown by minute and day", async () => {
  const by = {
    keyId: key,
    version: 1,
    sourceId: "s",
    source: { network: "203.0.113.0/24", client: "bot", instance: "" },
  };
  const at = Date.now() - 1_000;
  const row = { ...by, first: at, last: at, accepted: 12, refused: 3, limited: 2, longestGapMs: 0 };
  await rig.store.record({ rows: [row], reports: [] });
  expect(await good("key", "usage", key)).toContain("10 accepted, 3 refused, 2 refused for a limit.");
  expect(await good("key", "usage", key, "--by", "minute")).toMatch(/MINUTE[^\n]*OVER A LIMIT\n.* 1 +10 +3 +2/);
  const day = new Date(at).toISOString().slice(0, 10);
  expect(await good("key", "usage", key, "--by", "day", "--last", "400d")).toMatch(new RegExp(`${day} +1 +10 +3 +2`));
  expect(await bad("key", "usage", key, "--by", "minute", "--last", "3d")).toContain("two days at most");
});
