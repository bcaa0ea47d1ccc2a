/** What the store keeps beside core's Key, Version and Rotation. Times are epoch milliseconds. */
import {
  type Campaign,
  type Expiring,
  endOfKey,
  type Key,
  type KeyRecord,
  type Rotation,
  type RotationPolicyPatch,
  type StalenessPolicyPatch,
  type Version,
} from "@keyover/core";
import type { CampaignItem } from "./campaign-entities.ts";
import type { Custodian } from "./custodian-entities.ts";
import type { Channel, Notice, RaisedEvent } from "./notice-entities.ts";
import type { Plan } from "./plan-entities.ts";
import type { Attachment, Policy, PolicyVersion, Replan } from "./policy-entities.ts";

/** What is protected: owner of a key prefix, environments, scopes, policies and a feed. */
export interface Api {
  id: string;
  name: string;
  prefix: string;
  environments: string[];
  scopes: string[];
  policy: RotationPolicyPatch;
  staleness: StalenessPolicyPatch;
  /** The handle of the plan of keys without one of their own. Absent in older rows: none. */
  defaultPlan?: string | null | undefined;
  createdAt: number;
  createdBy: string;
}

export interface Consumer {
  id: string;
  name: string;
  labels: Record<string, string>;
  notes: string;
  /** Of all its keys, besides their own lists. Absent in older rows: none. */
  networks?: string[] | undefined;
  /** When somebody set them last. Absent: when it was made, or a restore did. */
  networksSetAt?: number | undefined;
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
  /** Whose it is: a person's mail address, a team. Absent in what older programs wrote. */
  owner?: string | null | undefined;
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

export const sides = ["verifiers", "backup"] as const;
/** Whose word counts after a restore. */
export type Side = (typeof sides)[number];

/** What an operator has chosen for an api, until it is carried out. */
export interface RestoreChoice {
  side: Side;
  /** Keys for which something else was said; `instance`: of verifiers that contradict each other, this one's word. */
  keys: Record<string, { side: Side; instance?: string | undefined }>;
  /** With `backup`: what verifiers know to be compromised or revoked may be accepted again. */
  revive: boolean;
  by: string;
  reason: string;
  at: number;
  /** `compared` and `comparedBefore` of the restoration once it is carried out. */
  compared: Record<string, number>;
  comparedBefore?: Record<string, Record<string, number>> | undefined;
  /** What the backup has on offer was taken back on its way: verifiers of which nobody knows may have let go of it. */
  letGo?: boolean | undefined;
}

/** An api whose database was restored (decision 014). Its row stays when it is served again: it knows the feed's epoch. */
export interface Restoration {
  /** The api's handle. */
  id: string;
  /** Tells this restore from others; names the feed's epoch once the api is served again. */
  restore: string;
  /** What the feed's epoch was in the backup. */
  formerEpoch: string;
  /** The feed's head in the restored database. 0: everything that verifiers hold is compared. */
  after: number;
  /** When the database was marked as restored. */
  restoredAt: number;
  /** The last that the backup knows of. */
  asOf: number;
  /** Null while the api is not served. */
  reconciledAt: number | null;
  choice: RestoreChoice | null;
  /** A verifier that came later knows more than was compared. */
  late: boolean;
  /** By environment: the feed's number up to which the restored database was compared with what verifiers remember. */
  compared: Record<string, number>;
  /** The same of other epochs, by their names. Absent: of none. */
  comparedBefore?: Record<string, Record<string, number>> | undefined;
  /** When the choice was made that was carried out last. */
  chosenAt?: number | undefined;
  /**
   * Records that are older are sent under this number, beyond all that verifiers were heard of: so that what a verifier has of before the
   * restore, and nobody has put into force, gives way.
   */
  raisedTo: number;
}

/** How far a verifier had followed the feed before the restore, and how much of what it knows beyond that it has told. */
export interface RestoreMark {
  /** The api's handle and the instance. */
  id: string;
  apiId: string;
  instance: string;
  tokenId: string;
  restore: string;
  /** What it may see; empty: all environments. */
  environments: string[];
  epoch: string;
  seq: number;
  /** Up to here it lacks no entry. Absent: up to `seq`. */
  followed?: number | undefined;
  /** The highest number that this instance has held since the restore: one that lost its disk meanwhile holds less. */
  newest: number;
  /** Of `Remembered.n`. */
  parts: number;
  complete: boolean;
  /** Records that were ill-formed, or none of its own to speak of. */
  passedOver: number;
  at: number;
}

/** What one or more verifiers remember of a key, alike. */
export interface Claim {
  record: KeyRecord;
  /** Who said so; the first few. */
  instances: string[];
}

/** What verifiers remember of a key that the restored database may lack. The newest claim first; claims of one number contradict each other. */
export interface RememberedKey {
  /** The api's handle and the key's. */
  id: string;
  apiId: string;
  keyId: string;
  claims: Claim[];
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
  restoration: Restoration;
  restore_mark: RestoreMark;
  remembered_key: RememberedKey;
  policy: Policy;
  policy_version: PolicyVersion;
  attachment: Attachment;
  replan: Replan;
  channel: Channel;
  notice_event: RaisedEvent;
  notice: Notice;
  campaign: Campaign;
  campaign_item: CampaignItem;
  custodian: Custodian;
  plan: Plan;
}

export type EntityName = keyof Entities;

/** Of a key or a token. */
export function isExpired(what: Expiring, now: number): boolean {
  const end = endOfKey(what);
  return end !== null && now >= end;
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
  /** Every feed entry up to here was applied when it last reported. */
  applied: number;
  /** The authority process that it speaks to, and the number that that process gave to its adoption. */
  host: string;
  adoption: number;
  closed: boolean;
  replacedAt: number | null;
  removedAt: number | null;
}
