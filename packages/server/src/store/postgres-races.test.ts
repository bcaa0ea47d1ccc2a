/** Two processes write the same thing at the same time, over and over: one wins, always, and the log says in which order. */

import { sha256Text } from "@keyover/core";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chainStart, verifyChain } from "./audit-chain.ts";
import { type TestDatabase, testDatabase, testWorld } from "./postgres.test-support.ts";
import {
  aBatch,
  aKey,
  anApi,
  anEntry,
  aReplica,
  aReport,
  aToken,
  aUse,
  aVersion,
  mustCommit,
} from "./store.test-support.ts";
import { type Batch, type CommitOutcome, put, type Shard, type Store } from "./store.ts";

const ROUNDS = 40;

let database: TestDatabase;
let one: Store;
let two: Store;
beforeAll(async () => {
  database = await testDatabase();
  one = await database.open();
  two = await database.open();
});
afterAll(() => database.drop());

const rounds = async (race: (round: number) => Promise<void>) => {
  for (let round = 0; round < ROUNDS; round++) await race(round);
};

/** Exactly one is taken; the other is refused for one of these reasons. */
const oneWins = async (first: Batch, second: Batch, ...refusals: string[]) => {
  const outcomes = await Promise.all([one.commit(first), two.commit(second)]);
  const said = outcomes.map((outcome) => (outcome.ok ? "ok" : outcome.conflict)).sort();
  expect(refusals.map((refusal) => [refusal, "ok"].sort())).toContainEqual(said);
};

/** Resolves once so many of this database's sessions wait for a lock. */
const waiting = async (count: number) => {
  const waits = `select pid from pg_stat_activity where wait_event_type = 'Lock' and query not like '%pg_stat_activity%'
    and pid in (select pid from pg_locks where relation = 'audit_head'::regclass or relation = 'shard'::regclass)`;
  while ((await database.sql(waits)).length < count) await new Promise((resolve) => setImmediate(resolve));
};

/** The number of the audit entry with this action. */
const placeOf = async (action: string) => {
  const [row] = await database.sql("select seq from audit where action = $1", [action]);
  return Number(row?.seq);
};
const named = (action: string, writes: Batch["writes"], more: Partial<Batch> = {}) =>
  aBatch(writes, { ...more, audit: [anEntry(action)] });
const bothOk = (outcomes: CommitOutcome[]) => outcomes.every((outcome) => outcome.ok);

describe("of two at once one wins", () => {
  test("over the same row", () =>
    rounds(async (round) => {
      const id = `key_same_${round}`;
      await mustCommit(one, aBatch([put("key", aKey({ id }))]));
      const held = await one.get("key", id);
      const change = (name: string) => aBatch([put("key", aKey({ id, name }), held)]);
      await oneWins(change("first"), change("second"), "row");
      expect((await one.get("key", id))?.rev).toBe(2);
    }));

  test("with the same new id", () =>
    rounds(async (round) => {
      const make = (name: string) => aBatch([put("key", aKey({ id: `key_new_${round}`, name }))]);
      await oneWins(make("first"), make("second"), "row");
    }));

  test("with the same name, prefix or hash", () =>
    rounds(async (round) => {
      const api = (id: string, more: object) =>
        aBatch([put("api", anApi({ id: `${id}_${round}`, name: id + round, prefix: id + round, ...more }))]);
      await oneWins(api("api_a", { name: `n${round}` }), api("api_b", { name: `n${round}` }), "unique");
      await oneWins(api("api_c", { prefix: `p${round}` }), api("api_d", { prefix: `p${round}` }), "unique");
      const sha256 = sha256Text(`same ${round}`);
      const version = (id: string) =>
        aBatch([put("version", aVersion({ id: `${id}_${round}`, keyId: `${id}_${round}`, sha256 }))]);
      await oneWins(version("ver_a"), version("ver_b"), "unique");
    }));

  test("with the same request", () =>
    rounds(async (round) => {
      const idempotency = { id: `request ${round}`, request: "r", status: 201, body: {}, sealedId: null, createdAt: 1 };
      const make = (id: string) => {
        const token = aToken({ id: `${id}_${round}`, sha256: sha256Text(`${id}_${round}`) });
        return aBatch([put("token", token)], { idempotency });
      };
      await oneWins(make("tok_a"), make("tok_b"), "idempotency");
      expect(await one.count("token", { equals: { sha256: sha256Text(`tok_a_${round}`) } })).toBe(
        1 - (await one.count("token", { equals: { sha256: sha256Text(`tok_b_${round}`) } })),
      );
    }));

  test("a boot's registration, and its report, whichever process hears it; its sightings count once", () =>
    rounds(async (round) => {
      const boot = `boo_${round}`;
      const hear = async (expectRev: number, reportNumber: number) => {
        const rows = [aUse({ keyId: `key_of_${boot}`, version: reportNumber + 1 })];
        const heard = (host: string) => ({
          rows: [],
          reports: [aReport({ boot, host, reportNumber }, expectRev, rows)],
        });
        const answers = await Promise.all([one.record(heard("rep_a")), two.record(heard("rep_b"))]);
        expect(answers.flatMap(({ lost }) => lost)).toEqual([boot]);
      };
      await hear(0, 0);
      await hear(1, 1);
      expect((await one.boot(boot))?.rev).toBe(2);
      const [use] = await one.uses(`key_of_${boot}`);
      expect([use?.versions[1]?.accepted, use?.versions[2]?.accepted]).toEqual([1, 1]);
    }));

  test("what is settled", () =>
    rounds(async (round) => {
      const name = `question ${round}`;
      const answers = await Promise.all([one.settle(name, "first"), two.settle(name, "second")]);
      expect(answers[0]).toBe(answers[1]);
    }));
});

