/** What must be done from time to time: beats on the feed, sealed secrets past their time, rows past keeping. */
import type { World } from "@keyover/core";
import type { Hub } from "./feed/hub.ts";
import type { KeyDesk } from "./keys/key-desk.ts";
import type { Tokens } from "./keys/tokens.ts";
import type { Store } from "./store/store.ts";

const BEAT_MS = 1_000;
const SWEEP_MS = 60_000;
const DAY_MS = 86_400_000;

/** How much is kept: feed entries per api, and days of the rest. */
const KEEP = { feedEntries: 100_000, idempotencyDays: 2, bucketDays: 7, bootDays: 400 };

export interface Upkeep {
  run(): Promise<void>;
}

export interface UpkeepDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  hub: Hub;
  tokens: Tokens;
}

export function createUpkeep({ world, store, desk, hub, tokens }: UpkeepDeps): Upkeep {
  let nextBeat = 0;
  let nextSweep = 0;

  /** Secrets that wait for no rotation: first versions and tokens. A successor's end with its rotation. */
  const sweepSealed = async (now: number) => {
    const over = await store.list(
      "sealed",
      { equals: { rotation_id: null }, until: [{ column: "expires_at", at: now }] },
      { limit: 500 },
    );
    if (over.length === 0) return;
    await desk.commit({
      writes: over.map(({ value }) => ({ remove: "sealed" as const, id: value.id })),
      audit: over.map(({ value }) => ({
        at: now,
        actor: "system",
        action: "secret.expired",
        subjects: [value.id, ...(value.keyId === null ? [] : [value.keyId])],
        details: { version: value.version },
      })),
      feed: [],
    });
  };

  /** A stream that was opened with a token ends with it. */
  const expelInvalid = async () => {
    for (const tokenId of hub.tokens()) if (!(await tokens.isValid(tokenId))) hub.expel(tokenId);
  };

  return {
    async run() {
      const elapsed = world.clock.elapsed();
      const now = world.clock.now();
      if (elapsed >= nextBeat) {
        nextBeat = elapsed + BEAT_MS;
        await expelInvalid();
        hub.beat(now);
      }
      if (elapsed < nextSweep) return;
      nextSweep = elapsed + SWEEP_MS;
      await sweepSealed(now);
      await store.prune({
        feedKeep: KEEP.feedEntries,
        idempotency: now - KEEP.idempotencyDays * DAY_MS,
        buckets: now - KEEP.bucketDays * DAY_MS,
        boots: now - KEEP.bootDays * DAY_MS,
      });
    },
  };
}
