/** Both ends of a shared table in one thread: no turn of the event loop comes between what is written and what is read, unless a test says so. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { FlatReplica } from "../flat/flat-replica.ts";
import { fileChunks, TableReader } from "../flat/table-file.ts";
import { PlanBook } from "../limits/plan-book.ts";
import { Sightings } from "../sightings.ts";
import { realWorld } from "../world.ts";
import { ACKS, GENERATION, READERS_MAX, SHIFTS } from "./news.ts";
import { digestOf, keyOf, recordOf } from "./stress.test-support.ts";
import { TableShare } from "./table-share.ts";
import { ThreadReplica } from "./thread-replica.ts";

const ASK = { environment: "live", scope: "read" };

function scene(keys: number) {
  const events: string[] = [];
  const world = { ...realWorld(), log: (_level: string, event: string) => void events.push(event) };
  const writer = new FlatReplica();
  let seq = 0;
  const put = (i: number, change = {}) => void writer.put(recordOf("stable", i, ++seq, change));
  for (let i = 0; i < keys; i++) put(i);
  const share = new TableShare(world, writer);
  const attach = () => {
    const ends = share.attach(() => undefined);
    if (ends === undefined) throw new Error("there is room");
    const sightings = new Sightings(0);
    const reader: ThreadReplica = new ThreadReplica({
      ends,
      plans: new PlanBook(),
      release: (slot) => sightings.release(reader, slot),
      releaseAll: () => sightings.releaseAll(reader),
      onState: () => undefined,
      onGone: () => undefined,
    });
    return { reader, ends, sightings };
  };
  return { world, events, writer, share, put, attach };
}

const find = (reader: ThreadReplica, i: number, version = 1) => reader.find(digestOf("stable", i, version).words);
const isOk = (reader: ThreadReplica, i: number) => reader.isPlainlyOk(find(reader, i), ASK);

test("what is written is read at once, also where it needs memory, lists and buckets that the reader has not heard of", () => {
  const { writer, put, attach } = scene(10);
  const { reader, ends } = attach();
  const before = { generation: ends.generation, capacity: reader.table.digests.capacity };
  for (let i = 10; i < 5_000; i++) put(i, { versions: 1 + (i % 2) });
  expect(writer.table.digests.capacity).toBeGreaterThan(10 * before.capacity);
  for (let i = 0; i < 5_000; i++) {
    const slot = find(reader, i);
    expect(reader.held(slot).held.record.key).toBe(keyOf("stable", i));
    if (i % 2 === 0)
      expect(reader.okVerdict(slot)).toMatchObject({ key: keyOf("stable", i), scopes: [`stable:${i % 13}`, "read"] });
    else expect(find(reader, i, 2) >= 0).toBe(i >= 10);
  }
  expect(Atomics.load(ends.control, GENERATION)).toBeGreaterThan(before.generation);
});

test("a key that was revoked since the table grew is refused, though the reader still knows the smaller one", () => {
  const { writer, put, attach } = scene(40);
  const { reader } = attach();
  expect(isOk(reader, 0)).toBe(true);
  const { digests } = writer.table;
  for (let i = 40; writer.table.digests === digests; i++) put(i);
  put(0, { revoked: true });
  expect(isOk(reader, 0)).toBe(false);
  expect(reader.held(find(reader, 0)).held.record.status).toBe("revoked");
});

test("plans, and that they are gone", () => {
  const { writer, attach } = scene(1);
  const rate = { kind: "rate", name: "r", per: "key", units: 1, windowMs: 1_000, burst: 1 } as const;
  writer.plans.put({ seq: 1, plan: "plan_1", name: "plain", default: true, limits: [rate] });
  const { reader } = attach();
  expect(reader.planAt(find(reader, 0))?.limits.length).toBe(1);
  writer.plans.put({ seq: 2, plan: "plan_1", name: "plain", default: true, limits: [rate, { ...rate, name: "s" }] });
  find(reader, 7);
  expect(reader.planAt(find(reader, 0))?.limits.length).toBe(2);
  writer.plans.clear();
  find(reader, 7);
  expect(reader.planAt(find(reader, 0))).toBeUndefined();
});

test("a slot that became free is used again when all readers have let go of it, and counts keep the name that they were made under", async () => {
  const { writer, put, attach, share } = scene(3);
  const [one, two] = [attach(), attach()];
  const slot = find(one.reader, 0);
  one.sightings.count(slot, {}, 1, true);
  put(0);
  expect(find(one.reader, 0)).not.toBe(slot);
  // Whatever is written now, the slot still says what it said.
  for (let i = 100; i < 120; i++) put(i);
  expect(one.reader.nameOf(slot)).toEqual({ key: keyOf("stable", 0), version: 1 });
  await expect.poll(() => Math.min(...[one, two].map(({ ends }) => ends.control[ACKS + ends.reader] ?? 0))).toBe(1);
  await sleep(50);
  const { end } = writer.table;
  put(200);
  expect(writer.table.end).toBe(end);
  expect(find(two.reader, 200)).toBe(slot);
  const drained = one.sightings.drain(one.reader, 2, (at) => at);
  expect(drained.map(({ key, version, accepted }) => [key, version, accepted])).toEqual([[keyOf("stable", 0), 1, 1]]);
  share.close();
});

test("what was parsed of a slot is forgotten with it", async () => {
  const { writer, put, attach, share } = scene(1);
  const { reader } = attach();
  for (let i = 0; i < 40; i++) {
    put(i, { versions: 2 });
    for (const version of [1, 2])
      expect(reader.held(find(reader, i, version)).held.record.key).toBe(keyOf("stable", i));
    writer.table.drop(writer.table.headOf(keyOf("stable", i)));
    await sleep(25);
  }
  expect(writer.table.end).toBeLessThan(40);
  share.close();
});

test("not there is believed only if no bucket moved during the search", () => {
  const { attach } = scene(3);
  const { reader, ends } = attach();
  const { table } = reader;
  const search = table.findInOrder.bind(table);
  let searches = 0;
  table.find = () => -1;
  table.findInOrder = (digest) => {
    if (++searches > 1) return search(digest);
    // A bucket moved behind the search, which had it before itself.
    Atomics.add(ends.control, SHIFTS, 2);
    return -1;
  };
  expect(find(reader, 1)).toBeGreaterThanOrEqual(0);
  expect(searches).toBe(2);
});

test("another table takes the place of this one: emptied, or read from a file", () => {
  const { writer, put, attach } = scene(3);
  const { reader, sightings } = attach();
  const file = new TableReader();
  const bytes = Buffer.concat([...fileChunks(writer.table, {})]);
  for (let at = 0; at < bytes.length; ) at += file.take(bytes, at);
  file.finish(0);
  sightings.count(find(reader, 2), {}, 1, true);
  writer.clear();
  for (let i = 0; i < 3; i++) expect(find(reader, i)).toBe(-1);
  writer.adopt(file.table);
  for (let i = 0; i < 3; i++) expect(isOk(reader, i)).toBe(true);
  put(1, { revoked: true });
  expect(isOk(reader, 1)).toBe(false);
  expect(sightings.drain(reader, 2, (at) => at).map(({ key }) => key)).toEqual([keyOf("stable", 2)]);
});

test("a reader that is gone is not waited for; one that stands still is named, once", async () => {
  const { writer, put, attach, share, events } = scene(3);
  const { reader, ends } = attach();
  expect(share.readers).toBe(1);
  const slots = writer.table.end;
  for (let i = 0; i < 30; i++) put(0);
  expect(writer.table.end).toBe(slots + 30);
  // It lets go of nothing: as if it hung.
  ends.talkPort.removeAllListeners("message");
  await sleep(60);
  for (let i = 0; i < 30; i++) put(0);
  expect(writer.table.end).toBe(slots + 60);
  reader.close();
  await expect.poll(() => share.readers).toBe(0);
  for (let i = 0; i < 60; i++) put(0);
  expect(writer.table.end).toBe(slots + 60);
  expect(events).toEqual([]);
});

test("a writer that died while buckets moved leads to a question, and to no endless search", () => {
  const { attach, writer } = scene(3);
  const { reader, ends } = attach();
  Atomics.add(ends.control, SHIFTS, 1);
  expect(find(reader, 9)).toBe(-1);
  expect(isOk(reader, 1)).toBe(true);
  expect(writer.size).toBe(3);
});

test("there is an end to readers", () => {
  const { share, attach } = scene(1);
  for (let i = 0; i < READERS_MAX; i++) attach();
  expect(share.attach(() => undefined)).toBeUndefined();
  share.close();
});
