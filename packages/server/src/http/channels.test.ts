/** Channels and notices through the HTTP API. */
import { makeHandle } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { random, TestAuthority } from "../authority.test-support.ts";
import { Receiver } from "../notices/notices.test-support.ts";

let keyover: TestAuthority;
let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.start();
  const bases = { telegram: `http://127.0.0.1:${receiver.port}` };
  const resolve = async () => ["10.9.8.7"];
  keyover = await TestAuthority.start({ notices: { allowedPrivate: ["127.0.0.0/8"], bases, resolve } });
});
afterEach(async () => {
  await keyover.close();
  await receiver.close();
});

const webhook = (change: Record<string, unknown> = {}) => ({
  name: "hook",
  target: { kind: "webhook", url: receiver.url },
  ...change,
});
const add = (change: Record<string, unknown> = {}) => keyover.ok("POST", "/v1/channels", webhook(change));
const settled = async (state: string, count = 1) => {
  await vi.waitFor(
    async () => {
      await keyover.clock.advance(50);
      expect((await keyover.ok("GET", `/v1/notices?state=${state}`)).items).toHaveLength(count);
    },
    { timeout: 30_000 },
  );
  return (await keyover.ok("GET", `/v1/notices?state=${state}`)).items;
};

describe("a channel", () => {
  test("is made with what is usual for its kind, found by its name, changed, and removed, all audited", async () => {
    const made = await add();
    expect(made).toMatchObject({
      kind: "webhook",
      url: receiver.url,
      consumer: null,
      events: ["*"],
      severity: "info",
      quiet: null,
      digestMs: 0,
      escalate: null,
      signing: [{ version: 1, retireAt: null }],
      disabledAt: null,
    });
    expect(made.secret).toMatch(/^whsec_/);
    const { items } = await keyover.ok("GET", "/v1/channels?name=hook");
    expect(items.map(({ id }: { id: string }) => id)).toEqual([made.id]);
    const quiet = { zone: "Europe/Berlin", from: "22:00", to: "07:00" };
    const patch = { severity: "urgent", quiet, events: ["key.*"], digestMs: 60_000 };
    expect(await keyover.ok("PATCH", `/v1/channels/${made.id}`, patch)).toMatchObject(patch);
    await keyover.ok("PATCH", `/v1/channels/${made.id}`, { enabled: false });
    await keyover.ok("DELETE", `/v1/channels/${made.id}`);
    await keyover.refused("not_found", "GET", `/v1/channels/${made.id}`);
    const { items: audit } = await keyover.ok("GET", `/v1/audit?subject=${made.id}`);
    expect(audit.map(({ action }: { action: string }) => action)).toEqual([
      "channel.created",
      "channel.updated",
      "channel.updated",
      "channel.removed",
    ]);
  });

  test("a secret is shown once, and by nothing else ever again", async () => {
    const made = await add();
    const token = `123:${"t".repeat(30)}`;
    const chat = await add({ name: "chat", target: { kind: "telegram", chat: "1", token } });
    expect(chat.secret).toBeNull();
    const rotated = await keyover.ok("POST", `/v1/channels/${made.id}/rotate-secret`, {});
    const answers = await Promise.all(
      [`/v1/channels`, `/v1/channels/${made.id}`, `/v1/channels/${chat.id}`, "/v1/audit", "/metrics"].map((path) =>
        keyover.call("GET", path),
      ),
    );
    const patched = await keyover.call("PATCH", `/v1/channels/${chat.id}`, { name: "other" });
    for (const { text } of [...answers, patched, { text: keyover.lines.join("") }])
      for (const secret of [made.secret, rotated.secret, token]) expect(text).not.toContain(secret);
  });

  test("a repeated creation with the same Idempotency-Key gets the same secret, and makes no second channel", async () => {
    const first = await keyover.ok("POST", "/v1/channels", webhook(), { idempotencyKey: "once" });
    const again = await keyover.ok("POST", "/v1/channels", webhook(), { idempotencyKey: "once" });
    expect([again.id, again.secret]).toEqual([first.id, first.secret]);
    const path = `/v1/channels/${first.id}/rotate-secret`;
    const rotated = await keyover.ok("POST", path, {}, { idempotencyKey: "turn" });
    expect((await keyover.ok("POST", path, {}, { idempotencyKey: "turn" })).secret).toBe(rotated.secret);
    expect(rotated.signing).toMatchObject([
      { version: 2, retireAt: null },
      { version: 1, retireAt: keyover.now() + 7 * 86_400_000 },
    ]);
    await keyover.refused("channel_secret_overlap", "POST", path, {});
    expect((await keyover.ok("POST", `/v1/channels/${first.id}/end-old-secret`)).signing).toHaveLength(1);
  });

  test.each<[string, string, Record<string, unknown>]>([
    ["a private address", "channel_target_refused", { target: { kind: "webhook", url: "https://10.0.0.1/" } }],
    ["metadata", "channel_target_refused", { target: { kind: "slack", url: "https://169.254.169.254/x" } }],
    ["a password", "channel_target_refused", { target: { kind: "webhook", url: "https://a:b@example.com/" } }],
    ["no URL", "channel_target_refused", { target: { kind: "webhook", url: "example.com" } }],
    ["mail without a mail server", "mail_not_configured", { target: { kind: "email", to: ["a@example.com"] } }],
    ["no address", "invalid_request", { target: { kind: "email", to: ["example.com"] } }],
    ["a header in an address", "invalid_request", { target: { kind: "email", to: ["a@example.com\r\nBcc: b@c.de"] } }],
    ["a token with a path in it", "invalid_request", { target: { kind: "telegram", chat: "1", token: "1:a/../b" } }],
    ["another kind", "invalid_request", { target: { kind: "fax", number: "1" } }],
    ["a misspelt event", "invalid_request", { events: ["rotation.ofered"] }],
    ["a zone that does not exist", "invalid_request", { quiet: { zone: "Mars/Olympus", from: "22:00", to: "07:00" } }],
    ["a time that does not exist", "invalid_request", { quiet: { zone: "UTC", from: "24:00", to: "07:00" } }],
    ["quiet hours of no length", "invalid_request", { quiet: { zone: "UTC", from: "22:00", to: "22:00" } }],
    ["an unknown consumer", "not_found", { consumer: "con_none" }],
    ["an unknown next channel", "not_found", { escalate: { channel: "chn_none", afterMs: 60_000 } }],
    ["an unknown member", "invalid_request", { digest: 7 }],
  ])("%s is refused with %s", async (_what, code, change) => {
    await keyover.refused(code, "POST", "/v1/channels", webhook(change));
  });

  test("can't have another's name, escalate to itself, or change its kind", async () => {
    const { id } = await add();
    await keyover.refused("name_taken", "POST", "/v1/channels", webhook());
    await keyover.refused("invalid_request", "PATCH", `/v1/channels/${id}`, {
      escalate: { channel: id, afterMs: 60_000 },
    });
    await keyover.refused("invalid_request", "PATCH", `/v1/channels/${id}`, {
      target: { kind: "pagerduty", key: "x" },
    });
    await keyover.refused("channel_target_refused", "PATCH", `/v1/channels/${id}`, {
      target: { kind: "webhook", url: "https://[::1]/" },
    });
  });

  test("what a consumer's keys raise escalates to that consumer or to the operators, never to another consumer", async () => {
    const [mine, other] = [await keyover.consumer(), await keyover.consumer()];
    const team = await add({ name: "team" });
    const own = await add({ name: "own", consumer: mine.id });
    const foreign = await add({ name: "foreign", consumer: other.id });
    const to = ({ id }: { id: string }) => ({ escalate: { channel: id, afterMs: 60_000 } });
    for (const [name, consumer] of [
      ["of the operators", null],
      ["of one consumer", mine.id],
    ])
      await keyover.refused("invalid_request", "POST", "/v1/channels", webhook({ name, consumer, ...to(foreign) }));
    await keyover.refused("invalid_request", "PATCH", `/v1/channels/${team.id}`, to(own));
    await keyover.refused("invalid_request", "PATCH", `/v1/channels/${own.id}`, to(foreign));
    expect(await keyover.ok("PATCH", `/v1/channels/${own.id}`, to(team))).toMatchObject(to(team));
    expect(await add({ name: "second", consumer: mine.id, ...to(own) })).toMatchObject(to(own));
  });

  test("a test says what came of it", async () => {
    const { id } = await add();
    expect(await keyover.ok("POST", `/v1/channels/${id}/test`)).toMatchObject({
      delivered: true,
      status: 204,
      error: null,
    });
    receiver.answer = (_heard, response) => void response.writeHead(302, { location: "/" }).end();
    expect(await keyover.ok("POST", `/v1/channels/${id}/test`)).toMatchObject({ delivered: false, status: 302 });
  });
});

