/**
 * An authority in memory behind `fetch`. It speaks wire.ts and nothing more, keeps what it was told, and can be cut off, lose
 * answers, cut snapshots, go silent, be restored from a backup.
 *
 * It is as many processes on one database as there are hosts that it is called by. Each can be killed, stopped (it takes
 * connections and says nothing) and started again, and has a clock of its own.
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
  type PlanRecord,
  problemBody,
  type Registration,
  type Remembered,
  type Report,
  type StalenessPolicy,
  sha256Text,
  type VersionRecord,
  type World,
} from "@keyover/core";
import { Settling } from "./limits/settling.test-support.ts";

const random = (length: number): Uint8Array => randomBytes(length);
interface BootState {
  instance: string;
  replaces: string | undefined;
  holds: Registration["holds"];
  coveredTo: number;
  n: number;
  applied: number;
  closed: boolean;
}

/** One process of the authority. */
interface Host {
  name: string;
  state: "up" | "killed" | "stopped";
  /** How far its clock is from the tests' clock. */
  aheadMs: number;
}

interface Follower {
  host: Host;
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
  /** Those of them that were not refused, each once. */
  readonly counted: Report[] = [];
  readonly calls: string[] = [];
  readonly missed: string[] = [];
  readonly remembered: Remembered[] = [];
  /** What the last registration that was refused said to hold. */
  refusedHolds: Registration["holds"];
  epoch = "epoch-1";
  /** The database is restored: this is what every refusal carries. */
  reconciling: { after: number; epoch?: string } | undefined;
  /** How far all its clocks are from the tests' clock. */
  aheadMs = 0;
  beats = true;
  /** A follower that has caught up is told so at once, and not at the next second. */
  beatsAtOnce = true;

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
  /** The next snapshot began at this number: what came later is in it by chance. */
  beganAt: number | undefined;
  /** The next snapshot ends after so many lines. */
  cutAfter: number | undefined;
  /** Answers every call with this status and code. */
  refuse: { status: number; code: "unauthenticated" | "forbidden" | "not_found" | "conflict" } | undefined;
  /** Misses are answered by a process that still sees this. */
  lagging: { seq: number; records: KeyRecord[] } | undefined;
  /** An authority of before there was cache mode. */
  older = false;
  /** It says which entries somebody waits for: `write` and `push` with `awaited`. */
  asks = false;
  /** Before a miss is answered. */
  beforeMissAnswer: (() => Promise<void>) | undefined;
  latencyMs = 0;
  readonly limits: Settling = new Settling();
  #followers = new Set<Follower>();
  #hosts = new Map<string, Host>();

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

  host(name: string): Host {
    const known = this.#hosts.get(name);
    if (known !== undefined) return known;
    const host: Host = { name, state: "up", aheadMs: 0 };
    this.#hosts.set(name, host);
    return host;
  }

