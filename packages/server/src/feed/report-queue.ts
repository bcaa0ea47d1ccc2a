/**
 * What verifiers say they saw, on its way to the disk: checked against what they can know, cleaned, and written together. Reports of many
 * verifiers cost one transaction (measured: with its fsync 0.3 ms).
 */
import { type Clock, type Log, type Sighting, sourceId, truncatedNetwork } from "@keyover/core";
import type { Boot } from "../store/entities.ts";
import type { Store, UsageRow } from "../store/store.ts";

/** The keys that a report may speak of. */
interface Scope {
  apiId: string;
  environments: readonly string[];
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

/** Gathers what comes within a few milliseconds into one transaction. */
export function createReportQueue({ store, clock, onUse, log }: ReportQueueDeps) {
  interface Waiting {
    boot: (() => Boot) | undefined;
    rows: UsageRow[];
    sightings: Sighting[];
    done: () => void;
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
    const boots = new Map<string, Boot>();
    for (const { boot } of batch) {
      const row = boot?.();
      if (row !== undefined) boots.set(row.boot, row);
    }
    try {
      await store.record({ rows: batch.flatMap(({ rows }) => rows), boots: [...boots.values()] });
    } catch (error) {
      for (const { failed } of batch) failed(error);
      return;
    }
    for (const { done } of batch) done();
    const seen = batch.flatMap(({ sightings }) => sightings);
    if (seen.length > 0) onUse(seen);
  };

  return {
    async add(boot: (() => Boot) | undefined, sightings: Sighting[], scope: Scope | undefined): Promise<void> {
      const own: Sighting[] = [];
      for (const sighting of sightings) {
        if (scope === undefined || (await belongs(sighting, scope))) own.push(sighting);
        else log("warn", "verifier.foreign_sighting", { api: scope.apiId, key: sighting.key });
      }
      await new Promise<void>((done, failed) => {
        waiting.push({
          boot,
          rows: own.map((sighting) => usageRow(sighting, clock.now())),
          sightings: own,
          done,
          failed,
        });
        if (scheduled) return;
        scheduled = true;
        clock.after(GATHER_MS, () => void flush());
      });
    },
  };
}

/**
 * Whole milliseconds, the interval widened rather than narrowed, and never in our future. A silence can't be longer than the time it
 * lies in: a false one would hold the key's rotations back for good.
 */
function usageRow(sighting: Sighting, now: number): UsageRow {
  const { accepted, refused } = sighting;
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
