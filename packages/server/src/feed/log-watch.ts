/**
 * What the other processes on the same database have changed. Every commit has an audit entry that names what it touched, numbered without
 * gaps and visible in order, so the log itself is the queue: this process remembers how far it has read, and reads on when the
 * bell rings and, because bells get lost, from time to time.
 */
import type { Log } from "@keyover/core";
import type { Store } from "../store/store.ts";

export interface LogWatch {
  /** Reads what is new and tells of it. */
  poll(): Promise<void>;
}

const PAGE = 1_000;

/** `onSubjects`: handles that were touched, each once per page. */
export async function createLogWatch(
  store: Store,
  log: Log,
  onSubjects: (subjects: readonly string[]) => void,
): Promise<LogWatch> {
  let seen = (await store.changes(0, 0)).head;
  let again = false;
  let polling: Promise<void> | undefined;

  const readAll = async () => {
    try {
      do {
        again = false;
        for (;;) {
          const { head, subjects } = await store.changes(seen, PAGE);
          if (head <= seen) break;
          seen = head;
          onSubjects(subjects);
        }
      } while (again);
    } catch (error) {
      // The next poll reads the same again.
      log("warn", "replica.poll_failed", { error: String(error) });
    }
  };

  return {
    poll() {
      again = true;
      polling ??= readAll().finally(() => {
        polling = undefined;
      });
      return polling;
    },
  };
}
