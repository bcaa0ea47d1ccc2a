/**
 * A real server, killed with SIGKILL 30 times at random moments while six writers write and some of them hang up before the answer.
 * Each writer repeats a write that was not answered, with the same Idempotency-Key, until it is. In the end everything acknowledged is there, once.
 *
 *     KEYOVER_SEED=12345 npm test -- e2e/kill9
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { FeedEntry, KeyRecord } from "@keyover/core";
import { fileDisk } from "@keyover/verifier";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chainProblem, readAudit } from "./audit.test-support.ts";
import { type Authority, ask, protectApi, type Reply, startAuthority } from "./authority.test-support.ts";
import { FeedFollower, readFeed, readSnapshot } from "./feed.test-support.ts";
import { endAll, makeFolder, until } from "./processes.test-support.ts";
import { type VerifyingApi, verifyingApi } from "./verifying-api.test-support.ts";
import { chance, type HeldKey, type Write, Writer } from "./writers.test-support.ts";

const KILLS = 30;
const WRITERS = 6;
const { KEYOVER_SEED: said = "random" } = process.env;
const seed = said === "random" ? Math.floor(Math.random() * 2 ** 31) : Number(said);

let authority: Authority;
let verifierToken: string;
let follower: FeedFollower;
let verifier: VerifyingApi;
const dataDir = join(makeFolder("kill9"), "verifier");
const writers: Writer[] = [];
const writes = (): Write[] => writers.flatMap((writer) => writer.done);
const keys = (): HeldKey[] => writers.flatMap((writer) => writer.keys);

beforeAll(async () => {
  console.log(`kill9: KEYOVER_SEED=${seed}`);
  authority = await startAuthority();
  ({ verifierToken } = await protectApi(authority, "market", "mkt", {
    staleness: { leaseMs: 2_000, onStale: "static", staticMs: 0 },
  }));
  const settings = { authorityUrl: authority.url, token: verifierToken, apis: ["market"], instance: "kill9", dataDir };
  verifier = await verifyingApi(settings);
  await verifier.start();
  follower = new FeedFollower(authority.url, "market", verifierToken);
  await killUnderLoad();
}, 120_000);
afterAll(async () => {
  await follower?.close();
  for (const writer of writers) writer.stop();
  await endAll();
});

async function killUnderLoad(): Promise<void> {
  const random = chance(seed);
  for (let i = 0; i < WRITERS; i++)
    writers.push(new Writer(i, authority.url, authority.adminToken, chance(seed + i + 1)));
  const work = Promise.all(writers.map((writer) => writer.run()));
  for (let kill = 0; kill < KILLS; kill++) {
    const before = writes().length;
    // Some kills fall into the start itself, most into the midst of writing.
    if (random() < 0.8) {
      await until(() => writes().length > before + 3, "writes after the restart");
      await sleep(random() * 200);
    } else {
      await sleep(random() * 700);
    }
    await authority.kill();
    authority.launch();
  }
  await authority.ready();
  for (const writer of writers) writer.finish();
  await work;
}

describe(`after ${KILLS} kills under load (seed ${seed})`, () => {
  it("R14: there was enough to lose, and answers were lost", () => {
    const repeated = writes().filter(({ attempts }) => attempts > 1).length;
    const replayed = writes().filter(({ reply }) => reply.headers.has("idempotency-replayed")).length;
    console.log(
      `kill9: ${writes().length} writes, ${repeated} sent more than once, ${replayed} of them had been done already`,
    );
    expect(writes().length).toBeGreaterThan(KILLS * 5);
    expect(replayed).toBeGreaterThan(0);
    expect(repeated).toBeGreaterThan(KILLS / 2);
    expect(writers.flatMap((writer) => writer.surprises)).toEqual([]);
  });

  it("R14: every acknowledged write is there, and no repetition made a second thing", async () => {
    const made = (action: string) =>
      writes()
        .filter((write) => write.action === action)
        .map(({ reply }) => reply.body.id);
    expect(ids(await list("/v1/consumers"))).toEqual(sorted(made("consumer.created")));
    const tokens = (await list("/v1/tokens?role=consumer")).map(({ id }) => id);
    expect(sorted(tokens)).toEqual(sorted(made("token.created")));
    expect(ids(await list("/v1/keys"))).toEqual(sorted(made("key.created")));
    const started = [...made("rotation.started"), ...made("emergency")];
    expect(ids(await list("/v1/rotations"))).toEqual(sorted([...new Set(started)]));

    for (const key of keys()) {
      const { body } = await get(`/v1/keys/${key.id}`);
      expect(body).toMatchObject({ status: key.status, labels: key.labels, name: key.name });
      expect((body.versions as unknown[]).length).toBe(key.versionsMade);
    }
  });

  it("I14: the audit chain is whole by the documented rule, with one entry for each write", async () => {
    const entries = await readAudit(authority.url, authority.adminToken);
    expect(chainProblem(entries)).toBeUndefined();
    const about = (action: string) =>
      sorted(entries.filter((entry) => entry.action === action).map(({ subjects }) => subjects[0]));
    for (const action of ["consumer.created", "key.created"]) {
      expect(about(action)).toEqual(
        sorted(
          writes()
            .filter((write) => write.action === action)
            .map(({ reply }) => reply.body.id),
        ),
      );
    }
    for (const action of ["key.updated", "key.suspended", "key.restored", "key.revoked"]) {
      expect(about(action)).toEqual(
        sorted(
          writes()
            .filter((write) => write.action === action)
            .map(({ key }) => key?.id),
        ),
      );
    }
  });

  it("I5: the feed's numbers have no gap, and are what its followers saw", async () => {
    const feed = await readFeed(authority.url, "market", verifierToken);
    expect(feed.map(({ seq }) => seq)).toEqual(feed.map((_, i) => i + 1));
    await until(() => follower.entries.length >= feed.length, "the follower to catch up");
    expect(follower.connections).toBeGreaterThan(10);
    expect(follower.entries).toEqual(feed);
  });

  it("R04 R14: every successor of the load can be claimed, is the one that was claimed before, and opens", async () => {
    const rotating = keys().filter(({ status, rotation }) => status !== "revoked" && rotation !== undefined);
    expect(rotating.length).toBeGreaterThan(WRITERS);
    for (const key of rotating) {
      const token = writers.find((writer) => writer.keys.includes(key))?.token;
      const claim = await until(async () => {
        const reply = await ask(`${authority.url}/v1/rotations/${key.rotation}/claim`, { token, body: {} });
        return reply.status === 200 ? reply.body : undefined;
      }, `the successor of ${key.id}`);
      expect(claim).toMatchObject({ key: key.id, version: 2, secret: key.secrets.get(2) ?? expect.any(String) });
      key.secrets.set(2, String(claim.secret));
      expect(await verifyAtAuthority(key.secrets.get(2) as string)).toMatchObject({
        key: key.id,
        version: 2,
        valid: key.status === "active",
      });
    }
  });

  it("I19: a verifier that lived through it holds what a fresh snapshot holds, and decides the same", async () => {
    const { head, records } = await readSnapshot(authority.url, "market", verifierToken);
    await until(async () => {
      const [status] = await verifier.status();
      return status?.phase === "following" && status.lag === 0 && !status.stale && status.seq >= head;
    }, "the verifier to be level");
    const secrets = keys().flatMap((key) => [...key.secrets.values()]);
    expect(secrets.length).toBeGreaterThan(20);
    for (const secret of secrets) {
      const told = await verifyAtAuthority(secret);
      expect(await verifier.verdict(secret)).toEqual(told);
    }
    // The questions were uses, and may move rotations on while we look: compared is a moment at which nothing came between.
    const later = await until(async () => {
      const snapshot = await readSnapshot(authority.url, "market", verifierToken);
      const level = ((await verifier.status())[0]?.seq ?? 0) >= snapshot.head;
      const still = (await readSnapshot(authority.url, "market", verifierToken)).head === snapshot.head;
      return level && still ? snapshot : undefined;
    }, "the verifier to be level again, and the feed to stand still");
    await verifier.stop();
    expect(await replicaOnDisk(later.head)).toEqual(later.records);
    expect(records.length).toBe(later.records.length);
  });

  it("R14: a creation repeated after everything answers with the secret of the first time", async () => {
    for (const write of writes()
      .filter(({ action }) => action === "token.created")
      .slice(0, 20)) {
      const again = await write.send();
      expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([201, "true"]);
      expect(again.body).toEqual(write.reply.body);
    }
  });
});

async function verifyAtAuthority(key: string): Promise<Reply["body"]> {
  const body = { api: "market", key, environment: "live" };
  return (await ask(`${authority.url}/v1/verify`, { token: authority.adminToken, body })).body;
}

const get = (path: string) => ask(authority.url + path, { token: authority.adminToken });

async function list(path: string): Promise<{ id: string }[]> {
  const items: { id: string }[] = [];
  for (let next: string | null = ""; next !== null; ) {
    const cursor = next === "" ? "" : `&cursor=${next}`;
    const { body } = await get(`${path}${path.includes("?") ? "&" : "?"}limit=500${cursor}`);
    items.push(...(body.items as { id: string }[]));
    next = body.next as string | null;
  }
  return items;
}

/** What the stopped verifier would start from: its snapshot, and the journal's entries over it. */
async function replicaOnDisk(head: number): Promise<KeyRecord[]> {
  const state = await fileDisk(dataDir, () => undefined).load("market");
  if (state === undefined) throw new Error("the verifier left no snapshot");
  const held = new Map(state.records.map((record) => [record.key, record]));
  const entries: FeedEntry[] = state.entries;
  for (const { record } of entries)
    if (record !== undefined && record.seq <= head && record.seq > (held.get(record.key)?.seq ?? 0))
      held.set(record.key, record);
  expect(Math.max(state.head.seq, ...entries.map(({ seq }) => seq))).toBeGreaterThanOrEqual(head);
  return [...held.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

const sorted = (texts: readonly unknown[]) => texts.map(String).sort();
const ids = (items: readonly { id: string }[]) => sorted(items.map(({ id }) => id));
