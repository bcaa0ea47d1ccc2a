/**
 * The authority: its rooms, wired together on a world and a store. `main.ts` gives it the real ones and calls `tick`; tests and the
 * simulator give it others.
 *
 *     request ─▶ http ─▶ keys, rotations ─▶ desk ─▶ store.commit ─▶ hub ─▶ verifiers
 *                              ▲                                              │
 *                     engine ──┘◀── fleet (acknowledgements, reports) ◀───────┘
 */
import type { World } from "@keyover/core";
import { createCustody } from "./custody/custody.ts";
import type { Secret } from "./custody/secret.ts";
import { createEngine } from "./engine/engine.ts";
import { createRotations } from "./engine/rotations.ts";
import { createEvidence } from "./evidence/evidence.ts";
import { createFleet } from "./feed/fleet.ts";
import { createHub } from "./feed/hub.ts";
import { gaugesOf } from "./gauges.ts";
import { createMetrics } from "./http/metrics.ts";
import type { App, Rooms } from "./http/rooms.ts";
import { createHttp, type HttpOptions } from "./http/server.ts";
import { createInventory } from "./keys/inventory.ts";
import { createKeyDesk } from "./keys/key-desk.ts";
import { createKeys } from "./keys/keys.ts";
import { createTokens } from "./keys/tokens.ts";
import type { Store } from "./store/store.ts";
import { createUpkeep } from "./upkeep.ts";

export interface AuthorityConfig extends HttpOptions {
  /** 32 bytes under which recoverable secrets are sealed. */
  masterKey: Uint8Array;
}

export interface Authority {
  app: App;
  /** Does what is due. Call it a few times a second. */
  tick(): Promise<void>;
  /** On an empty store makes the first administrator's token; else undefined. */
  firstToken(): Promise<Secret | undefined>;
  /** Answers what has begun, ends the streams, closes the store. */
  close(): Promise<void>;
}

/** How often the authority wants its `tick`. */
export const TICK_MS = 250;

export async function createAuthority(world: World, store: Store, config: AuthorityConfig): Promise<Authority> {
  const custody = createCustody(config.masterKey, world.random);
  const hub = createHub(store, world.log);
  const desk = createKeyDesk({
    world,
    store,
    custody,
    publish: (entries) => hub.publish(entries),
    onRotation: (id) => engine.wake(id),
  });
  const fleet = createFleet({
    store,
    clock: world.clock,
    log: world.log,
    onApplied: (apiId) => engine.fleetMoved(apiId),
    onUse: (sightings) => engine.seen(sightings),
  });
  const evidence = createEvidence(store, (apiId) => fleet.watermark(apiId), world.clock);
  const metrics = createMetrics(gaugesOf(store, fleet, hub, world.clock));
  const engine = createEngine({
    world,
    store,
    desk,
    fleet,
    evidence,
    onStep: (event) => metrics.rotationSteps.inc({ event }),
  });
  const tokens = createTokens({ world, store, desk, custody });
  let ready = false;
  const rooms: Rooms = {
    world,
    store,
    custody,
    hub,
    desk,
    fleet,
    evidence,
    engine,
    tokens,
    metrics,
    inventory: createInventory({ world, store, desk }),
    keys: createKeys({ world, store, desk, custody }),
    rotations: createRotations({ world, store, desk, custody, evidence }),
    ready: () => ready,
  };
  const app = await createHttp(rooms, config);
  const upkeep = createUpkeep({ world, store, desk, hub, tokens });
  await fleet.load();
  await engine.load();
  ready = true;

  return {
    app,
    async tick() {
      if (!ready) return;
      await upkeep.run();
      await engine.pass();
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
      const created = await tokens.create(wanted, { actor: "system" });
      return created.ok ? created.value.secret : undefined;
    },
    async close() {
      ready = false;
      hub.close();
      await app.close();
      await engine.pass();
      await store.close();
    },
  };
}
