/**
 * Successors that are on their way to the verifiers, and up to which entry of the feed each waits for all of them. An acknowledgement that
 * moves the fleet on wakes those that it concerns: of ten thousand that wait, the few hundred whose entry everybody has by now. It reads
 * the fleet once, however many acknowledgements come meanwhile, and never the rotations.
 *
 *     visit ──looking──▶ any move wakes it ──waits(seq)──▶ a move wakes it once no verifier is behind seq
 *       ▲                                                              │
 *       └──────────────────────────────wake────────────────────────────┘
 *
 * This saves work and decides nothing: whoever is woken reads the facts again, and whoever was forgotten is looked at in time.
 */
import type { Log } from "@keyover/core";
import type { FleetView } from "../feed/fleet.ts";

export interface OnTheWay {
  /** It is being looked at: what the fleet does from now on may be missing in what is found. */
  looking(apiId: string, rotationId: string): void;
  /** It waits for every verifier to apply this entry. */
  waits(apiId: string, rotationId: string, seq: number): void;
  /** It does not wait any more. */
  gone(rotationId: string): void;
  /** An api's fleet has moved. */
  moved(apiId: string): void;
}

export interface OnTheWayDeps {
  view: (apiId: string) => Promise<Pick<FleetView, "live">>;
  wake: (rotationId: string) => void;
  log: Log;
}

export function createOnTheWay({ view, wake, log }: OnTheWayDeps): OnTheWay {
  /** By api and rotation, the entry that it waits for; 0: any move concerns it. */
  const waiting = new Map<string, Map<string, number>>();
  const apiOf = new Map<string, string>();
  /** Apis whose fleet is being read, and whether it has moved since that was begun. */
  const reading = new Map<string, { again: boolean }>();

  const put = (apiId: string, rotationId: string, seq: number) => {
    const ofApi = waiting.get(apiId) ?? new Map<string, number>();
    waiting.set(apiId, ofApi.set(rotationId, seq));
    apiOf.set(rotationId, apiId);
  };

  const gone = (rotationId: string) => {
    const apiId = apiOf.get(rotationId);
    if (apiId === undefined) return;
    apiOf.delete(rotationId);
    const ofApi = waiting.get(apiId);
    ofApi?.delete(rotationId);
    if (ofApi?.size === 0) waiting.delete(apiId);
  };

  const wakeUpTo = (apiId: string, applied: number) => {
    const concerned = [...(waiting.get(apiId) ?? [])].filter(([, seq]) => seq <= applied);
    for (const [rotationId] of concerned) {
      // Its visit puts it here again.
      gone(rotationId);
      wake(rotationId);
    }
  };

  const look = async (apiId: string, state: { again: boolean }) => {
    while (state.again) {
      state.again = false;
      const { live } = await view(apiId);
      wakeUpTo(
        apiId,
        live.reduce((least, { applied }) => Math.min(least, applied), Number.POSITIVE_INFINITY),
      );
    }
  };

  return {
    looking: (apiId, rotationId) => put(apiId, rotationId, 0),
    waits: put,
    gone,
    moved(apiId) {
      const state = reading.get(apiId);
      if (state !== undefined) {
        state.again = true;
        return;
      }
      if (!waiting.has(apiId)) return;
      const fresh = { again: true };
      reading.set(apiId, fresh);
      look(apiId, fresh)
        .catch((error: unknown) => {
          log("error", "engine.fleet_moved_failed", { api: apiId, error: String(error) });
          wakeUpTo(apiId, Number.POSITIVE_INFINITY);
        })
        .finally(() => reading.delete(apiId));
    },
  };
}
