/** What kinds of events there are: how grave each is, whether somebody must do something, and what it brings to an end. */
import { matchesPattern } from "@keyover/core";
import {
  type NoticeEvent,
  noticeEvents,
  type RaisedEvent,
  type Severity,
  severities,
} from "../store/notice-entities.ts";

interface EventKind {
  severity: Severity;
  /** Somebody should do something; unless it is acknowledged it goes on to the next channel. */
  reaction: boolean;
  /** What an earlier event about the same thing asked for is done. */
  settles: boolean;
}

const told = (severity: Severity): EventKind => ({ severity, reaction: false, settles: false });
const asks = (severity: Severity): EventKind => ({ severity, reaction: true, settles: false });
const settles = (severity: Severity): EventKind => ({ severity, reaction: false, settles: true });

export const eventKinds: Record<NoticeEvent, EventKind> = {
  "rotation.planned": told("info"),
  "rotation.offered": told("info"),
  "rotation.reminder": told("warning"),
  "rotation.deadline": asks("warning"),
  "rotation.retired": settles("info"),
  "rotation.rolled-back": settles("warning"),
  "rotation.stuck": asks("warning"),
  "rotation.completed": settles("info"),
  "brownout.announced": told("warning"),
  "brownout.begun": told("warning"),
  "brownout.ended": told("info"),
  "fence.applied": told("warning"),
  "fence.lifted": told("info"),
  "key.expiring": told("warning"),
  "key.expired": asks("urgent"),
  "key.idle": told("info"),
  "key.suspended": told("warning"),
  "key.revoked": told("warning"),
  "key.compromised": asks("urgent"),
  "key.refused-uses": asks("urgent"),
  "campaign.started": told("info"),
  "campaign.held": asks("urgent"),
  "campaign.ended": settles("info"),
  "verifier.lost": asks("warning"),
  "verifier.back": settles("info"),
};

export function isAtLeast(severity: Severity, floor: Severity): boolean {
  return severities.indexOf(severity) >= severities.indexOf(floor);
}

export function gravest(events: readonly Pick<RaisedEvent, "event">[]): Severity {
  return events.reduce<Severity>((worst, { event }) => {
    const { severity } = eventKinds[event];
    return isAtLeast(severity, worst) ? severity : worst;
  }, "info");
}

/** `rotation.*`, `*.compromised`, `*`, or an event's name. */
export function matches(pattern: string, event: NoticeEvent): boolean {
  return matchesPattern(pattern, event);
}

/** A pattern that no event could ever match is a spelling error. */
export function matchesNothing(pattern: string): boolean {
  return !noticeEvents.some((event) => matches(pattern, event));
}

/** What an event is about, so that several of one thing belong together: the verifier, the rotation, else the campaign, the key, the api. */
export function topicOf(raised: RaisedEvent): string {
  if (typeof raised.details.boot === "string") return raised.details.boot;
  return raised.rotationId ?? raised.campaignId ?? raised.keyId ?? raised.apiId ?? raised.id;
}
