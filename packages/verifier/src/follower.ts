/**
 * Keeps a replica level with the authority's feed.
 *
 *     register ──welcome──▶ snapshot ──whole──▶ follow ──stream ends, is silent, has a gap──▶ follow (from what is held)
 *        ▲                     ▲                  │
 *        │                     └─feed_ahead, ─────┤
 *        │                       feed_compacted   │
 *        └──────────unknown_boot, report_gap──────┘   (from any call; the lease is over at once, the replica stays)
 *
 * Before each repeated step it waits 50 ms to 5 s, doubling, with jitter; a step that succeeded sets the wait back. Order that
 * matters: an entry is applied, then written to disk, then acknowledged. A snapshot that was cut off is thrown away whole.
 */
import {
  type Ack,
  jittered,
  type KeyRecord,
  makeHandle,
  type Registration,
  sleep,
  type Welcome,
  type World,
} from "@keyover/core";
import { type Answer, type AuthorityCalls, type Refusal, readText } from "./authority-calls.ts";
import type { AuthorityClock, Lease } from "./lease.ts";
import type { Replica } from "./replica.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import { asBeat, asEntry, asRecord, asSnapshotEnd, asSnapshotHead, asWelcome, parseJson } from "./shapes.ts";
import { EventParser } from "./sse.ts";
import { LineSplitter } from "./text-lines.ts";

const TIMEOUT_MS = 5_000;
const SNAPSHOT_SILENCE_MS = 10_000;
const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 5_000;
/** Records put between two looks at other work: about 2 ms. */
const PUTS_AT_ONCE = 1_000;
/** So many gaps in a row that a reconnection did not heal ask for a snapshot. */
const GAPS_MAX = 3;

/** A boot that was over sooner than this is no reason to hurry: something is wrong. */
const LIVED_MS = 500;

export type FollowerPhase = "starting" | "registering" | "snapshot" | "following" | "waiting" | "closed";

export interface FollowerParts {
  world: World;
  calls: AuthorityCalls;
  clock: AuthorityClock;
  lease: Lease;
  replica: Replica;
  keeper: ReplicaKeeper;
  software: string;
  instance: string;
  /** The boot that a file names, of a process that is dead because we hold its lock. */
  replaces: string | undefined;
  /** The answer to an acknowledgement tells the time. It renews no lease: only a report does, because that is durable. */
  onAck: (answer: Answer) => void;
  onWelcome: (welcome: Welcome, boot: string) => void;
  /** The replica is whole for the first time in this boot. */
  onLevel: () => void;
  /** The first word from the authority, or none: each failed step before the replica was ever level. */
  onFailure: (refusal: Refusal) => void;
}

/** What to do next, and whether the step brought something (which sets the wait back). */
type Step = { again: "register" | "snapshot" | "follow"; progress: boolean };

