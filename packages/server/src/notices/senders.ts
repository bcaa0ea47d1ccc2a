/** How a message goes out over each kind of channel, and what an answer means. */
import { withoutKeyTexts } from "@keyover/core";
import type { Secret } from "../custody/secret.ts";
import type { Channel, ChannelKind, RaisedEvent } from "../store/notice-entities.ts";
import { type Egress, EgressError, type Post, type Posted } from "./egress.ts";
import { eventKinds, gravest, topicOf } from "./events.ts";
import type { Mailer } from "./mailer.ts";
import { sentenceOf } from "./sentences.ts";
import { signedHeaders } from "./signature.ts";
import { type Message, payloadOf, render, testMessage } from "./templates.ts";
import { parseRetryAfter } from "./timing.ts";

/** A notice as it is sent: under one lasting id, however often. */
export interface Outgoing {
  id: string;
  channel: Channel;
  /** Of the channel, opened; the newest first. */
  secrets: readonly Secret[];
  /** Of mail: to whom. */
  recipient: string | null;
  /** The notice that nobody acknowledged, so that this one goes out; null: this one is the first. */
  after: string | null;
  /** None: it is sent to see whether the channel works. */
  events: readonly RaisedEvent[];
}

export type Attempt =
  | { ok: true; status: number | null }
  /** `later`: try again. `never`: the target has understood, and will always refuse. `gone`: nobody is there any more. */
  | {
      ok: false;
      again: "later" | "never" | "gone";
      status: number | null;
      /** For operators: it may hold addresses of our own network, and what answered there. */
      error: string;
      /** The same for whoever else may see it. */
      publicError: string;
      retryAfterMs?: number | undefined;
    };

export interface Bases {
  telegram: string;
  pagerduty: string;
}

export const publicBases: Bases = { telegram: "https://api.telegram.org", pagerduty: "https://events.pagerduty.com" };

export interface SenderDeps {
  egress: Egress;
  mailer: Mailer | undefined;
  bases: Bases;
}

export type Send = (outgoing: Outgoing, now: number, signal: AbortSignal) => Promise<Attempt>;

/** Where the reason is ours alone. */
export const CANT_BE_SENT = "it can't be sent at present";

/** Answers that will not change by trying again. A webhook's receiver is somebody's program, which may be mended. */
const NEVER: Record<ChannelKind, readonly number[]> = {
  webhook: [],
  email: [],
  slack: [400, 401, 403, 404, 410],
  telegram: [400, 401, 403, 404],
  pagerduty: [400, 401, 403, 404],
};

export function createSend({ egress, mailer, bases }: SenderDeps): Send {
  const posts: Record<Exclude<ChannelKind, "email">, (outgoing: Outgoing, now: number) => Post[]> = {
    webhook: (outgoing, now) => [webhookPost(outgoing, now)],
    slack: (outgoing) => [slackPost(outgoing)],
    telegram: (outgoing) => [telegramPost(outgoing, bases)],
    pagerduty: (outgoing, now) => pagerdutyPosts(outgoing, bases, now),
  };
  return async (outgoing, now, signal) => {
    const { kind } = outgoing.channel;
    if (kind === "email") return sendMail(mailer, outgoing, signal);
    try {
      let last: Attempt = { ok: true, status: null };
      for (const post of posts[kind](outgoing, now)) {
        const posted = await egress.post(post, signal);
        last = judge(kind, { ...posted, body: withoutSecrets(posted.body, outgoing.secrets) }, now);
        if (!last.ok) return last;
      }
      return last;
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      const { message, publicMessage } = error;
      return { ok: false, again: "later", status: null, error: message, publicError: publicMessage };
    }
  };
}

function judge(kind: ChannelKind, { status, retryAfter, body }: Posted, now: number): Attempt {
  if (status >= 200 && status < 300) return { ok: true, status };
  const said = body === "" ? "" : `: ${withoutKeyTexts(body).replace(/\s+/g, " ").slice(0, 200)}`;
  const redirect = status >= 300 && status < 400 ? " (redirects are not followed)" : "";
  const publicError = `answered ${status}${redirect}`;
  const failed = { ok: false as const, status, error: `${publicError}${said}`, publicError };
  if (kind === "webhook" && status === 410) return { ...failed, again: "gone" };
  if (NEVER[kind].includes(status)) return { ...failed, again: "never" };
  return { ...failed, again: "later", retryAfterMs: parseRetryAfter(retryAfter, now) };
}

/** The shortest part of a secret address that gives something away. */
const PART_MIN = 6;

