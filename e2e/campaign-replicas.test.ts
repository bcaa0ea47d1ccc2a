/**
 * Many keys at once by three authority processes on one PostgreSQL. The process that carries a campaign is killed with SIGKILL in the midst of it,
 * and so is the one that carries an emergency: another goes on, each key is begun once and none is left, and whoever is asked says the same.
 */
import type { paths } from "@keyover/client/api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { REPLICA_LEASE_MS } from "../packages/server/src/authority.ts";
import { type AuditEntry, chainProblem, readAudit } from "./audit.test-support.ts";
import { ask, protectApi } from "./authority.test-support.ts";
import { endAll, until } from "./processes.test-support.ts";
import { type Replica, type Replicas, startReplicas } from "./replicas.test-support.ts";
import { type VerifyingApi, verifyingApi } from "./verifying-api.test-support.ts";

const KEYS = 300;

type Standing = paths["/v1/campaigns/{campaign}"]["get"]["responses"]["200"]["content"]["application/json"];
type Item =
  paths["/v1/campaigns/{campaign}/items"]["get"]["responses"]["200"]["content"]["application/json"]["items"][number];

let replicas: Replicas;
const apis: VerifyingApi[] = [];
const keys: { id: string; secret: string }[] = [];

beforeAll(async () => {
  replicas = await startReplicas(3);
  const [first] = replicas.all as [Replica];
  const { verifierToken } = await protectApi(first, "market", "mkt", {
    staleness: { leaseMs: 3_000, onStale: "static", staticMs: 120_000 },
  });
  const consumer = await first.admin.request("post", "/v1/consumers", { body: { name: "acme" } });
  for (let i = 0; i < KEYS; i += 20) {
    const made = Array.from({ length: 20 }, async (_, n) => {
      const body = { api: "market", environment: "live", consumer: consumer.id, scopes: ["market:read"] };
      const { admin } = replicas.all[n % 3] as Replica;
      const { id, secret } = await admin.request("post", "/v1/keys", { body: { ...body, name: `bot ${i + n}` } });
      return { id, secret: secret as string };
    });
    keys.push(...(await Promise.all(made)));
  }
  const authorityUrl = replicas.all.map(({ url }) => url);
  for (const instance of ["api-1", "api-2"]) {
    const api = await verifyingApi({ authorityUrl, token: verifierToken, apis: ["market"], instance });
    await api.start();
    apis.push(api);
  }
}, 180_000);
afterAll(async () => {
  await replicas?.close();
  await endAll();
});

const living = () => replicas.all.filter((each) => !each.process().exited());
const show = ({ admin }: Replica, campaign: string): Promise<Standing> =>
  admin.request("get", "/v1/campaigns/{campaign}", { params: { campaign } });

/** What each living process says, one after the other, until `done`: none may say less than the one that was asked before. */
async function follow(campaign: string, done: (now: Standing) => boolean): Promise<Standing> {
  let before = -1;
  return until(
    async () => {
      let last: Standing | undefined;
      for (const replica of living()) {
        last = await show(replica, campaign);
        if (last.state === "held") throw new Error(`it is held: ${last.why?.reason}`);
        expect(last.keys.started, `${replica.url} says less than was known already`).toBeGreaterThanOrEqual(before);
        before = last.keys.started;
      }
      return last !== undefined && done(last) ? last : undefined;
    },
    "the campaign to go on",
    { waitMs: 90_000, everyMs: 20 },
  );
}

async function items({ admin }: Replica, campaign: string): Promise<Item[]> {
  const page = await admin.request("get", "/v1/campaigns/{campaign}/items", {
    params: { campaign },
    query: { limit: 500 },
  });
  expect(page.next).toBeNull();
  return page.items;
}

interface Kill {
  killed: Replica;
  /** Of its last commit, and when its lease ran out, by the database's clock. */
  lastAt: number;
  leaseEndsAt: number;
}

/** Kills the process that carries it, somewhere in its midst. */
async function killInTheMidst(campaign: string): Promise<Kill> {
  const killed = await replicas.leader();
  await follow(campaign, ({ keys: { started } }) => started > 0);
  await killed.kill();
  const leaseEndsAt = await replicas.leaseOfLeader();
  const [survivor] = living() as [Replica];
  const started = (await items(survivor, campaign)).filter(({ state }) => state === "started");
  expect(started.length).toBeGreaterThan(0);
  expect(started.length).toBeLessThan(KEYS);
  return { killed, leaseEndsAt, lastAt: Math.max(...started.map(({ at }) => at)) };
}

