/**
 * R40: the same protected route under node:http, Express 5, Fastify 5, Hono 4 and Koa 3, against a real authority. Whatever the framework,
 * the caller sees the same: status, problem, headers, and nothing that tells an unknown key from a revoked one.
 */
import { randomBytes } from "node:crypto";
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { makeKeyText, parseRotationHeader, ROTATION_HEADER, sha256Text } from "@keyover/core";
import { createVerifier, type Verifier } from "@keyover/verifier";
import { requireKey as expressKey } from "@keyover/verifier/express";
import { requireKey as fastifyKey } from "@keyover/verifier/fastify";
import { requireKey as honoKey } from "@keyover/verifier/hono";
import { requireKey as koaKey } from "@keyover/verifier/koa";
import { requireKey as nodeKey } from "@keyover/verifier/node";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Authority,
  ask,
  type Issued,
  issueKey,
  protectApi,
  rotate,
  rotationOf,
  startAuthority,
} from "./authority.test-support.ts";
import { endAll, until } from "./processes.test-support.ts";

const SCOPE = "market:read";
const DOCS = "https://market.example/docs/rotation";

type Served = { close(): void };
type Launch = (verifier: Verifier) => Promise<{ port: number } & Served>;

const launches: Record<string, Launch> = {
  "node:http": (verifier) => {
    const authorize = nodeKey(verifier, SCOPE);
    const answer = async (request: IncomingMessage, response: ServerResponse) => {
      const verdict = await authorize(request, response);
      if (verdict !== undefined) response.end(JSON.stringify({ consumer: verdict.consumer, version: verdict.version }));
    };
    return listening(createServer((request, response) => void answer(request, response)));
  },
  "Express 5": (verifier) => {
    const app = express();
    app.get("/ticker", expressKey(verifier, SCOPE), (request, response) => {
      response.json({ consumer: request.keyover.consumer, version: request.keyover.version });
    });
    return listening(createServer(app));
  },
  "Fastify 5": async (verifier) => {
    const app = Fastify({ logger: false, forceCloseConnections: true });
    app.get("/ticker", { onRequest: fastifyKey(verifier, SCOPE) }, async ({ keyover }) => ({
      consumer: keyover.consumer,
      version: keyover.version,
    }));
    await app.listen({ host: "127.0.0.1", port: 0 });
    return { port: (app.server.address() as { port: number }).port, close: () => void app.close() };
  },
  "Hono 4": (verifier) => {
    const app = new Hono();
    app.get("/ticker", honoKey(verifier, SCOPE), (c) =>
      c.json({ consumer: c.get("keyover").consumer, version: c.get("keyover").version }),
    );
    // What @hono/node-server does, as far as a GET needs it.
    const answer = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
      const headers = new Headers(
        Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, [value].flat().join(", ")]),
      );
      const response = await app.fetch(new Request(`http://localhost${incoming.url}`, { headers }), {
        incoming,
        outgoing,
      });
      outgoing.writeHead(response.status, [...response.headers].flat());
      outgoing.end(await response.text());
    };
    return listening(createServer((request, response) => void answer(request, response)));
  },
  "Koa 3": (verifier) => {
    const app = new Koa();
    app.use(koaKey(verifier, SCOPE)).use((ctx) => {
      const { consumer, version } = ctx.state.keyover;
      ctx.body = { consumer, version };
    });
    const answer = app.callback();
    return listening(createServer((request, response) => void answer(request, response)));
  },
};

let authority: Authority;
let verifier: Verifier;
/** Never becomes ready: its authority is not there. */
let lost: Verifier;
const keys = new Map<string, Issued>();
const secrets = new Map<string, string>();
const secretOf = (name: string) => secrets.get(name) as string;
const closing: Served[] = [];

