/** What people read. The snapshot holds every event's text: a change of a word shows there. */
import { randomBytes } from "node:crypto";
import { makeKeyText } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { type NoticeEvent, noticeEvents, type RaisedEvent } from "../store/notice-entities.ts";
import { AT, aRaised, someFacts } from "./notices.test-support.ts";
import { payloadOf, render, testMessage } from "./templates.ts";

const DAY = 86_400_000;

const details: Partial<Record<NoticeEvent, Record<string, unknown>>> = {
  "rotation.reminder": { leftMs: DAY },
  "rotation.retired": { forced: "the machine is gone" },
  "rotation.rolled-back": { why: "a program was forgotten" },
  "rotation.stuck": { why: "verifiers", waitsFor: ["verifier web-3 (boo_1)"], since: AT - 600_000 },
  "brownout.announced": { at: AT + DAY, forMs: 60_000 },
  "key.expiring": { expiresAt: AT + 7 * DAY },
  "key.suspended": { reason: "invoice" },
  "key.compromised": { version: 1, refused: true },
  "key.refused-uses": { count: 41 },
  "verifier.lost": { instance: "web-3", since: AT - 600_000 },
};

const raisedOf = (event: NoticeEvent): RaisedEvent => aRaised({ id: "nev_1", event, details: details[event] ?? {} });

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
