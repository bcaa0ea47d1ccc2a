/** What the routes are given: the rooms of the authority, and the app that they add themselves to. */
import type { World } from "@keyover/core";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { CampaignDesk } from "../campaigns/campaign-desk.ts";
import type { Offboarding } from "../custodians/offboarding.ts";
import type { Custody } from "../custody/custody.ts";
import type { Engine } from "../engine/engine.ts";
import type { Rotations } from "../engine/rotations.ts";
import type { Evidence } from "../evidence/evidence.ts";
import type { Fleet } from "../feed/fleet.ts";
import type { Hub } from "../feed/hub.ts";
import type { LimitBook } from "../feed/limit-book.ts";
import type { Inventory } from "../keys/inventory.ts";
import type { KeyDesk } from "../keys/key-desk.ts";
import type { Keys } from "../keys/keys.ts";
import type { Plans } from "../keys/plans.ts";
import type { Tokens } from "../keys/tokens.ts";
import type { Channels } from "../notices/channels.ts";
import type { IdleFacts } from "../policies/idle-facts.ts";
import type { PolicyDesk } from "../policies/policy-desk.ts";
import type { Reconciler } from "../restore/reconciliation.ts";
import type { RememberedDesk } from "../restore/remembered.ts";
import type { Restorations } from "../restore/restorations.ts";
import type { Store } from "../store/store.ts";
import type { Metrics } from "./metrics.ts";

/** The rooms of the authority, as the routes see them. */
export interface Rooms {
  world: World;
  store: Store;
  custody: Custody;
  inventory: Inventory;
  plans: Plans;
  limits: LimitBook;
  keys: Keys;
  desk: KeyDesk;
  tokens: Tokens;
  offboarding: Offboarding;
  rotations: Rotations;
  campaigns: CampaignDesk;
  engine: Engine;
  evidence: Evidence;
  idleFacts: IdleFacts;
  fleet: Fleet;
  hub: Hub;
  restorations: Restorations;
  remembered: RememberedDesk;
  reconciler: Reconciler;
  channels: Channels;
  policies: PolicyDesk;
  metrics: Metrics;
  /** True once everything is loaded and while the server does not shut down. */
  ready(): boolean;
}

export type App = FastifyInstance<
  import("node:http").Server,
  import("node:http").IncomingMessage,
  import("node:http").ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;
