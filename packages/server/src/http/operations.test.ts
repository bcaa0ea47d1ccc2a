import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, SECOND, TestAuthority } from "../authority.test-support.ts";
import { openapiDocument } from "./openapi.ts";

let keyover: TestAuthority;
let api: Answer["body"];
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api({ name: "market" });
});
afterEach(() => keyover.close());

test("the OpenAPI document and its rendering are served to everybody", async () => {
  const document = await keyover.ok("GET", "/openapi.json", undefined, { token: "" });
  expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "Keyover" } });
  expect(document).toEqual(JSON.parse(JSON.stringify(await openapiDocument())));
  const operations = Object.values<object>(document.paths).flatMap((path) => Object.values(path));
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  const page = await keyover.call("GET", "/docs", undefined, { token: "" });
  expect(page).toMatchObject({ status: 200, headers: { "content-type": expect.stringMatching(/^text\/html/) } });
  expect((await keyover.call("GET", "/docs/static/swagger-ui.css", undefined, { token: "" })).status).toBe(200);
});

test("metrics parse, count by phase, status and state, and name no key, consumer or address", async () => {
  const consumer = await keyover.consumer();
  const key = await keyover.key({ api, consumer });
  const verifier = await keyover.verifier(api);
  verifier.see(key.id, 1);
  await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
  await keyover.pass(SECOND);
  await keyover.ok("POST", "/v1/verify", { api: api.id, key: key.secret });
  const { text, headers } = await keyover.call("GET", "/metrics");
  expect(headers["content-type"]).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples = new Map<string, number>();
  for (const line of text.split("\n").filter((each) => each !== "")) {
    if (line.startsWith("#")) expect(line).toMatch(/^# (HELP|TYPE) keyover_\w+ \S/);
    else {
      const match = /^(keyover_\w+(?:\{(?:\w+="[^"\n]*",?)*\})?) (\S+)$/.exec(line);
      expect(match, line).not.toBeNull();
      samples.set(match?.[1] ?? "", Number(match?.[2]));
    }
  }
  expect(samples.get('keyover_rotations{phase="offered"}')).toBe(1);
  expect(samples.get('keyover_keys{status="active"}')).toBe(1);
  expect(samples.get('keyover_verifiers{api="market",state="live"}')).toBe(1);
  expect(samples.get('keyover_verifications_total{api="market",code="ok"}')).toBe(1);
  expect(samples.get('keyover_rotation_steps_total{event="acknowledged"}')).toBe(1);
  expect(text).not.toMatch(/(key|con|rot|tok|ver|boo)_[0-9A-Za-z]{22}|203\.0\.113/);
});

test("healthy and ready without a token", async () => {
  expect(await keyover.ok("GET", "/healthz", undefined, { token: "" })).toEqual({ status: "ok" });
  expect(await keyover.ok("GET", "/readyz", undefined, { token: "" })).toEqual({ status: "ready" });
});

/** A connection on which each request is written by hand. */
async function rawConnection() {
  const { port } = keyover.authority.app.server.address() as AddressInfo;
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  let received = "";
  socket.on("data", (chunk) => {
    received += String(chunk);
  });
  const answered = async (pattern: RegExp) => {
    for (let i = 0; i < 400 && !pattern.test(received); i++) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(received).toMatch(pattern);
    const answer = received;
    received = "";
    return answer;
  };
  return { socket, answered, send: (text: string) => socket.write(text) };
}

describe("over a real socket", () => {
  beforeEach(async () => {
    await keyover.authority.app.listen({ host: "127.0.0.1", port: 0 });
  });

  test("a head that is too large, and noise, are answered with a problem document", async () => {
    const large = await rawConnection();
    large.send(`GET /healthz HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${"x".repeat(17_000)}\r\n\r\n`);
    expect(await large.answered(/\}$/)).toMatch(
      /^HTTP\/1\.1 413 .*application\/problem\+json.*"code":"payload_too_large"/s,
    );
    const noise = await rawConnection();
    noise.send("hello?\r\n\r\n");
    expect(await noise.answered(/\}$/)).toMatch(
      /^HTTP\/1\.1 400 .*application\/problem\+json.*"code":"invalid_request"/s,
    );
    await keyover.ok("GET", "/healthz");
  });

  test("a shutdown answers what has begun, says that it is not ready, ends the streams, and is done", async () => {
    const verifier = await keyover.verifier(api);
    const stream = await rawConnection();
    stream.send(
      `GET /v1/apis/${api.id}/feed?after=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${verifier.token}\r\n\r\n`,
    );
    await stream.answered(/follow/);
    const half = await rawConnection();
    const body = JSON.stringify({ name: "half sent" });
    const head = [
      `POST /v1/consumers HTTP/1.1`,
      "host: x",
      `authorization: Bearer ${keyover.adminToken}`,
      "content-type: application/json",
      `content-length: ${body.length}`,
    ];
    half.send(`${head.join("\r\n")}\r\n\r\n${body.slice(0, 5)}`);
    const silent = await rawConnection();
    const asking = await rawConnection();
    asking.send("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n");
    await asking.answered(/"ready"/);
    asking.send("GET /rea");
    await new Promise((resolve) => setTimeout(resolve, 20));

    const closing = keyover.authority.close();
    await Promise.all([once(stream.socket, "end"), once(silent.socket, "close")]);
    asking.send("dyz HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(await asking.answered(/\}$/)).toMatch(
      /^HTTP\/1\.1 503 .*application\/problem\+json.*"code":"shutting_down"/s,
    );
    half.send(body.slice(5));
    expect(await half.answered(/\}/)).toMatch(/^HTTP\/1\.1 201 /);
    await closing; // though no client has let go of its connection
    await keyover.authority.tick();
    keyover = await TestAuthority.start();
  });
});
