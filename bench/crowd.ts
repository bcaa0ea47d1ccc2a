/**
 * A folder with a great many keys, made quickly: a few are made and rotated by a real authority, and their rows are copied under new ids.
 * So every row is what the program writes, whatever its schema is by now.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { makeHandle, type World } from "@keyover/core";
import { type Authority, createAuthority, TICK_MS } from "../packages/server/src/authority.ts";
import { openSqliteStore } from "../packages/server/src/store/sqlite.ts";
import type { Store } from "../packages/server/src/store/store.ts";
import { createLogger, realWorld } from "../packages/server/src/world.ts";
import { WatchedSqlite } from "./watched-sqlite.ts";

export const DAY_MS = 86_400_000;

/** Time that passes when it is told to; what is to be done at once is done at once. */
export class SteppedClock {
  at: number = Date.now();
  #elapsed = 0;
  readonly #atOnce = new Set<NodeJS.Immediate>();
  now = (): number => this.at;
  elapsed = (): number => this.#elapsed;
  after = (delayMs: number, run: () => void): (() => void) => {
    if (delayMs <= 0) {
      const immediate = setImmediate(() => {
        this.#atOnce.delete(immediate);
        run();
      });
      this.#atOnce.add(immediate);
      return () => {
        clearImmediate(immediate);
        this.#atOnce.delete(immediate);
      };
    }
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  };
  /** Something is to be done at once. */
  get isBusy(): boolean {
    return this.#atOnce.size > 0;
  }
  step(ms: number): void {
    this.at += ms;
    this.#elapsed += ms;
  }
}

