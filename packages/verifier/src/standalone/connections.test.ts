/** Which connections are closed for saying nothing, with real sockets. Of the time, the clock says what the test wants it to. */
import { connect as connectHttp2, type Http2Server } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { LogLevel } from "@keyover/core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version } from "../authority.test-double.ts";
import { openVerifier } from "../verifier.test-support.ts";
import type { Verifier } from "../verifier.ts";
import { realWorld } from "../world.ts";
import { EnvoyDouble } from "./ext-authz.test-support.ts";
import { MessageWriter } from "./protobuf.ts";
import { createStandalone, type Standalone } from "./standalone.ts";

const [text, wideText] = [newText(), newText()];
const real = realWorld();
const LOOK_MS = 5;
const closing: (() => void)[] = [];
let verifier: Verifier;

beforeAll(async () => {
  const authority = new AuthorityDouble(real.clock);
  authority.write(keyRecord("key_1", [version(text)], { consumer: "con_1", scopes: [] }));
  const scopes = Array.from({ length: 100 }, (_, i) => `${"wide".repeat(15)}:a${i}`);
  authority.write(keyRecord("key_2", [version(wideText)], { consumer: "con_1", scopes }));
  verifier = openVerifier(authority, { docsUrl: "https://docs.test" });
  await verifier.ready;
});
afterEach(() => {
  for (const close of closing.splice(0).toReversed()) close();
});
afterAll(() => verifier.close());

interface Served {
  standalone: Standalone;
  server: Server;
  grpc: Server;
  /** Where gRPC is. */
  place: string;
  logged: string[];
  /** The clock says so much more; looks come every few milliseconds of real time. */
  pass(ms: number): void;
  /** Resolves when all connections have been looked at since. */
  looked(): Promise<void>;
}

async function serve(options: { grpcAgeMsMax?: number } = {}): Promise<Served> {
  let passed = 0;
  let looks = 0;
  const logged: string[] = [];
  const clock = {
    ...real.clock,
    elapsed: () => real.clock.elapsed() + passed,
    after: (_delayMs: number, run: () => void) =>
      real.clock.after(LOOK_MS, () => {
        run();
        looks++;
      }),
  };
  const world = { ...real, clock, log: (_level: LogLevel, event: string) => void logged.push(event) };
  const standalone = createStandalone(verifier, { world, grpc: true, ...options });
  const { server, grpcServer } = standalone;
  closing.push(() => {
    server.closeAllConnections();
    server.close();
    grpcServer?.close();
  });
  const grpc = grpcServer as Http2Server;
  await Promise.all([listen(server), listen(grpc)]);
  const place = `127.0.0.1:${(grpc.address() as AddressInfo).port}`;
  const looked = async () => {
    const from = looks;
    // HTTP's and gRPC's, each once at least; without a connection there are none.
    while (looks < from + 4 && connectionsOf(standalone) > 0)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  };
  const pass = (ms: number) => {
    passed += ms;
  };
  return { standalone, server, grpc, place, logged, pass, looked };
}

async function listen(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
}

interface Caller {
  socket: Socket;
  closed: Promise<void>;
  isClosed(): boolean;
  /** Resolves with the answer. */
  ask(): Promise<string>;
}

