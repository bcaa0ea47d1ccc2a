/**
 * What the store keeps of notices.
 *
 *     a commit ──▶ notice_event, one row for each draft ──▶ notice, one row for each message to a channel ──▶ sent, or dead
 *              same transaction                        later, by one process
 *
 * Times are epoch milliseconds. None of it holds a secret, but for the sealed ones of a channel.
 */

export const noticeEvents = [
  "rotation.planned",
  "rotation.offered",
  "rotation.reminder",
  "rotation.deadline",
  "rotation.retired",
  "rotation.rolled-back",
  "rotation.stuck",
  "rotation.completed",
  "brownout.announced",
  "brownout.begun",
  "brownout.ended",
  "fence.applied",
  "fence.lifted",
  "key.expiring",
  "key.expired",
  "key.idle",
  "key.suspended",
  "key.revoked",
  "key.compromised",
  "key.refused-uses",
  "campaign.started",
  "campaign.held",
  "campaign.ended",
  "verifier.lost",
  "verifier.back",
] as const;
export type NoticeEvent = (typeof noticeEvents)[number];

/** Something that somebody should hear of. */
export interface NoticeDraft {
  event: NoticeEvent;
  at: number;
  keyId?: string | undefined;
  rotationId?: string | undefined;
  consumerId?: string | undefined;
  apiId?: string | undefined;
  campaignId?: string | undefined;
  /** Never a secret. */
  details: Record<string, unknown>;
  /** The same text is raised once. */
  dedupe?: string | undefined;
}

/** A draft in the outbox. Its row stays after it was spread, so that `dedupe` holds, and sent notices can be shown and sent again. */
export interface RaisedEvent {
  id: string;
  event: NoticeEvent;
  at: number;
  keyId: string | null;
  rotationId: string | null;
  consumerId: string | null;
  apiId: string | null;
  campaignId: string | null;
  details: Record<string, unknown>;
  dedupe: string | null;
  /** When it became notices; null while it waits. */
  spreadAt: number | null;
  /** What was known around it when it was spread; null where nobody is told. */
  facts: NoticeFacts | null;
}

/** What a notice tells beside the event itself, as it was then: a repeated sending says the same. */
export interface NoticeFacts {
  key: { id: string; name: string; environment: string } | null;
  consumer: { id: string; name: string } | null;
  api: { id: string; name: string } | null;
  rotation: RotationFacts | null;
  /** Who has used the old version since the successor was offered, the last first; the first few. */
  users: VersionUser[];
  usersTotal: number;
}

export interface RotationFacts {
  id: string;
  phase: string;
  from: number;
  to: number;
  reason: string;
  startsAt: number;
  overlapEndsAt: number | null;
  retiredAt: number | null;
  /** Until then a retirement can be taken back; null where it can't be, or has not happened. */
  rollbackUntil: number | null;
  onDeadline: string;
  forced: string | null;
  /** The old version is in wrong hands: contained, or (then `fromRefusedAt` is when) killed. Not in what was told before this was noted. */
  fromCompromised?: boolean;
  fromRefusedAt?: number | null;
}

export interface VersionUser {
  network: string;
  client: string;
  instance: string;
  lastSeen: number;
  /** It has used the successor since. */
  moved: boolean;
}

export const severities = ["info", "warning", "urgent"] as const;
export type Severity = (typeof severities)[number];

export const channelKinds = ["webhook", "email", "slack", "telegram", "pagerduty"] as const;
export type ChannelKind = (typeof channelKinds)[number];

/** Wall times of a day, `22:00`, in an IANA zone. `to` before `from`: over midnight. */
export interface QuietHours {
  zone: string;
  from: string;
  to: string;
}

/** A secret of a channel, sealed under the channel's handle. Of `signing` there are two while one takes over from the other. */
export interface ChannelSecret {
  name: "signing" | "url" | "token" | "key";
  /** Bound into the envelope; the highest is the newest. */
  version: number;
  envelope: string;
  createdAt: number;
  /** From then on it is not used any more. */
  retireAt: number | null;
}

/** A way to somebody. */
export interface Channel {
  id: string;
  name: string;
  /** Whose; null: the operators'. A consumer's channel gets what concerns that consumer. */
  consumerId: string | null;
  kind: ChannelKind;
  config: { url?: string | undefined; to?: string[] | undefined; chat?: string | undefined };
  secrets: ChannelSecret[];
  /** Events that it gets, such as `rotation.*`; at least one must match. */
  events: string[];
  /** Nothing below this. */
  severity: Severity;
  quiet: QuietHours | null;
  /** Notices of so long become one message; 0: each is one. */
  digestMs: number;
  /** Where an event that needs a reaction goes when nobody has acknowledged it for so long. */
  escalate: { channelId: string; afterMs: number } | null;
  /** Null while it works. */
  disabledAt: number | null;
  disabledReason: string | null;
  createdAt: number;
  createdBy: string;
}

export const noticeStates = ["waiting", "sent", "dead"] as const;
export type NoticeState = (typeof noticeStates)[number];

/** One message to one channel. Its handle stays the same however often it is sent. */
export interface Notice {
  id: string;
  channelId: string;
  /** Of the channel. */
  consumerId: string | null;
  kind: ChannelKind;
  /** Whose mail this is; null: nobody's yet (recipients.ts), or not mail. */
  recipient?: string | null | undefined;
  /** All that this message has been addressed to, in notices of their own. */
  addressed?: string[] | undefined;
  /** The first of those; it escalates for all of them. Null: this is it. */
  copyOf?: string | null | undefined;
  state: NoticeState;
  severity: Severity;
  /** Handles of the events in it, in order. */
  events: string[];
  /** The first event's name. */
  about: NoticeEvent;
  /** Further events may join it until it is due. */
  collects: boolean;
  createdAt: number;
  /** When it is to be sent, or tried again; null once that is over. */
  dueAt: number | null;
  /** When it was due first: trying ends some days later. */
  firstDueAt: number;
  attempts: number;
  lastAttemptAt: number | null;
  /** For operators: it may tell of our own network. */
  lastError: string | null;
  /** The same for the consumer whose channel it is. */
  lastErrorPublic?: string | null | undefined;
  sentAt: number | null;
  acknowledgedAt: number | null;
  acknowledgedBy: string | null;
  /** When it goes on to the next channel unless somebody has acknowledged it; null: never, or gone. */
  escalateAt: number | null;
  /** The notices and channels that it came through, the first first. */
  escalatedFrom: { notice: string; channel: string }[];
}
