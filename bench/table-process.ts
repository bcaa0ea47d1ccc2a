/**
 * One verifier with very many keys, in a process of its own, so that its memory is its own.
 *
 *     node table-process.ts write <folder> <keys> <known>       makes the snapshot on disk
 *     node table-process.ts measure <folder> <keys> <known>     a real verifier starts from it; what it measures is its last line
 *
 * Times of decisions and stops are the thread's own (`process.threadCpuUsage`): other work on the machine does not count, but what it
 * does to the caches does. The authority beside it has nothing but beats; the keys on disk are newer than its feed, so that they stay.
 */
import { createReadStream, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { createVerifier, fileDisk, type ReplicaDisk } from "@keyover/verifier";
import { realWorld } from "../packages/verifier/src/world.ts";
import { type Decisions, decisions, presented } from "./decisions.ts";
import { ManyKeys } from "./many-keys.ts";
import { head, QuietFeed } from "./quiet-feed.ts";

export interface TableFigures {
  loadMs: number;
  readMs: number;
  fileBytes: number;
  /** Of the process after it has loaded, before anything else is made. */
  rssBytes: number;
  emptyRssBytes: number;
  /** Nanoseconds, by round. */
  uniform: Decisions;
  hot: Decisions;
  stops: { withChanges: number[]; without: number[]; changes: number };
}

const CALLS = 1_000_000;
const HOT_KEYS = 10_000;
const CHANGES_PER_SECOND = 2_000;

const [task, folder = "", count = "", known = ""] = process.argv.slice(2);
const keys = new ManyKeys(Number(count), Number(known));
async function measure(): Promise<TableFigures> {
  const emptyRssBytes = process.memoryUsage().rss;
  const file = join(folder, "api-market.replica");
  const readMs = await took(async () => {
    for await (const _ of createReadStream(file, { highWaterMark: 4 << 20 }));
  });
  let loadMs = Number.NaN;
  const real = fileDisk(folder, () => {});
  const disk: ReplicaDisk = {
    ...real,
    async load(name) {
      const [began, state] = [performance.now(), await real.load(name)];
      loadMs = performance.now() - began;
      return state;
    },
    // The folder stays as it is. It would be written anew at once, because the authority has sent a snapshot.
    save: async () => undefined,
    append: async () => undefined,
  };
  const feed = new QuietFeed(keys);
  const world = { ...realWorld(), fetch: feed.fetch };
  const alive = setInterval(() => {}, 1_000);
  const verifier = createVerifier({ url: "https://authority.invalid", token: "none", apis: ["market"], world, disk });
  await verifier.ready;
  if (verifier.status()[0]?.keys !== keys.count) throw new Error("not all keys were loaded");
  globalThis.gc?.();
  await sleep(200);
  const rssBytes = process.memoryUsage().rss;
  const without = await stops(2_000);
  const before = feed.seq;
  feed.change(CHANGES_PER_SECOND);
  const withChanges = await stops(10_000);
  feed.change(0);
  const stopped = { withChanges, without, changes: feed.seq - before };
  const calls = Math.min(CALLS, 50 * keys.known);
  const uniform = await decisions(verifier, presented(keys, calls, keys.known));
  const hot = await decisions(verifier, presented(keys, calls, Math.min(HOT_KEYS, keys.known)));
  clearInterval(alive);
  await verifier.close();
  return { loadMs, readMs, fileBytes: statSync(file).size, rssBytes, emptyRssBytes, uniform, hot, stops: stopped };
}

async function took(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}

/**
 * The longest stretches between two turns of the event loop, in milliseconds, longest first: of time that passed, or of the thread's
 * own where that is less, because other processes had the processor then.
 */
async function stops(forMs: number): Promise<number[]> {
  const end = performance.now() + forMs;
  const longest: number[] = [];
  while (performance.now() < end) {
    const [began, own] = [performance.now(), process.threadCpuUsage()];
    await turn();
    const { user, system } = process.threadCpuUsage(own);
    longest.push(Math.min(performance.now() - began, (user + system) / 1_000));
    if (longest.length > 10_000) keepLongest(longest);
  }
  return keepLongest(longest);
}

function keepLongest(found: number[]): number[] {
  found.sort((a, b) => b - a);
  found.length = Math.min(found.length, 5);
  return found;
}

if (task === "write") {
  const disk = fileDisk(folder, () => {});
  const unlock = await disk.lock();
  await disk.save("market", head, keys.records());
  await unlock();
} else if (task === "measure") process.stdout.write(`${JSON.stringify(await measure())}\n`);
