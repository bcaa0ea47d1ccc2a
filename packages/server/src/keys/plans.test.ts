/** Plans over HTTP: made, given to keys, changed, removed; and what verifiers hear of it. */
import type { Limit } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, TestAuthority } from "../authority.test-support.ts";
import { createHub } from "../feed/hub.ts";

const rate: Limit = { kind: "rate", name: "sustained", per: "key", units: 100, windowMs: 1_000, burst: 200 };
const quota: Limit = {
  kind: "quota",
  name: "monthly",
  per: "consumer",
  units: 1_000,
  period: "month",
  zone: "Europe/Zurich",
};

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
});
afterEach(() => keyover.close());

const plans = () => `/v1/apis/${api.id}/plans`;
const make = (name: string, limits: unknown[] = [rate]) => keyover.ok("POST", plans(), { name, limits });
const key = (change: Record<string, unknown> = {}) => keyover.key({ api, consumer }, change);
const audit = async (subject: string) =>
  (await keyover.ok("GET", `/v1/audit?subject=${subject}`)).items.map(({ action }: { action: string }) => action);

describe("a plan", () => {
  test("is made, shown by name and handle, listed, changed and removed, each in the audit log", async () => {
    const made = await make("pro", [rate, quota]);
    expect(made).toMatchObject({ api: api.id, name: "pro", limits: [rate, quota], isDefault: false, keys: 0 });
    expect(await keyover.ok("GET", `${plans()}/pro`)).toEqual(made);
    expect(await keyover.ok("GET", `${plans()}/${made.id}`)).toEqual(made);
    await keyover.clock.advance(1_000);
    const changed = await keyover.ok("PATCH", `${plans()}/pro`, { limits: [rate] });
    expect(changed).toMatchObject({ name: "pro", limits: [rate], createdAt: made.createdAt, changedAt: keyover.now() });
    expect((await keyover.ok("GET", `${plans()}?limit=1`)).items).toEqual([changed]);
    expect(await keyover.ok("DELETE", `${plans()}/pro`)).toEqual(changed);
    await keyover.refused("not_found", "GET", `${plans()}/pro`);
    expect(await audit(made.id)).toEqual(["plan.created", "plan.changed", "plan.removed"]);
  });

  test("a change that changes nothing is none; a repeated request is answered alike", async () => {
    const body = { name: "pro", limits: [rate] };
    const [one, two] = [
      await keyover.ok("POST", plans(), body, { idempotencyKey: "a" }),
      await keyover.ok("POST", plans(), body, { idempotencyKey: "a" }),
    ];
    expect(two).toEqual(one);
    const entries = await keyover.entries();
    expect(await keyover.ok("PATCH", `${plans()}/pro`, body)).toEqual(one);
    expect(await keyover.entries()).toBe(entries);
    await keyover.refused("name_taken", "POST", plans(), body);
    const other = await keyover.api();
    await keyover.ok("POST", `/v1/apis/${other.id}/plans`, body);
    await keyover.refused("not_found", "GET", `/v1/apis/${other.id}/plans/${one.id}`);
  });

  test.each<[string, unknown]>([
    ["units", { ...rate, units: 0 }],
    ["units", { ...rate, units: -1 }],
    ["units", { ...rate, units: 1.5 }],
    ["units", { ...rate, units: 2 ** 53 }],
    ["burst", { ...rate, burst: 0 }],
    ["windowMs", { ...rate, windowMs: 999 }],
    ["zone", { ...quota, zone: "Europe/Zurick" }],
    ["is no name", { ...rate, name: "Not A Name" }],
    ["a name of its own", { ...quota, name: "sustained" }],
  ])("says what is wrong: %s of %j", async (word, limit) => {
    const refusal = await keyover.refused("invalid_plan", "POST", plans(), { name: "x", limits: [rate, limit] });
    expect(refusal.detail).toContain(word);
  });

  test("has eight limits at most, and an api two hundred plans", async () => {
    const many = Array.from({ length: 9 }, (_, i) => ({ ...rate, name: `l${i}` }));
    const refusal = await keyover.refused("invalid_plan", "POST", plans(), { name: "x", limits: many });
    expect(refusal.detail).toContain("at most 8 limits");
    for (let i = 0; i < 200; i++) await make(`p${i}`, []);
    await keyover.refused("invalid_plan", "POST", plans(), { name: "one more", limits: [] });
  });

  test("that a key has, or an api gives, is not removed", async () => {
    await make("pro");
    const { id } = await key({ plan: "pro" });
    expect((await keyover.refused("plan_in_use", "DELETE", `${plans()}/pro`)).keys).toBe(1);
    await keyover.ok("PATCH", `/v1/keys/${id}`, { plan: null });
    await keyover.ok("PATCH", `/v1/apis/${api.id}`, { defaultPlan: "pro" });
    await keyover.refused("plan_in_use", "DELETE", `${plans()}/pro`);
    await keyover.ok("PATCH", `/v1/apis/${api.id}`, { defaultPlan: null });
    const { id: revoked } = await key({ plan: "pro" });
    await keyover.ok("POST", `/v1/keys/${revoked}/revoke`, { reason: "over" });
    await keyover.ok("DELETE", `${plans()}/pro`);
  });
});

