/** What is known of the use of a key, and whether a version of it is quiet. */
import {
  type Clock,
  type Forecast,
  forecastRefusal,
  judgeQuiet,
  type Key,
  type QuietVerdict,
  quietQuestion,
  type Refused,
  type Rotation,
  refusedSince,
  refusesSince,
  type SourceUse,
  type Watermark,
} from "@keyover/core";
import { isExpired } from "../store/entities.ts";
import { BUCKET_MS, type Store, type UsageBucket } from "../store/store.ts";

export interface Evidence {
  /** What the next step of a rotation may wait for, by one look. */
  signs(key: Key, rotation: Rotation): Promise<Signs>;
  /** All that an answer shows of a rotation, by one look. */
  standing(key: Key, rotation: Rotation): Promise<Standing>;
  /** Requests by version in the `windowMs` up to now. */
  shares(keyId: string, windowMs: number): Promise<VersionShare[]>;
  /** The same in steps of `stepMs`, the oldest first; those without a request are left out. */
  sharesInSteps(keyId: string, windowMs: number, stepMs: number): Promise<ShareStep[]>;
  uses(keyId: string): Promise<SourceUse[]>;
}

export interface Signs {
  /** An accepted use of the successor has been reported. */
  used: boolean;
  /** Of the version that this rotation wants to retire: the old one, or after a rollback the successor. */
  quiet: QuietVerdict;
  uses: readonly SourceUse[];
}

export interface Standing {
  quiet: QuietVerdict;
  mark: Watermark;
  /** Where a version is to be retired: the chance that to do it now would refuse a genuine request. */
  forecast: Forecast | undefined;
  /** Refusals of the old version since it retired; undefined if it has not. */
  refused: Refused | undefined;
}

export interface ShareStep {
  start: number;
  versions: VersionShare[];
}

export interface VersionShare {
  version: number;
  accepted: number;
  refused: number;
  /** Of the accepted requests in the window, 0 to 1; 0 if there were none. */
  share: number;
}

/** `watermarkOf`: how far all verifiers of an api have reported. `restoredAt`: when its database was restored last; 0: never. */
export function createEvidence(
  store: Store,
  watermarkOf: (apiId: string) => Promise<Watermark>,
  restoredAt: (apiId: string) => Promise<number>,
  clock: Clock,
): Evidence {
  // The watermark first: what was seen up to it is in the store by now, because a report's uses and its coverage come together.
  const look = async (key: Key) => {
    const mark = await watermarkOf(key.apiId);
    return { mark, uses: await store.uses(key.id), knownFrom: await restoredAt(key.apiId) };
  };
  const judge = (key: Key, rotation: Rotation, seen: Awaited<ReturnType<typeof look>>): QuietVerdict => {
    const { mark, uses, knownFrom } = seen;
    const question = quietQuestion(rotation) ?? { version: rotation.from, countsFrom: 0 };
    // A key that is suspended or has expired says nothing by its silence; the time starts again once it is accepted. And from the backup of a
    // restored database to its restore lies a time of which nobody knows: what was silent before it may have been used in it.
    const countsFrom = Math.max(question.countsFrom, key.statusChangedAt, knownFrom);
    const refused = question.version === rotation.from ? refusesSince(rotation) : null;
    const verdict = judgeQuiet(question.version, uses, mark, countsFrom, rotation.policy, refused);
    const accepted = key.status === "active" && !isExpired(key, clock.now());
    // A gap times a margin is no whole number, and the API's times are.
    return { ...verdict, quiet: verdict.quiet && accepted, quietAt: Math.ceil(verdict.quietAt) };
  };
  return {
    async signs(key, rotation) {
      const seen = await look(key);
      return { used: isUsed(rotation, seen.uses), quiet: judge(key, rotation, seen), uses: seen.uses };
    },
    async standing(key, rotation) {
      const seen = await look(key);
      const { from, retiredAt } = rotation;
      return {
        quiet: judge(key, rotation, seen),
        mark: seen.mark,
        forecast: forecastOf(rotation, seen.uses, seen.mark),
        refused: retiredAt === null ? undefined : refusedSince(seen.uses, from, retiredAt),
      };
    },
    async shares(keyId, windowMs) {
      const now = clock.now();
      const buckets = await store.buckets(keyId, now - windowMs - BUCKET_MS, now + BUCKET_MS);
      return sharesOf(buckets);
    },
    async sharesInSteps(keyId, windowMs, stepMs) {
      const now = clock.now();
      const from = now - windowMs;
      const steps = new Map<number, UsageBucket[]>();
      for (const bucket of await store.buckets(keyId, from - (from % stepMs), now + BUCKET_MS)) {
        const start = bucket.start - (bucket.start % stepMs);
        steps.set(start, [...(steps.get(start) ?? []), bucket]);
      }
      return [...steps].map(([start, buckets]) => ({ start, versions: sharesOf(buckets) }));
    },
    uses: (keyId) => store.uses(keyId),
  };
}

function isUsed({ to, origin, offeredAt, createdAt }: Rotation, uses: readonly SourceUse[]): boolean {
  // Nobody can have used it earlier. After a restore the number may have belonged to another secret, whose uses come late; and a
  // rotation that was offered in another life of the database began anew here when it was taken up again.
  const since = origin === "consumer" ? createdAt : Math.max(createdAt, offeredAt ?? Number.POSITIVE_INFINITY);
  const seen = uses.flatMap(({ versions }) => versions[to] ?? []);
  return seen.some(({ accepted, last }) => accepted > 0 && last >= since);
}

function forecastOf(rotation: Rotation, uses: readonly SourceUse[], mark: Watermark): Forecast | undefined {
  const question = quietQuestion(rotation);
  // A killed version is refused already.
  if (question === undefined || (question.version === rotation.from && rotation.fromRefusedAt !== null))
    return undefined;
  const { version, countsFrom: offeredAt } = question;
  const successor = version === rotation.from ? rotation.to : rotation.from;
  return forecastRefusal({ version, successor, offeredAt }, uses, mark);
}

function sharesOf(buckets: readonly UsageBucket[]): VersionShare[] {
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
