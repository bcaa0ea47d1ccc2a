/** What the metrics read at each scrape. */
import { type Clock, mayAnswer, phases } from "@keyover/core";
import type { Shares } from "./engine/shares.ts";
import type { Fleet } from "./feed/fleet.ts";
import type { Hub } from "./feed/hub.ts";
import type { Gauges } from "./http/metrics.ts";
import type { Restorations } from "./restore/restorations.ts";
import type { Api } from "./store/entities.ts";
import type { Store } from "./store/store.ts";

const APIS_MAX = 1_000;

export interface GaugeDeps {
  store: Store;
  fleet: Fleet;
  hub: Hub;
  shares: Shares;
  restorations: Restorations;
  clock: Clock;
}

export function gaugesOf({ store, fleet, hub, shares, restorations, clock }: GaugeDeps): Gauges {
  const apis = async (): Promise<Api[]> => (await store.list("api", {}, { limit: APIS_MAX })).map(({ value }) => value);
  const counts = async (names: readonly string[], count: (name: string) => Promise<number>) =>
    Object.fromEntries(await Promise.all(names.map(async (name) => [name, await count(name)] as const)));
  return {
    rotations: () => counts(phases, (phase) => store.count("rotation", { equals: { phase, ended: false } })),
    keys: () => counts(["active", "suspended", "revoked"], (status) => store.count("key", { equals: { status } })),
    async verifiers() {
      const counted = await Promise.all(
        (await apis()).map(async ({ id, name }) => {
          const open = (await fleet.list(id)).filter(
            (member) => !member.closed && member.replacedAt === null && member.removedAt === null,
          );
          const live = open.filter((member) => mayAnswer(member, clock.now())).length;
          return [
            { api: name, state: "live", count: live },
            { api: name, state: "lost", count: open.length - live },
          ];
        }),
      );
      return counted.flat();
    },
    async watermarkLagSeconds() {
      const lagOf = async ({ id, name }: Api) => {
        const { watermark } = await fleet.recentView(id);
        return { api: name, seconds: Math.max(0, clock.now() - watermark.at) / 1000 };
      };
      return Promise.all((await apis()).map(lagOf));
    },
    async reconciling() {
      const waiting = await restorations.waiting();
      const names = new Map((waiting.length === 0 ? [] : await apis()).map(({ id, name }) => [id, name]));
      return waiting.map(({ id, reconciledAt }) => ({
        api: names.get(id) ?? id,
        state: reconciledAt === null ? "held" : "late",
      }));
    },
    async notices() {
      const of = (state: string) => store.count("notice", { equals: { state } });
      const [waiting, dead, oldest] = await Promise.all([
        of("waiting"),
        of("dead"),
        // A handle begins with the time at which it was made.
        store.list("notice", { equals: { state: "waiting" } }, { limit: 1 }),
      ]);
      const since = oldest[0]?.value.createdAt ?? clock.now();
      return { waiting, dead, oldestSeconds: Math.max(0, clock.now() - since) / 1000 };
    },
    replicas: () => shares.replicas().length || 1,
    shards: () => shares.shards(),
    feedFollowers: () => hub.subscribers(),
  };
}
