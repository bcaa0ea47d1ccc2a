/**
 * What the authority's tests share: a real authority, its real HTTP app and a real store, on a clock that moves when it is told
 * to, with verifiers that speak the wire protocol and do just what the script says.
 */
import { randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import { type Clock, makeHandle, type RotationPolicyPatch, type World } from "@keyover/core";
import { expect } from "vitest";
import { type Authority, createAuthority } from "./authority.ts";
import { expectKnownDetails } from "./notices/details.test-support.ts";
import type { NoticesConfig } from "./notices/notices.ts";
import { openMemoryStore } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import { ScriptedVerifier } from "./verifier.test-support.ts";
import { createLogger, logOf } from "./world.ts";

const START = 1_800_000_000_000;
export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const random = (length: number): Uint8Array => randomBytes(length);

/** One time for everybody; timers belong to the process that set them and die with it. */
export class TestClock {
  at: number = START;
  readonly #processes: TestProcess[] = [];

  process(): TestProcess {
    const process = new TestProcess(this);
    this.#processes.push(process);
    return process;
  }

  /** Runs what is due within the next `ms`, in order. */
  async advance(ms: number): Promise<void> {
    const end = this.at + ms;
    while (await this.#runNext(end));
    this.at = end;
    await settle();
  }

  /** Lets time pass for as long as `work` needs it to: what waits for a timer gets it. */
  async during<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = work.finally(() => {
      done = true;
    });
    finished.catch(() => {});
    for (let i = 0; !done && i < 2_000; i++) {
      await settle();
      if (!done) await this.#runNext(this.at + 50);
    }
    return finished;
  }

  async #runNext(end: number): Promise<boolean> {
    await settle();
    const due = this.#processes.flatMap(({ timers }) => [...timers]).filter((timer) => timer.at <= end);
    const next = due.sort((a, b) => a.at - b.at)[0];
    if (next === undefined) return false;
    for (const { timers } of this.#processes) timers.delete(next);
    this.at = Math.max(this.at, next.at);
    next.run();
    return true;
  }
}

interface Timer {
  at: number;
  run: () => void;
}

class TestProcess implements Clock {
  timers: Set<Timer> = new Set();
  dead = false;
  readonly #clock: TestClock;
  constructor(clock: TestClock) {
    this.#clock = clock;
  }
  now = (): number => this.#clock.at;
  elapsed = (): number => this.#clock.at - START;
  after = (delayMs: number, run: () => void): (() => void) => {
    if (this.dead) return () => {};
    const timer = { at: this.#clock.at + Math.max(0, delayMs), run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  };
  die(): void {
    this.dead = true;
    this.timers = new Set();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at member by member
  body: any;
  headers: Record<string, unknown>;
  text: string;
}

export interface CallOptions {
  token?: string | undefined;
  idempotencyKey?: string | undefined;
  headers?: Record<string, string> | undefined;
  ip?: string | undefined;
}

/** Quick enough to follow by hand, slow enough that nothing happens by itself. */
const quickPolicy: RotationPolicyPatch = {
  overlapMinMs: MINUTE,
  overlapMs: HOUR,
  quietMs: 10 * MINUTE,
  gapMargin: 1.5,
  rollbackMs: HOUR,
  claimMs: 2 * HOUR,
};

export interface Options {
  store?: Store;
  masterKey?: Uint8Array;
  clock?: TestClock;
  logLevel?: string;
  trustProxy?: boolean;
  notices?: NoticesConfig;
}

export class TestAuthority {
  readonly clock: TestClock;
  readonly store: Store;
  readonly masterKey: Uint8Array;
  /** Each line that was logged, as printed. */
  readonly lines: string[] = [];
  readonly verifiers: ScriptedVerifier[] = [];
  authority!: Authority;
  adminToken = "";
  readonly #options: Options;
  #process!: TestProcess;
  #names = 0;

  private constructor(options: Options) {
    this.#options = options;
    this.clock = options.clock ?? new TestClock();
    this.store = options.store ?? openMemoryStore({ now: () => this.clock.at });
    this.masterKey = options.masterKey ?? random(32);
  }

  static async start(options: Options = {}): Promise<TestAuthority> {
    const started = new TestAuthority(options);
    await started.#begin();
    const first = await started.authority.firstToken();
    started.adminToken = first?.reveal() ?? "";
    return started;
  }

  /** Another process on the same database, with the same time. Its store is `through` that of the first: calls can be lost on the way. */
  async beside(through: (store: Store) => Store = (store) => store): Promise<TestAuthority> {
    const { clock, masterKey } = this;
    const store = through({ ...this.store, close: async () => {} });
    const second = new TestAuthority({ ...this.#options, clock, masterKey, store });
    await second.#begin();
    second.adminToken = this.adminToken;
    return second;
  }

  /** The process is gone, and nothing comes after it. */
  die(): void {
    this.#process.die();
  }

  async #begin(): Promise<void> {
    const { lines } = this;
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    const logger = createLogger(this.#options.logLevel ?? "debug", stream);
    this.#process = this.clock.process();
    const fetch = () => Promise.reject(new Error("no network"));
    const world: World = { clock: this.#process, random, log: logOf(logger), fetch: fetch as typeof globalThis.fetch };
    const { trustProxy = true, notices } = this.#options;
    const config = { masterKey: this.masterKey, logger, trustProxy, notices };
    this.authority = await createAuthority(world, this.store, config);
  }

  /** The process dies where it stands; a new one starts on the same store. */
  async crash(): Promise<void> {
    this.#process.die();
    await this.#begin();
  }

  async close(): Promise<void> {
    await expectKnownDetails(this.store);
    await this.clock.during(this.authority.close());
  }

  now(): number {
    return this.clock.at;
  }

  async tick(): Promise<void> {
    await this.clock.during(this.authority.tick());
    await this.clock.advance(0);
  }

  /** Time passes; the live verifiers report it whole; the authority looks at what is due. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    for (const verifier of this.verifiers) if (verifier.alive) await verifier.catchUp();
    await this.tick();
  }

  async call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    const { token = this.adminToken, idempotencyKey, headers = {}, ip } = options;
    const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const request = this.authority.app.inject({
      method: method as "GET",
      url: path,
      headers: {
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(payload === undefined ? {} : { "content-type": "application/json" }),
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
        ...(ip === undefined ? {} : { "x-forwarded-for": ip }),
        ...headers,
      },
      ...(payload === undefined ? {} : { payload }),
    });
    const response = await this.clock.during(request);
    const json =
      /^application\/(problem\+)?json/.test(String(response.headers["content-type"])) && response.body !== "";
    const parsed = json ? JSON.parse(response.body) : response.body;
    return { status: response.statusCode, body: parsed, headers: response.headers, text: response.body };
  }

  /** A call that must succeed; its body. */
  async ok(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Answer["body"]> {
    const answer = await this.call(method, path, body, options);
    expect(answer.status, `${method} ${path}: ${answer.text}`).toBeLessThan(300);
    return answer.body;
  }

  /** A call that must be refused with this code, and change nothing. */
  async refused(
    code: string,
    method: string,
    path: string,
    body?: unknown,
    options?: CallOptions,
  ): Promise<Answer["body"]> {
    const before = await this.entries();
    const answer = await this.call(method, path, body, options);
    expect(answer.body, `${method} ${path}`).toMatchObject({ code, status: answer.status });
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(await this.entries(), "a refused call changed something").toBe(before);
    return answer.body;
  }

  /** The number of audit entries. */
  async entries(): Promise<number> {
    return (await this.store.audit(0, 100_000)).length;
  }

  async api(change: Record<string, unknown> = {}): Promise<Answer["body"]> {
    const n = ++this.#names;
    const scopes = ["market:read", "market:trades", "trade:write"];
    const staleness = { leaseMs: 10 * SECOND, onStale: "closed" };
    const wanted = { name: `api ${n}`, prefix: `mk${n}`, scopes, policy: quickPolicy, staleness, ...change };
    return this.ok("POST", "/v1/apis", wanted);
  }

  async consumer(change: Record<string, unknown> = {}): Promise<Answer["body"]> {
    return this.ok("POST", "/v1/consumers", { name: `consumer ${++this.#names}`, ...change });
  }

  /** `{ api, consumer }` by handle; the answer has the secret. */
  async key(
    of: { api: { id: string }; consumer: { id: string } },
    change: Record<string, unknown> = {},
  ): Promise<Answer["body"]> {
    const wanted = {
      api: of.api.id,
      consumer: of.consumer.id,
      environment: "live",
      scopes: ["market:*", "trade:write"],
    };
    return this.ok("POST", "/v1/keys", { ...wanted, ...change });
  }

  /** The text of a new token. */
  async token(role: string, change: Record<string, unknown> = {}): Promise<string> {
    return (await this.ok("POST", "/v1/tokens", { name: role, role, ...change })).secret;
  }

  /** A registered verifier that holds everything. */
  async verifier(
    api: { id: string },
    instance = `web-${++this.#names}`,
    change: Record<string, unknown> = {},
  ): Promise<ScriptedVerifier> {
    const token = await this.token("verifier", { apis: [api.id], ...change });
    const verifier = new ScriptedVerifier(this, api.id, token, instance, () =>
      makeHandle("boot", this.clock.at, random),
    );
    this.verifiers.push(verifier);
    await verifier.register();
    await verifier.catchUp();
    return verifier;
  }
}
