/** One database for all authorities, on the simulation's time. */
import { openMemoryStore } from "../packages/server/src/store/sqlite.ts";
import type { Store } from "../packages/server/src/store/store.ts";

type Open = (options?: { shared: boolean; now: () => number }) => Store;

export function openDatabase(processes: number, now: () => number): Store {
  return (openMemoryStore as Open)({ shared: processes > 1, now });
}
