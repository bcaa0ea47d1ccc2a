/**
 * What must be done from time to time: the clock and the leases, beats on the feed, sealed secrets past their time, rows past keeping.
 * Each thing by itself: one that fails, or takes long, keeps none of the others from being done.
 */
import type { World } from "@keyover/core";
import type { Forgetting } from "./campaigns/forgetting.ts";
import type { CampaignRunner } from "./campaigns/runner.ts";
import type { Engine } from "./engine/engine.ts";
import { fenceIn, type Shares } from "./engine/shares.ts";
import type { Fleet } from "./feed/fleet.ts";
import type { Hub } from "./feed/hub.ts";
import type { LogWatch } from "./feed/log-watch.ts";
import type { LostVerifiers } from "./feed/lost.ts";
import type { KeyDesk } from "./keys/key-desk.ts";
import type { Tokens } from "./keys/tokens.ts";
import type { PostOffice } from "./notices/post-office.ts";
import type { Idleness } from "./policies/idleness.ts";
import type { Scheduler } from "./policies/scheduler.ts";
import type { Reconciler } from "./restore/reconciliation.ts";
import type { Restorations } from "./restore/restorations.ts";
import type { Fence, Store } from "./store/store.ts";

const BEAT_MS = 1_000;
const RECONCILE_MS = 5_000;
const SWEEP_MS = 60_000;
const PATROL_MS = 10_000;
const LOST_MS = 30_000;
const FORGET_MS = 10_000;
const DAY_MS = 86_400_000;

/** In one sweep. */
const SECRETS_MAX = 500;

/** How much is kept: feed entries per api, and days of the rest. */
const KEEP = {
  feedEntries: 100_000,
  idempotencyDays: 2,
  bucketDays: 7,
  dayDays: 400,
  limitDays: 1,
  bootDays: 400,
  noticeDays: 90,
};

export interface Upkeep {
  /** Does what is due and not being done already. */
  run(): Promise<void>;
}

export interface UpkeepDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  hub: Hub;
  tokens: Tokens;
  fleet: Fleet;
  engine: Engine;
  shares: Shares;
  watch: LogWatch;
  restorations: Restorations;
  reconciler: Reconciler;
  scheduler: Scheduler;
  idleness: Idleness;
  campaigns: CampaignRunner;
  forgetting: Forgetting;
  postOffice: PostOffice;
  lostVerifiers: LostVerifiers;
  syncClock: () => Promise<void>;
}

export function createUpkeep({ world, store, desk, hub, tokens, ...deps }: UpkeepDeps): Upkeep {
  const { engine, shares, restorations } = deps;

  /** Secrets that wait for no rotation: first versions and tokens. A successor's end with its rotation. */
  const sweepSealed = async (now: number, fence: Fence | undefined) => {
    const over = await store.expiredSecrets(now, SECRETS_MAX);
    if (over.length === 0) return;
    await desk.commit({
      fence,
      writes: over.map(({ id }) => ({ remove: "sealed" as const, id })),
      audit: over.map(({ id, keyId, version }) => ({
        at: now,
        actor: "system",
        action: "secret.expired",
        subjects: [id, ...(keyId === null ? [] : [keyId])],
        details: { version },
      })),
      feed: [],
    });
  };

  /** One process does it for all. */
  const sweep = async () => {
    const leads = shares.leads();
    if (leads === undefined) return;
    const now = world.clock.now();
    await sweepSealed(now, fenceIn(leads));
    await store.prune({
      feedKeep: KEEP.feedEntries,
      idempotency: now - KEEP.idempotencyDays * DAY_MS,
      buckets: now - KEEP.bucketDays * DAY_MS,
      days: now - KEEP.dayDays * DAY_MS,
      limits: now - KEEP.limitDays * DAY_MS,
      boots: now - KEEP.bootDays * DAY_MS,
      notices: now - KEEP.noticeDays * DAY_MS,
    });
  };

  /** Of an api whose database was marked as restored while we ran nobody may be told more. */
  const endHeldStreams = async () => {
    for (const { id, reconciledAt } of await restorations.waiting()) if (reconciledAt === null) hub.cutOff(id);
  };

  const pursueChoices = async () => {
    const leads = shares.leads();
    if (leads !== undefined) await deps.reconciler.pursue(fenceIn(leads));
  };

  const tellOfHeld = async () => {
    for (const { id, reconciledAt, after, restoredAt, choice } of await restorations.waiting()) {
      const fields = { api: id, after, restoredAt, chosen: choice !== null, advice: "keyover reconcile" };
      world.log("warn", reconciledAt === null ? "restore.held" : "restore.late_verifier", fields);
    }
  };

  /** A stream that was opened with a token ends with it. */
  const expelInvalid = async () => {
    for (const tokenId of hub.tokens()) if (!(await tokens.isValid(tokenId))) hub.expel(tokenId);
  };

  const duties: Duty[] = [
    duty("clock", BEAT_MS, deps.syncClock),
    duty("shares", BEAT_MS, async () => {
      if (await shares.renew()) await engine.load();
    }),
    duty("expel", BEAT_MS, expelInvalid),
    duty("beat", BEAT_MS, () => hub.beat()),
    duty("tidy", BEAT_MS, () => deps.fleet.tidy()),
    duty("reconcile", RECONCILE_MS, () => engine.reconcile()),
    duty("sweep", SWEEP_MS, sweep),
    duty("notices", BEAT_MS, () => deps.postOffice.part()),
    duty("held", BEAT_MS, endHeldStreams),
    duty("pursue", BEAT_MS, pursueChoices),
    duty("tell", SWEEP_MS, tellOfHeld),
    duty("starts", BEAT_MS, () => deps.scheduler.start()),
    duty("expiries", BEAT_MS, () => deps.scheduler.announce()),
    duty("idle", BEAT_MS, () => deps.idleness.look()),
    duty("campaigns", 0, () => deps.campaigns.run()),
    duty("forget", FORGET_MS, () => deps.forgetting.look()),
    duty("replan", BEAT_MS, () => deps.scheduler.replan()),
    duty("lost", LOST_MS, () => deps.lostVerifiers.look()),
    duty("patrol", PATROL_MS, () => deps.scheduler.patrol()),
    ...(store.shared ? [duty("poll", 0, () => deps.watch.poll())] : []),
  ];

  const perform = async (due: Duty) => {
    due.running = true;
    try {
      await due.run();
    } catch (error) {
      world.log("error", "upkeep.failed", { duty: due.name, error: String(error) });
    } finally {
      due.running = false;
    }
  };

  return {
    async run() {
      const elapsed = world.clock.elapsed();
      const due = duties.filter(({ running, dueAt }) => !running && elapsed >= dueAt);
      for (const each of due) each.dueAt = elapsed + each.everyMs;
      await Promise.all(due.map(perform));
    },
  };
}

interface Duty {
  name: string;
  everyMs: number;
  run: () => Promise<void>;
  /** On the monotonic clock. */
  dueAt: number;
  running: boolean;
}

function duty(name: string, everyMs: number, run: () => Promise<void>): Duty {
  return { name, everyMs, run, dueAt: 0, running: false };
}
