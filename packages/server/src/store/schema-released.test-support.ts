/**
 * What was released, word for word: these statements have run in databases that we will meet. Only ever add to this file, the steps of
 * each release as it was made.
 */
export const releasedSteps: readonly { release: string; statements: readonly string[] }[] = [
  {
    release: "0.1.0",
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
];
