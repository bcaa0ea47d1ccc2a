/** From where a key is accepted: its own list and its consumer's, what they deny, and the mode that only reports. */
import type { Clock } from "@keyover/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, random, SECOND, TestAuthority } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import type { Batch, Store } from "../store/store.ts";
import { replanOf } from "./replan.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
});
afterEach(() => keyover.close());

const ask = (network: string, of = key) =>
  keyover.ok("POST", "/v1/verify", { api: api.name, key: of.secret, environment: "live", network });
const codesOf = async (...networks: string[]) => {
  const verdicts = await Promise.all(networks.map((network) => ask(network)));
  return verdicts.map(({ code }) => code);
};
const change = (patch: object) => keyover.ok("PATCH", `/v1/keys/${key.id}`, patch);

test("what a key's list denies is refused, whatever else allows it", async () => {
  await change({ networks: ["10.0.0.0/8", "!10.1.0.0/16"] });
  expect(await codesOf("10.2.0.1", "10.1.0.1", "8.8.8.8")).toEqual(["ok", "network_denied", "network_denied"]);
  await change({ networks: ["!10.1.0.0/16"] });
  expect(await codesOf("10.2.0.1", "10.1.0.1", "8.8.8.8")).toEqual(["ok", "network_denied", "ok"]);
});

test("the consumer's list holds for each of its keys, those that are made later too, until it is emptied", async () => {
  const other = await keyover.key({ api, consumer: await keyover.consumer() });
  await keyover.ok("PATCH", `/v1/consumers/${consumer.id}`, { networks: ["10.0.0.0/8"] });
  await keyover.pass(2 * SECOND);
  await change({ networks: ["!10.1.0.0/16"] });
  expect(await codesOf("10.2.0.1", "10.1.0.1", "8.8.8.8")).toEqual(["ok", "network_denied", "network_denied"]);
  const later = await keyover.key({ api, consumer });
  expect((await ask("8.8.8.8", later)).code).toBe("network_denied");
  expect((await ask("8.8.8.8", other)).code).toBe("ok");
  expect(await keyover.ok("GET", `/v1/keys/${key.id}`)).toMatchObject({ consumerNetworks: ["10.0.0.0/8"] });
  const { items } = await keyover.ok("GET", `/v1/audit?subject=${key.id}`);
  expect(items.map(({ action }: Answer["body"]) => action)).toContain("key.consumer-networks");
  await keyover.ok("PATCH", `/v1/consumers/${consumer.id}`, { networks: [] });
  await keyover.pass(2 * SECOND);
  expect(await codesOf("8.8.8.8", "10.1.0.1")).toEqual(["ok", "network_denied"]);
});

test("a change of the consumer's list does not wait for what concerns the many keys of an api", async () => {
  for (let i = 0; i < 20; i++) {
    const note = replanOf({ apiId: "api_large" }, "test", { clock: { now: () => keyover.now() } as Clock, random });
    const audit = { at: keyover.now(), actor: "test", action: "policy.applied", subjects: [], details: {} };
    await keyover.store.commit({ writes: [note], audit: [audit], feed: [] });
  }
  await keyover.pass(1);
  await keyover.ok("PATCH", `/v1/consumers/${consumer.id}`, { networks: ["10.0.0.0/8"] });
  await keyover.pass(2 * SECOND);
  expect(await codesOf("8.8.8.8")).toEqual(["network_denied"]);
  for (let i = 1; i <= 8; i++) {
    await keyover.ok("PATCH", `/v1/consumers/${consumer.id}`, { networks: [`10.${i}.0.0/16`] });
    await keyover.pass(SECOND);
  }
  expect(await keyover.store.count("replan", {})).toBeLessThan(15);
});

test("a key that can't be told of it yet is told later", async () => {
  let failing = 10;
  const isTold = ({ audit }: Batch) => audit.some(({ action }) => action === "key.consumer-networks");
  const stubborn = (store: Store): Store => ({
    ...store,
    commit: async (batch) => (isTold(batch) && failing-- > 0 ? { ok: false, conflict: "row" } : store.commit(batch)),
  });
  const own = await TestAuthority.start({ store: stubborn(openMemoryStore({ now: () => keyover.now() })) });
  try {
    const market = await own.api();
    const bot = await own.consumer();
    const { id } = await own.key({ api: market, consumer: bot });
    await own.ok("PATCH", `/v1/consumers/${bot.id}`, { networks: ["10.0.0.0/8"] });
    for (let i = 0; i < 15; i++) await own.pass(SECOND);
    expect(failing).toBeLessThan(0);
    expect(await own.ok("GET", `/v1/keys/${id}`)).toMatchObject({ consumerNetworks: ["10.0.0.0/8"] });
  } finally {
    await own.close();
  }
});

test("verifiers are told of it", async () => {
  const verifier = await keyover.verifier(api);
  await keyover.ok("PATCH", `/v1/consumers/${consumer.id}`, { networks: ["10.0.0.0/8"] });
  await keyover.pass(2 * SECOND);
  await verifier.catchUp();
  expect(verifier.records.get(key.id)).toMatchObject({ consumerNetworks: ["10.0.0.0/8"] });
  await change({ networks: ["10.1.0.0/16"], networksMode: "report" });
  await verifier.catchUp();
  expect(verifier.records.get(key.id)).toMatchObject({ networks: ["10.1.0.0/16"], networksMode: "report" });
});

test("a list that is only reported lets everybody in, and says who would be refused", async () => {
  await change({ networks: ["10.0.0.0/8"], networksMode: "report" });
  expect(await ask("8.8.8.8")).toMatchObject({ valid: true, code: "ok", wouldRefuse: "network_denied" });
  expect((await ask("10.1.1.1")).wouldRefuse).toBeUndefined();
  await change({ networksMode: "enforce" });
  expect(await codesOf("8.8.8.8", "10.1.1.1")).toEqual(["network_denied", "ok"]);
});

test.each(["!", "!!10.0.0.0/8", "! 10.0.0.0/8", "10.0.0.1/8", "!10.0.0.1/8", "fe80::1%eth0", "10.0.0.0/8,10.1.0.0/16"])(
  "%j is refused, with what would be right, and nothing is changed",
  async (text) => {
    for (const path of [`/v1/keys/${key.id}`, `/v1/consumers/${consumer.id}`]) {
      const { status, body } = await keyover.call("PATCH", path, { networks: ["10.0.0.0/8", text] });
      expect(status).toBe(400);
      expect(JSON.stringify(body)).toContain("203.0.113.0/24");
    }
    expect(await keyover.ok("GET", `/v1/keys/${key.id}`)).toMatchObject({ networks: [], consumerNetworks: [] });
  },
);
