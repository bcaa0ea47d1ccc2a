/** A yes goes out past Node's own making of heads. To the byte, and in every circumstance of a connection, it must be what Node would have sent. */
import { OutgoingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { KeyRecord, Verdict } from "@keyover/core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version } from "../authority.test-double.ts";
import { openVerifier } from "../verifier.test-support.ts";
import type { Verifier } from "../verifier.ts";
import { realWorld } from "../world.ts";
import { createStandalone, type Standalone } from "./standalone.ts";
import { type Wanted, WantedBook } from "./wanted.ts";
import { Yes } from "./yes.ts";

const texts = { good: newText(), bare: newText(), old: newText(), revoked: newText() };
const since = Date.now() - 60_000;
const endsAt = Date.now() + 3_600_000;
const rotation: KeyRecord["rotation"] = { id: "rot_1", phase: "overlapping", from: 1, to: 2, since, endsAt };
const world = realWorld();
const running: Standalone[] = [];
let verifier: Verifier;

beforeAll(async () => {
  const authority = new AuthorityDouble(world.clock);
  const scopes = ["market:read", "trade:*"];
  authority.write(keyRecord("key_good", [version(texts.good)], { consumer: "con_1", scopes }));
  authority.write(keyRecord("key_bare", [version(texts.bare)], { consumer: "con_2", scopes: [] }));
  authority.write(keyRecord("key_two", [version(texts.old, { state: "retiring" })], { rotation, scopes }));
  authority.write(keyRecord("key_gone", [version(texts.revoked)], { status: "revoked" }));
  verifier = openVerifier(authority, { docsUrl: "https://docs.test" });
  await verifier.ready;
});
afterEach(() => {
  for (const { server } of running.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
afterAll(() => verifier.close());

async function serve(): Promise<number> {
  const standalone = createStandalone(verifier, { world, introspection: "anybody" });
  running.push(standalone);
  await new Promise<void>((resolve) => standalone.server.listen(0, "127.0.0.1", resolve));
  return (standalone.server.address() as AddressInfo).port;
}

const request = (text: string, { path = "/check", method = "GET", minor = 1, also = "" } = {}) =>
  `${method} ${path} HTTP/1.${minor}\r\nHost: x\r\nX-API-Key: ${text}\r\n${also}\r\n`;
const LAST = "Connection: close\r\n";

/** All that the server says to these pieces, each sent when it has said something to the one before, until it ends the connection. */
function talk(port: number, ...pieces: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(pieces.shift() as string, "latin1"));
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      said += chunk;
      const next = pieces.shift();
      if (next !== undefined) socket.write(next, "latin1");
    });
    socket.on("error", reject).on("close", () => resolve(said));
  });
}

const heads = (said: string) => said.split(/(?=HTTP\/1\.1 \d{3} )/);
const statuses = (said: string) => heads(said).map((head) => head.slice(9, 12));
/** In order, but for those of the connection. */
const linesOf = (head: string | undefined) =>
  (head ?? "").split("\r\n").filter((line) => !/^(connection|keep-alive|date):/i.test(line));

describe("the same as Node's own, on a connection that goes on and on one that ends", () => {
  test.each([
    ["/check", "good"],
    ["/check?scope=market:read", "old"],
    ["/check", "bare"],
    ["/ext-authz/v1", "good"],
    ["/ext-authz/v1", "old"],
    ["/ext-authz/v1", "bare"],
  ] as const)("%s of a key that is %s", async (path, name) => {
    const port = await serve();
    const said = await talk(port, request(texts[name], { path }), request(texts[name], { path, also: LAST }));
    const [goesOn, ends] = heads(said);
    const sorted = (head: string | undefined) => linesOf(head).toSorted();
    expect(sorted(goesOn)).toEqual(sorted(ends));
    expect(goesOn).toMatch(/\r\nConnection: keep-alive\r\nKeep-Alive: timeout=150\r\n\r\n$/);
    expect(ends).toMatch(/\r\nConnection: close\r\n\r\n$/);
    for (const head of [goesOn, ends]) {
      const date = /\r\nDate: (.* GMT)\r\n/.exec(head ?? "")?.[1] ?? "";
      expect(Math.abs(Date.parse(date) - Date.now())).toBeLessThan(60_000);
    }
  });
});

