/** What a verifier tells the other threads of its process that read its replica: how far it is, whose it is, until when it may be used. */
import type { Welcome, World } from "@keyover/core";
import type { FlatReplica } from "../flat/flat-replica.ts";
import type { AuthorityClock, Lease } from "../lease.ts";
import type { Limiter } from "../limits/limiter.ts";
import type { ReplicaKeeper } from "../replica-keeper.ts";
import { processTime } from "../world.ts";
import { TableShare } from "./table-share.ts";
import type { FromReader, SharedLease, SharedState } from "./talk.ts";
import type { ApiEnds } from "./thread-following.ts";

export interface SharingParts {
  world: World;
  replica: FlatReplica;
  lease: Lease;
  clock: AuthorityClock;
  limiter: Limiter;
  keeper: Pick<ReplicaKeeper, "epoch" | "kept">;
  lag: () => number;
}

/** The authority takes names of a hundred characters. */
const NAME_MAX = 96;

type Served = Pick<Welcome, "api" | "environments">;

export class Sharing {
  readonly #parts: SharingParts;
  /** From the first thread on. */
  #share: TableShare | undefined;
  #served: Served | undefined;
  #level = false;
  /** It may be used by what its file says, and no authority has said more yet. */
  #restored = false;
  #awaited = 0;
  #kept = 0;
  #telling = false;
  #tellAgain = false;

  constructor(parts: SharingParts) {
    this.#parts = parts;
  }

  /** Another thread; undefined: there are too many. `name`: this verifier's. `bring`: what the thread was answered about a key. */
  attach(name: string, bring: (said: FromReader) => void): ApiEnds | undefined {
    const { world, replica } = this.#parts;
    this.#share ??= new TableShare(world, replica);
    const share = this.#share;
    const table = share.attach((said, reader) => {
      bring(said);
      share.say({ kind: "taken", id: said.id }, reader);
    });
    return (
      table && {
        table,
        instance: `${name.slice(0, NAME_MAX)}/${table.reader + 1}`,
        state: this.#state(),
        lease: this.#leaseOfFile(),
      }
    );
  }

  /** What a file said. */
  began(head: Served, restored: boolean): void {
    this.serves(head);
    this.#restored = restored;
  }

  /** What the authority said. */
  serves({ api, environments }: Served): void {
    // Another one under the same name: until its snapshot is here, the table is of neither.
    if (api.id !== this.#served?.api.id) this.#level = false;
    this.#served = { api, environments };
    this.#restored = false;
    this.moved(0);
  }

  /** The replica is whole by a snapshot. */
  level(): void {
    this.#level = true;
  }

  /** More is applied, or known to be whole. Somebody waits for what is applied at `awaited`. */
  moved(awaited: number): void {
    this.#awaited = Math.max(this.#awaited, awaited);
    if (this.#share === undefined || this.#share.readers === 0) return;
    this.#tellAgain = true;
    if (this.#telling) return;
    this.#telling = true;
    void this.#tellAll().finally(() => {
      this.#telling = false;
      if (this.#tellAgain) this.moved(0);
    });
  }

  close(): void {
    this.#share?.close();
  }

  /** What moves meanwhile goes with the next. */
  async #tellAll(): Promise<void> {
    while (this.#tellAgain) {
      this.#tellAgain = false;
      this.#kept = await this.#parts.keeper.kept();
      this.#share?.say({ kind: "state", state: this.#state() });
    }
  }

  #state(): SharedState {
    const { keeper, lag, lease, replica, world } = this.#parts;
    // Before the local clock, so that nothing is thought to be later than it was.
    const now = processTime();
    const ahead = now - world.clock.elapsed();
    const granted = this.#restored || lease.policy === undefined ? undefined : lease.policy;
    return {
      epoch: keeper.epoch,
      seq: replica.seq,
      kept: this.#kept,
      awaited: this.#awaited,
      keys: replica.size,
      lag: lag(),
      lease: granted && { ...granted, until: lease.until + ahead },
      wholeAt: lease.wholeAt + ahead,
      level: this.#level,
      api: this.#served?.api,
      environments: this.#served?.environments ?? [],
    };
  }

  #leaseOfFile(): SharedLease | undefined {
    const { lease, clock, limiter, world } = this.#parts;
    const [at, now] = [processTime(), world.clock.elapsed()];
    if (!this.#restored || lease.policy === undefined || lease.standing(now) === "over") return undefined;
    const until = lease.until + (at - now);
    return { ...lease.policy, until, authorityNow: clock.earliest(now), at, verifiers: limiter.verifiers };
  }
}
