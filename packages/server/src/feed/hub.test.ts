/** What followers are written, and when. Over real sockets: streams.test.ts. */
import type { FeedBeat, FeedEntry, KeyRecord } from "@keyover/core";
import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { TestClock } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { createHub, type Hub, type Sink } from "./hub.ts";

let clock: TestClock;
let store: Store;
let hub: Hub;
beforeEach(() => {
  clock = new TestClock();
  store = openMemoryStore({ now: () => clock.at });
  hub = createHub(store, clock.process(), () => {});
});

const draft = (environment: string, changes: Partial<KeyRecord> = {}): Omit<KeyRecord, "seq"> => ({
  key: "key_1",
  consumer: "con_1",
  environment,
  status: "active",
  scopes: [],
  networks: [],
  current: 1,
  versions: [{ number: 1, state: "active", sha256: "x", compromised: false }],
  ...changes,
});

/** As another process does. */
async function commit(...records: Omit<KeyRecord, "seq">[]) {
  const audit = [{ at: clock.at, actor: "system", action: "test", subjects: [], details: {} }];
  const feed = records.map((record) => ({ apiId: "api_1", record }));
  const outcome = await store.commit({ writes: [], audit, feed });
  return outcome.ok ? outcome.feed : expect.fail();
}

/** Commits and publishes, as the key desk does. */
async function change(...records: Omit<KeyRecord, "seq">[]): Promise<void> {
  hub.publish(await commit(...records));
}

class Reader {
  readonly chunks: (string | Uint8Array)[] = [];
  ended = false;
  /** What a write takes. */
  tookMs = 0;

  async follow(after: number, environments: string[] = []): Promise<this> {
    this.begin(after, environments);
    await turn();
    this.chunks.length = 0;
    return this;
  }

  begin(after: number, environments: string[] = []): () => void {
    const sink: Sink = {
      write: (chunk) => {
        expect(this.ended).toBe(false);
        this.chunks.push(chunk);
        clock.at += this.tookMs;
        return 0;
      },
      drained: async () => {},
      end: () => {
        this.ended = true;
      },
      cut: () => {},
    };
    return hub.subscribe("api_1", after, { tokenId: "tok_1", environments }, sink);
  }

  entries(): FeedEntry[] {
    return this.events().flatMap(([event, data]) => (event === "entry" ? [data as FeedEntry] : []));
  }

  beats(): unknown[] {
    return this.events().flatMap(([event, data]) => (event === "beat" ? [data] : []));
  }

  events(): [event: string, data: FeedEntry | FeedBeat][] {
    const text = this.chunks.map((chunk) => Buffer.from(chunk).toString()).join("");
    const found = [...text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)];
    return found.map(([, event = "", data = ""]) => [event, JSON.parse(data)]);
  }
}

