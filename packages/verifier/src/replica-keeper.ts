/**
 * Keeps a replica on disk, if there is one to keep it on.
 *
 *     behind  ──snapshotTaken: whole state saved──▶  level  ──behind() or a failed write──▶  behind
 *
 * level:  entries go to the journal before they are acknowledged; every two seconds at most, the lease goes there too.
 * behind: the file lacks something that was or will be acknowledged, so its lease is taken away first: a process that
 *         restarts now waits for the authority.
 */
import type { FeedEntry, KeyRecord, StalenessPolicy, Welcome, World } from "@keyover/core";
import type { DiskLease, DiskState, JournalLine, ReplicaDisk } from "./disk.ts";
import type { AuthorityClock, Lease } from "./lease.ts";
import type { Limiter } from "./limits/limiter.ts";
import type { WritableReplica } from "./replica.ts";

const LEASE_EVERY_MS = 2_000;
const SAVE_AGAIN_MS = 5_000;
/** A journal longer than this, and than the snapshot, is folded into a new snapshot. */
const JOURNAL_MAX_BYTES = 1 << 20;

export interface KeeperParts {
  world: World;
  disk: ReplicaDisk | undefined;
  /** As the verifier was told to call it; names the files. */
  api: string;
  instance: string;
  replica: WritableReplica;
  lease: Lease;
  clock: AuthorityClock;
  limiter: Pick<Limiter, "verifiers" | "restore">;
}

export class ReplicaKeeper {
  readonly #parts: KeeperParts;
  #level = false;
  #saving = false;
  /** There is a newer state to be saved than the one that is being saved. */
  #again = false;
  #closed = false;
  #welcome: Welcome | undefined;
  #boot = "";
  #epoch = "";
  #aside = 0;
  #leaseAt = Number.NEGATIVE_INFINITY;
  #waiting: JournalLine[] = [];
  #writing: Promise<void> | undefined;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Of the snapshot that the replica began with: what its numbers mean something in. */
  get epoch(): string {
    return this.#epoch;
  }

  /** The highest number held: of the feed, or of a record that came by the side. */
  get newest(): number {
    return Math.max(this.#parts.replica.seq, this.#aside);
  }

  /** Up to here nothing that the feed brought is lacking. */
  get followed(): number {
    const { isWhole, seq } = this.#parts.replica;
    return isWhole ? seq : 0;
  }

  /** A record of our epoch came by the side, maybe before the feed brings it. */
  holdsToo(record: KeyRecord): void {
    this.#aside = Math.max(this.#aside, record.seq);
  }

  /** Fills the replica with what is on disk; false if it may not be used without the authority. */
  restore(state: DiskState): boolean {
    const { replica, lease, clock, world, limiter } = this.#parts;
    if (state.table !== undefined) {
      replica.adopt(state.table);
      this.#aside = state.table.newest;
    } else {
      for (const record of state.records) {
        replica.put(record);
        this.holdsToo(record);
      }
    }
    replica.plans.settle(state.head.seq, state.head.plans ?? []);
    // It was empty: all that it holds is the file's.
    replica.settle(state.head.seq, { has: () => true });
    this.#epoch = state.head.epoch;
    const whole = state.entries.every((entry) => replica.apply(entry) !== "gap");
    if (state.lease === null || !whole) return false;
    const remaining = remainingMs(state.lease, world.clock.now());
    if (remaining === undefined) return false;
    clock.restore(state.lease.authorityNow + (world.clock.now() - state.lease.writtenAt));
    limiter.restore(state.lease.verifiers ?? 1);
    lease.restore(state.lease, world.clock.elapsed() + remaining);
    return lease.standing(world.clock.elapsed()) !== "over";
  }

  registered(welcome: Welcome, boot: string): void {
    this.#welcome = welcome;
    this.#boot = boot;
    this.#write({ boot });
  }

  behind(): void {
    this.#level = false;
    this.#write({ lease: null });
  }

  applied(entry: FeedEntry): void {
    this.#write({ entry });
  }

  granted(): void {
    const { world } = this.#parts;
    const at = world.clock.elapsed();
    if (!this.#level || at - this.#leaseAt < LEASE_EVERY_MS) return;
    this.#leaseAt = at;
    this.#write({ lease: this.#diskLease(at) });
  }

  /** Every entry up to the number answered is applied, and on disk or known not to get there. */
  async kept(): Promise<number> {
    const { seq } = this.#parts.replica;
    await this.#writing;
    return seq;
  }

  /** The replica is whole by a snapshot from the authority, and follows its feed in this epoch from now on. */
  snapshotTaken(epoch: string): void {
    if (epoch !== this.#epoch) this.#aside = 0;
    this.#epoch = epoch;
    void this.#save();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
  }

  #write(line: JournalLine): void {
    if (this.#parts.disk === undefined) return;
    this.#waiting.push(line);
    this.#writing ??= this.#writeAll(this.#parts.disk).finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(disk: ReplicaDisk): Promise<void> {
    const { api, world } = this.#parts;
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      try {
        await disk.append(api, lines);
      } catch (error) {
        this.#level = false;
        world.log("error", "disk.write_failed", { api, error: (error as Error).message });
        await disk.forget(api).catch(() => undefined);
        world.clock.after(SAVE_AGAIN_MS, () => void this.#save());
      }
    }
    const { journal, snapshot } = disk.sizes(api);
    if (this.#level && journal > Math.max(JOURNAL_MAX_BYTES, snapshot)) void this.#save();
  }

  async #save(): Promise<void> {
    const { disk, api, instance, replica, world } = this.#parts;
    if (disk === undefined || this.#closed || this.#welcome === undefined) return;
    if (this.#saving) {
      this.#again = true;
      return;
    }
    this.#saving = true;
    this.#again = false;
    const { environments } = this.#welcome;
    const [boot, epoch] = [this.#boot, this.#epoch];
    const [plans, { seq }] = [replica.plans.records(), replica];
    const head = { api: this.#welcome.api, environments, boot, instance, epoch, seq, plans };
    try {
      await disk.save(api, head, replica.records(), replica.table);
      // What is written may lack what a snapshot brought meanwhile, and have what it lacked.
      if (this.#again) return;
      this.#level = true;
      this.#leaseAt = Number.NEGATIVE_INFINITY;
      this.granted();
    } catch (error) {
      world.log("error", "disk.save_failed", { api, error: (error as Error).message });
      world.clock.after(SAVE_AGAIN_MS, () => void this.#save());
    } finally {
      this.#saving = false;
      if (this.#again) void this.#save();
    }
  }

  #diskLease(at: number): DiskLease {
    const { world, lease, clock, limiter } = this.#parts;
    const writtenAt = world.clock.now();
    const policy = lease.policy as StalenessPolicy;
    const { verifiers } = limiter;
    return { ...policy, writtenAt, until: writtenAt + (lease.until - at), authorityNow: clock.earliest(at), verifiers };
  }
}

/** How much of a lease is left, below zero once it is over; undefined if the wall clock went back, because then nobody knows. */
function remainingMs(lease: DiskLease, wallNow: number): number | undefined {
  return wallNow < lease.writtenAt ? undefined : lease.until - wallNow;
}
