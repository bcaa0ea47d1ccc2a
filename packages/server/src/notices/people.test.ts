/** Mail by a real SMTP server; Slack, Telegram and PagerDuty by servers that speak as theirs do. */
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mailProblem } from "./mailer.ts";
import { aDraft, Receiver } from "./notices.test-support.ts";
import { NoticeRig } from "./rig.test-support.ts";

const rigs: NoticeRig[] = [];
const rigWith = (options: ConstructorParameters<typeof NoticeRig>[0] = {}) => {
  const rig = new NoticeRig(options);
  rigs.push(rig);
  return rig;
};
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

interface Caught {
  from: string;
  to: string[];
  text: string;
}

describe("mail", () => {
  const caught: Caught[] = [];
  /** The code with which a recipient, or everybody, is refused. */
  let refused: { address?: string; code: number } | undefined;
  let server: SMTPServer;
  let url: string;
  const from = "Keyover <keyover@example.com>";

  beforeEach(async () => {
    caught.length = 0;
    refused = undefined;
    server = new SMTPServer({
      authOptional: true,
      disabledCommands: ["STARTTLS"],
      onRcptTo({ address }, _session, done) {
        if (refused === undefined || (refused.address ?? address) !== address) return done();
        done(Object.assign(new Error("no such person"), { responseCode: refused.code }));
      },
      onData(stream, session, done) {
        const parts: Buffer[] = [];
        stream.on("data", (part: Buffer) => parts.push(part));
        stream.on("end", () => {
          const { mailFrom, rcptTo } = session.envelope;
          const text = Buffer.concat(parts).toString("utf8");
          caught.push({ from: mailFrom ? mailFrom.address : "", to: rcptTo.map(({ address }) => address), text });
          done();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    url = `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
  });
  afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())));

  const sent = async (to: string[], change = {}) => {
    const rig = rigWith({ mail: { url, from } });
    await rig.channel({ kind: "email", to }, change);
    await rig.raise(aDraft());
    await rig.round();
    return rig;
  };

  test("arrives as text and HTML, under a Message-ID that stays the same", async () => {
    const rig = await sent(["ops@example.com"]);
    const notice = await rig.only();
    expect(notice.state).toBe("sent");
    expect(caught).toHaveLength(1);
    const [mail] = caught as [Caught];
    expect([mail.from, mail.to]).toEqual(["keyover@example.com", ["ops@example.com"]]);
    expect(mail.text).toContain("To: ops@example.com\r\n");
    expect(mail.text).toContain(`Message-ID: <${notice.id}@example.com>`);
    expect(mail.text).toContain("Auto-Submitted: auto-generated");
    expect(mail.text).toContain("Content-Type: text/plain");
    expect(mail.text).toContain("Content-Type: text/html");
    expect(mail.text).toMatch(/^Subject: Keyover: key key_1/m);
    await rig.notices.channels.resend(notice.id, { actor: "tok_1" });
    await rig.round();
    expect(caught[1]?.text).toContain(`Message-ID: <${notice.id}@example.com>`);
  });

  test("for people several are one, unless they say otherwise", async () => {
    const rig = await sent(["ops@example.com"], { digestMs: undefined });
    await rig.raise(aDraft(), aDraft());
    await rig.round();
    expect(caught).toEqual([]);
    await rig.pass(300_000);
    expect(caught).toHaveLength(1);
    expect(caught[0]?.text).toMatch(/^Subject: Keyover: 3 notices$/m);
  });

  test("a recipient that does not exist makes a dead letter at once; a server that is busy is tried again", async () => {
    refused = { code: 550 };
    const dead = await sent(["nobody@example.com"]);
    expect(await dead.only()).toMatchObject({ state: "dead", attempts: 1, lastError: expect.stringContaining("550") });
    refused = { code: 451 };
    const busy = await sent(["ops@example.com"]);
    expect(await busy.only()).toMatchObject({ state: "waiting", attempts: 1 });
    refused = undefined;
    await busy.pass(60_000);
    expect((await busy.only()).state).toBe("sent");
  });

  describe("to several is a delivery to each", () => {
    const states = async (rig: NoticeRig) =>
      Object.fromEntries((await rig.all()).map(({ recipient, state }) => [recipient, state]));

    test("whoever is refused has a dead letter, and nobody else gets it twice", async () => {
      refused = { address: "gone@example.com", code: 550 };
      const rig = await sent(["ops@example.com", "gone@example.com", "desk@example.com"]);
      expect(await states(rig)).toEqual({
        "ops@example.com": "sent",
        "gone@example.com": "dead",
        "desk@example.com": "sent",
      });
      expect(caught.map(({ to }) => to)).toEqual([["ops@example.com"], ["desk@example.com"]]);
      const ids = caught.map(({ text }) => /^Message-ID: <(\S+)@/m.exec(text)?.[1]);
      expect(new Set(ids)).toEqual(new Set((await rig.all("sent")).map(({ id }) => id)));
      refused = undefined;
      const [dead] = await rig.all("dead");
      await rig.notices.channels.resend(dead?.id ?? "", { actor: "tok_1" });
      await rig.pass(86_400_000);
      expect(caught.slice(2).map(({ to }) => to)).toEqual([["gone@example.com"]]);
    });

    test("whoever is busy is tried again by himself", async () => {
      refused = { address: "ops@example.com", code: 451 };
      const rig = await sent(["ops@example.com", "desk@example.com"]);
      expect(await states(rig)).toEqual({ "ops@example.com": "waiting", "desk@example.com": "sent" });
      refused = undefined;
      await rig.pass(60_000);
      expect(caught.map(({ to }) => to[0])).toEqual(["desk@example.com", "ops@example.com"]);
    });

    test("a crash on the way leaves nobody out, and what was noted is not sent again", async () => {
      refused = { address: "ops@example.com", code: 451 };
      const rig = await sent(["ops@example.com", "desk@example.com"]);
      refused = undefined;
      rig.begin();
      await rig.pass(60_000);
      await rig.pass(86_400_000);
      expect(caught.map(({ to }) => to[0])).toEqual(["desk@example.com", "ops@example.com"]);
    });

    test("what was digested is the same for all, and what comes later is a message of its own", async () => {
      const rig = await sent(["ops@example.com", "desk@example.com"], { digestMs: 60_000 });
      await rig.raise(aDraft());
      await rig.pass(60_000);
      await rig.raise(aDraft());
      await rig.round();
      await rig.pass(60_000);
      const subjects = caught.map(({ to, text }) => [to[0], /^Subject: (.*)$/m.exec(text)?.[1]?.slice(0, 18)]);
      expect(subjects.filter(([, subject]) => subject === "Keyover: 2 notices")).toHaveLength(2);
      expect(subjects).toHaveLength(4);
    });

    test("an address that was corrected gets what the wrong one did not; the others get nothing again", async () => {
      refused = { address: "oops@example.com", code: 550 };
      const rig = await sent(["oops@example.com", "desk@example.com"]);
      const [dead] = await rig.all("dead");
      const target = { kind: "email" as const, to: ["ops@example.com", "desk@example.com"] };
      await rig.notices.channels.update(dead?.channelId ?? "", { target }, { actor: "tok_1" });
      await rig.notices.channels.resend(dead?.id ?? "", { actor: "tok_1" });
      await rig.round();
      expect(caught.map(({ to }) => to[0])).toEqual(["desk@example.com", "ops@example.com"]);
      expect(await rig.all("dead")).toEqual([]);
      await rig.notices.channels.update(
        dead?.channelId ?? "",
        { target: { ...target, to: ["desk@example.com"] } },
        { actor: "tok_1" },
      );
      await rig.notices.channels.resend(dead?.id ?? "", { actor: "tok_1" });
      await rig.round();
      expect(await rig.all("dead")).toMatchObject([
        { lastError: "ops@example.com is no longer a recipient of the channel" },
      ]);
      expect(caught).toHaveLength(2);
    });

    describe("of several addresses that were corrected", () => {
      /** Three are wrong; all are dead. Refused from now on: nobody. */
      const corrected = async (to: string[]) => {
        refused = { code: 550 };
        const rig = await sent(["a@wrong.example", "b@wrong.example", "c@wrong.example"]);
        const dead = await rig.all("dead");
        expect(dead).toHaveLength(3);
        refused = undefined;
        const target = { kind: "email" as const, to };
        await rig.notices.channels.update(dead[0]?.channelId ?? "", { target }, { actor: "tok_1" });
        const resend = async (which: typeof dead) => {
          for (const { id } of which) await rig.notices.channels.resend(id, { actor: "tok_1" });
          await rig.round();
        };
        return { rig, dead, resend };
      };
      const right = ["a@example.com", "b@example.com", "c@example.com"];
      const mailed = () => caught.map(({ to }) => to[0] ?? "").toSorted();
      const orders = [
        ["all dead letters at once", [[0, 1, 2]]],
        ["the first, then the others", [[0], [1, 2]]],
        ["a copy, then the first", [[2], [0], [1]]],
      ] as const;

      test.each(orders)("each gets it once: %s", async (_order, rounds) => {
        const { dead, resend, rig } = await corrected(right);
        for (const round of rounds) await resend(round.flatMap((i) => dead[i] ?? []));
        expect(mailed()).toEqual(right);
        // And whatever is tried again later.
        await resend(await rig.all("dead"));
        await rig.pass(86_400_000);
        expect(mailed()).toEqual(right);
        expect((await rig.all("dead")).map(({ lastError }) => lastError)).toEqual(
          Array(2).fill(expect.stringContaining("is no longer a recipient")),
        );
      });

      test("nobody's mailbox is another one because of capitals, or because it is named twice", async () => {
        const { dead, resend } = await corrected(["A@wrong.example", "a@WRONG.example", "b@example.com"]);
        await resend(dead);
        expect(mailed()).toEqual(["A@wrong.example", "b@example.com"]);
      });
    });

    test("it escalates once, and not once anybody has acknowledged it", async () => {
      const rig = rigWith({ mail: { url, from } });
      const boss = await rig.channel({ kind: "email", to: ["boss@example.com"] }, { events: ["key.idle"] });
      const to = ["ops@example.com", "desk@example.com"];
      await rig.channel({ kind: "email", to }, { escalate: { channel: boss.channel.id, afterMs: 3_600_000 } });
      const stuck = () => rig.raise(aDraft({ event: "rotation.stuck" }));
      await stuck();
      await rig.round();
      await rig.pass(3_600_000);
      await rig.pass(3_600_000);
      const bossMails = () => caught.filter((mail) => mail.to[0] === "boss@example.com").length;
      expect([caught.length, bossMails()]).toEqual([3, 1]);
      await stuck();
      await rig.round();
      const copy = (await rig.all()).filter(({ copyOf }) => copyOf != null).at(-1);
      await rig.notices.channels.acknowledge(copy?.id ?? "", { actor: "tok_2" });
      await rig.pass(3_600_000);
      await rig.pass(3_600_000);
      expect([caught.length, bossMails()]).toEqual([5, 1]);
    });

    test("a test of the channel says who was refused", async () => {
      const rig = rigWith({ mail: { url, from } });
      const { channel } = await rig.channel({ kind: "email", to: ["ops@example.com", "gone@example.com"] });
      expect(await rig.notices.channels.test(channel.id)).toMatchObject({ value: { attempt: { ok: true } } });
      refused = { address: "gone@example.com", code: 550 };
      expect(await rig.notices.channels.test(channel.id)).toMatchObject({
        value: { attempt: { ok: false, error: expect.stringMatching(/^gone@example\.com: .*550/) } },
      });
      expect(caught).toHaveLength(3);
    });
  });

  test("a server that is not there is tried again, and its password is in no error", async () => {
    const rig = rigWith({ mail: { url: "smtp://user:hush-hush@127.0.0.1:9", from } });
    await rig.channel({ kind: "email", to: ["ops@example.com"] }, {});
    await rig.raise(aDraft());
    await rig.round();
    expect((await rig.only()).state).toBe("waiting");
    expect(JSON.stringify([await rig.all(), rig.lines])).not.toContain("hush");
  });

  test("without a mail server no channel is made; what came to wait for one says why it waits", async () => {
    const rig = rigWith();
    await expect(rig.channel({ kind: "email", to: ["ops@example.com"] })).rejects.toThrow("mail_not_configured");
  });

  test.each([
    ["http://mail.example.com", from],
    ["mail.example.com", from],
    ["smtps://mail.example.com", "nobody"],
    ["smtps://mail.example.com", "a@example.com\r\nBcc: b@example.com"],
  ])("%s and %j are no configuration", (wrong, sender) => {
    expect(mailProblem({ url: wrong, from: sender })).toBeDefined();
    expect(mailProblem({ url: "smtps://user:pass@mail.example.com:465", from })).toBeUndefined();
  });
});

describe("chats and incidents", () => {
  let receiver: Receiver;
  beforeEach(async () => {
    receiver = await Receiver.start();
  });
  afterEach(() => receiver.close());
  const base = () => `http://127.0.0.1:${receiver.port}`;

  test("Slack: escaped text, to the URL that is kept secret", async () => {
    const rig = rigWith();
    await rig.channel({ kind: "slack", url: `${base()}/services/T0/B0` });
    await rig.raise(aDraft({ event: "key.suspended", details: { reason: "<!channel> & <http://x|y>" } }));
    await rig.round();
    expect(receiver.heard[0]?.path).toBe("/services/T0/B0");
    expect(receiver.heard[0]?.json.text).toContain("&lt;!channel&gt; &amp; &lt;http://x|y&gt;");
  });

  test("Telegram: plain text to the chat; a bot that was blocked is a dead letter", async () => {
    const rig = rigWith({ bases: { telegram: base() } });
    await rig.channel({ kind: "telegram", chat: "-100123", token: "123:abc_DEF" });
    await rig.raise(aDraft());
    await rig.round();
    expect(receiver.heard[0]).toMatchObject({
      path: "/bot123:abc_DEF/sendMessage",
      json: { chat_id: "-100123", text: expect.stringContaining("is ready") },
    });
    expect(receiver.heard[0]?.json.parse_mode).toBeUndefined();
    receiver.answer = (_heard, response) => void response.writeHead(403).end('{"ok":false}');
    await rig.raise(aDraft());
    await rig.round();
    expect(await rig.all("dead")).toHaveLength(1);
    expect(JSON.stringify([await rig.all(), rig.lines])).not.toContain("abc_DEF");
  });

  test("a chat's text is cut where it is too long", async () => {
    const rig = rigWith({ bases: { telegram: base() } });
    await rig.channel({ kind: "telegram", chat: "@ops", token: "123:abc" }, { digestMs: 60_000 });
    await rig.raise(...Array.from({ length: 200 }, () => aDraft()));
    await rig.round();
    await rig.pass(60_000);
    expect(receiver.heard[0]?.json.text.length).toBeLessThan(4_096);
    expect(receiver.heard[0]?.json.text).toMatch(/\n…$/);
  });

  test("PagerDuty: an incident for what needs a reaction, resolved with the rotation, under one key", async () => {
    const rig = rigWith({ bases: { pagerduty: base() } });
    receiver.answer = (_heard, response) => void response.writeHead(202).end("{}");
    await rig.channel({ kind: "pagerduty", key: "R0" }, { severity: "warning" });
    const of = { rotationId: "rot_1" };
    await rig.raise(aDraft({ event: "rotation.offered", ...of }), aDraft({ event: "rotation.stuck", ...of }));
    await rig.round();
    await rig.raise(aDraft({ event: "rotation.retired", ...of }));
    await rig.round();
    expect(receiver.heard.map(({ path }) => path)).toEqual(["/v2/enqueue", "/v2/enqueue"]);
    expect(receiver.heard.map(({ json }) => [json.event_action, json.dedup_key, json.routing_key])).toEqual([
      ["trigger", "keyover/rot_1", "R0"],
      ["resolve", "keyover/rot_1", "R0"],
    ]);
    expect(receiver.heard[0]?.json.payload).toMatchObject({ severity: "warning", source: "keyover" });
  });

  test("a test says at once what came of it, and leaves nothing behind", async () => {
    const rig = rigWith({ bases: { pagerduty: base(), telegram: base() } });
    const targets = [
      { kind: "webhook" as const, url: `${base()}/hook` },
      { kind: "slack" as const, url: `${base()}/slack` },
      { kind: "telegram" as const, chat: "1", token: "1:a" },
      { kind: "pagerduty" as const, key: "R0" },
    ];
    for (const target of targets) {
      const { channel } = await rig.channel(target);
      expect(await rig.notices.channels.test(channel.id)).toMatchObject({ ok: true, value: { attempt: { ok: true } } });
    }
    expect(receiver.heard.map(({ path }) => path)).toEqual([
      "/hook",
      "/slack",
      "/bot1:a/sendMessage",
      "/v2/enqueue",
      "/v2/enqueue",
    ]);
    expect(receiver.heard[0]?.json.type).toBe("keyover.test");
    expect(await rig.all()).toEqual([]);
    receiver.answer = (_heard, response) => void response.writeHead(404).end("no_service");
    const { channel } = await rig.channel({ kind: "slack", url: `${base()}/gone` });
    expect(await rig.notices.channels.test(channel.id)).toMatchObject({
      value: { attempt: { ok: false, status: 404, error: "answered 404: no_service" } },
    });
  });
});
