/**
 * What should not come, and comes: each case shows the error that its sender gets, and that nothing was lost by it. After every test
 * a key that was there from the beginning is still accepted, and the servers that ran still run.
 */
import { randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeHandle, makeKeyText } from "@keyover/core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Authority,
  ask,
  type Issued,
  issueKey,
  protectApi,
  type Reply,
  rotate,
  rotationOf,
  startAuthority,
} from "./authority.test-support.ts";
import { startMarketApi } from "./market.test-support.ts";
import { endAll, makeFolder, type Server, until } from "./processes.test-support.ts";
import { verifyingApi } from "./verifying-api.test-support.ts";

const YEARS_10_MS = 10 * 365 * 86_400_000;
const HOUR_MS = 3_600_000;

const folder = makeFolder("bad-input");
let authority: Authority;
let api: Server;
let verifierToken: string;
let good: Issued;

const call = (path: string, body?: unknown, token = authority.adminToken, headers: Record<string, string> = {}) =>
  ask(authority.url + path, { token, body, headers });
const verify = (key: string, more: object = {}) => call("/v1/verify", { api: "market", key, ...more });
const atApi = (key: string) => ask(`${api.url}/v1/ticker/BTC-USD`, { headers: { "x-api-key": key } });
const problem = ({ status, body }: Reply) => [status, body.code];
const count = async (path: string) => ((await call(`${path}?limit=500`)).body.items as unknown[]).length;

beforeAll(async () => {
  authority = await startAuthority();
  ({ verifierToken } = await protectApi(authority, "market", "mkt"));
  api = await startMarketApi({ authorityUrl: authority.url, verifierToken, dataDir: join(folder, "market") });
  good = await issueKey(authority, "market", "good");
});
afterEach(async () => {
  expect([authority.process().exited(), api.process().exited()]).toEqual([false, false]);
  expect((await atApi(good.secret)).status).toBe(200);
  expect((await verify(good.secret)).body).toMatchObject({ valid: true, key: good.keyId });
});
afterAll(endAll);

describe("presented keys", () => {
  const body = (text: string) => text.slice(0, -6);
  const cases: Record<string, (key: string) => string> = {
    malformed: () => "{}",
    "not ASCII": () => "mkt_live_ключ",
    truncated: (key) => key.slice(0, -1),
    "cut off after the prefix": () => "mkt_live_",
    "with a wrong checksum": (key) => `${body(key)}${key.endsWith("000000") ? "000001" : "000000"}`,
    "with two characters swapped": (key) =>
      key.replace(/^(.*_)(.)(.)/, (_, head, a, b) => `${head}${b === a ? "0" : b}${a}`),
    "of another api": () => makeKeyText("abc", "live", randomBytes),
    "a token of the authority": () => authority.adminToken,
    "well formed and unknown": () => makeKeyText("mkt", "live", randomBytes),
    "of 15 000 characters": (key) => key.repeat(300).slice(0, 15_000),
  };
  for (const [what, make] of Object.entries(cases)) {
    it(`a key ${what}: 401 invalid_key, the same to the byte for all`, async () => {
      const key = make(good.secret);
      if (/^[\x20-\x7e]*$/.test(key)) {
        const refused = await atApi(key);
        expect(problem(refused)).toEqual([401, "invalid_key"]);
        expect(refused.text).toBe((await atApi("nonsense")).text);
        expect(refused.text).not.toContain(key.slice(0, 12));
      }
      const verdict = await verify(key);
      expect(verdict.status).toBe(200);
      expect(verdict.body).toEqual({
        valid: false,
        code: what === "well formed and unknown" ? "unknown" : "malformed",
      });
    });
  }

  it("a header beyond what Node takes (16 KB) is refused at once, and the process lives; the authority takes no key of 20 001", async () => {
    const huge = { authorization: `Bearer ${"x".repeat(17_000)}` };
    expect(await rawStatus(`${api.url}/v1/ticker/BTC-USD`, huge)).toBe(431);
    expect(await rawStatus(`${authority.url}/v1/keys`, huge)).toBe(413);
    const long = await verify("x".repeat(20_001));
    expect(problem(long)).toEqual([400, "invalid_request"]);
    expect(long.body.errors).toMatchObject([{ path: "body.key" }]);
    expect((await verify("x".repeat(16_384))).body).toEqual({ valid: false, code: "malformed" });
  });

  it("a header given twice is no key", async () => {
    const twice = { authorization: [`Bearer ${good.secret}`, `Bearer ${good.secret}`] };
    expect(await rawStatus(`${api.url}/v1/ticker/BTC-USD`, twice)).toBe(401);
  });

  it("R24: a key of another environment is refused with that reason", async () => {
    const test = await issueKey(authority, "market", "tester", { environment: "test" });
    expect(problem(await atApi(test.secret))).toEqual([401, "wrong_environment"]);
    expect((await verify(test.secret, { environment: "live" })).body).toMatchObject({
      valid: false,
      code: "wrong_environment",
    });
    expect((await verify(test.secret, { environment: "test" })).body).toMatchObject({ valid: true });
  });
});

