/**
 * Which channels an event goes to, and in which message: pure. What comes while a channel is quiet, or within its digest's time, joins the
 * message that is still collecting; so a campaign over thousands of keys is a handful of mails to one person.
 */
import { type Channel, type Notice, noticeEvents, type RaisedEvent, type Severity } from "../store/notice-entities.ts";
import type { Held } from "../store/store.ts";
import { eventKinds, gravest, isAtLeast, matches } from "./events.ts";
import { type Slot, slotFor } from "./timing.ts";

/** In one message. A webhook's body stays within a few hundred KB. */
const EVENTS_PER_NOTICE_MAX = 250;

/** A row to write: fresh, or over the one that was read. */
export interface Draft {
  value: Notice;
  held: Held<Notice> | undefined;
}

/** An event, and the names of the channels by which its key's policy sends it. */
export interface Told {
  raised: RaisedEvent;
  by: readonly string[];
}

export function wants(channel: Channel, { raised, by }: Told): boolean {
  if (channel.disabledAt !== null) return false;
  if (channel.consumerId !== null && channel.consumerId !== raised.consumerId) return false;
  const kind = eventKinds[raised.event];
  if (!by.includes(channel.name) && !channel.events.some((pattern) => matches(pattern, raised.event))) return false;
  // An incident is opened by what needs a reaction, and closed by what settles it, whatever the floor.
  if (channel.kind === "pagerduty")
    return kind.settles || (kind.reaction && isAtLeast(kind.severity, channel.severity));
  return isAtLeast(kind.severity, channel.severity);
}

export interface SpreadTools {
  now: number;
  /** A new notice's handle. */
  handle: () => string;
}

/** `open`: the channel's messages that still collect. */
export function spreadTo(
  channel: Channel,
  events: readonly Told[],
  open: readonly Held<Notice>[],
  { now, handle }: SpreadTools,
): Draft[] {
  const drafts = new Map<string, Draft>(open.map((held) => [held.value.id, { value: held.value, held }]));
  const touched = new Set<string>();
  const slots = new Map<boolean, Slot>();
  for (const { raised } of events.filter((each) => wants(channel, each))) {
    const { severity } = eventKinds[raised.event];
    const urgent = severity === "urgent";
    const slot = slots.get(urgent) ?? slotFor(channel, severity, now);
    slots.set(urgent, slot);
    const joined = slot.collects ? [...drafts.values()].find(({ value }) => hasRoom(value, urgent)) : undefined;
    const value = joined === undefined ? fresh(channel, raised, slot, { now, handle }) : joinedBy(joined.value, raised);
    drafts.set(value.id, { value, held: joined?.held });
    touched.add(value.id);
  }
  const escalate = (notice: Notice) => ({ ...notice, escalateAt: escalateAt(channel, notice) });
  return [...drafts.values()]
    .filter(({ value }) => touched.has(value.id))
    .map(({ value, held }) => ({ value: escalate(value), held }));
}

function hasRoom(notice: Notice, urgent: boolean): boolean {
  return (
    notice.collects &&
    notice.events.length < EVENTS_PER_NOTICE_MAX &&
    notice.escalatedFrom.length === 0 &&
    (notice.severity === "urgent") === urgent
  );
}

function fresh(channel: Channel, raised: RaisedEvent, slot: Slot, { now, handle }: SpreadTools): Notice {
  return {
    ...emptyNotice(channel, handle(), now),
    severity: eventKinds[raised.event].severity,
    events: [raised.id],
    about: raised.event,
    collects: slot.collects,
    dueAt: slot.dueAt,
    firstDueAt: slot.dueAt,
    escalateAt: eventKinds[raised.event].reaction ? slot.dueAt : null,
  };
}

function emptyNotice({ id, consumerId, kind }: Channel, handle: string, now: number): Notice {
  return {
    id: handle,
    channelId: id,
    consumerId,
    kind,
    state: "waiting",
    severity: "info",
    events: [],
    about: noticeEvents[0],
    collects: false,
    createdAt: now,
    dueAt: now,
    firstDueAt: now,
    attempts: 0,
    lastAttemptAt: null,
    lastError: null,
    sentAt: null,
    acknowledgedAt: null,
    acknowledgedBy: null,
    escalateAt: null,
    escalatedFrom: [],
  };
}

function joinedBy(notice: Notice, raised: RaisedEvent): Notice {
  const { severity, reaction } = eventKinds[raised.event];
  const worst: Severity = isAtLeast(severity, notice.severity) ? severity : notice.severity;
  return {
    ...notice,
    events: [...notice.events, raised.id],
    severity: worst,
    escalateAt: notice.escalateAt ?? (reaction ? notice.dueAt : null),
  };
}

/** While drafted, `escalateAt` only says that some event needs a reaction. */
function escalateAt({ escalate }: Channel, notice: Notice): number | null {
  if (notice.escalateAt === null || escalate === null) return null;
  return notice.firstDueAt + escalate.afterMs;
}

/** Over how many channels an unanswered event goes at most: two that escalate to each other come to an end. */
const ESCALATIONS_MAX = 5;

/** What goes on to `target`, or undefined if nothing does. `open`: the events of the notice that nobody has settled yet. */
export function escalated(
  notice: Notice,
  open: readonly RaisedEvent[],
  target: Channel | undefined,
  { now, handle }: SpreadTools,
): Notice | undefined {
  const path = [...notice.escalatedFrom, { notice: notice.id, channel: notice.channelId }];
  const [first] = open;
  if (first === undefined || target === undefined || target.disabledAt !== null) return undefined;
  if (path.length > ESCALATIONS_MAX || path.some(({ channel }) => channel === target.id)) return undefined;
  return {
    ...emptyNotice(target, handle(), now),
    severity: gravest(open),
    events: open.map(({ id }) => id),
    about: first.event,
    escalateAt: target.escalate === null ? null : now + target.escalate.afterMs,
    escalatedFrom: path,
  };
}
