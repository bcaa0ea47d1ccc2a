import { makeKeyText, problems } from "@keyover/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type CallOptions, DAY, random, TestAuthority, TestClock } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import { OutcomeUnknownError, StorageFullError, StoreUnavailableError } from "../store/store.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
beforeAll(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api({ name: "market" });
  consumer = await keyover.consumer({ labels: { team: "desk" } });
  key = await keyover.key({ api, consumer });
});
afterAll(() => keyover.close());

const newKey = (change: object = {}) => ({
  api: api.id,
  environment: "live",
  consumer: consumer.id,
  scopes: ["market:read"],
  ...change,
});

describe("a request that is not what the call takes", () => {
  test.each<[string, string, string, unknown, string]>([
    ["an unknown member", "POST", "/v1/consumers", { name: "x", nmae: "y" }, "body"],
    [
      "an unknown member, deep inside",
      "POST",
      "/v1/apis",
      { name: "x", prefix: "xy", scopes: ["a"], policy: { overlap: 1 } },
      "body.policy",
    ],
    ["a wrong type", "POST", "/v1/consumers", { name: 5 }, "body.name"],
    ["no body at all", "POST", "/v1/consumers", undefined, "body"],
    ["null", "POST", "/v1/consumers", null, "body"],
    ["a list", "POST", "/v1/consumers", [], "body"],
    ["an empty name", "POST", "/v1/consumers", { name: "   " }, "body.name"],
    [
      "too many labels",
      "POST",
      "/v1/consumers",
      { name: "x", labels: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`l${i}`, ""])) },
      "body.labels",
    ],
    [
      "a time that is none",
      "POST",
      "/v1/tokens",
      { name: "x", role: "admin", expiresAt: "tomorrow" },
      "body.expiresAt",
    ],
    ["an unknown role", "POST", "/v1/tokens", { name: "x", role: "root" }, "body.role"],
    ["an unknown query", "GET", "/v1/keys?stauts=active", undefined, "querystring"],
    ["a limit of none", "GET", "/v1/keys?limit=0", undefined, "querystring.limit"],
    ["a limit beyond all", "GET", "/v1/keys?limit=501", undefined, "querystring.limit"],
    ["a label without a value", "GET", "/v1/keys?label=team", undefined, "querystring.label"],
    ["a hash of another length", "POST", "/v1/changeover", { sha256: "x" }, "body.sha256"],
  ])("%s is refused, with its path", async (_what, method, path, body, at) => {
    const token = path === "/v1/changeover" ? key.secret : undefined;
    const refused = await keyover.refused("invalid_request", method, path, body === null ? "null" : body, { token });
    expect(refused.errors[0].path).toBe(at);
  });

  test("a network with bits set beyond its prefix, or none, is refused with its place in the list", async () => {
    for (const network of ["203.0.113.7/24", "10.0.0.0/33", "example.org", ""]) {
      const refused = await keyover.refused(
        "invalid_request",
        "POST",
        "/v1/keys",
        newKey({ networks: ["10.0.0.0/8", network] }),
      );
      expect(refused.errors[0].path).toBe("body.networks.1");
    }
  });

  const raw: [string, number, string, CallOptions["headers"] & object, string][] = [
    ["a body beyond 256 KB", 413, "payload_too_large", {}, JSON.stringify({ name: "x".repeat(300_000) })],
    ["another content type", 415, "unsupported_media_type", { "content-type": "application/xml" }, "<a/>"],
    ["plain text", 415, "unsupported_media_type", { "content-type": "text/plain" }, '{"name":"x"}'],
    ["a form", 415, "unsupported_media_type", { "content-type": "application/x-www-form-urlencoded" }, "name=x"],
    ["no JSON", 400, "invalid_request", {}, '{"name": '],
    ["JSON that is cut off inside a text", 400, "invalid_request", {}, '{"name":"plant'],
    ["bytes that are no text", 400, "invalid_request", {}, "\u0000\ufffd"],
  ];
  test.each(raw)("%s: %i", async (_what, status, code, headers, payload) => {
    const refused = await keyover.refused(code, "POST", "/v1/consumers", payload, { headers });
    expect(refused.status).toBe(status);
    expect(JSON.stringify(refused)).not.toContain("plant");
  });

  test.each([
    ["GET", "/v1/none"],
    ["PUT", "/v1/keys"],
    ["GET", "/"],
    ["DELETE", "/v1/keys"],
    ["GET", `/v1/keys/${"x".repeat(65)}`],
    ["GET", "/V1/keys"],
  ])("%s %s is no call, said in JSON", async (method, path) => {
    const answer = await keyover.call(method, path);
    expect([404, 400]).toContain(answer.status);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
  });

  test("a path that can't be decoded, or is too long, is a problem document too", async () => {
    await keyover.refused("invalid_request", "GET", "/v1/keys/%zz");
    await keyover.refused("invalid_request", "GET", `/v1/keys/${"x".repeat(101)}`);
  });
});

