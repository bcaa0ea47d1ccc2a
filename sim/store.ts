/**
 * The database as one authority process sees it: the real store behind effects that take time, in which the process may die, and that
 * may find the disk full. What is committed is noted by the model, whoever committed it and whether or not it lived to hear of it.
 */
import { type Batch, type Mail, StorageFullError, type Store } from "../packages/server/src/store/store.ts";
import type { Chance } from "./chance.ts";
import type { Process } from "./process.ts";

export interface DatabaseState {
  full: boolean;
  /** The part of the bells between processes that nobody hears. */
  bellsLost: number;
  /** Writes are answered later, by the database's own hand. */
  grouped?: unknown;
}

export interface Witness {
  committed(process: Process, batch: Batch, feed: readonly FedEntry[]): void;
  recorded(process: Process, usage: unknown, outcome: unknown): void;
  posted(process: Process, mail: Mail): void;
  /** Nothing of it was written; it may come again, with what was found out before. */
  notPosted(mail: Mail): void;
  /** The process has found the keys whose expiry is due. */
  looked(process: Process): void;
  /** The process holds these parts of the engine's work for so long. */
  shared(process: Process, leaseMs: number, shards: readonly number[]): void;
}

type FedEntry = Extract<Awaited<ReturnType<Store["commit"]>>, { ok: true }>["feed"][number];
type Call = (...given: unknown[]) => unknown;

const WRITES = new Set(["commit", "record", "spend", "post", "fold", "prune", "share", "leave"]);

export function storeOf(
  real: Store,
  process: Process,
  database: DatabaseState,
  witness: Witness,
  chance: Chance,
): Store {
  const noting: Record<string, (given: unknown[]) => Promise<unknown>> = {
    async commit([batch]) {
      const outcome = await real.commit(batch as Batch);
      if (outcome.ok) witness.committed(process, batch as Batch, outcome.feed);
      return outcome;
    },
    async record([usage]) {
      const outcome: unknown = await real.record(usage as never);
      witness.recorded(process, usage, outcome);
      return outcome;
    },
    async post([mail]) {
      const done = await real.post(mail as Mail);
      if (done) witness.posted(process, mail as Mail);
      else witness.notPosted(mail as Mail);
      return done;
    },
    async dueKeys(given) {
      const found: unknown = await (real.dueKeys as Call)(...given);
      // While nothing can be written a look is in vain.
      if (given[0] === "expiry_at" && !database.full) witness.looked(process);
      return found;
    },
    async share([replica, leaseMs]) {
      const answer = await (real.share as Call)(replica, leaseMs);
      const { shards } = answer as { shards: { shard: number }[] };
      const held = shards.map(({ shard }) => shard);
      witness.shared(process, leaseMs as number, held);
      return answer;
    },
  };
  const special: Record<string, Call> = {
    close: async () => {},
    ring: (message) => {
      if (process.alive && !chance.happens(database.bellsLost)) (real.ring as Call)(message);
    },
    listen: (heard) => (real.listen as Call)((message: unknown) => process.do(() => (heard as Call)(message))),
  };
  /** The answer reaches the process if it lives, once it goes on. */
  const answered = (work: Promise<unknown>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      work.then(
        (value) => process.do(() => resolve(value)),
        (error: unknown) => process.do(() => reject(error as Error)),
      );
    });
  const made = new Map<string, unknown>();
  return new Proxy(real, {
    get(target, name: string) {
      const known = made.get(name);
      if (known !== undefined) return known;
      const member = (target as unknown as Record<string, unknown>)[name];
      if (typeof member !== "function") return member;
      const direct = noting[name] ?? ((given: unknown[]) => (member as Call).apply(target, given) as Promise<unknown>);
      const wrapped =
        special[name] ??
        ((...given: unknown[]) =>
          process.effect(`store.${name}`, async () => {
            if (database.full && WRITES.has(name)) {
              if (name === "post") witness.notPosted(given[0] as Mail);
              throw new StorageFullError("the disk is full; nothing was written");
            }
            return database.grouped !== undefined && WRITES.has(name) ? answered(direct(given)) : direct(given);
          }));
      made.set(name, wrapped);
      return wrapped;
    },
  });
}
