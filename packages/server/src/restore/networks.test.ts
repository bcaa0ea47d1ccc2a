/** A consumer's networks after a restore: what verifiers remember of them is the consumer's again, and holds for all its keys. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { SECOND } from "../authority.test-support.ts";
import { actsOn, openScene, type Scene } from "./scene.test-support.ts";

let scene: Scene;
const { shown, post, newKey } = actsOn(() => scene);
beforeEach(async () => {
  scene = await openScene();
});
afterEach(() => scene.lineage.keyover.die());

const call = (method: string, path: string, body?: object) => scene.lineage.keyover.ok(method, path, body);
const networksOf = async () => (await call("GET", `/v1/consumers/${scene.consumer.id}`)).networks;
const restrict = async (networks: string[]) => {
  await call("PATCH", `/v1/consumers/${scene.consumer.id}`, { networks });
  await scene.lineage.pass(3 * SECOND);
};
/** A policy's change looks at every key of the api again. */
const replan = async () => {
  await call("PUT", "/v1/policies/any", { spec: {} });
  await post("/v1/policies/any/attachments", { target: { kind: "api", api: scene.api.id } });
  await scene.lineage.pass(3 * SECOND);
};

test("those that were set since the backup outlive the next look at the key, and hold for keys that are made later", async () => {
  const { lineage, api, key } = scene;
  const image = lineage.backup();
  await restrict(["10.0.0.0/8"]);
  await lineage.restore(image);
  await lineage.reconcile(api, "verifiers");
  expect(await shown(key)).toMatchObject({ consumerNetworks: ["10.0.0.0/8"] });
  expect(await networksOf()).toEqual(["10.0.0.0/8"]);
  await replan();
  expect(await shown(key)).toMatchObject({ consumerNetworks: ["10.0.0.0/8"] });
  expect(await shown(await newKey())).toMatchObject({ consumerNetworks: ["10.0.0.0/8"] });
});

test("a consumer that the backup lacks has them too", async () => {
  const { lineage, api } = scene;
  const image = lineage.backup();
  const late = await lineage.consumer();
  const key = await lineage.keyover.key({ api, consumer: late });
  await call("PATCH", `/v1/consumers/${late.id}`, { networks: ["10.0.0.0/8"] });
  await lineage.pass(3 * SECOND);
  await lineage.restore(image);
  await lineage.reconcile(api, "verifiers");
  await replan();
  expect(await shown(key)).toMatchObject({ consumerNetworks: ["10.0.0.0/8"] });
});

test("what an operator sets after the restore stands, whichever side is chosen, for all keys", async () => {
  const { lineage, api, key, other, consumer } = scene;
  const image = lineage.backup();
  await restrict(["10.0.0.0/8"]);
  await lineage.restore(image);
  await call("PATCH", `/v1/consumers/${consumer.id}`, { networks: ["10.9.0.0/16"] });
  await lineage.pass(3 * SECOND);
  await lineage.reconcile(api, "verifiers", { keys: [{ key: other.id, choose: "backup" }] });
  await lineage.pass(3 * SECOND);
  expect(await networksOf()).toEqual(["10.9.0.0/16"]);
  for (const each of [key, other]) expect(await shown(each)).toMatchObject({ consumerNetworks: ["10.9.0.0/16"] });
});

test("those that were taken away since the backup are gone", async () => {
  const { lineage, api, key, other } = scene;
  await restrict(["10.0.0.0/8"]);
  const image = lineage.backup();
  await restrict([]);
  await lineage.restore(image);
  await lineage.reconcile(api, "verifiers");
  await replan();
  expect(await networksOf()).toEqual([]);
  for (const each of [key, other]) expect(await shown(each)).toMatchObject({ consumerNetworks: [] });
});