describe("on one connection", () => {
  test("many at once are answered in order, beside refusals and answers that take longer", async () => {
    const port = await serve();
    const good = request(texts.good);
    const all = [good, request(texts.revoked), request("", { path: "/healthz" }), request("", { path: "/metrics" })];
    const said = await talk(port, `${all.join("").repeat(50)}${good}${request(texts.old, { also: LAST })}`);
    const wanted = [...Array.from({ length: 50 }, () => ["204", "401", "200", "200"]).flat(), "204", "204"];
    expect(statuses(said)).toEqual(wanted);
    expect(heads(said).at(-1)).toContain("Keyover-Key: key_two");
    for (const head of heads(said).slice(0, -1))
      expect(head).toMatch(
        /\r\nConnection: keep-alive\r\n(.*\r\n)*Keep-Alive: timeout=150\r\n|Keep-Alive: timeout=150\r\n(.*\r\n)*Connection: keep-alive\r\n/,
      );
  });

  test("more than the kernel holds, that nobody reads yet, are all answered", async () => {
    const port = await serve();
    const opened = new Promise<Socket>((resolve) => running.at(-1)?.server.once("connection", resolve));
    const count = 60_000;
    const socket = connect(port, "127.0.0.1").setEncoding("latin1").pause();
    socket.write(request(texts.good).repeat(count) + request(texts.good, { also: LAST }));
    const atServer = await opened;
    while (atServer.writableLength === 0) await new Promise((resolve) => setImmediate(resolve));
    let [answers, rest] = [0, ""];
    socket.on("data", (chunk: string) => {
      const parts = (rest + chunk).split("HTTP/1.1 204 No Content\r\n");
      answers += parts.length - 1;
      rest = (parts.at(-1) as string).slice(-30);
    });
    await new Promise((resolve) => socket.once("close", resolve).resume());
    expect(answers).toBe(count + 1);
  });

  test.each(["HEAD", "POST", "PUT", "DELETE"])(
    "%s leaves nothing behind that the next answer begins with",
    async (method) => {
      const port = await serve();
      for (const path of ["/check", "/ext-authz/v1"]) {
        const body = method === "HEAD" ? "" : "Content-Length: 3\r\n";
        const first = request(texts.good, { method, path, also: body }) + (body && "abc");
        const said = await talk(port, first, request(texts.good, { path }), request(texts.good, { path, also: LAST }));
        const yes = path === "/check" ? "204" : "200";
        expect(statuses(said)).toEqual([yes, yes, yes]);
        for (const head of heads(said)) expect(head.endsWith("\r\n\r\n")).toBe(true);
      }
    },
  );

  test("a body in chunks, and one that waits to be asked for", async () => {
    const port = await serve();
    const chunks = `${request(texts.good, { method: "POST", also: "Transfer-Encoding: chunked\r\n" })}3\r\nabc\r\n0\r\n\r\n`;
    expect(statuses(await talk(port, chunks, request(texts.good, { also: LAST })))).toEqual(["204", "204"]);
    const also = "Content-Length: 3\r\nExpect: 100-continue\r\n";
    const waits = await talk(
      port,
      request(texts.good, { method: "POST", also }),
      `abc${request(texts.good, { also: LAST })}`,
    );
    expect(statuses(waits)).toEqual(["100", "204", "204"]);
  });

  test("HTTP/1.0, whether it asks for the connection to go on or not", async () => {
    const port = await serve();
    for (const also of ["", "Connection: keep-alive\r\n"]) {
      const said = await talk(port, request(texts.good, { minor: 0, also }));
      expect(said).toMatch(/^HTTP\/1\.1 204 .*\r\nConnection: close\r\n\r\n$/s);
    }
    const kept = { minor: 0, path: "/ext-authz/", also: "Connection: keep-alive\r\n" };
    const said = await talk(port, request(texts.good, kept), request(texts.good, { minor: 0 }));
    expect(statuses(said)).toEqual(["200", "204"]);
    expect(heads(said)[0]).toMatch(/\r\nConnection: keep-alive\r\n\r\n$/);
  });

  test.each(["/verify", "/verify/batch", "/introspect"])(
    "a POST to %s that announces no body is answered",
    async (path) => {
      const port = await serve();
      const type = path === "/introspect" ? "x-www-form-urlencoded" : "json";
      const also = `Content-Type: application/${type}\r\n${LAST}`;
      expect(statuses(await talk(port, request("", { method: "POST", path, also })))).toEqual(["400"]);
    },
  );
});

