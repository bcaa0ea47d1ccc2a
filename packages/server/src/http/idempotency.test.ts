import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, HOUR, SECOND, TestAuthority } from "../authority.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let names = 0;
beforeAll(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
});
afterAll(() => keyover.close());

const newKey = () => ({ api: api.id, environment: "live", consumer: consumer.id, scopes: ["market:read"] });
const someKey = async () => (await keyover.key({ api, consumer })).id as string;
const started = async () => (await keyover.ok("POST", `/v1/keys/${await someKey()}/rotations`, {})).id as string;
const offered = async () => {
  const id = await started();
  await keyover.pass(SECOND);
  return id;
};
const because = { reason: "r" };

/** Each write: what makes its path and body. */
const writes: [name: string, call: () => Promise<[method: string, path: string, body: unknown]>][] = [
  ["an api", async () => ["POST", "/v1/apis", { name: `a${++names}`, prefix: `ap${names}`, scopes: ["x"] }]],
  ["an api's change", async () => ["PATCH", `/v1/apis/${api.id}`, { addScopes: [`s${++names}`] }]],
  ["a consumer", async () => ["POST", "/v1/consumers", { name: `c${++names}` }]],
  ["a consumer's change", async () => ["PATCH", `/v1/consumers/${consumer.id}`, { notes: `${++names}` }]],
  ["a key", async () => ["POST", "/v1/keys", newKey()]],
  ["a key's change", async () => ["PATCH", `/v1/keys/${await someKey()}`, { notes: "n" }]],
  ["a suspension", async () => ["POST", `/v1/keys/${await someKey()}/suspend`, because]],
  ["a revocation", async () => ["POST", `/v1/keys/${await someKey()}/revoke`, because]],
  ["a rotation", async () => ["POST", `/v1/keys/${await someKey()}/rotations`, {}]],
  ["an emergency", async () => ["POST", `/v1/keys/${await someKey()}/emergency`, { ...because, mode: "kill" }]],
  ["a deadline", async () => ["POST", `/v1/rotations/${await offered()}/deadline`, { byMs: HOUR }]],
  ["a retirement", async () => ["POST", `/v1/rotations/${await offered()}/retire`, because]],
  ["a rollback", async () => ["POST", `/v1/rotations/${await offered()}/rollback`, because]],
  ["a cancellation", async () => ["POST", `/v1/rotations/${await started()}/cancel`, {}]],
  ["a token", async () => ["POST", "/v1/tokens", { name: "t", role: "auditor" }]],
  [
    "a token's revocation",
    async () => [
      "POST",
      `/v1/tokens/${(await keyover.ok("POST", "/v1/tokens", { name: "t", role: "auditor" })).id}/revoke`,
      {},
    ],
  ],
];

describe.each(writes)("%s", (name, make) => {
  test("asked for again with the same Idempotency-Key is answered the same, and done once", async () => {
    const [method, path, body] = await make();
    const ask = () => keyover.call(method, path, body, { idempotencyKey: `again ${name}`.replaceAll(" ", "-") });
    const first = await ask();
    expect(first.status, first.text).toBeLessThan(300);
    expect(first.headers["idempotency-replayed"]).toBeUndefined();
    await keyover.pass(SECOND);
    const entries = await keyover.entries();
    const second = await ask();
    expect(second).toMatchObject({
      status: first.status,
      body: first.body,
      headers: { "idempotency-replayed": "true" },
    });
    expect(await keyover.entries()).toBe(entries);
  });

  test("asked for many times at once is done once", async () => {
    const [method, path, body] = await make();
    await keyover.pass(SECOND);
    const before = await keyover.entries();
    const idempotencyKey = `race-${name}`.replaceAll(" ", "-");
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => keyover.call(method, path, body, { idempotencyKey })),
    );
    for (const { status, body: answered } of answers) {
      expect(status).toBeLessThan(300);
      expect(answered).toEqual(answers[0]?.body);
    }
    const own = (await keyover.store.audit(before, 100)).filter(({ actor }) => actor.startsWith("tok_"));
    expect(new Set(own.map(({ action }) => action)).size, "each action once").toBe(own.length);
    const later = await keyover.call(method, path, body, { idempotencyKey });
    expect(later.body).toEqual(answers[0]?.body);
  });
});

test("the same Idempotency-Key with another body, path or method is refused", async () => {
  const idempotencyKey = "one";
  await keyover.ok("POST", "/v1/consumers", { name: "once" }, { idempotencyKey });
  await keyover.refused("idempotency_mismatch", "POST", "/v1/consumers", { name: "twice" }, { idempotencyKey });
  await keyover.refused(
    "idempotency_mismatch",
    "POST",
    "/v1/tokens",
    { name: "once", role: "admin" },
    { idempotencyKey },
  );
  await keyover.refused(
    "idempotency_mismatch",
    "PATCH",
    `/v1/consumers/${consumer.id}`,
    { name: "once" },
    { idempotencyKey },
  );
});

test("it belongs to the token that sent it", async () => {
  const token = await keyover.token("operator");
  const first = await keyover.ok("POST", "/v1/consumers", { name: "ours" }, { idempotencyKey: "shared" });
  const second = await keyover.ok("POST", "/v1/consumers", { name: "theirs" }, { idempotencyKey: "shared", token });
  expect(second.id).not.toBe(first.id);
});

test("a refused request is not remembered: mended, it may be sent under the same key", async () => {
  const idempotencyKey = "mended";
  await keyover.refused("not_found", "POST", "/v1/keys", { ...newKey(), consumer: "con_none" }, { idempotencyKey });
  await keyover.ok("POST", "/v1/keys", newKey(), { idempotencyKey });
});

test("a key that is no visible ASCII, or too long, is refused", async () => {
  for (const idempotencyKey of ["", "with space", "x".repeat(201), "ü"]) {
    const headers = { "idempotency-key": idempotencyKey };
    await keyover.refused("invalid_request", "POST", "/v1/consumers", { name: "n" }, { headers });
  }
});

test("after a restart it still replays; after two days it is forgotten", async () => {
  const ask = () => keyover.call("POST", "/v1/consumers", { name: "kept" }, { idempotencyKey: "kept" });
  const first = await ask();
  await keyover.crash();
  expect((await ask()).body).toEqual(first.body);
  await keyover.pass(49 * HOUR);
  expect((await ask()).body.code).toBe("name_taken");
});

test("the order of members makes no other request", async () => {
  const ask = (body: string) => keyover.call("POST", "/v1/consumers", body, { idempotencyKey: "order" });
  const first = await ask('{"name":"ordered","notes":"n"}');
  expect((await ask('{ "notes": "n", "name": "ordered" }')).body).toEqual(first.body);
});
