/**
 * What the details of each event may hold. docs/notices.md lists just this (scripts/notices-docs.test.ts), and every test with an authority of its
 * own finds out whether more is raised (authority.test-support.ts): so neither the page nor this table falls behind the code.
 */
import { expect } from "vitest";
import type { NoticeEvent } from "../store/notice-entities.ts";
import type { Store } from "../store/store.ts";

const versions = ["from", "to", "reason"];
const brownout = [...versions, "at", "until"];
const standing = ["from", "to", "why", "waitsFor", "since", "brownouts"];
const campaign = ["name", "action", "reason", "wave", "waves", "waveName", "why", "by", "outcome", "verifiers"];
const counts = ["keys", "waiting", "started", "skipped", "failed", "rolled-back"];

export const detailMembers: Record<NoticeEvent, readonly string[]> = {
  "rotation.planned": versions,
  "rotation.offered": versions,
  "rotation.reminder": ["from", "to", "leftMs", "deadline"],
  "rotation.deadline": standing,
  "rotation.retired": [...versions, "forced"],
  "rotation.rolled-back": [...versions, "why"],
  "rotation.stuck": standing,
  "rotation.completed": versions,
  "brownout.announced": [...versions, "at", "forMs", "slots"],
  "brownout.begun": [...brownout, "by"],
  "brownout.ended": [...brownout, "early", "why"],
  "fence.applied": [...versions, "fence"],
  "fence.lifted": [...versions, "why"],
  "key.expiring": ["expiresAt", "inUse", "sources", "graceUntil"],
  "key.expired": ["expiresAt", "graceUntil"],
  "key.idle": ["since", "suspendAt"],
  "key.suspended": ["reason", "since", "revokeAt", "idle"],
  "key.revoked": ["reason", "since", "idle"],
  "key.compromised": ["version", "reason", "refused"],
  "key.refused-uses": ["from", "to", "count", "sources", "since", "idle", "suspendedAt", "revokeAt"],
  "campaign.started": campaign,
  "campaign.held": [...campaign, ...counts],
  "campaign.ended": [...campaign, ...counts],
  "verifier.lost": ["boot", "instance", "since", "answersUntil"],
  "verifier.back": ["boot", "instance", "since", "how"],
};

const LOOKED_AT_MAX = 1_000;

/** Nothing was raised with a member that the page does not name. */
export async function expectKnownDetails(store: Store): Promise<void> {
  // A store that a test has broken has nothing to say.
  const raised = await store.list("notice_event", {}, { limit: LOOKED_AT_MAX }).catch(() => []);
  const unknown = raised.flatMap(({ value: { event, details } }) =>
    Object.keys(details).flatMap((name) => (detailMembers[event].includes(name) ? [] : [`${event}: ${name}`])),
  );
  expect([...new Set(unknown)], "details that detailMembers and docs/notices.md do not name").toEqual([]);
}