describe("what the inventory refuses", () => {
  test("names that are taken", async () => {
    await keyover.refused("name_taken", "POST", "/v1/apis", { name: "market", prefix: "other", scopes: ["a"] });
    await keyover.refused("name_taken", "POST", "/v1/apis", { name: "other", prefix: api.prefix, scopes: ["a"] });
    await keyover.refused("name_taken", "POST", "/v1/consumers", { name: consumer.name });
    const second = await keyover.consumer();
    await keyover.refused("name_taken", "PATCH", `/v1/consumers/${second.id}`, { name: consumer.name });
  });

  test.each([
    { prefix: "kot" },
    { prefix: "key" },
    { prefix: "A" },
    { prefix: "toolongprefix" },
    { scopes: ["Market:read"] },
    { scopes: ["a", "a"] },
    { scopes: ["market:*"] },
    { environments: ["Live"] },
    { environments: ["live", "live"] },
    { environments: [] },
  ])("an api with %j", async (change) => {
    await keyover.refused("invalid_request", "POST", "/v1/apis", { name: "n", prefix: "nn", scopes: ["a"], ...change });
  });

  test("a key of what does not exist, the known ones listed where that helps", async () => {
    expect(
      (await keyover.refused("unknown_environment", "POST", "/v1/keys", newKey({ environment: "dev" }))).known,
    ).toEqual(api.environments);
    const unknown = await keyover.refused(
      "unknown_scope",
      "POST",
      "/v1/keys",
      newKey({ scopes: ["market:read", "market:raed", "x:*"] }),
    );
    expect(unknown).toMatchObject({ unknown: ["market:raed", "x:*"], known: api.scopes });
    await keyover.refused("not_found", "POST", "/v1/keys", newKey({ api: "none" }));
    await keyover.refused("not_found", "POST", "/v1/keys", newKey({ consumer: "con_none" }));
  });

  test("scopes grow only where that is said", async () => {
    const narrow = await keyover.ok("POST", "/v1/keys", newKey());
    const path = `/v1/keys/${narrow.id}`;
    const refused = await keyover.refused("scope_not_narrower", "PATCH", path, {
      scopes: ["market:read", "trade:write"],
    });
    expect(refused.held).toEqual(["market:read"]);
    expect((await keyover.ok("PATCH", path, { scopes: ["market:*"], widen: true })).scopes).toEqual(["market:*"]);
    expect((await keyover.ok("PATCH", path, { scopes: [] })).scopes).toEqual([]);
    await keyover.refused("unknown_scope", "PATCH", path, { scopes: ["y"], widen: true });
  });

  test("a patch that says nothing changes nothing, and is not in the audit log", async () => {
    const before = await keyover.entries();
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, {});
    await keyover.ok("PATCH", `/v1/consumers/${consumer.id}`, {});
    await keyover.ok("PATCH", `/v1/apis/${api.id}`, {});
    expect(await keyover.entries()).toBe(before);
  });
});

describe("status", () => {
  const because = { reason: "unpaid" };
  test("a key's text that somebody pastes into a reason, a note or a label is not kept", async () => {
    const leaked = (await keyover.key({ api, consumer })).secret;
    const said = `found ${leaked} in a log`;
    const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { reason: said });
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { notes: said, labels: { from: said } });
    expect((await keyover.ok("GET", `/v1/rotations/${id}`)).reason).toBe("found [secret] in a log");
    const shown = await keyover.ok("GET", `/v1/keys/${key.id}`);
    expect([shown.notes, shown.labels.from]).toEqual(["found [secret] in a log", "found [secret] in a log"]);
    expect(JSON.stringify(await keyover.ok("GET", "/v1/audit?limit=500"))).not.toContain(leaked);
  });

  test("suspended, restored, revoked; out of place refused; repeated without effect", async () => {
    const { id, secret } = await keyover.ok("POST", "/v1/keys", newKey());
    const act = (change: string) => keyover.ok("POST", `/v1/keys/${id}/${change}`, because);
    const code = async () => (await keyover.ok("POST", "/v1/verify", { api: api.id, key: secret })).code;
    await keyover.refused("nothing_to_restore", "POST", `/v1/keys/${id}/restore`, because);
    expect(await act("suspend")).toMatchObject({ status: "suspended", statusReason: "unpaid" });
    const before = await keyover.entries();
    await act("suspend");
    expect(await keyover.entries()).toBe(before);
    expect(await code()).toBe("suspended");
    await act("restore");
    expect(await code()).toBe("ok");
    await act("revoke");
    expect(await code()).toBe("revoked");
    for (const change of ["suspend", "restore"])
      await keyover.refused("key_is_revoked", "POST", `/v1/keys/${id}/${change}`, because);
    await keyover.refused("key_is_revoked", "PATCH", `/v1/keys/${id}`, { name: "x" });
    await keyover.refused("invalid_request", "POST", `/v1/keys/${id}/revoke`, {});
  });

  test("expiry: at its time the key is refused, prolonged it is accepted again", async () => {
    const { id, secret } = await keyover.ok("POST", "/v1/keys", newKey({ expiresAt: keyover.now() + DAY }));
    const code = async () => (await keyover.ok("POST", "/v1/verify", { api: api.id, key: secret })).code;
    expect(await code()).toBe("ok");
    await keyover.clock.advance(DAY);
    expect(await code()).toBe("expired");
    await keyover.ok("PATCH", `/v1/keys/${id}`, { expiresAt: keyover.now() + DAY });
    expect(await code()).toBe("ok");
    await keyover.ok("PATCH", `/v1/keys/${id}`, { expiresAt: null });
    expect(await keyover.store.recordOfKey(id)).not.toHaveProperty("expiresAt");
  });
});

