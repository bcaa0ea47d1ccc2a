/**
 * The model's part on notices: what was raised, by the commits that raised it; channels as they stood; what the database says of each message; and
 * what truly arrived. Filled from the database's writes and from the receivers, never from the office that sends.
 */
import type {
  Channel,
  Notice,
  NoticeDraft,
  NoticeEvent,
  RaisedEvent,
} from "../packages/server/src/store/notice-entities.ts";
import type { Batch, Mail } from "../packages/server/src/store/store.ts";

/** Something that somebody should hear of, from its commit on. */
export interface Raised {
  draft: NoticeDraft;
  at: number;
}

/** A channel from `at` on; undefined: removed. */
interface ChannelState {
  at: number;
  channel: Channel | undefined;
}

export interface Arrival {
  at: number;
  body: string;
  events: string[];
  /** The receiver said that it has it. */
  accepted: boolean;
  /** It said that nobody is there any more. */
  gone: boolean;
}

export interface MailCopy {
  raised: Raised[];
  deduped: Set<string>;
  events: Map<string, RaisedEvent>;
  notices: Map<string, Notice>;
  channels: Map<string, Channel | undefined>;
}

export class MailModel {
  raised: Raised[] = [];
  /** `dedupe` of all that was raised. */
  deduped = new Set<string>();
  /** Those that were spread, by their handles. */
  events = new Map<string, RaisedEvent>();
  notices = new Map<string, Notice>();
  readonly channels = new Map<string, ChannelState[]>();
  /** What arrived at receivers, by the notice's handle. A restore takes none of it back. */
  readonly arrivals = new Map<string, Arrival[]>();
  /** When a writing about a notice last failed. */
  readonly notPosted = new Map<string, number>();
  /** When each event was spread, in truth. */
  readonly spreadAt = new Map<string, number>();

  /** What a commit or a posting raises. Answers what is new. */
  raise(drafts: readonly NoticeDraft[], at: number): Raised[] {
    const fresh = drafts.filter(({ dedupe }) => dedupe === undefined || !this.deduped.has(dedupe));
    for (const { dedupe } of fresh) if (dedupe !== undefined) this.deduped.add(dedupe);
    const raised = fresh.map((draft) => ({ draft, at }));
    this.raised.push(...raised);
    return raised;
  }

  /** Channels that a commit changes, and notices that a person has sent again or looks after. */
  committed({ writes }: Batch, at: number): void {
    for (const write of writes) {
      if ("remove" in write) {
        if (write.remove === "channel") this.#channel(write.id, { at, channel: undefined });
      } else if (write.put === "channel") this.#channel(write.value.id, { at, channel: write.value });
      else if (write.put === "notice") this.notices.set(write.value.id, write.value);
    }
  }

  posted({ writes = [] }: Mail, at: number): void {
    for (const write of writes) {
      if (write.put === "notice") this.notices.set(write.value.id, write.value);
      else {
        this.events.set(write.value.id, write.value);
        if (!this.spreadAt.has(write.value.id)) this.spreadAt.set(write.value.id, at);
      }
    }
  }

  #channel(id: string, state: ChannelState): void {
    const states = this.channels.get(id) ?? [];
    this.channels.set(id, [...states, state]);
  }

  arrived(notice: string, arrival: Arrival): void {
    const all = this.arrivals.get(notice) ?? [];
    this.arrivals.set(notice, [...all, arrival]);
  }

  wasAccepted(notice: string): boolean {
    return this.arrivals.get(notice)?.some(({ accepted }) => accepted) === true;
  }

  channel(id: string): Channel | undefined {
    return this.channels.get(id)?.at(-1)?.channel;
  }

  /** The channel, if nothing about what it wants changed from the one moment to the other. */
  steady(id: string, from: number, to: number): Channel | undefined {
    const states = this.channels.get(id) ?? [];
    const first = states.findLast(({ at }) => at <= from)?.channel;
    if (first === undefined) return undefined;
    const wanted = wishesOf(first);
    const later = states.filter(({ at }) => at > from && at <= to);
    return later.every(({ channel }) => channel !== undefined && wishesOf(channel) === wanted) ? first : undefined;
  }

  copy(): MailCopy {
    const channels = [...this.channels].map(([id, states]) => [id, states.at(-1)?.channel] as const);
    return {
      raised: [...this.raised],
      deduped: new Set(this.deduped),
      events: new Map(this.events),
      notices: new Map(this.notices),
      channels: new Map(channels),
    };
  }

  takeBack(copy: MailCopy, at: number): void {
    this.raised = [...copy.raised];
    this.deduped = new Set(copy.deduped);
    this.events = new Map(copy.events);
    for (const id of this.spreadAt.keys()) if (!this.events.has(id)) this.spreadAt.delete(id);
    this.notices = new Map(copy.notices);
    for (const id of this.channels.keys()) this.#channel(id, { at, channel: copy.channels.get(id) });
  }
}

function wishesOf({ consumerId, events, severity, disabledAt }: Channel): string {
  return JSON.stringify({ consumerId, events, severity, disabled: disabledAt !== null });
}

// ---- who wants what, as docs/notices.md says ---------------------------------------------------------------------------

const WARNING: readonly NoticeEvent[] = [
  "rotation.reminder",
  "rotation.deadline",
  "rotation.rolled-back",
  "rotation.stuck",
  "brownout.announced",
  "brownout.begun",
  "fence.applied",
  "key.expiring",
  "key.suspended",
  "verifier.lost",
];
const URGENT: readonly NoticeEvent[] = ["key.expired", "key.compromised", "key.refused-uses", "campaign.held"];

export function gravity(event: NoticeEvent): number {
  if (URGENT.includes(event)) return 2;
  return WARNING.includes(event) ? 1 : 0;
}

export function wants(channel: Channel, { event, consumerId }: Pick<RaisedEvent, "event" | "consumerId">): boolean {
  if (channel.disabledAt !== null) return false;
  if (channel.consumerId !== null && channel.consumerId !== consumerId) return false;
  if (gravity(event) < ["info", "warning", "urgent"].indexOf(channel.severity)) return false;
  return channel.events.some((pattern) =>
    pattern.endsWith("*") ? event.startsWith(pattern.slice(0, -1)) : pattern === event,
  );
}
