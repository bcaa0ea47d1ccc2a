/**
 * The schema, as numbered steps in SQL that both databases understand. A step is never changed once it has been released: a new column
 * or table is a new step. migration.ts runs them.
 *
 * A step *expands* if the program before it can go on working with what it leaves (`worksFrom` stays), so that two versions run side
 * by side during a rolling upgrade. What the old program needs is taken away by a *contracting* step in a later release, which
 * raises `worksFrom` to the oldest schema whose program still works. Expanding steps run when the server starts; contracting ones
 * only by `keyover migrate`. A test holds the outcome equal to the columns that tables.ts lifts.
 *
 * A member of an entity that is to be searched by must be right whichever version wrote the row: make it a generated column or an
 * index on an expression over `body`, never one that only the new program fills.
 */
export interface SchemaStep {
  /** One line for an operator. */
  does: string;
  /** The oldest schema whose program can work with what this step leaves. */
  worksFrom: number;
  statements: readonly string[];
}

/** Parts of the engine's work; a rotation's is its id's CRC-32 modulo this. */
export const SHARDS = 16;

/**
 * `rotate_at` and `expiry_at` are plain columns: a program that does not know them carries the members in `body` along as they are, and
 * leaves the columns alone, so both stay equal. Keys from before have none until `upgrade` has gone over them.
 */
const policiesStep: SchemaStep = {
  does: "policies, what they are attached to, and when keys rotate by themselves",
  worksFrom: 2,
  statements: [
    `create table "policy" (id text primary key, rev integer not null, body text not null, name text)`,
    `create unique index "policy_unique_0" on "policy" (name)`,
    `create table "policy_version" (
        id text primary key, rev integer not null, body text not null, policy_id text, name text
    )`,
    `create index "policy_version_by_0" on "policy_version" (policy_id, id)`,
    `create index "policy_version_by_1" on "policy_version" (name, id)`,
    `create table "attachment" (
        id text primary key, rev integer not null, body text not null, policy_id text, target text
    )`,
    `create unique index "attachment_unique_0" on "attachment" (policy_id, target)`,
    `create index "attachment_by_0" on "attachment" (target)`,
    `create table "replan" (id text primary key, rev integer not null, body text not null, created_at bigint)`,
    `insert into "replan" (id, rev, body, created_at)
      select '0', 1, '{"id":"0","apiId":null,"consumerId":null,"keyId":null,"after":"","cause":"upgrade","createdAt":0}', 0
      where exists (select 1 from "key")`,
    `alter table "key" add column rotate_at bigint`,
    `alter table "key" add column expiry_at bigint`,
    `create index "key_by_2" on "key" (rotate_at) where rotation_id is null and rotate_at is not null`,
    `create index "key_by_3" on "key" (expiry_at) where expiry_at is not null`,
  ],
};

/** The outbox of events, the notices that become of them, and the channels that they go through. */
const noticesStep: SchemaStep = {
  does: "notices: channels, an outbox, what was sent",
  worksFrom: 2,
  statements: [
    `create table "channel" (
        id text primary key, rev integer not null, body text not null, name text, consumer_id text
    )`,
    `create unique index "channel_unique_0" on "channel" (name)`,
    `create index "channel_by_0" on "channel" (consumer_id, id)`,
    `create table "notice_event" (
        id text primary key, rev integer not null, body text not null, at bigint, dedupe text, waits bigint
    )`,
    `create unique index "notice_event_unique_0" on "notice_event" (dedupe)`,
    `create index "notice_event_by_0" on "notice_event" (waits, id)`,
    `create index "notice_event_by_1" on "notice_event" (at)`,
    `create table "notice" (
        id text primary key, rev integer not null, body text not null, channel_id text, consumer_id text, state text,
        collects text, due_at bigint, escalate_at bigint, created_at bigint
    )`,
    `create index "notice_by_0" on "notice" (channel_id, id)`,
    `create index "notice_by_1" on "notice" (state, id)`,
    `create index "notice_by_2" on "notice" (consumer_id, id)`,
    `create index "notice_by_3" on "notice" (collects) where collects is not null`,
    `create index "notice_by_4" on "notice" (due_at, channel_id) where due_at is not null`,
    `create index "notice_by_5" on "notice" (escalate_at) where escalate_at is not null`,
    `create index "notice_by_6" on "notice" (created_at)`,
  ],
};

