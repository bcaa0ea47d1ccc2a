/** What the store keeps beside core's Key, Version and Rotation. Times are epoch milliseconds. */
import type { Key, Rotation, RotationPolicyPatch, StalenessPolicyPatch, Version } from "@keyover/core";

/** What is protected: owner of a key prefix, environments, scopes, policies and a feed. */
export interface Api {
  id: string;
  name: string;
  prefix: string;
  environments: string[];
  scopes: string[];
  policy: RotationPolicyPatch;
  staleness: StalenessPolicyPatch;
  createdAt: number;
  createdBy: string;
}

export interface Consumer {
  id: string;
  name: string;
  labels: Record<string, string>;
  notes: string;
  createdAt: number;
  createdBy: string;
}

export const roles = ["admin", "operator", "auditor", "verifier", "consumer"] as const;
export type Role = (typeof roles)[number];

/** A credential for the authority itself. */
export interface Token {
  id: string;
  name: string;
  role: Role;
  /** SHA-256 of the text, base64url. */
  sha256: string;
  /** Verifier tokens: the apis, by id, and environments that it may follow. Empty environments: all of them. */
  apiIds: string[];
  environments: string[];
  /** Consumer tokens: whose keys. */
  consumerId: string | null;
  expiresAt: number | null;
  revokedAt: number | null;
  createdAt: number;
  createdBy: string;
}

/** A secret that can still be handed out, under envelope encryption. Its id is the version's or the token's. */
export interface Sealed {
  id: string;
  /** The key whose version this is; null for a token. */
  keyId: string | null;
  version: number | null;
  rotationId: string | null;
  envelope: string;
  /** Forgotten at this time, claimed or not. */
  expiresAt: number;
  createdAt: number;
}

/** Each table of entities and what it holds. */
export interface Entities {
  api: Api;
  consumer: Consumer;
  key: Key;
  version: Version;
  rotation: Rotation;
  token: Token;
  sealed: Sealed;
}

export type EntityName = keyof Entities;

/** Of a key or a token. */
export function isExpired({ expiresAt }: { expiresAt: number | null }, now: number): boolean {
  return expiresAt !== null && now >= expiresAt;
}

/** One boot of one verifier for one api, as the store remembers it. Telemetry: losing it would refuse no key. */
export interface Boot {
  boot: string;
  apiId: string;
  /** The token that registered it; no other may speak for it. */
  tokenId: string;
  instance: string;
  software: string;
  registeredAt: number;
  coveredTo: number;
  answersUntil: number;
  /** The number of its last report that counted. */
  reportNumber: number;
  closed: boolean;
  replacedAt: number | null;
  removedAt: number | null;
}
