/**
 * Each entity is a row of `id`, `rev`, the whole as JSON in `body`, and the columns lifted out of it that are searched by.
 * A new member of an entity needs no migration; a new search needs a lifted column.
 */
import { targetText } from "@keyover/core";
import type { Entities, EntityName } from "./entities.ts";

export type Lifted = string | number | null;

/** Owners are found whichever way they are written: mail addresses mostly. */
export function ownerText(owner: string): string {
  return owner.trim().toLowerCase();
}

export const lifted: { [N in EntityName]: (value: Entities[N]) => Record<string, Lifted> } = {
  api: (api) => ({ name: api.name, prefix: api.prefix, created_at: api.createdAt }),
  consumer: (consumer) => ({ name: consumer.name, created_at: consumer.createdAt, created_by: consumer.createdBy }),
  key: (key) => ({
    api_id: key.apiId,
    environment: key.environment,
    consumer_id: key.consumerId,
    name: key.name,
    status: key.status,
    current_version: key.currentVersion,
    rotation_id: key.rotationId,
    expires_at: key.expiresAt,
    created_at: key.createdAt,
    created_by: key.createdBy,
    rotate_at: key.rotateAt ?? null,
    expiry_at: key.expiryAt ?? null,
    idle_at: key.idleAt ?? null,
    plan_id: key.plan ?? null,
  }),
  version: (version) => ({
    key_id: version.keyId,
    number: version.number,
    state: version.state,
    sha256: version.sha256,
    compromised: version.compromised ? 1 : 0,
    created_at: version.createdAt,
    activated_at: version.activatedAt,
  }),
  rotation: (rotation) => ({
    key_id: rotation.keyId,
    api_id: rotation.apiId,
    phase: rotation.phase,
    ended: rotation.endedAt === null ? 0 : 1,
    created_at: rotation.createdAt,
    campaign_id: rotation.campaign?.id ?? null,
    wave: rotation.campaign?.wave ?? null,
    claimed: rotation.claimedAt === null && rotation.confirmedAt === null ? 0 : 1,
  }),
  token: (token) => ({
    sha256: token.sha256,
    role: token.role,
    consumer_id: token.consumerId,
    revoked: token.revokedAt === null ? 0 : 1,
    owner: token.owner == null ? null : ownerText(token.owner),
    created_at: token.createdAt,
  }),
  sealed: (sealed) => ({ key_id: sealed.keyId, rotation_id: sealed.rotationId, expires_at: sealed.expiresAt }),
  restoration: ({ reconciledAt, choice, late }) => ({
    waits: reconciledAt === null || choice !== null || late ? 1 : 0,
  }),
  restore_mark: (mark) => ({ api_id: mark.apiId }),
  remembered_key: (remembered) => ({ api_id: remembered.apiId }),
  policy: (policy) => ({ name: policy.name }),
  policy_version: (version) => ({ policy_id: version.policyId, name: version.name }),
  attachment: (attachment) => ({ policy_id: attachment.policyId, target: targetText(attachment.target) }),
  replan: (replan) => ({ created_at: replan.createdAt }),
  channel: (channel) => ({ name: channel.name, consumer_id: channel.consumerId }),
  notice_event: (raised) => ({ at: raised.at, dedupe: raised.dedupe, waits: raised.spreadAt === null ? 1 : 0 }),
  notice: (notice) => ({
    channel_id: notice.channelId,
    consumer_id: notice.consumerId,
    state: notice.state,
    collects: notice.collects ? notice.channelId : null,
    due_at: notice.dueAt,
    escalate_at: notice.escalateAt,
    created_at: notice.createdAt,
  }),
  campaign: ({ state, rollback, createdAt, itemsGone }) => ({
    // 1: it has something to do. Null: not even its items are there any more.
    live:
      (state !== "ended" && state !== "paused" && state !== "held") || rollback !== null
        ? 1
        : itemsGone?.after === null
          ? null
          : 0,
    state,
    created_at: createdAt,
  }),
  campaign_item: (item) => ({
    campaign_id: item.campaignId,
    wave: item.wave,
    state: item.state,
    key_id: item.keyId,
  }),
  custodian: (custodian) => ({ who: custodian.who, key_id: custodian.keyId }),
  plan: (plan) => ({ api_id: plan.apiId, name: plan.name }),
};

