/**
 * Which part of the engine's work is this process's. The truth is in the store (share-writes.ts) and is checked in each commit;
 * what is known here only saves work that would be refused.
 */
import { type Clock, crc32, type Log } from "@keyover/core";
import { SCHEMA_VERSION, SHARDS } from "../store/schema.ts";
import type { Fence, Replica, Shard, Store } from "../store/store.ts";

export type Proof = Fence | "alone";

/** As a commit carries it. */
export function fenceIn(proof: Proof): Fence | undefined {
  return proof === "alone" ? undefined : proof;
}

export interface Shares {
  /** Renews the lease and takes what is due. Answers whether something was gained. */
  renew(): Promise<boolean>;
  /** Whether this process may work on a rotation, as far as it knows. */
  holds(rotationId: string): boolean;
  /** The proof for a commit: `alone` where none is needed, undefined if the work is not ours. */
  proofFor(rotationId: string): Proof | undefined;
  /** Whether this process does what only one of them should, such as sweeping. */
  leads(): Proof | undefined;
  /** The processes that were alive at the last renewal, this one among them. */
  replicas(): readonly Replica[];
  shards(): number;
  /** Gives all back, so that the others need not wait for the lease to run out. */
  leave(): Promise<void>;
}

export interface ShareDeps {
  store: Store;
  clock: Clock;
  log: Log;
  replica: string;
  software: string;
  leaseMs: number;
}

function shardOf(rotationId: string): number {
  return crc32(rotationId) % SHARDS;
}

export function createShares({ store, clock, log, replica, software, leaseMs }: ShareDeps): Shares {
  const startedAt = clock.now();
  const held = new Map<number, Shard>();
  let replicas: Replica[] = [];
  /** On the monotonic clock. */
  let until = Number.NEGATIVE_INFINITY;
  let left = false;

  const proof = (shard: number): Proof | undefined => {
    if (!store.shared) return "alone";
    const own = clock.elapsed() < until ? held.get(shard) : undefined;
    return own === undefined ? undefined : { shard, replica, fence: own.fence };
  };

  return {
    async renew() {
      if (!store.shared || left) return false;
      // From before the request: the store counts from later, so the lease ends here first.
      const asked = clock.elapsed();
      const answer = await store.share({ id: replica, software, schema: SCHEMA_VERSION, startedAt }, leaseMs);
      if (left) return false;
      const gained = answer.shards.filter((shard) => held.get(shard.shard)?.fence !== shard.fence);
      held.clear();
      for (const shard of answer.shards) held.set(shard.shard, shard);
      until = asked + leaseMs;
      const names = (list: readonly Replica[]) => list.map(({ id }) => id).join(" ");
      if (names(replicas) !== names(answer.replicas))
        log("info", "replica.members", { replica, members: answer.replicas.map(({ id }) => id), shards: held.size });
      replicas = answer.replicas;
      return gained.length > 0;
    },
    holds: (rotationId) => proof(shardOf(rotationId)) !== undefined,
    proofFor: (rotationId) => proof(shardOf(rotationId)),
    leads: () => proof(0),
    replicas: () => replicas,
    shards: () => (store.shared ? held.size : SHARDS),
    async leave() {
      left = true;
      held.clear();
      if (store.shared) await store.leave(replica);
    },
  };
}