describe("a key's plan", () => {
  test("is given by name or handle, shown by handle, and only one of its api", async () => {
    const pro = await make("pro");
    const one = await key({ plan: "pro" });
    expect(one.plan).toBe(pro.id);
    expect((await keyover.ok("PATCH", `/v1/keys/${one.id}`, { plan: null })).plan).toBeNull();
    expect((await keyover.ok("PATCH", `/v1/keys/${one.id}`, { plan: pro.id })).plan).toBe(pro.id);
    const refusal = await keyover.refused("unknown_plan", "PATCH", `/v1/keys/${one.id}`, { plan: "prp" });
    expect(refusal).toMatchObject({ known: ["pro"] });
    const other = await keyover.api();
    const foreign = { api: other.id, consumer: consumer.id, environment: "live", scopes: [], plan: pro.id };
    await keyover.refused("unknown_plan", "POST", "/v1/keys", foreign);
    await keyover.refused("unknown_plan", "PATCH", `/v1/apis/${other.id}`, { defaultPlan: "pro" });
    expect(await audit(one.id)).toEqual(["key.created", "key.updated", "key.updated"]);
  });

  test("stays through a rotation", async () => {
    const pro = await make("pro");
    const verifier = await keyover.verifier(api);
    const { id } = await key({ plan: "pro" });
    await keyover.ok("POST", `/v1/keys/${id}/rotations`, {});
    for (let i = 0; i < 3; i++) await keyover.pass(1_000);
    expect(verifier.records.get(id)).toMatchObject({ plan: pro.id, rotation: { phase: "offered" } });
  });
});

test("who follows the feed and who takes a snapshot hold the same plans, whatever environments they see", async () => {
  const verifier = await keyover.verifier(api);
  const hub = createHub(keyover.store, keyover.clock.process(), () => {});
  const chunks: string[] = [];
  const write = (chunk: string | Uint8Array) => chunks.push(Buffer.from(chunk).toString());
  const sink = { write, drained: async () => {}, end: () => {}, cut: () => {} };
  hub.subscribe(api.id, 0, { tokenId: "tok", environments: ["test"] }, sink);
  await keyover.clock.advance(0);
  /** What a follower of the whole feed holds, from the store and as another process would hear it. */
  const followed = async () => {
    await hub.pull([api.id]);
    await keyover.clock.advance(0);
    const events = chunks.join("").split("\n\n");
    const entries = events
      .filter((event) => event.includes("event: entry"))
      .map((event) => JSON.parse(event.split("data: ")[1] ?? ""));
    const follower = { applied: 0, records: new Map(), plans: new Map() };
    for (const entry of entries) verifier.apply.call(follower as never, entry);
    return follower;
  };
  const same = async (names: string[], standard: string | undefined) => {
    await verifier.read();
    const follower = await followed();
    expect(follower.plans).toEqual(verifier.plans);
    expect(follower.applied).toBe(verifier.applied);
    expect(follower.records.size).toBe(0);
    const held = [...verifier.plans.values()];
    expect(held.map(({ name }) => name).sort()).toEqual(names);
    expect(held.find((plan) => plan.default)?.name).toBe(standard);
  };
  await same([], undefined);
  await make("free", [quota]);
  await make("pro");
  await key({ plan: "pro" });
  await same(["free", "pro"], undefined);
  await keyover.ok("PATCH", `/v1/apis/${api.id}`, { defaultPlan: "free" });
  await same(["free", "pro"], "free");
  await keyover.ok("PATCH", `${plans()}/free`, { limits: [rate, quota] });
  await same(["free", "pro"], "free");
  await keyover.ok("PATCH", `/v1/apis/${api.id}`, { defaultPlan: "pro" });
  await same(["free", "pro"], "pro");
  // At no moment was there none.
  const told = (await keyover.store.feedAfter(api.id, 0, 99)).flatMap(({ plan }) => plan ?? []).slice(-2);
  expect(told.map(({ name, default: standard }) => [name, standard])).toEqual([
    ["pro", true],
    ["free", undefined],
  ]);
  await keyover.ok("DELETE", `${plans()}/free`);
  await same(["pro"], "pro");
  await keyover.ok("PATCH", `/v1/apis/${api.id}`, { defaultPlan: null });
  await same(["pro"], undefined);
  hub.close();
});
