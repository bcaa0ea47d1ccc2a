/**
 * A verifier of its own boot, with reports, lease and limits of its own, whose replica another thread of the process writes and keeps level.
 *
 *     register ──welcome──▶ serve ──the writer says how far it is──▶ acknowledge, be whole ──▶ …
 *        ▲                     │
 *        └──the boot is over───┘
 *
 * So to the authority each thread is a verifier: what holds of verifiers in processes holds of it, a thread that hangs or dies included. It takes no
 * snapshot and no feed, remembers nothing, and tells nothing after a restore: the writer does.
 *
 * What the writer says counts only while it follows the api and the epoch that this boot was registered for.
 */

import { makeHandle, type Registration, sleep, type Welcome } from "@keyover/core";
import { Acknowledger } from "../acknowledger.ts";
import { type Answer, ILL_FORMED, type Refusal } from "../authority-calls.ts";
import type { Brought, Following, FollowingParts, Opened } from "../following.ts";
import type { PlanBook } from "../limits/plan-book.ts";
import { asWelcome } from "../shapes.ts";
import { Tries } from "../tries.ts";
import { processTime } from "../world.ts";
import type { TableEnds } from "./table-share.ts";
import type { SharedLease, SharedState } from "./talk.ts";
import { ThreadReplica } from "./thread-replica.ts";

/** What a thread needs of one api to read its table. */
export interface ApiEnds {
  table: TableEnds;
  /** This verifier's name. */
  instance: string;
  state: SharedState;
  /** While the authority is away: what the writer found on its disk. */
  lease: SharedLease | undefined;
}

/** What the replica needs beside its table. */
export interface Releases {
  plans: PlanBook;
  /** Before a slot is taken from its version. */
  release(slot: number): void;
  releaseAll(): void;
}

/** The writer stands still: the caller is told so, and not that its key is unknown. */
const BRING_MS = 1_000;

export class ThreadFollowing implements Following {
  readonly replica: ThreadReplica;
  readonly #ends: ApiEnds;
  /** This thread's monotonic clock less the process's; a little too small, so that what was whole is not thought to be later than it was. */
  readonly #offset: number;
  readonly #parts: FollowingParts;
  readonly #tries: Tries;
  readonly #acknowledger: Acknowledger;
  #phase = "starting";
  #state: SharedState;
  #welcome: Welcome | undefined;
  #boot: string | undefined;
  /** What was whole before this boot was registered says nothing of what the authority waits for it with. */
  #wholeAfter = Number.POSITIVE_INFINITY;
  /** Once, with any boot. */
  #registered = false;
  #level = false;
  #closed = false;
  #registering: Promise<unknown> | undefined;

