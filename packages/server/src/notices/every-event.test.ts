/** Every event, over every kind of channel, as whoever gets it reads it: nothing that a program forgot to say shows through. */
import { describe, expect, test } from "vitest";
import { Secret } from "../custody/secret.ts";
import { type ChannelKind, channelKinds, type NoticeEvent, noticeEvents } from "../store/notice-entities.ts";
import type { Post } from "./egress.ts";
import { eventKinds } from "./events.ts";
import type { Mail } from "./mailer.ts";
import { AT, aChannel, aRaised, plausible } from "./notices.test-support.ts";
import { createSend, publicBases } from "./senders.ts";

const secrets: Record<ChannelKind, string> = {
  webhook: "whsec_AAAA",
  email: "",
  slack: "https://hooks.example/services/x",
  telegram: "1:a",
  pagerduty: "R0",
};
const never = new AbortController().signal;

/** What a person reads of it: texts, not members of the JSON for programs. */
async function read(kind: ChannelKind, events: Parameters<typeof aRaised>[0][]): Promise<string[]> {
  const posts: Post[] = [];
  const mails: Mail[] = [];
  const send = createSend({
    egress: {
      post: async (post) => {
        posts.push(post);
        return { status: 202, retryAfter: undefined, body: "" };
      },
    },
    mailer: {
      send: async (mail) => {
        mails.push(mail);
        return { ok: true, status: null };
      },
    },
    bases: publicBases,
  });
  const channel = aChannel({ kind, config: { url: "https://hooks.example/", to: ["ops@example.com"], chat: "@ops" } });
  const outgoing = {
    id: "ntc_1",
    channel,
    secrets: [new Secret(secrets[kind])],
    recipient: "ops@example.com",
    after: null,
  };
  await send({ ...outgoing, events: events.map((event) => aRaised(event)) }, AT, never);
  const texts = posts.flatMap(({ body }) => textsIn(JSON.parse(body)));
  return [...texts, ...mails.flatMap(({ subject, text, html }) => [subject, text, html])];
}

const READ = new Set(["text", "subject", "summary", "todo", "docs"]);

function textsIn(value: unknown, member = ""): string[] {
  if (typeof value === "string") return READ.has(member) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => textsIn(inner, name));
}

const FORGOTTEN = /undefined|\[object|NaN|null|Invalid Date|\?\?|\$\{|\bversion \?| {2}|\(\)| ,| \.|\.\./;

const every = noticeEvents.flatMap((event) => channelKinds.map((kind): [NoticeEvent, ChannelKind] => [event, kind]));

describe("reads well", () => {
  test.each(every)("%s by %s", async (event, kind) => {
    const texts = await read(kind, [plausible(event)]);
    expect(texts.length).toBeGreaterThan(0);
    for (const text of texts) expect(text).not.toMatch(FORGOTTEN);
    const all = texts.join("\n");
    if (event.startsWith("campaign.")) expect(all).toMatch(/spring|leak/);
    else if (event.startsWith("verifier.")) expect(all).toContain("web-3");
    else expect(all).toContain("bot of desk");
  });

  test.each(channelKinds)("all of them in one message by %s", async (kind) => {
    for (const text of await read(kind, noticeEvents.map(plausible))) expect(text).not.toMatch(FORGOTTEN);
  });
});

test("whoever is asked for a reaction is told what to do", async () => {
  for (const event of noticeEvents.filter((each) => eventKinds[each].reaction)) {
    const [, text] = await read("email", [plausible(event)]);
    expect(text, event).toMatch(/^What to do: .{20}/m);
    expect(text, event).toContain("keyover notices acknowledge ntc_1");
  }
});

test("what a verifier is about is one incident: told, and resolved under the same key", async () => {
  const keys: string[] = [];
  const send = createSend({
    egress: {
      post: async ({ body }) => {
        const { event_action: action, dedup_key: key } = JSON.parse(body);
        keys.push(`${action} ${key}`);
        return { status: 202, retryAfter: undefined, body: "" };
      },
    },
    mailer: undefined,
    bases: publicBases,
  });
  const outgoing = {
    id: "ntc_1",
    channel: aChannel({ kind: "pagerduty" }),
    secrets: [new Secret("R0")],
    recipient: null,
    after: null,
  };
  await send({ ...outgoing, events: [plausible("verifier.lost"), plausible("verifier.back")] }, AT, never);
  expect(keys).toEqual(["trigger keyover/boo_1", "resolve keyover/boo_1"]);
});
