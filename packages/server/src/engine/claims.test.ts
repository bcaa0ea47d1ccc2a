import { sha256Text } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import { bot, type ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
let holder: string;
let verifier: ScriptedVerifier;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  holder = await keyover.token("consumer", { consumer: consumer.id });
  verifier = await keyover.verifier(api);
});
afterEach(() => keyover.close());

const because = { reason: "leaked" };
async function offered(body: Record<string, unknown> = {}): Promise<string> {
  const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, body);
  await keyover.pass(SECOND);
  return id;
}
const claimWith = (id: string, token: string, ip?: string) =>
  keyover.call("POST", `/v1/rotations/${id}/claim`, undefined, { token, ip });
const refusedTo = (code: string, id: string, token: string, ip?: string) =>
  keyover.refused(code, "POST", `/v1/rotations/${id}/claim`, undefined, { token, ip });
const sealedOf = (id: string) => keyover.store.count("sealed", { equals: { rotation_id: id } });
const selfClaim = { policy: { claim: "self" } };

describe("the successor's secret", () => {
  test("is the same at each claim, by any token of the consumer, and works", async () => {
    const id = await offered();
    const other = await keyover.token("consumer", { consumer: consumer.id });
    const first = await claimWith(id, holder);
    expect(first.headers["cache-control"]).toBe("no-store");
    const entries = await keyover.entries();
    for (const token of [holder, other, holder]) {
      expect((await claimWith(id, token)).body).toEqual(first.body);
    }
    expect(await keyover.entries(), "each handing out is on record").toBe(entries + 3);
    expect(first.body.secret).not.toBe(key.secret);
    const ask = { api: api.id, key: first.body.secret, scope: "market:read" };
    expect(await keyover.ok("POST", "/v1/verify", ask)).toMatchObject({ valid: true, version: 2 });
  });

  test("claims at once get one and the same", async () => {
    const id = await offered();
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => claimWith(id, holder)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(new Set(answers.map(({ body }) => body.secret)).size).toBe(1);
  });

  test("is not there for anybody else: to them there is no such rotation", async () => {
    const id = await offered();
    const stranger = await keyover.consumer();
    await refusedTo("not_found", id, await keyover.token("consumer", { consumer: stranger.id }));
    const theirs = await keyover.key({ api, consumer: stranger });
    await refusedTo("not_found", id, theirs.secret);
    const sibling = await keyover.key({ api, consumer }, selfClaim);
    await refusedTo("not_found", id, sibling.secret);
    for (const role of ["operator", "auditor"]) await refusedTo("forbidden", id, await keyover.token(role));
    await refusedTo("forbidden", id, verifier.token);
    await refusedTo("unauthenticated", id, "");
    await refusedTo("unauthenticated", id, `${key.secret.slice(0, -1)}${key.secret.endsWith("x") ? "y" : "x"}`);
  });

  test("stays while it is only claimed and confirmed, and is erased by its first use", async () => {
    const id = await offered();
    await claimWith(id, holder);
    await keyover.ok("POST", `/v1/rotations/${id}/confirm`, { version: 2 }, { token: holder });
    await keyover.pass(MINUTE);
    expect(await sealedOf(id)).toBe(1);
    expect((await claimWith(id, holder)).status).toBe(200);
    verifier.see(key.id, 2);
    await keyover.pass(SECOND);
    expect(await sealedOf(id)).toBe(0);
    await refusedTo("claim_ended", id, holder);
  });

  test("is erased at the end of its claim time", async () => {
    const id = await offered();
    await keyover.pass(2 * HOUR - MINUTE);
    expect(await sealedOf(id)).toBe(1);
    await keyover.pass(2 * MINUTE);
    expect(await sealedOf(id)).toBe(0);
    await refusedTo("claim_ended", id, holder);
  });
});

/** The longest time between two looks at the rotation (`http/routes/holder.ts`). */
const LOOK_AGAIN_MS = 200;

test("who asks with a killed version is answered when the successor is offered, or after two seconds", async () => {
  await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { ...because, mode: "kill", version: 1 });
  const ask = () => keyover.ok("POST", "/v1/changeover", { sha256: sha256Text(key.secret) }, { token: holder });
  let first: Answer["body"];
  void ask().then((body) => {
    first = body;
  });
  await keyover.clock.advance(500);
  expect(first).toBeUndefined();
  await keyover.clock.advance(2 * SECOND);
  expect(first).toMatchObject({ rotation: null });
  const second = ask();
  await keyover.pass(SECOND);
  await keyover.pass(LOOK_AGAIN_MS);
  expect(await second).toMatchObject({ version: 1, target: 2, rotation: { phase: "offered", claimable: true } });
});

