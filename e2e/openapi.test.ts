/**
 * R82: the OpenAPI document of a running server, taken at its word. Every operation in it is called with the smallest body that it
 * allows, every answer is held against the schema that it names, and every error must be problem details.
 */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { makeHandle, sha256Text } from "@keyover/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Authority, ask, quickPolicy, type Reply, startAuthority } from "./authority.test-support.ts";
import { resolve, type Schema, schemaProblems } from "./json-schema.test-support.ts";
import { endAll, until } from "./processes.test-support.ts";

interface Operation {
  method: string;
  path: string;
  operationId: string;
  security?: object[];
  parameters?: { name: string; in: string; required?: boolean }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

/** What a required member of a body, or a parameter, is in these tests. Grows with what the calls answer. */
type Values = Record<string, unknown>;

/** A call that succeeds as documented; by the administrator unless a token is given. `more`: members beyond the required ones. */
type Does = (id: string, token?: string, more?: object) => Promise<Reply["body"]>;

let authority: Authority;
let document: {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};
const operations = new Map<string, Operation>();
const operation = (id: string) => operations.get(id) as Operation;
const tokens: Record<string, string> = {};
/** Where the notices go. */
const webhook = createServer((request, response) => {
  request.resume().once("end", () => response.writeHead(204).end());
});

beforeAll(async () => {
  await new Promise<void>((listening) => webhook.listen(0, "127.0.0.1", listening));
  authority = await startAuthority({ env: { KEYOVER_NOTICE_PRIVATE_TARGETS: "127.0.0.0/8" } });
  document = (await ask(`${authority.url}/openapi.json`)).body as never;
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, described] of Object.entries(methods))
      operations.set(described.operationId, { ...described, method: method.toUpperCase(), path });
  }
});
afterAll(async () => {
  await endAll();
  webhook.closeAllConnections();
  await new Promise((closed) => webhook.close(closed));
});

const bodySchema = ({ requestBody }: Operation) => requestBody?.content["application/json"]?.schema;

/** The members that the document requires, and no other. */
function minimalBody(described: Operation, values: Values): unknown {
  const schema = bodySchema(described);
  if (schema === undefined) return undefined;
  const plain = "$ref" in schema ? resolve(String(schema.$ref), document) : schema;
  const objects = ((plain.anyOf as Schema[] | undefined) ?? [plain]).filter((each) => each.type === "object");
  const needs = objects.map((each) => (each.required ?? []) as string[]);
  const required = needs.find((names) => names.every((name) => values[name] !== undefined)) ?? needs[0] ?? [];
  const body = Object.fromEntries(required.map((name) => [name, values[name]]));
  expect({ missing: required.filter((name) => values[name] === undefined) }).toEqual({ missing: [] });
  expect(schemaProblems(schema, body, document, "body")).toEqual([]);
  return body;
}

function urlOf({ path, parameters }: Operation, values: Values): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(values[name])));
  const query = (parameters ?? []).filter((parameter) => parameter.in === "query" && parameter.required === true);
  const search = new URLSearchParams(query.map(({ name }): [string, string] => [name, String(values[name])]));
  return `${authority.url}${filled}?${search.toString()}`;
}

async function call(id: string, values: Values, token: string | undefined, more: object = {}): Promise<Reply> {
  const described = operation(id);
  const body = minimalBody(described, values);
  const sent = body === undefined ? undefined : { ...(body as object), ...more };
  return ask(urlOf(described, values), { token, method: described.method, body: sent });
}

/** The answer is of a status and media type that the document names for this operation, and has the form that it says. */
function expectDocumented(id: string, reply: Reply): void {
  const { responses } = operation(id);
  const described = responses[String(reply.status)] ?? responses[`${String(reply.status)[0]}XX`];
  expect({ id, status: reply.status, documented: described !== undefined }).toEqual({
    id,
    status: reply.status,
    documented: true,
  });
  const mediaType = reply.headers.get("content-type")?.split(";")[0];
  const content = described?.content;
  if (content === undefined) {
    expect([id, reply.text]).toEqual([id, ""]);
    return;
  }
  expect([id, Object.keys(content)]).toEqual([id, [mediaType]]);
  const { schema } = content[mediaType as string] as { schema: Schema };
  const value = mediaType?.endsWith("json") && !mediaType.endsWith("ndjson") ? JSON.parse(reply.text) : reply.text;
  expect([id, schemaProblems(schema, value, document)]).toEqual([id, []]);
}