describe("calls of the authority", () => {
  const newKey = (more: object) => ({
    api: "market",
    environment: "live",
    consumer: good.consumerId,
    scopes: ["market:read"],
    ...more,
  });

  it("R25: a scope that the api does not have is refused, and the known ones are listed", async () => {
    const before = await count("/v1/keys");
    const refused = await call("/v1/keys", newKey({ scopes: ["market:read", "market:raed"] }));
    expect(problem(refused)).toEqual([422, "unknown_scope"]);
    expect(refused.body.unknown).toEqual(["market:raed"]);
    expect(refused.body.known).toEqual(["market:read", "trade:write", "account:withdraw"]);
    expect(refused.body.detail).toContain("it has market:read, trade:write, account:withdraw");
    expect(await count("/v1/keys")).toBe(before);
  });

  it("R02: an overlap of 0 or of ten years is refused, with the limits, wherever it is said", async () => {
    for (const overlapMs of [0, YEARS_10_MS]) {
      const places: [path: string, body: object, member: string][] = [
        ["/v1/apis", { name: "long", prefix: "lng", scopes: ["a:b"], policy: { overlapMs } }, "body.policy.overlapMs"],
        ["/v1/keys", newKey({ policy: { overlapMs } }), "body.policy.overlapMs"],
        [`/v1/keys/${good.keyId}/rotations`, { policy: { overlapMs } }, "body.policy.overlapMs"],
      ];
      for (const [path, body, member] of places) {
        const refused = await call(path, body);
        expect(problem(refused)).toEqual([400, "invalid_request"]);
        expect(refused.body.errors).toMatchObject([
          { path: member, message: expect.stringMatching(/1000|31622400000/) },
        ]);
      }
    }
    expect((await call(`/v1/rotations?key=${good.keyId}`)).body.items).toEqual([]);
  });

  it("R02: a deadline moved beyond the limits is refused, and stands where it was", async () => {
    const { keyId } = await issueKey(authority, "market", "deadline");
    const { id } = await rotate(authority, keyId);
    const before = await until(async () => (await rotationOf(authority, id)).overlapEndsAt, "the offer");
    for (const overlapEndsAt of [0, Date.now() - 1_000, Date.now() + YEARS_10_MS]) {
      expect(problem(await call(`/v1/rotations/${id}/deadline`, { overlapEndsAt }))).toEqual([
        422,
        "overlap_out_of_range",
      ]);
    }
    expect((await rotationOf(authority, id)).overlapEndsAt).toBe(before);
  });

  it("a key in rotation can't begin another: 409 that names the one it is in", async () => {
    const { keyId } = await issueKey(authority, "market", "twice");
    const { id } = await rotate(authority, keyId);
    const refused = await call(`/v1/keys/${keyId}/rotations`, { reason: "again" });
    expect(problem(refused)).toEqual([409, "rotation_in_progress"]);
    expect(refused.body.rotation).toBe(id);
    expect(refused.body.detail).toContain(id);
    expect((await call(`/v1/keys/${keyId}`)).body.versions).toHaveLength(2);
  });

  it("R04: another consumer gets neither the successor nor a word about it; its owner still gets it", async () => {
    const owner = await issueKey(authority, "market", "owner");
    const { id } = await rotate(authority, owner.keyId);
    await until(async () => (await rotationOf(authority, id)).offeredAt, "the offer");
    const stranger = await call(`/v1/rotations/${id}/claim`, {}, good.consumerToken);
    const nothing = await call("/v1/rotations/rot_0000000000000000000000/claim", {}, good.consumerToken);
    expect(problem(stranger)).toEqual([404, "not_found"]);
    expect(stranger.text).toBe(nothing.text.replace("rot_0000000000000000000000", id));
    expect(problem(await call(`/v1/rotations/${id}/claim`, {}, owner.secret))).toEqual([403, "claim_not_allowed"]);
    expect((await rotationOf(authority, id)).claimedAt).toBeNull();
    const claimed = await call(`/v1/rotations/${id}/claim`, {}, owner.consumerToken);
    expect(claimed.body).toMatchObject({ key: owner.keyId, version: 2 });
  });

  it("an Idempotency-Key used for another request is refused, and the first answer stays", async () => {
    const key = { "idempotency-key": "once" };
    const before = await count("/v1/consumers");
    const first = await call("/v1/consumers", { name: "idem" }, authority.adminToken, key);
    const other = await call("/v1/consumers", { name: "other" }, authority.adminToken, key);
    expect(problem(other)).toEqual([422, "idempotency_mismatch"]);
    const again = await call("/v1/consumers", { name: "idem" }, authority.adminToken, key);
    expect([again.status, again.body, again.headers.get("idempotency-replayed")]).toEqual([201, first.body, "true"]);
    expect(await count("/v1/consumers")).toBe(before + 1);
  });

  it("a member that the API does not know is refused by name, so that a misspelt one is not passed over", async () => {
    const misspelt = await call("/v1/keys", newKey({ policy: { overlapMS: 60_000 } }));
    expect(problem(misspelt)).toEqual([400, "invalid_request"]);
    expect(misspelt.body.detail).toContain("overlapMS");
    const extra = await call("/v1/consumers", { name: "extra", colour: "blue" });
    expect(problem(extra)).toEqual([400, "invalid_request"]);
    expect(extra.body.detail).toContain("colour");
    const query = await call("/v1/keys?colour=blue");
    expect(problem(query)).toEqual([400, "invalid_request"]);
    expect(query.body.detail).toContain("colour");
  });

  it("bodies that are no JSON, too large, or of another type each say so", async () => {
    expect(problem(await call("/v1/consumers", "{"))).toEqual([400, "invalid_request"]);
    expect(problem(await call("/v1/consumers", "x".repeat(300_000)))).toEqual([413, "payload_too_large"]);
    expect(
      problem(
        await call("/v1/consumers", "name=a", authority.adminToken, {
          "content-type": "application/x-www-form-urlencoded",
        }),
      ),
    ).toEqual([415, "unsupported_media_type"]);
    expect(problem(await call("/v1/nonsense"))).toEqual([404, "not_found"]);
  });
});

