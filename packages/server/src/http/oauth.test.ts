/** RFC 7009 at the authority: a key is ended by its text. */
import { makeKeyText } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, type Options, random, SECOND, TestAuthority, TestClock } from "../authority.test-support.ts";
import { openScene } from "../restore/scene.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import { type Store, StoreUnavailableError } from "../store/store.ts";
import type { ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
let verifier: ScriptedVerifier;
async function begin(options: Options = {}): Promise<void> {
  keyover = await TestAuthority.start(options);
  api = await keyover.api();
  consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  verifier = await keyover.verifier(api);
  verifier.see(key.id, 1);
  await keyover.pass(SECOND);
}
beforeEach(() => begin());
afterEach(() => keyover.close());

const FORM = "application/x-www-form-urlencoded";
const post = (body: string, { token = "", headers = {} }: { token?: string; headers?: Record<string, string> } = {}) =>
  keyover.call("POST", "/v1/oauth/revoke", body, { token, headers: { "content-type": FORM, ...headers } });
const revoke = (text: string, options?: Parameters<typeof post>[1]) =>
  post(new URLSearchParams({ token: text, token_type_hint: "access_token" }).toString(), options);
const versions = async () =>
  (await keyover.ok("GET", `/v1/keys/${key.id}`)).versions.map(({ number, state, compromised }: Answer["body"]) => [
    number,
    state,
    compromised,
  ]);
const code = async (secret: string) => (await keyover.ok("POST", "/v1/verify", { api: api.id, key: secret })).code;
const trail = async (action: string) =>
  (await keyover.ok("GET", "/v1/audit?limit=500")).items.filter((entry: Answer["body"]) => entry.action === action);

describe("whoever has the text ends the version", () => {
  test.each([
    ["nothing but the text", () => ({})],
    ["the key itself as the bearer", () => ({ token: key.secret })],
    [
      "the key itself as the password of Basic",
      () => ({ headers: { authorization: `Basic ${btoa(`me:${key.secret}`)}` } }),
    ],
    // Its networks would refuse it there: that it is elsewhere is what is reported.
    ["from another network", () => ({ headers: { "x-forwarded-for": "203.0.113.200" } })],
  ])("with %s", async (_what, how) => {
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { networks: ["192.0.2.0/24"] });
    const answer = await revoke(key.secret, how());
    expect([answer.status, answer.text, answer.headers["cache-control"]]).toEqual([200, "", "no-store"]);
    expect(await versions()).toEqual([
      [1, "retired", true],
      [2, "pending", false],
    ]);
    expect(await code(key.secret)).toBe("revoked");
    const [entry, ...more] = await trail("key.compromised");
    expect([entry.actor, more]).toEqual([key.id, []]);
    expect(JSON.stringify(entry)).toContain("revoked by its holder (RFC 7009)");
  });

  test("the consumer's token takes the successor as ever; the killed version does not", async () => {
    const holder = await keyover.token("consumer", { consumer: consumer.id });
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { policy: { claim: "self" } });
    await revoke(key.secret);
    await keyover.pass(SECOND);
    const { rotationId: id } = (await keyover.store.get("key", key.id))?.value ?? expect.fail();
    await keyover.refused("unauthenticated", "POST", `/v1/rotations/${id}/claim`, undefined, { token: key.secret });
    const { secret } = await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
    expect(await code(secret)).toBe("ok");
  });

  test("in a rotation it is the one version, and the other goes on", async () => {
    const rotation = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
    await keyover.pass(SECOND);
    const holder = await keyover.token("consumer", { consumer: consumer.id });
    const { secret } = await keyover.ok("POST", `/v1/rotations/${rotation.id}/claim`, undefined, { token: holder });
    verifier.see(key.id, 2);
    await keyover.pass(SECOND);
    await revoke(key.secret);
    expect([await code(key.secret), await code(secret)]).toEqual(["revoked", "ok"]);
    expect((await versions())[0]).toMatchObject([1, expect.any(String), true]);
    // The successor is ended by its own text: a third takes its place.
    await revoke(secret);
    expect(await code(secret)).toBe("revoked");
    expect((await versions()).filter(([, state]: string[]) => state === "pending")).toHaveLength(1);
  });
});

describe("with a token", () => {
  test.each(["admin", "operator"])("of an %s, whosever key it is; the audit log names the token", async (role) => {
    const token = await keyover.token(role);
    expect((await revoke(key.secret, { token })).status).toBe(200);
    expect(await code(key.secret)).toBe("revoked");
    const [entry] = await trail("key.compromised");
    expect(entry.actor).toMatch(/^tok_/);
    expect(JSON.stringify(entry)).toContain("revoked with a token (RFC 7009)");
  });

  test("of a consumer, its own keys alone; also as the password of Basic", async () => {
    const stranger = await keyover.token("consumer", { consumer: (await keyover.consumer()).id });
    for (const token of [
      stranger,
      await keyover.token("auditor"),
      await keyover.token("verifier", { apis: [api.id] }),
    ]) {
      const answer = await revoke(key.secret, { token });
      expect([answer.status, answer.body.error]).toEqual([403, "unauthorized_client"]);
    }
    expect(await code(key.secret)).toBe("ok");
    const holder = await keyover.token("consumer", { consumer: consumer.id });
    const authorization = `Basic ${btoa(`any:${holder}`)}`;
    expect((await revoke(key.secret, { headers: { authorization } })).status).toBe(200);
    expect(await code(key.secret)).toBe("revoked");
  });

  test("that is unknown or revoked: 401, and nothing is done", async () => {
    const unknown = makeKeyText("kot", "admin", random);
    for (const authorization of [
      `Bearer ${unknown}`,
      "Bearer",
      `Basic ${btoa(`a:${unknown}`)}`,
      `Bearer ${key.secret}x`,
    ]) {
      const answer = await revoke(key.secret, { headers: { authorization } });
      expect([answer.status, answer.body.error]).toEqual([401, "invalid_client"]);
      expect(answer.headers["www-authenticate"]).toContain("Bearer");
    }
    expect(await code(key.secret)).toBe("ok");
  });
});