/**
 * The program before leaves `gaps_to` behind `last_seen`, by which the new one knows that silences went by untallied; and counts no runs of refusals,
 * so some may be missing from one.
 */
const silencesStep: SchemaStep = {
  does: "the silences of each source, tallied, and refusals since the last accepted use",
  worksFrom: 2,
  statements: [
    `alter table source_use add column gaps_since bigint`,
    `alter table source_use add column gaps_to bigint`,
    `alter table version_use add column refused_run bigint`,
    `alter table version_use add column refused_from bigint`,
    `create table source_gap (
        key_id text not null, source_id text not null, slice bigint not null, rung integer not null,
        count bigint not null, longest_ms bigint not null, second_ms bigint not null,
        primary key (key_id, source_id, slice, rung)
    )`,
  ],
};

/** A plain column, for the same reason as `rotate_at`. */
const idlenessStep: SchemaStep = {
  does: "when the use of keys is to be looked at",
  worksFrom: 2,
  statements: [
    `alter table "key" add column idle_at bigint`,
    `create index "key_by_4" on "key" (idle_at) where rotation_id is null and idle_at is not null`,
  ],
};

/**
 * A rotation's `campaign_id` and `wave` never change, so a program that does not know them leaves them right. `claimed` it leaves behind: the
 * rotation then counts as not claimed until it is written again, and a gate waits longer, never less.
 */
const campaignsStep: SchemaStep = {
  does: "campaigns; what is sealed can be found by its rotation",
  worksFrom: 2,
  statements: [
    `create table "campaign" (
        id text primary key, rev integer not null, body text not null, live bigint, state text, created_at bigint
    )`,
    `create index "campaign_by_0" on "campaign" (live, id)`,
    `create index "campaign_by_1" on "campaign" (state, id)`,
    `create table "campaign_item" (
        id text primary key, rev integer not null, body text not null, campaign_id text, wave bigint, state text,
        key_id text
    )`,
    `create index "campaign_item_by_0" on "campaign_item" (campaign_id, wave, state, id)`,
    `create index "campaign_item_by_1" on "campaign_item" (campaign_id, id)`,
    `create index "campaign_item_by_2" on "campaign_item" (key_id, id)`,
    `alter table "rotation" add column campaign_id text`,
    `alter table "rotation" add column wave bigint`,
    `alter table "rotation" add column claimed bigint`,
    `create index "rotation_by_2" on "rotation" (campaign_id, wave, phase, claimed) where campaign_id is not null`,
    `create index "rotation_by_3" on "rotation" (campaign_id, id) where campaign_id is not null`,
    `create index "sealed_by_2" on "sealed" (rotation_id) where rotation_id is not null`,
  ],
};

/**
 * What came before is taken from the audit log; of a claim it knows the rotation and not the version. A program that does not know of custodians
 * writes none: what it hands out during an upgrade is not recorded. `owner` is a plain column, for the same reason as `rotate_at`.
 */
const custodiansStep: SchemaStep = {
  does: "who could have seen which secret, and whose a token is",
  worksFrom: 2,
  statements: [
    `create table "custodian" (id text primary key, rev integer not null, body text not null, who text, key_id text)`,
    `create index "custodian_by_0" on "custodian" (who, id)`,
    `create index "custodian_by_1" on "custodian" (key_id, id)`,
    fromAudit("key.created", "key_", {
      id: `subject || '.1.' || actor || '.created'`,
      body: `'"how":"created","keyId":"' || subject || '","version":1,"rotationId":null,"via":null,"tokenId":null'`,
      keyId: "subject",
    }),
    fromAudit("token.created", "tok_", {
      id: `subject || '.' || actor || '.created'`,
      body: `'"how":"created","keyId":null,"version":null,"rotationId":null,"via":null,"tokenId":"' || subject || '"'`,
      keyId: "null",
    }),
    fromAudit("rotation.claim", "rot_", {
      id: `of_key || '.' || subject || '.' || actor || '.claimed'`,
      body: `'"how":"claimed","keyId":"' || of_key || '","version":null,"rotationId":"' || subject || '","via":null,"tokenId":null'`,
      keyId: "of_key",
    }),
    `alter table "token" add column owner text`,
    `create index "token_by_1" on "token" (owner, id)`,
  ],
};