test("a Node that keeps its heads elsewhere makes them itself", async () => {
  const heads = new WeakMap<OutgoingMessage, unknown>();
  Object.defineProperty(OutgoingMessage.prototype, "_header", {
    configurable: true,
    get(this: OutgoingMessage) {
      return heads.get(this) ?? null;
    },
    // Node's own comes when it has put the status line together.
    set(this: ServerResponse, value: unknown) {
      if (value === null || this.statusMessage !== undefined) heads.set(this, value);
    },
  });
  try {
    const port = await serve();
    const said = await talk(port, request(texts.good), request(texts.good, { also: LAST }));
    expect(statuses(said)).toEqual(["204", "204"]);
    expect(said.split("Keyover-Consumer: con_1\r\n")).toHaveLength(3);
  } finally {
    Reflect.deleteProperty(OutgoingMessage.prototype, "_header");
  }
});

describe("a value that no header can carry makes no head", () => {
  const good: Verdict = { valid: true, code: "ok", key: "key_1", version: 1, consumer: "con_1", environment: "live" };
  const END = "Date: x\r\n\r\n";
  const wanted = () => new WantedBook(verifier).byQuery("") as Wanted;
  const headOf = (verdict: Verdict) => new Yes(verdict, wanted(), 204).head(END);

  test("but one that can", () => {
    const verdict = { ...good, consumer: "größe\t ~", scopes: ["a:b", "c:d"] };
    const lines =
      "Keyover-Consumer: größe\t ~\r\nKeyover-Version: 1\r\nKeyover-Environment: live\r\nKeyover-Scopes: a:b c:d";
    expect(headOf(verdict)).toBe(`HTTP/1.1 204 No Content\r\nKeyover-Key: key_1\r\n${lines}\r\n${END}`);
  });

  test.each([
    { key: "key\r\nX: 1" },
    { key: "key\n" },
    { key: "key_1\r\nKeyover-Consumer: con_1" },
    { key: "", consumer: "\r\nKeyover-Consumer: " },
    { consumer: "con_1\r\nKeyover-Version: 2" },
    { consumer: "con_1\r\n\r\nHTTP/1.1 200 OK" },
    { consumer: "con_\u0000" },
    { consumer: "con_規" },
    { environment: "live\r\nX: 1" },
    { scopes: ["a:b\r\nX: 1"] },
    { scopes: ["a:規"] },
    { rotation: { id: "rot\r\nX: 1", phase: "overlapping", from: 1, to: 2, since, endsAt } },
  ] satisfies Partial<Verdict>[])("%j", (part) => {
    expect(headOf({ ...good, ...part })).toBeUndefined();
  });

  test("and lists of scopes of one api are not those of another environment", () => {
    const scopes = ["a:b"];
    for (const environment of ["live", "test", "live"])
      expect(headOf({ ...good, scopes, environment })).toContain(`Keyover-Environment: ${environment}\r\n`);
  });
});
