import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, DAY, SECOND, TestAuthority } from "../authority.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let second: Answer["body"];
let consumers: Answer["body"][];
let keys: Answer["body"][];
const middle = { at: 0 };
beforeAll(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api({ name: "market" });
  second = await keyover.api({ name: "accounts" });
  consumers = [
    await keyover.consumer({ name: "desk", labels: { team: "desk", region: "eu" } }),
    await keyover.consumer({ name: "risk", labels: { team: "risk", region: "eu" } }),
  ];
  keys = [];
  for (let i = 0; i < 7; i++) {
    if (i === 4) middle.at = keyover.now();
    keys.push(
      await keyover.key(
        { api: i < 5 ? api : second, consumer: consumers[i % 2] },
        {
          name: `k${i}`,
          environment: i === 6 ? "test" : "live",
          labels: i % 3 === 0 ? { tier: "gold", "a.b-c": "x=y" } : {},
          expiresAt: i >= 3 ? keyover.now() + (i + 1) * DAY : null,
        },
      ),
    );
    await keyover.clock.advance(SECOND);
  }
  await keyover.ok("POST", `/v1/keys/${keys[1].id}/suspend`, { reason: "r" });
  await keyover.ok("POST", `/v1/keys/${keys[2].id}/rotations`, {});
  await keyover.pass(SECOND);
});
afterAll(() => keyover.close());

const get = (path: string) => keyover.ok("GET", path);
const found = async (query: string) => (await get(`/v1/keys?${query}`)).items.map(({ name }: { name: string }) => name);

test.each(["/v1/keys", "/v1/consumers", "/v1/apis", "/v1/tokens", "/v1/rotations"])(
  "%s comes in pages that join up",
  async (path) => {
    const whole = await get(`${path}?limit=500`);
    expect(whole.next).toBeNull();
    for (const limit of [1, 2, whole.items.length]) {
      const items = [];
      let cursor: string | null = "";
      for (let pages = 0; cursor !== null && pages < 20; pages++) {
        const page: Answer["body"] = await get(`${path}?limit=${limit}${cursor === "" ? "" : `&cursor=${cursor}`}`);
        expect(page.items.length).toBeLessThanOrEqual(limit);
        items.push(...page.items);
        cursor = page.next;
      }
      expect(items).toEqual(whole.items);
    }
  },
);

describe("keys are filtered", () => {
  test.each<[string, () => string, string[]]>([
    ["api's name", () => "api=accounts", ["k5", "k6"]],
    ["api's handle", () => `api=${second.id}`, ["k5", "k6"]],
    ["an api that is none", () => "api=none", []],
    ["environment", () => "environment=test", ["k6"]],
    ["consumer", () => `consumer=${consumers[1].id}`, ["k1", "k3", "k5"]],
    ["name", () => "name=k4", ["k4"]],
    ["status", () => "status=suspended", ["k1"]],
    ["label", () => "label=tier=gold", ["k0", "k3", "k6"]],
    ["several labels, one with = in its value", () => "label=tier=gold&label=a.b-c=x=y&api=market", ["k0", "k3"]],
    ["a label nobody has", () => "label=__proto__=x", []],
    ["created since", () => `createdSince=${middle.at}`, ["k4", "k5", "k6"]],
    ["created until", () => `createdUntil=${middle.at}`, ["k0", "k1", "k2", "k3"]],
    ["expiry", () => `expiresUntil=${keyover.now() + 5.5 * DAY}`, ["k3", "k4"]],
    [
      "expiry and creation together",
      () => `expiresUntil=${keyover.now() + 5.5 * DAY}&createdUntil=${middle.at}`,
      ["k3"],
    ],
    ["version", () => "currentVersion=2", []],
    ["who made it", () => "createdBy=tok_none", []],
  ])("by %s", async (_what, query, names) => {
    expect(await found(query())).toEqual(names);
  });
});