export interface Crowd {
  authority: Authority;
  store: Store;
  watched: WatchedSqlite;
  clock: SteppedClock;
  /** Copies the rows of a key that was made through the API, so many times. The answer: the keys' ids. */
  copy(keyId: string, count: number): string[];
  readonly call: (
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: string,
    body?: object,
    token?: string,
  ) => Promise<Answer>;
  /** One tick, and time goes on. */
  readonly tick: () => Promise<Tick>;
  /** How long it takes, and the longest that anything else waits meanwhile: milliseconds. */
  readonly watch: (work: () => Promise<unknown>) => Promise<{ ms: number; stillMs: number }>;
  /** Ends the process and starts another on the same folder. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** In milliseconds. What a tick leaves for later turns of the event loop, without waiting for time to go on, is done before the next one. */
export interface Tick {
  /** Until the tick was done. */
  ms: number;
  /** Of that, time of the processor: what a busy machine adds is not in it, nor waiting for the disk. */
  cpuMs: number;
  /** The longest that anything else had to wait, here and in what came after it; the same by the processor's time. */
  stillMs: number;
  stillCpuMs: number;
  /** Until all that was due was done. */
  wholeMs: number;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at member by member
export type Answer = any;

export async function openCrowd(): Promise<Crowd> {
  const folder = mkdtempSync(join(tmpdir(), "keyover-bench-"));
  // The authority's own timers keep no process alive.
  const alive = setInterval(() => {}, 1_000);
  const clock = new SteppedClock();
  const masterKey = randomBytes(32);
  const logger = createLogger("error");
  const world: World = { ...realWorld(logger), clock };
  let watched = new WatchedSqlite();
  let store: Store;
  const open = () => {
    watched = new WatchedSqlite();
    store = openSqliteStore(folder, clock.now, watched.tune, (run) => void clock.after(0, run));
    return createAuthority(world, store, { masterKey, logger, trustProxy: false });
  };
  let authority = await open();
  const admin = (await authority.firstToken())?.reveal() ?? "";
  return {
    get authority() {
      return authority;
    },
    get watched() {
      return watched;
    },
    get store() {
      return store;
    },
    clock,
    tick: () => tick(authority, clock),
    watch,
    copy: (keyId, count) => copyKey(watched, clock, keyId, count),
    async call(method, path, body, token = admin) {
      const response = await authority.app.inject({
        method,
        url: path,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
      });
      if (response.statusCode >= 300) throw new Error(`${method} ${path}: ${response.body}`);
      return response.headers["content-type"]?.toString().includes("json") ? JSON.parse(response.body) : response.body;
    },
    async restart() {
      await authority.close();
      authority = await open();
    },
    async close() {
      await authority.close();
      clearInterval(alive);
      rmSync(folder, { recursive: true });
    },
  };
}

async function tick(authority: Authority, clock: SteppedClock): Promise<Tick> {
  const [from, cpuFrom] = [performance.now(), cpu()];
  const took: Tick = { ms: 0, cpuMs: 0, stillMs: 0, stillCpuMs: 0, wholeMs: 0 };
  let done = false;
  const work = authority.tick().finally(() => {
    done = true;
    took.ms = performance.now() - from;
    took.cpuMs = cpu() - cpuFrom;
  });
  for (let last = from, cpuLast = cpuFrom; !done || clock.isBusy; ) {
    await turn();
    const [now, cpuNow] = [performance.now(), cpu()];
    took.stillMs = Math.max(took.stillMs, now - last);
    took.stillCpuMs = Math.max(took.stillCpuMs, cpuNow - cpuLast);
    [last, cpuLast] = [now, cpuNow];
  }
  await work;
  took.wholeMs = performance.now() - from;
  clock.step(TICK_MS);
  await turn();
  return took;
}

async function watch(work: () => Promise<unknown>): Promise<{ ms: number; stillMs: number }> {
  const from = performance.now();
  let done = false;
  const doing = work().finally(() => {
    done = true;
  });
  let stillMs = 0;
  for (let last = from; !done; ) {
    await turn();
    const now = performance.now();
    stillMs = Math.max(stillMs, now - last);
    last = now;
  }
  await doing;
  return { ms: performance.now() - from, stillMs };
}

/** This thread's, in milliseconds. */
function cpu(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Tables with rows of a key, and the column that names it. */
const OF_A_KEY: Record<string, string> = {
  key: "id",
  version: "key_id",
  rotation: "key_id",
  sealed: "key_id",
  feed_record: "key_id",
  source_use: "key_id",
  source_gap: "key_id",
  version_use: "key_id",
};

type RowValue = string | number | null;

/** Each copy has ids and hashes of its own, and was activated some time before: so their next rotations are spread over a quarter of a year. */
function copyKey({ sqlite }: WatchedSqlite, clock: SteppedClock, keyId: string, count: number): string[] {
  const tables = Object.entries(OF_A_KEY).map(([table, column]) => {
    const rows = sqlite.prepare(`select * from "${table}" where ${column} = ?`).all(keyId) as Record<
      string,
      RowValue
    >[];
    const names = Object.keys(rows[0] ?? {});
    const places = names.map(() => "?").join(", ");
    const insert =
      rows.length === 0
        ? undefined
        : sqlite.prepare(`insert into "${table}" (${names.map((name) => `"${name}"`).join(", ")}) values (${places})`);
    return { rows: rows.map((row) => Object.values(row)), insert };
  });
  const text = JSON.stringify(tables.map(({ rows }) => rows));
  const kinds = { key: "key", ver: "version", rot: "rotation" } as const;
  const handles = [...new Set(text.match(/\b(key|ver|rot)_[0-9A-Za-z]{22}\b/g))];
  const hashes = [...new Set(text.match(/(?<=sha256\\*":\\*")[\w-]{43}/g))];
  const dates = [...new Set(text.match(/(?<="(rotateAt|activatedAt)\\":)\d+/g))];
  const ids: string[] = [];
  const one = () => {
    const fresh = new Map<string, string>();
    for (const handle of handles)
      fresh.set(handle, makeHandle(kinds[handle.slice(0, 3) as keyof typeof kinds], clock.at, randomBytes));
    for (const hash of hashes) fresh.set(hash, randomBytes(32).toString("base64url"));
    ids.push(fresh.get(keyId) as string);
    const before = Math.floor(Math.random() * 90 * DAY_MS);
    const renewed = (value: RowValue) => {
      if (typeof value === "number") return dates.includes(String(value)) ? value - before : value;
      if (typeof value !== "string") return value;
      let copied = value;
      for (const date of dates)
        copied = copied
          .replace(`"rotateAt":${date}`, () => `"rotateAt":${Number(date) - before}`)
          .replace(`"activatedAt":${date}`, () => `"activatedAt":${Number(date) - before}`);
      for (const [from, to] of fresh) copied = copied.replaceAll(from, to);
      return copied;
    };
    for (const { rows, insert } of tables) for (const row of rows) insert?.run(row.map(renewed));
  };
  sqlite.transaction(() => {
    for (let i = 0; i < count; i++) one();
  })();
  return ids;
}