/** Servers like to repeat the path that was asked for; where it is a secret, so must the log and the list of notices not. */
function withoutSecrets(said: string, secrets: readonly Secret[]): string {
  const texts = secrets.map((secret) => secret.reveal());
  const parts = texts.flatMap((text) => [text, ...(URL.canParse(text) ? text.split(/[/?&=#]/).slice(3) : [])]);
  const telling = parts.filter(({ length }) => length >= PART_MIN).toSorted((a, b) => b.length - a.length);
  return telling.reduce((rest, part) => rest.replaceAll(part, "[secret]"), said);
}

const JSON_TYPE = { "content-type": "application/json", "user-agent": "Keyover" };

/** Text by text, before it is escaped: in `"\\nmkt_live_…"` the `n` looks like a part of the key, and without it the rest is no JSON. */
function jsonWithoutKeys(value: unknown): string {
  return JSON.stringify(value, (_member, each: unknown) => (typeof each === "string" ? withoutKeyTexts(each) : each));
}

function messageOf({ events, id, channel, after }: Outgoing): Message {
  return events.length === 0 ? testMessage(channel, id) : render(events, id, after ?? undefined);
}

/** Standard Webhooks: type, timestamp, data. */
function webhookPost(outgoing: Outgoing, now: number): Post {
  const { id, channel, secrets, events, after } = outgoing;
  const [first] = events;
  const content =
    first === undefined
      ? { type: "keyover.test", data: { channel: channel.id, text: messageOf(outgoing).text } }
      : events.length === 1
        ? { type: first.event, data: payloadOf(first) }
        : { type: "notices.digest", data: { count: events.length, events: events.map(payloadOf) } };
  const timestamp = new Date(first?.at ?? now).toISOString();
  const escalated = after === null ? {} : { escalatedFrom: after };
  const body = jsonWithoutKeys({ type: content.type, timestamp, data: { ...content.data, ...escalated } });
  return {
    url: channel.config.url ?? "",
    headers: { ...JSON_TYPE, ...signedHeaders(id, now, body, secrets) },
    body,
  };
}

const CHAT_MAX = 3_500;

/** As long as chats take, cut between lines. */
function chatText({ subject, text }: Message): string {
  const whole = `${subject}\n\n${text}`;
  if (whole.length <= CHAT_MAX) return whole;
  return `${whole.slice(0, whole.lastIndexOf("\n", CHAT_MAX))}\n…`;
}

function slackPost(outgoing: Outgoing): Post {
  const escaped = chatText(messageOf(outgoing)).replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;" })[c] ?? "&gt;");
  const body = JSON.stringify({ text: escaped, unfurl_links: false });
  return { url: outgoing.secrets[0]?.reveal() ?? "", headers: JSON_TYPE, body };
}

function telegramPost(outgoing: Outgoing, { telegram }: Bases): Post {
  const body = {
    chat_id: outgoing.channel.config.chat,
    text: chatText(messageOf(outgoing)),
    disable_web_page_preview: true,
  };
  return {
    url: `${telegram}/bot${outgoing.secrets[0]?.reveal()}/sendMessage`,
    headers: JSON_TYPE,
    body: JSON.stringify(body),
  };
}

/** Events v2. What belongs to one thing has one `dedup_key`: it opens one incident however often it is sent, and is resolved with it. */
function pagerdutyPosts(outgoing: Outgoing, { pagerduty }: Bases, now: number): Post[] {
  const { id, secrets, events } = outgoing;
  const post = (action: "trigger" | "resolve", about: string, payload: Record<string, unknown>): Post => {
    const key = { routing_key: secrets[0]?.reveal(), event_action: action, dedup_key: `keyover/${about}` };
    const body = { ...key, payload: { source: "keyover", ...payload } };
    return { url: `${pagerduty}/v2/enqueue`, headers: JSON_TYPE, body: jsonWithoutKeys(body) };
  };
  if (events.length === 0) {
    const payload = { summary: messageOf(outgoing).subject, severity: "info", timestamp: new Date(now).toISOString() };
    return [post("trigger", id, payload), post("resolve", id, payload)];
  }
  return events.map((raised) => {
    const { severity, settles } = eventKinds[raised.event];
    return post(settles ? "resolve" : "trigger", topicOf(raised), {
      summary: sentenceOf(raised).subject.slice(0, 1_000),
      severity: severity === "urgent" ? "critical" : severity,
      timestamp: new Date(raised.at).toISOString(),
      custom_details: payloadOf(raised),
    });
  });
}

async function sendMail(mailer: Mailer | undefined, outgoing: Outgoing, signal: AbortSignal): Promise<Attempt> {
  const { id, recipient, events } = outgoing;
  if (recipient === null) throw new Error("mail to nobody");
  if (mailer === undefined) {
    const error = "this process has no mail server (KEYOVER_SMTP_URL)";
    return { ok: false, again: "later", status: null, error, publicError: CANT_BE_SENT };
  }
  const { subject, text, html } = messageOf(outgoing);
  return mailer.send({ id, to: recipient, subject, text, html, urgent: gravest(events) === "urgent" }, signal);
}
