/** What is known of the use of keys, with a few reads for many of them: when each was last used, and since when their silence says something. */
import {
  type AnswerSpan,
  answeringSince,
  type Clock,
  type IdleFacts as Facts,
  type Key,
  type Watermark,
} from "@keyover/core";
import type { Boot } from "../store/entities.ts";
import type { Store } from "../store/store.ts";

export interface IdleFacts {
  /** By key. */
  of(keys: readonly Pick<Key, "id" | "apiId">[]): Promise<Map<string, Facts>>;
}

export interface IdleFactsDeps {
  store: Store;
  clock: Clock;
  /** How far all verifiers of an api have reported. */
  watermarkOf: (apiId: string) => Promise<Watermark>;
}

/** The newest boots of an api that are looked at. */
const BOOTS_MAX = 1_000;

export function createIdleFacts({ store, clock, watermarkOf }: IdleFactsDeps): IdleFacts {
  const ofApi = async (apiId: string): Promise<Pick<Facts, "knownUntil" | "silentFrom">> => {
    const [mark, boots, restoration] = await Promise.all([
      watermarkOf(apiId),
      store.boots(apiId, BOOTS_MAX),
      store.get("restoration", apiId),
    ]);
    // What an operator has said to be gone was not what answers here.
    const spans = boots.filter(({ removedAt }) => removedAt === null).map(spanOf);
    const answered = answeringSince(spans, boots.length < BOOTS_MAX, clock.now());
    const holes = mark.holes.map(({ to }) => to);
    // What was used after the backup that was restored is not known to have been.
    return { knownUntil: mark.at, silentFrom: Math.max(answered, restoration?.value.reconciledAt ?? 0, ...holes) };
  };

  return {
    async of(keys) {
      const apiIds = [...new Set(keys.map(({ apiId }) => apiId))];
      // The watermark first: what was seen up to it is in the store by now.
      const apis = new Map(await Promise.all(apiIds.map(async (id) => [id, await ofApi(id)] as const)));
      const uses = await store.lastUses(keys.map(({ id }) => id));
      return new Map(
        keys.map(({ id, apiId }) => {
          const { accepted, refused } = uses.get(id) ?? { accepted: null, refused: null };
          return [id, { accepted, refused, ...(apis.get(apiId) as Pick<Facts, "knownUntil" | "silentFrom">) }];
        }),
      );
    },
  };
}

function spanOf({ registeredAt, coveredTo, closed, answersUntil, replacedAt }: Boot): AnswerSpan {
  return { from: registeredAt, to: closed ? coveredTo : Math.min(answersUntil, replacedAt ?? Infinity) };
}
