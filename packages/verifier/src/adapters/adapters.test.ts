import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { KeyRecord } from "@keyover/core";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version, worldOf } from "../authority.test-double.ts";
import { createVerifier, type Verifier } from "../verifier.ts";
import { realWorld } from "../world.ts";
import * as forExpress from "./express.ts";
import * as forFastify from "./fastify.ts";
import * as forHono from "./hono.ts";
import * as forKoa from "./koa.ts";
import { nestApp } from "./nest.test-support.ts";
import * as forNest from "./nest.ts";
import * as forNext from "./next.ts";
import * as forNode from "./node.ts";

const texts = {
  good: newText(),
  old: newText(),
  fresh: newText(),
  retired: newText(),
  revoked: newText(),
  expired: newText(),
  fenced: newText(),
  walled: newText(),
  out: newText(),
  late: newText(),
  placed: newText(),
  limited: newText(),
};
const since = Date.now() - 60_000;
const endsAt = Date.now() + 3_600_000;
const rotation: KeyRecord["rotation"] = { id: "rot_1", phase: "overlapping", from: 1, to: 2, since, endsAt };

let authority: AuthorityDouble;
let verifier: Verifier;

beforeAll(async () => {
  authority = new AuthorityDouble(realWorld().clock);
  authority.write(keyRecord("key_good", [version(texts.good)], { consumer: "con_good" }));
  authority.write(
    keyRecord("key_two", [version(texts.old, { state: "retiring" }), version(texts.fresh, { number: 2 })], {
      rotation,
      current: 2,
    }),
  );
  authority.write(
    keyRecord("key_done", [version(texts.retired, { state: "retired", retiredAt: since })], {
      rotation: { ...rotation, phase: "retired" },
    }),
  );
  authority.write(keyRecord("key_gone", [version(texts.revoked)], { status: "revoked", rotation }));
  authority.write(keyRecord("key_past", [version(texts.expired)], { expiresAt: since }));
  authority.write(keyRecord("key_fenced", [version(texts.fenced, { fence: { scopes: ["other:read"] } })]));
  authority.write(keyRecord("key_placed", [version(texts.placed)], { networks: ["198.51.100.0/24"] }));
  authority.write(keyRecord("key_walled", [version(texts.walled, { fence: { networks: ["192.0.2.0/24"] } })]));
  const brownout = { from: since, until: endsAt };
  authority.write(
    keyRecord("key_out", [version(texts.out, { brownoutUntil: endsAt })], { rotation: { ...rotation, brownout } }),
  );
  const limit = { kind: "quota", name: "monthly", per: "key", units: 1_000_000, period: "month", zone: "UTC" } as const;
  const rate = { kind: "rate", name: "burst", per: "key", units: 1, windowMs: 86_400_000, burst: 100 } as const;
  authority.writePlan({ plan: "pln_1", name: "pro", limits: [limit, rate] });
  authority.write(keyRecord("key_limited", [version(texts.limited)], { plan: "pln_1" }));
  const { world } = worldOf(authority);
  const options = { url: "https://keys.test", token: "t", apis: ["market"], docsUrl: "https://example.test/rotation" };
  verifier = createVerifier({ ...options, world });
  await verifier.ready;
});
afterAll(() => verifier.close());

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
type Serve = (request: IncomingMessage, response: ServerResponse) => Promise<void>;
type Options = { scope?: string; network?: () => string; trustedHops?: number; cost?: number | (() => number) };

