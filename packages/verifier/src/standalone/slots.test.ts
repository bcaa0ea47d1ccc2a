import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keyRecord, newText, version } from "../authority.test-double.ts";
import { type DiskHead, type DiskLease, fileDisk } from "../disk.ts";
import { seedSlot, slotFolder, slotsByFreshness } from "./slots.ts";

const head: DiskHead = {
  api: { id: "api_market", name: "market", prefix: "mkt" },
  environments: ["live"],
  boot: "boo_1",
  instance: "gw-1",
  epoch: "e",
  seq: 1,
};
const lease: DiskLease = { leaseMs: 1, onStale: "closed", staticMs: 0, writtenAt: 1, until: 9e15, authorityNow: 1 };
const record = (seq: number) => ({ ...keyRecord(`key_${seq}`, [version(newText())]), seq });

let data: string;
const warned: unknown[] = [];
const log = (...said: unknown[]) => void warned.push(said);
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "keyover-slots-"));
  warned.length = 0;
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

/** A slot whose process is running: a snapshot, then an entry and a lease in the journal. */
async function running(slot: number) {
  const disk = fileDisk(slotFolder(data, slot), log);
  const unlock = await disk.lock();
  await disk.save("market", head, [record(1)]);
  await disk.append("market", [{ entry: { seq: 2, record: record(2) } }, { lease }]);
  return { disk, unlock };
}

test("a copy has what the original has, but its lease and its boot; the original is untouched and in use", async () => {
  const { unlock } = await running(1);
  const before = contents(slotFolder(data, 1));
  await seedSlot(data, 1, 2, ["market"], log);
  expect(contents(slotFolder(data, 1))).toEqual(before);
  const copy = fileDisk(slotFolder(data, 2), log);
  const free = await copy.lock();
  const state = await copy.load("market");
  expect(state).toMatchObject({
    lease: null,
    head: { seq: 1, boot: "" },
    entries: [{ seq: 2 }],
  });
  expect([...(state?.records ?? [])].map(({ key }) => key)).toEqual(["key_1"]);
  expect(statSync(join(slotFolder(data, 2), "api-market.replica")).mode & 0o077).toBe(0);
  await free();
  await unlock();
});

test("a line that was being written while it was copied is left out", async () => {
  const { unlock } = await running(1);
  await unlock();
  const journal = join(slotFolder(data, 1), "api-market.journal");
  writeFileSync(journal, readFileSync(journal).subarray(0, -5));
  const torn = readFileSync(journal);
  await seedSlot(data, 1, 2, ["market"], log);
  expect(readFileSync(journal)).toEqual(torn);
  const state = await fileDisk(slotFolder(data, 2), log).load("market");
  expect(state).toMatchObject({ lease: null, entries: [{ seq: 2 }] });
});

test("what cannot be copied is no copy: the slot is empty, whatever was there", async () => {
  mkdirSync(slotFolder(data, 2));
  writeFileSync(join(slotFolder(data, 2), "api-market.replica"), "of long ago");
  await seedSlot(data, 1, 2, ["market"], log);
  expect(readdirSync(data)).toEqual([]);
  expect(warned).toHaveLength(1);
});

test("a slot that somebody uses is left alone", async () => {
  const [one, two] = [await running(1), await running(2)];
  const before = contents(slotFolder(data, 2));
  await seedSlot(data, 1, 2, ["market"], log);
  expect(contents(slotFolder(data, 2))).toEqual(before);
  expect(warned).toHaveLength(1);
  await one.unlock();
  await two.unlock();
});

test("after a crash the slot that was written to last comes first, and a copy that nobody used last", async () => {
  expect(await slotsByFreshness(data, 3)).toEqual([1, 2, 3]);
  const { unlock } = await running(2);
  await seedSlot(data, 2, 1, ["market"], log);
  await unlock();
  expect(await slotsByFreshness(data, 2)).toEqual([2, 1]);
  utimesSync(join(slotFolder(data, 1), "api-market.journal"), 9e9, 9e9);
  expect(await slotsByFreshness(data, 2)).toEqual([1, 2]);
});

function contents(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "latin1")]));
}
