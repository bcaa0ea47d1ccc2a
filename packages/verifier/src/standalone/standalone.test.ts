/** The server itself on a real port, its authority a double. */
import { request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { KeyRecord, VerdictCode } from "@keyover/core";
import { verdicts } from "@keyover/core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version } from "../authority.test-double.ts";
import { openVerifier, openWaiting } from "../verifier.test-support.ts";
import type { Verifier } from "../verifier.ts";
import { realWorld } from "../world.ts";
import { no } from "./answers.ts";
import { createStandalone, type Standalone, type StandaloneOptions } from "./standalone.ts";
import { WantedBook } from "./wanted.ts";

const texts = {
  good: newText(),
  poor: newText(),
  old: newText(),
  retired: newText(),
  revoked: newText(),
  walled: newText(),
};
const since = Date.now() - 60_000;
const endsAt = Date.now() + 3_600_000;
const rotation: KeyRecord["rotation"] = { id: "rot_1", phase: "overlapping", from: 1, to: 2, since, endsAt };

let authority: AuthorityDouble;
let verifier: Verifier;
const world = realWorld();
const running: Standalone[] = [];

beforeAll(async () => {
  authority = new AuthorityDouble(world.clock);
  const scopes = ["market:read", "trade:*"];
  authority.write(keyRecord("key_good", [version(texts.good)], { consumer: "con_1", scopes }));
  authority.write(keyRecord("key_poor", [version(texts.poor)], { scopes: ["other:read"] }));
  authority.write(keyRecord("key_two", [version(texts.old, { state: "retiring" })], { rotation, scopes }));
  authority.write(keyRecord("key_done", [version(texts.retired, { state: "retired", retiredAt: since })]));
  authority.write(keyRecord("key_gone", [version(texts.revoked)], { status: "revoked" }));
  authority.write(keyRecord("key_walled", [version(texts.walled)], { networks: ["192.0.2.0/24"], scopes }));
  verifier = open();
  await verifier.ready;
});
afterEach(async () => {
  for (const each of running.splice(0)) {
    each.server.closeAllConnections();
    each.server.close();
  }
});
afterAll(() => verifier.close());

const open = (docsUrl = "https://docs.test") => openVerifier(authority, { docsUrl });

async function serve(options: Partial<StandaloneOptions> = {}, by = verifier) {
  const standalone = createStandalone(by, { world, ...options });
  running.push(standalone);
  await new Promise<void>((resolve) => standalone.server.listen(0, "127.0.0.1", resolve));
  const { port } = standalone.server.address() as AddressInfo;
  return { standalone, port };
}

interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

function ask(
  port: number,
  path: string,
  headers: Record<string, string> | string[] = {},
  method = "GET",
  body?: string,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode as number,
          headers: response.headers as Record<string, string>,
          body: text,
        }),
      );
    });
    sent.on("error", reject).end(body);
  });
}

/** All that a server says to these bytes. */
function raw(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
    socket.on("error", () => undefined).on("close", () => resolve(text));
  });
}

const bearer = (text: string) => ({ authorization: `Bearer ${text}` });