  /** As `kill -9` does: connections break, new ones are refused. */
  kill(name: string): void {
    this.host(name).state = "killed";
    for (const follower of this.#followersOf(name)) follower.abort();
  }

  /** As SIGSTOP does: connections are taken and stay open, and nothing is said. */
  stop(name: string): void {
    this.host(name).state = "stopped";
  }

  /** A new process in its place; whoever was still connected to the old one is not any more. */
  start(name: string): void {
    for (const follower of this.#followersOf(name)) follower.abort();
    this.host(name).state = "up";
  }

  /** All that a backup holds. */
  backup(): () => void {
    const { seq, log } = this;
    const [records, kept] = [structuredClone([...this.records]), structuredClone(log)];
    return () => {
      this.seq = seq;
      this.log = structuredClone(kept);
      this.records.clear();
      for (const [key, record] of structuredClone(records)) this.records.set(key, record);
      this.boots.clear();
      this.hangUp();
    };
  }

  /** Ends the comparison: a new epoch, numbers beyond all that was heard of, and these records written anew. */
  reconcile(epoch: string, records: Omit<KeyRecord, "seq">[]): void {
    this.reconciling = undefined;
    this.epoch = epoch;
    const marks = [this.seq, ...this.remembered.map(({ seq }) => seq)];
    this.seq = Math.max(...marks) + 1_000;
    this.log = [];
    for (const record of records) this.write(record);
  }

  /** Writes a key; its secrets' texts are the caller's. */
  write(record: Omit<KeyRecord, "seq">, awaited?: true): KeyRecord {
    const whole: KeyRecord = structuredClone({ seq: ++this.seq, ...record });
    this.records.set(whole.key, whole);
    this.push({ seq: whole.seq, record: whole, ...(awaited && { awaited }) });
    return whole;
  }

  /** Makes or changes a plan. */
  writePlan(plan: Omit<PlanRecord, "seq">): void {
    const record = structuredClone({ seq: ++this.seq, ...plan });
    const { plans } = this.limits;
    plans.splice(0, plans.length, ...plans.filter((each) => each.plan !== plan.plan), record);
    this.push({ seq: record.seq, plan: record });
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

  #followersOf(name: string): Follower[] {
    const all = [...this.#followers].filter((follower) => follower.host.name === name);
    for (const follower of all) this.#followers.delete(follower);
    return all;
  }

  #now(host: Host): number {
    return this.clock.now() + this.aheadMs + host.aheadMs;
  }

  #send(follower: Follower, event: string, data: object): void {
    if (!this.silent && !this.down && follower.host.state === "up")
      follower.send(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #beat(): void {
    this.clock.after(1_000, () => {
      for (const each of this.#followers) this.#beatFor(each);
      this.#beat();
    });
  }

  #beatFor(follower: Follower): void {
    if (this.beats) this.#send(follower, "beat", { seq: this.seq, now: this.#now(follower.host) });
  }

  /** A caller that gives up hears nothing more; what it asked for may be done all the same. */
  fetch: typeof globalThis.fetch = (input, init) => {
    const gaveUp = new Promise<never>((_, refuse) => {
      init?.signal?.addEventListener("abort", () => refuse(new DOMException("aborted", "AbortError")));
    });
    const answer = this.#answer(input, init);
    answer.catch(() => undefined);
    return Promise.race([gaveUp, answer]);
  };

  #answer: typeof globalThis.fetch = async (input, init) => {
    const url = new URL(input as string);
    const host = this.host(url.hostname);
    const name = url.pathname.split("/").at(-1) as string;
    const signal = init?.signal ?? undefined;
    this.calls.push(name);
    await this.#travel(host, "ECONNREFUSED");
    if (this.refuse !== undefined) return problem(this.refuse.code);
    const body = typeof init?.body === "string" ? JSON.parse(init.body) : undefined;
    if (this.reconciling !== undefined && name !== "remembered") {
      if (name === "verifiers") this.refusedHolds = (body as Registration).holds;
      return problem("reconciling", this.reconciling);
    }
    const response = await this.#handle(host, name, url, body, signal);
    await this.#travel(host, "ECONNRESET");
    if (init?.method === "POST" && this.lostAnswers > 0) {
      this.lostAnswers--;
      throw new TypeError("fetch failed", { cause: { code: "ECONNRESET" } });
    }
    return response;
  };

  async #travel(host: Host, code: string): Promise<void> {
    if (this.latencyMs > 0) await new Promise<void>((go) => this.clock.after(this.latencyMs, go));
    if (host.state === "stopped") await new Promise(() => {});
    if (this.down || host.state === "killed") throw new TypeError("fetch failed", { cause: { code } });
  }

