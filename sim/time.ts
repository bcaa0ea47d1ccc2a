/**
 * Virtual time: one queue of events for all processes. An event runs until nothing of what it started can go on by itself
 * (promises, `nextTick`), then the next one runs. Nothing waits for real time, so the same seed gives the same history.
 */

/** The epoch milliseconds at which simulations begin, or a little later: eight in the morning, UTC. */
export const START = 1_800_000_000_000;

export interface Happening {
  at: number;
  order: number;
  /** Taken away when it is cancelled or has run. */
  run: (() => void) | undefined;
}

export class VirtualTime {
  /** True time, epoch milliseconds with fractions. */
  at: number;
  /** How many events have run. */
  events = 0;
  #order = 0;
  #queue: Happening[] = [];

  constructor(offsetMs = 0) {
    this.at = START + offsetMs;
  }

  schedule(at: number, run: () => void): Happening {
    const happening = { at: Math.max(at, this.at), order: ++this.#order, run };
    push(this.#queue, happening);
    return happening;
  }

  after(delayMs: number, run: () => void): Happening {
    return this.schedule(this.at + delayMs, run);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  /** Runs what is due up to `end`, or until `over` says so. */
  async runUntil(end: number, over: () => boolean): Promise<void> {
    await turn();
    for (let next = this.#queue[0]; next !== undefined && next.at <= end && !over(); next = this.#queue[0]) {
      pop(this.#queue);
      const { run } = next;
      if (run === undefined) continue;
      next.run = undefined;
      this.at = next.at;
      this.events++;
      run();
      await turn();
    }
    if (!over()) this.at = Math.max(this.at, end);
  }
}

/** All promises and `nextTick`s that can go on have gone on when the event loop comes round. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

// ---- a binary heap ---------------------------------------------------------------------------------------------------

function isBefore(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Happening[], item: Happening): void {
  let i = heap.push(item) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (!isBefore(item, heap[parent] as Happening)) break;
    heap[i] = heap[parent] as Happening;
    i = parent;
  }
  heap[i] = item;
}

function pop(heap: Happening[]): void {
  const item = heap.pop();
  if (item === undefined || heap.length === 0) return;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Happening, heap[child] as Happening)) child++;
    if (!isBefore(heap[child] as Happening, item)) break;
    heap[i] = heap[child] as Happening;
    i = child;
  }
  heap[i] = item;
}