beforeAll(async () => {
  authority = await startAuthority();
  const { verifierToken: token } = await protectApi(authority, "market", "mkt");
  for (const name of ["good", "revoked", "suspended", "rotating", "retired"]) {
    keys.set(name, await issueKey(authority, "market", name));
    secrets.set(name, (keys.get(name) as Issued).secret);
  }
  secrets.set("poor", (await issueKey(authority, "market", "poor", { scopes: ["trade:write"] })).secret);
  secrets.set("elsewhere", (await issueKey(authority, "market", "elsewhere", { networks: ["192.0.2.0/24"] })).secret);
  secrets.set("expired", (await issueKey(authority, "market", "expired", { expiresAt: Date.now() + 1 })).secret);
  secrets.set("test", (await issueKey(authority, "market", "test", { environment: "test" })).secret);
  secrets.set("unknown", makeKeyText("mkt", "live", randomBytes));
  secrets.set("malformed", "nonsense");
  verifier = createVerifier({ url: authority.url, token, apis: ["market"], environment: "live", docsUrl: DOCS });
  await verifier.ready;
  lost = createVerifier({ url: "http://127.0.0.1:9", token, apis: ["market"], environment: "live" });
  closing.push({ close: () => void verifier.close() }, { close: () => void lost.close() });

  const { admin } = authority;
  const idOf = (name: string) => (keys.get(name) as Issued).keyId;
  await admin.request("post", "/v1/keys/{key}/revoke", { params: { key: idOf("revoked") }, body: { reason: "e2e" } });
  await admin.request("post", "/v1/keys/{key}/suspend", {
    params: { key: idOf("suspended") },
    body: { reason: "e2e" },
  });
  for (const name of ["rotating", "retired"]) {
    const { id } = await rotate(authority, idOf(name));
    await until(async () => (await rotationOf(authority, id)).offeredAt, "the offer");
    const claim = await (keys.get(name) as Issued).consumer.request("post", "/v1/rotations/{rotation}/claim", {
      params: { rotation: id },
      body: {},
    });
    secrets.set(`${name} successor`, claim.secret);
    if (name === "retired") {
      await admin.request("post", "/v1/rotations/{rotation}/retire", {
        params: { rotation: id },
        body: { reason: "e2e" },
      });
    }
  }
  const { head } = await admin.request("get", "/v1/apis/{api}/verifiers", { params: { api: "market" } });
  await until(() => (verifier.status()[0]?.seq ?? 0) >= head, "the verifier to be level");
});
afterAll(async () => {
  for (const each of closing) each.close();
  await endAll();
});

