/**
 * Keeps a replica level with the authority's feed.
 *
 *     register ──welcome──▶ snapshot ──whole──▶ follow ──stream ends, is silent, has a gap──▶ follow (from what is held)
 *      ▲ ▲ │                   ▲                  │
 *      │ │ └──another epoch────┤                  │
 *      │ └──reconciling: tell what is remembered  ├─feed_compacted──▶ snapshot
 *      └─────boot is over (from any call)─────────┤
 *                                                 └─feed_ahead──▶ follow: ask again, until the feed is there
 *
 * Each authority is tried at once, then there are pauses (tries.ts). Order that matters: an entry is applied, then written to
 * disk, then acknowledged. A snapshot that was cut off is thrown away whole.
 *
 * A boot that the authority does not know has no lease. One that ends for another reason (the database was restored, a clock was
 * set) keeps what was granted to it until that is over by itself; the replica stays in any case.
 *
 * A cache takes no snapshot but its head: it forgets what it held, and begins there.
 *
 * A feed whose numbers went back is asked for again and again, and nothing goes back with it (history.ts).
 */
import { makeHandle, type Registration, sleep, type Welcome } from "@keyover/core";
import { Acknowledger, type AcknowledgerParts } from "./acknowledger.ts";
import { type Answer, ILL_FORMED, type OpenStream, type Refusal, readText } from "./authority-calls.ts";
import { FeedReader, type FeedReaderParts } from "./feed-reader.ts";
import { FollowedHistory } from "./history.ts";
import { RememberedUpload } from "./remembered.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import { asWelcome } from "./shapes.ts";
import { SnapshotReader, type Wants } from "./snapshot-reader.ts";
import { Tries } from "./tries.ts";

/** Records put between two looks at other work: about 2 ms. */
const PUTS_AT_ONCE = 1_000;
/** So many gaps in a row that a reconnection did not heal ask for a snapshot. */
const GAPS_MAX = 3;
/** A boot or a stream that was over sooner than this is no reason to hurry: something is wrong. */
const LIVED_MS = 500;
/** What ends a boot, but not what was granted to it. */
const KEEPS_LEASE = ["reconciling", "clock_stepped"];

export type FollowerPhase = "starting" | "registering" | "snapshot" | "following" | "waiting" | "closed";

export interface FollowerParts extends AcknowledgerParts, FeedReaderParts {
  keeper: ReplicaKeeper;
  software: string;
  instance: string;
  /** The boot that a file names, of a process that is dead because we hold its lock. */
  replaces: string | undefined;
  onWelcome: (welcome: Welcome, boot: string) => void;
  /** The authority has registered this boot, which was stopped meanwhile. */
  onLateWelcome: (welcome: Welcome, boot: string) => void;
  /** The replica is whole by a snapshot. */
  onLevel: () => void;
  /** More is applied, or known to be whole. Somebody waits for what is applied at `awaited`. */
  onMoved: (awaited: number) => void;
  /** The first word from the authority, or none: each failed step before the replica was ever level. */
  onFailure: (refusal: Refusal) => void;
}

/** What to do next. */
interface Step {
  again: "register" | "snapshot" | "follow";
  /** It brought something. */
  progress: boolean;
  /** Another authority may do better. */
  elsewhere: boolean;
}

