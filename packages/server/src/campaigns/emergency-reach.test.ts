/** What an emergency over many keys must not miss: what its holder made, what could still come back, and what a restored database forgot. */
import { noItems, sha256Text } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HOUR, MINUTE, random, SECOND, TestAuthority } from "../authority.test-support.ts";
import { markRestored } from "../restore/mark.ts";
import { put } from "../store/store.ts";
import { CampaignScene } from "./campaigns.test-support.ts";

let keyover: TestAuthority;
let scene: CampaignScene;
beforeEach(async () => {
  keyover = await TestAuthority.start();
});
afterEach(() => keyover.close());

const because = { reason: "routine" };
const versionsOf = async (key: { id: string }) =>
  (await keyover.ok("GET", `/v1/keys/${key.id}`)).versions as { number: number; state: string; compromised: boolean }[];

describe("a successor that its consumer has made", () => {
  const handedIn = async () => {
    scene = await CampaignScene.of(keyover, 1);
    await keyover.verifier(scene.api);
    const [key] = scene.keys;
    const sha256 = sha256Text(Buffer.from(random(32)).toString("hex"));
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { ...because, sha256 });
    await keyover.pass(SECOND);
    expect(await scene.rotation(key)).toMatchObject({ phase: "offered", origin: "consumer" });
    return key;
  };

  test("was in its hands from the beginning: a kill refuses it too", async () => {
    const key = await handedIn();
    const ended = await scene.ended(await scene.strike("kill", { consumers: [key.consumer] }));
    expect(ended).toMatchObject({ keys: { started: 1 } });
    expect(await versionsOf(key)).toMatchObject([{ compromised: true }, { compromised: true }, { state: "pending" }]);
  });
});

describe("a version that has just retired", () => {
  const retired = async () => {
    scene = await CampaignScene.of(keyover, 1);
    const verifier = await keyover.verifier(scene.api);
    const [key] = scene.keys;
    verifier.see(key.id, 1);
    const leak = keyover.now() + 1;
    await keyover.pass(MINUTE);
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, because);
    await keyover.pass(SECOND);
    await scene.changeOver(key);
    await keyover.pass(SECOND);
    const { id } = await scene.rotation(key);
    await keyover.ok("POST", `/v1/rotations/${id}/retire`, because);
    return { key, leak, id };
  };

  test.each(["kill", "contain"] as const)("does not come back after a %s of what was made before", async (mode) => {
    const { key, leak, id } = await retired();
    const ended = await scene.ended(await scene.strike(mode, { apis: [scene.api.id], createdBefore: leak }));
    expect(ended).toMatchObject({ keys: { started: 1 } });
    expect(await versionsOf(key)).toMatchObject([{ compromised: true }, { compromised: false, state: "active" }]);
    await keyover.refused("rotation_ended", "POST", `/v1/rotations/${id}/rollback`, because);
    await keyover.pass(HOUR);
    expect((await versionsOf(key)).at(-1)).toMatchObject({ number: 2, state: "active" });
  });

  test("nor where its successor was never taken", async () => {
    scene = await CampaignScene.of(keyover, 1);
    await keyover.verifier(scene.api);
    const [key] = scene.keys;
    const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, because);
    await keyover.pass(SECOND);
    await keyover.ok("POST", `/v1/rotations/${id}/retire`, because);
    const ended = await scene.ended(await scene.strike("kill", { apis: [scene.api.id] }));
    expect(await scene.item(ended, key)).toMatchObject({ state: "started" });
    expect(await versionsOf(key)).toMatchObject([{ compromised: true }, { compromised: false, state: "active" }]);
    await keyover.refused("version_compromised", "POST", `/v1/rotations/${id}/rollback`, because);
  });
});

test("whoever leaves takes no version with them that has just retired", async () => {
  scene = await CampaignScene.of(keyover, 1);
  const verifier = await keyover.verifier(scene.api);
  const ann = await keyover.ok("POST", "/v1/tokens", { name: "ann", role: "operator" });
  const consumer = scene.consumers[0].id;
  const wanted = { api: scene.api.id, consumer, environment: "live", scopes: ["market:*"] };
  const key = await keyover.ok("POST", "/v1/keys", wanted, { token: ann.secret });
  verifier.see(key.id, 1);
  await keyover.pass(SECOND);
  const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, because);
  await keyover.pass(SECOND);
  await scene.changeOver(key);
  await keyover.pass(SECOND);
  await keyover.ok("POST", `/v1/rotations/${id}/retire`, because);
  const body = { mode: "kill", reason: "has left" };
  const { campaign, keys } = await keyover.ok("POST", `/v1/custodians/${ann.id}/offboard`, body);
  expect(keys).toBe(1);
  await scene.ended({ id: campaign });
  expect(await versionsOf(key)).toMatchObject([{ compromised: true }, { compromised: false, state: "active" }]);
});

