/**
 * Which apis are not served because their database was restored (decision 014). While an api is *held*, nobody follows its feed, no
 * verification is answered and no rotation of it moves: verifiers go on with what they remember, and only what refuses more is done.
 *
 *     restore ──▶ held ──operator's choice──▶ carried out ──▶ served, in a new epoch
 *                                                              │ ▲
 *                              a verifier that knows more than was compared: late ──choice──▶ carried out
 *
 * Every call of a verifier asks; so what waits is read once a second, and at once when this process or, by the log, another has
 * changed it.
 */
import type { Clock } from "@keyover/core";
import { type Refusal, refuse } from "../outcome.ts";
import type { Restoration } from "../store/entities.ts";
import type { Held, Store } from "../store/store.ts";

export interface Restorations {
  /** What an api is held for; undefined if it is served. */
  held(apiId: string): Promise<Restoration | undefined>;
  /** All that wait for an operator or for his choice to be carried out, served or not. */
  waiting(): Promise<readonly Restoration[]>;
  /** Of an api whose database was restored at any time, as it stands now. */
  of(apiId: string): Promise<Held<Restoration> | undefined>;
  /** When its database was restored last; 0: never. */
  restoredAt(apiId: string): Promise<number>;
  /** The refusal of what can't be done while an api is held. */
  refusal(apiId: string): Promise<Refusal | undefined>;
  /** Something may have changed. */
  forget(): void;
}

const FRESH_MS = 1_000;
const PAGE = 500;

export function createRestorations(store: Store, clock: Clock): Restorations {
  /** It changes only by a mark, which is heard of: reports ask all the time. */
  const restored = new Map<string, Promise<number>>();
  let known: { readAt: number; waiting: Promise<readonly Restoration[]> } | undefined;

  const waiting = () => {
    const readAt = clock.elapsed();
    if (known !== undefined && readAt - known.readAt < FRESH_MS) return known.waiting;
    const asked = { readAt, waiting: readWaiting(store) };
    known = asked;
    asked.waiting.catch(() => {
      if (known === asked) known = undefined;
    });
    return asked.waiting;
  };
  const held = async (apiId: string) =>
    (await waiting()).find(({ id, reconciledAt }) => id === apiId && reconciledAt === null);

  return {
    held,
    waiting,
    of: (apiId) => store.get("restoration", apiId),
    restoredAt(apiId) {
      const asked = restored.get(apiId) ?? store.get("restoration", apiId).then((row) => row?.value.restoredAt ?? 0);
      restored.set(apiId, asked);
      asked.catch(() => restored.delete(apiId));
      return asked;
    },
    async refusal(apiId) {
      const restoration = await held(apiId);
      return restoration === undefined ? undefined : refusalOf(restoration, restoration.after);
    },
    forget() {
      known = undefined;
      restored.clear();
    },
  };
}

async function readWaiting(store: Store): Promise<readonly Restoration[]> {
  const all: Restoration[] = [];
  for (;;) {
    const page = await store.list("restoration", { equals: { waits: true } }, { after: all.at(-1)?.id, limit: PAGE });
    all.push(...page.map(({ value }) => value));
    if (page.length < PAGE) return all;
  }
}

/** `after`: what has a higher number is wanted to be known (wire.ts). */
export function refusalOf({ id, restore }: Restoration, after: number): Refusal {
  const detail = `the database of ${id} was restored; an operator compares it with what verifiers remember (keyover reconcile)`;
  return refuse("reconciling", detail, { after, epoch: restore });
}

/** A record as it is sent: under a number that no verifier can have of the same key or plan from before the restore. */
export function raised<R extends { seq: number }>(record: R, restoration: Restoration | undefined): R {
  const seq = Math.max(record.seq, restoration?.raisedTo ?? 0);
  return seq === record.seq ? record : { ...record, seq };
}

/** What an api's feed numbers mean something in. It begins with the api's handle, and after restores names the last one too. */
export function epochOf(apiId: string, restoration: Restoration | undefined): string {
  if (restoration === undefined) return apiId;
  return restoration.reconciledAt === null ? restoration.formerEpoch : `${apiId}:${restoration.restore}`;
}

/** An epoch of this api's feed, in whichever life of the database; not of another api that had the same name. */
export function isEpochOf(apiId: string, epoch: string): boolean {
  // Verifiers of before there were epochs say nothing.
  return epoch === "" || epoch === apiId || epoch.startsWith(`${apiId}:`);
}
