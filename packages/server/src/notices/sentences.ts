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

const THEN: Record<string, string> = {
  hold: "Then operators decide about the old version",
  retire: "Then the old version is refused",
  brownout: "After that the old version is refused for short times, which are announced",
};

/** It was killed: whoever has not changed over is refused already, whatever the deadline. */
const isRefused = (rotation: NoticeFacts["rotation"]) => rotation?.fromRefusedAt != null;

function meanwhile({ rotation }: NoticeFacts): string {
  if (isRefused(rotation)) return "The old version is in wrong hands, and refused already.";
  return rotation?.fromCompromised === true
    ? "The old version is in wrong hands: it works within its fence alone while the successor is handed out."
    : "The old version goes on working while the successor is handed out.";
}

function besides({ rotation }: NoticeFacts, to: string | number, from: string | number): string {
  if (isRefused(rotation)) return `Version ${to} is accepted everywhere; version ${from} is refused.`;
  return rotation?.fromCompromised === true
    ? `Version ${to} is accepted everywhere, version ${from} within its fence alone.`
    : `Version ${to} is accepted everywhere, beside version ${from}.`;
}

function deadlineSentence({ rotation }: NoticeFacts): string | undefined {
  if (rotation?.overlapEndsAt == null || isRefused(rotation)) return undefined;
  const then = THEN[rotation.onDeadline] ?? THEN.hold;
  return `The deadline is ${when(rotation.overlapEndsAt)}. ${then}, unless it has retired before.`;
}

const versionsOf = ({ facts: { rotation }, details }: Told) => ({
  from: rotation?.from ?? textOf(details.from) ?? "?",
  to: rotation?.to ?? textOf(details.to) ?? "?",
});

function campaignTitle({ name, action }: Record<string, unknown>): string {
  const kind = action === "kill" || action === "contain" ? "emergency" : "campaign";
  const title = textOf(name);
  return title === undefined ? `a ${kind}` : `${kind} "${title}"`;
}

const campaignWords = {
  started: "started",
  skipped: "passed over",
  failed: "failed",
  "rolled-back": "taken back",
  waiting: "not begun",
};

/** The successor of the version that an event is about can be taken up. */
function isReady({ rotation }: NoticeFacts, { version }: Record<string, unknown>): boolean {
  return rotation !== null && rotation.from === version && !["planned", "propagating"].includes(rotation.phase);
}

const TAKE_UP = "Take up the successor (the client library does it by itself), try it, and use it.";

const DECIDE = "Change the remaining programs over, move the deadline, or retire the old version with a reason.";

const brownoutsSentence = (why: unknown) => {
  const reason = textOf(why);
  return reason === undefined ? undefined : `There are no more brownouts: ${reason}.`;
};

/** `2026-03-02 12:00 UTC for 1 minute`; nothing of what is no slot. */
function slotText(slot: unknown): string[] {
  const { at, forMs } = typeof slot === "object" && slot !== null ? (slot as Record<string, unknown>) : {};
  const begins = moment(at);
  if (begins === undefined) return [];
  return [typeof forMs === "number" && forMs > 0 ? `${begins} for ${howLong(forMs)}` : begins];
}

function listed(lead: string, parts: string[]): string {
  return parts.length === 0 ? `${lead} for a short time.` : `${lead}: ${parts.join("; ")}.`;
}

