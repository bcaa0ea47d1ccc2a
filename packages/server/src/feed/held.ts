/** Reads that are asked for again within a moment: the answers are held for that long, and forgotten when somebody changes what they say. */
import type { Clock } from "@keyover/core";

const HELD_MAX = 100_000;

/** What was read a while ago at most. */
export class Held<T> {
  readonly #clock: Clock;
  readonly #freshMs: number;
  readonly #entries = new Map<string, { value: T; readAt: number }>();
  #changes = 0;

  constructor(clock: Clock, freshMs: number) {
    this.#clock = clock;
    this.#freshMs = freshMs;
  }

  get(name: string): T | undefined {
    const entry = this.#entries.get(name);
    return entry !== undefined && this.#clock.elapsed() - entry.readAt < this.#freshMs ? entry.value : undefined;
  }

  /** Call it before reading, and the answer with what was read: beside a change that may be from before it, and is good for this once alone. */
  reading(): (name: string, value: T) => T {
    const [changes, readAt] = [this.#changes, this.#clock.elapsed()];
    return (name, value) => {
      if (this.#entries.size >= HELD_MAX) this.#entries.clear();
      if (changes === this.#changes) this.#entries.set(name, { value, readAt });
      return value;
    };
  }

  /** Without names: all. */
  forget(names?: readonly string[]): void {
    if (names?.length === 0) return;
    this.#changes++;
    if (names === undefined) this.#entries.clear();
    else for (const name of names) this.#entries.delete(name);
  }
}
