/**
 * The authority: its rooms, wired together on a world and a store. `main.ts` gives it the real ones and calls `tick`; tests and the
 * simulator give it others.
 *
 *     request ─▶ http ─▶ keys, rotations ─▶ desk ─▶ store.commit ─▶ hub ─▶ verifiers
 *                              ▲                                              │
 *                     engine ──┘◀── fleet (acknowledgements, reports) ◀───────┘
 */
import { isHandle, makeHandle, type World } from "@keyover/core";
import { createCampaignDesk } from "./campaigns/campaign-desk.ts";
import { createForgetting } from "./campaigns/forgetting.ts";
import { createCampaignRunner } from "./campaigns/runner.ts";
import { createOffboarding } from "./custodians/offboarding.ts";
import { createCustody } from "./custody/custody.ts";
import type { Secret } from "./custody/secret.ts";
import { createEngine } from "./engine/engine.ts";
import { createRotations } from "./engine/rotations.ts";
import { createShares, fenceIn } from "./engine/shares.ts";
import { createEvidence } from "./evidence/evidence.ts";
import { createFleet } from "./feed/fleet.ts";
import { createHub } from "./feed/hub.ts";
import { createLimitBook } from "./feed/limit-book.ts";
import { createLogWatch } from "./feed/log-watch.ts";
import { createLostVerifiers } from "./feed/lost.ts";
import { gaugesOf } from "./gauges.ts";
import { createMetrics } from "./http/metrics.ts";
import type { App, Rooms } from "./http/rooms.ts";
import { createHttp, type HttpOptions } from "./http/server.ts";
import { createInventory } from "./keys/inventory.ts";
import { createKeyDesk } from "./keys/key-desk.ts";
import { createKeys } from "./keys/keys.ts";
import { createPlans } from "./keys/plans.ts";
import { createTokens } from "./keys/tokens.ts";
import { createNotices, type NoticesConfig } from "./notices/notices.ts";
import { createIdleFacts } from "./policies/idle-facts.ts";
import { createIdleness } from "./policies/idleness.ts";
import { createKeyPolicies } from "./policies/key-policies.ts";
import { createPolicyDesk } from "./policies/policy-desk.ts";
import { createScheduler } from "./policies/scheduler.ts";
import { createReconciler } from "./restore/reconciliation.ts";
import { createRememberedDesk } from "./restore/remembered.ts";
import { createRestorations } from "./restore/restorations.ts";
import { createSteadyClock } from "./steady-clock.ts";
import type { Store } from "./store/store.ts";
import { createUpkeep } from "./upkeep.ts";

export interface AuthorityConfig extends HttpOptions {
  /** 32 bytes under which recoverable secrets are sealed. */
  masterKey: Uint8Array;
  /** What this process calls itself to operators, such as `keyover/0.1.0`. */
  software?: string | undefined;
  /** How long the others wait for a process that is gone before they take over its work. Default 5,000. */
  replicaLeaseMs?: number | undefined;
  /** How people are told. */
  notices?: NoticesConfig | undefined;
}

export interface Authority {
  app: App;
  /** Does what is due. Call it a few times a second, whether or not the last call is done: a long one must not hold up a beat. */
  tick(): Promise<void>;
  /** On an empty store makes the first administrator's token; else undefined. */
  firstToken(): Promise<Secret | undefined>;
  /** Answers what has begun, ends the streams, closes the store. */
  close(): Promise<void>;
}

/** How often the authority wants its `tick`. */
export const TICK_MS = 250;

/** A process that is gone is missed this long. */
export const REPLICA_LEASE_MS = 5_000;

