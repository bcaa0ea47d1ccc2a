/**
 * The world of the tests: a clock that moves when it is told to, and an authority in memory behind `fetch`. It speaks
 * wire.ts and nothing more, keeps what it was told, and can be cut off, lose answers, cut snapshots, go silent.
 */
import { randomBytes } from "node:crypto";
import {
  type Ack,
  type Clock,
  defaultStalenessPolicy,
  type FeedEntry,
  type KeyRecord,
  type Log,
  makeKeyText,
  problemBody,
  type Registration,
  type Report,
  type StalenessPolicy,
  sha256Text,
  type VersionRecord,
  type World,
} from "@keyover/core";

const random = (length: number): Uint8Array => randomBytes(length);
export const START = 1_750_000_000_000;

export class VirtualClock implements Clock {
  at = 0;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return START + this.at;
  }

  elapsed(): number {
    return this.at;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.at + Math.max(0, delayMs), run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  /** Lets `ms` pass, everything that falls due in order. */
  async pass(ms: number): Promise<void> {
    const end = this.at + ms;
    await settle();
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.at = Math.max(this.at, next.at);
      next.run();
      await settle();
    }
    this.at = end;
  }

  /** Another look at the same time: a machine whose wall clock is wrong. */
  skewed(wallMs: () => number): Clock {
    return {
      now: () => this.now() + wallMs(),
      elapsed: () => this.elapsed() + 77_777,
      after: (delayMs, run) => this.after(delayMs, run),
    };
  }
}

/** Until promises, streams and the real disk have nothing more to do: on a busy machine a write may take its time. */
export async function settle(): Promise<void> {
  for (let idle = 0; idle < 12; idle = diskIsBusy() ? 0 : idle + 1)
    await new Promise((resolve) => setImmediate(resolve));
}

function diskIsBusy(): boolean {
  return process.getActiveResourcesInfo().some((name) => /^(FSReq|FileHandleCloseReq)/i.test(name));
}

interface BootState {
  instance: string;
  replaces: string | undefined;
  coveredTo: number;
  n: number;
  applied: number;
  closed: boolean;
}

interface Follower {
  send(text: string): void;
  end(): void;
  abort(): void;
}

export class AuthorityDouble {
  readonly clock: Clock;
  id = "api_market";
  prefix = "mkt";
  environments = ["live"];
  policy: StalenessPolicy = { ...defaultStalenessPolicy };
  seq = 0;
  readonly records = new Map<string, KeyRecord>();
  log: FeedEntry[] = [];
  readonly boots = new Map<string, BootState>();
  readonly reports: Report[] = [];
  readonly calls: string[] = [];
  readonly missed: string[] = [];

  /** No connection at all. */
  down = false;
  /** So many posts are handled, and their answers lost. */
  lostAnswers = 0;
  /** Nothing comes over the feed, not even beats. */
  silent = false;
  /** No boot can register. */
  full = false;
  /** What the next snapshot says at its end. */
  endsAt: number | undefined;
  /** The next snapshot ends after so many lines. */
  cutAfter: number | undefined;
  /** Answers every call with this status and code. */
  refuse: { status: number; code: "unauthenticated" | "forbidden" | "not_found" } | undefined;
  /** Before a miss is answered. */
  beforeMissAnswer: (() => Promise<void>) | undefined;
  latencyMs = 0;
  #followers = new Set<Follower>();

  constructor(clock: Clock) {
    this.clock = clock;
    this.#beat();
  }

  get live(): BootState {
    return [...this.boots.values()].at(-1) as BootState;
  }

  get followers(): number {
    return this.#followers.size;
  }

  /** Writes a key; its secrets' texts are the caller's. */
  write(record: Omit<KeyRecord, "seq">): KeyRecord {
    const whole: KeyRecord = structuredClone({ seq: ++this.seq, ...record });
    this.records.set(whole.key, whole);
    this.push({ seq: whole.seq, record: whole });
    return whole;
  }

  push(entry: FeedEntry): void {
    this.log.push(entry);
    for (const follower of this.#followers) this.#send(follower, "entry", entry);
  }

  /** Ends all streams, as a restart of the authority does. */
  hangUp(): void {
    for (const follower of this.#followers) follower.end();
    this.#followers.clear();
  }

  /** The streams that are open stay open, and nothing comes over them any more. */
  freeze(): void {
    this.#followers.clear();
  }

  #send(follower: Follower, event: string, data: object): void {
    if (!this.silent && !this.down) follower.send(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #beat(): void {
    this.clock.after(1_000, () => {
      for (const each of this.#followers) this.#send(each, "beat", { seq: this.seq, now: this.clock.now() });
      this.#beat();
    });
  }

  fetch: typeof globalThis.fetch = async (input, init) => {
    const url = new URL(input as string);
    const name = url.pathname.split("/").at(-1) as string;
    this.calls.push(name);
    const wait = () =>
      this.latencyMs === 0 ? undefined : new Promise<void>((go) => this.clock.after(this.latencyMs, go));
    await wait();
    if (this.down) throw new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } });
    if (this.refuse !== undefined) return problem(this.refuse.code);
    const body = typeof init?.body === "string" ? JSON.parse(init.body) : undefined;
    const response = await this.#handle(name, url, body, init?.signal ?? undefined);
    await wait();
    if (init?.method === "POST" && this.lostAnswers > 0) {
      this.lostAnswers--;
      throw new TypeError("fetch failed", { cause: { code: "ECONNRESET" } });
    }
    return response;
  };

