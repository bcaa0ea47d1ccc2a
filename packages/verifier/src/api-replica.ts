/**
 * One api in this process: its replica, the follower that keeps it level, the reports, and the decision on a presented
 * secret.
 *
 *     starting ──level with the authority──▶ answering ──close()──▶ closed
 *        │  └───authority unreachable, file within its lease──▲
 *        └──token or api refused──▶ closed, `ready` rejects
 *
 * A decision reads the monotonic clock once and compares it with the lease before anything else, so a process that was
 * stopped for an hour does not answer from an hour ago (I4).
 */
import {
  type Ask,
  digestKeyText,
  type Grant,
  judgeCode,
  sleep,
  type Verdict,
  type VerdictCode,
  verdictOf,
  type Welcome,
  type World,
  wouldRefuse,
} from "@keyover/core";
import { type Answer, AuthorityCalls, hostOf, type Refusal } from "./authority-calls.ts";
import type { ReplicaDisk } from "./disk.ts";
import { CachedReplica } from "./flat/cached-replica.ts";
import { FlatReplica } from "./flat/flat-replica.ts";
import { type Following, type FollowingParts, type Opened, OwnFollowing } from "./following.ts";
import { AuthorityClock, Lease } from "./lease.ts";
import { Limiter } from "./limits/limiter.ts";
import { PlanBook } from "./limits/plan-book.ts";
import { type MissCounts, Misses, type MissOutcome } from "./misses.ts";
import type { Replica } from "./replica.ts";
import { Reporter } from "./reporter.ts";
import { asGrant } from "./shapes.ts";
import { type Caller, Sightings } from "./sightings.ts";
import { type ApiEnds, ThreadFollowing } from "./threads/thread-following.ts";

export interface PresentedAsk extends Ask, Caller {}

export interface ApiOptions {
  urls: readonly string[];
  token: string;
  api: string;
  environment: string | undefined;
  instance: string | undefined;
  fallbackInstance: string;
  software: string;
  reportEveryMs: number | undefined;
  disk: ReplicaDisk | undefined;
  /** Keys to hold at most; undefined: all. */
  cacheKeys: number | undefined;
  /** The replica is another thread's. */
  ends: ApiEnds | undefined;
}

export interface ApiStatus {
  api: string;
  /** Of the api's keys; empty until it is known. */
  prefix: string;
  phase: string;
  /** The host, and port, of the authority that calls go to. */
  authority: string;
  /** Every feed entry up to here is applied. */
  seq: number;
  /** Entries that the authority has and this replica lacks, as far as is known. */
  lag: number;
  keys: number;
  stale: boolean;
  lease: { standing: "fresh" | "static" | "over"; remainingMs: number };
  pendingReports: number;
  /** Requests that were let through, and would be refused if the networks of keys in the mode `report` were enforced. */
  wouldRefuse: number;
  /** Decisions on keys that were not held, and what became of them. */
  misses: MissCounts;
  /** Of a verifier that holds some of the keys: decisions on keys that it held, and keys that it gave up for others. */
  cache?: { keysMax: number; hits: number; evictions: number } | undefined;
}

const CLOSE_MS = 2_000;
/** So often a key is asked for, if each answer is overtaken by the feed before it is here. */
const ASKS_MAX = 3;

export const MALFORMED: Verdict = Object.freeze({ valid: false, code: "malformed" });
export const STALE: Verdict = Object.freeze({ valid: false, code: "stale_replica" });
const UNKNOWN: Verdict = Object.freeze({ valid: false, code: "unknown" });
const WRONG_ENVIRONMENT: Verdict = Object.freeze({ valid: false, code: "wrong_environment" });

export class ApiReplica {
  readonly ready: Promise<void>;
  prefix = "";
  readonly #world: World;
  readonly #options: ApiOptions;
  readonly #calls: AuthorityCalls;
  readonly #clock: AuthorityClock;
  readonly #lease = new Lease();
  readonly #sightings: Sightings;
  readonly #replica: Replica;
  readonly #cache: CachedReplica | undefined;
  readonly #limiter: Limiter;
  readonly #misses: Misses;
  readonly #reporter: Reporter;
  readonly #following: Following;
  #apiId: string | undefined;
  #environment: string | undefined;
  #closed = false;
  #settleReady: { resolve(): void; reject(error: Error): void };
  #wouldRefuse = 0;
  #registered = false;
  #restored = false;
  /** What is asked of the replica and of `judgeCode`, one object for all decisions: none outlives its call. */
  readonly #asked: Ask = { environment: undefined, scope: undefined, network: undefined };