  async #handle(host: Host, name: string, url: URL, body: unknown, signal: AbortSignal | undefined): Promise<Response> {
    if (name === "verifiers" && this.full) throw new TypeError("fetch failed");
    if (name === "verifiers") return this.#register(host, body as Registration);
    if (name === "snapshot") return this.#snapshot(host, url.searchParams.get("keys") === "none" && !this.older);
    if (name === "feed") return this.#feed(host, url, signal);
    if (name === "acks") return this.#ack(host, body as Ack);
    if (name === "reports") return this.#report(host, body as Report);
    if (name === "misses") return await this.#miss(host, (body as { sha256: string }).sha256);
    if (name === "remembered") this.remembered.push(body as Remembered);
    return name === "remembered" ? Response.json({}) : problem("not_found");
  }

  #grant(host: Host) {
    return { now: this.#now(host), verifiers: this.limits.verifiers, ...this.policy };
  }

  #register(host: Host, { boot, instance, replaces, holds }: Registration): Response {
    const grant = this.#grant(host);
    this.boots.set(boot, { instance, replaces, holds, coveredTo: grant.now, n: 0, applied: -1, closed: false });
    const api = { id: this.id, name: "market", prefix: this.prefix };
    const { environments, epoch } = this;
    const asks = this.asks ? { asks: true } : {};
    return Response.json({ ...grant, api, environments, epoch, reportEveryMs: 1_000, ...asks });
  }

  #snapshot(host: Host, bare: boolean): Response {
    const records = bare ? [] : [...this.records.values()];
    const head = { seq: this.beganAt ?? this.seq, now: this.#now(host), plans: this.limits.plans };
    const lines = [head, ...records, { end: this.endsAt ?? records.length }];
    this.endsAt = undefined;
    this.beganAt = undefined;
    const sent = this.cutAfter === undefined ? lines : lines.slice(0, this.cutAfter);
    this.cutAfter = undefined;
    return new Response(sent.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }

  #feed(host: Host, url: URL, signal: AbortSignal | undefined): Response {
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
          host,
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
    if (this.beatsAtOnce) this.#beatFor(follower!);
    return new Response(stream);
  }

  #ack(host: Host, { boot, applied }: Ack): Response {
    const state = this.boots.get(boot);
    if (state === undefined || state.closed) return problem("unknown_boot");
    if (applied > this.seq) return problem("feed_ahead");
    state.applied = Math.max(state.applied, applied);
    return Response.json(this.#grant(host));
  }

  #report(host: Host, report: Report): Response {
    const state = this.boots.get(report.boot);
    if (state === undefined || state.closed) return problem("unknown_boot");
    this.reports.push(report);
    if (report.applied > this.seq) return problem("feed_ahead");
    const answer = () => ({ ...this.#grant(host), limits: this.limits.told(report, this.#now(host)) });
    if (report.n === state.n) return Response.json(answer());
    if (report.to > this.#now(host) + 2_000) return problem("unknown_boot");
    if (report.n !== state.n + 1 || report.from !== state.coveredTo || report.to < report.from)
      return problem("report_gap");
    this.counted.push(report);
    state.n = report.n;
    state.coveredTo = report.to;
    state.applied = Math.max(state.applied, report.applied);
    state.closed = report.final === true;
    this.limits.settle(report, this.#now(host));
    if (state.closed) this.limits.ended.add(report.boot);
    return Response.json(answer());
  }

  async #miss(host: Host, sha256: string): Promise<Response> {
    this.missed.push(sha256);
    const { seq, records } = this.lagging ?? { seq: this.seq, records: [...this.records.values()] };
    const found = records.find((each) => each.versions.some((version) => version.sha256 === sha256));
    const record = found === undefined ? null : structuredClone(found);
    const isItsOwn = (each: PlanRecord) =>
      found?.plan === undefined ? each.default === true : each.plan === found.plan;
    const plans = found === undefined ? [] : structuredClone(this.limits.plans.filter(isItsOwn));
    await this.beforeMissAnswer?.();
    const answer = { now: this.#now(host), epoch: this.epoch, record };
    return Response.json(this.older ? answer : { ...answer, seq, plans });
  }
}

function problem(code: Parameters<typeof problemBody>[0], members: object = {}): Response {
  const body = problemBody(code, undefined, { ...members });
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
