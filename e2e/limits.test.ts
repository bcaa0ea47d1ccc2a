/**
 * What limits the old version while its successor waits, with real processes: brownouts, at verifiers that can and can't be reached; the policy's
 * fence; and a retirement that is taken back because somebody was still there.
 */
import { join } from "node:path";
import { parseRotationHeader, ROTATION_HEADER } from "@keyover/core";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type Authority,
  ask,
  type Issued,
  issueKey,
  protectApi,
  quickPolicy,
  type Rotation,
  type RotationPolicy,
  startAuthority,
} from "./authority.test-support.ts";
import { type Bot, startBot, startMarketApi } from "./market.test-support.ts";
import { Partition } from "./partition.test-support.ts";
import { endAll, makeFolder, type Server, until } from "./processes.test-support.ts";
import { type VerifyingApi, verifyingApi } from "./verifying-api.test-support.ts";

let authority: Authority;
let market: Server;
let near: VerifyingApi;
let far: VerifyingApi;
let wire: Partition;
let folder: string;

/** So long that no client moves because its moment has come. */
const patient: RotationPolicy = { ...quickPolicy, overlapMs: 36_000_000, claimMs: 36_000_000, quietMs: 600_000 };
const SECONDS = 1_000;

beforeAll(async () => {
  authority = await startAuthority();
  const { verifierToken } = await protectApi(authority, "market", "mkt", {
    staleness: { leaseMs: 3_000, onStale: "static", staticMs: 60_000 },
  });
  folder = makeFolder("market");
  wire = await Partition.to(authority.url);
  const settings = { token: verifierToken, apis: ["market"] };
  near = await verifyingApi({ ...settings, authorityUrl: authority.url, instance: "near" });
  far = await verifyingApi({ ...settings, authorityUrl: wire.url, instance: "far" });
  market = await startMarketApi({ authorityUrl: authority.url, verifierToken, dataDir: join(folder, "market-api") });
  await Promise.all([near.start(), far.start()]);
});
afterAll(async () => {
  wire.close();
  await endAll();
});

async function rotation(key: Issued, policy: RotationPolicy): Promise<Rotation> {
  const params = { key: key.keyId };
  const { id } = await authority.admin.request("post", "/v1/keys/{key}/rotations", { params, body: { policy } });
  return until(async () => {
    const now = await look(id);
    return now.offeredAt === null ? undefined : now;
  }, "the offer");
}
const look = (id: string) => authority.admin.request("get", "/v1/rotations/{rotation}", { params: { rotation: id } });

/** A bot that holds its key with the client, and one of the same key that knows nothing of rotations. */
function bots(name: string, key: Issued): { mover: Bot; straggler: Bot } {
  const at = { folder, secret: key.secret, apis: [market.url] };
  const client = { authorityUrl: authority.url, consumerToken: key.consumerToken };
  return {
    mover: startBot({ name: `${name}-mover`, ...at, ...client }),
    straggler: startBot({ name: `${name}-straggler`, ...at }),
  };
}

const served = (...all: Bot[]) => until(() => all.every((bot) => bot.counts().accepted > 10), "every bot to be served");
const codeOf = (api: VerifyingApi, key: Issued) => api.verdict(key.secret, "market:read").then(({ code }) => code);