  constructor(world: World, options: ApiOptions) {
    this.#world = world;
    this.#options = options;
    this.#environment = options.environment;
    this.#calls = new AuthorityCalls(world, options);
    this.#clock = new AuthorityClock(world.clock);
    this.#sightings = new Sightings(world.clock.elapsed());
    const plans = new PlanBook();
    plans.log = (level, event, fields) => world.log(level, event, { api: options.api, ...fields });
    this.#limiter = new Limiter(world, this.#clock, plans);
    const { cacheKeys, ends, software } = options;
    const release = (slot: number) => this.#sightings.release(this.#replica, slot);
    const releaseAll = () => this.#sightings.releaseAll(this.#replica);
    const parts: FollowingParts = {
      world,
      calls: this.#calls,
      lease: this.#lease,
      clock: this.#clock,
      limiter: this.#limiter,
      software,
      onAck: (answer) => this.#toldTime(answer),
      onWelcome: (welcome, boot) => this.#welcomed(welcome, boot),
      onLateWelcome: (welcome, boot) => this.#reports(welcome, boot),
      onLevel: () => this.#settleReady.resolve(),
      onFailure: (refusal) => this.#failed(refusal),
      onGone: () => void this.close(),
    };
    this.#cache = cacheKeys === undefined ? undefined : new CachedReplica(cacheKeys, release, plans);
    this.#following =
      ends === undefined
        ? new OwnFollowing(this.#cache ?? new FlatReplica(release, plans), parts, options)
        : new ThreadFollowing(ends, parts, { plans, release, releaseAll });
    this.#replica = this.#following.replica;
    this.#misses = new Misses({
      world,
      calls: this.#calls,
      closed: () => this.#following.reconciling,
      epoch: () => this.#following.epoch,
      isCurrent: (digest, asOf) => this.#replica.isCurrent(digest, null, asOf),
    });
    this.#reporter = new Reporter({
      world,
      calls: this.#calls,
      clock: this.#clock,
      lease: this.#lease,
      limiter: this.#limiter,
      sightings: (timeOf) => this.#sightings.drain(this.#replica, world.clock.elapsed(), timeOf),
      applied: () => this.#following.acknowledged,
      onGrant: (answer) => this.#granted(answer),
      onBootOver: (boot, code) => this.#following.bootOver(boot, code),
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#settleReady = { resolve, reject };
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** As the verifier was told to call it. */
  get name(): string {
    return this.#options.api;
  }

