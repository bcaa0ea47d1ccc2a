/** How many verifiers of an api may answer requests. Shares of limits depend on it, and each report asks: so it is a second old at most. */
import type { Clock } from "@keyover/core";
import type { Store } from "../store/store.ts";

const AGE_MS = 1_000;

export interface LiveCounts {
  /** From 1: whoever asks is one. */
  of(apiId: string): Promise<number>;
  forget(apiId: string): void;
}

export function createLiveCounts({ store, clock }: { store: Store; clock: Clock }): LiveCounts {
  const counts = new Map<string, { asOf: number; count: Promise<number> }>();

  const read = (apiId: string): Promise<number> => {
    const asOf = clock.elapsed();
    const known = counts.get(apiId);
    if (known !== undefined && asOf - known.asOf < AGE_MS) return known.count;
    const count = store.countLive(apiId, clock.now());
    counts.set(apiId, { asOf, count });
    count.catch(() => counts.delete(apiId));
    return count;
  };

  return {
    of: async (apiId) => Math.max(1, await read(apiId)),
    forget: (apiId) => void counts.delete(apiId),
  };
}