async function call(server: Server): Promise<Caller> {
  const taken = new Promise((resolve) => server.once("connection", resolve).once("drop", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1").setEncoding("latin1");
  let closed = false;
  const gone = new Promise<void>((resolve) => socket.on("error", () => undefined).once("close", () => resolve()));
  void gone.then(() => (closed = true));
  closing.push(() => socket.destroy());
  // What nobody reads has no end.
  socket.resume();
  await taken;
  const ask = () => {
    socket.write(`GET /check HTTP/1.1\r\nHost: x\r\nX-API-Key: ${text}\r\n\r\n`);
    return new Promise<string>((resolve) => socket.once("data", resolve));
  };
  return { socket, closed: gone, isClosed: () => closed, ask };
}

const CHECK = "/envoy.service.auth.v3.Authorization/Check";

/** A question about this key, as it stands on the connection. */
function question(key: string): Buffer {
  const bytes = new MessageWriter(5)
    .message(1, (attributes) =>
      attributes.message(4, (request) =>
        request.message(2, (http) => http.message(3, (entry) => entry.text(1, "x-api-key").text(2, key))),
      ),
    )
    .bytes();
  bytes[0] = 0;
  bytes.writeUInt32BE(bytes.length - 5, 1);
  return bytes;
}

const connectionsOf = (standalone: Standalone) =>
  standalone.samples().find(({ name }) => name === "keyover_verifier_connections")?.value as number;
const unread = ({ standalone }: Served, reason: string) =>
  standalone.samples().find(({ labels }) => labels.reason === reason)?.value;

test("HTTP: one that stands idle is closed, and one that is used is not", async () => {
  const served = await serve();
  const [idle, used] = [await call(served.server), await call(served.server)];
  expect(await idle.ask()).toContain("204");
  for (let i = 0; i < 3; i++) {
    expect(await used.ask()).toContain("204");
    await served.looked();
    served.pass(80_000);
  }
  await idle.closed;
  expect(used.isClosed()).toBe(false);
  expect(await used.ask()).toContain("204");
  // Also of the first that comes when nobody was there for a while.
  used.socket.destroy();
  await expect.poll(() => connectionsOf(served.standalone)).toBe(0);
  await new Promise((resolve) => setTimeout(resolve, 3 * LOOK_MS));
  const later = await call(served.server);
  expect(await later.ask()).toContain("204");
  await served.looked();
  served.pass(160_000);
  await later.closed;
});

test("HTTP: Caddy keeps idle connections for two minutes, others not so long; until then none is closed", async () => {
  const served = await serve();
  const caller = await call(served.server);
  await caller.ask();
  await served.looked();
  served.pass(130_000);
  await served.looked();
  expect(caller.isClosed()).toBe(false);
  expect(await caller.ask()).toContain("204");
});

test("HTTP: one that never says anything is told and closed, by Node's own time for headers", async () => {
  const standalone = createStandalone(verifier, { world: real });
  // Node's default would be a minute; and none of it if it were 0.
  expect([standalone.server.headersTimeout, standalone.server.requestTimeout]).toEqual([10_000, 30_000]);
  // Read when it begins to listen.
  Object.assign(standalone.server, { headersTimeout: 20, connectionsCheckingInterval: 10 });
  closing.push(() => standalone.server.close());
  await listen(standalone.server);
  const silent = await call(standalone.server);
  const said = new Promise<string>((resolve) => silent.socket.once("data", resolve));
  expect(await said).toMatch(/^HTTP\/1\.1 408 /);
  await silent.closed;
  expect(unread({ standalone } as Served, "timed_out")).toBe(1);
});

test("gRPC: one that asks nothing is closed, with a preface or without; one that has asked is the gateway's", async () => {
  const served = await serve();
  const silent = await call(served.grpc);
  const session = connectHttp2(`http://${served.place}`);
  closing.push(() => session.destroy());
  const sessionClosed = new Promise<void>((resolve) => session.on("error", () => undefined).once("close", resolve));
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  const envoy = new EnvoyDouble(served.place);
  closing.push(() => envoy.close());
  expect((await envoy.outcome({ "x-api-key": text })).rpc).toBe(0);
  served.pass(70_000);
  await served.looked();
  expect([silent.isClosed(), session.closed]).toEqual([false, false]);
  served.pass(10_000);
  await Promise.all([silent.closed, sessionClosed]);
  expect(unread(served, "timed_out")).toBe(2);
  await expect.poll(() => connectionsOf(served.standalone)).toBe(1);
  expect((await envoy.outcome({ "x-api-key": text })).rpc).toBe(0);
});

test("gRPC: of several processes, an old connection is sent elsewhere, and no question on it is lost", async () => {
  const served = await serve({ grpcAgeMsMax: 100_000 });
  const envoy = new EnvoyDouble(served.place);
  closing.push(() => envoy.close());
  const session = connectHttp2(`http://${served.place}`);
  closing.push(() => session.destroy());
  const lastStreams: number[] = [];
  session.on("goaway", (_code, last) => lastStreams.push(last ?? 0));
  const closed = new Promise((resolve) => session.once("close", resolve));
  await new Promise((resolve) => session.request({ ":path": "/" }).once("response", resolve));
  // Without it Node's client would end the connection by itself when it hears the first word.
  const underWay = session.request({ ":method": "POST", ":path": "/", "content-type": "application/grpc" });
  const answered = new Promise((resolve) => underWay.on("error", resolve).once("response", resolve));
  let opened = 0;
  served.grpc.on("connection", () => opened++);
  expect((await envoy.outcome({ "x-api-key": text })).rpc).toBe(0);
  served.pass(79_000);
  await served.looked();
  expect([opened, lastStreams]).toEqual([1, []]);
  for (let i = 0; i < 10; i++) {
    served.pass(10_000);
    const outcomes = await Promise.all([1, 2, 3].map(() => envoy.outcome({ "x-api-key": text })));
    expect(outcomes.map(({ rpc }) => rpc)).toEqual([0, 0, 0]);
    await served.looked();
  }
  // First one that names no stream, so that what is on its way is answered; then the one that it ends with.
  await expect.poll(() => lastStreams).toEqual([2 ** 31 - 1, 3]);
  underWay.end();
  expect(await answered).toMatchObject({ ":status": 200 });
  await closed;
  expect(opened).toBe(2);
  await expect.poll(() => connectionsOf(served.standalone)).toBe(1);
});

test("gRPC: one that does not go when it is told to is ended", async () => {
  const served = await serve({ grpcAgeMsMax: 100_000 });
  const deaf = await call(served.grpc);
  const asked = new Promise((resolve) => served.grpc.once("stream", resolve));
  // No settings, and GET http://x/ as stream 1: the indexed fields of RFC 7541, Appendix A.
  deaf.socket.write(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`);
  deaf.socket.write(
    Buffer.from(`${"000000" + "04" + "00" + "00000000"}${"000006" + "01" + "05" + "00000001"}828486010178`, "hex"),
  );
  await asked;
  for (let i = 0; i < 3; i++) {
    await served.looked();
    served.pass(i === 0 ? 121_000 : 6_000);
  }
  await deaf.closed;
  expect(unread(served, "timed_out")).toBeUndefined();
});

test("gRPC: a gateway that has stopped reading when it should be told takes nobody with it", async () => {
  const served = await serve({ grpcAgeMsMax: 100_000 });
  const atServer = new Promise<Socket>((resolve) => served.grpc.once("connection", resolve));
  // Between the two, so that the answers can be held up.
  const opened = Promise.withResolvers<Socket>();
  const between = createServer((gateway) => {
    const answers = connect((served.grpc.address() as AddressInfo).port, "127.0.0.1");
    for (const socket of [gateway, answers]) socket.on("error", () => undefined);
    gateway.pipe(answers).pipe(gateway);
    opened.resolve(answers);
  });
  await listen(between);
  const settings = { initialWindowSize: 2 ** 31 - 1 };
  const session = connectHttp2(`http://127.0.0.1:${(between.address() as AddressInfo).port}`, { settings });
  closing.push(() => {
    session.destroy();
    between.close();
  });
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  session.setLocalWindowSize(2 ** 31 - 1);
  const { _handle: handle } = (await atServer) as unknown as { _handle: { writeQueueSize: number } };
  const answers = await opened.promise;
  answers.unpipe().pause();
  while (handle.writeQueueSize === 0) {
    const stream = session.request({ ":method": "POST", ":path": CHECK, "content-type": "application/grpc" });
    stream.on("error", () => undefined).end(question(wideText));
    await new Promise((resolve) => setImmediate(resolve));
  }
  served.pass(121_000);
  await served.looked();
  served.pass(6_000);
  await served.looked();
  const ended = new Promise((resolve) => answers.once("close", resolve));
  answers.resume();
  await ended;
  const envoy = new EnvoyDouble(served.place);
  closing.push(() => envoy.close());
  expect((await envoy.outcome({ "x-api-key": text })).rpc).toBe(0);
});

test.each(["server", "grpc"] as const)("one too many (%s) is counted, and said once", async (which) => {
  const served = await serve();
  const full = served[which];
  expect(full.maxConnections).toBe(10_000);
  full.maxConnections = 2;
  const held = [await call(full), await call(full)];
  for (let i = 0; i < 3; i++) await (await call(full)).closed;
  expect(unread(served, "too_many_connections")).toBe(3);
  expect(served.logged).toEqual(["verifier.connections_full"]);
  expect(held.map((each) => each.isClosed())).toEqual([false, false]);
});
