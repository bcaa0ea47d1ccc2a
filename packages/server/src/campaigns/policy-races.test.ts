/** A policy is changed between a batch's look at it and the batch's commit: the batch looks again. */
import { afterEach, expect, test } from "vitest";
import { HOUR, TestAuthority, TestClock } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import type { Batch, Store } from "../store/store.ts";
import { CampaignScene } from "./campaigns.test-support.ts";

let keyover: TestAuthority;
let beforeStart: () => Promise<void>;
let starts: number;
afterEach(() => keyover.close());

async function open(): Promise<CampaignScene> {
  beforeStart = async () => {};
  starts = 0;
  const clock = new TestClock();
  const real = openMemoryStore({ now: () => clock.at });
  const commit = async (batch: Batch) => {
    if (batch.audit.some(({ action }) => action === "campaign.advanced")) {
      starts++;
      await beforeStart();
    }
    return real.commit(batch);
  };
  const store = new Proxy(real, { get: (_, name: keyof Store) => (name === "commit" ? commit : real[name]) });
  keyover = await TestAuthority.start({ clock, store });
  const scene = await CampaignScene.of(keyover, 6);
  await keyover.verifier(scene.api);
  return scene;
}
const patienceOf = async (scene: CampaignScene) => {
  const all = await Promise.all(scene.keys.map(async (key) => (await scene.rotation(key)).policy.youngQuietMs));
  return [...new Set<number>(all)].sort((a, b) => a - b);
};
const apply = (hours: number) => keyover.ok("PUT", "/v1/policies/slow", { spec: { youngQuietMs: hours * HOUR } });
const attach = (target: object) => keyover.ok("POST", "/v1/policies/slow/attachments", { target });

test.each<[what: string, before: (scene: CampaignScene) => Promise<() => Promise<unknown>>, hours: number[]]>([
  [
    "a policy that is attached for the first time",
    async ({ api }) =>
      () =>
        attach({ kind: "api", api: api.id }),
    [7],
  ],
  [
    "another version of one",
    async ({ api }) => {
      await attach({ kind: "api", api: api.id });
      return () => apply(8);
    },
    [8],
  ],
  [
    "what the api itself says",
    async ({ api }) =>
      () =>
        keyover.ok("PATCH", `/v1/apis/${api.id}`, { policy: { youngQuietMs: 9 * HOUR } }),
    [9],
  ],
  [
    "a consumer's labels, to which one is attached",
    async ({ api, consumers }) => {
      await attach({ kind: "label", api: api.id, name: "tier", value: "gold" });
      return () => keyover.ok("PATCH", `/v1/consumers/${consumers[1].id}`, { labels: { tier: "gold" } });
    },
    [0, 7],
  ],
  [
    "a detachment",
    async ({ api }) => {
      const { id } = await attach({ kind: "api", api: api.id });
      return () => keyover.ok("DELETE", `/v1/attachments/${id}`);
    },
    [0],
  ],
])("%s between the look and the commit holds for every key of the batch", async (_what, before, hours) => {
  const scene = await open();
  await apply(7);
  const change = await before(scene);
  beforeStart = async () => {
    if (starts === 1) await change();
  };
  const campaign = await scene.start();
  expect(await scene.ended(campaign)).toMatchObject({ keys: { started: 6, failed: 0 } });
  expect(starts).toBe(2);
  expect(await patienceOf(scene)).toEqual(hours.map((each) => each * HOUR));
});