describe("a channel that others rely on", () => {
  const scene = async () => {
    const last = await add({ name: "last" });
    const escalate = { channel: last.id, afterMs: 3_600_000 };
    const night = await add({ name: "night", escalate });
    await add({ name: "day", escalate });
    await keyover.ok("PUT", "/v1/policies/desk", { spec: { channels: ["last"] } });
    return { last, night, path: `/v1/channels/${last.id}` };
  };

  test("is removed, disabled or renamed only by force, and that is said", async () => {
    const { path } = await scene();
    const both = { channels: ["day", "night"], policies: ["desk"] };
    const gone = await keyover.refused("channel_in_use", "DELETE", path);
    expect(gone).toMatchObject({ ...both, detail: expect.stringContaining("day, night escalate to last; desk is a") });
    expect(await keyover.refused("channel_in_use", "PATCH", path, { enabled: false })).toMatchObject(both);
    const renamed = await keyover.refused("channel_in_use", "PATCH", path, { name: "very-last" });
    expect(renamed.detail).toMatch(/^desk is a policy that names last\. /);
    expect((await keyover.ok("GET", path)).disabledAt).toBe(null);
    expect(await keyover.ok("PATCH", path, { severity: "warning", name: "last" })).toMatchObject({ warnings: [] });

    const forced = await keyover.ok("PATCH", path, { enabled: false, force: true });
    expect(forced.warnings).toEqual(["day, night escalate to last", "desk is a policy that names last"]);
    expect(await keyover.ok("PATCH", path, { enabled: false })).toMatchObject({ warnings: [] });
    expect(await keyover.ok("DELETE", `${path}?force=true`)).toMatchObject({ name: "last", warnings: forced.warnings });
    const { items } = await keyover.ok("GET", `/v1/audit?subject=${forced.id}`);
    const removed = items.find(({ action }: { action: string }) => action === "channel.removed");
    expect(removed.details.though).toEqual(forced.warnings);
  });

  test("that is disabled because its target is gone is told of in the log", async () => {
    await scene();
    receiver.answer = (_heard, response) => void response.writeHead(410).end();
    const key = await keyover.key({ api: await keyover.api(), consumer: await keyover.consumer() });
    await keyover.ok("POST", `/v1/keys/${key.id}/suspend`, { reason: "look" });
    await settled("dead", 3);
    const told = keyover.lines.filter(
      (each) => each.includes('"channel.disabled"') && each.includes("escalate to last"),
    );
    expect(told).toHaveLength(1);
  });
});