/** Each framework's route, protected as its users would protect it; it answers with the verdict's key. */
const frameworks: Record<string, (options: Options) => Promise<Handler>> = {
  async node(options) {
    const authorize = forNode.requireKey(verifier, options);
    const serve: Serve = async (request, response) => {
      const verdict = await authorize(request, response);
      if (verdict !== undefined) response.end(`${verdict.key} ${request.keyover === verdict}`);
    };
    return (request, response) => void serve(request, response);
  },
  async express(options) {
    const app = express();
    app.get("/", forExpress.requireKey(verifier, options), (req, res) => void res.send(`${req.keyover.key} true`));
    return app;
  },
  async fastify(options) {
    const app = fastify();
    app.get(
      "/",
      { onRequest: forFastify.requireKey(verifier, options) },
      async (request) => `${request.keyover.key} true`,
    );
    await app.ready();
    return app.routing.bind(app);
  },
  async hono(options) {
    const app = new Hono();
    app.get("/", forHono.requireKey(verifier, options), (c) => c.text(`${c.get("keyover").key} true`));
    const serve: Serve = async (incoming, response) => {
      const answer = await app.fetch(new Request("http://here/", { headers: headersOf(incoming) }), { incoming });
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(await answer.text());
    };
    return (incoming, response) => void serve(incoming, response);
  },
  async koa(options) {
    const app = new Koa();
    app.use(forKoa.requireKey(verifier, options)).use((ctx) => {
      ctx.body = `${ctx.state.keyover.key} true`;
    });
    const answer = app.callback();
    return (request, response) => void answer(request, response);
  },
  async nest(options) {
    return nestApp([forNest.requireKey(verifier, options)], (request) => `${request.keyover.key} true`);
  },
  async next(options) {
    const connection = options.trustedHops === undefined ? { network: () => "127.0.0.1" } : {};
    const keyed = forNext.requireKey(verifier, { ...connection, ...options });
    const GET = keyed(async (request, { at }: { at: string }) => new Response(`${request.keyover.key} ${at === "/"}`));
    const serve: Serve = async (incoming, response) => {
      const answer = await GET(new Request("http://here/", { headers: headersOf(incoming) }), { at: "/" });
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(await answer.text());
    };
    return (incoming, response) => void serve(incoming, response);
  },
};

/** As a platform without Node's raw headers hands them over: one given twice is joined by a comma. */
function headersOf(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct))
    for (const value of values ?? []) headers.append(name, value);
  return headers;
}

interface Reply {
  status: number;
  headers: IncomingMessage["headers"];
  body: string;
}

