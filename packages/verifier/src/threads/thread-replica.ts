/**
 * A replica that another thread of the process writes (table-share.ts). Between two look-ups it lets go of what became free; in the midst of one it
 * takes news of memory that it has not heard of.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { KeyRecord } from "@keyover/core";
import { FlatDecisions } from "../flat/flat-decisions.ts";
import type { Brought } from "../following.ts";
import type { PlanBook } from "../limits/plan-book.ts";
import type { Replica } from "../replica.ts";
import { ACKS, GENERATION, type News, SHIFTS, take } from "./news.ts";
import { CHANGED, SharedTable } from "./shared-table.ts";
import type { TableEnds } from "./table-share.ts";
import type { FromReader, SharedState, ToReader } from "./talk.ts";

/** Searches in order before "not there" is believed of a table whose buckets never stand still. */
const TRIES_MAX = 1_000;

export interface ThreadReplicaParts {
  ends: TableEnds;
  plans: PlanBook;
  /** Before a slot is taken from its version. */
  release: (slot: number) => void;
  releaseAll: () => void;
  onState: (state: SharedState) => void;
  /** The writer is no more. */
  onGone: () => void;
}

export class ThreadReplica extends FlatDecisions implements Replica {
  readonly isWhole: boolean = true;
  seq = 0;
  size = 0;
  readonly #parts: ThreadReplicaParts;
  readonly #control: Int32Array;
  readonly #newsPort: MessagePort;
  readonly #talkPort: MessagePort;
  #table: SharedTable = new SharedTable();
  #generation: number;
  #brought = 0;
  readonly #taken = new Map<number, (taken: boolean) => void>();
  #ended = false;

  constructor(parts: ThreadReplicaParts) {
    super(parts.plans);
    const { control, generation, news, newsPort, talkPort } = parts.ends;
    this.#parts = parts;
    this.#control = control;
    this.#newsPort = newsPort;
    this.#talkPort = talkPort;
    for (const each of news) this.#take(each);
    this.#generation = generation;
    talkPort.on("message", (said: ToReader) => this.#hear(said));
    talkPort.on("close", () => this.#gone());
    talkPort.unref();
  }

  override get table(): SharedTable {
    return this.#table;
  }

  override find(digest: Int32Array): number {
    const slot = this.#table.find(digest);
    return slot >= 0 && this.#control[GENERATION] === this.#generation ? slot : this.#findAnew(digest);
  }

  used(_slot: number): void {}

  isCurrent(_digest: Int32Array, _record: KeyRecord | null, _asOf: number): boolean {
    return true;
  }

  /** Resolves when the writer has put it into the table; false: there is none any more. */
  bring(brought: Brought): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    const id = ++this.#brought;
    const said: FromReader = { id, brought };
    return new Promise((resolve) => {
      this.#taken.set(id, resolve);
      this.#talkPort.postMessage(said);
    });
  }

  /** Its memory belongs to the writer. */
  close(): void {
    this.#end();
    this.#newsPort.close();
    this.#talkPort.close();
  }

  #findAnew(digest: Int32Array): number {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      this.#takeNews();
      const shifts = Atomics.load(this.#control, SHIFTS);
      const slot = this.#table.findInOrder(digest);
      if (slot === CHANGED || Atomics.load(this.#control, GENERATION) !== this.#generation) continue;
      if (slot >= 0 || (shifts % 2 === 0 && Atomics.load(this.#control, SHIFTS) === shifts)) return slot;
    }
    return -1;
  }

  /** They were posted before the count went up. */
  #takeNews(): void {
    while (this.#generation !== Atomics.load(this.#control, GENERATION)) {
      const received = receiveMessageOnPort(this.#newsPort) as { message: News } | undefined;
      if (received === undefined) return;
      this.#take(received.message);
      this.#generation = (this.#generation + 1) | 0;
    }
  }

  #take(news: News): void {
    if (news.kind === "plan") this.plans.put(news.plan);
    // As they stand: what is not among them is gone.
    else if (news.kind === "plans") this.plans.settle(Number.POSITIVE_INFINITY, news.plans);
    else if (news.kind === "begin") this.#begin();
    else this.#table.digests = take(news, this.#table) ?? this.#table.digests;
  }

  #begin(): void {
    // What was counted has names in the table of before alone.
    this.#parts.releaseAll();
    this.forgetAll();
    this.#table = new SharedTable();
  }

  #hear(said: ToReader): void {
    // Whatever it speaks of is in memory that was told of before.
    this.#takeNews();
    if (said.kind === "free") {
      for (const slot of said.slots) {
        this.#parts.release(slot);
        this.forget(slot);
      }
      Atomics.store(this.#control, ACKS + this.#parts.ends.reader, said.number);
    } else if (said.kind === "taken") {
      this.#taken.get(said.id)?.(true);
      this.#taken.delete(said.id);
    } else {
      this.seq = said.state.seq;
      this.size = said.state.keys;
      this.#parts.onState(said.state);
    }
  }

  /** From now on the writer uses slots again without asking: what was counted needs its names now. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#parts.releaseAll();
    for (const resolve of this.#taken.values()) resolve(false);
    this.#taken.clear();
  }

  #gone(): void {
    this.#end();
    this.#parts.onGone();
  }
}