describe("a consumer's token", () => {
  test("sees its own channels and notices, acknowledges its own, and nothing of others", async () => {
    const [mine, other] = [await keyover.consumer(), await keyover.consumer()];
    const api = await keyover.api();
    const own = await add({ name: "mine", consumer: mine.id });
    const foreign = await add({ name: "other", consumer: other.id });
    const team = await add({ name: "team" });
    for (const consumer of [mine, other]) {
      const key = await keyover.key({ api, consumer });
      await keyover.ok("POST", `/v1/keys/${key.id}/suspend`, { reason: "look" });
    }
    const all = await settled("sent", 4);
    const token = await keyover.token("consumer", { consumer: mine.id });
    const seen = await keyover.ok("GET", "/v1/channels", undefined, { token });
    expect(seen.items.map(({ id }: { id: string }) => id)).toEqual([own.id]);
    const { items } = await keyover.ok("GET", "/v1/notices", undefined, { token });
    expect(items.map(({ channel }: { channel: string }) => channel)).toEqual([own.id]);
    for (const id of [foreign.id, team.id]) {
      await keyover.refused("not_found", "GET", `/v1/channels/${id}`, undefined, { token });
      const notice = all.find(({ channel }: { channel: string }) => channel === id);
      await keyover.refused("not_found", "GET", `/v1/notices/${notice.id}`, undefined, { token });
      await keyover.refused("not_found", "POST", `/v1/notices/${notice.id}/acknowledge`, {}, { token });
    }
    const shown = await keyover.ok("GET", `/v1/notices/${items[0].id}`, undefined, { token });
    expect(shown.subject).toContain("is suspended");
    const done = await keyover.ok("POST", `/v1/notices/${items[0].id}/acknowledge`, {}, { token });
    expect(done.acknowledgedBy).toMatch(/^tok_/);
  });

  test("learns that its notice failed, and nothing of what lies behind", async () => {
    const mine = await keyover.consumer();
    const token = await keyover.token("consumer", { consumer: mine.id });
    const inside = { kind: "webhook", url: "https://acme.example/hook" };
    await add({ name: "inside", consumer: mine.id, target: inside });
    await add({ name: "babbling", consumer: mine.id });
    receiver.answer = (_heard, response) => void response.writeHead(500).end("no route to db.internal");
    const key = await keyover.key({ api: await keyover.api(), consumer: mine });
    await keyover.ok("POST", `/v1/keys/${key.id}/suspend`, { reason: "look" });
    await vi.waitFor(
      async () => {
        await keyover.clock.advance(50);
        const { items } = await keyover.ok("GET", "/v1/notices");
        expect(items.map(({ lastError }: { lastError: string }) => lastError).sort()).toEqual([
          "acme.example leads to 10.9.8.7, which is not public",
          "answered 500: no route to db.internal",
        ]);
      },
      { timeout: 30_000 },
    );
    const { items } = await keyover.ok("GET", "/v1/notices", undefined, { token });
    expect(items.map(({ lastError }: { lastError: string }) => lastError).sort()).toEqual([
      "answered 500",
      "notices may not be sent to this target",
    ]);
    for (const { id } of items) {
      const one = await keyover.call("GET", `/v1/notices/${id}`, undefined, { token });
      const done = await keyover.call("POST", `/v1/notices/${id}/acknowledge`, {}, { token, idempotencyKey: id });
      const again = await keyover.call("POST", `/v1/notices/${id}/acknowledge`, {}, { token, idempotencyKey: id });
      for (const { text } of [one, done, again]) {
        expect(text).toContain('"lastError":"');
        expect(text).not.toMatch(/10\.9|internal/);
      }
    }
  });
});