describe.each(Object.keys(frameworks))("%s", (name) => {
  const servers: Server[] = [];
  const listen = async (options: Options): Promise<(headers: Record<string, string> | string[]) => Promise<Reply>> => {
    const server = createServer({ maxHeaderSize: 65_536 }, await frameworks[name]!(options));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return (headers) =>
      new Promise((resolve, reject) => {
        const sent = request({ port, host: "127.0.0.1", headers, agent: false }, (response) => {
          let body = "";
          response.setEncoding("utf8").on("data", (chunk) => (body += chunk));
          response.on("end", () => resolve({ status: response.statusCode as number, headers: response.headers, body }));
        });
        sent.on("error", reject).end();
      });
  };
  let get: Awaited<ReturnType<typeof listen>>;
  beforeAll(async () => {
    get = await listen({ scope: "market:read" });
  });
  afterAll(() => {
    for (const server of servers) server.close();
  });
  const bearer = (text: string) => get({ authorization: `Bearer ${text}` });

  test("an accepted key passes, by either header, and the route has the verdict", async () => {
    expect(await bearer(texts.good)).toMatchObject({ status: 200, body: "key_good true" });
    expect((await get({ authorization: `bearer ${texts.good}` })).status).toBe(200);
    expect((await get({ "x-api-key": texts.good })).status).toBe(200);
    expect((await bearer(texts.good)).headers["keyover-rotation"]).toBeUndefined();
  });

  test("a key that the replica lacks is asked for, and passes", async () => {
    const text = newText();
    authority.silent = true;
    authority.write(keyRecord(`key_late_${name}`, [version(text)]));
    expect(await bearer(text)).toMatchObject({ status: 200, body: `key_late_${name} true` });
    authority.silent = false;
    authority.hangUp();
  });

  test("during an overlap the old version is told to move, the new one only what is going on", async () => {
    const old = await bearer(texts.old);
    const ends = Math.floor(endsAt / 1_000);
    expect(old.status).toBe(200);
    expect(old.headers).toMatchObject({
      "keyover-rotation": `id="rot_1", phase=overlapping, version=1, target=2, ends=@${ends}`,
      deprecation: `@${Math.floor(since / 1_000)}`,
      sunset: new Date(ends * 1_000).toUTCString(),
      link: `<https://example.test/rotation>; rel="deprecation"; type="text/html"`,
    });
    const fresh = await bearer(texts.fresh);
    expect(fresh.headers["keyover-rotation"]).toContain("version=2, target=2");
    expect(fresh.headers.deprecation).toBeUndefined();
  });

  test("the holder of a retired version is told so, since when, and where to go", async () => {
    const { status, headers, body } = await bearer(texts.retired);
    expect(status).toBe(401);
    expect(headers["content-type"]).toMatch(/^application\/problem\+json/);
    expect(headers["www-authenticate"]).toBe(`Bearer error="invalid_token"`);
    expect(headers["keyover-rotation"]).toContain("phase=retired");
    expect(JSON.parse(body)).toMatchObject({
      status: 401,
      code: "key_retired",
      retiredAt: new Date(since).toISOString(),
    });
  });

  test("in a brownout the old version is refused as it will be for good, and told when it ends", async () => {
    const { status, headers, body } = await bearer(texts.out);
    expect([status, JSON.parse(body)]).toMatchObject([401, { status: 401, code: "key_brownout" }]);
    expect(headers["www-authenticate"]).toBe(`Bearer error="invalid_token"`);
    const seconds = Number(headers["retry-after"]);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(3_600);
    expect(headers["keyover-rotation"]).toContain(`brownout=@${Math.floor(since / 1_000)}`);
  });

  test("unknown, revoked, malformed, missing, huge and doubled keys get the same answer, to the byte", async () => {
    const good = `Bearer ${texts.good}`;
    const replies = await Promise.all([
      bearer(texts.revoked),
      bearer(newText()),
      bearer("nonsense"),
      bearer(`${texts.good.slice(0, -1)}~`),
      get({}),
      get({ authorization: "" }),
      get({ authorization: "Bearer" }),
      get({ authorization: "Bearer " }),
      get({ authorization: "Basic YTpi" }),
      get({ authorization: `Bearer ${"x".repeat(16_384)}` }),
      get({ "x-api-key": "x".repeat(16_384) }),
      get(["Host", "x", "Authorization", good, "authorization", good]),
      get(["Host", "x", "X-API-Key", texts.good, "X-API-Key", texts.good]),
    ]);
    for (const { status, body, headers } of replies) {
      expect([status, body]).toEqual([401, replies[0]?.body]);
      expect(headers["keyover-rotation"]).toBeUndefined();
    }
    expect(JSON.parse(replies[0]!.body)).toMatchObject({
      code: "invalid_key",
      type: expect.stringContaining("#invalid_key"),
    });
  });

  test("each refusal says why, as far as the holder may know", async () => {
    const expired = await bearer(texts.expired);
    expect([expired.status, JSON.parse(expired.body).code]).toEqual([401, "key_expired"]);
    const fenced = await bearer(texts.fenced);
    expect([fenced.status, JSON.parse(fenced.body).code]).toEqual([403, "key_fenced"]);
    const walled = await bearer(texts.walled);
    expect([walled.status, JSON.parse(walled.body).code]).toEqual([403, "key_fenced"]);
    const test = await bearer(newText("test"));
    expect([test.status, JSON.parse(test.body).code]).toEqual([401, "wrong_environment"]);
    get = await listen({ scope: "account:withdraw" });
    const narrow = await bearer(texts.good);
    get = await listen({ scope: "market:read" });
    expect([narrow.status, JSON.parse(narrow.body)]).toMatchObject([
      403,
      { code: "insufficient_scope", scope: "account:withdraw" },
    ]);
    expect(narrow.headers["www-authenticate"]).toBe(`Bearer error="insufficient_scope", scope="account:withdraw"`);
  });

  test("the source of a use is the connection's address, the client's product and the instance's name", async () => {
    await get({
      authorization: `Bearer ${texts.good}`,
      "user-agent": "bot/7 (x)",
      "keyover-instance": `worker-${name}`,
    });
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    const seen = authority.reports.flatMap((report) => report.sightings).map((each) => each.source);
    expect(seen).toContainEqual({ network: "127.0.0.0/24", client: "bot/7", instance: `worker-${name}` });
  });

  test("an address may come from elsewhere", async () => {
    const elsewhere = await listen({ network: () => "198.51.100.9" });
    expect((await elsewhere({ authorization: `Bearer ${texts.good}`, "user-agent": `far-${name}` })).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    const seen = authority.reports.flatMap((report) => report.sightings).map((each) => each.source);
    expect(seen).toContainEqual({ network: "198.51.100.0/24", client: `far-${name}`, instance: "" });
  });

  test("X-Forwarded-For counts as far as proxies of one's own have written it, and not at all unless told", async () => {
    const authorization = `Bearer ${texts.placed}`;
    const behind = await listen({ trustedHops: 2 });
    const statusOf = async (forwarded: string) =>
      (await behind({ authorization, "x-forwarded-for": forwarded })).status;
    expect(await statusOf("198.51.100.9, 10.0.0.1")).toBe(200);
    expect(await statusOf("198.51.100.9, 203.0.113.1, 10.0.0.1"), "what a caller has made up").toBe(403);
    expect(await statusOf("198.51.100.9"), "not through all of them").toBe(403);
    expect((await behind({ authorization })).status).toBe(403);
    expect((await get({ authorization, "x-forwarded-for": "198.51.100.9, 10.0.0.1" })).status).toBe(403);
  });

  test("a key with limits is told what is left of them, and when there is none, how long to wait", async () => {
    const text = newText();
    authority.write(keyRecord(`key_limited_${name}`, [version(text)], { plan: "pln_1" }));
    const at = { authorization: `Bearer ${text}` };
    const [dear, most] = [await listen({ cost: 60 }), await listen({ cost: () => 40 })];
    const policy = '"monthly";q=1000000, "burst";q=1;w=86400;keyover-burst=100';
    const first = await dear(at);
    expect(first).toMatchObject({ status: 200, headers: { "ratelimit-policy": policy } });
    expect(first.headers.ratelimit).toMatch(/^"monthly";r=999940;t=\d+, "burst";r=40;t=51840\d\d$/);
    const refused = await dear(at);
    expect(refused.status).toBe(429);
    expect(refused.headers.ratelimit).toMatch(/^"monthly";r=999940;t=\d+, "burst";r=40;t=17(28000|279\d\d)$/);
    expect(refused.headers["retry-after"]).toBe(/t=(\d+)$/.exec(refused.headers.ratelimit as string)?.[1]);
    expect(refused.headers["cache-control"]).toBe("no-store");
    expect(refused.headers["content-type"]).toContain("application/problem+json");
    expect(JSON.parse(refused.body)).toMatchObject({
      status: 429,
      code: "rate_limited",
      type: expect.stringContaining("#rate_limited"),
    });
    expect((await most(at)).headers.ratelimit).toMatch(/^"monthly";r=999900;t=\d+, "burst";r=0;/);
    expect((await bearer(texts.good)).headers.ratelimit).toBeUndefined();
  });

  test.each([-1, 0.5, Number.NaN, 1_000_001, "2" as unknown as number])(
    "a cost of %s is refused at once",
    async (cost) => {
      await expect(frameworks[name]?.({ cost })).rejects.toThrow("the cost of a request is a whole number");
    },
  );

  test.each([0, 1.5, 17, Number.NaN])("trusted hops of %s are refused at once", async (trustedHops) => {
    await expect(frameworks[name]?.({ trustedHops })).rejects.toThrow("whole number from 1 to 16");
  });
});

test("a verifier that may not answer says 503 and when to come again", async () => {
  const { world } = worldOf(new AuthorityDouble(realWorld().clock));
  const closed = createVerifier({ url: "https://keys.test", token: "t", apis: ["market"], world });
  await closed.ready;
  await closed.close();
  const authorize = forNode.requireKey(closed);
  const server = createServer((request, response) => void authorize(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { "x-api-key": texts.good } });
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await response.json()).toMatchObject({ code: "verifier_unavailable" });
  server.close();
});
