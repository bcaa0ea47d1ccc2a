/** Envoy's ext_authz over gRPC, asked by grpc's own client; what Envoy would do with the answer is in the double (ext-authz.test-support.ts). */
import { connect as connectHttp2, type Http2Server } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import type { KeyRecord } from "@keyover/core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version } from "../authority.test-double.ts";
import { openVerifier, openWaiting } from "../verifier.test-support.ts";
import type { Verifier } from "../verifier.ts";
import { realWorld } from "../world.ts";
import { checkRequest, EnvoyDouble } from "./ext-authz.test-support.ts";
import { readCheckRequest } from "./ext-authz.ts";
import { Fields, MessageWriter, WireError } from "./protobuf.ts";
import { createStandalone, type Standalone, type StandaloneOptions } from "./standalone.ts";

const texts = { good: newText(), bare: newText(), old: newText(), revoked: newText(), walled: newText() };
const since = Date.now() - 60_000;
const endsAt = Date.now() + 3_600_000;
const rotation: KeyRecord["rotation"] = { id: "rot_1", phase: "overlapping", from: 1, to: 2, since, endsAt };
const world = realWorld();
const authority = new AuthorityDouble(world.clock);
let verifier: Verifier;
const running: Standalone[] = [];
const gateways: EnvoyDouble[] = [];

const open = () => openVerifier(authority, { docsUrl: "https://docs.test" });

beforeAll(async () => {
  const scopes = ["market:read", "trade:*"];
  authority.write(keyRecord("key_good", [version(texts.good)], { consumer: "con_1", scopes }));
  authority.write(keyRecord("key_bare", [version(texts.bare)], { consumer: "con_1", scopes: [] }));
  authority.write(keyRecord("key_two", [version(texts.old, { state: "retiring" })], { rotation, scopes }));
  authority.write(keyRecord("key_gone", [version(texts.revoked)], { status: "revoked" }));
  authority.write(keyRecord("key_walled", [version(texts.walled)], { networks: ["192.0.2.0/24"], scopes }));
  verifier = open();
  await verifier.ready;
});
afterEach(() => {
  for (const gateway of gateways.splice(0)) gateway.close();
  for (const { server, grpcServer } of running.splice(0)) {
    server.close();
    grpcServer?.close();
  }
});
afterAll(() => verifier.close());

async function serve(options: Partial<StandaloneOptions> = {}, by = verifier) {
  const standalone = createStandalone(by, { world, grpc: true, ...options });
  running.push(standalone);
  const server = standalone.grpcServer as Http2Server;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const envoy = new EnvoyDouble(`127.0.0.1:${port}`);
  gateways.push(envoy);
  return { standalone, port, envoy };
}

const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
const forged = Object.fromEntries(
  ["key", "consumer", "version", "environment", "scopes", "stale", "rotation"].flatMap((name) => [
    [`keyover-${name}`, "forged"],
    [`keyover_${name}`, "forged"],
    [`keyover.${name}`, "forged"],
    [`keyover~${name}`, "forged"],
  ]),
);

describe("yes", () => {
  test.each([false, true])(
    "the API learns who it is, and neither the key nor what the caller says of itself (raw: %s)",
    async (raw) => {
      const { envoy } = await serve();
      const headers = { ...bearer(texts.good), ...forged, accept: "*/*" };
      const outcome = await envoy.outcome(headers, { settings: { scope: "market:read" }, raw });
      expect(outcome.rpc).toBe(0);
      expect(outcome.refused).toBeUndefined();
      const identity = {
        "keyover-key": "key_good",
        "keyover-consumer": "con_1",
        "keyover-version": "1",
        "keyover-environment": "live",
        "keyover-scopes": "market:read trade:*",
      };
      expect(outcome.upstream).toEqual({ ...identity, accept: "*/*" });
      expect(outcome.metadata).toEqual(identity);
      expect(outcome.toCaller).toEqual({ link: "<own>" });
    },
  );

  test("a key without scopes leaves the API none of the caller's", async () => {
    const { envoy } = await serve();
    const { upstream } = await envoy.outcome({ "x-api-key": texts.bare, "keyover-scopes": "market:*" });
    expect([upstream["keyover-key"], upstream["keyover-scopes"], upstream["x-api-key"]]).toEqual([
      "key_bare",
      undefined,
      undefined,
    ]);
  });

  test("in a rotation the caller is told, beside the links that the API has of its own", async () => {
    const { envoy } = await serve();
    const { upstream, toCaller } = await envoy.outcome(bearer(texts.old));
    expect(toCaller).toMatchObject({
      "keyover-rotation": expect.stringContaining("version=1, target=2"),
      deprecation: `@${Math.floor(since / 1_000)}`,
      sunset: expect.any(String),
      link: expect.stringMatching(/^<own>, <https:\/\/docs\.test>/),
    });
    expect(upstream["keyover-rotation"]).toBe(toCaller["keyover-rotation"]);
    expect(toCaller["keyover-key"]).toBeUndefined();
  });

  test("with a header of its own only that one ends at the gateway", async () => {
    const { envoy } = await serve({ keyHeader: "X-Acme-Key" });
    const { upstream } = await envoy.outcome({ "x-acme-key": texts.good, authorization: "Basic of-the-api" });
    expect([upstream["keyover-key"], upstream["x-acme-key"], upstream.authorization]).toEqual([
      "key_good",
      undefined,
      "Basic of-the-api",
    ]);
  });
});