describe("/check", () => {
  test("yes is 204 without a body, and says who it is", async () => {
    const { port } = await serve();
    for (const method of ["GET", "HEAD", "POST", "DELETE", "PROPFIND"]) {
      const { status, headers, body } = await ask(port, "/check?scope=market:read", bearer(texts.good), method);
      expect([status, body]).toEqual([204, ""]);
      expect(headers).toMatchObject({
        "keyover-key": "key_good",
        "keyover-consumer": "con_1",
        "keyover-version": "1",
        "keyover-environment": "live",
        "keyover-scopes": "market:read trade:*",
      });
      expect(headers["keyover-rotation"]).toBeUndefined();
      expect(headers["content-length"]).toBeUndefined();
    }
  });

  test("in a rotation the answer carries what the consumer is to be told", async () => {
    const { port } = await serve();
    const { status, headers } = await ask(port, "/check", bearer(texts.old));
    expect(status).toBe(204);
    expect(headers).toMatchObject({
      "keyover-rotation": expect.stringContaining("version=1, target=2"),
      deprecation: `@${Math.floor(since / 1_000)}`,
      sunset: expect.any(String),
      link: expect.stringContaining("https://docs.test"),
    });
  });

  test.each([
    ["poor", 403, "insufficient_scope"],
    ["retired", 401, "key_retired"],
    ["revoked", 401, "invalid_key"],
    ["walled", 403, "network_denied"],
  ] as const)("no to a key that is %s: %i %s, as the adapters answer", async (name, status, code) => {
    const { port } = await serve();
    const reply = await ask(port, "/check?scope=market:read", bearer(texts[name]));
    expect([reply.status, reply.headers["keyover-code"], JSON.parse(reply.body).code]).toEqual([status, code, code]);
    expect(reply.headers["content-type"]).toBe("application/problem+json");
    expect(reply.headers["keyover-key"]).toBeUndefined();
    const byHeader = await ask(port, "/check?scope=market:read&problem=header", bearer(texts[name]));
    expect([byHeader.status, byHeader.body, byHeader.headers["content-length"]]).toEqual([status, "", "0"]);
    expect(byHeader.headers["keyover-problem"]).toBe(reply.body);
  });

  test("unknown, revoked, malformed and none get the same answer, to the byte", async () => {
    const { port } = await serve();
    const good = await ask(port, "/check", bearer(texts.revoked));
    for (const text of [
      newText(),
      "nonsense",
      "",
      "x".repeat(16_000),
      `${texts.good}\u00e9`,
      texts.good.toUpperCase(),
    ]) {
      expect(await ask(port, "/check", bearer(text)).then(comparable)).toEqual(comparable(good));
    }
    expect(comparable(await ask(port, "/check"))).toEqual(comparable(good));
  });

  test("a key twice, or in the query string, is refused and told why: that says nothing of the key", async () => {
    const { port, standalone } = await serve();
    const header = `Bearer ${texts.good}`;
    const twice = await ask(port, "/check", ["Host", "x", "Authorization", header, "Authorization", header]);
    expect([twice.status, JSON.parse(twice.body)]).toMatchObject([
      401,
      { code: "invalid_key", detail: expect.stringContaining("twice") },
    ]);
    for (const text of [texts.good, newText()]) {
      const inQuery = await ask(port, "/check", { "x-forwarded-uri": `/x?k=${text}`, authorization: header });
      expect([inQuery.status, JSON.parse(inQuery.body)]).toMatchObject([
        401,
        { code: "invalid_key", detail: expect.stringContaining("query string") },
      ]);
    }
    const samples = standalone.samples();
    expect(samples).toContainEqual({
      name: "keyover_verifier_keys_in_query_total",
      labels: { outcome: "refused" },
      value: 2,
    });
    expect(samples).toContainEqual({ name: "keyover_verifier_two_credentials_total", labels: {}, value: 1 });
  });

  test("where it is allowed a key in the query string passes, and is counted", async () => {
    const { port, standalone } = await serve({ keyParameter: "api_key" });
    expect((await ask(port, "/check", { "x-forwarded-uri": `/x?api_key=${texts.good}` })).status).toBe(204);
    expect(standalone.samples()).toContainEqual({
      name: "keyover_verifier_keys_in_query_total",
      labels: { outcome: "allowed" },
      value: 1,
    });
  });

  test("the caller's address is the trusted hop's word, never the caller's", async () => {
    const { port } = await serve({ trustedHops: 1 });
    const from = async (forwarded: string) =>
      (await ask(port, "/check", { ...bearer(texts.walled), "x-forwarded-for": forwarded })).status;
    expect(await from("192.0.2.9")).toBe(204);
    expect(await from("192.0.2.9, 203.0.113.1")).toBe(403);
    expect(await from("203.0.113.1, 192.0.2.9")).toBe(204);
    expect((await ask(port, "/check", bearer(texts.walled))).status).toBe(403);
    const direct = await serve();
    const forged = { ...bearer(texts.walled), "x-forwarded-for": "192.0.2.9" };
    expect((await ask(direct.port, "/check", forged)).status).toBe(403);
  });

  test("no number of headers hides those that the gateway puts after the caller's", async () => {
    const { port } = await serve({ trustedHops: 1 });
    const many = Array.from({ length: 4_000 }, () => ["a", ""]).flat();
    const key = ["Host", "x", "Authorization", `Bearer ${texts.walled}`];
    const forwarded = ["X-Forwarded-For", "192.0.2.9", ...many, "X-Forwarded-For", "203.0.113.1"];
    expect((await ask(port, "/check", [...key, ...forwarded])).status).toBe(403);
    const wanted = ["Authorization", `Bearer ${texts.good}`, ...many, "Keyover-Want-Scope", "other:read"];
    expect((await ask(port, "/ext-authz/", ["Host", "x", ...wanted])).status).toBe(403);
    const twice = ["Authorization", `Bearer ${texts.good}`, ...many, "Authorization", `Bearer ${texts.good}`];
    expect((await ask(port, "/check", ["Host", "x", ...twice])).status).toBe(401);
  });

  test.each([
    "scopes=market:read",
    "scope=",
    "scope=market:read&scope=",
    "scope=Market",
    "scope=market:*",
    "environment=",
    "environment=live&environment=test",
    "environment=LIVE",
    "problem=body",
    `scope=${Array(21).fill("a").join("+")}`,
  ])("a configuration of %s lets nobody in", async (query) => {
    const { port } = await serve();
    const { status, body } = await ask(port, `/check?${query}`, bearer(texts.good));
    expect([status, JSON.parse(body).code]).toEqual([400, "invalid_request"]);
  });

  test.each([
    ["scope=market:read&scope=trade:write", 204],
    ["scope=market:read+trade:write", 204],
    ["scope=market:read,other:write", 403],
    ["environment=live", 204],
    ["environment=test", 401],
  ])("%s answers %i", async (query, status) => {
    const { port } = await serve();
    expect((await ask(port, `/check?${query}`, bearer(texts.good))).status).toBe(status);
  });

  test("the caller's headers want nothing, and no path below is a check", async () => {
    const { port } = await serve();
    const headers = { ...bearer(texts.good), "keyover-want-scope": "other:read", "keyover-want-environment": "test" };
    expect((await ask(port, "/check?scope=market:read", headers)).status).toBe(204);
    for (const path of ["/check/", "/checks", "/check/x?scope=market:read", "/", "/CHECK"])
      expect((await ask(port, path, bearer(texts.good))).status).toBe(404);
  });
});