export class Follower {
  readonly #parts: FollowerParts;
  #phase: FollowerPhase = "starting";
  #closed = false;
  #boot: string | undefined;
  /** It was said once that the authority is not there. */
  #saidWaiting = false;
  #registeredAt = Number.POSITIVE_INFINITY;
  #replaces: string | undefined;
  #level = false;
  #back = false;
  #gaps = 0;
  #lastSeq = 0;
  #abort: AbortController | undefined;
  #acknowledging = false;
  #acknowledged = -1;
  #kept = 0;
  #silenceMs = TIMEOUT_MS;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#replaces = parts.replaces;
  }

  get phase(): FollowerPhase {
    return this.#phase;
  }

  /** Every entry up to here is applied, and on disk if there is one; the authority was or will be told. */
  get acknowledged(): number {
    return Math.max(0, this.#kept);
  }

  /** The feed's last number that we have heard of, less what is applied. */
  get lag(): number {
    return Math.max(0, this.#lastSeq - this.#parts.replica.seq);
  }

  async run(): Promise<void> {
    const { world } = this.#parts;
    let step: Step["again"] = "register";
    let delayMs = BACKOFF_MIN_MS;
    while (!this.#closed) {
      const { again, progress }: Step = await this.#take(step);
      if (this.#closed) return;
      const onward = progress && again !== step;
      step = this.#boot === undefined ? "register" : again;
      if (progress) delayMs = BACKOFF_MIN_MS;
      // A boot that lived and is over leaves us without a lease: the next registers at once.
      if (onward || (this.#boot === undefined && this.#lived())) continue;
      this.#phase = "waiting";
      await sleep(world.clock, jittered(delayMs, 0.5, world.random));
      if (!progress) delayMs = Math.min(2 * delayMs, BACKOFF_MAX_MS);
    }
  }

  /** The authority does not know this boot: register another at once. */
  bootOver(boot: string, code: string): void {
    if (boot !== this.#boot) return;
    const { world, lease } = this.#parts;
    world.log("warn", "follower.boot_over", { boot, code });
    this.#boot = undefined;
    lease.end(world.clock.elapsed());
    this.#abort?.abort();
  }

  close(): void {
    this.#closed = true;
    this.#phase = "closed";
    this.#abort?.abort();
  }

  #take(step: Step["again"]): Promise<Step> {
    if (step === "register") return this.#register();
    return step === "snapshot" ? this.#snapshot() : this.#follow();
  }

  async #register(): Promise<Step> {
    const { world, calls, clock, lease, keeper, replica, software, instance } = this.#parts;
    this.#phase = "registering";
    const boot = makeHandle("boot", world.clock.now(), world.random);
    const registration: Registration = { boot, instance, software };
    if (this.#replaces !== undefined) registration.replaces = this.#replaces;
    const answer = await calls.post("verifiers", registration, TIMEOUT_MS);
    const welcome = answer.ok ? asWelcome(answer.body) : undefined;
    if (!answer.ok || welcome === undefined) return this.#failed(answer, "register");
    clock.heard(welcome.now, answer.sentAt, answer.receivedAt);
    lease.grant(welcome, answer.sentAt);
    replica.keepEnvironments(welcome.environments);
    keeper.registered(welcome, boot);
    this.#boot = boot;
    this.#registeredAt = answer.sentAt;
    this.#replaces = undefined;
    this.#acknowledged = -1;
    this.#silenceMs = Math.max(2_500, Math.min(TIMEOUT_MS, welcome.leaseMs / 2));
    this.#parts.onWelcome(welcome, boot);
    return { again: this.#level ? "follow" : "snapshot", progress: true };
  }

  async #snapshot(): Promise<Step> {
    const { world, calls, clock, lease, replica, keeper } = this.#parts;
    this.#phase = "snapshot";
    const abort = this.#newAbort();
    const stream = await calls.open("snapshot", "application/x-ndjson", abort, TIMEOUT_MS);
    if (!stream.ok) return this.#failed(stream, "snapshot");
    const snapshot = new SnapshotReader();
    await readText(world, stream.chunks, abort, SNAPSHOT_SILENCE_MS, (text) => snapshot.push(text));
    const { head, problem } = snapshot;
    if (head === undefined || problem !== undefined) {
      return this.#failed(cutOff(problem ?? "the snapshot was cut off"), "snapshot");
    }
    keeper.behind();
    const present = new Set<string>();
    for (const [i, record] of snapshot.records.entries()) {
      present.add(record.key);
      replica.put(record);
      if (i % PUTS_AT_ONCE === PUTS_AT_ONCE - 1) await sleep(world.clock, 0);
    }
    replica.settle(head.seq, present, this.#back);
    this.#back = false;
    this.#heardSeq(head.seq);
    lease.whole(clock.localOf(head.now));
    keeper.snapshotTaken();
    this.#leveled();
    return { again: "follow", progress: true };
  }

  async #follow(): Promise<Step> {
    const { world, calls, replica } = this.#parts;
    const boot = this.#boot;
    if (boot === undefined) return { again: "register", progress: true };
    this.#phase = "following";
    const abort = this.#newAbort();
    const from = replica.seq;
    const path = `feed?after=${from}&boot=${encodeURIComponent(boot)}`;
    const stream = await calls.open(path, "text/event-stream", abort, TIMEOUT_MS);
    if (!stream.ok) return this.#failed(stream, "follow");
    let trouble: string | undefined;
    let heard = false;
    const parser = new EventParser((event, data) => {
      if (trouble !== undefined) return;
      trouble = event === "entry" ? this.#entry(data) : event === "beat" ? this.#beat(data) : undefined;
      heard = true;
    });
    const end = await readText(world, stream.chunks, abort, this.#silenceMs, (text) => {
      try {
        parser.push(text);
      } catch (error) {
        trouble = (error as Error).message;
      }
      this.#acknowledge();
      return trouble === undefined && this.#boot === boot;
    });
    world.log("info", "follower.disconnected", { end, trouble });
    this.#gaps = trouble === undefined || replica.seq > from ? 0 : this.#gaps + 1;
    if (this.#gaps < GAPS_MAX) return { again: "follow", progress: heard && trouble === undefined };
    this.#gaps = 0;
    return { again: "snapshot", progress: false };
  }

  /** What is wrong with the entry, if anything. */
  #entry(data: string): string | undefined {
    const { world, replica, keeper, lease } = this.#parts;
    const entry = asEntry(parseJson(data));
    if (entry === undefined) return "an entry that does not have the form of one";
    this.#heardSeq(entry.seq);
    const outcome = replica.apply(entry);
    if (outcome === "gap") return `entry ${entry.seq} after ${replica.seq}`;
    if (outcome === "applied") keeper.applied(entry);
    // Beats come only when nothing else does, so an entry is a sign of a living feed too.
    if (replica.seq >= this.#lastSeq) lease.whole(world.clock.elapsed());
    return undefined;
  }

  #beat(data: string): string | undefined {
    const { clock, lease, replica } = this.#parts;
    const beat = asBeat(parseJson(data));
    if (beat === undefined) return "a beat that does not have the form of one";
    this.#heardSeq(beat.seq);
    if (beat.seq > replica.seq) return `a beat at ${beat.seq} after ${replica.seq}`;
    lease.whole(clock.localOf(beat.now));
    return undefined;
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

  #leveled(): void {
    this.#level = true;
    this.#parts.onLevel();
    this.#acknowledge();
  }

  /** One acknowledgement at a time; what is applied meanwhile goes with the next. Reports carry the number too. */
  #acknowledge(): void {
    if (this.#acknowledging || this.#boot === undefined) return;
    this.#acknowledging = true;
    void this.#acknowledgeAll().finally(() => {
      this.#acknowledging = false;
    });
  }

  async #acknowledgeAll(): Promise<void> {
    const { world, calls, keeper, onAck } = this.#parts;
    for (let delayMs = BACKOFF_MIN_MS; this.#boot !== undefined && !this.#closed; ) {
      const boot: string = this.#boot;
      const applied = await keeper.kept();
      this.#kept = applied;
      if (applied <= this.#acknowledged) return;
      const ack: Ack = { boot, applied };
      const answer = await calls.post("acks", ack, TIMEOUT_MS);
      if (boot !== this.#boot) continue;
      if (answer.ok) {
        this.#acknowledged = applied;
        delayMs = BACKOFF_MIN_MS;
        onAck(answer);
        continue;
      }
      if (answer.code === "unknown_boot") return this.bootOver(boot, answer.code);
      await sleep(world.clock, jittered(delayMs, 0.5, world.random));
      delayMs = Math.min(2 * delayMs, BACKOFF_MAX_MS);
    }
  }

  #failed(answer: Answer | Refusal, step: Step["again"]): Step {
    const { world, onFailure } = this.#parts;
    const refusal = answer.ok ? cutOff("the answer does not have the form of one") : answer;
    if (this.#closed || (this.#boot === undefined && step !== "register")) {
      return { again: "register", progress: false };
    }
    const first = this.#boot === undefined && !this.#saidWaiting;
    this.#saidWaiting ||= first;
    world.log(first ? "warn" : "info", "follower.failed", { step, code: refusal.code, detail: refusal.detail });
    if (refusal.code === "unknown_boot" && this.#boot !== undefined) {
      this.bootOver(this.#boot, refusal.code);
      return { again: "register", progress: true };
    }
    onFailure(refusal);
    if (refusal.code === "feed_ahead" || refusal.code === "feed_compacted") {
      this.#back = refusal.code === "feed_ahead";
      return { again: "snapshot", progress: false };
    }
    return { again: step, progress: false };
  }

  #newAbort(): AbortController {
    this.#abort = new AbortController();
    if (this.#closed) this.#abort.abort();
    return this.#abort;
  }
}

function cutOff(detail: string): Refusal {
  return { ok: false, code: "unreachable", status: 0, detail };
}

/** Lines of JSON: SnapshotHead, KeyRecord …, SnapshotEnd with the number of records. */
class SnapshotReader {
  readonly records: KeyRecord[] = [];
  problem: string | undefined = "the snapshot was cut off";
  #head: ReturnType<typeof asSnapshotHead>;
  readonly #lines = new LineSplitter((line) => this.#line(line));

  get head(): ReturnType<typeof asSnapshotHead> {
    return this.#head;
  }

  /** False once nothing more is wanted. */
  push(text: string): boolean {
    try {
      this.#lines.push(text);
    } catch (error) {
      this.problem = (error as Error).message;
      return false;
    }
    return this.problem === "the snapshot was cut off";
  }

  #line(line: string): void {
    if (this.problem !== "the snapshot was cut off" || line === "") return;
    const value = parseJson(line);
    if (this.#head === undefined) {
      this.#head = asSnapshotHead(value);
      if (this.#head === undefined) this.problem = "the snapshot has no head";
      return;
    }
    const end = asSnapshotEnd(value);
    if (end !== undefined) {
      const { length } = this.records;
      this.problem = end.end === length ? undefined : `the snapshot ends at ${end.end}, but brought ${length} records`;
      return;
    }
    const record = asRecord(value);
    if (record === undefined) this.problem = "a record does not have the form of one";
    else this.records.push(record);
  }
}
