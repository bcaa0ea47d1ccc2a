/**
 * Every place where the authority's process can die, and what it would leave there.
 *
 *     program ──▶ watched store ──▶ real store, a file
 *                     │ before and after each effect
 *                     ▼
 *                  a wreck: the database's files as they stand at that moment, and the world outside the process
 *                     │
 *                     ▼
 *                  a new process on a copy of the files, in the same world; it can die in its turn
 *
 * To die at an effect and to be copied at it leave the same wreck. So one run shows all the places where it could have died, and goes on
 * as if nothing had been. Nothing of the old process reaches the new one: no timer, no answer, no memory.
 *
 * Effects that are under way at the same time may share a transaction (group-commit.ts): nobody can die between them then.
 *
 * It is the process that dies, not the machine: what was written to a file stays written. So the files are not synced, which makes
 * thousands of deaths quick. Power cuts are not tested here.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteStore } from "./store/sqlite.ts";
import type { Batch, CommitOutcome, Store } from "./store/store.ts";

/** What a process leaves that died here. */
export interface Wreck {
  /** For whoever reads of a failure: where each process died, one after the other. */
  story: string;
  files: ReadonlyMap<string, Buffer>;
  /** The world outside, as bytes, so that two of them can be told from each other. */
  outside: Buffer;
}

/** Methods that change nothing. All others are effects, those too that nobody has thought of yet. */
const READING: ReadonlySet<string> = new Set(
  `get list count audit idempotency changes now ping listen close
   feedHead feedHeads feedFloor feedAfter records recordOfKey recordByHash
   uses lastUses buckets boot boots bootsUntil fleet dueKeys overdue settled
   planRecords keysOfPlan plansOfConsumers limitUses days countLive
   liveRotations usedSuccessors campaignTally campaignRefused provenSecrets expiredSecrets`.split(/\s+/),
);

/** For the processes of one test file, which removes it; on a disk in memory where there is one. */
export const scratch: string = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "keyover-crash-"));

/** A store on a copy of what a process left; it lists each place where its own process could die. */
export class MortalStore {
  readonly store: Store;
  readonly commits: Batch[] = [];
  /** The effects in or between which the process could have died, by name, and what it would have left: each wreck once. */
  readonly effects: string[] = [];
  readonly wrecks: Wreck[] = [];
  /** While it is, both are collected. */
  watching: boolean;
  readonly #folder: string;
  readonly #real: Store;
  readonly #outside: () => Buffer;
  readonly #story: string;
  /** Of the database: an effect that took two could have died between them, unseen. */
  transactions = 0;
  /** All, watched or not. */
  happened = 0;
  #last: Wreck;
  #transactionsAtLast = 0;

  /** `outside` tells the state of the world, `now` its time. */
  constructor(left: Wreck, watching: boolean, outside: () => Buffer, now: () => number) {
    this.watching = watching;
    this.#last = left;
    this.#story = left.story === "" ? "" : `${left.story}, then `;
    this.#outside = outside;
    this.#folder = mkdtempSync(join(scratch, "process-"));
    for (const [name, bytes] of left.files) writeFileSync(join(this.#folder, name), bytes);
    const tune: Parameters<typeof openSqliteStore>[2] = (sqlite) => {
      sqlite.pragma("synchronous = OFF");
      const begin = sqlite.transaction.bind(sqlite);
      sqlite.transaction = ((work: () => unknown) => {
        this.transactions += 1;
        return begin(work);
      }) as typeof sqlite.transaction;
    };
    this.#real = openSqliteStore(this.#folder, now, tune, setImmediate);
    this.store = this.#watched(this.#real);
  }

  /** What a process would leave that died now. Where nothing has changed since the last wreck, inside and outside, it is that one. */
  wreck(story: string): Wreck {
    const outside = this.#outside();
    const files = this.#transactionsAtLast === this.transactions ? this.#last.files : this.#files();
    this.#transactionsAtLast = this.transactions;
    if (sameFiles(files, this.#last.files) && outside.equals(this.#last.outside)) return this.#last;
    this.#last = { story, files, outside };
    return this.#last;
  }

  async close(): Promise<void> {
    await this.#real.close();
    rmSync(this.#folder, { recursive: true });
  }

  #files(): Map<string, Buffer> {
    // The log's index is made anew from the log by whoever opens it; the lock dies with its process.
    const left = readdirSync(this.#folder).filter((name) => !/-shm$|\.lock/.test(name));
    return new Map(left.map((name) => [name, readFileSync(join(this.#folder, name))]));
  }

  #watched(store: Store): Store {
    return new Proxy(store, {
      get: (target, name, receiver) => {
        const member: unknown = Reflect.get(target, name, receiver);
        if (typeof member !== "function" || READING.has(String(name))) return member;
        return async (...args: unknown[]) => {
          const effect = describeEffect(String(name), args);
          const number = this.happened + 1;
          this.#couldDie(`before effect ${number} (${effect})`);
          const happening: unknown = Reflect.apply(member, target, args);
          this.happened += 1;
          if (this.watching) this.effects.push(effect);
          const outcome = await (happening as Promise<unknown>);
          if (name === "commit" && (outcome as CommitOutcome).ok) this.commits.push(args[0] as Batch);
          this.#couldDie(`after effect ${number} (${effect})`);
          return outcome;
        };
      },
    });
  }

  #couldDie(where: string): void {
    if (!this.watching) return;
    const before = this.#last;
    const wreck = this.wreck(`${this.#story}${where}`);
    if (wreck !== before) this.wrecks.push(wreck);
  }
}

function sameFiles(one: Wreck["files"], other: Wreck["files"]): boolean {
  return (
    one === other || (one.size === other.size && [...one].every(([name, bytes]) => other.get(name)?.equals(bytes)))
  );
}

function describeEffect(method: string, args: unknown[]): string {
  const audit = method === "commit" ? (args[0] as Batch).audit : [];
  return [method, ...audit.map(({ action }) => action)].join(" ");
}