describe("/ext-authz, as Envoy asks", () => {
  test("the gateway's headers say what is wanted; the caller's path and query are no settings", async () => {
    const { port } = await serve();
    const wants = (scope: string) => ({ ...bearer(texts.good), "keyover-want-scope": scope });
    const yes = await ask(port, "/ext-authz/v1/ticker?scope=other:read&environment=test", wants("market:read"), "POST");
    expect([yes.status, yes.body, yes.headers["content-length"]]).toEqual([200, "", "0"]);
    expect(yes.headers["keyover-consumer"]).toBe("con_1");
    expect((await ask(port, "/ext-authz/v1?scope=market:read", wants("other:read"))).status).toBe(403);
    expect((await ask(port, "/ext-authz", bearer(texts.good))).status).toBe(200);
    expect((await ask(port, "/ext-authz?x", bearer(texts.good))).status).toBe(200);
    expect((await ask(port, "/ext-authzx", bearer(texts.good))).status).toBe(404);
  });

  test("a header of the caller's beside the gateway's lets nobody in", async () => {
    const { port } = await serve();
    const headers = [
      "Host",
      "x",
      "Authorization",
      `Bearer ${texts.good}`,
      "Keyover-Want-Scope",
      "market:read",
      "keyover-want-scope",
      "trade:write",
    ];
    expect((await ask(port, "/ext-authz/", headers)).status).toBe(400);
  });

  test("an empty environment is refused, and does not refuse those who want none", async () => {
    const { port } = await serve();
    const empty = { ...bearer(texts.good), "keyover-want-environment": "" };
    for (const [headers, status] of [
      [empty, 400],
      [bearer(texts.good), 200],
      [empty, 400],
    ] as const)
      expect((await ask(port, "/ext-authz/", headers)).status).toBe(status);
  });
});