describe("no", () => {
  test("as over HTTP: status, headers and body", async () => {
    const { envoy } = await serve();
    const unknown = await envoy.outcome(bearer(newText()));
    expect(unknown).toMatchObject({ rpc: 16, refused: { status: 401 }, metadata: { "keyover-code": "invalid_key" } });
    expect(JSON.parse(unknown.refused?.body ?? "")).toMatchObject({ code: "invalid_key", status: 401 });
    expect(unknown.refused?.headers).toMatchObject({
      "content-type": "application/problem+json",
      "www-authenticate": 'Bearer error="invalid_token"',
      "cache-control": "no-store",
    });
    for (const headers of [bearer(texts.revoked), bearer("nonsense"), {}])
      expect(await envoy.outcome(headers)).toEqual({ ...unknown, upstream: headers });
    const poor = await envoy.outcome(bearer(texts.bare), { settings: { scope: "market:read" } });
    expect(poor).toMatchObject({ rpc: 7, refused: { status: 403 } });
    expect(poor.refused?.headers["www-authenticate"]).toContain("insufficient_scope");
  });

  test("only the route says what is wanted, and misspelt it lets nobody in", async () => {
    const { envoy } = await serve();
    const wantsOther = { "keyover-want-scope": "other:read", ...bearer(texts.good) };
    expect((await envoy.outcome(wantsOther)).refused).toBeUndefined();
    expect((await envoy.outcome(bearer(texts.good), { settings: { environment: "test" } })).refused?.status).toBe(401);
    for (const settings of [{ scopes: "market:read" }, { scope: "" }, { scope: "Market" }, { environment: "" }]) {
      const { rpc, refused } = await envoy.outcome(bearer(texts.good), { settings: settings as never });
      expect([rpc, refused?.status]).toEqual([3, 400]);
      expect(JSON.parse(refused?.body ?? "").detail).toMatch(/^The gateway's configuration: /);
    }
  });

  test("a key twice, as Envoy joins them and as it does not; a key in the query", async () => {
    const { envoy } = await serve();
    const twice = `Bearer ${texts.good},Bearer ${texts.good}`;
    expect((await envoy.outcome({ authorization: twice })).refused?.status).toBe(401);
    const request = checkRequest(bearer(texts.good), { raw: true });
    const { headers } = (request.attributes.request.http as { header_map: { headers: object[] } }).header_map;
    headers.push(headers.at(-1) as object);
    expect((await envoy.check(request)).denied_response?.body).toContain("twice");
    const inQuery = await envoy.outcome(bearer(texts.good), { path: `/v1?k=${texts.good}` });
    expect(inQuery.refused?.body).toContain("query string");
  });

  test("nothing can be decided yet: 503", async () => {
    const waiting = openWaiting();
    const { envoy } = await serve({}, waiting);
    expect(await envoy.outcome(bearer(texts.good))).toMatchObject({
      rpc: 14,
      refused: { status: 503, headers: { "retry-after": "1" } },
    });
    expect(await envoy.health("")).toEqual({ status: 2 });
    await waiting.close();
  });
});

test("where the caller is: Envoy's own word, or the entry of the trusted hop before it", async () => {
  const walled = async (trustedHops: number, from: string, forwarded: string) => {
    const { envoy } = await serve({ trustedHops });
    const { refused } = await envoy.outcome({ ...bearer(texts.walled), "x-forwarded-for": forwarded }, { from });
    return refused?.status ?? 200;
  };
  for (const hops of [0, 1]) {
    expect(await walled(hops, "192.0.2.9", "203.0.113.1")).toBe(200);
    expect(await walled(hops, "203.0.113.1", "192.0.2.9")).toBe(403);
  }
  expect(await walled(2, "10.0.0.1", "192.0.2.9, 10.0.0.1")).toBe(200);
  expect(await walled(2, "192.0.2.9", "192.0.2.9")).toBe(403);
});

test("gRPC's health check", async () => {
  const { envoy } = await serve();
  expect(await envoy.health("")).toEqual({ status: 1 });
  expect(await envoy.health("envoy.service.auth.v3.Authorization")).toEqual({ status: 1 });
  await expect(envoy.health("other")).rejects.toMatchObject({ code: 5 });
});

describe("what is no question", () => {
  test("another method, and a message that is too long", async () => {
    const { envoy, standalone } = await serve();
    await expect(envoy.other()).rejects.toMatchObject({ code: 12 });
    const long = checkRequest({ ...bearer(texts.good), cookie: "x".repeat(2 << 20) });
    await expect(envoy.check(long)).rejects.toMatchObject({ code: 8 });
    expect((await envoy.outcome({ ...bearer(texts.good), cookie: "x".repeat(500_000) })).rpc).toBe(0);
    expect(standalone.samples()).toContainEqual({
      name: "keyover_verifier_unread_total",
      labels: { reason: "malformed_request" },
      value: 2,
    });
  });

  test.each([
    ["no message", Buffer.alloc(0), "13"],
    ["half a prefix", Buffer.alloc(3), "13"],
    ["a length that lies", Buffer.from("0000000005ff", "hex"), "13"],
    ["a compressed one", Buffer.from("010000000100", "hex"), "12"],
    ["bytes that are no message", Buffer.from("0000000002ffff", "hex"), "13"],
    // Attributes whose source is a number.
    ["a number for a message", Buffer.from("00000000040a020801", "hex"), "13"],
    ["a group", Buffer.from("00000000010b", "hex"), "13"],
  ])("%s", async (_what, bytes, status) => {
    const { port } = await serve();
    expect(await send(port, { "content-type": "application/grpc" }, bytes)).toMatchObject({
      ":status": 200,
      "grpc-status": status,
    });
  });

  test("a message that drips in for longer than a request may take", async () => {
    let passed = 0;
    const clock = { ...world.clock, elapsed: () => world.clock.elapsed() + passed };
    const { port, standalone } = await serve({ world: { ...world, clock } });
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    try {
      const stream = session.request({
        ":method": "POST",
        ":path": "/envoy.service.auth.v3.Authorization/Check",
        "content-type": "application/grpc",
      });
      stream.on("error", () => undefined);
      const closed = new Promise((resolve) => stream.once("close", resolve));
      const arrived = new Promise((resolve) => standalone.grpcServer?.once("stream", resolve));
      stream.write(Buffer.alloc(1));
      await arrived;
      passed = 31_000;
      stream.write(Buffer.alloc(1));
      await closed;
      expect(standalone.samples()).toContainEqual(
        expect.objectContaining({ labels: { reason: "timed_out" }, value: 1 }),
      );
    } finally {
      session.destroy();
    }
  });

  test("HTTP/2 without gRPC, and what is no HTTP/2", async () => {
    const { port, envoy } = await serve();
    expect(await send(port, { "content-type": "application/json" }, Buffer.from("{}"))).toMatchObject({
      ":status": 415,
    });
    expect(await send(port, { "content-type": "application/grpc", ":method": "PUT" }, Buffer.alloc(5))).toMatchObject({
      ":status": 415,
    });
    const socket = connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    await new Promise<void>((closed) =>
      socket
        .on("error", () => undefined)
        .once("close", () => closed())
        .resume(),
    );
    expect((await envoy.outcome(bearer(texts.good))).rpc).toBe(0);
  });
});

/** The response's headers, trailers among them. */
function send(port: number, headers: Record<string, string>, body: Buffer): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const path = "/envoy.service.auth.v3.Authorization/Check";
    const stream = session.request({ ":method": "POST", ":path": path, ...headers });
    const found: Record<string, unknown> = {};
    stream.on("response", (those) => Object.assign(found, those));
    stream.on("trailers", (those) => Object.assign(found, those));
    stream.once("error", reject).once("close", () => {
      session.destroy();
      resolve(found);
    });
    stream.resume().end(body);
  });
}

