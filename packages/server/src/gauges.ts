/**
 * What the metrics read at each scrape. What takes time with the number of keys is counted a part at a time, other work between, and not
 * anew for a while: so no scrape, however often one comes, stops the event loop.
 */
import { type Clock, mayAnswer, phases, sleep } from "@keyover/core";
import type { Shares } from "./engine/shares.ts";
import type { Fleet } from "./feed/fleet.ts";
import type { Hub } from "./feed/hub.ts";
import type { Gauges } from "./http/metrics.ts";
import type { Restorations } from "./restore/restorations.ts";
import type { Api, EntityName } from "./store/entities.ts";
import type { Store } from "./store/store.ts";

const APIS_MAX = 1_000;
/** So long a count of what there may be a million of stands. */
const COUNTED_MS = 10_000;

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
  const countAll = async (table: EntityName, column: string, value: string): Promise<number> => {
    let sum = 0;
    for (let after: number | undefined = 0; after !== undefined; ) {
      if (after > 0) await sleep(clock, 0);
      const part = await store.countSome(table, column, value, after);
      sum += part.count;
      after = part.next;
    }
    return sum;
  };
  /** By value of a column; whoever asks while it is counted gets the same. */
  const standing = (table: EntityName, column: string, values: readonly string[]) => {
    let counted: { until: number; what: Promise<Record<string, number>> } | undefined;
    return (): Promise<Record<string, number>> => {
      const now = clock.elapsed();
      if (counted !== undefined && now < counted.until) return counted.what;
      const what = counts(values, (value) => countAll(table, column, value));
      const fresh = { until: Number.POSITIVE_INFINITY, what };
      counted = fresh;
      what.then(
        () => {
          fresh.until = clock.elapsed() + COUNTED_MS;
        },
        () => {
          counted = undefined;
        },
      );
      return what;
    };
  };
  const keys = standing("key", "status", ["active", "suspended", "revoked"]);
  const letters = standing("notice", "state", ["waiting", "dead"]);
  return {
    rotations: () => counts(phases, (phase) => store.count("rotation", { equals: { phase, ended: false } })),
    keys,
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
      const [{ waiting = 0, dead = 0 }, oldest] = await Promise.all([
        letters(),
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