describe("/verify", () => {
  const post = (port: number, path: string, body: unknown, type = "application/json") =>
    ask(port, path, { "content-type": type }, "POST", typeof body === "string" ? body : JSON.stringify(body));

  test("answers the verdict, valid or not", async () => {
    const { port } = await serve();
    const yes = await post(port, "/verify", {
      api: "market",
      key: texts.good,
      scope: ["market:read"],
      network: "192.0.2.1",
    });
    expect([yes.status, JSON.parse(yes.body)]).toMatchObject([
      200,
      { valid: true, code: "ok", key: "key_good", consumer: "con_1", version: 1 },
    ]);
    expect(JSON.parse((await post(port, "/verify", { key: texts.revoked })).body)).toMatchObject({
      valid: false,
      code: "revoked",
    });
    expect(JSON.parse((await post(port, "/verify", { key: texts.good, environment: "test" })).body).code).toBe(
      "wrong_environment",
    );
    expect((await post(port, "/verify", { api: "other", key: texts.good })).status).toBe(404);
  });

  test("many at once, in order", async () => {
    const { port } = await serve();
    const asks = [texts.good, "x", texts.revoked].map((key) => ({ key }));
    const { status, body } = await post(port, "/verify/batch", { asks });
    expect(status).toBe(200);
    expect((JSON.parse(body) as { verdicts: { code: string }[] }).verdicts.map(({ code }) => code)).toEqual([
      "ok",
      "malformed",
      "revoked",
    ]);
    expect(JSON.parse((await post(port, "/verify/batch", { asks: [] })).body)).toEqual({ verdicts: [] });
    expect((await post(port, "/verify/batch", { asks: Array(1_001).fill({ key: "x" }) })).status).toBe(400);
  });

  test("one that is wrong in itself is refused in its place, and spoils none of the others", async () => {
    const { port } = await serve();
    const wrong = [null, [], "x", {}, { key: 1 }, { key: "x", environmnet: "live" }, { key: "x".repeat(20_001) }];
    const asks = [...wrong, { key: texts.good, api: "other" }, { key: texts.good }];
    const { status, body } = await post(port, "/verify/batch", { asks });
    const { verdicts: answered } = JSON.parse(body) as { verdicts: { valid: boolean; code: string; detail: string }[] };
    expect([status, answered.map(({ code }) => code)]).toEqual([
      200,
      [...wrong.map(() => "invalid_request"), "not_found", "ok"],
    ]);
    expect(answered.filter(({ valid }) => valid)).toHaveLength(1);
    expect(answered[5]?.detail).toBe('There is no member "environmnet".');
  });

  test.each([
    ["", 400],
    ["{", 400],
    ["null", 400],
    ["[]", 400],
    ["{}", 400],
    ['{"key":1}', 400],
    ['{"key":"x","environmnet":"live"}', 400],
    ['{"key":"x","__proto__":{"a":1}}', 400],
    ['{"key":"x","scope":[1]}', 400],
    [`{"key":"${"x".repeat(20_001)}"}`, 400],
    [`{"key":"${"x".repeat(70_000)}"}`, 413],
  ])("refuses %.40s with %i", async (body, status) => {
    const { port } = await serve();
    const reply = await post(port, "/verify", body);
    expect([reply.status, reply.headers["content-type"]]).toEqual([status, "application/problem+json"]);
  });

  test("takes JSON alone, by POST alone", async () => {
    const { port } = await serve();
    expect((await post(port, "/verify", "{}", "text/plain")).status).toBe(415);
    expect((await ask(port, "/verify")).status).toBe(404);
    expect((await post(port, "/verify/batch", { asks: [{ key: "x" }], more: 1 })).status).toBe(400);
  });
});

