/**
 * I17: a restored backup neither revives what was revoked after it nor revokes what was made after it, until an operator has compared it
 * with what verifiers remember.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, HOUR, MINUTE, SECOND } from "../authority.test-support.ts";
import { chainStart, verifyChain } from "../store/audit-chain.ts";
import { actsOn, type Lineage, openScene, type RememberingVerifier, type Scene } from "./scene.test-support.ts";

let lineage: Lineage;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
let other: Answer["body"];
let web: RememberingVerifier;
let scene: Scene;
const { newKey, post, because, rotate, kill, revoke, shown, phase, verified, changesOf } = actsOn(() => scene);

beforeEach(async () => {
  scene = await openScene();
  ({ lineage, api, consumer, key, other, web } = scene);
});
afterEach(() => lineage.keyover.die());

describe("while a restored api is held", () => {
  beforeEach(async () => {
    await lineage.pass(SECOND);
    await lineage.restore(lineage.backup());
  });

  test("verifiers are told so at every call, with the feed's head in the backup", async () => {
    const { boot } = web;
    const { seq } = web;
    const source = { network: "n", client: "c", instance: "" };
    const calls: [string, string, object?][] = [
      ["POST", "/verifiers", { boot: `${boot.slice(0, -1)}0`, instance: "x", software: "" }],
      ["GET", "/snapshot"],
      ["GET", "/feed?after=0"],
      ["POST", "/acks", { boot, applied: 1 }],
      ["POST", "/reports", { boot, n: 1, from: 0, to: 1, applied: 1, sightings: [], source }],
      ["POST", "/misses", { sha256: "x".repeat(43) }],
    ];
    for (const [method, path, body] of calls) {
      const { body: answer } = await web.call(method, path, body);
      expect(answer, path).toMatchObject({ code: "reconciling", after: seq, epoch: expect.any(String) });
    }
    await lineage.keyover.refused("reconciling", "POST", "/v1/verify", { api: api.id, key: key.secret });
  });

  test("nothing of its keys is changed, but what refuses more", async () => {
    const { keyover } = lineage;
    await keyover.refused("reconciling", "POST", `/v1/keys/${key.id}/rotations`, {});
    await keyover.refused("reconciling", "POST", `/v1/keys/${key.id}/suspend`, because);
    await keyover.refused("reconciling", "PATCH", `/v1/keys/${key.id}`, { name: "x" });
    const wanted = { api: api.id, consumer: consumer.id, environment: "live", scopes: [] };
    await keyover.refused("reconciling", "POST", "/v1/keys", wanted);
    await kill();
    await revoke(other);
    expect((await shown()).versions[0]).toMatchObject({ state: "retired", compromised: true });
    expect((await shown(other)).status).toBe("revoked");
  });

  test("other apis, and those made since, are served", async () => {
    const second = await lineage.api();
    const fresh = await newKey(second);
    expect(await verified(fresh.secret, second)).toBe("ok");
    await lineage.verifier(second, "second");
  });

  test("the server says so: ready, a gauge, a line each minute", async () => {
    const { keyover } = lineage;
    expect(await keyover.ok("GET", "/readyz")).toEqual({ status: "ready", reconciling: 1 });
    expect((await keyover.call("GET", "/metrics")).text).toContain(
      `keyover_reconciling{api="${api.name}",state="held"} 1`,
    );
    const said = () => keyover.lines.filter((line) => line.includes('"restore.held"')).length;
    await keyover.tick();
    expect(said()).toBe(1);
    await lineage.clock.advance(MINUTE);
    await keyover.tick();
    expect(said()).toBe(2);
    await lineage.reconcile(api, "backup");
    expect(await keyover.ok("GET", "/readyz")).toEqual({ status: "ready" });
    expect((await keyover.call("GET", "/metrics")).text).not.toContain("keyover_reconciling{");
  });

  test("an api that nobody verifies for can be served at once", async () => {
    const lonely = await lineage.api();
    await lineage.restore(lineage.backup());
    expect((await lineage.look(lonely)).unheard).toEqual([]);
    expect((await lineage.look(api)).unheard).toMatchObject([{ instance: "web" }]);
    await lineage.choose(lonely, "backup");
    await lineage.pass(SECOND);
    expect((await lineage.look(lonely)).state).toBe("served");
  });
});

describe("a running rotation", () => {
  test("makes no step while its api is held, however due it is, and goes on afterwards", async () => {
    const { id } = await rotate();
    const image = lineage.backup();
    await lineage.pass(SECOND);
    expect(await phase(id)).toBe("offered");
    web.alive = false;
    await lineage.restore(image);
    for (let i = 0; i < 20; i++) await lineage.pass(SECOND);
    expect(await phase(id)).toBe("propagating");
    expect(lineage.keyover.lines.filter((line) => line.includes("visit_failed"))).toEqual([]);
    web.alive = true;
    await lineage.reconcile(api, "verifiers");
    await lineage.pass(20 * SECOND);
    expect(await phase(id)).toBe("offered");
  });

  test("is not retired by the silence of a time that the backup knows nothing of", async () => {
    web.see(key.id, 1);
    const { id } = await rotate();
    await lineage.pass(SECOND);
    web.see(key.id, 2);
    await lineage.pass(SECOND);
    expect(await phase(id)).toBe("overlapping");
    const image = lineage.backup();
    // The old version is in use all the time; the backup can't know.
    for (let i = 0; i < 6; i++) {
      web.see(key.id, 1);
      await lineage.pass(5 * MINUTE);
    }
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    web.see(key.id, 2);
    await lineage.pass(9 * MINUTE);
    expect(await phase(id)).toBe("overlapping");
    await lineage.pass(2 * HOUR);
    expect(await phase(id)).toBe("retired");
  });

  test("is not retired by a silence from before the backup, either: it may have been used since", async () => {
    web.see(key.id, 1);
    const { id } = await rotate();
    await lineage.pass(SECOND);
    web.see(key.id, 2);
    await lineage.pass(SECOND);
    await post(`/v1/rotations/${id}/pause`, because);
    for (let i = 0; i < 4; i++) await lineage.pass(5 * MINUTE);
    const image = lineage.backup();
    expect((await post(`/v1/rotations/${id}/resume`)).phase).toBe("overlapping");
    await lineage.pass(SECOND);
    expect(await phase(id)).toBe("retired");
    // The same, but that its database is lost first, and no verifier has come back yet.
    web.alive = false;
    await lineage.restore(image);
    await lineage.choose(api, "backup");
    await lineage.pass(SECOND);
    await post(`/v1/rotations/${id}/resume`);
    await lineage.pass(SECOND);
    expect(await phase(id)).toBe("overlapping");
    web.alive = true;
    await lineage.pass(9 * MINUTE);
    expect(await phase(id)).toBe("overlapping");
    await lineage.pass(2 * HOUR);
    expect(await phase(id)).toBe("retired");
  });

  test("offers nothing while a verifier that the backup does not know may still answer", async () => {
    const image = lineage.backup();
    const late = await lineage.verifier(api, "made after the backup");
    late.alive = false;
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    const { id } = await rotate();
    await lineage.pass(3 * SECOND);
    expect(await phase(id)).toBe("propagating");
    await lineage.pass(10 * SECOND);
    expect(await phase(id)).toBe("offered");
  });
});

describe("what was revoked after the backup", () => {
  test.each(["verifiers", "backup"] as const)("stays refused, whether %s are chosen", async (side) => {
    const image = lineage.backup();
    await kill();
    await revoke(other);
    await lineage.pass(SECOND);
    await lineage.restore(image);
    expect(web.states(key.id)).toMatchObject({ 1: "retired!" });
    await web.comeBack();
    expect(await changesOf()).toContain("version 1 was killed");
    expect(await changesOf(other)).toEqual(["key is revoked"]);
    await lineage.reconcile(api, side);
    expect(await verified(key.secret)).toBe("revoked");
    expect(await verified(other.secret)).toBe("revoked");
    expect(web.states(key.id)).toMatchObject({ 1: "retired!" });
    expect(web.states(other.id)).toEqual({ 0: "revoked" });
    const { versions, rotation } = await shown();
    expect(versions[0]).toMatchObject({ state: "retired", compromised: true });
    // Its consumer gets a successor.
    await lineage.pass(12 * SECOND);
    expect(await phase(rotation)).toBe("offered");
  });

  test.each(["verifiers", "backup"] as const)(
    "stays refused once it is destroyed as well, with %s chosen",
    async (side) => {
      const image = lineage.backup();
      const { id } = await kill();
      await lineage.pass(SECOND);
      web.see(key.id, 2);
      for (let i = 0; i < 5; i++) await lineage.pass(HOUR);
      expect(await phase(id)).toBe("completed");
      expect((await shown()).versions[0]).toMatchObject({ state: "destroyed", compromised: true });
      await lineage.restore(image);
      await web.comeBack();
      expect(await changesOf()).toContain("version 1 was killed");
      await lineage.reconcile(api, side);
      expect(await verified(key.secret)).toBe("revoked");
      expect(web.states(key.id)).toMatchObject({ 1: "retired!" });
      expect((await shown()).versions[0]).toMatchObject({ state: "retired", compromised: true });
    },
  );

  test("is accepted again only if somebody says so in so many words", async () => {
    const image = lineage.backup();
    await kill();
    await revoke(other);
    await lineage.pass(SECOND);
    await lineage.restore(image);
    await lineage.reconcile(api, "backup", { revive: true });
    expect([await verified(key.secret), await verified(other.secret)]).toEqual(["ok", "ok"]);
    expect(web.states(key.id)).toEqual({ 1: "active" });
  });

  test("a contained version keeps its fence", async () => {
    const image = lineage.backup();
    const fence = { networks: ["203.0.113.0/24"], scopes: ["market:read"] };
    await post(`/v1/keys/${key.id}/emergency`, { ...because, mode: "contain", fence });
    await lineage.pass(SECOND);
    await lineage.restore(image);
    await lineage.reconcile(api, "backup");
    expect((await shown()).versions[0]).toMatchObject({ compromised: true, fence, state: "active" });
    expect(web.records.get(key.id)?.versions[0]).toMatchObject({ compromised: true, fence });
  });

  test("an operator's kill after the restore stands, whatever verifiers remember of the version", async () => {
    const image = lineage.backup();
    await lineage.keyover.ok("PATCH", `/v1/keys/${key.id}`, { scopes: ["market:read"] });
    await lineage.pass(SECOND);
    await lineage.restore(image);
    await kill();
    await revoke(other);
    await lineage.reconcile(api, "verifiers");
    expect(await verified(key.secret)).toBe("revoked");
    expect(web.states(key.id)).toMatchObject({ 1: "retired!" });
    expect(web.states(other.id)).toEqual({ 0: "revoked" });
    const after = await shown();
    expect(after.scopes).toEqual(["market:read"]);
    await lineage.pass(12 * SECOND);
    expect(await phase(after.rotation)).toBe("offered");
    expect(await lineage.keyover.store.count("sealed", { equals: { key_id: key.id } })).toBe(2);
  });
});

describe("what was made after the backup", () => {
  test("is accepted where verifiers are chosen: keys with their consumers, and versions", async () => {
    const image = lineage.backup();
    const somebody = await lineage.consumer();
    const made = await lineage.keyover.key({ api, consumer: somebody });
    const { id } = await rotate();
    await lineage.pass(SECOND);
    const holder = await lineage.keyover.token("consumer", { consumer: consumer.id });
    const { secret } = await lineage.keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
    web.see(key.id, 2);
    await lineage.pass(SECOND);
    await post(`/v1/rotations/${id}/retire`, because);
    await lineage.pass(SECOND);
    expect(await phase(id)).toBe("retired");

    await lineage.restore(image);
    await web.comeBack();
    expect(await changesOf(made)).toEqual(["made since the backup"]);
    expect(await changesOf()).toEqual([
      "version 1 is retired",
      "version 2 is new, active",
      "version 2 is current",
      `rotation ${id} is retired`,
    ]);
    await lineage.reconcile(api, "verifiers");
    expect([await verified(made.secret), await verified(secret), await verified(key.secret)]).toEqual([
      "ok",
      "ok",
      "retired",
    ]);
    expect(await shown(made)).toMatchObject({
      name: "recovered",
      consumer: somebody.id,
      currentVersion: 1,
      status: "active",
    });
    expect(await lineage.keyover.ok("GET", `/v1/consumers/${somebody.id}`)).toMatchObject({
      name: `recovered ${somebody.id}`,
    });
    expect(web.states(made.id)).toEqual({ 1: "active" });
    // The way back is open for as long as it was before.
    await post(`/v1/rotations/${id}/rollback`, because);
    expect(await verified(key.secret)).toBe("ok");
    const fresh = await rotate(made);
    expect(fresh).toMatchObject({ from: 1, to: 2 });
  });

  test("is refused where the backup is chosen, everywhere", async () => {
    const image = lineage.backup();
    const made = await newKey();
    await lineage.pass(SECOND);
    await lineage.restore(image);
    await lineage.reconcile(api, "backup");
    expect(await verified(made.secret)).toBe("unknown");
    expect(web.states(made.id)).toBeUndefined();
    expect(await verified(key.secret)).toBe("ok");
  });

  test("each key by itself, where something else is said of it", async () => {
    const image = lineage.backup();
    const [kept, dropped] = [await newKey(), await newKey()];
    await lineage.pass(SECOND);
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers", { keys: [{ key: dropped.id, choose: "backup" }] });
    expect([await verified(kept.secret), await verified(dropped.secret)]).toEqual(["ok", "unknown"]);
    expect(web.states(dropped.id)).toBeUndefined();
  });

  test("in an environment that the backup lacks: the operator is told to add it first", async () => {
    const image = lineage.backup();
    await lineage.keyover.ok("PATCH", `/v1/apis/${api.id}`, { addEnvironments: ["stage"] });
    expect(await web.comeBack()).toBe("welcome");
    const made = await lineage.keyover.key({ api, consumer }, { environment: "stage" });
    await lineage.pass(SECOND);
    await lineage.restore(image);
    await web.comeBack();
    const path = `/v1/apis/${api.id}/reconciliation`;
    await lineage.keyover.refused("unknown_environment", "POST", path, { choose: "verifiers", reason: "restored" });
    await lineage.keyover.ok("PATCH", `/v1/apis/${api.id}`, { addEnvironments: ["stage"] });
    await lineage.reconcile(api, "verifiers");
    expect(await verified(made.secret)).toBe("ok");
  });
});

describe("after the reconciliation", () => {
  test("the feed's numbers are beyond all that was heard of, in a new epoch, and change reaches everybody", async () => {
    const image = lineage.backup();
    await lineage.keyover.ok("PATCH", `/v1/keys/${key.id}`, { scopes: ["market:read"] });
    await lineage.pass(SECOND);
    const [before, epoch] = [web.seq, web.epoch];
    expect(epoch).toBe(api.id);
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    expect(web.seq).toBeGreaterThan(before);
    expect(web.epoch).not.toBe(epoch);
    await lineage.keyover.ok("PATCH", `/v1/keys/${key.id}`, { scopes: [] });
    await lineage.pass(SECOND);
    expect(web.records.get(key.id)?.scopes).toEqual([]);
    expect((await web.call("GET", `/feed?after=${before}`)).body.code).toBe("feed_compacted");
    const entries = await lineage.keyover.store.audit(0, 10_000);
    expect(verifyChain(chainStart, entries)).toMatchObject({ seq: entries.length });
    const actions = entries.map(({ action }) => action).filter((action) => /restore|reconcile/.test(action));
    expect(actions).toEqual([
      "database.restored",
      "restore.heard",
      "restore.remembered",
      "restore.chosen",
      "restore.let_go",
      "key.reconciled",
      "restore.reconciled",
    ]);
  });

  test("a second restore of the same backup is held again, and compared with what verifiers remember of both lives", async () => {
    const image = lineage.backup();
    await revoke(other);
    await lineage.pass(SECOND);
    await lineage.restore(image);
    await lineage.reconcile(api, "verifiers");
    const made = await newKey();
    await lineage.pass(SECOND);
    await lineage.restore(image);
    expect((await lineage.look(api)).state).toBe("held");
    await lineage.reconcile(api, "verifiers");
    expect([await verified(made.secret), await verified(other.secret)]).toEqual(["ok", "revoked"]);
  });

  test("two apis are held and reconciled each for itself", async () => {
    const second = await lineage.api();
    const [held, free] = [await newKey(second), await newKey(second)];
    const gateway = await lineage.verifier(second, "gateway");
    const image = lineage.backup();
    await revoke(held);
    await revoke(other);
    await lineage.pass(SECOND);
    await lineage.restore(image);
    await lineage.reconcile(second, "verifiers");
    expect([await verified(held.secret, second), await verified(free.secret, second)]).toEqual(["revoked", "ok"]);
    expect((await lineage.look(api)).state).toBe("held");
    expect(await web.comeBack()).toBe("reconciling");
    expect(gateway.states(held.id)).toEqual({ 0: "revoked" });
    await lineage.reconcile(api, "verifiers");
    expect(await verified(other.secret)).toBe("revoked");
  });

  test("the choice is refused if verifiers have told more since the operator looked", async () => {
    const image = lineage.backup();
    await revoke(other);
    await lineage.pass(SECOND);
    await lineage.restore(image);
    const { seen } = await lineage.look(api);
    await web.comeBack();
    const path = `/v1/apis/${api.id}/reconciliation`;
    await lineage.keyover.refused("conflict", "POST", path, { choose: "backup", reason: "restored", seen });
    await lineage.choose(api, "verifiers", { seen: (await lineage.look(api)).seen });
  });
});
