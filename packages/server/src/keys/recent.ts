/**
 * What was read a moment ago. Each acknowledgement of each verifier asks for the same token and the same api. Changes made here are
 * forgotten at once, and those of other processes as soon as the log tells of them; a second is what it takes at most.
 */
import type { Clock } from "@keyover/core";

const FRESH_MS = 1_000;
const ENTRIES_MAX = 10_000;

export class Recent<T> {
  readonly #clock: Clock;
  readonly #entries = new Map<string, { value: T; readAt: number }>();

  #changes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is held for `name`, or what `read` finds; nothing found is not held. */
  async get(name: string, read: () => Promise<T | undefined>): Promise<T | undefined> {
    const held = this.#entries.get(name);
    if (held !== undefined && this.#clock.elapsed() - held.readAt < FRESH_MS) return held.value;
    const readAt = this.#clock.elapsed();
    const changes = this.#changes;
    const value = await read();
    // What was read beside a change may be from before it.
    if (value === undefined || changes !== this.#changes) return value;
    if (this.#entries.size >= ENTRIES_MAX) this.#entries.clear();
    this.#entries.set(name, { value, readAt });
    return value;
  }

  forget(): void {
    this.#changes++;
    this.#entries.clear();
  }
}