  async #handle(name: string, url: URL, body: unknown, signal: AbortSignal | undefined): Promise<Response> {
    if (name === "verifiers" && this.full) throw new TypeError("fetch failed");
    if (name === "verifiers") return this.#register(body as Registration);
    if (name === "snapshot") return this.#snapshot();
    if (name === "feed") return this.#feed(url, signal);
    if (name === "acks") return this.#ack(body as Ack);
    if (name === "reports") return this.#report(body as Report);
    if (name === "misses") return await this.#miss((body as { sha256: string }).sha256);
    return problem("not_found");
  }

  #grant() {
    return { now: this.clock.now(), ...this.policy };
  }

  #register({ boot, instance, replaces }: Registration): Response {
    const now = this.clock.now();
    this.boots.set(boot, { instance, replaces, coveredTo: now, n: 0, applied: -1, closed: false });
    const api = { id: this.id, name: "market", prefix: this.prefix };
    return Response.json({ ...this.#grant(), api, environments: this.environments, reportEveryMs: 1_000 });
  }

  #snapshot(): Response {
    const records = [...this.records.values()];
    const lines = [{ seq: this.seq, now: this.clock.now() }, ...records, { end: this.endsAt ?? records.length }];
    this.endsAt = undefined;
    const sent = this.cutAfter === undefined ? lines : lines.slice(0, this.cutAfter);
    this.cutAfter = undefined;
    return new Response(sent.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }

  #feed(url: URL, signal: AbortSignal | undefined): Response {
    const boot = this.boots.get(url.searchParams.get("boot") ?? "");
    const after = Number(url.searchParams.get("after"));
    if (boot === undefined || boot.closed) return problem("unknown_boot");
    if (after > this.seq) return problem("feed_ahead");
    const first = this.log[0]?.seq ?? this.seq + 1;
    if (after + 1 < first) return problem("feed_compacted");
    const encoder = new TextEncoder();
    let follower: Follower;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        follower = {
          send: (text) => controller.enqueue(encoder.encode(text)),
          end: () => controller.close(),
          abort: () => controller.error(new Error("aborted")),
        };
        this.#followers.add(follower);
      },
      cancel: () => void this.#followers.delete(follower),
    });
    signal?.addEventListener("abort", () => {
      this.#followers.delete(follower);
      follower.abort();
    });
    for (const entry of this.log) if (entry.seq > after) this.#send(follower!, "entry", entry);
    return new Response(stream);
  }

  #ack({ boot, applied }: Ack): Response {
    const state = this.boots.get(boot);
    if (state === undefined || state.closed) return problem("unknown_boot");
    state.applied = Math.max(state.applied, applied);
    return Response.json(this.#grant());
  }

  #report(report: Report): Response {
    const state = this.boots.get(report.boot);
    if (state === undefined || state.closed) return problem("unknown_boot");
    this.reports.push(report);
    if (report.n === state.n) return Response.json(this.#grant());
    if (report.n !== state.n + 1 || report.from !== state.coveredTo || report.to < report.from)
      return problem("report_gap");
    state.n = report.n;
    state.coveredTo = report.to;
    state.applied = Math.max(state.applied, report.applied);
    state.closed = report.final === true;
    return Response.json(this.#grant());
  }

  async #miss(sha256: string): Promise<Response> {
    this.missed.push(sha256);
    const found = [...this.records.values()].find((each) => each.versions.some((version) => version.sha256 === sha256));
    const record = found === undefined ? null : structuredClone(found);
    await this.beforeMissAnswer?.();
    return Response.json({ now: this.clock.now(), record });
  }
}

function problem(code: Parameters<typeof problemBody>[0]): Response {
  const body = problemBody(code);
  return Response.json(body, { status: body.status });
}

export interface Events {
  world: World;
  events: { level: string; event: string; fields: Record<string, unknown> | undefined }[];
}

export function worldOf(authority: AuthorityDouble, clock: Clock = authority.clock): Events {
  const events: Events["events"] = [];
  const log: Log = (level, event, fields) => void events.push({ level, event, fields });
  return { world: { clock, random, fetch: authority.fetch, log }, events };
}

export function newText(environment = "live", prefix = "mkt"): string {
  return makeKeyText(prefix, environment, random);
}

export function version(text: string, more: Partial<VersionRecord> = {}): VersionRecord {
  return { number: 1, state: "active", sha256: sha256Text(text), compromised: false, ...more };
}

export function keyRecord(
  key: string,
  versions: VersionRecord[],
  more: Partial<KeyRecord> = {},
): Omit<KeyRecord, "seq"> {
  return {
    key,
    consumer: "con_1",
    environment: "live",
    status: "active",
    scopes: ["market:read"],
    networks: [],
    current: 1,
    versions,
    ...more,
  };
}
