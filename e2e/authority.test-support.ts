/** The real authority in a process of its own, and what a provider's engineer does with it by HTTP. */
import { join } from "node:path";
import { type Api, createApi, type paths } from "@keyover/client/api";
import { freePort, makeFolder, pathOf, run, type Server, server } from "./processes.test-support.ts";

export const KEYOVER = pathOf("../packages/server/src/main.ts");

export interface Authority extends Server {
  data: string;
  adminToken: string;
  /** The typed API with the administrator's token. */
  admin: Api;
}

export interface AuthorityOptions {
  data?: string;
  env?: Record<string, string>;
}

/** A fresh authority, up and ready. It logs all that it can: the canary reads it. */
export async function startAuthority(options: AuthorityOptions = {}): Promise<Authority> {
  const data = options.data ?? join(makeFolder("authority"), "data");
  const init = run(KEYOVER, ["init", "--data", data, "--json"], { showsSecret: true });
  if ((await init.end) !== 0) throw new Error(`keyover init failed: ${init.out()}${init.err()}`);
  const { adminToken } = JSON.parse(init.out()) as { adminToken: string };
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = ["serve", "--data", data, "--listen", `127.0.0.1:${port}`, "--log-level", "debug"];
  const made = server(url, "/readyz", () => run(KEYOVER, args, options.env === undefined ? {} : { env: options.env }));
  await made.start();
  return Object.assign(made, { data, adminToken, admin: createApi({ url, token: adminToken }) });
}

export type RotationPolicy = NonNullable<
  NonNullable<paths["/v1/apis"]["post"]["requestBody"]>["content"]["application/json"]["policy"]
>;
export type Staleness = NonNullable<
  NonNullable<paths["/v1/apis"]["post"]["requestBody"]>["content"]["application/json"]["staleness"]
>;
export type Rotation = paths["/v1/rotations/{rotation}"]["get"]["responses"]["200"]["content"]["application/json"];

/** Days become seconds. A deadline that has passed holds, so that only evidence retires. */
export const quickPolicy: RotationPolicy = {
  overlapMinMs: 1_000,
  overlapMs: 2_000,
  quietMs: 1_500,
  gapMargin: 1.2,
  rollbackMs: 600_000,
  claimMs: 600_000,
  onDeadline: "hold",
};

/** An api named `name`, and a token for its verifiers. */
export async function protectApi(
  { admin }: Pick<Authority, "admin">,
  name: string,
  prefix: string,
  more: { policy?: RotationPolicy; staleness?: Staleness } = {},
) {
  const api = await admin.request("post", "/v1/apis", {
    body: {
      name,
      prefix,
      environments: ["live", "test"],
      scopes: ["market:read", "trade:write", "account:withdraw"],
      policy: more.policy ?? quickPolicy,
      staleness: more.staleness ?? { leaseMs: 3_000, onStale: "static", staticMs: 10_000 },
    },
  });
  const token = await admin.request("post", "/v1/tokens", {
    body: { name: `${name} verifiers`, role: "verifier", apis: [name], environments: ["live"] },
  });
  return { apiId: api.id, verifierToken: token.secret as string };
}

export interface Issued {
  keyId: string;
  secret: string;
  consumerId: string;
  consumerToken: string;
  /** The API as this consumer. */
  consumer: Api;
}

/** A key with a consumer of its own. */
export async function issueKey(
  { admin, url }: Pick<Authority, "admin" | "url">,
  api: string,
  name: string,
  more: Partial<NonNullable<paths["/v1/keys"]["post"]["requestBody"]>["content"]["application/json"]> = {},
): Promise<Issued> {
  const consumer = await admin.request("post", "/v1/consumers", { body: { name } });
  const token = await admin.request("post", "/v1/tokens", { body: { name, role: "consumer", consumer: consumer.id } });
  const body = { api, environment: "live", consumer: consumer.id, scopes: ["market:read", "trade:write"], ...more };
  const key = await admin.request("post", "/v1/keys", { body });
  const consumerToken = token.secret as string;
  return {
    keyId: key.id,
    secret: key.secret as string,
    consumerId: consumer.id,
    consumerToken,
    consumer: createApi({ url, token: consumerToken }),
  };
}

export function rotate(
  { admin }: Pick<Authority, "admin">,
  keyId: string,
  body: { reason?: string; sha256?: string } = {},
) {
  return admin.request("post", "/v1/keys/{key}/rotations", { params: { key: keyId }, body });
}

export function rotationOf({ admin }: Pick<Authority, "admin">, id: string): Promise<Rotation> {
  return admin.request("get", "/v1/rotations/{rotation}", { params: { rotation: id } });
}

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  body: { code?: string; detail?: string; [member: string]: unknown };
}

export interface AskOptions {
  token?: string | undefined;
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** One plain HTTP request, refusals included. */
export async function ask(url: string, { token, method, body, headers, signal }: AskOptions = {}): Promise<Reply> {
  const response = await fetch(url, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parse(text) };
}

function parse(text: string): Reply["body"] {
  try {
    return (JSON.parse(text) ?? {}) as Reply["body"];
  } catch {
    return {};
  }
}
