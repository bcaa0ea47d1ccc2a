/**
 * What each event says to people: a subject, a sentence on what happened or will, and what to do. Pure. Names and reasons come from people
 * and are taken as they are; templates.ts makes them safe for where they go. A detail that is missing leaves its part of the sentence out.
 */
import type { NoticeEvent, NoticeFacts, RaisedEvent } from "../store/notice-entities.ts";

export interface Sentence {
  subject: string;
  lead: string;
  /** What to do; empty: nothing. */
  todo: string;
}

interface Told {
  facts: NoticeFacts;
  details: Record<string, unknown>;
  /** `key bot of desk (market, live)`, as far as it is known. */
  thing: string;
}

const EMPTY: NoticeFacts = { key: null, consumer: null, api: null, rotation: null, users: [], usersTotal: 0 };

export function sentenceOf(raised: RaisedEvent): Sentence {
  const facts = raised.facts ?? EMPTY;
  return sentences[raised.event]({ facts, details: raised.details, thing: thingOf(raised, facts) });
}

function thingOf(raised: RaisedEvent, { key, consumer, api }: NoticeFacts): string {
  if (key === null && raised.keyId === null) return api === null ? "Keyover" : `api ${api.name}`;
  const holder = consumer === null ? "" : ` of ${consumer.name}`;
  const place = [api?.name, key?.environment].filter((part) => part !== undefined).join(", ");
  return `key ${key?.name ?? raised.keyId}${holder}${place === "" ? "" : ` (${place})`}`;
}

