/** Who may call what: a table of every route, held equal to the routes that there are, tried by every role. */
import { makeKeyText } from "@keyover/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, DAY, random, SECOND, TestAuthority } from "../authority.test-support.ts";
import { type Role, roles } from "../store/entities.ts";

type Caller = Role | "key" | "nobody";
const callers: Caller[] = [...roles, "key", "nobody"];

const everybody = callers;
const read: Caller[] = ["admin", "operator", "auditor"];
const readOwn: Caller[] = [...read, "consumer"];
const operate: Caller[] = ["admin", "operator"];
const operateOwn: Caller[] = [...operate, "consumer"];
const hold: Caller[] = ["consumer", "key"];

const table: Record<string, Caller[]> = {
  "POST /v1/apis": ["admin"],
  "GET /v1/apis": read,
  "GET /v1/apis/{api}": read,
  "PATCH /v1/apis/{api}": ["admin"],
  "GET /v1/apis/{api}/plans": read,
  "POST /v1/apis/{api}/plans": operate,
  "GET /v1/apis/{api}/plans/{plan}": read,
  "PATCH /v1/apis/{api}/plans/{plan}": operate,
  "DELETE /v1/apis/{api}/plans/{plan}": operate,
  "POST /v1/consumers": operate,
  "GET /v1/consumers": read,
  "GET /v1/consumers/{consumer}": readOwn,
  "PATCH /v1/consumers/{consumer}": operate,
  "POST /v1/keys": operate,
  "GET /v1/keys": readOwn,
  "GET /v1/keys/{key}": readOwn,
  "PATCH /v1/keys/{key}": operate,
  "POST /v1/keys/{key}/suspend": operate,
  "POST /v1/keys/{key}/restore": operate,
  "POST /v1/keys/{key}/revoke": operate,
  "GET /v1/keys/{key}/usage": readOwn,
  "POST /v1/keys/{key}/rotations": operateOwn,
  "POST /v1/keys/{key}/emergency": operate,
  "GET /v1/rotations": readOwn,
  "GET /v1/rotations/{rotation}": readOwn,
  "GET /v1/rotations/{rotation}/evidence": readOwn,
  "POST /v1/rotations/{rotation}/deadline": operate,
  "POST /v1/rotations/{rotation}/retire": operate,
  "POST /v1/rotations/{rotation}/rollback": operate,
  "POST /v1/rotations/{rotation}/brownout": operate,
  "POST /v1/rotations/{rotation}/brownout/end": operate,
  "POST /v1/rotations/{rotation}/fence/lift": operate,
  "POST /v1/rotations/{rotation}/pause": operate,
  "POST /v1/rotations/{rotation}/resume": operate,
  "POST /v1/rotations/{rotation}/extend": hold,
  "POST /v1/rotations/{rotation}/cancel": operate,
  "POST /v1/campaigns": operate,
  "POST /v1/emergencies": operate,
  "GET /v1/campaigns": read,
  "GET /v1/campaigns/{campaign}": read,
  "GET /v1/campaigns/{campaign}/items": read,
  "GET /v1/campaigns/{campaign}/report": read,
  "POST /v1/campaigns/{campaign}/pause": operate,
  "POST /v1/campaigns/{campaign}/resume": operate,
  "POST /v1/campaigns/{campaign}/continue": operate,
  "POST /v1/campaigns/{campaign}/abort": operate,
  "POST /v1/campaigns/{campaign}/rollback-wave": operate,
  "POST /v1/rotations/{rotation}/claim": hold,
  "POST /v1/rotations/{rotation}/confirm": hold,
  "POST /v1/changeover": hold,
  "GET /v1/self/rotation": ["key"],
  "GET /v1/self/limits": ["key"],
  "GET /v1/self/usage": ["key"],
  "POST /v1/oauth/revoke": everybody,
  "PUT /v1/policies/{policy}": ["admin"],
  "GET /v1/policies": read,
  "GET /v1/policies/{policy}": read,
  "GET /v1/policies/{policy}/versions": read,
  "DELETE /v1/policies/{policy}": ["admin"],
  "POST /v1/policies/{policy}/attachments": ["admin"],
  "DELETE /v1/attachments/{attachment}": ["admin"],
  "GET /v1/keys/{key}/policy": readOwn,
  "GET /v1/policy-schema": everybody,
  "POST /v1/channels": operate,
  "GET /v1/channels": readOwn,
  "GET /v1/channels/{channel}": readOwn,
  "PATCH /v1/channels/{channel}": operate,
  "DELETE /v1/channels/{channel}": operate,
  "POST /v1/channels/{channel}/test": operate,
  "POST /v1/channels/{channel}/rotate-secret": operate,
  "POST /v1/channels/{channel}/end-old-secret": operate,
  "GET /v1/notices": readOwn,
  "GET /v1/notices/{notice}": readOwn,
  "POST /v1/notices/{notice}/resend": operate,
  "POST /v1/notices/{notice}/acknowledge": operateOwn,
  "POST /v1/tokens": ["admin"],
  "GET /v1/tokens": ["admin"],
  "PATCH /v1/tokens/{token}": ["admin"],
  "POST /v1/tokens/{token}/revoke": ["admin"],
  "GET /v1/custodians/{who}": read,
  "POST /v1/custodians/{who}/offboard": ["admin"],
  "POST /v1/apis/{api}/verifiers": ["verifier"],
  "GET /v1/apis/{api}/verifiers": read,
  "DELETE /v1/apis/{api}/verifiers/{boot}": operate,
  "GET /v1/apis/{api}/snapshot": ["verifier"],
  "GET /v1/apis/{api}/feed": ["verifier"],
  "POST /v1/apis/{api}/acks": ["verifier"],
  "POST /v1/apis/{api}/reports": ["verifier"],
  "POST /v1/apis/{api}/misses": ["verifier"],
  "POST /v1/apis/{api}/remembered": ["verifier"],
  "GET /v1/apis/{api}/reconciliation": read,
  "GET /v1/apis/{api}/reconciliation/keys": read,
  "POST /v1/apis/{api}/reconciliation": operate,
  "POST /v1/verify": ["admin", "verifier"],
  "GET /v1/audit": read,
  "GET /healthz": everybody,
  "GET /readyz": everybody,
  "GET /metrics": read,
  "GET /openapi.json": everybody,
};

