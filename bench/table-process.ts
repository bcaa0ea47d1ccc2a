/**
 * One verifier with very many keys, in a process of its own, so that its memory is its own.
 *
 *     node table-process.ts write <folder> <keys> <known>       makes the snapshot on disk
 *     node table-process.ts measure <folder> <keys> <known>     a real verifier starts from it; what it measures is its last line
 *
 * Times of decisions and stops are the thread's own (`process.threadCpuUsage`): other work on the machine does not count, but what it
 * does to the caches does. The authority beside it has nothing but beats; the keys on disk are newer than its feed, so that they stay.
 */
import { hash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { createVerifier, type DiskHead, fileDisk, type ReplicaDisk, type Verifier } from "@keyover/verifier";
import { realWorld } from "../packages/verifier/src/world.ts";
import { addressOf, CALLERS } from "./keyring.ts";
import { ManyKeys } from "./many-keys.ts";

export interface TableFigures {
  loadMs: number;
  readMs: number;
  fileBytes: number;
  /** Of the process after it has loaded, before anything else is made. */
  rssBytes: number;
  emptyRssBytes: number;
  /** Nanoseconds, by round. */
  uniform: { verify: number[]; bare: number[] };
  hot: { verify: number[]; bare: number[] };
  stops: { withChanges: number[]; without: number[]; changes: number };
}

const ROUNDS = 5;
const CALLS = 1_000_000;
const HOT_KEYS = 10_000;
const CHANGES_PER_SECOND = 2_000;
const api = { id: "api_market", name: "market", prefix: "mkt" };
const head: DiskHead = { api, environments: ["live"], boot: "boo_0", instance: "bench", epoch: "bench", seq: 0 };

const [task, folder = "", count = "", known = ""] = process.argv.slice(2);
const keys = new ManyKeys(Number(count), Number(known));
async function measure(): Promise<TableFigures> {
  const emptyRssBytes = process.memoryUsage().rss;
  const file = join(folder, "api-market.replica");
  const readMs = await timed(async () => {
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
  const feed = new Feed();
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
  const uniform = await decisions(verifier, Math.min(CALLS, 50 * keys.known), keys.known);
  const hot = await decisions(verifier, Math.min(CALLS, 50 * keys.known), Math.min(HOT_KEYS, keys.known));
  clearInterval(alive);
  await verifier.close();
  return { loadMs, readMs, fileBytes: statSync(file).size, rssBytes, emptyRssBytes, uniform, hot, stops: stopped };
}

async function timed(run: () => Promise<unknown>): Promise<number> {
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

/** Each of the first `among` known keys as often as any other, in an order that no cache can guess. */
async function decisions(
  verifier: Verifier,
  calls: number,
  among: number,
): Promise<{ verify: number[]; bare: number[] }> {
  const asks = Array.from({ length: CALLERS }, (_, i) => ({
    environment: "live",
    scope: "market:read",
    network: addressOf(i),
    client: `bot-${i}/1.0`,
  }));
  const step = Math.floor(keys.known / among);
  const held = Array.from({ length: among }, (_, i) => keys.text(i * step));
  const order = Int32Array.from({ length: calls }, (_, i) => i % among);
  for (let i = calls - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  // A text for each call, one behind the other in memory: a request's has just been read, and is in the cache.
  const texts = Array.from(order, (i) => Buffer.from(held[i] as string).toString("latin1"));
  const callers = Uint8Array.from(order, (i) => keys.callerOf(i * step));
  const verifyAll = () => {
    let good = 0;
    for (let i = 0; i < calls; i++)
      if (verifier.verifyNow(texts[i] as string, asks[callers[i] as number] as object)?.valid === true) good++;
    return good;
  };
  const hashAll = () => {
    let good = 0;
    for (let i = 0; i < calls; i++) if (hash("sha256", texts[i] as string, "binary").length === 32) good++;
    return good;
  };
  const took = { verify: [] as number[], bare: [] as number[] };
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, pass] of [
      ["verify", verifyAll],
      ["bare", hashAll],
    ] as const) {
      const began = process.threadCpuUsage();
      const good = pass();
      const { user, system } = process.threadCpuUsage(began);
      if (good !== calls) throw new Error(`${calls - good} of ${calls} calls were not answered as they should be`);
      if (round >= 0) took[name].push(((user + system) * 1_000) / calls);
      // What was counted goes out in between.
      await sleep(1_000);
      while ((verifier.status()[0]?.pendingReports ?? 0) > 0) await sleep(50);
    }
  }
  return took;
}

/** An authority that has nothing to say but beats, and the changes that it is asked for. */
class Feed {
  seq = 0;
  #send: ((text: string) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const now = Date.now();
    const grant = { now, leaseMs: 600_000, onStale: "closed", staticMs: 0 };
    const name = new URL(input as string).pathname.split("/").at(-1);
    if (name === "snapshot") return new Response(`${JSON.stringify({ seq: 0, now })}\n${JSON.stringify({ end: 0 })}\n`);
    if (name === "feed") return new Response(this.#stream(init?.signal));
    if (name === "verifiers") {
      return Response.json({ ...grant, api, environments: ["live"], reportEveryMs: 500, epoch: "bench" });
    }
    return Response.json(grant);
  };

  /** From now on so many keys a second get another secret, or come. */
  change(perSecond: number): void {
    clearInterval(this.#timer);
    if (perSecond > 0) this.#timer = setInterval(() => this.#changes(perSecond / 100), 10);
  }

  #changes(many: number): void {
    let text = "";
    for (let i = 0; i < many; i++) {
      const record = keys.record(keys.unpresented(++this.seq), keys.count + this.seq);
      text += `event: entry\ndata: ${JSON.stringify({ seq: this.seq, record })}\n\n`;
    }
    this.#send?.(text);
  }

  #stream(signal: AbortSignal | null | undefined): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    return new ReadableStream({
      start: (stream) => {
        this.#send = (text) => stream.enqueue(encoder.encode(text));
        const beat = () => this.#send?.(`event: beat\ndata: ${JSON.stringify({ seq: this.seq, now: Date.now() })}\n\n`);
        const timer = setInterval(beat, 1_000);
        signal?.addEventListener("abort", () => clearInterval(timer));
        beat();
      },
    });
  }
}

if (task === "write") {
  const disk = fileDisk(folder, () => {});
  const unlock = await disk.lock();
  await disk.save("market", head, keys.records());
  await unlock();
} else if (task === "measure") process.stdout.write(`${JSON.stringify(await measure())}\n`);