/** Dates for people, in UTC: to the minute. */
export function when(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** `3 days`, `1 hour`, `5 minutes`: the largest unit, rounded. */
function howLong(ms: number): string {
  const units: [string, number][] = [
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
    ["second", 1_000],
  ];
  const [name, unit] = units.find(([, length]) => Math.round(ms / length) >= 1) ?? ["second", 1_000];
  const count = Math.round(ms / unit);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "string" && value !== "") return value;
  if (Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string"))
    return value.join(", ");
  return typeof value === "number" ? String(value) : undefined;
}

/** Joins what is known; parts that are undefined are left out. */
function say(...parts: (string | undefined | false)[]): string {
  return parts.filter((part) => typeof part === "string" && part !== "").join(" ");
}

/** The last moment that has a date. */
const TIME_MAX = 8.64e15;

const moment = (value: unknown) => (typeof value === "number" && Math.abs(value) <= TIME_MAX ? when(value) : undefined);
const because = (value: unknown) => {
  const reason = textOf(value);
  return reason === undefined ? undefined : `Reason: ${reason}.`;
};

function deadlineSentence({ rotation }: NoticeFacts): string | undefined {
  if (rotation?.overlapEndsAt == null) return undefined;
  const then =
    rotation.onDeadline === "retire"
      ? "Then the old version is refused"
      : "Then operators decide about the old version";
  return `The deadline is ${when(rotation.overlapEndsAt)}. ${then}, unless it has retired before.`;
}

const versionsOf = ({ facts: { rotation }, details }: Told) => ({
  from: rotation?.from ?? textOf(details.from) ?? "?",
  to: rotation?.to ?? textOf(details.to) ?? "?",
});

const TAKE_UP = "Take up the successor (the client library does it by itself), try it, and use it.";

/** Plain events of a thing, where a subject and one sentence do. */
const plain =
  (subject: string, lead: string, todo = "") =>
  ({ thing, details }: Told): Sentence => ({
    subject: `${thing}: ${subject}`,
    lead: say(lead, because(details.reason)),
    todo,
  });

const sentences: Record<NoticeEvent, (told: Told) => Sentence> = {
  "rotation.planned"(told) {
    const { from, to } = versionsOf(told);
    const { rotation } = told.facts;
    const at = rotation === null || rotation.phase !== "planned" ? "now" : `at ${when(rotation.startsAt)}`;
    return {
      subject: `${told.thing}: version ${to} will replace version ${from}`,
      lead: say(
        `A rotation from version ${from} to version ${to} begins ${at}.`,
        `The old version goes on working while the successor is handed out.`,
        because(rotation?.reason ?? told.details.reason),
      ),
      todo: "Nothing yet. You hear again when the successor can be taken up.",
    };
  },
  "rotation.offered"(told) {
    const { from, to } = versionsOf(told);
    return {
      subject: `${told.thing}: version ${to} is ready`,
      lead: say(`Version ${to} is accepted everywhere, beside version ${from}.`, deadlineSentence(told.facts)),
      todo: TAKE_UP,
    };
  },
  "rotation.reminder"(told) {
    const { from, to } = versionsOf(told);
    const left = typeof told.details.leftMs === "number" ? ` ${howLong(told.details.leftMs)} left` : " the end is near";
    return {
      subject: `${told.thing}:${left} to change over to version ${to}`,
      lead: say(`Version ${from} has not retired yet.`, deadlineSentence(told.facts)),
      todo: TAKE_UP,
    };
  },
  "rotation.deadline": plain("the deadline of the rotation has come", "The overlap is over."),
  "rotation.retired"(told) {
    const { from, to } = versionsOf(told);
    const until = told.facts.rotation?.rollbackUntil;
    const forced = textOf(told.details.forced);
    return {
      subject: `${told.thing}: version ${from} is retired`,
      lead: say(
        `Version ${from} is refused from now on; version ${to} is the one that works.`,
        forced !== undefined && `It was retired without waiting for the evidence: ${forced}.`,
        until != null && `Until ${when(until)} one call takes it back.`,
      ),
      todo: "If a program still needs the old version, say so at once: the retirement can be rolled back.",
    };
  },
  "rotation.rolled-back"(told) {
    const { from, to } = versionsOf(told);
    return {
      subject: `${told.thing}: back to version ${from}`,
      lead: say(`The rotation was rolled back: version ${from} is the current one again.`, because(told.details.why)),
      todo: `Use version ${from}. Version ${to} is accepted until nobody uses it any more.`,
    };
  },
  "rotation.stuck"(told) {
    const { thing, details } = told;
    const waits = textOf(details.waitsFor) ?? "something that it does not name";
    const since = moment(details.since);
    const held = details.why === "deadline";
    return {
      subject: held ? `${thing}: held at the deadline` : `${thing}: the rotation is stuck`,
      lead: say(
        held && "The deadline is over, and the old version is still accepted.",
        `It waits for ${waits}${since === undefined ? "" : ` since ${since}`}.`,
      ),
      todo: held
        ? "Change the remaining programs over, move the deadline, or retire the old version with a reason."
        : "Look at the verifiers that it waits for: start them again, or remove those that are gone for good.",
    };
  },
  "rotation.completed": plain("the rotation is completed", "The old version's hash is erased; there is no way back."),
  "brownout.announced"({ thing, details }) {
    return {
      subject: `${thing}: the old version will be refused for a short time`,
      lead: say(
        moment(details.at) === undefined ? undefined : `A brownout begins ${moment(details.at)}.`,
        typeof details.forMs === "number" && `It lasts ${howLong(details.forMs)}.`,
      ),
      todo: TAKE_UP,
    };
  },
  "brownout.begun": plain("brownout", "The old version is refused for a short time.", TAKE_UP),
  "brownout.ended": plain("the brownout is over", "The old version is accepted again, for now.", TAKE_UP),
  "fence.applied": plain("the old version is fenced", "It may do less than before while its successor waits.", TAKE_UP),
  "fence.lifted": plain("the fence is lifted", "The old version may do what it could do before."),
  "key.expiring"({ thing, details }) {
    const at = moment(details.expiresAt);
    return {
      subject: `${thing}: expires ${at ?? "soon"}`,
      lead: say(`The key expires${at === undefined ? " soon" : ` ${at}`}, with all its versions.`),
      todo: "If it is still needed, prolong it, or create a new one.",
    };
  },
  "key.expired": plain("has expired", "Every version of it is refused.", "If it is still needed, prolong it."),
  "key.idle": plain("has not been used for long", "A key that nobody needs is a risk.", "If it is needed, say so."),
  "key.suspended": plain("is suspended", "Every version of it is refused until it is restored."),
  "key.compromised"({ thing, details }) {
    const version = textOf(details.version) ?? "?";
    return {
      subject: `${thing}: version ${version} is in wrong hands`,
      lead:
        details.refused === true
          ? `Version ${version} is refused from now on. A successor is made at once.`
          : `Version ${version} is limited from now on, and will retire. A successor is made at once.`,
      todo: `${TAKE_UP} Then find out how the old one got away.`,
    };
  },
  "key.refused-uses"({ thing, details }) {
    const count = textOf(details.count);
    return {
      subject: `${thing}: requests are refused`,
      lead: `${count ?? "Some"} requests with a version that is no longer accepted were refused.`,
      todo: "If the senders are genuine, roll the retirement back. Otherwise somebody tries an old secret.",
    };
  },
  "campaign.started": plain("a campaign has started", "Many keys are rotated in waves."),
  "campaign.held": plain(
    "a campaign is held",
    "A gate between two waves is not met.",
    "Look, then resume or abort it.",
  ),
  "campaign.ended": plain("a campaign has ended", "Its report is ready."),
  "verifier.lost"({ thing, details }) {
    return {
      subject: `${thing}: a verifier is lost`,
      lead: say(
        `${textOf(details.instance) ?? "A verifier"} has not been heard${moment(details.since) === undefined ? "" : ` since ${moment(details.since)}`}.`,
        "Rotations wait for it until it can't have answered any more.",
      ),
      todo: "Start it again, or remove it.",
    };
  },
};
