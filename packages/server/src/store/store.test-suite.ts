/** What every store promises. Each implementation runs this suite: `openStore` gives an empty store. */
import { sha256Text } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chainStart, verifyChain } from "./audit-chain.ts";
import { campaignSuite } from "./campaign.test-suite.ts";
import { dueSuite } from "./due.test-suite.ts";
import { fleetSuite } from "./fleet.test-suite.ts";
import { historySuite } from "./history.test-suite.ts";
import { limitsSuite } from "./limits.test-suite.ts";
import { outboxSuite } from "./outbox.test-suite.ts";
import { replicaSuite } from "./replica.test-suite.ts";
import {
  AT,
  aBatch,
  aConsumer,
  aKey,
  anApi,
  anEntry,
  aRecord,
  aReport,
  aRotation,
  aSealed,
  aToken,
  aUse,
  aVersion,
  fill,
  mustCommit,
  picture,
} from "./store.test-support.ts";
import { type Batch, type CommitOutcome, put, type Store } from "./store.ts";
import { usageSuite } from "./usage.test-suite.ts";

export function storeSuite(name: string, openStore: () => Promise<Store>): void {
  describe(name, () => {
    let store: Store;
    beforeEach(async () => {
      store = await openStore();
    });
    afterEach(async () => {
      await store.close();
    });

    commitSuite(() => store);
    feedSuite(() => store);
    readSuite(() => store);
    usageSuite(() => store);
    historySuite(() => store);
    limitsSuite(() => store);
    fleetSuite(() => store);
    replicaSuite(() => store);
    outboxSuite(() => store);
    dueSuite(() => store);
    campaignSuite(() => store);
    pruneSuite(() => store);
  });
}

const answerTo = (id: string) => ({ id, request: "r", status: 201, body: { n: 1 }, sealedId: null, createdAt: AT });

