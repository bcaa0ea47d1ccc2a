/**
 * What verifiers say they saw, on its way to the disk: checked against what they can know, cleaned, and written together. Reports of many
 * verifiers cost one transaction (measured: with its fsync 0.3 ms).
 */
import { type Clock, type LimitUse, type Log, type Sighting, sourceId, truncatedNetwork } from "@keyover/core";
import type { Boot } from "../store/entities.ts";
import type { LimitReport, Store, UsageRow } from "../store/store.ts";

/** The keys that a report may speak of. */
interface Scope {
  apiId: string;
  environments: readonly string[];
}

/** What a report says. */
interface Said {
  sightings: readonly Sighting[];
  limits?: LimitReport | undefined;
}

export interface ReportQueueDeps {
  store: Store;
  clock: Clock;
  log: Log;
  /** Called once the sightings are durable. */
  onUse: (sightings: Sighting[]) => void;
}

/** Reports that come within this time are written together. */
const GATHER_MS = 5;

export interface ReportQueue {
  /** Uses that the authority itself has seen. Resolves when they are durable. */
  sight(sightings: readonly Sighting[]): Promise<void>;
  /**
   * A boot's new row and what it says. Resolves when both are durable, with what stands of each limit that it charges; or with undefined if
   * the row had changed: then nothing is written.
   */
  report(boot: Boot, expect: number, said: Said, scope: Scope): Promise<LimitUse[] | undefined>;
}

/** Gathers what comes within a few milliseconds into one transaction. */
export function createReportQueue({ store, clock, onUse, log }: ReportQueueDeps): ReportQueue {
  interface Waiting {
    boot: { boot: Boot; expect: number; limits: LimitReport | undefined } | undefined;
    rows: UsageRow[];
    sightings: readonly Sighting[];
    done: (written: LimitUse[] | undefined) => void;
    failed: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];
  let scheduled = false;
  /** What a key belongs to never changes; its versions only grow. */
  const known = new Map<string, { apiId: string; environment: string; nextVersion: number }>();

  /** A verifier can't testify about a key that it is not sent, nor about a version that does not exist yet. */
  const belongs = async ({ key, version }: Sighting, { apiId, environments }: Scope) => {
    let place = known.get(key);
    if (place === undefined || version >= place.nextVersion) {
      place = (await store.get("key", key))?.value;
      if (place === undefined) return false;
      if (known.size >= 100_000) known.clear();
      const { environment, nextVersion } = place;
      known.set(key, { apiId: place.apiId, environment, nextVersion });
    }
    if (version >= place.nextVersion || place.apiId !== apiId) return false;
    return environments.length === 0 || environments.includes(place.environment);
  };

  const flush = async () => {
    scheduled = false;
    const batch = waiting;
    waiting = [];
    const rows = batch.flatMap(({ boot, rows }) => (boot === undefined ? rows : []));
    const reports = batch.flatMap(({ boot, rows }) => (boot === undefined ? [] : [{ ...boot, rows }]));
    try {
      const recorded = await store.record({ rows, reports });
      const lost = new Set(recorded.lost);
      const written = batch.filter(({ boot }) => boot === undefined || !lost.has(boot.boot.boot));
      for (const each of batch)
        each.done(written.includes(each) ? (recorded.limits?.get(each.boot?.boot.boot ?? "") ?? []) : undefined);
      const seen = written.flatMap(({ sightings }) => sightings);
      if (seen.length > 0) onUse(seen);
    } catch (error) {
      for (const { failed } of batch) failed(error);
    }
  };

  const add = (boot: Waiting["boot"], sightings: readonly Sighting[]) =>
    new Promise<LimitUse[] | undefined>((done, failed) => {
      const rows = sightings.map((sighting) => usageRow(sighting, clock.now()));
      waiting.push({ boot, rows, sightings, done, failed });
      if (scheduled) return;
      scheduled = true;
      clock.after(GATHER_MS, () => void flush());
    });

  return {
    async sight(sightings) {
      await add(undefined, sightings);
    },
    async report(boot, expect, { sightings, limits }, scope) {
      const own: Sighting[] = [];
      for (const sighting of sightings) {
        if (await belongs(sighting, scope)) own.push(sighting);
        else log("warn", "verifier.foreign_sighting", { api: scope.apiId, key: sighting.key });
      }
      return add({ boot, expect, limits }, own);
    },
  };
}

/**
 * Whole milliseconds, the interval widened rather than narrowed, and never in our future. A silence can't be longer than the time it
 * lies in: a false one would hold the key's rotations back for good.
 */
function usageRow(sighting: Sighting, now: number): UsageRow {
  const { accepted, refused, limited = 0 } = sighting;
  const source = {
    network: knownNetwork(sighting.source.network),
    client: cleanLabel(sighting.source.client),
    instance: cleanLabel(sighting.source.instance),
  };
  const first = Math.floor(Math.min(sighting.first, now));
  const last = Math.ceil(Math.min(sighting.last, now));
  return {
    keyId: sighting.key,
    version: sighting.version,
    sourceId: sourceId(source),
    source,
    first,
    last,
    accepted,
    refused,
    limited: Math.min(limited, accepted),
    longestGapMs: Math.min(Math.ceil(sighting.longestGapMs), Math.max(0, last - first)),
  };
}

/** Only what a verifier makes of an address: a fence may be built from it. */
function knownNetwork(network: string): string {
  if (network === "other") return network;
  return truncatedNetwork(network.split("/", 1)[0] as string) === network ? network : "unknown";
}

/** Printable ASCII without the separator of `sourceId`. */
function cleanLabel(label: string): string {
  return label.replace(/[^\x20-\x7e]|\|/g, "_");
}
