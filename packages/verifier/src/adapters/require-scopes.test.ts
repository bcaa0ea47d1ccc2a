/** `requireScopes` behind `requireKey`, in each framework: the verdict that is there decides, and the use is counted once. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import fastify, { type FastifyReply, type FastifyRequest } from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version, worldOf } from "../authority.test-double.ts";
import { createVerifier, type Verifier } from "../verifier.ts";
import { realWorld } from "../world.ts";
import { scopesRefusal } from "./answer.ts";
import * as forExpress from "./express.ts";
import * as forFastify from "./fastify.ts";
import * as forHono from "./hono.ts";
import * as forKoa from "./koa.ts";
import { nestApp } from "./nest.test-support.ts";
import * as forNest from "./nest.ts";
import * as forNext from "./next.ts";
import * as forNode from "./node.ts";

const trader = newText();
const reader = newText();
const fenced = newText();
let authority: AuthorityDouble;
let verifier: Verifier;
const servers: Server[] = [];

beforeAll(async () => {
  authority = new AuthorityDouble(realWorld().clock);
  authority.write(keyRecord("key_trader", [version(trader)], { scopes: ["market:read", "trade:*"] }));
  authority.write(keyRecord("key_reader", [version(reader)], { scopes: ["market:read"] }));
  const fence = { scopes: ["market:read"] };
  authority.write(keyRecord("key_fenced", [version(fenced, { fence })], { scopes: ["market:read", "trade:*"] }));
  const { world } = worldOf(authority);
  verifier = createVerifier({ url: "https://keys.test", token: "t", apis: ["market"], world });
  await verifier.ready;
});
afterAll(async () => {
  for (const server of servers) server.close();
  await verifier.close();
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
type Web = (request: Request) => Response | Promise<Response>;

const bridged =
  (answer: Web): Handler =>
  (incoming, response) => {
    const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]);
    void Promise.resolve(answer(new Request("http://here/", { headers }))).then(async (answered) => {
      response.writeHead(answered.status, Object.fromEntries(answered.headers)).end(await answered.text());
    });
  };

const NEEDED = ["market:read", "trade:write"];

const frameworks: Record<string, () => Promise<Handler>> = {
  async node() {
    const authorize = forNode.requireKey(verifier);
    const mayTrade = forNode.requireScopes(...NEEDED);
    const serve = async (request: IncomingMessage, response: ServerResponse) => {
      if ((await authorize(request, response)) === undefined || !mayTrade(request, response)) return;
      response.end("traded");
    };
    return (request, response) => void serve(request, response);
  },
  async express() {
    const app = express();
    app.use(forExpress.requireKey(verifier));
    app.get("/", forExpress.requireScopes(...NEEDED), (_request, response) => void response.send("traded"));
    return app;
  },
  async fastify() {
    const app = fastify();
    app.addHook("onRequest", forFastify.requireKey(verifier));
    app.get("/", { onRequest: forFastify.requireScopes(...NEEDED) }, async () => "traded");
    await app.ready();
    return app.routing.bind(app);
  },
  async hono() {
    const app = new Hono();
    app.use(forHono.requireKey(verifier));
    app.get("/", forHono.requireScopes(...NEEDED), (c) => c.text("traded"));
    return bridged((request) => app.fetch(request));
  },
  async koa() {
    const app = new Koa();
    app
      .use(forKoa.requireKey(verifier))
      .use(forKoa.requireScopes(...NEEDED))
      .use((ctx) => {
        ctx.body = "traded";
      });
    const answer = app.callback();
    return (request, response) => void answer(request, response);
  },
  nest: () => nestApp([forNest.requireKey(verifier), forNest.requireScopes(...NEEDED)], () => "traded"),
  async next() {
    const keyed = forNext.requireKey(verifier);
    return bridged(keyed(forNext.requireScopes(...NEEDED)(async () => new Response("traded"))));
  },
};

describe.each(Object.keys(frameworks))("%s", (name) => {
  let url: string;
  const get = async (text: string) => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${text}` } });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  beforeAll(async () => {
    const server = createServer(await (frameworks[name] as () => Promise<Handler>)());
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });

  test("a key with all of the scopes passes", async () => {
    expect(await get(trader)).toMatchObject({ status: 200, text: "traded" });
  });

  test.each([
    ["lacks one", () => reader],
    ["has a fence that leaves it less", () => fenced],
  ])("a key that %s is refused as requireKey would", async (_what, text) => {
    const { status, headers, text: body } = await get(text());
    expect([status, JSON.parse(body)]).toMatchObject([403, { code: "insufficient_scope", scope: NEEDED.join(" ") }]);
    expect(headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect(headers.get("www-authenticate")).toBe(`Bearer error="insufficient_scope", scope="${NEEDED.join(" ")}"`);
  });

  test("without a key it is not reached", async () => {
    expect((await get("nonsense")).status).toBe(401);
  });
});

test("on Fastify a Nest guard answers by itself, once, with what hooks have set", async () => {
  const app = fastify();
  const guard = forNest.requireKey(verifier, "trade:write");
  const context = (request: FastifyRequest, reply: FastifyReply) =>
    ({ switchToHttp: () => ({ getRequest: () => request, getResponse: () => reply }) }) as never;
  app.get(
    "/",
    {
      preHandler: async (request, reply) => {
        reply.header("x-hook", "was here");
        if (!(await guard.canActivate(context(request, reply)))) return reply;
        return undefined;
      },
    },
    async (request) => request.keyover.key,
  );
  const ask = (text: string) => app.inject({ url: "/", headers: { authorization: `Bearer ${text}` } });
  expect((await ask(trader)).body).toBe("key_trader");
  const refused = await ask(reader);
  expect([refused.statusCode, refused.headers["x-hook"], refused.json().code]).toEqual([
    403,
    "was here",
    "insufficient_scope",
  ]);
  await app.close();
});

test("a handler of Next's gets its context, and the headers of a rotation reach even a redirect", async () => {
  const since = Date.now() - 1_000;
  const old = newText();
  const rotation = { id: "rot_1", phase: "overlapping", from: 1, to: 2, since, endsAt: since + 9e6 } as const;
  authority.write(keyRecord("key_old", [version(old, { state: "retiring" })], { rotation }));
  const GET = forNext.requireKey(verifier)(async (_request, { params }: { params: { to: string } }) =>
    Response.redirect(`http://there/${params.to}`),
  );
  const request = new Request("http://here/", { headers: { "x-api-key": old } });
  const answer = await GET(request, { params: { to: "x" } });
  expect([answer.status, answer.headers.get("location")]).toEqual([302, "http://there/x"]);
  expect(answer.headers.get("keyover-rotation")).toContain("version=1, target=2");
});

test("requireScopes without requireKey lets nobody in", () => {
  expect(() => scopesRefusal(undefined, ["market:read"])).toThrow("put requireKey before it");
  expect(() => scopesRefusal({ valid: false, code: "unknown" }, [])).toThrow("put requireKey before it");
});
