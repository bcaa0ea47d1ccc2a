/**
 * Events as messages: text, HTML, and JSON for programs, all from the same sentences (sentences.ts). Pure. Names that people chose can hold
 * anything: line breaks and control characters go, and in HTML everything is escaped.
 */
import { withoutKeyTexts } from "@keyover/core";
import type { NoticeEvent, RaisedEvent, Severity, VersionUser } from "../store/notice-entities.ts";
import { eventKinds, gravest } from "./events.ts";
import { sentenceOf, when } from "./sentences.ts";

export interface Message {
  subject: string;
  text: string;
  html: string;
  severity: Severity;
  needsReaction: boolean;
}

/** Where an event is explained. */
export function docsOf(event: NoticeEvent): string {
  return `https://keyover.dev/docs/notices#${event.replace(".", "-")}`;
}

const SUBJECT_MAX = 200;
const LINE_MAX = 500;
/** In a digest, told by a line each; of the rest the number. */
const LINES_MAX = 100;

/** One line of what was written elsewhere. */
function line(text: string, max: number = LINE_MAX): string {
  const clean = withoutKeyTexts(text)
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ")
    .trim();
  return clean.length <= max ? clean : `${clean.slice(0, max - 1)}…`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character] as string);
}

/** `named`: the handle under which a recipient can speak of it; `after`: the notice that nobody acknowledged, so that this one came. */
export function render(events: readonly RaisedEvent[], named: string, after?: string): Message {
  const [only] = events;
  if (only === undefined) throw new Error("a notice without an event");
  const parts = events.length === 1 ? single(only) : digest(events);
  const needsReaction = events.some(({ event }) => eventKinds[event].reaction);
  if (after !== undefined) parts.blocks.unshift([`Nobody has acknowledged ${after}: so this comes to you.`]);
  if (needsReaction) parts.blocks.push([`Say that you look after it: keyover notices acknowledge ${named}`]);
  const foot = `Notice ${named}. Severity: ${gravest(events)}.`;
  return {
    subject: line(parts.subject, SUBJECT_MAX),
    text: `${[...parts.blocks.map((block) => block.map((each) => line(each)).join("\n")), foot].join("\n\n")}\n`,
    html: htmlOf(parts, foot),
    severity: gravest(events),
    needsReaction,
  };
}

export function testMessage({ name }: { name: string }, named: string): Message {
  const subject = `Keyover: test of the channel ${line(name)}`;
  const parts: Parts = { subject, blocks: [["If you can read this, the channel works."]] };
  const foot = `Notice ${named}.`;
  const text = `${parts.blocks.flat().join("\n")}\n\n${foot}\n`;
  return { subject, text, html: htmlOf(parts, foot), severity: "info", needsReaction: false };
}

interface Parts {
  subject: string;
  /** Paragraphs, in lines. */
  blocks: string[][];
}

function single(raised: RaisedEvent): Parts {
  const { subject, lead, todo } = sentenceOf(raised);
  const blocks = [[`${subject}.`], [lead], ...usersBlock(raised)];
  if (todo !== "") blocks.push([`What to do: ${todo}`]);
  blocks.push([...handlesOf(raised), `More: ${docsOf(raised.event)}`]);
  return { subject: marked(subject, [raised]), blocks: blocks.filter((block) => block.some((each) => each !== "")) };
}

function usersBlock({ facts }: RaisedEvent): string[][] {
  if (facts === null || facts.rotation === null || facts.usersTotal === 0) return [];
  const more = facts.usersTotal - facts.users.length;
  return [
    [
      `Who has used version ${facts.rotation.from}:`,
      ...facts.users.map((user) => `- ${userLine(user)}`),
      ...(more > 0 ? [`- and ${more} more`] : []),
    ],
  ];
}

function userLine({ network, client, instance, lastSeen, moved }: VersionUser): string {
  const who = [network, client, instance].filter((part) => part !== "").join(", ");
  return `${who}: last ${when(lastSeen)}${moved ? ", has moved since" : ""}`;
}

function handlesOf({ at, keyId, rotationId, campaignId }: RaisedEvent): string[] {
  const handles = [
    ["Key", keyId],
    ["Rotation", rotationId],
    ["Campaign", campaignId],
  ].flatMap(([name, id]) => (id === null ? [] : [`${name}: ${id}`]));
  return [...handles, `Time: ${when(at)}`];
}

/** The gravest first: what is cut off is the least of it. */
function digest(events: readonly RaisedEvent[]): Parts {
  const rank = { urgent: 0, warning: 1, info: 2 };
  const sorted = events.toSorted((a, b) => rank[eventKinds[a.event].severity] - rank[eventKinds[b.event].severity]);
  const counts = new Map<string, number>();
  for (const { event } of sorted) counts.set(event, (counts.get(event) ?? 0) + 1);
  const lines = sorted.slice(0, LINES_MAX).map((raised) => `- ${when(raised.at)}: ${sentenceOf(raised).subject}`);
  const more = events.length - lines.length;
  return {
    subject: marked(`${events.length} notices`, events),
    blocks: [
      [`${events.length} notices, the gravest first:`],
      [...counts].map(([event, count]) => `${count} × ${event}`),
      more > 0 ? [...lines, `- and ${more} more`] : lines,
    ],
  };
}

function marked(subject: string, events: readonly RaisedEvent[]): string {
  return `${gravest(events) === "urgent" ? "URGENT: " : ""}Keyover: ${subject}`;
}

function htmlOf({ subject, blocks }: Parts, foot: string): string {
  const paragraph = (block: readonly string[]) =>
    `<p>${block.map((each) => linked(escapeHtml(line(each)))).join("<br>\n")}</p>`;
  return [
    `<!doctype html>`,
    `<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(line(subject, SUBJECT_MAX))}</title></head>`,
    `<body style="font-family:sans-serif;max-width:40em">`,
    ...blocks.map(paragraph),
    `<p style="color:#666">${escapeHtml(foot)}</p>`,
    `</body></html>`,
    "",
  ].join("\n");
}

/** Only our own address becomes a link: what others wrote must not look like one of ours. */
function linked(escaped: string): string {
  return escaped.replace(/^More: (https:\/\/keyover\.dev\/docs\/notices#[a-z-]+)$/, 'More: <a href="$1">$1</a>');
}

/** For programs: the event with what is known around it. */
export function payloadOf(raised: RaisedEvent): Record<string, unknown> {
  const { id, event, at, keyId, rotationId, consumerId, apiId, campaignId, details, facts } = raised;
  const { severity, reaction } = eventKinds[event];
  const { subject, lead, todo } = sentenceOf(raised);
  return {
    id,
    event,
    at,
    severity,
    needsReaction: reaction,
    key: keyId,
    rotation: rotationId,
    consumer: consumerId,
    api: apiId,
    campaign: campaignId,
    names: { key: facts?.key?.name ?? null, consumer: facts?.consumer?.name ?? null, api: facts?.api?.name ?? null },
    environment: facts?.key?.environment ?? null,
    state: facts?.rotation ?? null,
    users: facts?.users ?? [],
    usersTotal: facts?.usersTotal ?? 0,
    details,
    subject: line(subject, SUBJECT_MAX),
    text: line(lead),
    todo,
    docs: docsOf(event),
  };
}