/** What is the same for both: nothing twice, nothing left, one story. */
async function expectWhole(campaign: string, { lastAt, leaseEndsAt }: Kill): Promise<Item[]> {
  const [one, ...others] = living() as [Replica];
  const all = await items(one, campaign);
  expect(new Set(all.map(({ key }) => key))).toEqual(new Set(keys.map(({ id }) => id)));
  expect(all).toHaveLength(KEYS);
  expect(new Set(all.map(({ state }) => state))).toEqual(new Set(["started"]));
  for (const other of others) {
    expect(await items(other, campaign)).toEqual(all);
    expect((await show(other, campaign)).keys).toEqual((await show(one, campaign)).keys);
  }
  const next = Math.min(...all.map(({ at }) => at).filter((at) => at > lastAt));
  console.log(`another process went on ${next - leaseEndsAt} ms after the lease of the one that was killed`);
  // Nobody does the work of one that may still live; and then, as with rotations in the faults, a busy machine may be late by a lease.
  expect(next).toBeGreaterThanOrEqual(leaseEndsAt);
  expect(next).toBeLessThan(leaseEndsAt + REPLICA_LEASE_MS);
  const audit = (await readAudit(one.url, replicas.adminToken)) as (AuditEntry & { actor: string })[];
  expect(chainProblem(audit)).toBeUndefined();
  const begun = audit.filter(({ actor, action }) => actor === campaign && !action.startsWith("campaign."));
  const deeds = begun.map(({ action, subjects }) => `${action} ${subjects.find((id) => id.startsWith("key_"))}`);
  expect(deeds.length).toBeGreaterThanOrEqual(KEYS);
  expect(new Set(deeds).size, "a key was begun twice").toBe(deeds.length);
  return all;
}

describe(`three processes on PostgreSQL, ${KEYS} keys`, () => {
  it("R14: a campaign goes on when the process that carries it is killed: no key twice, none left, the same story from all", async () => {
    const [one] = living() as [Replica];
    const body = {
      name: "spring",
      reason: "yearly",
      select: { apis: ["market"] },
      waves: [{ keys: [keys[0]?.id as string] }, { percent: 30 }],
      // Slow enough for the kill to fall into its midst on a machine with other work.
      pace: 50,
      expect: { keys: KEYS },
    };
    const begun = await one.admin.request("post", "/v1/campaigns", { body });
    if ("dryRun" in begun) throw new Error("it was meant");
    await follow(begun.id, ({ keys: { started } }) => started > 20);
    const kill = await killInTheMidst(begun.id);
    const done = await follow(begun.id, ({ state }) => state === "ended");
    expect(done).toMatchObject({ outcome: "done", keys: { started: KEYS, failed: 0, skipped: 0, waiting: 0 } });
    expect(done.waves.map(({ rotations }) => rotations.rotations)).toEqual([1, 89, 210]);
    expect(done.waves.map(({ rotations }) => rotations.offered)).toEqual([1, 89, 210]);
    await expectWhole(begun.id, kill);
    const { items: rotations } = await (living()[0] as Replica).admin.request("get", "/v1/rotations", {
      query: { limit: 500 },
    });
    expect(rotations).toHaveLength(KEYS);
    expect(new Set(rotations.map(({ key }) => key)).size).toBe(KEYS);
    for (const key of keys.slice(0, 10)) await expectStatus(key.secret, 200);
    await kill.killed.start();
    expect((await show(kill.killed, begun.id)).keys).toEqual(done.keys);
  }, 180_000);

  it("R27: an emergency goes on when the process that strikes is killed, and its receipt is true", async () => {
    const [one] = living() as [Replica];
    // Three batches are too quick to be met in their midst: so whoever strikes has a slow way to the database.
    const leader = await replicas.leader();
    leader.wire.set("slow");
    const body = { mode: "kill" as const, select: { apis: ["market"] }, reason: "leaked" };
    const begun = await one.admin.request("post", "/v1/emergencies", { body });
    if ("dryRun" in begun) throw new Error("it was meant");
    const kill = await killInTheMidst(begun.id);
    expect(kill.killed).toBe(leader);
    leader.wire.set("whole");
    const done = await follow(begun.id, ({ state }) => state === "ended");
    expect(done).toMatchObject({ outcome: "done", keys: { started: KEYS, failed: 0, skipped: 0, waiting: 0 } });
    expect(done.receipts).toMatchObject([{ verifiers: 2, applied: 2, behind: [], at: expect.any(Number) }]);
    await expectWhole(begun.id, kill);
    for (const key of keys) await expectStatus(key.secret, 401);
  }, 180_000);
});

async function expectStatus(secret: string, status: number): Promise<void> {
  for (const { url } of apis) expect((await ask(`${url}/market`, { token: secret })).status).toBe(status);
}