  constructor(ends: ApiEnds, parts: FollowingParts, releases: Releases) {
    const { world, calls, lease } = parts;
    this.#ends = ends;
    this.#parts = parts;
    this.#state = ends.state;
    this.#offset = world.clock.elapsed() - processTime();
    this.#tries = new Tries(world, calls, lease);
    const keeper = { kept: async () => this.#state.kept };
    this.#acknowledger = new Acknowledger({ ...parts, keeper }, (boot, code) => this.bootOver(boot, code));
    this.replica = new ThreadReplica({
      ...releases,
      ends: ends.table,
      onState: (state) => this.#moved(state),
      onGone: () => this.#gone(),
    });
    this.replica.seq = ends.state.seq;
    this.replica.size = ends.state.keys;
  }

  get phase(): string {
    return this.#closed ? "closed" : this.#phase;
  }

  get lag(): number {
    return this.#state.lag;
  }

  get acknowledged(): number {
    return this.#acknowledger.kept;
  }

  get reconciling(): boolean {
    return this.#welcome === undefined;
  }

  get epoch(): string {
    return this.#state.epoch;
  }

  get registering(): Promise<unknown> | undefined {
    return this.#registering;
  }

  async open(): Promise<Opened | undefined> {
    const { lease, clock, limiter } = this.#parts;
    const [{ api, environments }, found] = [this.#state, this.#ends.lease];
    if (found !== undefined) {
      clock.restore(found.authorityNow + (processTime() - found.at));
      limiter.restore(found.verifiers ?? 1);
      lease.restore(found, this.#localOf(found.until));
    }
    return api && { api, environments, restored: found !== undefined };
  }

  run(): void {
    void this.#run();
  }

  bring(brought: Brought): Promise<boolean> {
    const late = sleep(this.#parts.world.clock, BRING_MS).then(() => false);
    return Promise.race([this.replica.bring(brought), late]);
  }

  granted(): void {}

  clear(): void {
    // The writer does: its table is of the api that it follows.
  }

  bootOver(boot: string, code: string): void {
    if (boot !== this.#boot) return;
    const { world, lease } = this.#parts;
    world.log("warn", "follower.boot_over", { boot, code });
    this.#serve(undefined);
    if (code !== "clock_stepped" && code !== "reconciling") lease.end(world.clock.elapsed());
    void this.#run();
  }

  stop(): void {
    this.#closed = true;
    this.#serve(undefined);
  }

  async close(): Promise<void> {
    this.replica.close();
  }

  async #run(): Promise<void> {
    this.#phase = "registering";
    while (!this.#closed && this.#boot === undefined) {
      const registering = this.#register().finally(() => {
        this.#registering = undefined;
      });
      this.#registering = registering;
      const answer = await registering;
      if (answer === undefined || this.#closed) return;
      this.#phase = "waiting";
      const { code, detail, elsewhere } = answer;
      this.#parts.world.log("info", "follower.failed", { step: "register", code, detail });
      this.#parts.onFailure(answer);
      await this.#tries.next(elsewhere);
    }
  }

  /** The refusal, if it is one. */
  async #register(): Promise<Refusal | undefined> {
    const { world, calls, clock, lease, software } = this.#parts;
    const boot = makeHandle("boot", world.clock.now(), world.random);
    const registration: Registration = { boot, instance: this.#ends.instance, software };
    const answer: Answer | Refusal = await calls.post("verifiers", registration, this.#tries.patience.callMs);
    if (!answer.ok) return answer;
    const welcome = asWelcome(answer.body);
    if (welcome === undefined) return ILL_FORMED;
    this.#tries.succeeded();
    clock.heard(welcome.now, answer.sentAt, answer.receivedAt);
    if (this.#closed) {
      this.#parts.onLateWelcome(welcome, boot);
      return undefined;
    }
    lease.grant(welcome, answer.sentAt, answer.receivedAt);
    this.#welcome = welcome;
    this.#registered = true;
    this.#wholeAfter = answer.receivedAt;
    this.#serve(boot);
    this.#phase = "following";
    this.#parts.onWelcome(welcome, boot);
    this.#moved(this.#state);
    return undefined;
  }

  #serve(boot: string | undefined): void {
    this.#boot = boot;
    if (boot === undefined) this.#welcome = undefined;
    this.#acknowledger.serve(boot);
  }

  #moved(state: SharedState): void {
    this.#state = state;
    const { api, epoch, level, wholeAt, awaited, lease } = state;
    const welcome = this.#welcome;
    // It lives by the writer's lease until it has one of its own; the authority may have shortened that.
    if (this.#ends.lease !== undefined && !this.#registered && lease !== undefined)
      this.#parts.lease.restore(lease, this.#localOf(lease.until));
    if (welcome === undefined || !level || api?.id !== welcome.api.id || epoch !== welcome.epoch) return;
    const whole = this.#localOf(wholeAt);
    if (whole < this.#wholeAfter) return;
    this.#parts.lease.whole(whole);
    this.#acknowledger.moved(welcome.asks === true ? awaited : state.kept);
    if (this.#level) return;
    this.#level = true;
    this.#parts.onLevel();
  }

  #localOf(at: number): number {
    return at + this.#offset;
  }

  /** Nobody keeps the table level any more. */
  #gone(): void {
    if (this.#closed) return;
    this.#parts.world.log("warn", "threads.writer_gone", {});
    this.#parts.onGone();
  }
}
