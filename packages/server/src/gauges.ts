/** What the metrics read at each scrape. */
import { type Clock, mayAnswer, phases } from "@keyover/core";
import type { Fleet } from "./feed/fleet.ts";
import type { Hub } from "./feed/hub.ts";
import type { Gauges } from "./http/metrics.ts";
import type { Api } from "./store/entities.ts";
import type { Store } from "./store/store.ts";

const APIS_MAX = 1_000;

export function gaugesOf(store: Store, fleet: Fleet, hub: Hub, clock: Clock): Gauges {
  const apis = async (): Promise<Api[]> => (await store.list("api", {}, { limit: APIS_MAX })).map(({ value }) => value);
  const counts = async (names: readonly string[], count: (name: string) => Promise<number>) =>
    Object.fromEntries(await Promise.all(names.map(async (name) => [name, await count(name)] as const)));
  return {
    rotations: () => counts(phases, (phase) => store.count("rotation", { equals: { phase, ended: false } })),
    keys: () => counts(["active", "suspended", "revoked"], (status) => store.count("key", { equals: { status } })),
    async verifiers() {
      const now = clock.now();
      return (await apis()).flatMap(({ id, name }) => {
        const open = fleet
          .members(id)
          .filter((member) => !member.closed && member.replacedAt === null && member.removedAt === null);
        const live = open.filter((member) => mayAnswer(member, now)).length;
        return [
          { api: name, state: "live", count: live },
          { api: name, state: "lost", count: open.length - live },
        ];
      });
    },
    async watermarkLagSeconds() {
      const now = clock.now();
      return (await apis()).map(({ id, name }) => ({
        api: name,
        seconds: Math.max(0, now - fleet.watermark(id).at) / 1000,
      }));
    },
    feedFollowers: () => hub.subscribers(),
  };
}
