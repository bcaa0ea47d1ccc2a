/** What a campaign would be about, counted before anything is done. Nothing of it is kept: who starts it says which count was seen. */
import {
  type CampaignAction,
  type Cuts,
  type DrawRun,
  drawOf,
  exactCuts,
  homeOf,
  type KeySelection,
  likelyCuts,
  runsOf,
  sharesOf,
  type Wave,
  waveAt,
  waveName,
} from "@keyover/core";
import { isExpired } from "../store/entities.ts";
import type { Store } from "../store/store.ts";
import { type FoundKey, selectPage, WALK_START } from "./selection.ts";

export interface Counted {
  id: string;
  name: string;
  keys: number;
}

export interface Preview {
  keys: number;
  /** They match, but are refused for good already. */
  revoked: number;
  /** Of the keys. A campaign that rotates passes these over; an emergency strikes them too. */
  inRotation: number;
  suspended: number;
  expired: number;
  apis: Counted[];
  environments: { name: string; keys: number }[];
  /** The first few, those with most keys first. */
  consumers: Counted[];
  consumersTotal: number;
  waves: { name: string; keys: number }[];
  /** The first few of each wave. */
  samples: { key: string; name: string; api: string; environment: string; consumer: string; wave: number }[];
}

const PAGE = 500;
const CONSUMERS_SHOWN = 20;
const SAMPLES_EACH = 3;
const SAMPLES_MAX = 30;
/** Keys out of which the samples are taken, beside those that are likely to be in a wave that has none. */
const CANDIDATES = 200;

export async function previewOf(
  store: Store,
  { action, select }: { action: CampaignAction; select: KeySelection },
  waves: readonly Wave[],
  { now, breathe }: { now: number; breathe: () => Promise<void> },
): Promise<Preview> {
  // Which keys are drawn for a wave is not known before the campaign has a handle: these are as many, and others.
  const tally = new Tally(waves, now);
  for (let cursor: string | null = WALK_START; cursor !== null; ) {
    const page = await selectPage(store, select, cursor, PAGE, action !== "rotate");
    tally.revoked += page.revoked;
    tally.add(page.found);
    cursor = page.cursor;
    await breathe();
  }
  return tally.preview(store);
}

interface Candidate {
  key: FoundKey["key"];
  home: number;
  draw: number;
}

class Tally {
  revoked = 0;
  readonly #waves: readonly Wave[];
  readonly #now: number;
  #keys = 0;
  readonly #states = { inRotation: 0, suspended: 0, expired: 0 };
  readonly #apis = new Map<string, number>();
  readonly #environments = new Map<string, number>();
  readonly #consumers = new Map<string, number>();
  readonly #runs: DrawRun[] = [];
  readonly #candidates: Candidate[] = [];
  readonly #likelyCuts: Cuts;
  readonly #likely: number[];

  constructor(waves: readonly Wave[], now: number) {
    this.#waves = waves;
    this.#likelyCuts = likelyCuts(waves);
    this.#now = now;
    this.#likely = waves.map(() => 0);
  }

  add(found: readonly FoundKey[]): void {
    const drawn = found.map(({ key, consumerLabels }) => ({
      key,
      home: homeOf(this.#waves, { keyId: key.id, environment: key.environment, consumerLabels }),
      draw: drawOf("", key.id),
    }));
    for (const each of drawn) this.#count(each);
    this.#runs.push(...runsOf(drawn));
  }

  #count(candidate: Candidate): void {
    const { key, home, draw } = candidate;
    const more = (map: Map<string, number>, id: string) => map.set(id, (map.get(id) ?? 0) + 1);
    this.#keys++;
    if (key.rotationId !== null) this.#states.inRotation++;
    if (key.status === "suspended") this.#states.suspended++;
    if (isExpired(key, this.#now)) this.#states.expired++;
    more(this.#apis, key.apiId);
    more(this.#environments, key.environment);
    more(this.#consumers, key.consumerId);
    const wave = waveAt(this.#likelyCuts, home, draw);
    const seen = this.#likely[wave] ?? 0;
    this.#likely[wave] = seen + 1;
    if (seen < SAMPLES_EACH || this.#candidates.length < CANDIDATES) this.#candidates.push(candidate);
  }

  #samples(cuts: Cuts): Preview["samples"] {
    const counts = this.#waves.map(() => 0);
    const samples = this.#candidates.flatMap(({ key, home, draw }) => {
      const wave = waveAt(cuts, home, draw);
      const before = counts[wave] ?? 0;
      counts[wave] = before + 1;
      const { id, name, apiId: api, environment, consumerId: consumer } = key;
      return before < SAMPLES_EACH ? [{ key: id, name, api, environment, consumer, wave }] : [];
    });
    return samples.slice(0, SAMPLES_MAX);
  }

  async preview(store: Store): Promise<Preview> {
    const most = (map: Map<string, number>) => [...map].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    const named = async (table: "api" | "consumer", pairs: [string, number][]): Promise<Counted[]> => {
      const values = pairs.map(([id]) => id);
      const rows = await store.list(table, { oneOf: { column: "id", values } }, { limit: Math.max(1, values.length) });
      const names = new Map(rows.map(({ value }) => [value.id, value.name]));
      return pairs.map(([id, keys]) => ({ id, name: names.get(id) ?? id, keys }));
    };
    const cuts = exactCuts(this.#waves, this.#runs);
    const shares = sharesOf(this.#waves, this.#runs, cuts);
    return {
      keys: this.#keys,
      revoked: this.revoked,
      ...this.#states,
      apis: await named("api", most(this.#apis)),
      environments: most(this.#environments).map(([name, keys]) => ({ name, keys })),
      consumers: await named("consumer", most(this.#consumers).slice(0, CONSUMERS_SHOWN)),
      consumersTotal: this.#consumers.size,
      waves: this.#waves.map(({ of }, i) => ({ name: waveName(of), keys: shares[i] ?? 0 })),
      samples: this.#samples(cuts),
    };
  }
}
