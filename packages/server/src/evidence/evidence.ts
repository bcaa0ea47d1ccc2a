/** What is known of the use of a key, and whether a version of it is quiet. */
import {
  type Clock,
  judgeQuiet,
  type Key,
  type QuietVerdict,
  quietQuestion,
  type Rotation,
  type SourceUse,
  type Watermark,
} from "@keyover/core";
import { isExpired } from "../store/entities.ts";
import { BUCKET_MS, type Store } from "../store/store.ts";

export interface Evidence {
  /** On the version that this rotation wants to retire: the old one, or after a rollback the successor. */
  quiet(key: Key, rotation: Rotation): Promise<QuietVerdict>;
  /** True once an accepted use of this version has been reported. */
  used(keyId: string, version: number): Promise<boolean>;
  /** Requests by version in the `windowMs` up to now. */
  shares(keyId: string, windowMs: number): Promise<VersionShare[]>;
  uses(keyId: string): Promise<SourceUse[]>;
}

export interface VersionShare {
  version: number;
  accepted: number;
  refused: number;
  /** Of the accepted requests in the window, 0 to 1; 0 if there were none. */
  share: number;
}

/** `watermarkOf`: how far all verifiers of an api have reported. */
export function createEvidence(
  store: Store,
  watermarkOf: (apiId: string) => Promise<Watermark>,
  clock: Clock,
): Evidence {
  return {
    async quiet(key, rotation) {
      const question = quietQuestion(rotation) ?? { version: rotation.from, countsFrom: 0 };
      // A key that is suspended or has expired says nothing by its silence; the time starts again once it is accepted.
      const countsFrom = Math.max(question.countsFrom, key.statusChangedAt);
      // The watermark first: what was seen up to it is in the store by now, because a report's uses and its coverage come together.
      const mark = await watermarkOf(key.apiId);
      const verdict = judgeQuiet(question.version, await store.uses(key.id), mark, countsFrom, rotation.policy);
      const accepted = key.status === "active" && !isExpired(key, clock.now());
      // A gap times a margin is no whole number, and the API's times are.
      return { ...verdict, quiet: verdict.quiet && accepted, quietAt: Math.ceil(verdict.quietAt) };
    },
    async used(keyId, version) {
      return (await store.uses(keyId)).some((use) => (use.versions[version]?.accepted ?? 0) > 0);
    },
    async shares(keyId, windowMs) {
      const now = clock.now();
      const buckets = await store.buckets(keyId, now - windowMs - BUCKET_MS, now + BUCKET_MS);
      return sharesOf(buckets);
    },
    uses: (keyId) => store.uses(keyId),
  };
}

function sharesOf(buckets: readonly { version: number; accepted: number; refused: number }[]): VersionShare[] {
  const byVersion = new Map<number, VersionShare>();
  for (const { version, accepted, refused } of buckets) {
    const sum = byVersion.get(version) ?? { version, accepted: 0, refused: 0, share: 0 };
    sum.accepted += accepted;
    sum.refused += refused;
    byVersion.set(version, sum);
  }
  const total = [...byVersion.values()].reduce((all, { accepted }) => all + accepted, 0);
  return [...byVersion.values()]
    .map((sum) => ({ ...sum, share: total === 0 ? 0 : sum.accepted / total }))
    .sort((a, b) => a.version - b.version);
}
