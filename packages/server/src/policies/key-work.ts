/** Work on keys that are due, one after the other; one that fails is nobody's fault but its own, and is passed over for a while. */
import type { Key, World } from "@keyover/core";
import { fenceIn, type Proof, type Shares } from "../engine/shares.ts";
import type { KeyChange, KeyState } from "../keys/change.ts";
import type { KeyDesk } from "../keys/key-desk.ts";
import type { Outcome } from "../outcome.ts";
import type { Restoration } from "../store/entities.ts";
import type { DueDate, Held, Store } from "../store/store.ts";

export type Work = (change: KeyChange, state: KeyState) => Promise<Outcome<unknown>>;

export interface KeyWork {
  /** What is due now, if this process does it for all: nothing of an api that is held. */
  due(what: DueDate, limit: number): Promise<{ leads: Proof; keys: Held<Key>[] } | undefined>;
  /** One commit each. */
  each(duty: string, leads: Proof, keyIds: readonly string[], work: Work): Promise<void>;
}

export interface KeyWorkDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  shares: Pick<Shares, "leads">;
  restorations: { waiting(): Promise<readonly Pick<Restoration, "id" | "reconciledAt">[]> };
}

const FAILED_MS = 60_000;

export function createKeyWork({ world, store, desk, shares, restorations }: KeyWorkDeps): KeyWork {
  /** Keys that failed, until when they are passed over. */
  const passedOver = new Map<string, number>();

  const heldApis = async () =>
    (await restorations.waiting()).filter(({ reconciledAt }) => reconciledAt === null).map(({ id }) => id);

  const attempt = async (keyId: string, leads: Proof, work: Work) => {
    try {
      const outcome = await desk.change(keyId, { actor: "policy", fence: fenceIn(leads) }, work);
      return outcome.ok ? undefined : (outcome.detail ?? outcome.code);
    } catch (error) {
      return String(error);
    }
  };

  return {
    async due(what, limit) {
      const leads = shares.leads();
      if (leads === undefined) return undefined;
      const now = world.clock.now();
      for (const [id, until] of passedOver) if (until <= now) passedOver.delete(id);
      const due = await store.dueKeys(what, now, await heldApis(), limit + passedOver.size);
      return { leads, keys: due.filter(({ value }) => !passedOver.has(value.id)).slice(0, limit) };
    },

    async each(duty, leads, keyIds, work) {
      for (const id of keyIds) {
        const trouble = await attempt(id, leads, work);
        if (trouble === undefined) continue;
        passedOver.set(id, world.clock.now() + FAILED_MS);
        world.log("warn", "schedule.key_failed", { key: id, duty, error: trouble });
      }
    },
  };
}