test("a dead letter is listed, counted in the metrics, shown with its text, and sent again", async () => {
  await add();
  receiver.answer = (_heard, response) => void response.writeHead(410).end();
  const key = await keyover.key({ api: await keyover.api(), consumer: await keyover.consumer() });
  await keyover.ok("POST", `/v1/keys/${key.id}/suspend`, { reason: "look" });
  const [dead] = await settled("dead");
  expect(dead).toMatchObject({ about: "key.suspended", attempts: 1, lastError: "answered 410", severity: "warning" });
  const { body: metrics } = await keyover.call("GET", "/metrics");
  expect(metrics).toContain('keyover_notices{state="dead"} 1');
  expect(metrics).toContain('keyover_notices_total{what="dead",kind="webhook"} 1');
  receiver.answer = (_heard, response) => void response.writeHead(200).end();
  await keyover.ok("PATCH", `/v1/channels/${dead.channel}`, { enabled: true });
  await keyover.ok("POST", `/v1/notices/${dead.id}/resend`);
  await settled("sent");
  expect(receiver.heard.map(({ headers }) => headers["webhook-id"])).toEqual([dead.id, dead.id]);
  const unknown = makeHandle("notice", 1, random);
  await keyover.refused("not_found", "POST", `/v1/notices/${unknown}/resend`, {});
});
