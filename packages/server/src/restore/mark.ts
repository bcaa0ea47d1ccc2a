/**
 * Marks a database as restored, before anybody is served from it: each api is held until it has been compared with what verifiers
 * remember.
 *
 * And each api gets one *boot* more, which stands for all verifiers that the backup knows nothing of, or no longer the truth about. They
 * may answer from what they hold until a lease that was granted just before the restore, and the static time after it, are over. So no
 * successor is offered and no silence counts until then (I2, I3), unless an operator says that they are gone.
 */
import { effectiveStaleness, makeHandle, type RandomBytes } from "@keyover/core";
import type { Api, Boot, Restoration } from "../store/entities.ts";
import { type Held, put, type Store } from "../store/store.ts";
import { comparedUntilNow } from "./compared.ts";
import { epochOf } from "./restorations.ts";

export interface MarkOptions {
  now: number;
  random: RandomBytes;
  /** The database was written to after it was brought back: numbers tell nothing, so all that verifiers hold is compared. */
  everything?: boolean | undefined;
  /** For the audit entry: where the database came from. */
  details?: Record<string, unknown> | undefined;
}

export const UNKNOWN_INSTANCE = "verifiers of before the restore";

const APIS_PER_COMMIT = 200;
const BOOTS_MAX = 1_000;

/** Answers the apis that are held now. */
export async function markRestored(store: Store, { now, random, everything, details }: MarkOptions): Promise<Api[]> {
  const lastEntryAt = await timeOfLastEntry(store);
  const marked: Api[] = [];
  for (;;) {
    const apis = await store.list("api", {}, { after: marked.at(-1)?.id, limit: APIS_PER_COMMIT });
    // A database without an api has nothing to compare, but that it was restored is on record.
    if (apis.length === 0 && marked.length > 0) return marked;
    const rows: { restoration: Restoration; before: Held<Restoration> | undefined; boot: Boot }[] = [];
    for (const { value: api } of apis) {
      const before = await store.get("restoration", api.id);
      const restoration = await restorationOf(store, api, before?.value, { now, lastEntryAt, everything, random });
      rows.push({ restoration, before, boot: unknownBoot(api, restoration, makeHandle("boot", now, random)) });
    }
    await store.record({ rows: [], reports: rows.map(({ boot }) => ({ boot, expect: 0, rows: [] })) });
    const outcome = await store.commit({
      writes: rows.map(({ restoration, before }) => put("restoration", restoration, before)),
      audit: [
        {
          at: now,
          actor: "system",
          action: "database.restored",
          subjects: apis.map(({ value }) => value.id),
          details: { ...details, ...(everything ? { everything } : {}) },
        },
      ],
      feed: [],
    });
    if (!outcome.ok) throw new Error("somebody else marked this database at the same time; nothing more was changed");
    marked.push(...apis.map(({ value }) => value));
    if (apis.length < APIS_PER_COMMIT) return marked;
  }
}

async function restorationOf(
  store: Store,
  api: Api,
  before: Restoration | undefined,
  {
    now,
    lastEntryAt,
    everything,
    random,
  }: Pick<MarkOptions, "now" | "everything" | "random"> & { lastEntryAt: number },
): Promise<Restoration> {
  const head = await store.feedHead(api.id);
  // A backup that was taken while the api was held still lacks what was to be compared then.
  const compareFrom = before?.reconciledAt === null ? Math.min(before.after, head) : head;
  const covered = (await store.boots(api.id, BOOTS_MAX)).map(({ coveredTo }) => coveredTo);
  return {
    id: api.id,
    restore: Buffer.from(random(15)).toString("base64url"),
    formerEpoch: epochOf(api.id, before),
    after: everything ? 0 : compareFrom,
    restoredAt: now,
    asOf: covered.reduce((latest, at) => Math.max(latest, at), lastEntryAt),
    reconciledAt: null,
    choice: null,
    late: false,
    compared: {},
    comparedBefore: comparedUntilNow(before),
    raisedTo: before?.raisedTo ?? 0,
  };
}

async function timeOfLastEntry(store: Store): Promise<number> {
  const { head } = await store.changes(0, 0);
  const [last] = await store.audit(head - 1, 1);
  return last?.at ?? 0;
}

function unknownBoot(api: Api, { asOf, restoredAt }: Restoration, boot: string): Boot {
  const { leaseMs, onStale, staticMs } = effectiveStaleness(api.staleness);
  return {
    boot,
    apiId: api.id,
    tokenId: "system",
    instance: UNKNOWN_INSTANCE,
    software: "",
    registeredAt: restoredAt,
    coveredTo: Math.min(asOf, restoredAt),
    answersUntil: restoredAt + leaseMs + (onStale === "static" ? staticMs : 0),
    reportNumber: 0,
    applied: 0,
    host: "",
    adoption: 0,
    closed: false,
    replacedAt: null,
    removedAt: null,
  };
}
