/** What people read. The snapshot holds every event's text: a change of a word shows there. */
import { randomBytes } from "node:crypto";
import { makeKeyText } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { type NoticeEvent, noticeEvents, type RaisedEvent } from "../store/notice-entities.ts";
import { aRaised, plausible, someFacts } from "./notices.test-support.ts";
import { payloadOf, render, testMessage } from "./templates.ts";

const raisedOf = (event: NoticeEvent): RaisedEvent => plausible(event);

describe("texts", () => {
  test("of every event", async () => {
    const all = noticeEvents.map((event) => {
      const { subject, text, severity, needsReaction } = render([raisedOf(event)], "ntc_1");
      return `==== ${event} (${severity}${needsReaction ? ", needs a reaction" : ""})\n${subject}\n\n${text}`;
    });
    await expect(all.join("\n")).toMatchFileSnapshot("./templates.test-texts.txt");
  });

  test("HTML of one, of a digest, of a test", async () => {
    const raised = raisedOf("rotation.offered");
    const digest = [raised, raisedOf("key.compromised"), raised];
    const all = [render([raised], "ntc_1"), render(digest, "ntc_2"), testMessage({ name: "ops" }, "ntc_3")];
    await expect(all.map(({ html }) => html).join("\n")).toMatchFileSnapshot("./templates.test-pages.txt");
  });

  test("say key, consumer, api, the deadline, who still uses the old version, what to do, and where to read more", () => {
    const { subject, text, html } = render([raisedOf("rotation.offered")], "ntc_1");
    for (const said of [
      "key bot of desk (market, live)",
      "2026-12-06 12:00 UTC",
      "203.0.113.0/24, bot/1.2, web-1",
      "has moved since",
      "and 10 more",
      "What to do: Take up the successor",
      "https://keyover.dev/docs/notices#rotation-offered",
      "ntc_1",
    ])
      for (const body of [text, html]) expect(body).toContain(said);
    expect(subject).toContain("bot of desk");
  });

  test("what is not known is left out: no event needs its facts or its details", () => {
    for (const event of noticeEvents) {
      const bare = aRaised({ event, details: {}, facts: null, keyId: null, rotationId: null, apiId: null });
      const odd = { waitsFor: {}, since: "x", leftMs: null, reason: 7, version: {}, at: Number.NaN, nobody: ["knows"] };
      for (const raised of [bare, aRaised({ event, details: odd })]) {
        const { text, subject } = render([raised], "ntc_1");
        expect(`${subject}\n${text}`, event).not.toMatch(/undefined|NaN|\[object|null/);
        expect(() => payloadOf(raised)).not.toThrow();
      }
    }
  });
});

test("of a version in wrong hands no message says that it works on, or that there is time until the deadline", () => {
  const told = (event: NoticeEvent, rotation: { fromCompromised: boolean; fromRefusedAt: number | null }) => {
    const raised = raisedOf(event);
    const facts = { ...someFacts, rotation: { ...someFacts.rotation, ...rotation } as typeof someFacts.rotation };
    return render([{ ...raised, facts }], "ntc_1").text;
  };
  const contained = { fromCompromised: true, fromRefusedAt: null };
  const killed = { fromCompromised: true, fromRefusedAt: 1_800_000_000_000 };
  for (const event of ["rotation.planned", "rotation.offered", "rotation.reminder", "rotation.deadline"] as const) {
    expect(told(event, killed), event).toMatch(/refused/);
    expect(told(event, killed), event).not.toMatch(
      /goes on working|beside|still accepted|has not retired|The deadline is/,
    );
  }
  for (const event of ["rotation.planned", "rotation.offered"] as const)
    expect(told(event, contained), event).toContain("within its fence alone");
});

test("what needs a reaction says how to acknowledge it; what escalated says whence", () => {
  const stuck = render([raisedOf("rotation.stuck")], "ntc_2", "ntc_1");
  expect(stuck.text).toMatch(/^Nobody has acknowledged ntc_1: so this comes to you\.\n/);
  expect(stuck.text).toContain("Say that you look after it: keyover notices acknowledge ntc_2");
  expect(render([raisedOf("rotation.offered")], "ntc_2").text).not.toContain("acknowledge");
});

describe("names that people chose", () => {
  const evil = `<img src=x onerror="alert('1')">&amp;\r\nBcc: victim@example.com\u202e\u0000`;
  const key = { id: "key_1", name: evil, environment: "live" };
  const raised = aRaised({
    facts: { ...someFacts, key, consumer: { id: "con_1", name: evil } },
    details: { reason: evil },
  });

  test("are escaped in HTML", () => {
    for (const events of [[raised], [raised, raised]]) {
      const { html } = render(events, "ntc_1");
      expect(html).not.toContain("<img");
      expect(html).toContain("&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;amp;");
    }
  });

  test("begin no new line and no header, and turn no text round", () => {
    const { subject, text } = render([raised], "ntc_1");
    expect(subject).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text.split("\n").some((each) => each.startsWith("Bcc:"))).toBe(false);
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test("and do not become links of ours", () => {
    const name = 'https://keyover.dev/docs/notices#x" onclick="y';
    const { html } = render([aRaised({ facts: { ...someFacts, key: { ...key, name } } })], "ntc_1");
    expect(html.match(/<a href="[^"]*"/g)).toEqual(['<a href="https://keyover.dev/docs/notices#rotation-offered"']);
  });

  test("a key's text that somebody took for a reason is not sent on", () => {
    const text = makeKeyText("mkt", "live", (length) => randomBytes(length));
    const leaked = aRaised({ event: "key.suspended", details: { reason: `found ${text} in a log` } });
    for (const events of [[leaked], [leaked, leaked]])
      for (const body of Object.values(render(events, "ntc_1"))) expect(String(body)).not.toContain(text);
  });
});

test("a digest counts, and puts the gravest first", () => {
  const many = Array.from({ length: 500 }, () => raisedOf("rotation.offered"));
  const { subject, text, severity, needsReaction } = render([...many, raisedOf("key.compromised")], "ntc_1");
  expect(subject).toBe("URGENT: Keyover: 501 notices");
  expect([severity, needsReaction]).toEqual(["urgent", true]);
  expect(text).toContain("500 × rotation.offered");
  expect(text.indexOf("wrong hands")).toBeLessThan(text.indexOf("is ready"));
  expect(text).toContain("and 401 more");
  expect(text.length).toBeLessThan(30_000);
});
