/**
 * One database for all authorities, on the simulation's time. A copy of it may take its place: then the authorities are dead, and none
 * starts before the copy is marked as restored.
 */
import { openMemoryStore } from "../packages/server/src/store/sqlite.ts";
import type { Store } from "../packages/server/src/store/store.ts";
import type { DatabaseState } from "./store.ts";

export class SimDatabase implements DatabaseState {
  store: Store;
  #full = false;
  /** When it was last found full. */
  fullAt = 0;
  bellsLost: number;
  /** Nobody may start on it. */
  closed = false;
  /** Writes come in groups: so long after the first of them. Undefined: each at once. */
  readonly grouped: ((run: () => void) => void) | undefined;
  /** The last group in which nothing was written yet. */
  #waiting: { run: (() => void) | undefined } | undefined;
  readonly #shared: boolean;
  readonly #now: () => number;
  #sqlite: { serialize(): Buffer } | undefined;

  constructor(parts: {
    processes: number;
    bellsLost: number;
    now: () => number;
    grouped: ((run: () => void) => void) | undefined;
  }) {
    this.#shared = parts.processes > 1;
    this.bellsLost = parts.bellsLost;
    this.#now = parts.now;
    this.grouped = parts.grouped;
    this.store = this.#open(undefined);
  }

  /** The process that had it open has died: what waited to be written with others is gone with it, and nobody hears of it. */
  abandon(): boolean {
    if (this.#waiting?.run === undefined) return false;
    this.#waiting.run = undefined;
    this.store = this.#open(this.copy());
    return true;
  }

  get full(): boolean {
    return this.#full;
  }

  set full(full: boolean) {
    this.#full = full;
    this.fullAt = this.#now();
  }

  /** What `keyover backup` keeps: the whole, as it stands at this moment. */
  copy(): Buffer {
    if (this.#sqlite === undefined) throw new Error("the database is not open");
    return this.#sqlite.serialize();
  }

  async replace(copy: Buffer): Promise<void> {
    const before = this.store;
    this.store = this.#open(copy);
    await before.close();
  }

  #later(run: () => void): void {
    const group: { run: (() => void) | undefined } = { run };
    this.#waiting = group;
    this.grouped?.(() => {
      const { run: write } = group;
      group.run = undefined;
      write?.();
    });
  }

  #open(image: Buffer | undefined): Store {
    return openMemoryStore({
      now: this.#now,
      shared: this.#shared,
      ...(this.grouped === undefined ? {} : { later: (run: () => void) => this.#later(run) }),
      ...(image === undefined ? {} : { image }),
      tune: (sqlite) => {
        this.#sqlite = sqlite;
      },
    });
  }
}