describe("200 where there is nothing to end, and nothing is written", () => {
  test("unknown, malformed, ended by its text, by an operator, revoked with its key", async () => {
    const other = await keyover.key({ api, consumer });
    await keyover.ok("POST", `/v1/keys/${other.id}/revoke`, { reason: "x" });
    await revoke(key.secret);
    const before = await keyover.entries();
    const { text: first } = await revoke(key.secret);
    for (const text of [key.secret, other.secret, makeKeyText("mkt", "live", random), "nonsense", "x".repeat(20_000)]) {
      const answer = await revoke(text);
      expect([answer.status, answer.text]).toEqual([200, first]);
    }
    expect(await keyover.entries()).toBe(before);
  });

  test("a version that a rollback could bring back is none of these", async () => {
    const rotation = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
    await keyover.pass(SECOND);
    const holder = await keyover.token("consumer", { consumer: consumer.id });
    await keyover.ok("POST", `/v1/rotations/${rotation.id}/claim`, undefined, { token: holder });
    verifier.see(key.id, 2);
    await keyover.pass(SECOND);
    await keyover.ok("POST", `/v1/rotations/${rotation.id}/retire`, { reason: "x" });
    expect((await versions())[0]).toEqual([1, "retired", false]);
    await revoke(key.secret);
    expect((await versions())[0]).toEqual([1, "retired", true]);
  });

  test("many at once: one does it", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => revoke(key.secret)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(await trail("key.compromised")).toHaveLength(1);
  });
});

describe("503 where it can't be done now", () => {
  test("the database is away", async () => {
    await keyover.close();
    const clock = new TestClock();
    const store = openMemoryStore({ now: () => clock.at });
    let away = false;
    const failing: Store = {
      ...store,
      commit: (batch) => (away ? Promise.reject(new StoreUnavailableError("away")) : store.commit(batch)),
    };
    await begin({ clock, store: failing });
    away = true;
    const answer = await revoke(key.secret);
    expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "1"]);
    away = false;
    expect((await revoke(key.secret)).status).toBe(200);
    expect(await code(key.secret)).toBe("revoked");
  });

  test("others change the key all the time", async () => {
    await keyover.close();
    const clock = new TestClock();
    const store = openMemoryStore({ now: () => clock.at });
    let busy = false;
    const failing: Store = {
      ...store,
      commit: async (batch) => (busy ? { ok: false, conflict: "row" } : store.commit(batch)),
    };
    await begin({ clock, store: failing });
    busy = true;
    const answer = await revoke(key.secret);
    expect([answer.status, answer.headers["retry-after"], answer.body.code]).toEqual([503, "1", "storage_unavailable"]);
  });

  test("a restored database may lack what was issued after its backup; what it has is ended", async () => {
    const scene = await openScene();
    const { lineage } = scene;
    await lineage.pass(SECOND);
    await lineage.restore(lineage.backup());
    const ask = (text: string) =>
      lineage.keyover.call("POST", "/v1/oauth/revoke", `token=${text}`, {
        token: "",
        headers: { "content-type": FORM },
      });
    const lost = await ask(makeKeyText(scene.api.prefix, "live", random));
    expect([lost.status, lost.headers["retry-after"], lost.body.code]).toEqual([503, "1", "reconciling"]);
    expect((await ask("nonsense")).status).toBe(200);
    expect((await ask(scene.key.secret)).status).toBe(200);
    const [version] = (await lineage.keyover.ok("GET", `/v1/keys/${scene.key.id}`)).versions;
    expect(version).toMatchObject({ state: "retired", compromised: true });
    lineage.keyover.die();
  });
});

describe("what is no question", () => {
  test.each([
    ["", 400],
    ["token=", 400],
    ["token_type_hint=access_token", 400],
    ["token=a&token=b", 400],
    ["token=%zz", 400],
    [`token=${"x".repeat(20_001)}`, 400],
    [`token=${"x".repeat(70_000)}`, 413],
  ])("%.40s: %i invalid_request", async (body, status) => {
    const answer = await post(body);
    expect([answer.status, answer.body.error, answer.headers["content-type"]]).toEqual([
      status,
      "invalid_request",
      "application/json",
    ]);
    expect(answer.body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
  });

  test("JSON; and a form anywhere else", async () => {
    const asJson = await post(JSON.stringify({ token: key.secret }), {
      headers: { "content-type": "application/json" },
    });
    expect([asJson.status, asJson.body.error]).toEqual([400, "invalid_request"]);
    await keyover.refused("unsupported_media_type", "POST", "/v1/verify", "api=x&key=y", {
      headers: { "content-type": FORM },
    });
    expect(await code(key.secret)).toBe("ok");
  });

  test("a token of the authority itself is of another kind", async () => {
    const token = await keyover.token("operator");
    const answer = await revoke(token, { token });
    expect([answer.status, answer.body.error]).toEqual([400, "unsupported_token_type"]);
    await keyover.ok("GET", "/v1/apis", undefined, { token });
  });
});