let keyover: TestAuthority;
let api: Answer["body"];
let mine: { consumer: Answer["body"]; key: Answer["body"] };
let theirs: { consumer: Answer["body"]; key: Answer["body"] };
const tokens: Partial<Record<Caller, string>> = {};

beforeAll(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  const consumers = [await keyover.consumer(), await keyover.consumer()];
  const [one, two] = await Promise.all(
    consumers.map(async (consumer) => ({ consumer, key: await keyover.key({ api, consumer }) })),
  );
  mine = one ?? expect.fail();
  theirs = two ?? expect.fail();
  for (const role of roles) {
    tokens[role] = await keyover.token(role, {
      ...(role === "verifier" ? { apis: [api.id] } : {}),
      ...(role === "consumer" ? { consumer: mine.consumer.id } : {}),
    });
  }
  tokens.key = mine.key.secret;
  tokens.nobody = "";
});
afterAll(() => keyover.close());

test("the table has every route of the API, and no other", async () => {
  const { paths } = await keyover.ok("GET", "/openapi.json");
  const routes = Object.entries<object>(paths).flatMap(([path, calls]) =>
    Object.keys(calls).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(routes.sort()).toEqual(Object.keys(table).sort());
});

describe.each(Object.entries(table))("%s", (route, allowed) => {
  test.each(callers)("for %s", async (caller) => {
    const [method, path] = route.split(" ") as [string, string];
    // Nothing there has these names: whoever may call gets as far as that, or to the body's shape.
    const url = path.replaceAll(/\{(\w+)\}/g, "none");
    const answer = await keyover.call(
      method,
      url,
      ["POST", "PATCH", "PUT"].includes(method) ? { not: "it" } : undefined,
      { token: tokens[caller] },
    );
    if (allowed.includes(caller)) expect([200, 400, 404], answer.text).toContain(answer.status);
    else if (caller === "nobody" || caller === "key") expect(answer.body.code).toBe("unauthenticated");
    else expect(answer.body.code).toBe("forbidden");
  });
});

describe("a consumer sees and moves its own things only", () => {
  const own = () => ({ token: tokens.consumer });

  test("its keys", async () => {
    const { items } = await keyover.ok("GET", "/v1/keys", undefined, own());
    expect(items.map(({ id }: { id: string }) => id)).toEqual([mine.key.id]);
    expect((await keyover.ok("GET", `/v1/keys?consumer=${theirs.consumer.id}`, undefined, own())).items).toEqual([]);
    await keyover.ok("GET", `/v1/keys/${mine.key.id}`, undefined, own());
    await keyover.ok("GET", `/v1/keys/${mine.key.id}/usage`, undefined, own());
    await keyover.refused("not_found", "GET", `/v1/keys/${theirs.key.id}`, undefined, own());
    await keyover.refused("not_found", "GET", `/v1/keys/${theirs.key.id}/usage`, undefined, own());
    await keyover.refused("not_found", "GET", `/v1/consumers/${theirs.consumer.id}`, undefined, own());
  });

  test("its rotations; what is another's looks like what is not there", async () => {
    await keyover.refused("not_found", "POST", `/v1/keys/${theirs.key.id}/rotations`, {}, own());
    const rotation = await keyover.ok("POST", `/v1/keys/${theirs.key.id}/rotations`, {});
    for (const path of ["", "/evidence"]) {
      const one = await keyover.refused("not_found", "GET", `/v1/rotations/${rotation.id}${path}`, undefined, own());
      const none = await keyover.refused("not_found", "GET", `/v1/rotations/rot_none${path}`, undefined, own());
      expect({ ...one, detail: "" }).toEqual({ ...none, detail: "" });
    }
    await keyover.refused("not_found", "POST", `/v1/rotations/${rotation.id}/confirm`, {}, own());
    await keyover.refused("invalid_request", "GET", "/v1/rotations", undefined, own());
    await keyover.refused("invalid_request", "GET", `/v1/rotations?key=${theirs.key.id}`, undefined, own());
    const started = await keyover.ok("POST", `/v1/keys/${mine.key.id}/rotations`, {}, own());
    expect((await keyover.ok("GET", `/v1/rotations?key=${mine.key.id}`, undefined, own())).items[0].id).toBe(
      started.id,
    );
  });

  test("a changeover by hash: a stranger's key and an unknown one look the same", async () => {
    const sha256 = (await keyover.store.list("version", { equals: { key_id: theirs.key.id } }, { limit: 1 }))[0]?.value
      .sha256;
    const known = await keyover.refused("not_found", "POST", "/v1/changeover", { sha256 }, own());
    const unknown = await keyover.refused("not_found", "POST", "/v1/changeover", { sha256: "A".repeat(43) }, own());
    expect(known).toEqual(unknown);
  });
});

describe("a verifier's token", () => {
  test("opens the named apis alone", async () => {
    const other = await keyover.api();
    const token = tokens.verifier;
    for (const path of ["snapshot", "feed?after=0"]) {
      await keyover.refused("not_found", "GET", `/v1/apis/${other.id}/${path}`, undefined, { token });
    }
    const body = { boot: "boo_0000000000000000000001", instance: "i", software: "" };
    await keyover.refused("not_found", "POST", `/v1/apis/${other.id}/verifiers`, body, { token });
    await keyover.refused("not_found", "POST", "/v1/verify", { api: other.id, key: "x" }, { token });
  });

  test("limited to an environment sees, finds and verifies that environment's keys alone", async () => {
    const token = await keyover.token("verifier", { apis: [api.id], environments: ["test"] });
    const { text } = await keyover.call("GET", `/v1/apis/${api.id}/snapshot`, undefined, { token });
    expect(text.trim().split("\n")).toHaveLength(2);
    const key = await keyover.key({ api, consumer: mine.consumer }, { environment: "test" });
    for (const [{ id, secret }, seen] of [
      [mine.key, false],
      [key, true],
    ] as const) {
      const [version] = await keyover.store.list("version", { equals: { key_id: id } }, { limit: 1 });
      const miss = await keyover.ok("POST", `/v1/apis/${api.id}/misses`, { sha256: version?.value.sha256 }, { token });
      expect(miss.record?.key).toBe(seen ? id : undefined);
      const verdict = await keyover.ok("POST", "/v1/verify", { api: api.id, key: secret }, { token });
      expect(verdict.code).toBe(seen ? "ok" : "unknown");
    }
  });

  test("must name apis and environments that exist; no other role names any", async () => {
    const make = (body: object) => ["POST", "/v1/tokens", { name: "t", ...body }] as const;
    await keyover.refused("invalid_request", ...make({ role: "verifier" }));
    await keyover.refused("not_found", ...make({ role: "verifier", apis: ["none"] }));
    const unknown = await keyover.refused(
      "unknown_environment",
      ...make({ role: "verifier", apis: [api.id], environments: ["dev"] }),
    );
    expect(unknown.known).toEqual(["live", "test"]);
    await keyover.refused("invalid_request", ...make({ role: "operator", apis: [api.id] }));
    await keyover.refused("invalid_request", ...make({ role: "consumer" }));
    await keyover.refused("invalid_request", ...make({ role: "operator", consumer: mine.consumer.id }));
    await keyover.refused("not_found", ...make({ role: "consumer", consumer: "con_none" }));
  });
});

describe("a token", () => {
  test("that is revoked, expired, malformed, foreign or unknown is refused, and all look the same", async () => {
    const revoked = await keyover.ok("POST", "/v1/tokens", { name: "r", role: "auditor" });
    const short = await keyover.ok("POST", "/v1/tokens", {
      name: "s",
      role: "auditor",
      expiresAt: keyover.now() + DAY,
    });
    await keyover.ok("GET", "/v1/apis", undefined, { token: short.secret });
    await keyover.ok("POST", `/v1/tokens/${revoked.id}/revoke`);
    await keyover.ok("POST", `/v1/tokens/${revoked.id}/revoke`);
    await keyover.clock.advance(DAY + SECOND);
    const unknown = makeKeyText("kot", "admin", random);
    const texts = [
      revoked.secret,
      short.secret,
      unknown,
      makeKeyText("mkt", "live", random),
      "kot_admin_x",
      mine.key.secret,
    ];
    const answers = await Promise.all(texts.map((token) => keyover.call("GET", "/v1/apis", undefined, { token })));
    for (const { status, body, headers } of answers) {
      expect({ status, body }).toEqual({ status: 401, body: answers[0]?.body });
      expect(headers["www-authenticate"]).toMatch(/^Bearer/);
    }
    for (const authorization of ["Basic eDp5", "Bearer", "Bearer  ", `Bearer ${"x".repeat(16_000 - 300)}`, ""]) {
      const answer = await keyover.call("GET", "/v1/apis", undefined, { token: "", headers: { authorization } });
      expect(answer.body.code).toBe("unauthenticated");
    }
  });
});