function expectProblem(id: string, reply: Reply, status: number): void {
  expect([id, reply.status, reply.headers.get("content-type")?.split(";")[0]]).toEqual([
    id,
    status,
    "application/problem+json",
  ]);
  expect([id, reply.body.status]).toEqual([id, status]);
  expectDocumented(id, reply);
}

describe("R82: the document of a running server", () => {
  it("describes every operation once, in OpenAPI 3.1", () => {
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    const all = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(all.length).toBe(operations.size);
    expect(all.length).toBeGreaterThan(40);
  });

  it("is true of every operation, called with the least that it asks for", async () => {
    const called = new Set<string>();
    const values: Values = {
      environment: "live",
      scopes: ["market:read"],
      reason: "e2e",
      mode: "kill",
      role: "auditor",
      name: "market",
      prefix: "mkt",
    };
    const does: Does = async (id, token = tokens.admin, more = {}) => {
      const reply = await call(id, values, token, more);
      if (!String(reply.status).startsWith("2"))
        throw new Error(`${id} ${JSON.stringify(values)}: ${reply.status} ${reply.text}`);
      expectDocumented(id, reply);
      called.add(id);
      return reply.body;
    };
    tokens.admin = authority.adminToken;

    const policy = { ...quickPolicy, consumerMayExtendMs: 60_000 };
    values.api = (await does("createApi", undefined, { policy })).id;
    values.consumer = (await does("createConsumer")).id;
    values.token = (await does("createToken")).id;
    Object.assign(values, { owner: "ann@example.com", who: values.token });
    for (const id of ["updateToken", "getCustodian", "offboard", "revokeToken"]) await does(id);
    const forConsumer = await call("createToken", { ...values, role: "consumer" }, tokens.admin, {
      consumer: values.consumer,
    });
    const forVerifier = await call("createToken", { ...values, role: "verifier" }, tokens.admin, {
      apis: [values.api],
    });
    tokens.consumer = String(forConsumer.body.secret);
    tokens.verifier = String(forVerifier.body.secret);

    const newKey = async () => {
      const made = await does("createKey");
      values.key = made.id;
      return String(made.secret);
    };
    const first = await newKey();
    for (const id of [
      "getApi",
      "updateApi",
      "listApis",
      "getConsumer",
      "updateConsumer",
      "listConsumers",
      "listKeys",
      "listTokens",
    ])
      await does(id);
    for (const id of ["suspendKey", "restoreKey", "updateKey", "getKey"]) await does(id);
    await callsOfPlans(does, values, first);
    await callsOfPolicies(does, values);
    await callsOfChannels(does, values);

    // A verifier that speaks by hand.
    Object.assign(values, {
      boot: makeHandle("boot", Date.now(), randomBytes),
      instance: "by hand",
      software: "test/1",
    });
    const welcome = await does("registerVerifier", tokens.verifier);
    Object.assign(values, { after: 0, applied: 1, n: 1, from: welcome.now, to: welcome.now, sightings: [] });
    await does("getSnapshot", tokens.verifier);
    await does("acknowledge", tokens.verifier);
    await does("report", tokens.verifier);
    values.sha256 = sha256Text("nobody's");
    await does("askMiss", tokens.verifier);
    await does("listVerifiers");
    Object.assign(values, { epoch: values.api, seq: 0, last: true, records: [], choose: "backup" });
    await does("tellRemembered", tokens.verifier);
    await does("getReconciliation");
    await does("listDifferences");
    // Nothing was restored here: there is nothing to choose.
    expectProblem("reconcile", await call("reconcile", values, tokens.admin), 409);
    called.add("reconcile");
    await followsTheFeed(values);
    called.add("followFeed");
    await does("removeVerifier");

    const secret = await newKey();
    const fence = { from: "offered", afterMs: 0, without: ["market:*"] };
    values.rotation = (await does("startRotation", undefined, { policy: { fence } })).id;
    await until(async () => (await does("getRotation")).fenced, "the offer, and the fence");
    values.forMs = 1_000;
    for (const id of ["brownOut", "endBrownout", "liftFence"]) await does(id);
    for (const id of ["getEvidence", "listRotations", "pauseRotation", "resumeRotation"]) await does(id);
    await callsOfNotices(does, values);
    values.sha256 = sha256Text(secret);
    await does("getChangeover", tokens.consumer, { sha256: values.sha256 });
    await does("getOwnRotation", secret);
    const claim = await does("claimSuccessor", tokens.consumer);
    await does("confirmSuccessor", tokens.consumer);
    await does("verify", undefined, { key: claim.secret });
    values.byMs = 60_000;
    await does("extendOverlap", tokens.consumer);
    await does("moveDeadline");
    await does("retireOldVersion");
    await does("rollBack");
    await does("getKeyUsage");

    await newKey();
    await callsOfCampaigns(does, values);
    await newKey();
    values.rotation = (await does("startRotation")).id;
    await does("cancelRotation");
    values.rotation = (await does("emergency")).id;
    await does("revokeKey");
    await revokesByForm(await newKey());
    called.add("revokePresentedKey");
    await does("removeChannel");
    for (const id of ["listAudit", "health", "readiness", "metrics", "openapi"]) await does(id);

    expect([...operations.keys()].filter((id) => !called.has(id))).toEqual([]);
  });

  it("says who may call: without a token, and with one that opens nothing, each protected operation is 401", async () => {
    const values: Values = new Proxy({}, { get: (_, name) => valueFor(String(name)) });
    for (const [id, { security }] of operations) {
      if (security === undefined || security.length === 0) continue;
      for (const token of [undefined, "kot_admin_0000000000000000000000000000000000000"]) {
        const reply = await ask(urlOf(operation(id), values), { token, method: operation(id).method });
        expectProblem(id, reply, 401);
        expect(reply.headers.get("www-authenticate")).toContain("Bearer");
      }
    }
  });

  it("every wrong body is 400 and every handle that does not exist 404, as problem details", async () => {
    const values: Values = new Proxy({}, { get: (_, name) => valueFor(String(name)) });
    for (const [id, described] of operations) {
      if (described.security === undefined || described.security.length === 0) continue;
      if (bodySchema(described) === undefined && !described.path.includes("{")) continue;
      const roles = ["admin", "consumer", "verifier"];
      const { method } = described;
      const wrong = await firstNot(roles, 403, (role) =>
        ask(urlOf(described, values), {
          token: tokens[role],
          method,
          body: bodySchema(described) === undefined ? undefined : [],
        }),
      );
      if (bodySchema(described) !== undefined) expectProblem(id, wrong, 400);
      // What a PUT names need not exist: it makes it.
      if (!described.path.includes("{") || method === "PUT") continue;
      const body = bodySchema(described) === undefined ? undefined : goodBody(id, described, values);
      const absent = await firstNot(roles, 403, (role) =>
        ask(urlOf(described, values), { token: tokens[role], method, body }),
      );
      expectProblem(id, absent, 404);
    }
    for (const path of ["/v1/nothing", "/v2/keys"])
      expect((await ask(authority.url + path)).body.code).toBe("not_found");
  });

  it("is rendered at /docs from this server alone", async () => {
    const page = await ask(`${authority.url}/docs`);
    expect([page.status, page.headers.get("content-type")?.split(";")[0]]).toEqual([200, "text/html"]);
    expect([...page.text.matchAll(/(?:src|href)="(https?:[^"]+)"/g)].map(([, address]) => address)).toEqual([]);
  });
});

async function callsOfPlans(does: Does, values: Values, secret: string): Promise<void> {
  values.limits = [
    { kind: "rate", name: "sustained", units: 100, windowMs: 1_000, burst: 200 },
    { kind: "quota", name: "monthly", units: 1_000_000, period: "month" },
  ];
  values.plan = (await does("createPlan")).id;
  for (const id of ["getPlan", "listPlans", "updatePlan"]) await does(id);
  await does("updateKey", undefined, { plan: values.plan });
  for (const id of ["getOwnLimits", "getOwnUsage"]) await does(id, secret);
  await does("verify", undefined, { key: secret, cost: 2 });
  await does("updateKey", undefined, { plan: null });
  await does("removePlan");
}

async function callsOfPolicies(does: Does, values: Values): Promise<void> {
  Object.assign(values, { policy: "desk", spec: {}, target: { kind: "key", key: values.key } });
  await does("applyPolicy");
  values.attachment = (await does("attachPolicy")).id;
  for (const id of ["getPolicy", "listPolicies", "getPolicyHistory", "explainPolicy", "getPolicySchema"])
    await does(id);
  for (const id of ["detachPolicy", "removePolicy"]) await does(id);
}

/** Leaves a channel, so that what comes after it raises notices. */
async function callsOfChannels(does: Does, values: Values): Promise<void> {
  const { port } = webhook.address() as AddressInfo;
  values.target = { kind: "webhook", url: `http://127.0.0.1:${port}/` };
  values.channel = (await does("createChannel")).id;
  for (const id of ["getChannel", "listChannels", "updateChannel", "rotateChannelSecret", "endOldChannelSecret"])
    await does(id);
  expect((await does("testChannel")).delivered).toBe(true);
}

/** Of the one key: a campaign that waits at its gate and is taken back, one that is aborted, and an emergency. */
async function callsOfCampaigns(does: Does, values: Values): Promise<void> {
  values.select = { keys: [values.key] };
  const gate = { claimed: 1 };
  const isItsKey = (what: "started" | "rolled-back") => async () =>
    ((await does("getCampaign")).keys as Record<string, number>)[what] === 1;
  values.campaign = (await does("startCampaign", undefined, { gate })).id;
  await until(isItsKey("started"), "the campaign's key to be started");
  const steering = ["pauseCampaign", "resumeCampaign", "continueCampaign"];
  for (const id of [...steering, "listCampaigns", "listCampaignItems", "reportCampaign", "rollBackWave"])
    await does(id);
  await until(isItsKey("rolled-back"), "the wave to be taken back");
  values.campaign = (await does("startCampaign", undefined, { gate, waves: [{ percent: 50 }] })).id;
  await does("abortCampaign");
  await does("startEmergency");
}

/** The one operation that takes a form: as OAuth has it. */
async function revokesByForm(secret: string): Promise<void> {
  const id = "revokePresentedKey";
  expect(Object.keys(operation(id).requestBody?.content ?? {})).toEqual(["application/x-www-form-urlencoded"]);
  for (const [form, status] of [
    [{ token: secret }, 200],
    [{ token: secret }, 200],
    [{}, 400],
  ] as const) {
    const body = new URLSearchParams(form);
    const response = await fetch(authority.url + operation(id).path, { method: "POST", body });
    const reply = { status: response.status, headers: response.headers, text: await response.text() } as Reply;
    expectDocumented(id, reply);
    expect(reply.status).toBe(status);
  }
  const asked = await ask(`${authority.url}/v1/verify`, {
    token: tokens.admin,
    method: "POST",
    body: { api: "market", key: secret },
  });
  expect(asked.body).toMatchObject({ valid: false, code: "revoked" });
}

/** A rotation was offered. What still waits is sent by itself, and can't be sent again. */
async function callsOfNotices(does: Does, values: Values): Promise<void> {
  const sent = await until(async () => {
    const { items } = await does("listNotices");
    return (items as { id: string; state: string }[]).find(({ state }) => state === "sent");
  }, "a notice that was sent");
  values.notice = sent.id;
  for (const id of ["getNotice", "acknowledgeNotice", "resendNotice"]) await does(id);
}

async function followsTheFeed(values: Values): Promise<void> {
  const abort = new AbortController();
  const response = await fetch(urlOf(operation("followFeed"), values), {
    headers: { authorization: `Bearer ${tokens.verifier}` },
    signal: abort.signal,
  });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  let text = "";
  for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("event: entry")) break;
  }
  abort.abort();
  expect(text).toMatch(/^id: 1\nevent: entry\ndata: \{"seq":1,/m);
}

/** Something of the right form that does not exist. */
function valueFor(name: string): unknown {
  const forms: Values = {
    after: 0,
    mode: "kill",
    boot: "boo_0000000000000000000000",
    sha256: sha256Text("nobody's"),
    instance: "nobody",
    software: "test/1",
    n: 1,
    from: 0,
    to: 0,
    applied: 0,
    sightings: [],
    reason: "e2e",
    epoch: "none",
    seq: 0,
    last: true,
    records: [],
    choose: "backup",
    byMs: 1,
    forMs: 1_000,
    policy: "nothing",
    spec: {},
    limits: [],
    target: { kind: "key", key: "key_0000000000000000000000" },
  };
  return forms[name] ?? `${name.slice(0, 3)}_0000000000000000000000`;
}

/** The document can't say that a deadline needs one of its two members. */
function goodBody(id: string, described: Operation, values: Values): unknown {
  return id === "moveDeadline" ? { byMs: 1 } : minimalBody(described, values);
}

async function firstNot(roles: string[], status: number, send: (role: string) => Promise<Reply>): Promise<Reply> {
  for (const role of roles) {
    const reply = await send(role);
    if (reply.status !== status) return reply;
  }
  throw new Error("no role may call this");
}