export class Follower {
  readonly #parts: FollowerParts;
  readonly #tries: Tries;
  readonly #acknowledger: Acknowledger;
  readonly #remembered: RememberedUpload;
  readonly #history: FollowedHistory;
  #phase: FollowerPhase = "starting";
  #closed = false;
  #boot: string | undefined;
  #epoch = "";
  /** The authority says which entries somebody waits for. */
  #asks = false;
  /** It was said once that the authority is not there. */
  #saidWaiting = false;
  #registeredAt = Number.POSITIVE_INFINITY;
  #replaces: string | undefined;
  #level = false;
  #reconciling = false;
  #gaps = 0;
  #lastSeq = 0;
  #abort: AbortController | undefined;
  #registering: Promise<Step> | undefined;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#tries = new Tries(parts.world, parts.calls, parts.lease);
    this.#acknowledger = new Acknowledger(parts, (boot, code) => this.bootOver(boot, code));
    this.#remembered = new RememberedUpload(parts);
    this.#history = new FollowedHistory(parts.world, parts.replica);
    this.#replaces = parts.replaces;
  }

  /**
   * The authority compares what we hold with a restored database. Until it has, nothing may come in by the side: its numbers
   * may be of another epoch.
   */
  get reconciling(): boolean {
    return this.#reconciling;
  }

  /** Settles when the registration that is under way was answered, or given up. */
  get registering(): Promise<unknown> | undefined {
    return this.#registering;
  }

  get phase(): FollowerPhase {
    return this.#phase;
  }

  /** Every entry up to here is applied, and on disk if there is one; the authority was or will be told. */
  get acknowledged(): number {
    return this.#acknowledger.kept;
  }

  /** The feed's last number that we have heard of, less what is applied. */
  get lag(): number {
    return Math.max(0, this.#lastSeq - this.#parts.replica.seq);
  }

  async run(): Promise<void> {
    const { clock } = this.#parts.world;
    let step: Step["again"] = "register";
    while (!this.#closed) {
      const beganAt = clock.elapsed();
      const { again, progress, elsewhere }: Step = await this.#take(step);
      if (this.#closed) return;
      const onward = progress && again !== step;
      step = this.#boot === undefined ? "register" : again;
      if (progress) this.#tries.succeeded();
      // A boot that lived and is over: the next registers at once.
      if (onward || (this.#boot === undefined && this.#lived())) continue;
      this.#phase = "waiting";
      const flickered = progress && clock.elapsed() - beganAt < LIVED_MS;
      await this.#tries.next(elsewhere && !flickered);
    }
  }

  /** From now on this boot says nothing more: register another at once. */
  bootOver(boot: string, code: string): void {
    if (boot !== this.#boot) return;
    const { world, lease } = this.#parts;
    world.log("warn", "follower.boot_over", { boot, code });
    this.#serve(undefined);
    if (!KEEPS_LEASE.includes(code)) lease.end(world.clock.elapsed());
    this.#abort?.abort();
  }

  close(): void {
    this.#closed = true;
    this.#phase = "closed";
    this.#serve(undefined);
    this.#abort?.abort();
  }

  #serve(boot: string | undefined): void {
    this.#boot = boot;
    this.#acknowledger.serve(boot);
  }

  #take(step: Step["again"]): Promise<Step> {
    if (step !== "register") return step === "snapshot" ? this.#snapshot() : this.#follow();
    this.#registering = this.#register().finally(() => {
      this.#registering = undefined;
    });
    return this.#registering;
  }

  async #register(): Promise<Step> {
    const { world, calls, clock, lease, keeper, replica, software, instance } = this.#parts;
    this.#phase = "registering";
    const boot = makeHandle("boot", world.clock.now(), world.random);
    const registration: Registration = { boot, instance, software };
    if (this.#replaces !== undefined) registration.replaces = this.#replaces;
    if (keeper.newest > 0) registration.holds = { epoch: keeper.epoch, seq: keeper.newest, followed: keeper.followed };
    const { callMs } = this.#tries.patience;
    const answer = await calls.post("verifiers", registration, callMs);
    if (!answer.ok && answer.restored !== undefined) {
      this.#reconciling = true;
      await this.#remembered.tell(answer.restored, callMs, () => !this.#closed);
    }
    const welcome = answer.ok ? asWelcome(answer.body) : undefined;
    if (!answer.ok || welcome === undefined) return this.#failed(answer, "register");
    clock.heard(welcome.now, answer.sentAt, answer.receivedAt);
    if (this.#closed) {
      this.#parts.onLateWelcome(welcome, boot);
      return forward("register");
    }
    lease.grant(welcome, answer.sentAt, answer.receivedAt);
    replica.keepEnvironments(welcome.environments);
    keeper.registered(welcome, boot);
    this.#serve(boot);
    this.#reconciling = false;
    this.#registeredAt = answer.sentAt;
    this.#replaces = undefined;
    this.#remembered.forget();
    this.#asks = welcome.asks === true;
    if (welcome.epoch !== this.#epoch) this.#history.whole();
    this.#epoch = welcome.epoch;
    this.#parts.onWelcome(welcome, boot);
    // Numbers of another epoch, or of another api under the same name, say nothing of this feed.
    const follows = this.#level && keeper.epoch === welcome.epoch && replica.seq > 0;
    if (!follows) this.#lastSeq = 0;
    return forward(follows ? "follow" : "snapshot");
  }

  async #snapshot(): Promise<Step> {
    const { world, calls, clock, lease, replica, keeper } = this.#parts;
    this.#phase = "snapshot";
    const boot = this.#boot;
    const abort = this.#newAbort();
    const { callMs, snapshotMs } = this.#tries.patience;
    const wants = this.#wants();
    const path = wants === "none" ? "snapshot?keys=none" : "snapshot";
    const stream = await calls.open(path, "application/x-ndjson", abort, callMs);
    if (!stream.ok) return this.#failed(stream, "snapshot");
    const snapshot = new SnapshotReader(({ seq }) => seq >= replica.seq, wants);
    const silenceMs = () => snapshotMs;
    await readText(world, stream.chunks, abort, silenceMs, (text) => snapshot.push(text));
    if (boot === undefined || boot !== this.#boot) return { again: "register", progress: false, elsewhere: false };
    const { head, problem, records } = snapshot;
    if (head !== undefined && head.seq < replica.seq) return this.#failed(this.#behindAt(head.seq), "snapshot");
    if (head === undefined || problem !== undefined) {
      return this.#failed(calls.lost(stream, problem ?? "the snapshot has no head"), "snapshot");
    }
    const present = new Set(records.map(({ key }) => key));
    const contradictions = this.#history.contradictions(records, present, head.seq);
    if (contradictions > 0 && keeper.epoch === this.#epoch) {
      this.#history.another(`of ${contradictions} keys the feed has older records at ${head.seq} than it had before`);
      return this.#failed(this.#behindAt(head.seq), "snapshot");
    }
    if (contradictions > 0) world.log("error", "follower.not_reconciled", { keys: contradictions });
    keeper.behind();
    // Before the keys that name them.
    replica.plans.settle(head.seq, head.plans ?? []);
    for (const [i, record] of records.entries()) {
      replica.put(record);
      if (i % PUTS_AT_ONCE === PUTS_AT_ONCE - 1) await sleep(world.clock, 0);
    }
    replica.settle(head.seq, present);
    this.#history.whole();
    this.#heardSeq(head.seq);
    lease.whole(clock.localOf(head.now));
    keeper.snapshotTaken(this.#epoch);
    // Some were changed while it was sent, and are newer than its head.
    for (const record of records) keeper.holdsToo(record);
    this.#level = true;
    this.#parts.onLevel();
    this.#moved(replica.seq);
    return forward("follow");
  }

  /** A cache begins empty at the feed's head. Only where the feed's numbers went back it compares all that it holds. */
  #wants(): Wants {
    const { replica } = this.#parts;
    if (replica.isWhole) return "all";
    return this.#history.state === "whole" ? "none" : ({ key }) => replica.seqOf(key) !== undefined;
  }

  async #follow(): Promise<Step> {
    const { world, calls, replica } = this.#parts;
    const boot = this.#boot;
    if (boot === undefined) return forward("register");
    this.#phase = "following";
    const abort = this.#newAbort();
    const from = replica.seq;
    const path = `feed?after=${from}&boot=${encodeURIComponent(boot)}`;
    const stream = await calls.open(path, "text/event-stream", abort, this.#tries.patience.callMs);
    if (!stream.ok) return this.#failed(stream, "follow");
    if (this.#history.state !== "whole") {
      abort.abort();
      stream.chunks.cancel().catch(() => undefined);
      if (this.#history.state === "behind") return forward("snapshot");
      return { again: "follow", progress: false, elsewhere: false };
    }
    const feed = new FeedReader(this.#parts);
    const end = await this.#read(stream, feed, abort, boot);
    const { trouble, heard } = feed;
    world.log("info", "follower.disconnected", { end, trouble });
    const ours = end === "stopped" || this.#boot !== boot || this.#closed;
    const elsewhere = !ours && calls.lost(stream, `the feed's stream: ${end}`).elsewhere;
    this.#gaps = trouble === undefined || replica.seq > from ? 0 : this.#gaps + 1;
    if (this.#gaps < GAPS_MAX) return { again: "follow", progress: heard && trouble === undefined, elsewhere };
    this.#gaps = 0;
    return { again: "snapshot", progress: false, elsewhere: false };
  }

  /** Until the stream is over, or something is wrong with it. */
  #read(stream: OpenStream, feed: FeedReader, abort: AbortController, boot: string) {
    const silenceMs = () => this.#tries.patience.feedMs;
    return readText(this.#parts.world, stream.chunks, abort, silenceMs, (text) => {
      feed.push(text);
      if (feed.heard) this.#tries.succeeded();
      this.#heardSeq(feed.lastSeq);
      this.#moved(this.#asks ? feed.awaited : this.#parts.replica.seq);
      return feed.trouble === undefined && this.#boot === boot;
    });
  }

  #moved(awaited: number): void {
    this.#acknowledger.moved(awaited);
    this.#parts.onMoved(awaited);
  }

  /** Once for each registration. */
  #lived(): boolean {
    const lived = this.#parts.world.clock.elapsed() - this.#registeredAt > LIVED_MS;
    this.#registeredAt = Number.POSITIVE_INFINITY;
    return lived;
  }

  #heardSeq(seq: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, seq);
  }

  #failed(answer: Answer | Refusal, step: Step["again"]): Step {
    const { world, onFailure } = this.#parts;
    const refusal = answer.ok ? ILL_FORMED : answer;
    const { code, detail, elsewhere } = refusal;
    if (this.#closed || (this.#boot === undefined && step !== "register")) {
      return { again: "register", progress: false, elsewhere: false };
    }
    const first = this.#boot === undefined && !this.#saidWaiting;
    this.#saidWaiting ||= first;
    world.log(first ? "warn" : "info", "follower.failed", { step, code, detail });
    if ((code === "unknown_boot" || code === "reconciling") && this.#boot !== undefined) {
      this.bootOver(this.#boot, code);
      return { again: "register", progress: false, elsewhere: false };
    }
    onFailure(refusal);
    if (code === "feed_compacted") return { again: "snapshot", progress: false, elsewhere };
    if (code !== "feed_ahead") return { again: step, progress: false, elsewhere };
    this.#history.behind(detail);
    // Asked again with growing pauses: an authority that is restored as it should be says `reconciling` then.
    return { again: "follow", progress: false, elsewhere: false };
  }

  #behindAt(seq: number): Refusal {
    const detail = `the feed is at ${seq}; ${this.#parts.replica.seq} is held`;
    return { ok: false, code: "feed_ahead", status: 409, detail, elsewhere: false };
  }

  #newAbort(): AbortController {
    this.#abort = new AbortController();
    if (this.#closed) this.#abort.abort();
    return this.#abort;
  }
}

function forward(again: Step["again"]): Step {
  return { again, progress: true, elsewhere: false };
}