/** An entry that took long to send, and another one, which waits for that. */
async function pausing(reader: Reader): Promise<void> {
  reader.tookMs = 10;
  await change(draft("live"));
  await turn();
  await change(draft("live"));
  await turn();
  reader.tookMs = 0;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const seqs = (reader: Reader) => reader.entries().map(({ seq }) => seq);

test("entries of one turn are one chunk, the same bytes for all who see the same", async () => {
  const [one, other] = [await new Reader().follow(0), await new Reader().follow(0)];
  const [live, test] = [await new Reader().follow(0, ["live"]), await new Reader().follow(0, ["test"])];
  const both = await new Reader().follow(0, ["test", "live"]);
  await change(draft("live"), draft("test"), draft("live"));
  await turn();
  expect(one.chunks).toHaveLength(1);
  expect(one.chunks[0]).toBe(other.chunks[0]);
  const seen = (reader: Reader) => reader.entries().map(({ seq, record }) => `${seq} ${record?.environment}`);
  expect(seen(one)).toEqual(["1 live", "2 test", "3 live"]);
  expect(seen(both)).toEqual(seen(one));
  expect(seen(live)).toEqual(["1 live", "2 undefined", "3 live"]);
  expect(seen(test)).toEqual(["1 undefined", "2 test", "3 undefined"]);
});

test("who has read a part of what was gathered from the store gets the rest", async () => {
  const early = await new Reader().follow(0);
  const published: { apiId: string; entry: FeedEntry }[] = [];
  const publish = hub.publish.bind(hub);
  hub.publish = (entries) => void published.push(...entries);
  await change(draft("live"), draft("live"));
  const late = await new Reader().follow(0);
  await change(draft("live"));
  publish(published);
  await turn();
  expect(seqs(early)).toEqual([1, 2, 3]);
  expect(seqs(late)).toEqual([3]);
});

test("a beat comes behind what was gathered before it", async () => {
  const reader = await new Reader().follow(0);
  await pausing(reader);
  expect(seqs(reader)).toEqual([1]);
  await hub.beat();
  expect(seqs(reader)).toEqual([1, 2]);
  expect(reader.beats()).toEqual([{ seq: 2, now: clock.at }]);
});

test("streams that are ended had everything before", async () => {
  for (const end of [() => hub.cutOff("api_1"), () => hub.close()]) {
    const head = await store.feedHead("api_1");
    const reader = await new Reader().follow(head);
    await pausing(reader);
    end();
    expect([seqs(reader), reader.ended]).toEqual([[head + 1, head + 2], true]);
    hub = createHub(store, clock.process(), () => {});
  }
});

test("and are not written to again, though the store was being read for them", async () => {
  const gate = Promise.withResolvers<void>();
  const feedAfter = store.feedAfter.bind(store);
  const reader = await new Reader().follow(0);
  hub.publish = () => undefined;
  await change(draft("live"));
  store.feedAfter = async (...asked) => {
    const entries = await feedAfter(...asked);
    await gate.promise;
    return entries;
  };
  const pulled = hub.pull(["api_1"]);
  await turn();
  hub.cutOff("api_1");
  gate.resolve();
  await pulled;
  await turn();
  expect([seqs(reader), reader.ended]).toEqual([[], true]);
});

test("whoever comes, goes, or is slow, and whatever is published in between: every number once, in order, and a beat of just what was sent", async () => {
  const change1 = fc.record({ do: fc.constant("change" as const), count: fc.integer({ min: 1, max: 3 }) });
  const step = fc.oneof(
    { weight: 4, arbitrary: change1 },
    fc.record({ do: fc.constant("come" as const), behind: fc.nat(4), tookMs: fc.constantFrom(0, 0, 1, 7) }),
    fc.record({ do: fc.constant("leave" as const), which: fc.nat(9) }),
    fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 5, 60) }),
    fc.record({ do: fc.constantFrom("beat" as const, "turn" as const, "other" as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      clock = new TestClock();
      store = openMemoryStore({ now: () => clock.at });
      hub = createHub(store, clock.process(), () => {});
      // Of a feed that is empty, its floor and its head are not read in one: a stream may end, and its reader comes again.
      await change(draft("live"));
      const readers: { reader: Reader; after: number; leave: () => void; left: boolean }[] = [];
      for (const each of steps) {
        const head = await store.feedHead("api_1");
        if (each.do === "change") await change(...Array.from({ length: each.count }, () => draft("live")));
        if (each.do === "come") {
          const reader = new Reader();
          reader.tookMs = each.tookMs;
          const after = Math.max(0, head - each.behind);
          readers.push({ reader, after, leave: reader.begin(after), left: false });
        }
        if (each.do === "leave") {
          const leaving = readers[each.which];
          leaving?.leave();
          if (leaving !== undefined) leaving.left = true;
        }
        if (each.do === "pass") await clock.advance(each.ms);
        if (each.do === "beat") await hub.beat();
        if (each.do === "turn") await turn();
        if (each.do === "other") {
          // By another process: published nowhere here, found by the log.
          const publish = hub.publish.bind(hub);
          hub.publish = () => undefined;
          await change(draft("live"));
          hub.publish = publish;
          void hub.pull(["api_1"]);
        }
      }
      for (let i = 0; i < 20; i++) await turn();
      await clock.advance(1_000);
      const head = await store.feedHead("api_1");
      for (const { reader, after, left } of readers) {
        let seq = after;
        for (const [event, data] of reader.events()) {
          if (event === "entry") expect(data.seq).toBe(++seq);
          else expect(data.seq).toBe(seq);
        }
        if (!left) expect(seq).toBe(head);
      }
    }),
    { numRuns: 80 },
  );
});

test("an entry says whether somebody waits for it, also to who may not see it, and from the store", async () => {
  const version = draft("live").versions[0] ?? expect.fail();
  const pending = { number: 2, state: "pending", sha256: "y", compromised: false } as const;
  const rotation = { id: "rot_1", phase: "offered", from: 1, to: 2 } as const;
  const all = [await new Reader().follow(0), await new Reader().follow(0, ["test"])];
  await change(
    draft("live"),
    draft("live", { versions: [version, pending] }),
    draft("live", { versions: [version, pending], rotation }),
    draft("live", { status: "revoked" }),
    draft("live", { versions: [{ ...version, state: "retired", compromised: true }] }),
  );
  await turn();
  const fromStore = new Reader();
  const sink: Sink = { write: (chunk) => fromStore.chunks.push(chunk), drained: async () => {}, end() {}, cut() {} };
  hub.subscribe("api_1", 0, { tokenId: "tok_1", environments: [] }, sink);
  await turn();
  for (const reader of [...all, fromStore])
    expect(reader.entries().map(({ awaited }) => awaited)).toEqual([undefined, true, undefined, true, true]);
});

test("no beat says that nothing is lacking to one that lacks an entry of another process", async () => {
  let broken = false;
  const feedAfter: Store["feedAfter"] = (...asked) =>
    broken ? Promise.reject(new Error("the database is away")) : store.feedAfter(...asked);
  const half = new Proxy(store, {
    get: (target, name: keyof Store) => (name === "feedAfter" ? feedAfter : target[name]),
  });
  hub = createHub(half, clock.process(), () => {});
  const reader = await new Reader().follow(0);
  await change(draft("live"));
  await turn();
  await hub.beat();
  expect(reader.beats()).toHaveLength(1);
  broken = true;
  await commit(draft("live"));
  await hub.beat().catch(() => undefined);
  await turn();
  expect([seqs(reader), reader.beats().length]).toEqual([[1], 1]);
});
