/** Who could have seen which secret, as the store keeps it. Times are epoch milliseconds. */

/** It was in the answer to who made it; it was handed out as a successor; they made it and handed in its hash. */
export type CustodyWay = "created" | "claimed" | "handed-in";

/** One row for each secret, each who, and each way. It stays when the secret is gone: it says what somebody may have kept. */
export interface Custodian {
  id: string;
  /** A token's handle; the key's, where the key spoke for itself. */
  who: string;
  how: CustodyWay;
  /** Of a version; else null. */
  keyId: string | null;
  /** Null where only the rotation is known: of before this was recorded. */
  version: number | null;
  /** Whose successor was claimed. */
  rotationId: string | null;
  /** The version with which the key spoke for itself: whoever had that could have claimed as well. */
  via: number | null;
  /** Of a token; else null. */
  tokenId: string | null;
  at: number;
}

/** Sorts by key. */
export function versionCustodian(custodian: Omit<Custodian, "id" | "tokenId">): Custodian {
  const { keyId, version, who, how } = custodian;
  return { id: `${keyId}.${version}.${who}.${how}`, ...custodian, tokenId: null };
}

export function tokenCustodian(tokenId: string, who: string, at: number): Custodian {
  const none = { keyId: null, version: null, rotationId: null, via: null };
  return { id: `${tokenId}.${who}.created`, who, how: "created", ...none, tokenId, at };
}