describe("verify", () => {
  const verdict = async (ask: object) => keyover.ok("POST", "/v1/verify", { api: api.id, key: key.secret, ...ask });

  test("answers each reason by its code", async () => {
    const limited = await keyover.ok("POST", "/v1/keys", newKey({ networks: ["203.0.113.0/24"] }));
    const foreign = await keyover.key({
      api: await keyover.api({ scopes: ["market:read", "market:x", "trade:write"] }),
      consumer,
    });
    expect(await verdict({ scope: ["market:read", "trade:write"] })).toMatchObject({
      valid: true,
      code: "ok",
      version: 1,
      consumer: consumer.id,
    });
    expect(await verdict({ environment: "test" })).toMatchObject({ code: "wrong_environment" });
    expect(await verdict({ scope: "account:withdraw" })).toMatchObject({ code: "insufficient_scope" });
    expect(await verdict({ key: limited.secret, network: "203.0.113.9" })).toMatchObject({ code: "ok" });
    expect(await verdict({ key: limited.secret, network: "203.0.114.9" })).toMatchObject({ code: "network_denied" });
    expect(await verdict({ key: limited.secret })).toMatchObject({ code: "network_denied" });
    expect(await verdict({ key: foreign.secret })).toEqual({ valid: false, code: "malformed" });
    const nobodys = makeKeyText(api.prefix, "live", random);
    expect(await verdict({ key: nobodys })).toEqual({ valid: false, code: "unknown" });
    for (const text of [
      "",
      "x",
      key.secret.slice(1),
      `${key.secret}x`,
      "é".repeat(40),
      key.secret.toUpperCase(),
      "x".repeat(16_384),
    ]) {
      expect(await verdict({ key: text })).toEqual({ valid: false, code: "malformed" });
    }
    await keyover.refused("invalid_request", "POST", "/v1/verify", { api: api.id, key: "x".repeat(20_001) });
    await keyover.refused("not_found", "POST", "/v1/verify", { api: "none", key: key.secret });
  });

  test("counts the use, by truncated network, before it answers", async () => {
    const used = await keyover.ok("POST", "/v1/keys", newKey());
    for (const network of ["203.0.113.9", "203.0.113.200", "2001:db8:1:2::3"])
      await verdict({ key: used.secret, network, client: "bot" });
    const usage = await keyover.ok("GET", `/v1/keys/${used.id}/usage`);
    const seen = usage.sources.map(({ source, versions }: Answer["body"]) => [source.network, versions[0].accepted]);
    expect(seen.sort()).toEqual([
      ["2001:db8:1::/48", 1],
      ["203.0.113.0/24", 2],
    ]);
    expect(usage.buckets.reduce((sum: number, { accepted }: { accepted: number }) => sum + accepted, 0)).toBe(3);
  });

  test("the use says by source whether the networks of the key and its consumer allow it", async () => {
    const used = await keyover.ok("POST", "/v1/keys", newKey());
    for (const network of ["203.0.113.9", "198.51.100.7", "192.0.2.1", undefined])
      await verdict({ key: used.secret, client: "bot", ...(network === undefined ? {} : { network }) });
    const allowed = async () => {
      const { sources } = await keyover.ok("GET", `/v1/keys/${used.id}/usage`);
      return Object.fromEntries(
        sources.map(({ source, networksAllow }: Answer["body"]) => [source.network, networksAllow]),
      );
    };
    const all = { "203.0.113.0/24": "all", "198.51.100.0/24": "all", "192.0.2.0/24": "all", unknown: "all" };
    expect(await allowed()).toEqual(all);
    await keyover.ok("PATCH", `/v1/keys/${used.id}`, { networks: ["203.0.113.0/24", "198.51.100.7"] });
    const some = { "203.0.113.0/24": "all", "198.51.100.0/24": "some", "192.0.2.0/24": "none", unknown: "none" };
    expect(await allowed()).toEqual(some);
    await keyover.ok("PATCH", `/v1/consumers/${used.consumer}`, { networks: ["203.0.113.9", "198.51.100.0/24"] });
    await keyover.clock.advance(1_000);
    await keyover.tick();
    expect(await allowed()).toEqual({ ...some, "203.0.113.0/24": "some" });
  });
});

