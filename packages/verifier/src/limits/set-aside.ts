/** What was used of rates under sizes that their cells have no more, until it is reported. */
import type { Spent } from "@keyover/core";

export class SetAside {
  /** By subject, limit and size. */
  readonly #spent = new Map<string, Spent>();

  add(spent: Spent): void {
    const { subject, limit, rate, since, largest } = spent;
    const name = `${subject} ${limit} ${rate?.unitMs} ${rate?.burst}`;
    const held = this.#spent.get(name);
    if (held === undefined) {
      this.#spent.set(name, { ...spent });
      return;
    }
    held.units += spent.units;
    held.refused += spent.refused;
    if (largest !== undefined) held.largest = Math.max(held.largest ?? 0, largest);
    if (since !== undefined) held.since = Math.min(held.since ?? since, since);
  }

  /** So many at most, the oldest first. */
  take(most: number): Spent[] {
    const taken = [...this.#spent].slice(0, most);
    for (const [name] of taken) this.#spent.delete(name);
    return taken.map(([, spent]) => spent);
  }

  /** What is left for a later report was used since then at the latest. */
  leave(since: number): void {
    for (const spent of this.#spent.values()) spent.since = Math.min(spent.since ?? since, since);
  }

  clear(): void {
    this.#spent.clear();
  }
}
