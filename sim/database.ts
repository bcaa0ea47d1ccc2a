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
  readonly #shared: boolean;
  readonly #now: () => number;
  #sqlite: { serialize(): Buffer } | undefined;

  constructor(processes: number, bellsLost: number, now: () => number) {
    this.#shared = processes > 1;
    this.bellsLost = bellsLost;
    this.#now = now;
    this.store = this.#open(undefined);
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

  #open(image: Buffer | undefined): Store {
    return openMemoryStore({
      now: this.#now,
      shared: this.#shared,
      ...(image === undefined ? {} : { image }),
      tune: (sqlite) => {
        this.#sqlite = sqlite;
      },
    });
  }
}