export async function createAuthority(given: World, store: Store, config: AuthorityConfig): Promise<Authority> {
  const clock = await createSteadyClock(given.clock, () => store.now(), given.log);
  const world: World = { ...given, clock };
  const replica = makeHandle("replica", clock.now(), world.random);
  const custody = createCustody(config.masterKey, world.random);
  const hub = createHub(store, clock, world.log);
  const limits = createLimitBook({ store, clock, log: world.log });
  const shares = createShares({
    store,
    clock,
    log: world.log,
    replica,
    software: config.software ?? "keyover",
    leaseMs: config.replicaLeaseMs ?? REPLICA_LEASE_MS,
  });
  const restorations = createRestorations(store, clock);
  const policies = await createKeyPolicies(store, clock);
  const desk = createKeyDesk({
    world,
    store,
    custody,
    policies,
    publish(entries) {
      limits.published(entries);
      hub.publish(entries);
    },
    onRotation: (id) => engine.wake(id),
    onNotices: () => notices.office.wake(),
    heldBack: (apiId) => restorations.refusal(apiId),
  });
  const fleet = createFleet({
    store,
    clock,
    log: world.log,
    limits,
    replica,
    alone: () => shares.replicas().length <= 1,
    onApplied: (apiId) => engine.fleetMoved(apiId),
    onUse(sightings) {
      engine.seen(sightings);
      idleness.seen(sightings);
    },
    onSign: (api, before, how) => lostVerifiers.over(api, before, how),
  });
  const watermarkOf = async (apiId: string) => (await fleet.recentView(apiId)).watermark;
  const evidence = createEvidence(store, watermarkOf, (apiId) => restorations.restoredAt(apiId), clock);
  const idleFacts = createIdleFacts({ store, clock, watermarkOf });
  const metrics = createMetrics(gaugesOf({ store, fleet, hub, shares, restorations, clock }));
  const engine = createEngine({
    world,
    store,
    desk,
    fleet,
    evidence,
    shares,
    isHeld: async (apiId) => (await restorations.held(apiId)) !== undefined,
    onStep: (event) => metrics.rotationSteps.inc({ event }),
    onNotices: () => notices.office.wake(),
  });
  const leads = () => {
    const proof = shares.leads();
    return proof === undefined ? undefined : { fence: fenceIn(proof) };
  };
  const count = (what: "sent" | "failed" | "dead", kind: string) => metrics.notices.inc({ what, kind });
  const notices = createNotices(
    { world, store, desk, custody, leads, named: (keys) => policies.channelsOf(keys), count },
    config.notices,
  );
  const lostVerifiers = createLostVerifiers({
    world,
    store,
    leads,
    restoredAt: (apiId) => restorations.restoredAt(apiId),
    isHeld: async (apiId) => (await restorations.held(apiId)) !== undefined,
    onNotices: () => notices.office.wake(),
  });
  const tokens = createTokens({ world, store, desk, custody });
  const inventory = createInventory({ world, store, desk });
  const dutyOfKeys = { world, store, desk, policies, evidence, shares, restorations };
  const scheduler = createScheduler(dutyOfKeys);
  const idleness = createIdleness({ ...dutyOfKeys, facts: idleFacts });
  const campaigns = createCampaignRunner({ ...dutyOfKeys, fleet, onRotation: (id) => engine.wake(id) });
  const reconciler = createReconciler({ world, store, desk, custody, restorations });
  const campaignDesk = createCampaignDesk({ world, store, desk, restorations, wake: () => campaigns.wake() });
  let ready = false;
  const rooms: Rooms = {
    world,
    store,
    custody,
    hub,
    desk,
    fleet,
    evidence,
    idleFacts,
    engine,
    tokens,
    metrics,
    inventory,
    plans: createPlans({ world, store, desk }),
    limits,
    restorations,
    remembered: createRememberedDesk({ world, store, desk, restorations }),
    reconciler,
    channels: notices.channels,
    policies: createPolicyDesk({ world, store, desk }),
    keys: createKeys({ world, store, desk, custody }),
    rotations: createRotations({ world, store, desk, custody, evidence }),
    campaigns: campaignDesk,
    offboarding: createOffboarding({ world, store, tokens, desk, campaigns: campaignDesk }),
    ready: () => ready,
  };
  const app = await createHttp(rooms, config);
  const watch = await createLogWatch(store, world.log, (subjects) => {
    tokens.forget();
    inventory.forget();
    restorations.forget();
    limits.forget(subjects);
    notices.office.forget(subjects);
    notices.office.wake();
    for (const id of subjects) if (isHandle("rotation", id)) engine.wake(id);
    if (subjects.some((id) => isHandle("campaign", id))) campaigns.wake();
    void hub.pull(subjects.filter((id) => isHandle("api", id))).catch(noteFailure("feed.pull_failed"));
  });
  const noteFailure = (event: string) => (error: unknown) => world.log("error", event, { error: String(error) });
  const unlisten = await store.listen((message) => {
    const [what, id = ""] = message.split(" ");
    if (what === "use") engine.wake(id);
    else if (what === "fleet") engine.fleetMoved(id);
    else void watch.poll();
  });
  const upkeep = createUpkeep({
    world,
    store,
    desk,
    hub,
    tokens,
    fleet,
    engine,
    shares,
    watch,
    restorations,
    reconciler,
    scheduler,
    idleness,
    campaigns,
    forgetting: createForgetting({ world, store, desk, shares }),
    postOffice: notices.office,
    lostVerifiers,
    syncClock: () => clock.sync(),
  });
  await shares.renew();
  await engine.load();
  ready = true;

  return {
    app,
    async tick() {
      if (!ready) return;
      await Promise.all([upkeep.run(), engine.part()]);
    },
    async firstToken() {
      if ((await store.count("token", {})) > 0) return undefined;
      const wanted = {
        name: "first administrator",
        role: "admin" as const,
        apiIds: [],
        environments: [],
        consumerId: null,
        expiresAt: null,
      };
      // Of several processes that start together, one makes it.
      const remember = (token: { id: string }) => ({
        id: "first administrator",
        request: "",
        status: 0,
        body: { token: token.id },
        sealedId: null,
        createdAt: clock.now(),
      });
      const created = await tokens.create(wanted, { actor: "system", remember });
      return created.ok ? created.value.secret : undefined;
    },
    async close() {
      ready = false;
      await unlisten();
      hub.close();
      await app.close();
      await campaigns.stop();
      await engine.pass();
      await notices.office.close();
      await shares.leave().catch(noteFailure("replica.leave_failed"));
      await store.close();
    },
  };
}
