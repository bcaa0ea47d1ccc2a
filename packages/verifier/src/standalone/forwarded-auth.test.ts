/**
 * Traefik and Envoy are not in Debian. What they send to a check and what they make of its answer is documented; here those requests are sent
 * by hand, header for header, and the answers are read as they read them.
 *
 *   Traefik forwardAuth   https://doc.traefik.io/traefik/middlewares/http/forwardauth/
 *       GET to the configured address; all of the caller's headers but the hop-by-hop ones; X-Forwarded-Method, -Proto, -Host, -Uri, -For set over the
 *       caller's (trustForwardHeader: false). 2xx: go on, with authResponseHeaders copied over the caller's. Else: the answer as it is.
 *   Envoy ext_authz       https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_authz_filter
 *       the caller's method, path_prefix + the caller's path and query, Host, Content-Length: 0, the allowed headers, headers_to_add over them.
 *       200 alone: go on. 5xx: Envoy's own status_on_error. Else: the answer as it is.
 */
import { readFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version, worldOf } from "../authority.test-double.ts";
import { createVerifier, type Verifier } from "../verifier.ts";
import { realWorld } from "../world.ts";
import { createStandalone, type Standalone } from "./standalone.ts";

const good = newText();
const walled = newText();
const world = realWorld();
let verifier: Verifier;
let standalone: Standalone;
let port: number;

beforeAll(async () => {
  const authority = new AuthorityDouble(world.clock);
  authority.write(keyRecord("key_good", [version(good)], { consumer: "con_1", scopes: ["market:read"] }));
  authority.write(keyRecord("key_walled", [version(walled)], { scopes: ["*"], networks: ["203.0.113.0/24"] }));
  verifier = createVerifier({
    url: "https://keys.test",
    token: "t",
    apis: ["market"],
    world: worldOf(authority).world,
  });
  await verifier.ready;
  standalone = createStandalone(verifier, { trustedHops: 1, world });
  await new Promise<void>((resolve) => standalone.server.listen(0, "127.0.0.1", resolve));
  ({ port } = standalone.server.address() as AddressInfo);
});
afterAll(() => standalone.drain(0));

/** Status, headers and body of the answer to these very lines. */
function send(...lines: string[]): Promise<{ status: number; headers: Map<string, string>; body: string }> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(`${[...lines, "Connection: close"].join("\r\n")}\r\n\r\n`),
    );
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", reject).on("close", () => {
      const [head = "", body = ""] = text.split("\r\n\r\n", 2);
      const [first = "", ...rest] = head.split("\r\n");
      const headers = new Map(
        rest.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)]),
      );
      resolve({ status: Number(first.split(" ")[1]), headers, body });
    });
  });
}

describe("Traefik", () => {
  const asked = (text: string, ...more: string[]) =>
    send(
      "GET /check?scope=market:read HTTP/1.1",
      "Host: 127.0.0.1:7710",
      "User-Agent: acme-bot/2.1",
      "Accept: */*",
      "Accept-Encoding: gzip",
      `Authorization: Bearer ${text}`,
      "X-Forwarded-For: 203.0.113.9",
      "X-Forwarded-Host: api.example.com",
      "X-Forwarded-Method: POST",
      "X-Forwarded-Port: 443",
      "X-Forwarded-Proto: https",
      ...(more.length > 0 ? more : ["X-Forwarded-Uri: /v1/ticker?symbol=BTC"]),
    );

  test("goes on after a 2xx, with every header that its configuration copies", async () => {
    const { status, headers } = await asked(
      good,
      "X-Forwarded-Uri: /v1",
      "Keyover-Consumer: forged",
      "Keyover-Want-Scope: trade:write",
    );
    expect(status).toBe(204);
    for (const name of ["key", "consumer", "version", "environment", "scopes"])
      expect(headers.has(`keyover-${name}`)).toBe(true);
    expect(headers.get("keyover-consumer")).toBe("con_1");
    const configured = readFileSync(
      join(import.meta.dirname, "../../../../examples/gateways/traefik/dynamic.yml"),
      "utf8",
    );
    for (const name of headers.keys())
      if (/^(keyover-|link|sunset|deprecation)/.test(name)) expect(configured.toLowerCase()).toContain(`- ${name}\n`);
  });

  test("hands the caller a refusal as it is", async () => {
    const { status, headers, body } = await asked(newText());
    expect([status, JSON.parse(body).code]).toEqual([401, "invalid_key"]);
    expect(headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
  });

  test("says the caller's address and what was asked for", async () => {
    expect((await asked(walled)).status).toBe(204);
    expect((await asked(good, `X-Forwarded-Uri: /v1?api_key=${newText()}`)).status).toBe(401);
  });
});

describe("Envoy", () => {
  const asked = (text: string, path: string, ...more: string[]) =>
    send(
      `POST /ext-authz${path} HTTP/1.1`,
      "host: api.example.com",
      `authorization: Bearer ${text}`,
      "user-agent: acme-bot/2.1",
      "x-forwarded-for: 6.6.6.6,203.0.113.9",
      ...(more.length > 0 ? more : ["keyover-want-scope: market:read"]),
      "content-length: 0",
      "x-envoy-internal: true",
      "x-envoy-expected-rq-timeout-ms: 2000",
    );

  test("goes on after a 200 and no other 2xx", async () => {
    const { status, headers, body } = await asked(good, "/v1/ticker?symbol=BTC");
    expect([status, body, headers.get("content-length"), headers.get("keyover-key")]).toEqual([
      200,
      "",
      "0",
      "key_good",
    ]);
  });

  test("hands the caller a 4xx as it is; the caller's path decides nothing", async () => {
    for (const path of [
      "/v1?scope=market:read&environment=live",
      "/../check",
      "/check?scope=market:read",
      "//",
      "/%2e%2e/check",
    ]) {
      const { status, body } = await asked(good, path, "keyover-want-scope: trade:write");
      expect([status, JSON.parse(body).code]).toEqual([403, "insufficient_scope"]);
    }
  });

  test("says the caller's address, and what was asked for in the path", async () => {
    expect((await asked(walled, "/v1")).status).toBe(200);
    expect((await asked(good, `/v1?key=${newText()}`)).status).toBe(401);
    expect((await asked(good, "/v1", "keyover-want-environment: test")).status).toBe(401);
    expect((await asked(good, "/v1", "keyover-want-scope:")).status).toBe(400);
  });

  test("its example sets what is wanted, lets the caller's address through, and lets nobody in when the check fails", () => {
    const example = readFileSync(join(import.meta.dirname, "../../../../examples/gateways/envoy/envoy.yaml"), "utf8");
    for (const line of [
      "key: keyover-want-scope",
      "path_prefix: /ext-authz\n",
      "exact: x-forwarded-for",
      "failure_mode_allow: false",
    ])
      expect(example).toContain(line);
    expect(example).not.toContain("exact: keyover-want");
  });
});
