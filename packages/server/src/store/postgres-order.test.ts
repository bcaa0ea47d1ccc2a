/**
 * Numbers of the feed and of the audit log have no gaps, and nobody ever sees an entry before all that come before it: a follower that
 * asks for "all after n" misses nothing. The last test does it the usual way, with a sequence, and is caught.
 */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "./postgres.test-support.ts";
import { aBatch, aKey, anEntry, aRecord, mustCommit } from "./store.test-support.ts";
import { put, type Store } from "./store.ts";

const WRITERS = 6;
const COMMITS_EACH = 60;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

/** Follows while `work` goes on; throws at the first number that is not the next. */
async function follow(work: Promise<unknown>, after: (seq: number) => Promise<number[]>): Promise<number> {
  let over = false;
  const ended = work.finally(() => {
    over = true;
  });
  let seen = 0;
  for (;;) {
    const last = over;
    for (const seq of await after(seen)) {
      if (seq !== seen + 1) throw new Error(`${seq} came after ${seen}`);
      seen = seq;
    }
    if (last) break;
  }
  await ended;
  return seen;
}

test("a follower of the feed and of the audit log sees every entry in its turn, whoever writes", async () => {
  const stores = await Promise.all([database.open(), database.open(), database.open()]);
  const writing = Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      const store = stores[writer % stores.length] as Store;
      for (let i = 0; i < COMMITS_EACH; i++) {
        // Every third writes another feed: nothing but the head of the audit log keeps those in order.
        const feed = [{ apiId: writer % 3 === 0 ? "api_b" : "api_a", record: aRecord(`key_${writer}_${i}`) }];
        // Some take longer between their first statement and their last; some are given up.
        const writes = Array.from({ length: (i * 7) % 5 }, (_, n) =>
          put("key", aKey({ id: `key_${writer}_${i}_${n}` })),
        );
        await mustCommit(store, aBatch(writes, { feed, audit: [anEntry("a"), anEntry("b", [`rot_${writer}_${i}`])] }));
        if (i % 6 === 0) await store.commit(aBatch([put("key", aKey(), { value: aKey(), rev: 9 })], { feed }));
      }
    }),
  );
  const [reader, feedReader] = await Promise.all([database.open(), database.open()]);
  const seen = new Set<string>();
  const [entries, changes, feed] = await Promise.all([
    follow(writing, async (seq) => (await reader.audit(seq, 500)).map((entry) => entry.seq)),
    follow(writing, async (seq) => {
      const { head, subjects } = await reader.changes(seq, 500);
      for (const subject of subjects) seen.add(subject);
      return Array.from({ length: head - seq }, (_, i) => seq + i + 1);
    }),
    follow(writing, async (seq) => (await feedReader.feedAfter("api_a", seq, 500)).map((entry) => entry.seq)),
  ]);
  const commits = WRITERS * COMMITS_EACH;
  expect([entries, changes, feed]).toEqual([2 * commits, 2 * commits, (commits * 2) / 3]);
  expect([...seen].filter((subject) => subject.startsWith("rot_"))).toHaveLength(commits);
});

test("the usual way, with a sequence, is caught: a follower passes over an entry that comes later", async () => {
  await database.sql("create table naive (seq bigserial primary key)");
  const clients = Array.from({ length: 3 }, () => new pg.Client({ connectionString: database.url }));
  await Promise.all(clients.map((client) => client.connect()));
  const [slow, quick, reader] = clients as [pg.Client, pg.Client, pg.Client];
  const insert = async (client: pg.Client) => {
    await client.query("begin");
    await client.query("insert into naive default values");
  };
  await insert(slow);
  await insert(quick);
  await quick.query("commit");
  const following = follow(new Promise(() => {}), async (seq) => {
    const { rows } = await reader.query<{ seq: string }>("select seq from naive where seq > $1 order by seq", [seq]);
    return rows.map((row) => Number(row.seq));
  });
  await expect(following).rejects.toThrow("2 came after 0");
  await slow.query("commit");
  await Promise.all(clients.map((client) => client.end()));
});