test.each([
  ["no question", "application/grpc", Buffer.alloc(0)],
  ["a question", "application/grpc", Buffer.from("0000000000", "hex")],
  ["no gRPC", "text/plain", Buffer.alloc(0)],
])("%s that is taken back in the same breath ends nothing else", async (_what, type, message) => {
  const { port, envoy, standalone } = await serve();
  const socket = connect(port, "127.0.0.1");
  const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
    const head = Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, 0]);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const field = (index: number[], value: string) =>
    Buffer.concat([Buffer.from([...index, value.length]), Buffer.from(value)]);
  // POST http; path, authority and content-type by the numbers of RFC 7541, Appendix A.
  const names = [field([4], "/envoy.service.auth.v3.Authorization/Check"), field([1], "x")];
  const fields = Buffer.concat([Buffer.from("8386", "hex"), ...names, field([0x0f, 0x10], type)]);
  const asked = new Promise((resolve) => standalone.grpcServer?.once("stream", resolve));
  const calls = Array.from({ length: 50 }, (_, i) => [
    frame(1, 4, 2 * i + 1, fields),
    frame(0, 0, 2 * i + 1, message),
    // RST_STREAM, NO_ERROR: of such a stream Node still tells the end.
    frame(3, 0, 2 * i + 1, Buffer.alloc(4)),
  ]).flat();
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(Buffer.concat([preface, frame(4, 0, 0, Buffer.alloc(0)), ...calls]));
  await asked;
  expect((await envoy.outcome(bearer(texts.good))).rpc).toBe(0);
  socket.destroy();
});

