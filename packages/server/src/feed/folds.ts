/**
 * What this process tells the others of acknowledgements: one row per api, with the least number that every boot that it hosts has applied.
 * One write at a time per api; what moves meanwhile goes with the next. While this process is alone nothing is written.
 *
 * A fold speaks for the boots that were adopted up to its `adoption`, and for no later one. A boot's row names its host and its adoption, so a
 * fold that was made before the boot came, however late it is written, is never taken for the boot's word.
 */
import type { Log } from "@keyover/core";
import type { Store } from "../store/store.ts";

export interface FoldDeps {
  store: Store;
  log: Log;
  replica: string;
  alone: () => boolean;
  /** The least number that the boots hosted here have applied. */
  appliedBy: (apiId: string) => number;
}

export interface Folds {
  adopted(apiId: string, adoption: number): void;
  moved(apiId: string): void;
}

interface Line {
  version: number;
  adoption: number;
  writing: boolean;
  dirty: boolean;
}

export function createFolds({ store, log, replica, alone, appliedBy }: FoldDeps): Folds {
  const lines = new Map<string, Line>();

  const lineOf = (apiId: string): Line => {
    const line = lines.get(apiId) ?? { version: 0, adoption: 0, writing: false, dirty: false };
    lines.set(apiId, line);
    return line;
  };

  const writeAll = async (apiId: string, line: Line) => {
    line.writing = true;
    try {
      while (line.dirty && !alone()) {
        line.dirty = false;
        line.version++;
        const { version, adoption } = line;
        await store.fold({ replica, apiId, version, adoption, applied: appliedBy(apiId) });
        store.ring(`fleet ${apiId}`);
      }
    } catch (error) {
      // The next acknowledgement, or the boots' own reports, make up for it.
      log("warn", "feed.fold_failed", { api: apiId, error: String(error) });
    } finally {
      line.writing = false;
    }
  };

  return {
    adopted(apiId, adoption) {
      lineOf(apiId).adoption = adoption;
    },
    moved(apiId) {
      const line = lineOf(apiId);
      line.dirty = true;
      if (!line.writing) void writeAll(apiId, line);
    },
  };
}
