/**
 * Verifiers that fell silent without a goodbye. While one may still answer by itself rotations wait for it, and when it can't any more somebody
 * should still know why: so people are told, once for each time it falls silent, and told again when it is over.
 *
 *     last report ───lease───▶│◀──5 min──▶ verifier.lost          heard again, started again, removed ──▶ verifier.back
 *                             └───static time, if the api's policy gives it───▶ it answers no more
 *
 * The leading process looks; what ends it is seen by whichever process hears it.
 */
import { effectiveStaleness, type World } from "@keyover/core";
import type { Api, Boot } from "../store/entities.ts";
import type { NoticeDraft } from "../store/notice-entities.ts";
import type { Fence, Store } from "../store/store.ts";

/** One that is started again is back by then. */
const LOST_AFTER_MS = 300_000;
/** What was lost before that has been told, or nobody was there to tell. */
const LOOK_BACK_MS = 86_400_000;
/** Of one api at one look. */
const BOOTS_MAX = 1_000;
const APIS_PAGE = 500;

export type Ending = "heard" | "restarted" | "removed" | "closed";

export interface LostVerifiers {
  /** Tells of those that are lost by now. */
  look(): Promise<void>;
  /** One is heard of, or has ended; `before`: its row until now. */
  over(api: Api, before: Boot, how: Ending): void;
}

export interface LostDeps {
  world: World;
  store: Store;
  leads: () => { fence: Fence | undefined } | undefined;
  /** When the api's database was restored last: of boots from before nothing is known. 0: never. */
  restoredAt(apiId: string): Promise<number>;
  isHeld(apiId: string): Promise<boolean>;
  onNotices(): void;
}

export function createLostVerifiers({ world, store, leads, ...deps }: LostDeps): LostVerifiers {
  const lookAt = async (api: Api, fence: Fence | undefined): Promise<boolean> => {
    const now = world.clock.now();
    const upTo = now - LOST_AFTER_MS + staticMsOf(api);
    const boots = await store.bootsUntil(api.id, now - LOOK_BACK_MS, upTo, BOOTS_MAX);
    const lost = boots.filter((boot) => isLost(boot, api, now));
    if (lost.length === 0 || (await deps.isHeld(api.id))) return false;
    const restoredAt = await deps.restoredAt(api.id);
    const raise = lost.filter(({ registeredAt }) => registeredAt >= restoredAt).map((boot) => lostNotice(boot, now));
    return raise.length > 0 && (await store.post({ fence, raise }));
  };

  const tellThatOver = async (boot: Boot, how: Ending): Promise<void> => {
    const [told] = await store.list(
      "notice_event",
      { equals: { dedupe: dedupeOf("verifier.lost", boot) } },
      { limit: 1 },
    );
    if (told === undefined) return;
    const { apiId, instance, coveredTo: since } = boot;
    const now = world.clock.now();
    const details = { boot: boot.boot, instance, since, how };
    const dedupe = dedupeOf("verifier.back", boot);
    await store.post({ raise: [{ event: "verifier.back", at: now, apiId, details, dedupe }] });
    deps.onNotices();
  };

  return {
    async look() {
      let after: string | undefined;
      let raised = false;
      for (;;) {
        const lead = leads();
        if (lead === undefined) return;
        const apis = await store.list("api", {}, { after, limit: APIS_PAGE });
        for (const { value } of apis) raised = (await lookAt(value, lead.fence)) || raised;
        after = apis.at(-1)?.value.id;
        if (apis.length < APIS_PAGE) break;
      }
      if (raised) deps.onNotices();
    },
    over(api, before, how) {
      if (!isLost(before, api, world.clock.now())) return;
      tellThatOver(before, how).catch((error: unknown) =>
        world.log("error", "verifier.back_not_told", { boot: before.boot, error: String(error) }),
      );
    },
  };
}

function staticMsOf({ staleness }: Api): number {
  const { onStale, staticMs } = effectiveStaleness(staleness);
  return onStale === "static" ? staticMs : 0;
}

/** Both: a policy that was changed a moment ago says something else than the lease that was given under the one before. */
function isLost(boot: Boot, api: Api, now: number): boolean {
  const { answersUntil, coveredTo, closed, replacedAt, removedAt } = boot;
  if (closed || replacedAt !== null || removedAt !== null) return false;
  return Math.max(answersUntil - staticMsOf(api), coveredTo) + LOST_AFTER_MS <= now;
}

function lostNotice(boot: Boot, now: number): NoticeDraft {
  const { apiId, instance, coveredTo, answersUntil } = boot;
  const details = { boot: boot.boot, instance, since: coveredTo, answersUntil };
  return { event: "verifier.lost", at: now, apiId, details, dedupe: dedupeOf("verifier.lost", boot) };
}

/** One that was heard again, and falls silent again, is lost anew. */
function dedupeOf(event: "verifier.lost" | "verifier.back", { boot, answersUntil }: Boot): string {
  return `${event} ${boot} ${answersUntil}`;
}