describe("what Node's parser can't read", () => {
  test("40 KB of cookies beside the key are no reason to refuse it", async () => {
    const { port } = await serve();
    expect((await ask(port, "/check", { ...bearer(texts.good), cookie: "x".repeat(40_000) })).status).toBe(204);
  });

  test("64 KB of headers are refused with 431, and said why", async () => {
    const { port } = await serve();
    const answer = await raw(
      port,
      `GET /check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${"x".repeat(65_536)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 .*"code":"invalid_request"/s);
  });

  test.each([
    "GET /check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\0b\r\n\r\n",
    "nonsense\r\n\r\n",
    "GET /check HTTP/1.1\r\nHost: x\r\nX Y: 1\r\n\r\n",
  ])("%j is refused with 400", async (bytes) => {
    const { port } = await serve();
    expect(await raw(port, bytes)).toMatch(/^HTTP\/1\.1 400 .*"code":"invalid_request"/s);
  });
});

test("/healthz, /readyz and /metrics", async () => {
  const { port } = await serve();
  expect((await ask(port, "/healthz")).status).toBe(200);
  expect(await ask(port, "/readyz")).toMatchObject({ status: 200, body: '{"status":"ready"}' });
  await ask(port, "/check", bearer(texts.good));
  const { body, headers } = await ask(port, "/metrics");
  expect(headers["content-type"]).toContain("version=0.0.4");
  expect(body).toContain('keyover_verifier_decisions_total{endpoint="check",code="ok"} 1\n');
  expect(body).toContain('keyover_verifier_keys{api="market"} 6\n');
  for (const line of body.trim().split("\n")) expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? [\d.]+)$/);
});

test("a verifier that knows nothing yet answers 503, and is alive but not ready", async () => {
  const waiting = openWaiting();
  const { port } = await serve({}, waiting);
  expect((await ask(port, "/healthz")).status).toBe(200);
  expect((await ask(port, "/readyz")).status).toBe(503);
  expect(await ask(port, "/check", bearer(texts.good))).toMatchObject({
    status: 503,
    headers: { "retry-after": "1", "keyover-code": "verifier_unavailable" },
  });
  await waiting.close();
});

test.each([
  ["https://docs.test/größe/規則", "https://docs.test/gr%C3%B6%C3%9Fe/%E8%A6%8F%E5%89%87"],
  ["https://docs.test/a\n", "https://docs.test/a"],
  ["https://docs.test/a>b", "https://docs.test/a%3Eb"],
])("documentation at %j stands in a header as one can carry it", async (docsUrl, sent) => {
  const own = open(docsUrl);
  await own.ready;
  const { port } = await serve({}, own);
  expect((await ask(port, "/check", bearer(texts.old))).headers.link).toContain(`<${sent}>`);
  await own.close();
  expect(() => open("größe")).toThrow("docsUrl is no URL");
});

test("every refusal fits into headers, whatever the verdict", () => {
  const wanted = new WantedBook(verifier).byQuery("scope=market:read&problem=header");
  if (typeof wanted === "string") throw new Error(wanted);
  for (const code of Object.keys(verdicts) as VerdictCode[]) {
    const { headers } = no({ valid: false, code, version: 1, rotation, retiredAt: since, retryAfterMs: 5 }, wanted);
    for (const value of headers) expect(value).toMatch(/^[\x20-\x7e]*$/);
  }
});

test("drain: no new connections, a request that is under way is answered, each answer ends its connection", async () => {
  const drained = open();
  await drained.ready;
  const { port, standalone } = await serve({}, drained);
  const answers: string[] = [];
  const closed = [1, 2].map(
    (i) =>
      new Promise<void>((resolve) => {
        const socket = connect(port, "127.0.0.1", () =>
          socket.write(`GET /check HTTP/1.1\r\nHost: x\r\nX-API-Key: ${texts.good}\r\n\r\n`),
        );
        socket.setEncoding("latin1").on("data", (chunk: string) => {
          answers.push(`${i} ${chunk.split("\r\n", 1)[0]} ${/connection: (\S+)/i.exec(chunk)?.[1]}`);
          if (answers.length !== 2) return;
          draining = standalone.drain(5_000);
          // One asks once more while the server drains, the other stays idle.
          if (i === 1 || answers.length === 2)
            socket.write(`GET /check HTTP/1.1\r\nHost: x\r\nX-API-Key: ${texts.good}\r\n\r\n`);
        });
        socket.on("close", () => resolve());
      }),
  );
  let draining: Promise<void> | undefined;
  await Promise.all(closed);
  await draining;
  expect(answers.map((each) => each.slice(2))).toEqual([
    "HTTP/1.1 204 No Content keep-alive",
    "HTTP/1.1 204 No Content keep-alive",
    "HTTP/1.1 204 No Content close",
  ]);
  expect(await raw(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")).toBe("");
  expect(drained.verifyNow(texts.good, {})?.code).toBe("stale_replica");
});

function comparable({ status, headers, body }: Reply) {
  const { date: _date, ...rest } = headers;
  return { status, headers: rest, body };
}