describe("a guard holds until the commit has ended", () => {
  test("what was only read does not change before it", () =>
    rounds(async (round) => {
      const id = `key_checked_${round}`;
      await mustCommit(one, aBatch([put("key", aKey({ id }))]));
      const token = aToken({ id: `tok_checked_${round}`, sha256: sha256Text(`tok_checked_${round}`) });
      const reader = named(`read ${round}`, [put("token", token)], { checks: [{ table: "key", id, rev: 1 }] });
      const writer = named(`written ${round}`, [put("key", aKey({ id, name: "x" }), { rev: 1, value: aKey({ id }) })]);
      const outcomes = await Promise.all([one.commit(reader), two.commit(writer)]);
      expect(outcomes[1]).toMatchObject({ ok: true });
      if (bothOk(outcomes)) expect(await placeOf(`read ${round}`)).toBeLessThan(await placeOf(`written ${round}`));
    }));

  test("a fenced commit comes before whatever its follower does, or not at all", async () => {
    let taken = 0;
    await rounds(async (round) => {
      await two.leave("rep_b");
      const { shards } = await one.share(aReplica("rep_a"), 60_000);
      const { shard, fence } = shards[round % shards.length] as Shard;
      const work = (name: string, replica: string, number: number) => {
        const token = aToken({ id: `tok_${name}_${round}`, sha256: sha256Text(`tok_${name}_${round}`) });
        return named(`${name} ${round}`, [put("token", token)], { fence: { shard, replica, fence: number } });
      };
      const follow = async () => {
        await one.share(aReplica("rep_a"), -1);
        const next = (await two.share(aReplica("rep_b"), 60_000)).shards.find((each) => each.shard === shard);
        expect(next?.fence).toBe(fence + 1);
        return two.commit(work("follower", "rep_b", fence + 1));
      };
      // The sleeper's commits at several moments of the other's coming.
      const sleeper = async () => {
        for (let turns = round % 20; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        return one.commit(work("sleeper", "rep_a", fence));
      };
      // Round 0 and 1 are no race, so that both ends are seen for certain.
      const early = round === 0 ? await sleeper() : undefined;
      const [raced, next] = await Promise.all([round > 1 ? sleeper() : undefined, follow()]);
      const late = early ?? raced ?? (await sleeper());
      expect(next).toMatchObject({ ok: true });
      if (!late.ok) {
        expect(late.conflict).toBe("fence");
        return;
      }
      taken++;
      expect(await placeOf(`sleeper ${round}`)).toBeLessThan(await placeOf(`follower ${round}`));
    });
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(ROUNDS);
  });

  test("who takes the work over waits for a fenced commit that has begun", async () => {
    await two.leave("rep_b");
    const { shards } = await one.share(aReplica("rep_a"), 60_000);
    const hold = new pg.Client({ connectionString: database.url });
    await hold.connect();
    await hold.query("begin");
    await hold.query("select seq from audit_head where id = 1 for update");
    const fence = { ...(shards[0] as Shard), replica: "rep_a" };
    const commit = one.commit(aBatch([], { fence }));
    await waiting(1);
    await two.share(aReplica("rep_a"), -1);
    const follow = two.share(aReplica("rep_b"), 60_000);
    // Which answer this process hears first says nothing: they come by two connections.
    expect(await Promise.race([follow.then(() => "took over"), waiting(2).then(() => "waits")])).toBe("waits");
    await hold.query("commit");
    expect(await commit).toMatchObject({ ok: true });
    expect((await follow).shards).not.toEqual([]);
    await hold.end();
  });

  test("heartbeats, reports and commits of many go side by side, and never wait for each other in a circle", async () => {
    const again: unknown[] = [];
    const world = {
      ...testWorld,
      log: (_: string, event: string, fields?: object) => event === "store.again" && again.push(fields),
    };
    const [one, two] = await Promise.all([database.open({ world }), database.open({ world })]);
    let stop = false;
    const until = async (work: (turn: number) => Promise<unknown>) => {
      for (let turn = 0; !stop; turn++) await work(turn);
    };
    const beats = ["rep_a", "rep_b", "rep_c"].map((id, i) =>
      until(() => (i % 2 === 0 ? one : two).share(aReplica(id), 60_000)),
    );
    const reports = [one, two].map((store, i) =>
      until((turn) => {
        const rows = ["key_x", "key_y", "key_z"].map((keyId) => aUse({ keyId, sourceId: `n${turn % 3}|bot|` }));
        return store.record({ rows: i === 0 ? rows : rows.toReversed(), reports: [] });
      }),
    );
    for (let i = 0; i < 100; i++) {
      const { shards } = await one.share(aReplica("rep_a"), 60_000);
      const fences = shards.slice(0, 3).map(({ shard, fence }) => ({ shard, replica: "rep_a", fence }));
      await Promise.all(fences.map((fence) => one.commit(aBatch([], { fence }))));
    }
    stop = true;
    await Promise.all([...beats, ...reports]);
    const owners = await database.sql("select owner, count(*) as n from shard group by owner order by owner");
    expect(owners.reduce((sum, { n }) => sum + Number(n), 0)).toBe(16);
    expect(again).toEqual([]);
  });
});

test("after all of it the audit log is one unbroken chain", async () => {
  const audit = await one.audit(0, 100_000);
  expect(verifyChain(chainStart, audit)).toMatchObject({ seq: audit.length });
});
