/** What verifiers say of one key, folded into one row. Pure. */
import type { KeyRecord } from "@keyover/core";
import { canonicalJson } from "../store/audit-chain.ts";
import type { Claim, RememberedKey } from "../store/entities.ts";

/** Of those who say the same, as many are named. */
const INSTANCES_MAX = 5;
/** The newest that is said of a key, and what is older: verifiers that were cut off at different times, or followed different databases. */
const CLAIMS_MAX = 8;

export function rememberedId(apiId: string, keyId: string): string {
  return `${apiId} ${keyId}`;
}

/** The row with this word in it; the same row if it says nothing new. */
export function withClaim(row: RememberedKey, record: KeyRecord, instance: string): RememberedKey {
  const same = row.claims.find((claim) => sayTheSame(claim.record, record) && claim.record.seq === record.seq);
  if (same === undefined) {
    const claims = [...row.claims, { record, instances: [instance] }].sort((a, b) => b.record.seq - a.record.seq);
    return { ...row, claims: claims.slice(0, CLAIMS_MAX) };
  }
  if (same.instances.includes(instance) || same.instances.length >= INSTANCES_MAX) return row;
  const named = { ...same, instances: [...same.instances, instance] };
  return { ...row, claims: row.claims.map((claim) => (claim === same ? named : claim)) };
}

/** What was said last of the key. More than one: verifiers contradict each other. */
export function newestClaims({ claims }: RememberedKey): [Claim, ...Claim[]] {
  const [first, ...others] = claims as [Claim, ...Claim[]];
  return [first, ...others.filter(({ record }) => record.seq === first.record.seq)];
}

/** Whatever the numbers are. */
export function sayTheSame(a: Omit<KeyRecord, "seq">, b: Omit<KeyRecord, "seq">): boolean {
  return canonicalJson({ ...a, seq: 0 }) === canonicalJson({ ...b, seq: 0 });
}
