/** After a restore plans are as in the backup, at the authority and at every verifier; a key that was made since has the plan that is there. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { SECOND } from "../authority.test-support.ts";
import { actsOn, openScene, type Scene } from "./scene.test-support.ts";

const rate = { kind: "rate", name: "r", per: "key", units: 5, windowMs: 1_000, burst: 5 };

let scene: Scene;
const { shown } = actsOn(() => scene);
beforeEach(async () => {
  scene = await openScene();
});
afterEach(() => scene.lineage.keyover.die());

test("whatever verifiers held, they are told the plans of the backup under numbers that win", async () => {
  const { lineage, api, consumer, key, web } = scene;
  const plans = `/v1/apis/${api.id}/plans`;
  const ok = (method: string, path: string, body: object) => lineage.keyover.ok(method, path, body);
  const pro = await ok("POST", plans, { name: "pro", limits: [rate] });
  await ok("PATCH", `/v1/keys/${key.id}`, { plan: "pro" });
  await lineage.pass(SECOND);
  const image = lineage.backup();

  await ok("PATCH", `${plans}/pro`, { limits: [{ ...rate, units: 50 }] });
  await ok("POST", plans, { name: "late", limits: [] });
  await ok("PATCH", `/v1/apis/${api.id}`, { defaultPlan: "late" });
  await ok("PATCH", `/v1/keys/${key.id}`, { plan: "late" });
  const [onPro, onLate] = [
    await lineage.keyover.key({ api, consumer }, { plan: "pro" }),
    await lineage.keyover.key({ api, consumer }, { plan: "late" }),
  ];
  await lineage.pass(SECOND);
  const highest = web.seq;

  await lineage.restore(image);
  await lineage.keyover.refused("reconciling", "POST", plans, { name: "x", limits: [] });
  await lineage.keyover.refused("reconciling", "PATCH", `${plans}/pro`, { name: "x" });
  await lineage.keyover.refused("reconciling", "DELETE", `${plans}/pro`);
  await lineage.keyover.refused("reconciling", "PATCH", `/v1/apis/${api.id}`, { defaultPlan: "pro" });
  await lineage.reconcile(api, "verifiers");

  const { text } = await web.call("GET", "/snapshot");
  const [head, ...records] = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(head.plans).toEqual([{ seq: expect.any(Number), plan: pro.id, name: "pro", limits: [rate] }]);
  expect(head.plans[0].seq).toBeGreaterThan(highest);
  const planOf = (id: string) => records.find((record) => record.key === id).plan;
  expect([planOf(key.id), planOf(onPro.id), planOf(onLate.id)]).toEqual([pro.id, pro.id, undefined]);
  expect([(await shown(key)).plan, (await shown(onPro)).plan, (await shown(onLate)).plan]).toEqual([
    pro.id,
    pro.id,
    null,
  ]);
});