describe("while an api is held after a restore", () => {
  /** Some seconds, without waiting for verifiers, which are not served. */
  const wait = async () => {
    for (let i = 0; i < 5; i++) {
      await keyover.clock.advance(SECOND);
      await keyover.tick();
    }
  };

  test("what was planned may have begun since the backup: the key changes over to a version of another number", async () => {
    scene = await CampaignScene.of(keyover, 1);
    const [key] = scene.keys;
    const planned = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {
      ...because,
      startsAt: keyover.now() + HOUR,
    });
    await markRestored(keyover.store, { now: keyover.now(), random });
    await wait();
    const struck = await scene.strike("kill", { apis: [scene.api.id] });
    await wait();
    expect((await scene.show(struck)).keys).toMatchObject({ started: 1, failed: 0 });
    expect(await keyover.ok("GET", `/v1/rotations/${planned.id}`)).toMatchObject({ phase: "cancelled" });
    expect(await scene.rotation(key)).toMatchObject({ from: 1, to: 3, fromCompromised: true });
  });

  test("a successor may have been handed out since the backup: a kill refuses it too", async () => {
    scene = await CampaignScene.of(keyover, 1);
    const [key] = scene.keys;
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, because);
    await keyover.pass(SECOND);
    await markRestored(keyover.store, { now: keyover.now(), random });
    await wait();
    await scene.strike("kill", { apis: [scene.api.id] });
    await wait();
    const after = [{ compromised: true }, { compromised: true }, { compromised: false, state: "pending" }];
    expect(await versionsOf(key)).toMatchObject(after);
    // What was made since can't have been.
    const again = await scene.strike("kill", { apis: [scene.api.id] });
    await wait();
    expect(await scene.item(again, key)).toMatchObject({ state: "skipped" });
    expect(await versionsOf(key)).toMatchObject(after);
  });
});

test("however many campaigns wait at their gates, an emergency is begun", async () => {
  scene = await CampaignScene.of(keyover, 2);
  const [waiting, leaked] = scene.keys;
  const model = await scene.start({ select: { keys: [waiting.id] }, gate: { claimed: 1 } });
  await scene.until(model, ({ keys }) => keys.started === 1);
  const held = await keyover.store.get("campaign", model.id);
  if (held === undefined) throw new Error("it was there a moment ago");
  const counts = [{ ...noItems, waiting: 1 }];
  const others = Array.from({ length: 250 }, (_, i) => ({ ...held.value, counts, id: `cam_0${i}` }));
  const audit = [{ at: keyover.now(), actor: "test", action: "test.made", subjects: [], details: {} }];
  await keyover.store.commit({ writes: others.map((other) => put("campaign", other)), audit, feed: [] });
  const ended = await scene.ended(await scene.strike("kill", { keys: [leaked.id] }));
  expect(ended).toMatchObject({ keys: { started: 1 } });
});

test("a token that is not there is a spelling error, and would leave out keys unseen", async () => {
  scene = await CampaignScene.of(keyover, 1);
  const [key] = scene.keys;
  const { versions } = await keyover.ok("GET", `/v1/keys/${key.id}`);
  const body = { mode: "kill", reason: "has left", select: { custodians: [versions[0].createdBy, "tok_misspelt"] } };
  await keyover.refused("not_found", "POST", "/v1/emergencies", body);
  expect(await versionsOf(key)).toMatchObject([{ compromised: false }]);
});

test("somebody who held the keys of many consumers: the campaign can be looked at", async () => {
  scene = await CampaignScene.of(keyover, 410, 410);
  const { campaign } = await keyover.ok("POST", "/v1/custodians/region=eu/offboard", { ...because, mode: "kill" });
  expect((await scene.ended({ id: campaign })).select.consumers).toHaveLength(205);
  expect((await keyover.ok("GET", "/v1/campaigns")).items).toHaveLength(1);
});