interface EntityRow {
  id: string;
  rev: number;
  body: string;
  [column: string]: Lifted;
}

interface UsageRowOf {
  key_id: string;
  version: number;
  start: number;
  accepted: number;
  refused: number;
}

/** The tables as kysely sees them. */
export type Database = { [N in EntityName]: EntityRow } & {
  feed_head: { api_id: string; seq: number };
  feed_entry: { api_id: string; seq: number; key_id: string; body: string };
  feed_record: { key_id: string; api_id: string; seq: number; body: string };
  feed_plan: { plan_id: string; api_id: string; seq: number; body: string };
  audit: {
    seq: number;
    at: number;
    actor: string;
    action: string;
    body: string;
    hash: string;
    batch: string | null;
  };
  audit_subject: { subject: string; seq: number };
  idempotency: { id: string; created_at: number; body: string };
  source_use: {
    key_id: string;
    source_id: string;
    network: string;
    client: string;
    instance: string;
    last_seen: number;
    longest_gap_ms: number;
    /** Null where a program has written that tallies no silences. */
    gaps_since: number | null;
    gaps_to: number | null;
  };
  source_gap: {
    key_id: string;
    source_id: string;
    slice: number;
    rung: number;
    count: number;
    longest_ms: number;
    second_ms: number;
  };
  version_use: {
    key_id: string;
    version: number;
    source_id: string;
    first_seen: number;
    last_seen: number;
    accepted: number;
    refused: number;
    /** Null where a program has written that counts none. */
    refused_run: number | null;
    refused_from: number | null;
    /** The end of the last report that told of an accepted use; null where a program has written that keeps none. */
    accepted_last: number | null;
  };
  usage_bucket: UsageRowOf & { limited: number | null };
  usage_day: UsageRowOf & { limited: number };
  limit_use: { api_id: string; subject: string; name: string; until: number; body: string };
  boot: {
    boot: string;
    api_id: string;
    rev: number;
    body: string;
    answers_until: number;
    /** Until then it is unknown what this boot did; null if all of it is known. In the future: it may answer. */
    unknown_until: number | null;
  };
  audit_head: { id: number; seq: number; hash: string };
  fold: { replica: string; api_id: string; version: number; applied: number; adoption: number };
  replica: { id: string; software: string; schema: number; started_at: number; until: number };
  shard: { id: number; owner: string | null; fence: number };
  settled: { name: string; value: string };
};

/** The columns that `lifted` fills, by which entities can be found. The schema has them beside `id`, `rev` and `body`. */
export const liftedColumns: { [N in EntityName]: readonly string[] } = {
  api: ["name", "prefix", "created_at"],
  consumer: ["name", "created_at", "created_by"],
  key: [
    "api_id",
    "environment",
    "consumer_id",
    "name",
    "status",
    "current_version",
    "rotation_id",
    "expires_at",
    "created_at",
    "created_by",
    "rotate_at",
    "expiry_at",
    "idle_at",
    "plan_id",
  ],
  version: ["key_id", "number", "state", "sha256", "compromised", "created_at", "activated_at"],
  rotation: ["key_id", "api_id", "phase", "ended", "created_at", "campaign_id", "wave", "claimed"],
  token: ["sha256", "role", "consumer_id", "revoked", "owner", "created_at"],
  sealed: ["key_id", "rotation_id", "expires_at"],
  restoration: ["waits"],
  restore_mark: ["api_id"],
  remembered_key: ["api_id"],
  policy: ["name"],
  policy_version: ["policy_id", "name"],
  attachment: ["policy_id", "target"],
  replan: ["created_at"],
  channel: ["name", "consumer_id"],
  notice_event: ["at", "dedupe", "waits"],
  notice: ["channel_id", "consumer_id", "state", "collects", "due_at", "escalate_at", "created_at"],
  campaign: ["live", "state", "created_at"],
  campaign_item: ["campaign_id", "wave", "state", "key_id"],
  custodian: ["who", "key_id"],
  plan: ["api_id", "name"],
};