/** Rows for who did this by the audit log; once for each, whenever that was first. Handles and the texts made of them need no escapes in JSON. */
function fromAudit(action: string, prefix: string, row: { id: string; body: string; keyId: string }): string {
  return `insert into "custodian" (id, rev, body, who, key_id)
    select ${row.id}, 1, '{"id":"' || ${row.id} || '","who":"' || actor || '",' || ${row.body} || ',"at":' || at || '}', actor, ${row.keyId}
    from (
      select audit.actor as actor, min(audit.at) as at, what.subject as subject, min(owned.subject) as of_key
      from audit join audit_subject what on what.seq = audit.seq
        left join audit_subject owned on owned.seq = audit.seq and substr(owned.subject, 1, 4) = 'key_'
      where audit.action = '${action}' and substr(what.subject, 1, 4) = '${prefix}' and substr(audit.actor, 4, 1) = '_'
      group by audit.actor, what.subject
    ) found`;
}

/** Every look that comes by itself finds what it is for by an index, however much lies beside it. */
const looksStep: SchemaStep = {
  does: "indexes for what is looked over from time to time",
  worksFrom: 2,
  statements: [
    `create index "rotation_by_4" on "rotation" (ended, id) where ended = 0`,
    `create index "sealed_by_3" on "sealed" (expires_at) where rotation_id is null`,
    `create index "key_by_5" on "key" (status)`,
    `create index boot_by_end on boot (answers_until)`,
  ],
};

/**
 * `plan_id` is a plain column, for the same reason as `rotate_at`; `limited` and `accepted_last` are null where a program has written that knows
 * none. What the
 * program before hands to verifiers names no plan: until it is gone, keys that it changes have their api's default.
 */
const plansStep: SchemaStep = {
  does: "plans with limits, what is used of them, and use by day",
  worksFrom: 2,
  statements: [
    `create table "plan" (id text primary key, rev integer not null, body text not null, api_id text, name text)`,
    `create unique index "plan_unique_0" on "plan" (api_id, name)`,
    `create table feed_plan (
        plan_id text primary key, api_id text not null, seq bigint not null, body text not null
    )`,
    `create index feed_plan_by_api on feed_plan (api_id, plan_id)`,
    `alter table "key" add column plan_id text`,
    `create index "key_by_6" on "key" (api_id, plan_id, consumer_id)`,
    `create table limit_use (
        api_id text not null, subject text not null, name text not null, until bigint not null, body text not null,
        primary key (api_id, subject, name)
    )`,
    `create index limit_use_by_end on limit_use (until)`,
    `alter table usage_bucket add column limited bigint`,
    `alter table version_use add column accepted_last bigint`,
    `create table usage_day (
        key_id text not null, version integer not null, start bigint not null, accepted bigint not null,
        refused bigint not null, limited bigint not null, primary key (key_id, start, version)
    )`,
    `create index usage_day_by_age on usage_day (start)`,
  ],
};

