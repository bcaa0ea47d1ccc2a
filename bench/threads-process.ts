/**
 * One verifier with many keys, and threads that read its table.
 *
 *     node threads-process.ts <folder> <keys> <threads>      its last line is what it measured
 *
 * Times of decisions are the thread's own; those of all threads together are real time.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { attachVerifier, createVerifier, fileDisk, type VerifierHandle } from "@keyover/verifier";
import { realWorld } from "../packages/verifier/src/world.ts";
import { decideAll, type Presented, presented, reported, timed } from "./decisions.ts";
import { ManyKeys } from "./many-keys.ts";
import { head, QuietFeed } from "./quiet-feed.ts";

export interface ThreadFigures {
  /** Nanoseconds, by round. */
  own: number[];
  read: number[];
  readUnderChanges: number[];
  /** Decisions a second, by round. */
  oneThread: number[];
  allThreads: number[];
  fileBytes: number;
  threadBytes: number;
}

const ROUNDS = 5;
const CALLS = 500_000;
const CHANGES_PER_SECOND = 2_000;

interface Passed {
  ns: number;
}

async function lead(folder: string, count: number, threadCount: number): Promise<ThreadFigures> {
  const keys = new ManyKeys(count, count);
  const disk = fileDisk(folder, () => {});
  const unlock = await disk.lock();
  await disk.save("market", head, keys.records());
  await unlock();
  const feed = new QuietFeed(keys);
  const world = { ...realWorld(), fetch: feed.fetch };
  const alive = setInterval(() => {}, 1_000);
  const verifier = createVerifier({
    url: "https://authority.invalid",
    token: "none",
    apis: ["market"],
    world,
    // The authority has sent a snapshot, and the file would be written anew.
    disk: { ...disk, save: async () => undefined, append: async () => undefined },
  });
  await verifier.ready;
  globalThis.gc?.();
  await sleep(200);
  const before = process.memoryUsage().rss;
  const threads: Worker[] = [];
  for (let i = 0; i < threadCount; i++) {
    const { handle, transferList } = await verifier.share();
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { handle, count }, transferList });
    worker.once("error", (error) => {
      throw error;
    });
    threads.push(worker);
    await told(worker);
  }
  const threadBytes = (process.memoryUsage().rss - before) / threadCount;
  const calls = Math.min(CALLS, 50 * count);
  await Promise.all(threads.map((each) => pass(each, { prepare: calls })));
  const what = presented(keys, calls, keys.known);
  const found: Omit<ThreadFigures, "fileBytes" | "threadBytes"> = {
    own: [],
    read: [],
    readUnderChanges: [],
    oneThread: [],
    allThreads: [],
  };
  for (let round = -1; round < ROUNDS; round++) {
    const own = timed(() => decideAll(verifier, what), calls);
    await reported(verifier);
    const [one, oneMs] = await during(() => pass(threads[0] as Worker, { decide: true }));
    const [, allMs] = await during(() => Promise.all(threads.map((each) => pass(each, { decide: true }))));
    feed.change(CHANGES_PER_SECOND);
    const busy = await pass(threads[0] as Worker, { decide: true });
    feed.change(0);
    if (round < 0) continue;
    found.own.push(own);
    found.read.push(one.ns);
    found.readUnderChanges.push(busy.ns);
    found.oneThread.push((1_000 * calls) / oneMs);
    found.allThreads.push((1_000 * threadCount * calls) / allMs);
  }
  clearInterval(alive);
  await Promise.all(threads.map((each) => each.terminate()));
  await verifier.close();
  return { ...found, fileBytes: disk.sizes("market").snapshot, threadBytes };
}

function told(worker: Worker): Promise<Passed> {
  return new Promise((resolve) => worker.once("message", resolve));
}

function pass(worker: Worker, what: { prepare: number } | { decide: true }): Promise<Passed> {
  const answer = told(worker);
  worker.postMessage(what);
  return answer;
}

async function during<T>(run: () => Promise<T>): Promise<[T, number]> {
  const began = performance.now();
  const result = await run();
  return [result, performance.now() - began];
}

async function reader({ handle, count }: { handle: VerifierHandle; count: number }): Promise<void> {
  const keys = new ManyKeys(count, count);
  const world = { ...realWorld(), fetch: new QuietFeed(keys).fetch };
  const verifier = attachVerifier(handle, { world });
  let what: Presented = { texts: [], asks: [] };
  parentPort?.on("message", (message: { prepare: number } | { decide: true }) => {
    if ("prepare" in message) what = presented(keys, message.prepare, keys.known);
    const ns = "decide" in message ? timed(() => decideAll(verifier, what), what.texts.length) : 0;
    parentPort?.postMessage({ ns } satisfies Passed);
  });
  await verifier.ready;
  parentPort?.postMessage({ ns: 0 } satisfies Passed);
}

if (isMainThread) {
  const [folder = "", count, threadCount] = process.argv.slice(2);
  process.stdout.write(`${JSON.stringify(await lead(folder, Number(count), Number(threadCount)))}\n`);
} else await reader(workerData);