it("R09: in a brownout the old version is refused, inside its time alone; a client moves and loses nothing", async () => {
  const key = await issueKey(authority, "market", "browned");
  const { mover, straggler } = bots("browned", key);
  await served(mover, straggler);
  const { id } = await rotation(key, patient);
  const before = Date.now();
  expect(mover.counts().version).toBe(1);
  const begun = await authority.admin.request("post", "/v1/rotations/{rotation}/brownout", {
    params: { rotation: id },
    body: { forMs: 5 * SECONDS, reason: "rehearsal" },
  });
  const end = begun.brownouts?.slots[0]?.until ?? 0;
  await until(() => straggler.counts().refused > 0, "the straggler to be refused");
  const refused = await ask(`${market.url}/v1/ticker/BTC-USD`, { token: key.secret });
  expect([refused.status, refused.body.code]).toEqual([401, "key_brownout"]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(5);
  expect(parseRotationHeader(refused.headers.get(ROTATION_HEADER))).toMatchObject({ version: 1, target: 2 });
  await until(() => mover.counts().version === 2, "the mover to be on version 2");
  await until(() => Date.now() > end + SECONDS, "the brownout to end");
  const counted = straggler.counts().refused;
  await until(() => (straggler.counts().lastSentAt[1] ?? 0) > end + SECONDS, "the straggler to be served again");
  expect(straggler.counts().refused).toBe(counted);
  for (const { code, at } of straggler.counts().refusals) {
    expect(code).toBe("key_brownout");
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(end);
  }
  expect(mover.counts().refusals).toEqual([]);
  await Promise.all([mover.stop(), straggler.stop()]);
});

it("R09: a verifier that is cut off ends a brownout by itself, on time; one that is not ends it with the operator", async () => {
  const key = await issueKey(authority, "market", "cut off");
  await until(async () => (await codeOf(far, key)) === "ok", "the key to be known");
  const { id } = await rotation(key, patient);
  const params = { rotation: id };
  const begun = await authority.admin.request("post", "/v1/rotations/{rotation}/brownout", {
    params,
    body: { forMs: 10 * SECONDS, reason: "rehearsal" },
  });
  const end = begun.brownouts?.slots[0]?.until ?? 0;
  for (const api of [near, far]) await until(async () => (await codeOf(api, key)) === "brownout", "the brownout");
  wire.set("silent");
  const body = { reason: "the desk called" };
  await authority.admin.request("post", "/v1/rotations/{rotation}/brownout/end", { params, body });
  await until(async () => (await codeOf(near, key)) === "ok", "the near verifier to hear of the end");
  expect(await codeOf(far, key)).toBe("brownout");
  await until(async () => (await codeOf(far, key)) === "ok", "the far verifier to end it");
  // Its clock is the authority's, within what an exchange takes.
  expect(Date.now()).toBeGreaterThan(end - SECONDS);
  expect(await far.verdict(key.secret, "market:read")).toMatchObject({ valid: true, stale: true });
  wire.set("whole");
});

it("R08: withdrawals first: what the fence takes is refused and moves the client; the rest goes on", async () => {
  const key = await issueKey(authority, "market", "fenced");
  const { mover, straggler } = bots("fenced", key);
  await served(mover, straggler);
  const { id } = await rotation(key, { ...patient, fence: { from: "offered", afterMs: 0, without: ["trade:*"] } });
  await until(async () => (await look(id)).fenced !== null, "the fence");
  expect((await look(id)).fenced?.fence).toEqual({ scopes: ["market:read"] });
  await until(() => straggler.counts().refused > 2, "the straggler's orders to be refused");
  const { accepted } = straggler.counts();
  await until(() => straggler.counts().accepted > accepted + 5, "the straggler's other requests to be served");
  const codes = straggler.counts().refusals.map(({ status, code }) => `${status} ${code}`);
  expect(new Set(codes)).toEqual(new Set(["403 key_fenced"]));
  await until(() => mover.counts().version === 2, "the mover to be on version 2");
  expect(mover.counts().refusals).toEqual([]);
  await Promise.all([mover.stop(), straggler.stop()]);
});

it("R10: a retirement that hurts is taken back by itself, and the bot that was forgotten goes on", async () => {
  const key = await issueKey(authority, "market", "forgotten");
  const { mover, straggler } = bots("forgotten", key);
  await served(mover, straggler);
  const { id } = await rotation(key, {
    ...quickPolicy,
    onDeadline: "retire",
    automaticRollback: { refusals: 5, sources: 1, coolDownMs: 3_600_000 },
  });
  const back = await until(async () => {
    const now = await look(id);
    return now.phase === "rolled-back" ? now : undefined;
  }, "the rollback");
  expect(back.rollbackReason).toMatch(/^\d+ requests of \d sources? that had used version 1 before were refused/);
  const { refused } = straggler.counts();
  expect(refused).toBeGreaterThanOrEqual(5);
  const sentAt = straggler.counts().lastSentAt[1] ?? 0;
  await until(() => (straggler.counts().lastSentAt[1] ?? 0) > sentAt + SECONDS, "the straggler to be served again");
  expect(mover.counts().refusals).toEqual([]);
  await Promise.all([mover.stop(), straggler.stop()]);
});

it("R09: a plan is announced at the deadline, said in the header, and carried out at its time of day", async () => {
  const key = await issueKey(authority, "market", "planned");
  // A full minute that is far enough away to be announced before.
  const minute = Math.ceil((Date.now() + 8 * SECONDS) / 60_000) * 60_000;
  const at = new Date(minute).toISOString().slice(11, 16);
  const times = { zone: "UTC", at, lengthsMs: [30 * SECONDS], announceMs: 0 };
  const brownout = { ...times, errorBudget: 2, after: "hold" as const };
  const lived = { ...patient, overlapMs: 31 * SECONDS, overlapMinMs: SECONDS, onDeadline: "brownout" } as const;
  const { id } = await rotation(key, { ...lived, brownout });
  const params = { rotation: id };
  const overlapEndsAt = Date.now() + 2 * SECONDS;
  await authority.admin.request("post", "/v1/rotations/{rotation}/deadline", { params, body: { overlapEndsAt } });
  await until(async () => (await look(id)).brownouts !== null, "the announcement");
  expect((await look(id)).brownouts?.slots).toMatchObject([{ from: minute, until: minute + 30 * SECONDS }]);
  await until(async () => {
    const { headers } = await ask(`${market.url}/v1/ticker/BTC-USD`, { token: key.secret });
    return parseRotationHeader(headers.get(ROTATION_HEADER))?.brownoutAt === minute;
  }, "the header to say so");
  await until(async () => (await codeOf(near, key)) === "brownout", "the brownout", { waitMs: 70 * SECONDS });
  expect(Date.now()).toBeGreaterThanOrEqual(minute - 50);
  // More than the error budget, at one verifier: it is over before its time.
  for (let i = 0; i < 5; i++) await codeOf(near, key);
  await until(async () => (await look(id)).brownouts?.stopped != null, "the error budget to end it");
  expect((await look(id)).brownouts?.stopped).toMatchObject({ by: "policy" });
  await until(async () => (await codeOf(near, key)) === "ok", "the old version to be accepted");
  expect(Date.now()).toBeLessThan(minute + 30 * SECONDS);
});