function commitSuite(current: () => Store): void {
  const refused = async (batch: Batch, conflict: string) => {
    const before = await picture(current());
    expect(await current().commit(batch)).toEqual({ ok: false, conflict });
    expect(await picture(current())).toEqual(before);
  };
  const everything = { feed: [{ apiId: "api_a", record: aRecord() }], idempotency: answerTo("b") };

  describe("a commit", () => {
    test("a row that changed since it was read conflicts, and nothing of the batch is written", async () => {
      const store = current();
      await fill(store, 1);
      const read = await store.get("key", "key_0000");
      await mustCommit(store, aBatch([put("key", aKey({ id: "key_0000", name: "first" }), read)]));
      const stale = put("key", aKey({ id: "key_0000", name: "second" }), read);
      await refused(aBatch([put("token", aToken()), stale], everything), "row");
      expect((await store.get("key", "key_0000"))?.value.name).toBe("first");
    });

    test("each write moves the revision by one", async () => {
      const store = current();
      await mustCommit(store, aBatch([put("key", aKey())]));
      for (const rev of [1, 2, 3]) {
        const held = await store.get("key", "key_a");
        expect(held?.rev).toBe(rev);
        await mustCommit(store, aBatch([put("key", aKey({ name: `n${rev}` }), held)]));
      }
    });

    test("a fresh row over one that exists conflicts", async () => {
      await mustCommit(current(), aBatch([put("consumer", aConsumer())]));
      await refused(aBatch([put("consumer", aConsumer({ name: "other" }))], everything), "row");
    });

    test("a row that is not there can't be written over", async () => {
      await refused(aBatch([put("key", aKey(), { value: aKey(), rev: 1 })]), "row");
    });

    test("something that was only read must be unchanged too", async () => {
      const store = current();
      await fill(store, 1);
      const read = await store.get("key", "key_0000");
      const check = { table: "key" as const, id: "key_0000", rev: read?.rev ?? 0 };
      await mustCommit(store, aBatch([put("token", aToken())], { checks: [check] }));
      await mustCommit(store, aBatch([put("key", aKey({ id: "key_0000", name: "first" }), read)]));
      await refused(aBatch([put("rotation", aRotation())], { ...everything, checks: [check] }), "row");
      await refused(aBatch([], { checks: [{ table: "api", id: "api_none", rev: 1 }] }), "row");
    });

    test.each([
      ["an api's name", put("api", anApi({ id: "api_b", prefix: "xyz" }))],
      ["an api's prefix", put("api", anApi({ id: "api_b", name: "other" }))],
      ["a consumer's name", put("consumer", aConsumer({ id: "con_b" }))],
      ["a version's hash", put("version", aVersion({ id: "ver_b", number: 2, sha256: sha256Text("ver_a") }))],
      ["a version's number", put("version", aVersion({ id: "ver_b" }))],
      ["a token's hash", put("token", aToken({ id: "tok_b" }))],
    ])("%s is unique", async (_what, write) => {
      const first = [
        put("api", anApi()),
        put("consumer", aConsumer()),
        put("version", aVersion()),
        put("token", aToken()),
      ];
      await mustCommit(current(), aBatch(first));
      await refused(aBatch([write], everything), "unique");
    });

    test("destroyed versions, whose hash is gone, are many", async () => {
      const gone = [1, 2, 3].map((number) => put("version", aVersion({ id: `ver_${number}`, number, sha256: null })));
      await mustCommit(current(), aBatch(gone));
    });

    test("a request that was answered is not done again", async () => {
      const store = current();
      await mustCommit(store, aBatch([put("token", aToken())], { idempotency: answerTo("a") }));
      await refused(aBatch([put("key", aKey())], { idempotency: { ...answerTo("a"), body: { n: 2 } } }), "idempotency");
      expect(await store.idempotency("a")).toEqual(answerTo("a"));
      expect(await store.idempotency("none")).toBeUndefined();
    });

    test("of many commits over one row at once exactly one is taken", async () => {
      const store = current();
      await mustCommit(store, aBatch([put("key", aKey())]));
      const read = await store.get("key", "key_a");
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, i) => store.commit(aBatch([put("key", aKey({ name: `n${i}` }), read)]))),
      );
      expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
      expect(await store.audit(0, 100)).toHaveLength(2);
    });

    test("a removed row is gone, and removing it again is no conflict", async () => {
      const store = current();
      await mustCommit(store, aBatch([put("sealed", aSealed())]));
      for (let i = 0; i < 2; i++) {
        await mustCommit(store, aBatch([{ remove: "sealed", id: "ver_a" }]));
        expect(await store.get("sealed", "ver_a")).toBeUndefined();
      }
    });

    test("a change without an audit entry is a mistake of the program", async () => {
      await expect(current().commit({ writes: [put("key", aKey())], audit: [], feed: [] })).rejects.toThrow(/audit/);
      expect(await current().get("key", "key_a")).toBeUndefined();
    });
  });

  describe("the audit log", () => {
    test("is one unbroken chain, whatever conflicts come between", async () => {
      const store = current();
      await fill(store, 5);
      await store.commit(aBatch([put("api", anApi({ id: "api_b" }))]));
      const details = { nested: { b: [1, null, "ü"], a: undefined }, text: 'quote " and \u2028', n: 1.5e-7 };
      await mustCommit(store, aBatch([], { audit: [anEntry("x", ["key_1", "con_1"], details), anEntry("y", [])] }));
      const entries = await store.audit(0, 1_000);
      expect(entries.map((entry) => entry.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(verifyChain(chainStart, entries)).toMatchObject({ seq: 8 });
    });

    test("pages by number and filters by subject", async () => {
      const store = current();
      await mustCommit(
        store,
        aBatch([], { audit: ["a", "b", "a", "c", "a"].map((s, i) => anEntry(`n${i}`, [s, s, "all"])) }),
      );
      expect((await store.audit(0, 2, "a")).map((entry) => entry.seq)).toEqual([1, 3]);
      expect((await store.audit(3, 2, "a")).map((entry) => entry.seq)).toEqual([5]);
      expect((await store.audit(1, 3)).map((entry) => entry.action)).toEqual(["n1", "n2", "n3"]);
      expect(await store.audit(0, 10, "none")).toEqual([]);
      expect((await store.audit(0, 1))[0]).toMatchObject({ at: AT, actor: "tok_1", subjects: ["a", "a", "all"] });
    });
  });
}

function feedSuite(current: () => Store): void {
  describe("the feed", () => {
    test("numbers are consecutive per api, also under interleaved concurrent commits", async () => {
      const store = current();
      const apis = ["api_a", "api_b", "api_c"];
      await mustCommit(store, aBatch([put("consumer", aConsumer())]));
      const commits: Promise<CommitOutcome>[] = [];
      for (let i = 0; i < 60; i++) {
        const feed = Array.from({ length: 1 + (i % 3) }, (_, n) => ({
          apiId: apis[(i + n) % 3] as string,
          record: aRecord(`key_${i}_${n}`),
        }));
        const clash = i % 5 === 4 ? [put("consumer", aConsumer())] : [];
        commits.push(store.commit(aBatch(clash, { feed })));
      }
      const outcomes = await Promise.all(commits);
      expect(outcomes.filter((outcome) => !outcome.ok)).toHaveLength(12);
      const published = outcomes.flatMap((outcome) => (outcome.ok ? outcome.feed : []));
      for (const api of apis) {
        const entries = await store.feedAfter(api, 0, 1_000);
        const head = await store.feedHead(api);
        expect(entries.map((entry) => entry.seq)).toEqual(Array.from({ length: head }, (_, i) => i + 1));
        const own = published.filter(({ apiId }) => apiId === api).map(({ entry }) => entry);
        expect(own.sort((a, b) => a.seq - b.seq)).toEqual(entries);
        for (const { seq, record } of entries) expect(record?.seq).toBe(seq);
      }
    });

    test("leaps beyond a number, forgets what was before, and never goes back; its records stay", async () => {
      const store = current();
      const feed = [{ apiId: "api_a", record: aRecord() }];
      await fill(store, 3);
      const records = await store.records("api_a", "", 10);
      await mustCommit(store, aBatch([], { feedBehind: { apiId: "api_a", seq: 1_000 } }));
      expect([await store.feedHead("api_a"), await store.feedFloor("api_a")]).toEqual([1_000, 1_000]);
      expect(await store.feedAfter("api_a", 0, 10)).toEqual([]);
      expect(await store.records("api_a", "", 10)).toEqual(records);
      await mustCommit(store, aBatch([], { feed, feedBehind: { apiId: "api_a", seq: 2_000 } }));
      expect((await store.feedAfter("api_a", 0, 10)).map(({ seq }) => seq)).toEqual([2_001]);
      await mustCommit(store, aBatch([], { feed, feedBehind: { apiId: "api_a", seq: 5 } }));
      expect([await store.feedHead("api_a"), await store.feedFloor("api_a")]).toEqual([2_002, 2_001]);
      await mustCommit(store, aBatch([], { feed, feedBehind: { apiId: "api_new", seq: 7 } }));
      expect(await store.feedHead("api_new")).toBe(7);
    });

    test("is read in pages", async () => {
      const store = current();
      await fill(store, 5);
      expect((await store.feedAfter("api_a", 1, 2)).map((entry) => entry.seq)).toEqual([2, 3]);
      expect(await store.feedAfter("api_a", 5, 2)).toEqual([]);
      expect(await store.feedHead("api_none")).toBe(0);
      expect(await store.feedFloor("api_none")).toBe(0);
    });

    test("the newest record of a key is the one in force", async () => {
      const store = current();
      await fill(store, 3);
      await mustCommit(
        store,
        aBatch([], { feed: [{ apiId: "api_a", record: aRecord("key_0001", { status: "suspended" }) }] }),
      );
      expect(await store.recordOfKey("key_0001")).toMatchObject({ seq: 4, status: "suspended" });
      const records = await store.records("api_a", "", 2);
      expect(records.map((record) => [record.key, record.seq])).toEqual([
        ["key_0000", 1],
        ["key_0001", 4],
      ]);
      expect((await store.records("api_a", "key_0001", 2)).map((record) => record.key)).toEqual(["key_0002"]);
      expect(await store.recordOfKey("key_none")).toBeUndefined();
    });

    test("leaps ahead and forgets its entries, but never goes back", async () => {
      const store = current();
      await fill(store, 3);
      const feed = [{ apiId: "api_a", record: aRecord("key_0001") }];
      await mustCommit(store, aBatch([], { feedBehind: { apiId: "api_a", seq: 1_000 }, feed }));
      expect((await store.feedAfter("api_a", 0, 9)).map((entry) => entry.seq)).toEqual([1_001]);
      expect([await store.feedFloor("api_a"), await store.feedHead("api_a")]).toEqual([1_000, 1_001]);
      expect((await store.records("api_a", "", 9)).map((record) => record.seq)).toEqual([1, 1_001, 3]);
      await mustCommit(store, aBatch([], { feedBehind: { apiId: "api_a", seq: 50 } }));
      expect([await store.feedFloor("api_a"), await store.feedHead("api_a")]).toEqual([1_001, 1_001]);
    });

    test("a record is found by the hash of each version, for its own api alone", async () => {
      const store = current();
      await fill(store, 2);
      expect(await store.recordByHash("api_a", sha256Text("key_0001"))).toMatchObject({ key: "key_0001" });
      expect(await store.recordByHash("api_b", sha256Text("key_0001"))).toBeUndefined();
      expect(await store.recordByHash("api_a", sha256Text("nobody"))).toBeUndefined();
    });
  });
}

function readSuite(current: () => Store): void {
  describe("lists", () => {
    beforeEach(async () => {
      const rows = [
        aKey({ id: "key_0B", name: "one", labels: { team: "desk", region: "eu" }, createdAt: AT + 1 }),
        aKey({
          id: "key_0a",
          name: "two",
          labels: { team: "desk", "x.y-z": "1" },
          status: "suspended",
          createdAt: AT + 2,
        }),
        aKey({ id: "key_01", name: "three", environment: "test", expiresAt: AT + 50, createdAt: AT + 3 }),
        aKey({ id: "key_0A", name: "four", labels: { team: 'it"s' }, expiresAt: AT + 90, createdAt: AT + 4 }),
      ];
      await mustCommit(current(), aBatch(rows.map((row) => put("key", row))));
    });
    const names = async (filter: Parameters<Store["list"]>[1], limit = 10, after?: string) =>
      (await current().list("key", filter, { limit, after })).map(({ value }) => value.id);

    test("come in order of id, byte by byte", async () => {
      expect(await names({})).toEqual(["key_01", "key_0A", "key_0B", "key_0a"]);
    });

    test("come in pages", async () => {
      expect(await names({}, 2)).toEqual(["key_01", "key_0A"]);
      expect(await names({}, 2, "key_0A")).toEqual(["key_0B", "key_0a"]);
      expect(await names({}, 2, "key_0a")).toEqual([]);
    });

    test("are filtered by lifted columns, labels and times, all together", async () => {
      expect(await names({ equals: { status: "active", environment: "live" } })).toEqual(["key_0A", "key_0B"]);
      expect(await names({ equals: { status: undefined, name: "two" } })).toEqual(["key_0a"]);
      expect(await names({ equals: { rotation_id: null, expires_at: null } })).toEqual(["key_0B", "key_0a"]);
      expect(await names({ labels: { team: "desk" } })).toEqual(["key_0B", "key_0a"]);
      expect(await names({ labels: { team: "desk", "x.y-z": "1" } })).toEqual(["key_0a"]);
      expect(await names({ labels: { team: 'it"s' } })).toEqual(["key_0A"]);
      expect(await names({ labels: { team: "other" } })).toEqual([]);
      expect(await names({ since: { column: "created_at", at: AT + 2 } })).toEqual(["key_01", "key_0A", "key_0a"]);
      expect(await names({ until: [{ column: "expires_at", at: AT + 90 }] })).toEqual(["key_01"]);
      const both = [
        { column: "expires_at", at: AT + 91 },
        { column: "created_at", at: AT + 4 },
      ];
      expect(await names({ until: both })).toEqual(["key_01"]);
      expect(await current().count("key", { equals: { status: "active" }, labels: { team: "desk" } })).toBe(1);
      const { count } = await current().countSome("key", "status", "active", 0);
      expect(count).toBe(await current().count("key", { equals: { status: "active" } }));
      expect(await current().countSome("key", "status", "revoked", 0)).toEqual({ count: 0, next: undefined });
    });

    test("booleans are filtered on", async () => {
      await mustCommit(
        current(),
        aBatch([put("rotation", aRotation()), put("rotation", aRotation({ id: "rot_b", endedAt: AT }))]),
      );
      const ended = async (flag: boolean) =>
        (await current().list("rotation", { equals: { ended: flag } }, { limit: 9 })).map(({ value }) => value.id);
      expect([await ended(false), await ended(true)]).toEqual([["rot_a"], ["rot_b"]]);
    });

    test("a column that is not lifted is a mistake of the program", async () => {
      await expect(current().list("key", { equals: { notes: "x" } }, { limit: 1 })).rejects.toThrow(/notes/);
    });
  });
}

function pruneSuite(current: () => Store): void {
  test("pruning forgets old entries, answers, buckets and boots, and nothing else", async () => {
    const store = current();
    await fill(store, 6);
    await mustCommit(store, aBatch([], { idempotency: answerTo("a") }));
    await mustCommit(store, aBatch([], { idempotency: { ...answerTo("b"), createdAt: AT + 100 } }));
    const reports = [aReport(), aReport({ boot: "boo_b", answersUntil: AT + 90_000 })];
    await store.record({ rows: [aUse(), aUse({ last: AT + 60_000 })], reports });
    const before = await picture(store);
    await store.prune({ feedKeep: 2, idempotency: AT + 50, buckets: AT + 30_000, boots: AT + 20_000 });
    expect(await picture(store)).toEqual({
      ...before,
      feed: before.feed.slice(-2),
      answers: [undefined, before.answers[1]],
    });
    expect([await store.feedFloor("api_a"), await store.feedHead("api_a")]).toEqual([4, 6]);
    expect(await store.buckets("key_a", 0, AT * 2)).toHaveLength(1);
    expect((await store.boots("api_a", 9)).map(({ boot }) => boot)).toEqual(["boo_b"]);
    await store.prune({ feedKeep: 0, idempotency: 0, buckets: 0, boots: 0 });
    expect(await store.feedFloor("api_a")).toBe(6);
    await mustCommit(store, aBatch([], { feed: [{ apiId: "api_a", record: aRecord() }] }));
    expect([await store.feedFloor("api_a"), await store.feedHead("api_a")]).toEqual([6, 7]);
  });

  test("answers a ping", async () => {
    await expect(current().ping()).resolves.toBeUndefined();
  });
}