test("consumers are filtered by name and labels", async () => {
  const names = async (query: string) =>
    (await get(`/v1/consumers?${query}`)).items.map(({ name }: { name: string }) => name);
  expect(await names("label=region=eu&label=team=risk")).toEqual(["risk"]);
  expect(await names("name=desk")).toEqual(["desk"]);
  expect(await names("label=region=us")).toEqual([]);
});

test("rotations are filtered by key, api, phase and end", async () => {
  const id = (await get(`/v1/rotations?key=${keys[2].id}`)).items[0].id;
  for (const query of [`api=market&phase=offered`, "ended=false"]) {
    expect((await get(`/v1/rotations?${query}`)).items.map((each: { id: string }) => each.id)).toEqual([id]);
  }
  for (const query of ["ended=true", "api=accounts", "phase=planned", "api=none"]) {
    expect((await get(`/v1/rotations?${query}`)).items).toEqual([]);
  }
});

test("tokens are filtered by role, consumer and revocation, and show no hash", async () => {
  await keyover.token("consumer", { consumer: consumers[0].id });
  const { items } = await get(`/v1/tokens?role=consumer&consumer=${consumers[0].id}&revoked=false`);
  expect(items).toHaveLength(1);
  expect(items[0]).not.toHaveProperty("sha256");
  expect(items[0]).not.toHaveProperty("secret");
  expect((await get("/v1/tokens?revoked=true")).items).toEqual([]);
});

test("labels whose names are words of JavaScript are kept like others", async () => {
  const labels = { constructor: "a", toString: "b", hasOwnProperty: "c" };
  const made = await keyover.ok("POST", "/v1/consumers", { name: "odd", labels });
  expect((await get(`/v1/consumers/${made.id}`)).labels).toEqual(labels);
  expect((await get("/v1/consumers?label=constructor=a")).items).toHaveLength(1);
});

test("the audit log is paged and filtered, and its chain can be checked from outside", async () => {
  const all = await get("/v1/audit?limit=1000");
  expect(all).toMatchObject({ next: null });
  const pages = [];
  for (let after: number | null = 0; after !== null; ) {
    const page: Answer["body"] = await get(`/v1/audit?limit=3&after=${after}`);
    pages.push(...page.items);
    after = page.next;
  }
  expect(pages).toEqual(all.items);
  const own = await get(`/v1/audit?subject=${keys[1].id}`);
  expect(own.items.map(({ action }: { action: string }) => action)).toEqual(["key.created", "key.suspended"]);
  for (const entry of all.items)
    expect(entry).toMatchObject({
      actor: expect.stringMatching(/^(tok_|engine|system)/),
      hash: expect.stringMatching(/^.{43}$/),
    });
});

test("a key shows its versions, and never a hash", async () => {
  const shown = await get(`/v1/keys/${keys[2].id}`);
  expect(shown.versions.map(({ number, state }: Answer["body"]) => [number, state])).toEqual([
    [1, "active"],
    [2, "pending"],
  ]);
  expect(JSON.stringify(shown)).not.toMatch(/sha256|envelope/);
});

test("R23: keys are found by their last use, their activation and their notes", async () => {
  await keyover.clock.advance(SECOND);
  const before = keyover.now();
  await keyover.clock.during(keyover.ok("POST", "/v1/verify", { api: "market", key: keys[0].secret }));
  expect(await found(`usedSince=${before}`)).toEqual(["k0"]);
  expect(await found(`unusedSince=${before}`)).toEqual(["k1", "k2", "k3", "k4", "k5", "k6"]);
  expect(await found(`usedSince=${keyover.now() + 1}`)).toEqual([]);
  expect(await found(`activatedSince=${middle.at}`)).toEqual(["k4", "k5", "k6"]);
  expect(await found(`activatedUntil=${middle.at}&api=market`)).toEqual(["k0", "k1", "k2", "k3"]);
  await keyover.ok("PATCH", `/v1/keys/${keys[5].id}`, { notes: "Belongs to 100%_Desk" });
  expect(await found("notes=100%25_desk")).toEqual(["k5"]);
  expect(await found("notes=100__desk")).toEqual([]);
});
