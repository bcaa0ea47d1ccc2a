/**
 * The writer's side of a table that other threads of the process read (shared-table.ts has the reader's).
 *
 *     a slot, a block becomes free ──▶ batch ──message──▶ each reader: lets go of it, between two look-ups ──ACKS──▶ used again
 *
 * A reader that is gone is not waited for. One that stands still keeps what became free since from being used again, 64 bytes for each change and the
 * text of a rare record; the log says so.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { World } from "@keyover/core";
import type { FlatReplica } from "../flat/flat-replica.ts";
import type { FlatTable, Freed } from "../flat/flat-table.ts";
import { ACKS, GENERATION, type News, newsOf, READERS_MAX, SHIFTS, watch } from "./news.ts";
import type { FromReader, ToReader } from "./talk.ts";

/** What became free waits so long for company. */
const BATCH_MS = 20;
/** Readers that take so long to let go of a batch are named in the log. */
const SLOW_MS = 10_000;

/** What a reader begins with. Both ports must be transferred. */
export interface TableEnds {
  control: Int32Array<SharedArrayBuffer>;
  /** Which of `READERS_MAX` it is. */
  reader: number;
  /** `GENERATION` after the news that stand here. */
  generation: number;
  news: readonly News[];
  /** Further news: read in the midst of look-ups. */
  newsPort: MessagePort;
  /** Everything else: read between them. */
  talkPort: MessagePort;
}

interface Reader {
  newsPort: MessagePort;
  talkPort: MessagePort;
}

interface Batch {
  number: number;
  at: number;
  freed: Freed[];
}

export class TableShare {
  readonly #world: World;
  readonly #replica: FlatReplica;
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * (ACKS + READERS_MAX)));
  readonly #readers = new Map<number, Reader>();
  #table: FlatTable;
  #freed: Freed[] = [];
  #batches: Batch[] = [];
  #number = 0;
  #flushing = false;
  #saidSlow = false;

  constructor(world: World, replica: FlatReplica) {
    this.#world = world;
    this.#replica = replica;
    this.#table = replica.table;
    replica.onTable = (table) => this.#began(table);
    replica.plans.onChange = (plan) =>
      this.#tell(plan === undefined ? { kind: "plans", plans: replica.plans.records() } : { kind: "plan", plan });
    this.#watch();
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Another reader. `onTalk` hears what it says. Undefined: there are `READERS_MAX`. */
  attach(onTalk: (said: FromReader, reader: number) => void): TableEnds | undefined {
    let id = 0;
    while (this.#readers.has(id)) if (++id === READERS_MAX) return undefined;
    const [news, talk] = [new MessageChannel(), new MessageChannel()];
    talk.port1.on("message", (said: FromReader) => onTalk(said, id));
    talk.port1.on("close", () => {
      if (!this.#readers.delete(id)) return;
      news.port1.close();
      this.#reclaim();
    });
    // Neither keeps a process alive that has nothing else to do.
    talk.port1.unref();
    news.port1.unref();
    // What became free before it came does not concern it.
    Atomics.store(this.#control, ACKS + id, this.#number);
    this.#readers.set(id, { newsPort: news.port1, talkPort: talk.port1 });
    return {
      control: this.#control,
      reader: id,
      generation: Atomics.load(this.#control, GENERATION),
      news: [...newsOf(this.#table), { kind: "plans", plans: this.#replica.plans.records() } as const],
      newsPort: news.port2,
      talkPort: talk.port2,
    };
  }

  say(what: ToReader, to?: number): void {
    for (const [id, { talkPort }] of this.#readers) if (to === undefined || to === id) talkPort.postMessage(what);
  }

  /** Ends all readers. */
  close(): void {
    for (const { newsPort, talkPort } of this.#readers.values()) {
      newsPort.close();
      talkPort.close();
    }
  }

  #tell(news: News): void {
    for (const { newsPort } of this.#readers.values()) newsPort.postMessage(news);
    Atomics.add(this.#control, GENERATION, 1);
  }

  #began(table: FlatTable): void {
    this.#table.onFree = undefined;
    this.#table = table;
    // What waited was of a table that nobody writes any more.
    this.#freed = [];
    this.#batches = [];
    this.#watch();
    for (const each of [{ kind: "begin" } as const, ...newsOf(table)]) this.#tell(each);
  }

  #watch(): void {
    watch(
      this.#table,
      (news) => this.#tell(news),
      () => Atomics.add(this.#control, SHIFTS, 1),
    );
    this.#table.onFree = (freed) => {
      if (this.#readers.size === 0 && this.#batches.length === 0) this.#table.reuse(freed);
      else this.#wait(freed);
    };
  }

  #wait(freed: Freed): void {
    this.#freed.push(freed);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#world.clock.after(BATCH_MS, () => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const at = this.#world.clock.elapsed();
    if (this.#freed.length > 0) {
      // It comes round as the words do that acknowledge it.
      this.#number = (this.#number + 1) | 0;
      const [freed, number] = [this.#freed, this.#number];
      this.#freed = [];
      this.#batches.push({ number, at, freed });
      this.say({ kind: "free", number, slots: freed.flatMap((each) => ("slot" in each ? [each.slot] : [])) });
    }
    this.#reclaim();
    const oldest = this.#batches[0];
    if (oldest === undefined) return;
    if (at - oldest.at > SLOW_MS && !this.#saidSlow) {
      this.#saidSlow = true;
      const behind = [...this.#readers.keys()].filter((id) => !this.#hasLetGo(id, oldest.number));
      this.#world.log("warn", "threads.reader_stands_still", { readers: behind, forMs: Math.round(at - oldest.at) });
    }
    this.#flushing = true;
    this.#world.clock.after(BATCH_MS, () => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #reclaim(): void {
    const readers = [...this.#readers.keys()];
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      const { number, freed } = batch;
      if (!readers.every((id) => this.#hasLetGo(id, number))) return;
      for (const each of freed) this.#table.reuse(each);
      this.#batches.shift();
      this.#saidSlow = false;
    }
  }

  #hasLetGo(id: number, number: number): boolean {
    return ((Atomics.load(this.#control, ACKS + id) - number) | 0) >= 0;
  }
}
