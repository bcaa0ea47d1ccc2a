/** What kinds of events there are: how grave each is, whether somebody must do something, and what it brings to an end. */
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
  "rotation.deadline": told("warning"),
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
  "key.compromised": asks("urgent"),
  "key.refused-uses": asks("urgent"),
  "campaign.started": told("info"),
  "campaign.held": asks("urgent"),
  "campaign.ended": settles("info"),
  "verifier.lost": asks("warning"),
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

/** `rotation.*`, `*.compromised`, `*`, or an event's name. By hand: as a regular expression, a row of stars would take for ever to fail. */
export function matches(pattern: string, event: NoticeEvent): boolean {
  const [head = "", ...rest] = pattern.split("*");
  const tail = rest.pop();
  if (tail === undefined) return pattern === event;
  let at = head.length;
  if (!event.startsWith(head)) return false;
  // Each part at the first place where it fits: that leaves the most for those that follow.
  for (const part of rest) {
    const found = event.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return event.length - tail.length >= at && event.endsWith(tail);
}

/** A pattern that no event could ever match is a spelling error. */
export function matchesNothing(pattern: string): boolean {
  return !noticeEvents.some((event) => matches(pattern, event));
}

/** What an event is about, so that several of one thing belong together: the rotation, else the campaign, the key, the api. */
export function topicOf(raised: RaisedEvent): string {
  return raised.rotationId ?? raised.campaignId ?? raised.keyId ?? raised.apiId ?? raised.id;
}
