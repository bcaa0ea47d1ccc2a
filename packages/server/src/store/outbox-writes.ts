/**
 * Rows of the outbox. A draft has no handle yet, and whoever commits need not have chance at hand: so the handle's chance is the hash of
 * what is only there once, the draft and the head of the audit log that its commit found.
 */
import { createHash } from "node:crypto";
import { makeHandle, type RandomBytes } from "@keyover/core";
import { sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { NoticeDraft, RaisedEvent } from "./notice-entities.ts";
import { type Statement, statement } from "./statements.ts";
import { lifted } from "./tables.ts";

/** What was raised before, by its `dedupe`, is passed over. `salt` makes equal drafts of two commits two. */
export function outboxStatements({ db, json }: Dialect, drafts: readonly NoticeDraft[], salt: string): Statement[] {
  return drafts.map((draft, i) => {
    const raised = raisedFrom(draft, `${salt} ${i}`);
    const { at, dedupe, waits } = lifted.notice_event(raised);
    return statement(
      db,
      sql`insert into notice_event (id, rev, body, at, dedupe, waits) values (${raised.id}, 1, ${json(raised)}, ${at}, ${dedupe}, ${waits})
        on conflict do nothing`,
    );
  });
}

function raisedFrom(draft: NoticeDraft, salt: string): RaisedEvent {
  const { event, at, details } = draft;
  return {
    id: makeHandle("noticeEvent", at, hashed(`${salt} ${JSON.stringify(draft)}`)),
    event,
    at,
    keyId: draft.keyId ?? null,
    rotationId: draft.rotationId ?? null,
    consumerId: draft.consumerId ?? null,
    apiId: draft.apiId ?? null,
    campaignId: draft.campaignId ?? null,
    details,
    dedupe: draft.dedupe ?? null,
    spreadAt: null,
    facts: null,
  };
}

function hashed(text: string): RandomBytes {
  let block = createHash("sha256").update(text).digest();
  return (length) => {
    block = createHash("sha256").update(block).digest();
    return block.subarray(0, length);
  };
}