  async start(): Promise<void> {
    const opened = await this.#following.open();
    if (opened !== undefined) {
      this.#restored = opened.restored;
      this.#serves(opened);
    }
    if (!this.#closed) this.#following.run();
  }

  /** What another thread of this process needs to read the replica. After `start` has answered. */
  share(): ApiEnds {
    const ends = this.#following instanceof OwnFollowing ? this.#following.share() : undefined;
    if (ends === undefined) throw new RangeError("this replica can't be read by one thread more");
    return ends;
  }

  /** The whole decision, or undefined if the authority must be asked. */
  verifyNow(text: string, digest: Int32Array, ask: PresentedAsk): Verdict | undefined {
    return this.#heldNow(digest, ask) ?? this.#missNow(text, digest, ask);
  }

  /** The decision by what is held, or that nothing may be decided; undefined if the key is not held. */
  #heldNow(digest: Int32Array, ask: PresentedAsk): Verdict | undefined {
    const at = this.#world.clock.elapsed();
    const fresh = at < this.#lease.until;
    if ((!fresh && this.#lease.standing(at) === "over") || this.#closed) return STALE;
    const slot = this.#replica.find(digest);
    if (slot < 0) return undefined;
    this.#replica.used(slot);
    const asked = this.#asked;
    asked.environment = ask.environment ?? this.#environment;
    asked.scope = ask.scope;
    asked.network = ask.network;
    const plain = this.#replica.isPlainlyOk(slot, asked);
    const code = plain ? "ok" : this.#judge(slot, asked, at);
    const warning = plain || code !== "ok" ? undefined : wouldRefuse(this.#replica.held(slot), asked);
    if (warning !== undefined) this.#wouldRefuse++;
    // Also of a request that its limits refuse: it came with a good version, whose holder uses it. Nobody may take that for silence (I3).
    this.#sightings.count(slot, ask, at, code === "ok");
    const plan = code === "ok" ? this.#replica.planAt(slot) : undefined;
    const limited = plan && this.#limiter.take(this.#replica, slot, plan, ask.cost, at);
    if (limited !== undefined && limited.code !== "ok") this.#sightings.limited(slot);
    if (code === "ok" && fresh && warning === undefined && (limited === undefined || limited.code === "ok"))
      return this.#replica.okVerdict(slot, limited?.limits);
    const verdict = verdictOf(this.#replica.held(slot), limited?.code ?? code, this.#clock.earliest(at));
    if (limited !== undefined) verdict.limits = limited.limits;
    if (limited?.retryAfterMs !== undefined) verdict.retryAfterMs = Math.ceil(limited.retryAfterMs);
    if (warning !== undefined && verdict.valid) verdict.wouldRefuse = warning;
    if (!fresh) verdict.stale = true;
    return Object.freeze(verdict);
  }

  #judge(slot: number, asked: Ask, at: number): VerdictCode {
    return judgeCode(this.#replica.held(slot), asked, this.#clock.earliest(at), this.#clock.latest(at));
  }

  /** After `verifyNow` answered undefined. */
  async verifyMiss(text: string, ask: PresentedAsk): Promise<Verdict> {
    const digest = new Int32Array(8);
    digestKeyText(text, digest);
    for (let asked = 1; ; asked++) {
      const outcome = await this.#misses.ask(digest, ask.network);
      const taken = await this.#take(digest, outcome);
      // Decided afresh: the feed may have brought the key meanwhile, or the lease may have run out.
      const verdict = this.#heldNow(digest, ask);
      if (verdict !== undefined) return verdict;
      if (taken === "believed") return UNKNOWN;
      if (taken === "nothing" || asked === ASKS_MAX) return STALE;
    }
  }

  /** `nothing`: there is no answer, or nobody to take it. `overtaken`: by the feed, so it says nothing either. */
  async #take(digest: Int32Array, outcome: MissOutcome): Promise<"believed" | "overtaken" | "nothing"> {
    if (outcome.code === "unavailable") return "nothing";
    const { record, plans } = outcome.code === "record" ? outcome : { record: null, plans: [] };
    if (!this.#replica.isCurrent(digest, record, outcome.asOf)) return "overtaken";
    // Of a verifier that is cut off nobody knows whether the feed's numbers are still the same ones.
    const fresh = this.#lease.standing(this.#world.clock.elapsed()) === "fresh";
    if (record === null) return "believed";
    return (await this.#following.bring({ record, plans, fresh })) ? "believed" : "nothing";
  }

  status(): ApiStatus {
    const at = this.#world.clock.elapsed();
    const standing = this.#closed ? "over" : this.#lease.standing(at);
    const end = standing === "static" ? this.#lease.staticUntil : this.#lease.until;
    const cache = this.#cache;
    return {
      api: this.#options.api,
      prefix: this.prefix,
      phase: this.#closed ? "closed" : this.#following.phase,
      authority: hostOf(this.#calls.url),
      seq: this.#replica.seq,
      lag: this.#following.lag,
      keys: this.#replica.size,
      stale: standing !== "fresh",
      lease: { standing, remainingMs: Math.max(0, end - at) },
      pendingReports: this.#reporter.pending,
      wouldRefuse: this.#wouldRefuse,
      misses: { ...this.#misses.counts },
      cache: cache && { keysMax: cache.keysMax, hits: cache.hits, evictions: cache.evictions },
    };
  }

  /** Answers nothing from now on; tells the authority so, if it can be told within two seconds. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#settleReady.reject(new Error("the verifier was closed before it was ready"));
    await Promise.race([this.#sayGoodbye(), sleep(this.#world.clock, CLOSE_MS)]);
    this.#following.stop();
    await this.#following.close();
  }

  /**
   * From its registration on the authority waits for a boot, for as long as it could answer: so a registration that is under way is waited
   * for, to be taken back.
   */
  #sayGoodbye(): Promise<void> {
    const { registering } = this.#following;
    if (registering === undefined) return this.#reporter.close();
    // It holds no stream yet, and needs none.
    this.#following.stop();
    return registering.then(() => this.#reporter.close());
  }

  #missNow(text: string, digest: Int32Array, ask: PresentedAsk): Verdict | undefined {
    const wanted = ask.environment ?? this.#environment;
    // The text says its environment itself: answering from it tells nobody whether the key exists.
    if (wanted !== undefined && !text.startsWith(`${this.prefix}_${wanted}_`)) return WRONG_ENVIRONMENT;
    const known = this.#misses.look(digest, ask.network);
    if (known === "ask") return undefined;
    return known === "unknown" ? UNKNOWN : STALE;
  }

  #toldTime(answer: Answer): Grant | undefined {
    const grant = asGrant(answer.body);
    if (grant !== undefined) this.#clock.heard(grant.now, answer.sentAt, answer.receivedAt);
    return grant;
  }

  #granted(answer: Answer): void {
    const grant = this.#toldTime(answer);
    if (grant === undefined) return;
    this.#lease.grant(grant, answer.sentAt, answer.receivedAt);
    this.#limiter.heard(grant, answer.receivedAt);
    this.#following.granted();
  }

  #welcomed(welcome: Welcome, boot: string): void {
    this.#registered = true;
    const problem = this.#environmentProblem(welcome);
    if (problem !== undefined) {
      this.#reports(welcome, boot);
      this.#refuse(problem);
      return;
    }
    if (this.#apiId !== undefined && this.#apiId !== welcome.api.id) {
      // Another api under the name of one that is gone. Its feed counts from 1 again; nothing of the old one may stay.
      this.#following.clear();
      this.#limiter.clear();
    }
    this.#serves(welcome);
    this.#limiter.heard(welcome, this.#world.clock.elapsed());
    this.#reports(welcome, boot);
  }

  #reports({ now, reportEveryMs }: Welcome, boot: string): void {
    this.#reporter.begin(boot, now, this.#options.reportEveryMs ?? reportEveryMs);
  }

  #serves({ api, environments }: Pick<Opened, "api" | "environments">): void {
    this.#apiId = api.id;
    this.prefix = api.prefix;
    this.#environment = this.#options.environment ?? (environments.length === 1 ? environments[0] : undefined);
  }

  #environmentProblem({ api, environments }: Welcome): string | undefined {
    const { environment } = this.#options;
    const covered = environments.join(", ");
    if (environment === undefined && environments.length === 1) return undefined;
    if (environment === undefined) {
      return `the token covers several environments of ${api.name} (${covered}); say which one this server serves: environment: "${environments[0]}"`;
    }
    if (environments.includes(environment)) return undefined;
    return `the token does not cover the environment "${environment}" of ${api.name}; it covers ${covered}`;
  }

  #failed(refusal: Refusal): void {
    const { api } = this.#options;
    const passing = refusal.status < 400 || refusal.status >= 500 || [408, 409, 410, 429].includes(refusal.status);
    if (!passing && !this.#registered) {
      this.#refuse(
        `the authority at ${this.#calls.url} refuses this verifier for the api "${api}": ${refusal.detail} (${refusal.code})`,
      );
      return;
    }
    if (this.#restored && this.#lease.standing(this.#world.clock.elapsed()) !== "over") {
      this.#world.log("warn", "verifier.from_disk", { api, seq: this.#replica.seq, reason: refusal.detail });
      this.#settleReady.resolve();
    }
  }

  /** Nothing that time would mend: `ready` says so, and the verifier stops. */
  #refuse(problem: string): void {
    this.#world.log("error", "verifier.refused", { api: this.#options.api, problem });
    this.#settleReady.reject(new Error(problem));
    void this.close();
  }
}
