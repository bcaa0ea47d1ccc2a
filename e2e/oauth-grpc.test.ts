/**
 * What speaks OAuth, and Envoy over gRPC, at a real `keyover verifier`: a resource server asks about keys (RFC 7662), and a leaked key is ended
 * by its text (RFC 7009) and refused everywhere.
 */
import { randomBytes } from "node:crypto";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { EnvoyDouble } from "../packages/verifier/src/standalone/ext-authz.test-support.ts";
import { type Authority, type Issued, issueKey, protectApi, startAuthority } from "./authority.test-support.ts";
import { startVerifier } from "./gateway.test-support.ts";
import { endAll, freePort, makeFolder, until } from "./processes.test-support.ts";

let authority: Authority;
let verifierToken: string;
let url: string;
let openPort: number;
let grpc: string;
let socket: string;
let keys: Record<"good" | "leaked" | "walled", Issued>;
const introspectionTokens = [randomBytes(32).toString("hex"), randomBytes(32).toString("base64")];
const gateways: EnvoyDouble[] = [];

beforeAll(async () => {
  authority = await startAuthority();
  ({ verifierToken } = await protectApi(authority, "market", "mkt"));
  keys = {
    good: await issueKey(authority, "market", "good", { scopes: ["market:read"] }),
    leaked: await issueKey(authority, "market", "leaked", { scopes: ["market:read"] }),
    walled: await issueKey(authority, "market", "walled", { networks: ["192.0.2.0/24"] }),
  };
  const file = join(makeFolder("introspection"), "tokens");
  writeFileSync(file, `${introspectionTokens.join("\n")}\n`, { mode: 0o600 });
  const [port, grpcPort] = [await freePort(), await freePort()];
  openPort = await freePort();
  [url, grpc] = [`http://127.0.0.1:${port}`, `127.0.0.1:${grpcPort}`];
  const places = ["--listen", `127.0.0.1:${port}`, "--grpc-listen", grpc];
  await startVerifier(authority.url, verifierToken, [...places, "--introspection-token-file", file, "--workers", "2"]);
  const place = join(makeFolder("grpc"), "grpc.sock");
  socket = `unix:${place}`;
  // Other machines could reach this one, and it has no tokens for introspection.
  const open = ["--listen", `0.0.0.0:${openPort}`, "--behind-tls-proxy"];
  await startVerifier(authority.url, verifierToken, ["--instance", "on a socket", "--grpc-listen", socket, ...open]);
  expect(statSync(place).mode & 0o777).toBe(0o660);
});
afterEach(() => {
  for (const gateway of gateways.splice(0)) gateway.close();
});
afterAll(endAll);

function envoyAt(address: string): EnvoyDouble {
  const envoy = new EnvoyDouble(address);
  gateways.push(envoy);
  return envoy;
}

const form = (members: Record<string, string>, authorization?: string) => ({
  method: "POST",
  body: new URLSearchParams(members),
  headers: authorization === undefined ? {} : { authorization },
});
async function introspect(token: string, more: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const by = form({ token, ...more }, `Bearer ${introspectionTokens[0]}`);
  const response = await fetch(`${url}/introspect`, by);
  expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
  return (await response.json()) as Record<string, unknown>;
}

describe("introspection", () => {
  it("tells of an accepted key what a resource server needs", async () => {
    expect(await introspect(keys.good.secret)).toEqual({
      active: true,
      scope: "market:read",
      client_id: keys.good.consumerId,
      sub: keys.good.consumerId,
      aud: "market",
      token_type: "Bearer",
      "keyover:key": keys.good.keyId,
      "keyover:version": 1,
      "keyover:environment": "live",
    });
    expect(await introspect(keys.walled.secret)).toEqual({ active: false });
    expect(await introspect(keys.walled.secret, { network: "192.0.2.9" })).toMatchObject({ active: true });
    expect(await introspect("nonsense")).toEqual({ active: false });
  });

  it("takes each line of its file, as Bearer or as the secret of a client; and nobody else", async () => {
    const status = async (authorization?: string) =>
      (await fetch(`${url}/introspect`, form({ token: keys.good.secret }, authorization))).status;
    for (const token of introspectionTokens) {
      expect(await status(`Bearer ${token}`)).toBe(200);
      expect(await status(`Basic ${btoa(`resource-server:${token}`)}`)).toBe(200);
    }
    expect([await status(), await status(`Bearer ${verifierToken}`)]).toEqual([401, 401]);
  });

  it("is not there for other machines without tokens", async () => {
    const response = await fetch(`http://127.0.0.1:${openPort}/introspect`, form({ token: keys.good.secret }));
    expect([response.status, (await response.text()).includes("active")]).toEqual([404, false]);
  });
});

describe.each(["on a port", "on a socket"])("Envoy over gRPC %s", (where) => {
  const address = () => (where === "on a port" ? grpc : socket);

  it("lets a good key in and says whose it is; another caller is refused as over HTTP", async () => {
    const envoy = envoyAt(address());
    const settings = { scope: "market:read" };
    const forged = { "keyover-consumer": "forged", keyover_consumer: "forged", "keyover-stale": "true" };
    const yes = await envoy.outcome({ authorization: `Bearer ${keys.good.secret}`, ...forged }, { settings });
    expect(yes.upstream).toEqual({
      "keyover-key": keys.good.keyId,
      "keyover-consumer": keys.good.consumerId,
      "keyover-version": "1",
      "keyover-environment": "live",
      "keyover-scopes": "market:read",
    });
    const no = await envoy.outcome({ authorization: "Bearer nonsense" }, { settings });
    expect([no.refused?.status, JSON.parse(no.refused?.body ?? "").code]).toEqual([401, "invalid_key"]);
    expect(await envoy.health("envoy.service.auth.v3.Authorization")).toEqual({ status: 1 });
  });

  it("knows where the caller is from Envoy itself", async () => {
    const envoy = envoyAt(address());
    const from = async (at: string) =>
      (await envoy.outcome({ "x-api-key": keys.walled.secret, "x-forwarded-for": "192.0.2.9" }, { from: at })).rpc;
    expect([await from("192.0.2.7"), await from("203.0.113.7")]).toEqual([0, 7]);
  });
});

describe("a leaked key is ended by its text", () => {
  it("and refused by introspection and gateways at once; its successor waits", async () => {
    const { secret, keyId } = keys.leaked;
    const envoy = envoyAt(grpc);
    const headers = { authorization: `Bearer ${secret}` };
    expect((await envoy.outcome(headers)).rpc).toBe(0);
    for (let i = 0; i < 2; i++) {
      const response = await fetch(`${authority.url}/v1/oauth/revoke`, form({ token: secret }));
      expect([response.status, await response.text()]).toEqual([200, ""]);
    }
    await until(async () => (await introspect(secret)).active === false, "the revocation to arrive");
    await until(async () => (await envoy.outcome(headers)).rpc === 16, "the revocation to arrive at every worker");
    const { items } = await authority.admin.request("get", "/v1/rotations", { query: { key: keyId } });
    expect(items.map(({ from, to, endedAt }) => [from, to, endedAt])).toEqual([[1, 2, null]]);
  });
});
