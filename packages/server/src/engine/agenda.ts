/**
 * Which rotation is worth looking at when. A heap by time, so that a tick with nothing due costs one comparison, however many rotations
 * wait; a wake or a new time costs as much as the heap is deep.
 *
 *     times: id ──▶ item ◀── heap (an item that is no longer the one in `times` is stale and is dropped when it comes up)
 *
 * Of the same time, whoever was put on first comes first: so the order is the same in each run of the simulator, and nobody is passed over.
 */
export interface Agenda {
  /** Look at it then, and not before. Epoch milliseconds. */
  set(id: string, at: number): void;
  /** Look at it at once, before all that is due by time. */
  soon(id: string): void;
  delete(id: string): void;
  has(id: string): boolean;
  /** Up to `limit` that are due at `now`, the longest due first. They stay on the agenda, put off to `again`. */
  take(now: number, again: number, limit: number): string[];
  readonly size: number;
}

interface Item {
  id: string;
  at: number;
  order: number;
}

const SOON = Number.NEGATIVE_INFINITY;
/** Stale items are cleared away when they are this many more than those that count. */
const STALE_MAX = 1_000;

export function createAgenda(): Agenda {
  const times = new Map<string, Item>();
  let heap: Item[] = [];
  let orders = 0;

  const push = (item: Item) => {
    times.set(item.id, item);
    heap.push(item);
    rise(heap, heap.length - 1);
    if (heap.length <= 2 * times.size + STALE_MAX) return;
    heap = [...times.values()].sort(byTime);
  };

  const put = (id: string, at: number) => {
    if (times.get(id)?.at === at) return;
    push({ id, at, order: orders++ });
  };

  return {
    set: put,
    soon: (id) => put(id, SOON),
    delete: (id) => void times.delete(id),
    has: (id) => times.has(id),
    take(now, again, limit) {
      const due: string[] = [];
      for (let top = heap[0]; top !== undefined && top.at <= now && due.length < limit; top = heap[0]) {
        removeTop(heap);
        if (times.get(top.id) === top) due.push(top.id);
      }
      for (const id of due) push({ id, at: again, order: orders++ });
      return due;
    },
    get size() {
      return times.size;
    },
  };
}

function byTime(a: Item, b: Item): number {
  return a.at === b.at ? a.order - b.order : a.at < b.at ? -1 : 1;
}

/** Lets the item at `at` rise to its place. */
function rise(heap: Item[], at: number): void {
  const item = heap[at] as Item;
  let here = at;
  while (here > 0) {
    const above = (here - 1) >> 1;
    const parent = heap[above] as Item;
    if (byTime(parent, item) <= 0) break;
    heap[here] = parent;
    here = above;
  }
  heap[here] = item;
}

/** Takes the first away; the last sinks from its place. */
function removeTop(heap: Item[]): void {
  const item = heap.pop();
  if (item === undefined || heap.length === 0) return;
  let here = 0;
  for (;;) {
    let below = 2 * here + 1;
    if (below >= heap.length) break;
    if (below + 1 < heap.length && byTime(heap[below + 1] as Item, heap[below] as Item) < 0) below++;
    const child = heap[below] as Item;
    if (byTime(item, child) <= 0) break;
    heap[here] = child;
    here = below;
  }
  heap[here] = item;
}
