/**
 * Real gateways with the configurations that examples/gateways shows, in front of an API that knows nothing of keys: who gets in, what the
 * API is told, what the caller is told; a rotation under load without a refused request.
 */
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { makeKeyText, parseRotationHeader, ROTATION_HEADER } from "@keyover/core";
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
import {
  type Gateway,
  gateways,
  isTested,
  listeningOn,
  OPEN_SOCKET,
  type Program,
  startGateway,
  startUpstream,
  startVerifier,
  type Upstream,
  type VerifierProcess,
} from "./gateway.test-support.ts";
import { endAll, freePort, until } from "./processes.test-support.ts";

const LOAD = 8;

let authority: Authority;
let verifierToken: string;
let upstream: Upstream;

beforeAll(async () => {
  authority = await startAuthority();
  ({ verifierToken } = await protectApi(authority, "market", "mkt"));
  upstream = await startUpstream();
});
afterAll(async () => {
  upstream.close();
  await endAll();
});

describe.each(gateways.filter(isTested))("$name", (gateway: Gateway) => {
  const { name } = gateway;
  let verifier: VerifierProcess;
  let program: Program;
  let url: string;
  const keys = new Map<string, Issued>();
  const keyOf = (key: string) => keys.get(key) as Issued;
  const get = (token: string | undefined, headers: Record<string, string> = {}, path = "/v1/ticker") =>
    ask(url + path, { token, headers });

  beforeAll(async () => {
    const scopes: Record<string, string[]> = {
      good: ["market:read"],
      mover: ["market:*"],
      leaked: ["market:read"],
      poor: ["trade:write"],
    };
    for (const [key, granted] of Object.entries(scopes))
      keys.set(key, await issueKey(authority, "market", `${name} ${key}`, { scopes: granted }));
    keys.set("walled", await issueKey(authority, "market", `${name} walled`, { networks: ["192.0.2.0/24"] }));
    keys.set("near", await issueKey(authority, "market", `${name} near`, { networks: ["127.0.0.0/8"] }));
    verifier = await startVerifier(authority.url, verifierToken, ["--instance", `for ${name}`, ...OPEN_SOCKET]);
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    program = startGateway(gateway, { port, upstream: upstream.port, socket: verifier.socket });
    await listeningOn(program, port);
  });
  afterAll(async () => {
    await program?.stop();
  });

  it("lets a good key in; the API learns whose it is, and not the key", async () => {
    const { secret, keyId, consumerId } = keyOf("good");
    for (const headers of [{ authorization: `Bearer ${secret}` }, { "x-api-key": secret }]) {
      const reply = await ask(`${url}/v1/ticker?symbol=BTC`, { headers: headers as Record<string, string> });
      expect([reply.status, reply.body]).toEqual([200, { ok: true }]);
      expect(reply.headers.has(ROTATION_HEADER)).toBe(false);
      expect(upstream.headers()).toMatchObject({
        "keyover-key": keyId,
        "keyover-consumer": consumerId,
        "keyover-version": "1",
        "keyover-environment": "live",
        "keyover-scopes": "market:read",
      });
      expect(JSON.stringify(upstream.headers())).not.toContain(secret);
    }
  });

  it("lets a POST with a body through, whole or in chunks", async () => {
    for (const body of ["x".repeat(100_000), new Blob(["y".repeat(100_000)]).stream()]) {
      const response = await fetch(`${url}/v1/ticker`, {
        method: "POST",
        headers: { authorization: `Bearer ${keyOf("good").secret}` },
        body,
        duplex: "half",
      } as RequestInit);
      expect([response.status, await response.json()]).toEqual([200, { ok: true }]);
    }
  });

  it("what a caller says of itself never reaches the API", async () => {
    const { secret, keyId, consumerId } = keyOf("good");
    const forged = Object.fromEntries(
      ["Key", "Consumer", "Version", "Environment", "Scopes", "Stale", "Rotation"].map((each) => [
        `keyover-${each}`,
        "forged",
      ]),
    );
    expect(
      (await get(secret, { ...forged, "keyover-want-scope": "", "keyover-want-environment": "test" })).status,
    ).toBe(200);
    expect(upstream.headers()).toMatchObject({ "keyover-key": keyId, "keyover-consumer": consumerId });
    expect(JSON.stringify(upstream.headers())).not.toMatch(/"forged"|\{http/);
    expect(upstream.headers()["keyover-stale"]).toBeUndefined();
  });

  it("nor under names that some APIs take for the same; and none of what it is told can be taken away", async () => {
    const { secret, consumerId } = keyOf("good");
    const authorization = `Bearer ${secret}`;
    const others = Array.from("!#$%&'*+.^_`|~", (character) => [`Keyover${character}Consumer`, "forged"]);
    const lookAlikes = { authorization, keyover_stale: "forged", ...Object.fromEntries(others) };
    expect(await statusOf(`${url}/v1/ticker`, lookAlikes)).toBe(200);
    expect(JSON.stringify(upstream.headers())).not.toContain("forged");
    const connection = "keep-alive, Keyover-Consumer,keyover-SCOPES";
    expect(await statusOf(`${url}/v1/ticker`, { authorization, connection })).toBe(200);
    expect(upstream.headers()).toMatchObject({ "keyover-consumer": consumerId, "keyover-scopes": "market:read" });
  });

  it.runIf(name === "HAProxy")("a path that is written in another way needs what it needs", async () => {
    const authorization = `Bearer ${keyOf("good").secret}`;
    const before = upstream.requests();
    const orders = ["/v1/orders", "/v1/%6frders", "/v1/Orders", "/%76%31/orders/7"];
    for (const path of orders) expect([path, await statusOf(url + path, { authorization })]).toEqual([path, 403]);
    const unclear = [
      "//v1/orders",
      "/v1/./orders",
      "/v1/x/%2e%2e/orders",
      "/v1%2f/orders",
      "/v1;x/orders",
      "/v1/orders/..",
    ];
    for (const path of unclear) expect([path, await statusOf(url + path, { authorization })]).toEqual([path, 400]);
    expect(upstream.requests()).toBe(before);
    expect(await statusOf(`${url}/v1/ticker%20a?at=//b/../c;d`, { authorization })).toBe(200);
  });

  it("refuses as the adapters do: status, problem, challenge", async () => {
    const revoked = keyOf("leaked");
    await authority.admin.request("post", "/v1/keys/{key}/revoke", {
      params: { key: revoked.keyId },
      body: { reason: "e2e" },
    });
    await until(async () => (await get(revoked.secret)).status === 401, "the revoked key to be refused");
    const before = upstream.requests();
    const refusals: [text: string | undefined, status: number, code: string][] = [
      [undefined, 401, "invalid_key"],
      ["nonsense", 401, "invalid_key"],
      [makeKeyText("mkt", "live", randomBytes), 401, "invalid_key"],
      [revoked.secret, 401, "invalid_key"],
      [keyOf("poor").secret, 403, "insufficient_scope"],
      [keyOf("walled").secret, 403, "network_denied"],
    ];
    for (const [text, status, code] of refusals) {
      const reply = await get(text);
      expect([reply.status, reply.body.code, reply.body.status]).toEqual([status, code, status]);
      expect(reply.headers.get("content-type")).toContain("application/problem+json");
      if (status === 401) expect(reply.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
      if (code === "insufficient_scope")
        expect(reply.headers.get("www-authenticate")).toBe('Bearer error="insufficient_scope", scope="market:read"');
    }
    expect(upstream.requests()).toBe(before);
  });

  it("the caller's address is the one that the gateway sees", async () => {
    expect((await get(keyOf("near").secret)).status).toBe(200);
    expect((await get(keyOf("near").secret, { "x-forwarded-for": "192.0.2.1" })).status).toBe(200);
    expect((await get(keyOf("walled").secret, { "x-forwarded-for": "192.0.2.1" })).status).toBe(403);
  });

  it("a key in the query string is refused, and said why", async () => {
    const text = makeKeyText("mkt", "live", randomBytes);
    const reply = await get(keyOf("good").secret, {}, `/v1/ticker?api_key=${text}`);
    expect([reply.status, reply.body.code, reply.body.detail]).toEqual([
      401,
      "invalid_key",
      expect.stringContaining("query string"),
    ]);
  });

  it("a rotation under load refuses nobody, and tells the holder of the old version where to go", async () => {
    const { secret, keyId, consumer } = keyOf("mover");
    let current = secret;
    let stop = false;
    let requests = 0;
    const wrong: unknown[] = [];
    const load = Array.from({ length: LOAD }, async () => {
      while (!stop) {
        const reply = await get(current);
        requests++;
        if (reply.status !== 200) wrong.push([reply.status, reply.text]);
      }
    });
    try {
      const { id } = await rotate(authority, keyId);
      const told = await until(async () => {
        const { headers } = await get(secret);
        return headers.has(ROTATION_HEADER) ? headers : undefined;
      }, "the header of the rotation");
      expect(parseRotationHeader(told.get(ROTATION_HEADER))).toMatchObject({ id, version: 1, target: 2 });
      expect(told.get("deprecation")).toMatch(/^@\d{10}$/);
      expect(told.get("link")).toContain('rel="deprecation"');
      await until(async () => (await rotationOf(authority, id)).offeredAt, "the offer");
      current = (
        await consumer.request("post", "/v1/rotations/{rotation}/claim", { params: { rotation: id }, body: {} })
      ).secret;
      await until(async () => (await rotationOf(authority, id)).phase === "retired", "the old version to retire");
      await until(async () => (await get(secret)).body.code === "key_retired", "the old version to be refused");
      expect((await get(secret)).headers.get(ROTATION_HEADER)).toContain("phase=retired");
    } finally {
      stop = true;
      await Promise.all(load);
    }
    expect(wrong).toEqual([]);
    expect(requests).toBeGreaterThan(100);
    expect(upstream.headers()["keyover-version"]).toBe("2");
  });

  it("lets nobody in when the verifier is gone", async () => {
    expect(await verifier.process.stop()).toBe(0);
    const before = upstream.requests();
    for (let i = 0; i < 3; i++) expect((await get(keyOf("good").secret)).status).toBe(name === "Caddy" ? 502 : 503);
    expect(upstream.requests()).toBe(before);
  });
});

/** Of a request as it is written here: `fetch` puts paths and headers right. */
function statusOf(url: string, headers: Record<string, string>): Promise<number | undefined> {
  const { hostname, port } = new URL(url);
  const path = url.slice(url.indexOf("/", "http://".length));
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, headers, agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    });
    sent.on("error", reject).end();
  });
}