describe("a text that not every database can hold", () => {
  test.each([
    ["U+0000 in a note", "POST", "/v1/consumers", { name: "strange", notes: "a\0b" }],
    ["U+0000 in a label", "POST", "/v1/consumers", { name: "strange", labels: { team: "\0" } }],
    ["half a character in a name", "POST", "/v1/consumers", { name: "\ud800" }],
    ["the other half", "POST", "/v1/consumers", { name: "a\udfffb" }],
    ["U+0000 in a member's name", "POST", "/v1/consumers", { name: "strange", labels: { "a\0": "x" } }],
    ["U+0000 in a path", "GET", "/v1/consumers/a%00b", undefined],
    ["U+0000 in a query", "GET", "/v1/keys?notes=%00", undefined],
  ])("%s is refused", async (_what, method, path, body) => {
    const problem = await keyover.refused("invalid_request", method, path, body);
    expect(problem.detail).toMatch(/U\+0000/);
  });

  test("is no key either, and is told so like any other", async () => {
    await keyover.ok("POST", "/v1/apis", { name: "strange-keys", prefix: "strange", scopes: ["read"] });
    const verdict = await keyover.ok("POST", "/v1/verify", { api: "strange-keys", key: "\0\ud800" });
    expect(verdict.code).toBe("malformed");
  });

  test("whole characters beyond the first plane are no such text", async () => {
    const consumer = await keyover.ok("POST", "/v1/consumers", { name: "\u{1f511} desk" });
    expect(consumer.name).toBe("\u{1f511} desk");
  });
});

test.each([
  ["storage_unavailable", new StoreUnavailableError("gone")],
  ["outcome_unknown", new OutcomeUnknownError("gone")],
])(
  "a database that is away is answered with %s and when to try again, and the reason is logged alone",
  async (code, error) => {
    const clock = new TestClock();
    const store = openMemoryStore({ now: () => clock.at });
    let away = false;
    const commit: typeof store.commit = async (batch) => {
      if (away) throw error;
      return store.commit(batch);
    };
    const other = await TestAuthority.start({ clock, store: { ...store, commit } });
    away = true;
    const answer = await other.call("POST", "/v1/consumers", { name: "x" });
    expect([answer.status, answer.body.code, answer.headers["retry-after"]]).toEqual([503, code, "1"]);
    expect(JSON.stringify(answer.body)).not.toContain("gone");
    expect(other.lines.some((line) => line.includes("gone"))).toBe(true);
    await other.close();
  },
);

test("a full disk answers 507, and everything goes on once there is room", async () => {
  const clock = new TestClock();
  const store = openMemoryStore({ now: () => clock.at });
  let full = false;
  const commit: typeof store.commit = async (batch) => {
    if (full) throw new StorageFullError("full");
    return store.commit(batch);
  };
  const other = await TestAuthority.start({ clock, store: { ...store, commit } });
  full = true;
  await other.refused("storage_full", "POST", "/v1/consumers", { name: "x" });
  full = false;
  await other.ok("POST", "/v1/consumers", { name: "x" });
  await other.close();
});

test("what nobody foresaw answers 500 without its message, which is logged", async () => {
  const clock = new TestClock();
  const store = openMemoryStore({ now: () => clock.at });
  let broken = false;
  const list: typeof store.list = async (...asked) => {
    if (broken && asked[0] === "consumer") throw new Error("inner workings");
    return store.list(...asked);
  };
  const other = await TestAuthority.start({ clock, store: { ...store, list }, masterKey: random(32) });
  broken = true;
  const body = await other.refused("internal", "GET", "/v1/consumers");
  expect(JSON.stringify(body)).not.toContain("inner");
  expect(other.lines.some((line) => line.includes("http.failed") && line.includes("inner workings"))).toBe(true);
  await other.close();
});

test("every problem's status and title come from the table", () => {
  for (const { status, title } of Object.values(problems)) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(title).toMatch(/[.…]$/);
  }
});
