/** RFC 7662 at a standalone verifier: who may ask, what is told, what is no question. */
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import type { KeyRecord } from "@keyover/core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version } from "../authority.test-double.ts";
import { openVerifier, openWaiting } from "../verifier.test-support.ts";
import type { Verifier } from "../verifier.ts";
import { realWorld } from "../world.ts";
import { createStandalone, type Standalone, type StandaloneOptions } from "./standalone.ts";

const texts = {
  good: newText(),
  ending: newText(),
  old: newText(),
  walled: newText(),
  retired: newText(),
  revoked: newText(),
  suspended: newText(),
  expired: newText(),
  limited: newText(),
};
const since = Date.now() - 60_000;
const endsAt = Date.now() + 3_600_000;
const expiresAt = Date.now() + 7_200_000;
const rotation: KeyRecord["rotation"] = { id: "rot_1", phase: "overlapping", from: 1, to: 2, since, endsAt };
const world = realWorld();
const authority = new AuthorityDouble(world.clock);
const running: Standalone[] = [];
let verifier: Verifier;

beforeAll(async () => {
  const scopes = ["market:read", "trade:*"];
  authority.write(keyRecord("key_good", [version(texts.good)], { consumer: "con_1", scopes }));
  authority.write(keyRecord("key_ends", [version(texts.ending)], { consumer: "con_1", scopes, expiresAt }));
  authority.write(
    keyRecord("key_two", [version(texts.old, { state: "retiring" })], { consumer: "con_1", rotation, scopes: [] }),
  );
  authority.write(keyRecord("key_wall", [version(texts.walled)], { consumer: "con_1", networks: ["192.0.2.0/24"] }));
  authority.write(keyRecord("key_done", [version(texts.retired, { state: "retired", retiredAt: since })]));
  authority.write(keyRecord("key_gone", [version(texts.revoked)], { status: "revoked" }));
  authority.write(keyRecord("key_rest", [version(texts.suspended)], { status: "suspended" }));
  authority.write(keyRecord("key_over", [version(texts.expired)], { expiresAt: since }));
  const few = { kind: "rate" as const, name: "few", per: "key" as const, units: 1, windowMs: 86_400_000, burst: 4 };
  authority.writePlan({ plan: "pln_1", name: "free", limits: [few] });
  authority.write(keyRecord("key_few", [version(texts.limited)], { consumer: "con_1", plan: "pln_1" }));
  verifier = openVerifier(authority);
  await verifier.ready;
});
afterEach(() => {
  for (const { server } of running.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
afterAll(() => verifier.close());

async function serve(options: Partial<StandaloneOptions> = {}, by = verifier) {
  const standalone = createStandalone(by, { world, introspection: "anybody", ...options });
  running.push(standalone);
  await new Promise<void>((resolve) => standalone.server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(standalone.server.address() as AddressInfo).port}/introspect`;
  const post = async (body: string | Record<string, string>, headers: Record<string, string> = {}) => {
    const text = typeof body === "string" ? body : new URLSearchParams(body).toString();
    const form = { "content-type": "application/x-www-form-urlencoded", ...headers };
    const response = await fetch(url, { method: "POST", headers: form, body: text });
    const answer = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text: answer,
      body: answer === "" ? {} : JSON.parse(answer),
    };
  };
  return { standalone, url, post };
}

describe("what is told", () => {
  test("of an accepted key: what it may do, whose it is, where it belongs", async () => {
    const { post } = await serve();
    const { status, headers, body } = await post({ token: texts.good, token_type_hint: "access_token", more: "1" });
    expect([status, headers.get("content-type"), headers.get("cache-control")]).toEqual([
      200,
      "application/json",
      "no-store",
    ]);
    expect(body).toEqual({
      active: true,
      scope: "market:read trade:*",
      client_id: "con_1",
      sub: "con_1",
      aud: "market",
      token_type: "Bearer",
      "keyover:key": "key_good",
      "keyover:version": 1,
      "keyover:environment": "live",
    });
  });

  test("its own end is exp, in seconds; the deadline of an overlap is not", async () => {
    const { post } = await serve();
    expect((await post({ token: texts.ending })).body.exp).toBe(Math.floor(expiresAt / 1_000));
    const { body } = await post({ token: texts.old });
    expect(body).toMatchObject({ active: true, scope: "", "keyover:rotation": { id: "rot_1", to: 2, endsAt } });
    expect("exp" in body).toBe(false);
  });

  test("of every other the same, to the byte", async () => {
    const { post } = await serve();
    const { retired, revoked, suspended, expired, walled } = texts;
    for (const token of [newText(), "nonsense", "x".repeat(20_000), retired, revoked, suspended, expired, walled]) {
      const reply = await post({ token });
      expect([reply.status, reply.text]).toEqual([200, '{"active":false}']);
    }
  });

  test("a key with a list of networks is active where its caller is in one", async () => {
    const { post } = await serve();
    expect((await post({ token: texts.walled, network: "192.0.2.7" })).body.active).toBe(true);
    expect((await post({ token: texts.walled, network: "203.0.113.1" })).body).toEqual({ active: false });
    expect((await post({ token: texts.good, environment: "test" })).body).toEqual({ active: false });
  });

  test("nothing can be decided: 503, and not a false no", async () => {
    const waiting = openWaiting();
    const { post } = await serve({}, waiting);
    const { status, headers, body } = await post({ token: texts.good });
    expect([status, headers.get("retry-after"), body.error]).toEqual([503, "1", "temporarily_unavailable"]);
    await waiting.close();
  });

  test("a key that has used up its limits is active; none is charged for being asked about", async () => {
    const costs: unknown[] = [];
    const spent: Verifier = {
      ...doubleOf(verifier),
      verifyNow(text, ask) {
        costs.push(ask.cost);
        const verdict = verifier.verifyNow(text, {});
        return verdict && { ...JSON.parse(JSON.stringify(verdict)), valid: false, code: "quota_exceeded" };
      },
    };
    const { post } = await serve({}, spent);
    expect((await post({ token: texts.good })).body).toMatchObject({ active: true, client_id: "con_1" });
    expect(costs).toEqual([0]);
  });
});

describe("where each question is a request", () => {
  test("it is charged, and tells what is left; a key without room is not active, and it is told for how long", async () => {
    const { post } = await serve({ introspectionCharges: true });
    const few = (remaining: number) => [{ name: "few", remaining, reset: expect.any(Number) }];
    const first = (await post({ token: texts.limited })).body;
    expect(first).toMatchObject({ active: true, "keyover:limits": few(3) });
    expect("keyover:code" in first).toBe(false);
    expect((await post({ token: texts.limited, cost: "3" })).body).toMatchObject({
      active: true,
      "keyover:limits": few(0),
    });
    expect((await post({ token: texts.limited, cost: "0" })).body).toMatchObject({
      active: true,
      "keyover:limits": few(0),
    });
    const { status, body } = await post({ token: texts.limited });
    expect([status, body]).toEqual([
      200,
      {
        active: false,
        "keyover:code": "rate_limited",
        "keyover:retry_after": expect.any(Number),
        "keyover:limits": few(0),
      },
    ]);
    expect(body["keyover:retry_after"]).toBeGreaterThan(86_000);
    // Elsewhere it is a good key still, and what is told of it says nothing of limits.
    const { post: ask } = await serve();
    const plain = (await ask({ token: texts.limited, cost: "5" })).body;
    expect([plain.active, "keyover:limits" in plain]).toEqual([true, false]);
  });

  test("of a key that is not accepted nothing is told, and what is no cost is refused", async () => {
    const { post } = await serve({ introspectionCharges: true });
    expect((await post({ token: texts.revoked })).text).toBe('{"active":false}');
    for (const cost of ["-1", "1.5", "x", "1000001"]) {
      const { status, body } = await post({ token: texts.good, cost });
      expect([status, body.error]).toEqual([400, "invalid_request"]);
      expect(body.error_description).toContain("cost");
    }
    expect("keyover:limits" in (await post({ token: texts.good })).body).toBe(false);
  });
});

describe("who may ask", () => {
  const secret = () => randomBytes(24).toString("base64url");

  test("those with a token of its own: as Bearer, or as the password of Basic", async () => {
    const tokens = [secret(), secret()];
    const { post, standalone } = await serve({ introspection: tokens });
    for (const token of tokens) {
      expect((await post({ token: texts.good }, { authorization: `Bearer ${token}` })).body.active).toBe(true);
      const basic = `Basic ${btoa(`gateway:${encodeURIComponent(token)}`)}`;
      expect((await post({ token: texts.good }, { authorization: basic })).body.active).toBe(true);
    }
    const refused = [
      undefined,
      `Bearer ${secret()}`,
      "Bearer",
      `Basic ${btoa(`${tokens[0]}:`)}`,
      `Digest ${tokens[0]}`,
    ];
    for (const authorization of refused) {
      const reply = await post({ token: texts.good }, authorization === undefined ? {} : { authorization });
      expect([reply.status, reply.text.includes("active")]).toEqual([401, false]);
      expect(reply.headers.get("www-authenticate")).toMatch(/^Bearer realm="keyover".*, Basic realm="keyover"$/);
      expect(reply.body.error).toBe(/^(Bearer|Digest)/.test(authorization ?? "") ? "invalid_token" : "invalid_client");
    }
    expect(standalone.samples()).toContainEqual({
      name: "keyover_verifier_unread_total",
      labels: { reason: "unauthenticated" },
      value: refused.length,
    });
    // The key itself is no leave to ask about it.
    expect((await post({ token: texts.good }, { authorization: `Bearer ${texts.good}` })).status).toBe(401);
  });

  test("nobody, where it is not offered", async () => {
    const { post } = await serve({ introspection: undefined });
    expect(await post({ token: texts.good })).toMatchObject({ status: 404, body: { code: "not_found" } });
  });

  test.each([[[]], [["short"]], [["x".repeat(20), ""]]])(
    "tokens that are none are refused at the start: %j",
    (tokens) => {
      expect(() => createStandalone(verifier, { world, introspection: tokens })).toThrow(/at least 20 characters/);
    },
  );
});

describe("what is no question", () => {
  test.each([
    ["", 400],
    ["token=", 400],
    ["token_type_hint=access_token", 400],
    ["token=a&token=b", 400],
    ["token=a&network=b&network=c", 400],
    ["token=%zz", 400],
    [`token=a&network=${"1".repeat(51)}`, 400],
    [`token=${"x".repeat(70_000)}`, 413],
  ])("%.40s: %i", async (body, status) => {
    const { post } = await serve();
    const reply = await post(body);
    expect([reply.status, reply.body.error, reply.headers.get("cache-control")]).toEqual([
      status,
      "invalid_request",
      "no-store",
    ]);
    expect(reply.body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
  });

  test("another type, another method, and the token in the address", async () => {
    const { post, url } = await serve();
    const asJson = await post(JSON.stringify({ token: texts.good }), { "content-type": "application/json" });
    expect([asJson.status, asJson.body.error]).toEqual([400, "invalid_request"]);
    expect((await fetch(`${url}?token=${texts.good}`)).status).toBe(404);
    const inAddress = await fetch(`${url}?token=${texts.good}`, { method: "POST", body: new URLSearchParams() });
    expect(inAddress.status).toBe(400);
  });

  test("a body without an end is refused while it comes, and the connection lives on", async () => {
    const { url, post } = await serve();
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        if (++sent > 64) controller.close();
        else controller.enqueue(new Uint8Array(65_536).fill(97));
      },
    });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const reply = await fetch(url, { method: "POST", headers, body, duplex: "half" } as RequestInit);
    expect([reply.status, JSON.parse(await reply.text()).error]).toEqual([413, "invalid_request"]);
    expect((await post({ token: texts.good })).body.active).toBe(true);
  });
});

function doubleOf(real: Verifier): Verifier {
  const { ready, docsUrl } = real;
  return {
    ready,
    docsUrl,
    verify: (text, ask) => real.verify(text, ask),
    verifyNow: (text, ask) => real.verifyNow(text, ask),
    status: () => real.status(),
    close: () => real.close(),
  };
}