function fenceIn({ fence }: Record<string, unknown>): { scopes: string | undefined; networks: string | undefined } {
  const { scopes, networks } = typeof fence === "object" && fence !== null ? (fence as Record<string, unknown>) : {};
  const none = Array.isArray(scopes) && scopes.length === 0 ? "none" : undefined;
  return { scopes: none ?? textOf(scopes), networks: textOf(networks) };
}

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
        meanwhile(told.facts),
        because(rotation?.reason ?? told.details.reason),
      ),
      todo: "Nothing yet. You hear again when the successor can be taken up.",
    };
  },
  "rotation.offered"(told) {
    const { from, to } = versionsOf(told);
    return {
      subject: `${told.thing}: version ${to} is ready`,
      lead: say(besides(told.facts, to, from), deadlineSentence(told.facts)),
      todo: TAKE_UP,
    };
  },
  "rotation.reminder"(told) {
    const { from, to } = versionsOf(told);
    const left = typeof told.details.leftMs === "number" ? ` ${howLong(told.details.leftMs)} left` : " the end is near";
    return {
      subject: `${told.thing}:${left} to change over to version ${to}`,
      lead: say(
        isRefused(told.facts.rotation)
          ? `Version ${from} is refused, and version ${to} has not taken its place yet.`
          : `Version ${from} has not retired yet.`,
        deadlineSentence(told.facts),
      ),
      todo: TAKE_UP,
    };
  },
  "rotation.deadline"({ thing, facts, details }) {
    const waits = textOf(details.waitsFor);
    return {
      subject: `${thing}: the deadline has passed`,
      lead: say(
        `The old version is ${isRefused(facts.rotation) ? "refused already" : "still accepted"}${waits === undefined ? "" : `; what is missing: ${waits}`}.`,
        brownoutsSentence(details.brownouts),
      ),
      todo: DECIDE,
    };
  },
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
        held && brownoutsSentence(details.brownouts),
      ),
      todo: held
        ? DECIDE
        : "Look at the verifiers that it waits for: start them again, or remove those that are gone for good.",
    };
  },
  "rotation.completed": plain("the rotation is completed", "The old version's hash is erased; there is no way back."),
  "brownout.announced"({ thing, details }) {
    const times = Array.isArray(details.slots) ? details.slots : [details];
    return {
      subject: `${thing}: the old version will be refused for a short time`,
      lead: say(listed("It will be refused", times.flatMap(slotText)), "That rehearses its retirement."),
      todo: TAKE_UP,
    };
  },
  "brownout.begun"({ thing, details }) {
    const until = moment(details.until);
    return {
      subject: `${thing}: brownout`,
      lead: `The old version is refused ${until === undefined ? "for a short time" : `until ${until}`}.`,
      todo: TAKE_UP,
    };
  },
  "brownout.ended"({ thing, details }) {
    return {
      subject: `${thing}: the brownout is over`,
      lead: say(
        "The old version is accepted again, for now.",
        details.early === true && "It was ended before its time.",
        because(details.why),
      ),
      todo: TAKE_UP,
    };
  },
  "fence.applied"({ thing, details }) {
    const { scopes, networks } = fenceIn(details);
    return {
      subject: `${thing}: the old version is fenced`,
      lead: say(
        "It may do less than before while its successor waits.",
        scopes !== undefined && `Its scopes: ${scopes}.`,
        networks !== undefined && `Only from ${networks}.`,
      ),
      todo: TAKE_UP,
    };
  },
  "fence.lifted"({ thing, details }) {
    return {
      subject: `${thing}: the fence is lifted`,
      lead: say("The old version may do what it could do before.", because(details.why)),
      todo: "",
    };
  },
  "key.expiring"({ thing, details }) {
    const at = moment(details.expiresAt);
    return {
      subject: `${thing}: expires ${at ?? "soon"}`,
      lead: say(`The key expires${at === undefined ? " soon" : ` ${at}`}, with all its versions.`),
      todo: "If it is still needed, prolong it, or create a new one.",
    };
  },
  "key.expired": plain("has expired", "Every version of it is refused.", "If it is still needed, prolong it."),
  "key.idle"({ thing, details }) {
    const suspendAt = moment(details.suspendAt);
    return {
      subject: `${thing}: has not been used for long`,
      lead: say(
        `It was last used before ${moment(details.since) ?? "we can tell"}, as far as is known.`,
        suspendAt === undefined ? "A key that nobody needs is a risk." : `It will be suspended ${suspendAt}.`,
      ),
      todo: "If it is needed, use it: one request is enough. Otherwise revoke it.",
    };
  },
  "key.suspended"({ thing, details }) {
    const revokeAt = moment(details.revokeAt);
    return {
      subject: `${thing}: is suspended`,
      lead: say(
        "Every version of it is refused until it is restored.",
        because(details.reason),
        revokeAt === undefined ? undefined : `It will be revoked for good ${revokeAt}, unless somebody tries it.`,
      ),
      todo: details.idle === true ? "If it is needed, restore it." : "",
    };
  },
  "key.revoked": plain("is revoked", "Every version of it is refused for good."),
  "key.compromised"(told) {
    const { thing, facts, details } = told;
    const version = textOf(details.version) ?? "?";
    return {
      subject: `${thing}: version ${version} is in wrong hands`,
      lead: say(
        `Version ${version} is ${details.refused === true ? "refused from now on." : "limited from now on, and will retire."}`,
        isReady(facts, details) ? `Version ${versionsOf(told).to} is the one to use.` : "A successor is made at once.",
        because(details.reason),
      ),
      todo: `${TAKE_UP} Then find out how the old one got away.`,
    };
  },
  "key.refused-uses"({ thing, details }) {
    if (details.idle === true) {
      const revokeAt = moment(details.revokeAt);
      return {
        subject: `${thing}: somebody tries a key that was suspended because nobody used it`,
        lead: say(
          `Requests with it are refused${moment(details.suspendedAt) === undefined ? "" : ` since ${moment(details.suspendedAt)}`}.`,
          revokeAt === undefined ? undefined : `Its revocation is put off to ${revokeAt}.`,
        ),
        todo: "If the sender is genuine, restore the key. Otherwise revoke it.",
      };
    }
    const count = textOf(details.count);
    const sources = textOf(details.sources);
    return {
      subject: `${thing}: requests are refused`,
      lead: say(
        `${count === "1" ? "1 request" : `${count ?? "Some"} requests`} with a version that is no longer accepted ${count === "1" ? "was" : "were"} refused.`,
        sources !== undefined &&
          `They came from ${sources === "1" ? "1 source" : `${sources} sources`} that had used it before.`,
      ),
      todo: "If the senders are genuine, roll the retirement back. Otherwise somebody tries an old secret.",
    };
  },
  "campaign.started"({ details }) {
    const strikes = details.action === "kill" || details.action === "contain";
    const waves = typeof details.waves === "number" && details.waves > 1 ? ` in ${details.waves} waves` : "";
    return {
      subject: `${campaignTitle(details)} has started`,
      lead: say(
        details.action === "kill" && "Keys that are feared to have leaked are refused at once; each gets a successor.",
        details.action === "contain" &&
          "Keys that are feared to have leaked are fenced at once; each gets a successor.",
        !strikes && `Many keys are rotated${waves}.`,
        because(details.reason),
      ),
      todo: "",
    };
  },
  "campaign.held"({ details }) {
    const wave = textOf(details.wave);
    return {
      subject: `${campaignTitle(details)} is held`,
      lead: say(
        wave !== undefined &&
          `It stands at wave ${wave} of ${textOf(details.waves) ?? "?"}, and starts no further key.`,
        because(details.why),
      ),
      todo: "Look at it (keyover campaign show), then resume, continue, take the wave back, or abort it.",
    };
  },
  "campaign.ended"({ details }) {
    const counts = (["started", "skipped", "failed", "rolled-back", "waiting"] as const).flatMap((state) => {
      const count = details[state];
      return typeof count === "number" && count > 0 ? [`${count} ${campaignWords[state]}`] : [];
    });
    const verifiers = textOf(details.verifiers);
    return {
      subject: `${campaignTitle(details)} ${details.outcome === "aborted" ? "was aborted" : "has ended"}`,
      lead: say(
        counts.length > 0 && `Of its keys: ${counts.join(", ")}.`,
        verifiers !== undefined && `In force on all of ${verifiers} verifiers.`,
        details.outcome === "aborted" && because(details.why),
      ),
      todo: "The report: keyover campaign report.",
    };
  },
  "verifier.lost"({ thing, facts, details }) {
    const name = textOf(details.instance);
    const since = moment(details.since);
    const until = moment(details.answersUntil);
    const boot = textOf(details.boot);
    const api = facts.api?.name;
    const remove = api === undefined || boot === undefined ? "remove it" : `keyover api remove-verifier ${api} ${boot}`;
    return {
      subject: `${thing}: verifier ${name === undefined ? "" : `${name} `}is lost`,
      lead: say(
        `It has said nothing${since === undefined ? "" : ` since ${since}`}, and no goodbye.`,
        `It may go on deciding by itself${until === undefined ? "" : ` until ${until}`}: so long rotations wait for it.`,
      ),
      todo: `Start it again under the same name. If it is gone for good: ${remove}.`,
    };
  },
  "verifier.back"({ thing, details }) {
    const name = textOf(details.instance);
    const how = textOf(details.how);
    const ending: Record<string, string> = {
      heard: "answers again",
      restarted: "was started again",
      removed: "was removed",
      closed: "has said goodbye",
    };
    return {
      subject: `${thing}: verifier ${name === undefined ? "" : `${name} `}${ending[how ?? ""] ?? "is back"}`,
      lead: "Rotations no longer wait for it to be found.",
      todo: "",
    };
  },
};