describe("messages of verifiers", () => {
  const path = (rest: string) => `/v1/apis/market/${rest}`;
  const verifier = (rest: string, body?: object) => call(path(rest), body, verifierToken);

  async function register(more: object = {}) {
    const boot = makeHandle("boot", Date.now(), randomBytes);
    const welcome = await verifier("verifiers", { boot, instance: `by-hand-${boot}`, software: "test/1", ...more });
    return { boot, welcome };
  }
  const leave = (boot: string) =>
    ask(`${authority.url}${path(`verifiers/${boot}`)}`, { token: authority.adminToken, method: "DELETE" });

  it("a feed resumed from the future is 409 that says how far the feed is", async () => {
    const snapshot = await verifier("snapshot");
    const head = (JSON.parse(snapshot.text.split("\n", 1)[0] as string) as { seq: number }).seq;
    const refused = await verifier(`feed?after=${head + 1_000}`);
    expect(problem(refused)).toEqual([409, "feed_ahead"]);
    expect(refused.body.head).toBe(head);
    const { boot } = await register();
    expect(problem(await verifier("acks", { boot, applied: head + 1_000 }))).toEqual([409, "feed_ahead"]);
    await leave(boot);
  });

  it("R07: a report that overlaps the last, runs backward or leaves a gap counts for nothing; the right one still counts", async () => {
    const { boot, welcome } = await register();
    const from = welcome.body.now as number;
    const sighting = {
      key: good.keyId,
      version: 1,
      source: { network: "192.0.2.0/24", client: "bad", instance: "" },
      refused: 0,
      longestGapMs: 0,
    };
    const report = (n: number, start: number, end: number) => ({
      boot,
      n,
      from: start,
      to: end,
      applied: 0,
      sightings: [{ ...sighting, first: start, last: end, accepted: 1 }],
    });
    await sleep(30);
    expect((await verifier("reports", report(1, from, from + 10))).status).toBe(200);
    for (const wrong of [
      report(2, from + 5, from + 20),
      report(2, from + 10, from + 1),
      report(2, from + 15, from + 20),
      report(3, from + 10, from + 20),
    ]) {
      expect(problem(await verifier("reports", wrong))).toEqual([409, "report_gap"]);
    }
    expect((await verifier("reports", report(2, from + 10, from + 20))).status).toBe(200);
    // The same again, its answer lost: answered, and not counted twice.
    expect((await verifier("reports", report(2, from + 10, from + 20))).status).toBe(200);
    const usage = await call(`/v1/keys/${good.keyId}/usage`);
    const sources = usage.body.sources as { source: { client: string }; versions: { accepted: number }[] }[];
    expect(sources.find(({ source }) => source.client === "bad")?.versions).toMatchObject([{ accepted: 2 }]);
    await leave(boot);
  });

  it("a newer verifier's unknown members are passed over, so that the two can be upgraded in any order", async () => {
    const { boot, welcome } = await register({ features: ["brownout"], region: "eu" });
    expect(welcome.status).toBe(200);
    const now = welcome.body.now as number;
    const report = { boot, n: 1, from: now, to: now, applied: 0, sightings: [], histogram: { p99: 1 } };
    expect((await verifier("reports", report)).status).toBe(200);
    expect((await verifier("acks", { boot, applied: 0, region: "eu" })).status).toBe(200);
    await leave(boot);
  });

  it("I12: a verifier whose clock is an hour off, either way, decides and reports by the authority's time", async () => {
    await Promise.all([1, -1].map((hours) => decidesByTheAuthoritysTime(hours)));
  });

  async function decidesByTheAuthoritysTime(hours: number): Promise<void> {
    // An api of its own, so that each is the only verifier that can testify.
    const name = `off${hours > 0 ? "ahead" : "behind"}`;
    const { verifierToken: token } = await protectApi(authority, name, name.slice(0, 7));
    const off = await verifyingApi({
      authorityUrl: authority.url,
      token,
      apis: [name],
      instance: name,
      clockShiftMs: hours * HOUR_MS,
    });
    await off.start();
    const later = await issueKey(authority, name, `later ${hours}`, { expiresAt: Date.now() + HOUR_MS / 2 });
    const soon = await issueKey(authority, name, `soon ${hours}`, { expiresAt: Date.now() + 5_000 });
    expect(await off.verdict(later.secret)).toMatchObject({ valid: true });
    expect(await off.verdict(soon.secret)).toMatchObject({ valid: true });
    const seenAt = Date.now();
    await until(async () => (await off.verdict(soon.secret)).code === "expired", "the key to expire");
    const source = await until(async () => {
      const sources = (await call(`/v1/keys/${later.keyId}/usage`)).body.sources as { lastSeen: number }[];
      return sources[0];
    }, "the use to be reported");
    expect(Math.abs(source.lastSeen - seenAt)).toBeLessThan(2_000);

    const { id } = await rotate(authority, later.keyId);
    const successor = await until(async () => {
      const reply = await call(`/v1/rotations/${id}/claim`, {}, later.consumerToken);
      return reply.status === 200 ? String(reply.body.secret) : undefined;
    }, "the successor");
    expect(await off.verdict(successor)).toMatchObject({ valid: true, version: 2 });
    const retired = await until(async () => {
      const rotation = await rotationOf(authority, id);
      return rotation.phase === "retired" ? rotation : undefined;
    }, "the old version to retire on evidence");
    expect(retired.forced).toBeNull();
    expect(retired.retiredAt).toBeLessThan(Date.now() + 1_000);
    await until(async () => (await off.verdict(later.secret)).code === "retired", "the old version to be refused");
    expect(await off.stop()).toBe(0);
  }
});

/** The status of a request with headers as they are, which `fetch` would not send. */
function rawStatus(url: string, headers: Record<string, string | string[]>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const list = Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((each) => [name, each]));
    const sent = httpRequest(url, { headers: ["host", new URL(url).host, ...list] }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on("error", reject);
    sent.end();
  });
}