/** First to last; `schema_version` holds the number of the last one done. */
export const schemaSteps: readonly SchemaStep[] = [
  {
    does: "makes the tables",
    worksFrom: 1,
    statements: [
      `create table "api" (
        id text primary key, rev integer not null, body text not null, name text, prefix text, created_at bigint
    )`,
      `create unique index "api_unique_0" on "api" (name)`,
      `create unique index "api_unique_1" on "api" (prefix)`,
      `create table "consumer" (
        id text primary key, rev integer not null, body text not null, name text, created_at bigint,
        created_by text
    )`,
      `create unique index "consumer_unique_0" on "consumer" (name)`,
      `create table "key" (
        id text primary key, rev integer not null, body text not null, api_id text, environment text,
        consumer_id text, name text, status text, current_version bigint, rotation_id text, expires_at bigint,
        created_at bigint, created_by text
    )`,
      `create index "key_by_0" on "key" (api_id, id)`,
      `create index "key_by_1" on "key" (consumer_id, id)`,
      `create table "version" (
        id text primary key, rev integer not null, body text not null, key_id text, number bigint, state text,
        sha256 text, compromised bigint, created_at bigint, activated_at bigint
    )`,
      `create unique index "version_unique_0" on "version" (key_id, number)`,
      `create unique index "version_unique_1" on "version" (sha256)`,
      `create table "rotation" (
        id text primary key, rev integer not null, body text not null, key_id text, api_id text, phase text,
        ended bigint, created_at bigint
    )`,
      `create index "rotation_by_0" on "rotation" (key_id, id)`,
      `create index "rotation_by_1" on "rotation" (ended, api_id, phase)`,
      `create table "token" (
        id text primary key, rev integer not null, body text not null, sha256 text, role text, consumer_id text,
        revoked bigint, created_at bigint
    )`,
      `create unique index "token_unique_0" on "token" (sha256)`,
      `create index "token_by_0" on "token" (consumer_id, id)`,
      `create table "sealed" (
        id text primary key, rev integer not null, body text not null, key_id text, rotation_id text,
        expires_at bigint
    )`,
      `create index "sealed_by_0" on "sealed" (key_id)`,
      `create index "sealed_by_1" on "sealed" (expires_at)`,
      `create table feed_head (api_id text primary key, seq bigint not null)`,
      `create table feed_entry (
        api_id text not null, seq bigint not null, key_id text not null, body text not null,
        primary key (api_id, seq)
    )`,
      `create table feed_record (
        key_id text primary key, api_id text not null, seq bigint not null, body text not null
    )`,
      `create index feed_record_by_api on feed_record (api_id, key_id)`,
      `create table audit (
        seq bigint primary key, at bigint not null, actor text not null, action text not null, body text not null,
        hash text not null
    )`,
      `create table audit_subject (subject text not null, seq bigint not null, primary key (subject, seq))`,
      `create table idempotency (id text primary key, created_at bigint not null, body text not null)`,
      `create index idempotency_by_age on idempotency (created_at)`,
      `create table source_use (
        key_id text not null, source_id text not null, network text not null, client text not null,
        instance text not null, last_seen bigint not null, longest_gap_ms bigint not null,
        primary key (key_id, source_id)
    )`,
      `create table version_use (
        key_id text not null, version integer not null, source_id text not null, first_seen bigint not null,
        last_seen bigint not null, accepted bigint not null, refused bigint not null,
        primary key (key_id, version, source_id)
    )`,
      `create table usage_bucket (
        key_id text not null, version integer not null, start bigint not null, accepted bigint not null,
        refused bigint not null, primary key (key_id, start, version)
    )`,
      `create index usage_bucket_by_age on usage_bucket (start)`,
      `create table boot (
        boot text primary key, api_id text not null, answers_until bigint not null, body text not null
    )`,
      `create index boot_by_api on boot (api_id)`,
    ],
  },
  {
    // The program before wrote no `audit_head`. It knew SQLite alone, where only one process runs.
    does: "several authority processes: heads, leases, revisions of boots",
    worksFrom: 2,
    statements: [
      `alter table schema_version add column works_from integer`,
      `create table audit_head (id integer primary key, seq bigint not null, hash text not null)`,
      `insert into audit_head (id, seq, hash) select 1, coalesce(max(seq), 0), coalesce((select hash from audit order by seq desc limit 1), '') from audit`,
      `alter table audit add column batch text`,
      `create index audit_subject_by_seq on audit_subject (seq)`,
      `alter table boot add column rev integer not null default 1`,
      `alter table boot add column unknown_until bigint`,
      `update boot set unknown_until = answers_until`,
      `create index boot_by_unknown on boot (api_id, unknown_until)`,
      `create table fold (
          replica text not null, api_id text not null, version bigint not null, applied bigint not null,
          adoption bigint not null, primary key (replica, api_id)
      )`,
      `create table replica (
          id text primary key, software text not null, schema integer not null, started_at bigint not null,
          until bigint not null
      )`,
      `create table shard (id integer primary key, owner text, fence bigint not null)`,
      `insert into shard (id, owner, fence) values ${Array.from({ length: SHARDS }, (_, id) => `(${id}, null, 0)`).join(", ")}`,
      `create table settled (name text primary key, value text not null)`,
    ],
  },
  {
    does: "restored databases, and what verifiers remember",
    worksFrom: 2,
    statements: [
      `create table "restoration" (id text primary key, rev integer not null, body text not null, waits bigint)`,
      `create index "restoration_by_0" on "restoration" (waits)`,
      `create table "restore_mark" (id text primary key, rev integer not null, body text not null, api_id text)`,
      `create index "restore_mark_by_0" on "restore_mark" (api_id, id)`,
      `create table "remembered_key" (id text primary key, rev integer not null, body text not null, api_id text)`,
      `create index "remembered_key_by_0" on "remembered_key" (api_id, id)`,
    ],
  },
  policiesStep,
  noticesStep,
  silencesStep,
  idlenessStep,
  campaignsStep,
  custodiansStep,
  looksStep,
  plansStep,
];

export const SCHEMA_VERSION = schemaSteps.length;