for (const [framework, launch] of Object.entries(launches)) {
  describe(`R40: ${framework}`, () => {
    let port: number;
    let lostPort: number;
    const ticker = (name: string) => ask(`http://127.0.0.1:${port}/ticker`, { token: secretOf(name) });

    beforeAll(async () => {
      const [served, unserved] = [await launch(verifier), await launch(lost)];
      closing.push(served, unserved);
      [port, lostPort] = [served.port, unserved.port];
    });

    it("lets a good key through, and hands the verdict to the route", async () => {
      const { keyId: _key, consumerId } = keys.get("good") as Issued;
      for (const headers of [
        { authorization: `Bearer ${secretOf("good")}` },
        { authorization: `bearer ${secretOf("good")}` },
        { "x-api-key": secretOf("good") },
      ]) {
        const reply = await ask(`http://127.0.0.1:${port}/ticker`, { headers: headers as Record<string, string> });
        expect([reply.status, reply.body]).toEqual([200, { consumer: consumerId, version: 1 }]);
        expect(reply.headers.has(ROTATION_HEADER)).toBe(false);
      }
    });

    const refusals: [name: string, status: number, code: string][] = [
      ["malformed", 401, "invalid_key"],
      ["unknown", 401, "invalid_key"],
      ["revoked", 401, "invalid_key"],
      ["retired", 401, "key_retired"],
      ["expired", 401, "key_expired"],
      ["test", 401, "wrong_environment"],
      ["suspended", 403, "key_suspended"],
      ["elsewhere", 403, "network_denied"],
      ["poor", 403, "insufficient_scope"],
    ];
    for (const [name, status, code] of refusals) {
      it(`R43: refuses a key that is ${name} with ${status} ${code}, as problem details`, async () => {
        const { body, headers, ...reply } = await ticker(name);
        expect([reply.status, body.code, body.status, body.type]).toEqual([
          status,
          code,
          status,
          `https://keyover.dev/docs/errors#${code}`,
        ]);
        expect(body.title).toMatch(/^[A-Z].*\.$/);
        expect(headers.get("content-type")).toMatch(/^application\/problem\+json(; charset=utf-8)?$/);
        expect(headers.get("cache-control")).toBe("no-store");
        const challenge = headers.get("www-authenticate");
        if (status === 401) expect(challenge).toBe('Bearer error="invalid_token"');
        if (name === "poor")
          expect([challenge, body.scope]).toEqual([`Bearer error="insufficient_scope", scope="${SCOPE}"`, SCOPE]);
        if (name === "retired") expect(Date.parse(String(body.retiredAt))).toBeGreaterThan(0);
      });
    }

    it("R43: no key, an unknown, a malformed and a revoked one get the same answer, byte for byte", async () => {
      const answers = await Promise.all(
        ["malformed", "unknown", "revoked"].map((name) =>
          rawAnswer(port, `Authorization: Bearer ${secretOf(name)}\r\n`),
        ),
      );
      for (const answer of answers) expect(answer).toBe(await rawAnswer(port, ""));
    });

    it("R43: while a rotation runs both versions are told; the old one that it ends, when, and where to read about it", async () => {
      const [old, successor] = [await ticker("rotating"), await ticker("rotating successor")];
      expect([old.status, successor.status]).toEqual([200, 200]);
      expect(parseRotationHeader(old.headers.get(ROTATION_HEADER))).toMatchObject({ version: 1, target: 2 });
      expect(parseRotationHeader(successor.headers.get(ROTATION_HEADER))).toMatchObject({ version: 2, target: 2 });
      expect(old.headers.get("deprecation")).toMatch(/^@\d{10}$/);
      expect(Date.parse(old.headers.get("sunset") as string)).toBe(
        parseRotationHeader(old.headers.get(ROTATION_HEADER))?.endsAt,
      );
      expect(old.headers.get("link")).toBe(`<${DOCS}>; rel="deprecation"; type="text/html"`);
      for (const name of ["deprecation", "sunset", "link"]) expect(successor.headers.has(name)).toBe(false);
    });

    it("R42: a verifier that knows nothing answers 503, not 401", async () => {
      const reply = await ask(`http://127.0.0.1:${lostPort}/ticker`, { token: secretOf("good") });
      expect([reply.status, reply.body.code, reply.headers.get("retry-after")]).toEqual([
        503,
        "verifier_unavailable",
        "1",
      ]);
      expect(reply.headers.get("content-type")).toContain("application/problem+json");
    });
  });
}

it("R06: the uses through all of them are on record, and none of a key that is not there", async () => {
  const { keyId, secret } = keys.get("good") as Issued;
  expect(sha256Text(secret)).toHaveLength(43);
  const usage = await until(async () => {
    const found = await authority.admin.request("get", "/v1/keys/{key}/usage", { params: { key: keyId } });
    const accepted = found.sources
      .flatMap(({ versions }) => versions)
      .reduce((sum, version) => sum + version.accepted, 0);
    return accepted >= 15 ? found : undefined;
  }, "fifteen uses to be reported");
  expect(usage.sources.map(({ source }) => source.network)).toEqual(["127.0.0.0/24"]);
});

async function listening(server: HttpServer): Promise<{ port: number } & Served> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { port: (server.address() as { port: number }).port, close };
}

/** Everything that comes over the wire but the date. */
function rawAnswer(port: number, headers: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(`GET /ticker HTTP/1.1\r\nHost: localhost\r\n${headers}Connection: close\r\n\r\n`),
    );
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text.replace(/^date: .*\r\n/im, "")));
  });
}