test("drain: what is on its way is answered, and the gateway is sent elsewhere", async () => {
  const drained = open();
  await drained.ready;
  const { port, standalone } = await serve({}, drained);
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const lastStreams: number[] = [];
  session.on("goaway", (_code, last) => lastStreams.push(last ?? 0));
  const gone = new Promise<void>((closed) => session.once("close", closed));
  const bytes = new MessageWriter(5)
    .message(1, (attributes) =>
      attributes.message(4, (request) =>
        request.message(2, (http) =>
          http.message(3, (entry) => entry.text(1, "authorization").text(2, `Bearer ${texts.good}`)),
        ),
      ),
    )
    .bytes();
  bytes[0] = 0;
  bytes.writeUInt32BE(bytes.length - 5, 1);
  const question = () =>
    new Promise<unknown>((resolve) => {
      const stream = session.request({
        ":method": "POST",
        ":path": "/envoy.service.auth.v3.Authorization/Check",
        "content-type": "application/grpc",
      });
      stream.on("trailers", (trailers) => resolve(trailers["grpc-status"]));
      stream.on("error", (error) => resolve(error));
      stream.resume().end(bytes);
    });
  expect(await question()).toBe("0");
  // Sent before the gateway can know: these are the ones that a plain GOAWAY would lose.
  const late = [1, 2, 3, 4, 5].map(question);
  await new Promise((sent) => setImmediate(sent));
  const draining = standalone.drain(5_000);
  expect(await Promise.all(late)).toEqual(Array(5).fill("0"));
  await Promise.all([gone, draining]);
  expect(lastStreams[0]).toBe(2 ** 31 - 1);
  expect(drained.verifyNow(texts.good, {})?.code).toBe("stale_replica");
});

describe("the wire format", () => {
  test("messages of every length go in and out again", () => {
    for (const length of [0, 1, 100, 126, 127, 128, 129, 16_383, 16_384, 16_385, 70_000]) {
      const value = "x".repeat(length);
      const bytes = new MessageWriter()
        .message(1, (outer) => outer.message(2, (inner) => inner.text(3, value).number(4, 300)).text(15, "end"))
        .text(2_000, "é")
        .bytes();
      const read: unknown[] = [];
      const all = new Fields(bytes);
      while (all.next()) {
        if (all.number !== 1) {
          read.push([all.number, all.text()]);
          continue;
        }
        const outer = all.message();
        while (outer.next()) {
          if (outer.number === 15) read.push(outer.text());
          if (outer.number !== 2) continue;
          const inner = outer.message();
          while (inner.next()) read.push(inner.number === 3 ? inner.text().length : inner.number);
        }
      }
      expect(read).toEqual([length, 4, "end", [2_000, "é"]]);
    }
  });

  test("every beginning of a question is read or refused, and nothing else happens", () => {
    const whole = new MessageWriter()
      .message(1, (attributes) =>
        attributes
          .message(1, (peer) => peer.message(1, (one) => one.message(1, (address) => address.text(2, "192.0.2.1"))))
          .message(4, (request) =>
            request.message(2, (http) => http.message(3, (entry) => entry.text(1, "a").text(2, "b"))),
          )
          .message(10, (entry) => entry.text(1, "scope").text(2, "x")),
      )
      .bytes();
    expect(readCheckRequest(whole)).toEqual({
      rawHeaders: ["a", "b"],
      path: "",
      address: "192.0.2.1",
      extensions: [["scope", "x"]],
    });
    for (let end = 1; end < whole.length; end++)
      expect(() => readCheckRequest(whole.subarray(0, end))).toThrow(WireError);
    for (let at = 0; at < whole.length; at++) {
      for (const byte of [0, 1, 0x7f, 0x80, 0xff]) {
        const spoilt = Buffer.from(whole);
        spoilt[at] = byte;
        try {
          readCheckRequest(spoilt);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }
    }
  });
});
