/** The feed over real sockets: in order, whole, resumable, filtered by environment, and cut for whoever does not read. */
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import type { FeedEntry, KeyRecord } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Answer,
  HOUR,
  type Options,
  random,
  SECOND,
  TestAuthority,
  TestClock,
} from "../authority.test-support.ts";
import { markRestored } from "../restore/mark.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import { unhurried } from "../store/store.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let all: string;
let open: Follower[];
async function begin(options: Options = {}): Promise<void> {
  keyover = await TestAuthority.start(options);
  await keyover.authority.app.listen({ host: "127.0.0.1", port: 0 });
  api = await keyover.api();
  consumer = await keyover.consumer();
  all = await keyover.token("verifier", { apis: [api.id] });
  open = [];
}
beforeEach(() => begin());
afterEach(async () => {
  for (const follower of open) follower.stop.abort();
  await keyover.close();
});

const address = () => `http://127.0.0.1:${(keyover.authority.app.server.address() as AddressInfo).port}`;
const feed = (after: number | string, token = all) =>
  ["GET", `/v1/apis/${api.id}/feed?after=${after}`, undefined, { token }] as const;
const key = (environment = "live") => keyover.key({ api, consumer }, { environment });
const until = async (what: () => boolean) => {
  for (let i = 0; i < 1_000 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(what()).toBe(true);
};

class Follower {
  readonly entries: FeedEntry[] = [];
  readonly beats: { seq: number; now: number }[] = [];
  readonly ids: string[] = [];
  readonly stop = new AbortController();
  ended = false;

  async follow(after: number, token = all): Promise<this> {
    open.push(this);
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${address()}/v1/apis/${api.id}/feed?after=${after}`, {
      headers,
      signal: this.stop.signal,
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    void this.#read(response).finally(() => {
      this.ended = true;
    });
    return this;
  }

  async #read(response: Response): Promise<void> {
    let text = "";
    try {
      for await (const chunk of response.body ?? []) {
        text += Buffer.from(chunk).toString();
        const events = text.split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) this.#take(event);
      }
    } catch {
      // cut off
    }
  }

  #take(event: string): void {
    const fields: { id?: string; event?: string; data?: string } = Object.fromEntries(
      event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
    );
    if (fields.event === "entry") {
      this.entries.push(JSON.parse(fields.data ?? "") as FeedEntry);
      this.ids.push(fields.id ?? "");
    }
    if (fields.event === "beat") this.beats.push(JSON.parse(fields.data ?? "") as { seq: number; now: number });
  }

  seqs(): number[] {
    return this.entries.map(({ seq }) => seq);
  }
}

const upTo = (head: number, from = 0) => Array.from({ length: head - from }, (_, i) => from + i + 1);

describe("followers", () => {
  test("get every entry once and in order, whatever is committed at once and whenever they come", async () => {
    await keyover.close();
    const clock = new TestClock();
    await begin({ clock, store: unhurried(openMemoryStore({ now: () => clock.at })) });
    const keys = await Promise.all(Array.from({ length: 5 }, () => key()));
    const followers = [await new Follower().follow(0), await new Follower().follow(3)];
    for (let round = 0; round < 12; round++) {
      const changes = keys.map(({ id }) =>
        keyover.call("PATCH", `/v1/keys/${id}`, { networks: [`10.${round}.0.0/16`] }),
      );
      if (round % 3 === 0) followers.push(await new Follower().follow(round));
      await Promise.all(changes);
    }
    const head = await keyover.store.feedHead(api.id);
    expect(head).toBe(65);
    const stored = await keyover.store.feedAfter(api.id, 0, 1_000);
    for (const [i, from] of [0, 3, 0, 3, 6, 9].entries()) {
      const follower = followers[i] ?? expect.fail();
      await until(() => follower.seqs().at(-1) === head);
      expect(follower.seqs()).toEqual(upTo(head, from));
      expect(follower.ids).toEqual(follower.seqs().map(String));
      expect(follower.entries).toEqual(stored.slice(from));
    }
  });

  test("live or catching up, are sent away when the feed leaps: what they lack is gone", async () => {
    await key();
    const live = await new Follower().follow(0);
    await until(() => live.seqs().length === 1);
    await keyover.tick();
    const audit = [{ at: keyover.now(), actor: "system", action: "test", subjects: [api.id], details: {} }];
    await keyover.store.commit({ writes: [], audit, feed: [], feedBehind: { apiId: api.id, seq: 1_000 } });
    await keyover.clock.advance(2 * SECOND);
    await keyover.tick();
    await until(() => live.ended);
    expect(live.seqs()).toEqual([1]);
    await keyover.refused("feed_compacted", ...feed(1));
    const next = await new Follower().follow(1_000);
    await key();
    await until(() => next.seqs().length === 1);
    await keyover.store.commit({ writes: [], audit, feed: [], feedBehind: { apiId: api.id, seq: 2_000 } });
    await key();
    await until(() => next.ended);
    expect(next.seqs()).toEqual([1_001]);
  });

  test("are sent away when the database is marked as restored", async () => {
    await key();
    const live = await new Follower().follow(0);
    await until(() => live.seqs().length === 1);
    await markRestored(keyover.store, { now: keyover.now(), random });
    await keyover.clock.advance(2 * SECOND);
    await keyover.tick();
    await until(() => live.ended);
    await keyover.refused("reconciling", ...feed(1));
  });

  test("that come while something is committed miss nothing, though nothing follows it", async () => {
    await keyover.close();
    const clock = new TestClock();
    await begin({ clock, store: unhurried(openMemoryStore({ now: () => clock.at })) });
    const { id } = await key();
    for (let round = 2; round < 32; round++) {
      const [follower] = await Promise.all([
        new Follower().follow(round - 1),
        keyover.ok("PATCH", `/v1/keys/${id}`, { networks: [`10.${round}.0.0/16`] }),
      ]);
      await until(() => follower.entries.length === 1);
      follower.stop.abort();
    }
  });

  test("of one environment get bare numbers for the others", async () => {
    const token = await keyover.token("verifier", { apis: [api.id], environments: ["test"] });
    await key("live");
    const [early, whole] = [await new Follower().follow(0, token), await new Follower().follow(0)];
    await key("test");
    await key("live");
    const late = await new Follower().follow(0, token);
    for (const follower of [early, late, whole]) await until(() => follower.entries.length === 3);
    const environments = (follower: Follower) => follower.entries.map(({ record }) => record?.environment);
    expect(environments(early)).toEqual([undefined, "test", undefined]);
    expect(early.entries).toEqual(late.entries);
    expect(environments(whole)).toEqual(["live", "test", "live"]);
    expect(early.entries[0]).toEqual({ seq: 1 });
  });

  test("of one api hear nothing of another", async () => {
    const follower = await new Follower().follow(0);
    await keyover.key({ api: await keyover.api(), consumer });
    await key();
    await until(() => follower.entries.length > 0);
    expect(follower.entries.map(({ record }) => record?.seq)).toEqual([1]);
  });

  test("hear a beat each second, with the number that they have", async () => {
    const follower = await new Follower().follow(0);
    await key();
    await until(() => follower.entries.length === 1);
    await keyover.clock.advance(SECOND);
    await keyover.tick();
    await until(() => follower.beats.length > 0);
    expect(follower.beats.at(-1)).toEqual({ seq: 1, now: expect.any(Number) });
  });

  test("end with their token: revoked or expired, it hears nothing more", async () => {
    const short = await keyover.token("verifier", { apis: [api.id], expiresAt: keyover.now() + 2 * SECOND });
    const doomed = await keyover.ok("POST", "/v1/tokens", { name: "doomed", role: "verifier", apis: [api.id] });
    const [revoked, expires, stays] = [
      await new Follower().follow(0, doomed.secret),
      await new Follower().follow(0, short),
      await new Follower().follow(0, await keyover.token("verifier", { apis: [api.id] })),
    ];
    await keyover.ok("POST", `/v1/tokens/${doomed.id}/revoke`, {});
    await keyover.clock.advance(SECOND);
    await keyover.tick();
    await until(() => revoked.ended);
    expect(expires.ended).toBe(false);
    await keyover.clock.advance(2 * SECOND);
    await keyover.tick();
    await until(() => expires.ended);
    await key();
    await until(() => stays.entries.length === 1);
    expect([...revoked.entries, ...expires.entries]).toEqual([]);
  });

  test("resume where they were after the authority restarted", async () => {
    const first = await new Follower().follow(0);
    await key();
    await until(() => first.entries.length === 1);
    first.stop.abort();
    await keyover.crash();
    await keyover.authority.app.listen({ host: "127.0.0.1", port: 0 });
    await key();
    const second = await new Follower().follow(1);
    await key();
    await until(() => second.entries.length === 2);
    expect(second.seqs()).toEqual([2, 3]);
  });

  test("from the future, from before what is kept, and from nowhere are refused", async () => {
    for (let i = 0; i < 4; i++) await key();
    expect(await keyover.refused("feed_ahead", ...feed(5))).toMatchObject({ status: 409, head: 4 });
    await keyover.store.prune({ feedKeep: 2, idempotency: 0, buckets: 0, boots: 0 });
    expect(await keyover.refused("feed_compacted", ...feed(1))).toMatchObject({ status: 410, floor: 2 });
    for (const after of ["-1", "x", "1.5", ""]) {
      if (after !== "") await keyover.refused("invalid_request", ...feed(after));
    }
    const follower = await new Follower().follow(2);
    await until(() => follower.entries.length === 2);
  });

  test("that leave are forgotten; those that stay hear the end of the server", async () => {
    const [leaves, stays] = [await new Follower().follow(0), await new Follower().follow(0)];
    const followers = async () =>
      /keyover_feed_followers (\d+)/.exec((await keyover.call("GET", "/metrics")).text)?.[1];
    expect(await followers()).toBe("2");
    leaves.stop.abort();
    for (let i = 0; i < 200 && (await followers()) !== "1"; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await followers()).toBe("1");
    await keyover.authority.close();
    await until(() => stays.ended);
    keyover = await TestAuthority.start();
  });

  test("that are far behind are sent everything, as fast as they read", async () => {
    const { id } = await key();
    const record: Omit<KeyRecord, "seq"> = (await keyover.store.recordOfKey(id)) ?? expect.fail();
    const scopes = Array.from({ length: 3_000 }, (_, i) => `market:${String(i).padStart(10, "0")}`);
    const entry = { at: 0, actor: "t", action: "t", subjects: [], details: {} };
    // 20 MB, far more than a live follower may let pile up, straight into the store.
    for (let i = 0; i < 400; i++) {
      await keyover.store.commit({
        writes: [],
        audit: [entry],
        feed: [{ apiId: api.id, record: { ...record, scopes } }],
      });
    }
    const follower = await new Follower().follow(0);
    await until(() => follower.entries.length >= 100);
    await keyover.ok("POST", `/v1/keys/${id}/suspend`, { reason: "r" });
    await until(() => follower.seqs().at(-1) === 402);
    expect(follower.seqs()).toEqual(upTo(402));
    expect(keyover.lines.filter((line) => line.includes("too_slow"))).toEqual([]);
  });

  test("that stop reading are cut off, and everybody else goes on", async () => {
    const scopes = Array.from({ length: 200 }, (_, i) => `market:${String(i).padStart(80, "0")}`);
    await keyover.ok("PATCH", `/v1/apis/${api.id}`, { addScopes: scopes });
    const { id } = await keyover.key({ api, consumer }, { scopes });
    const { port } = keyover.authority.app.server.address() as AddressInfo;
    const stuck = connect(port, "127.0.0.1");
    stuck.on("error", () => {});
    await once(stuck, "connect");
    stuck.write(`GET /v1/apis/${api.id}/feed?after=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${all}\r\n\r\n`);
    await once(stuck, "data");
    stuck.pause();
    const reader = await new Follower().follow(0);
    await until(() => reader.entries.length === 1);
    const cut = () => keyover.lines.some((line) => line.includes("feed.follower_too_slow"));
    let changes = 0;
    for (; !cut() && changes < 2_000; changes++) {
      await keyover.ok("PATCH", `/v1/keys/${id}`, { networks: [`10.0.0.${changes % 256}`] });
    }
    expect(cut()).toBe(true);
    await until(() => reader.seqs().at(-1) === changes + 1);
    expect(reader.seqs()).toEqual(upTo(changes + 1));
    stuck.resume();
    if (!stuck.closed) await once(stuck, "close");
  });
});

test("a snapshot is whole, and the feed from its number on completes it", async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => key()));
  const read = keyover.call("GET", `/v1/apis/${api.id}/snapshot`, undefined, { token: all });
  const changes = keys.map(({ id }) => keyover.call("POST", `/v1/keys/${id}/suspend`, { reason: "r" }));
  const { text } = await read;
  const [head, ...rest] = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(rest.pop()).toEqual({ end: 8 });
  await Promise.all(changes);
  const held = new Map<string, KeyRecord>(rest.map((record) => [record.key, record]));
  const follower = await new Follower().follow(head.seq);
  await until(() => head.seq + follower.entries.length === 16);
  for (const { record } of follower.entries) {
    if (record !== undefined && record.seq > (held.get(record.key)?.seq ?? 0)) held.set(record.key, record);
  }
  expect([...held.values()].map(({ status }) => status)).toEqual(Array(8).fill("suspended"));
});

test("old entries are forgotten in time, and a snapshot still has everything", async () => {
  await key();
  await keyover.pass(HOUR);
  expect(await keyover.store.feedFloor(api.id)).toBe(0);
  expect((await keyover.store.records(api.id, "", 10)).length).toBe(1);
});
