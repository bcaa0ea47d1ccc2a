/** Verifiers that come after an operator has chosen, restores that nobody marked, and crashes while a choice is carried out. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, SECOND } from "../authority.test-support.ts";
import { actsOn, type Lineage, openScene, type RememberingVerifier, type Scene } from "./scene.test-support.ts";

let lineage: Lineage;
let api: Answer["body"];
let key: Answer["body"];
let other: Answer["body"];
let web: RememberingVerifier;
let scene: Scene;
const { newKey, kill, revoke, verified, changesOf } = actsOn(() => scene);

beforeEach(async () => {
  scene = await openScene();
  ({ lineage, api, key, other, web } = scene);
});
afterEach(() => lineage.keyover.die());

describe("a verifier that comes late", () => {
  beforeEach(async () => {
    await lineage.pass(SECOND);
  });

  test("with nothing that was not compared is welcome", async () => {
    const desk = await lineage.verifier(api, "desk");
    const image = lineage.backup();
    await revoke(other);
    await lineage.pass(SECOND);
    desk.alive = false;
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    expect(await desk.comeBack()).toBe("welcome");
    expect(desk.states(other.id)).toEqual({ 0: "revoked" });
  });

  test("and knows more waits for itself alone; what it remembers is shown, and put into force when that is chosen", async () => {
    const desk = await lineage.verifier(api, "desk");
    await lineage.pass(SECOND);
    const image = lineage.backup();
    web.serving = false;
    await revoke(other);
    const made = await newKey();
    await lineage.pass(SECOND);
    desk.alive = false;
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    expect(web.states(other.id)).toEqual({ 1: "active" });

    expect(await desk.comeBack()).toBe("reconciling");
    expect((await lineage.look(api)).state).toBe("late");
    expect(await changesOf(other)).toEqual(["key is revoked"]);
    expect(await changesOf(made)).toEqual(["made since the backup"]);
    await lineage.pass(SECOND); // the others are served
    expect(await verified(key.secret)).toBe("ok");
    expect(await desk.comeBack()).toBe("reconciling");

    await lineage.choose(api, "verifiers");
    await lineage.pass(SECOND);
    expect((await lineage.look(api)).state).toBe("served");
    expect(await desk.comeBack()).toBe("welcome");
    await lineage.pass(SECOND);
    for (const verifier of [web, desk]) {
      expect(verifier.states(other.id)).toEqual({ 0: "revoked" });
      expect(verifier.states(made.id)).toEqual({ 1: "active" });
    }
  });

  test("is asked for what lies between, where another knew more by the side alone", async () => {
    const desk = await lineage.verifier(api, "desk");
    await lineage.pass(SECOND);
    const image = lineage.backup();
    web.serving = false;
    await revoke(other);
    await lineage.pass(SECOND);
    const made = await newKey();
    await web.learn(made);
    desk.alive = false;
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    expect(web.states(other.id)).toEqual({ 1: "active" });
    expect(await verified(made.secret)).toBe("ok");
    // It knows nothing more than it has told, and comes and goes as it likes.
    expect(await web.comeBack()).toBe("welcome");

    expect(await desk.comeBack()).toBe("reconciling");
    expect(await changesOf(other)).toEqual(["key is revoked"]);
    await lineage.choose(api, "verifiers");
    await lineage.pass(SECOND);
    expect(await desk.comeBack()).toBe("welcome");
    await lineage.pass(SECOND);
    expect(web.states(other.id)).toEqual({ 0: "revoked" });
  });

  test("is asked though there was another restore meanwhile, in which everybody knew much later numbers", async () => {
    const desk = await lineage.verifier(api, "desk");
    await lineage.pass(SECOND);
    const image = lineage.backup();
    web.serving = false;
    await revoke(other);
    await lineage.pass(SECOND);
    desk.alive = false;
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    await lineage.restore(lineage.backup());
    await lineage.reconcile(api, "verifiers");
    expect(web.states(other.id)).toEqual({ 1: "active" });

    expect(await desk.comeBack()).toBe("reconciling");
    expect(await changesOf(other)).toEqual(["key is revoked"]);
    await lineage.choose(api, "verifiers");
    await lineage.pass(SECOND);
    expect(await desk.comeBack()).toBe("welcome");
    await lineage.pass(SECOND);
    expect(web.states(other.id)).toEqual({ 0: "revoked" });
  });

  test("is let in after another restore, if what it has was compared in the first", async () => {
    const desk = await lineage.verifier(api, "desk");
    await lineage.pass(SECOND);
    const image = lineage.backup();
    await revoke(other);
    await lineage.pass(SECOND);
    desk.alive = false;
    for (const each of [image, undefined]) {
      await lineage.restore(each ?? lineage.backup());
      await lineage.reconcile(api, "verifiers");
    }
    expect(await desk.comeBack()).toBe("welcome");
    expect(desk.states(other.id)).toEqual({ 0: "revoked" });
  });

  test("does not undo with its old records what was changed since", async () => {
    const desk = await lineage.verifier(api, "desk");
    await lineage.pass(SECOND);
    const image = lineage.backup();
    web.serving = false;
    await lineage.keyover.ok("PATCH", `/v1/keys/${other.id}`, { scopes: ["market:read"] });
    await lineage.pass(SECOND);
    desk.alive = false;
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    await revoke(other);
    await lineage.pass(SECOND);
    expect(await desk.comeBack()).toBe("reconciling");
    await lineage.choose(api, "verifiers");
    await lineage.pass(SECOND);
    expect(await desk.comeBack()).toBe("welcome");
    for (const verifier of [web, desk]) expect(verifier.states(other.id)).toEqual({ 0: "revoked" });
    expect(await verified(other.secret)).toBe("revoked");
  });

  test("whose news are all of an environment that it may not see is let in by itself", async () => {
    const token = await lineage.keyover.token("verifier", { apis: [api.id], environments: ["test"] });
    const tester = await lineage.verifier(api, "tester", token);
    const image = lineage.backup();
    web.serving = false;
    await revoke(other);
    await lineage.pass(SECOND);
    tester.alive = false;
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    expect(await tester.comeBack()).toBe("reconciling");
    expect((await lineage.look(api)).state).toBe("served");
    expect(await tester.comeBack()).toBe("welcome");
  });
});

test("a cache that comes late and holds nothing new is let in by itself; who knows what it dropped is asked all the same", async () => {
  await lineage.pass(SECOND);
  const [cache, desk] = [await lineage.verifier(api, "cache"), await lineage.verifier(api, "desk")];
  await lineage.pass(SECOND);
  const image = lineage.backup();
  web.serving = false;
  await revoke(other);
  await lineage.pass(SECOND);
  cache.whole = false;
  cache.records.clear();
  cache.alive = false;
  desk.alive = false;
  await lineage.restore(image);
  await lineage.reconcile(api, "verifiers");
  expect(await cache.comeBack()).toBe("reconciling");
  expect((await lineage.look(api)).state).toBe("served");
  expect(await cache.comeBack()).toBe("welcome");
  expect(await desk.comeBack()).toBe("reconciling");
  expect((await lineage.look(api)).state).toBe("late");
  expect(await changesOf(other)).toEqual(["key is revoked"]);
});

describe("a restore that nobody marked", () => {
  test("is noticed by the first verifier that remembers more: it is not welcome, and the log says what to do", async () => {
    const image = lineage.backup();
    await revoke(other);
    await lineage.pass(SECOND);
    await lineage.restore(image, { marked: false });
    expect(await web.comeBack()).toBe("feed_ahead");
    const said = lineage.keyover.lines.filter((line) => line.includes('"feed.behind_verifier"'));
    expect(said.join()).toMatch(/keyover restore --mark --everything/);
  });

  test("can be marked later: then everything that verifiers hold is compared, though the numbers were given twice", async () => {
    const image = lineage.backup();
    await revoke(other);
    await lineage.pass(SECOND);
    await lineage.restore(image, { marked: false });
    // The same numbers, for other changes.
    for (const scopes of [["market:read"], []]) await lineage.keyover.ok("PATCH", `/v1/keys/${key.id}`, { scopes });
    await lineage.restore(lineage.backup(), { everything: true });
    await lineage.reconcile(api, "verifiers");
    expect(await verified(other.secret)).toBe("revoked");
    expect(web.states(other.id)).toEqual({ 0: "revoked" });
  });
});

describe("crashes", () => {
  test("wherever the authority dies while a choice is carried out, it ends the same", async () => {
    const keys = [key, other, await newKey(), await newKey()];
    await lineage.pass(SECOND);
    const image = lineage.backup();
    for (const each of keys.slice(0, 2)) await kill(each);
    await revoke(keys[2]);
    const made = await newKey();
    await lineage.pass(SECOND);
    const picture = async () => ({
      states: [...keys, made].map((each) => web.states(each.id)),
      rotations: await lineage.keyover.store.count("rotation", { equals: { ended: false } }),
      codes: await Promise.all([...keys, made].map((each) => verified(each.secret))),
      left: (await lineage.differences(api)).length,
    });
    const life = async (commitsBeforeDeath: number): Promise<[unknown, number]> => {
      const memory = web.memory();
      await lineage.restore(image);
      await web.comeBack();
      await lineage.choose(api, "verifiers");
      const { store } = lineage.keyover;
      const commit = store.commit.bind(store);
      let commits = 0;
      store.commit = (batch) => (++commits > commitsBeforeDeath ? new Promise(() => {}) : commit(batch));
      void lineage.keyover.authority.tick();
      await lineage.clock.advance(SECOND);
      store.commit = commit;
      await lineage.crash();
      await lineage.pass(2 * SECOND);
      expect(await web.comeBack()).toBe("welcome");
      await lineage.pass(SECOND);
      const outcome = await picture();
      web.recall(memory);
      return [outcome, commits];
    };
    const [undisturbed, commits] = await life(1_000);
    expect(commits).toBeGreaterThan(4);
    for (let n = 0; n < commits; n++) expect((await life(n))[0], `death before commit ${n + 1}`).toEqual(undisturbed);
  });
});