describe("the old version asks for its successor itself", () => {
  test("not by default: whoever stole it must not take the successor, nor say that it is held", async () => {
    const id = await offered();
    await refusedTo("claim_not_allowed", id, key.secret);
    await keyover.refused(
      "claim_not_allowed",
      "POST",
      `/v1/rotations/${id}/confirm`,
      { version: 2 },
      { token: key.secret },
    );
    const changeover = await keyover.ok("POST", "/v1/changeover", {}, { token: key.secret });
    expect(changeover).toMatchObject({ version: 1, target: 2, rotation: { id, claimable: false } });
    const { secret } = (await claimWith(id, holder)).body;
    await keyover.ok("POST", `/v1/rotations/${id}/confirm`, { version: 2 }, { token: secret });
    expect((await keyover.ok("GET", `/v1/rotations/${id}`)).phase).toBe("overlapping");
  });

  test("where the key's policy lets it; a later change of policy does not reach the running rotation", async () => {
    const id = await offered(selfClaim);
    expect((await claimWith(id, key.secret)).body).toMatchObject({ version: 2, key: key.id });
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { policy: { claim: "token" } });
    expect((await claimWith(id, key.secret)).status).toBe(200);
    expect((await keyover.ok("POST", "/v1/changeover", {}, { token: key.secret })).rotation.claimable).toBe(true);
  });

  test("never once it is marked compromised, though fenced and accepted", async () => {
    const id = await offered(selfClaim);
    verifier.see(key.id, 1, { source: { ...bot, network: "127.0.0.0/24" } });
    await keyover.pass(SECOND);
    await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { ...because, mode: "contain", version: 1 });
    await keyover.pass(SECOND);
    const ask = { api: api.id, key: key.secret, network: "127.0.0.1" };
    expect(await keyover.ok("POST", "/v1/verify", ask)).toMatchObject({ valid: true });
    await refusedTo("unauthenticated", id, key.secret);
    await keyover.refused("unauthenticated", "POST", "/v1/changeover", {}, { token: key.secret });
    expect((await claimWith(id, holder)).status).toBe(200);
  });

  test.each<[string, () => Promise<unknown>]>([
    ["suspended", () => keyover.ok("POST", `/v1/keys/${key.id}/suspend`, because)],
    ["revoked", () => keyover.ok("POST", `/v1/keys/${key.id}/revoke`, because)],
    ["killed", () => keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { ...because, mode: "kill", version: 1 })],
    ["expired", () => keyover.ok("PATCH", `/v1/keys/${key.id}`, { expiresAt: keyover.now() })],
  ])("never once it is %s", async (_how, end) => {
    const id = await offered(selfClaim);
    await end();
    await refusedTo("unauthenticated", id, key.secret);
  });

  test("never from a network that the key is not accepted from", async () => {
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { networks: ["203.0.113.0/24"] });
    const id = await offered(selfClaim);
    await refusedTo("unauthenticated", id, key.secret, "198.51.100.7");
    expect((await claimWith(id, key.secret, "203.0.113.7")).status).toBe(200);
  });

  test("a consumer can't turn it on for itself by starting the rotation", async () => {
    const own = { token: holder };
    await keyover.refused("forbidden", "POST", `/v1/keys/${key.id}/rotations`, selfClaim, own);
    await keyover.refused("forbidden", "PATCH", `/v1/keys/${key.id}`, selfClaim, own);
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {}, own);
  });

  test("nor plan one for later: while it waits, schedules, campaigns and idleness would pass the key over", async () => {
    const later = { startsAt: keyover.now() + HOUR };
    await keyover.refused("forbidden", "POST", `/v1/keys/${key.id}/rotations`, later, { token: holder });
    const now = { startsAt: keyover.now() };
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, now, { token: holder });
  });
});

describe("a key's first secret", () => {
  const wanted = () => ({ api: api.id, consumer: consumer.id, environment: "live", scopes: ["market:read"] });
  const create = (idempotencyKey: string) => keyover.call("POST", "/v1/keys", wanted(), { idempotencyKey });

  test("comes again with the same Idempotency-Key until it has been used; then it is gone", async () => {
    const first = await create("k1");
    expect(first.status).toBe(201);
    expect(await create("k1")).toMatchObject({
      status: 201,
      body: first.body,
      headers: { "idempotency-replayed": "true" },
    });
    verifier.see(first.body.id, 1);
    await keyover.pass(SECOND);
    expect((await create("k1")).body).toEqual({ ...first.body, secret: null });
    const { items } = await keyover.ok("GET", `/v1/audit?subject=${first.body.id}`);
    expect(items.map(({ action }: { action: string }) => action)).toEqual(["key.created", "secret.erased"]);
  });

  test("a refused use does not erase it", async () => {
    const first = await create("k1");
    verifier.see(first.body.id, 1, { accepted: 0, refused: 1 });
    await keyover.pass(SECOND);
    expect((await create("k1")).body.secret).toBe(first.body.secret);
  });

  test("is forgotten when its claim time ends, by the sweep", async () => {
    const first = await create("k1");
    await keyover.pass(2 * HOUR - MINUTE);
    expect((await create("k1")).body.secret).toBe(first.body.secret);
    await keyover.pass(2 * MINUTE);
    expect((await create("k1")).body.secret).toBeNull();
    expect(await keyover.store.count("sealed", { equals: { key_id: first.body.id } })).toBe(0);
    const { items } = await keyover.ok("GET", `/v1/audit?subject=${first.body.id}`);
    expect(items.at(-1)).toMatchObject({ action: "secret.expired", actor: "system" });
  });

  test("a consumer's own is never held", async () => {
    const own = await keyover.ok("POST", "/v1/keys", { ...wanted(), sha256: sha256Text("my own") });
    expect(own.secret).toBeNull();
    await keyover.refused("name_taken", "POST", "/v1/keys", { ...wanted(), sha256: sha256Text("my own") });
  });
});

test("a token's secret comes again for an hour, and not once the token is revoked", async () => {
  const create = (idempotencyKey: string) =>
    keyover.call("POST", "/v1/tokens", { name: "ops", role: "operator" }, { idempotencyKey });
  const first = await create("t1");
  expect((await create("t1")).body).toEqual(first.body);
  await keyover.pass(HOUR + 2 * MINUTE);
  expect((await create("t1")).body).toEqual({ ...first.body, secret: null });
  const second = await create("t2");
  await keyover.ok("POST", `/v1/tokens/${second.body.id}/revoke`);
  expect((await create("t2")).body.secret).toBeNull();
});
