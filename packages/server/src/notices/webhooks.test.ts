/** Webhooks over real sockets: signed as the public library wants it, and never to where they must not go. */
import { randomBytes } from "node:crypto";
import { getEventListeners, once } from "node:events";
import { createServer } from "node:net";
import { makeKeyText } from "@keyover/core";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createEgress } from "./egress.ts";
import { aDraft, type Heard, Receiver } from "./notices.test-support.ts";
import { NoticeRig } from "./rig.test-support.ts";

const DAY = 86_400_000;

let receiver: Receiver;
const rigs: NoticeRig[] = [];
const receivers: Receiver[] = [];
beforeEach(async () => {
  receiver = await listening("127.0.0.1");
});
afterEach(async () => {
  vi.useRealTimers();
  for (const rig of rigs.splice(0)) await rig.close();
  for (const each of receivers.splice(0)) await each.close();
});

async function listening(host: string, port = 0): Promise<Receiver> {
  const started = await Receiver.start(host, port);
  receivers.push(started);
  return started;
}

function rigWith(options: ConstructorParameters<typeof NoticeRig>[0] = {}): NoticeRig {
  const rig = new NoticeRig(options);
  rigs.push(rig);
  return rig;
}

/** As a receiver does it, at the time of the rig. */
function accepts(secret: string, { headers, body }: Heard, now: number): boolean {
  vi.useFakeTimers({ now, toFake: ["Date"] });
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  } finally {
    vi.useRealTimers();
  }
}

describe("signatures", () => {
  const sent = async (rig: NoticeRig): Promise<Heard> => {
    const before = receiver.heard.length;
    await rig.raise(aDraft());
    await rig.round();
    expect(receiver.heard).toHaveLength(before + 1);
    return receiver.heard.at(-1) as Heard;
  };

  test("the public Standard Webhooks library accepts them, and nothing that was altered", async () => {
    const rig = rigWith();
    const { secret } = await rig.channel({ kind: "webhook", url: receiver.url });
    const text = secret?.reveal() ?? "";
    expect(text).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const heard = await sent(rig);
    const now = rig.clock.at;
    expect(accepts(text, heard, now)).toBe(true);
    expect(accepts(text, { ...heard, body: heard.body.replace("key_1", "key_2") }, now)).toBe(false);
    expect(accepts(text, { ...heard, headers: { ...heard.headers, "webhook-id": "ntc_other" } }, now)).toBe(false);
    expect(accepts(text, heard, now + DAY), "old").toBe(false);
    expect(heard.json).toMatchObject({ type: "rotation.offered", timestamp: "2026-11-22T12:00:00.000Z" });
    expect(heard.headers["content-type"]).toBe("application/json");
  });

  test("a key's text on a line of its own is taken out, and what is left is JSON", async () => {
    const rig = rigWith();
    await rig.channel({ kind: "webhook", url: receiver.url });
    const text = makeKeyText("mkt", "live", randomBytes);
    await rig.raise(aDraft({ details: { reason: `found:\n${text}\t${text}` } }));
    await rig.round();
    const [heard] = receiver.heard as [Heard];
    expect(heard.body).not.toContain(text.slice(-20));
    expect(heard.json.data.details.reason).toBe("found:\n[secret]\t[secret]");
  });

  test("each attempt is signed anew, under the same id", async () => {
    const rig = rigWith();
    const { secret } = await rig.channel({ kind: "webhook", url: receiver.url });
    receiver.answer = (_heard, response) => void response.writeHead(500).end();
    await rig.raise(aDraft());
    await rig.round();
    await rig.pass(600_000);
    const [first, second] = receiver.heard as [Heard, Heard];
    expect(second.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
    expect(second.body).toBe(first.body);
    expect(accepts(secret?.reveal() ?? "", second, rig.clock.at)).toBe(true);
    expect(accepts(secret?.reveal() ?? "", first, rig.clock.at)).toBe(false);
  });

  test("a secret is changed over without a delivery that either side can't verify", async () => {
    const rig = rigWith();
    const { channel, secret } = await rig.channel({ kind: "webhook", url: receiver.url });
    const { channels } = rig.notices;
    const old = secret?.reveal() ?? "";
    const rotated = await channels.rotateSecret(channel.id, DAY, { actor: "tok_1" });
    const fresh = rotated.ok ? (rotated.value.secret?.reveal() ?? "") : "";
    expect(fresh).not.toBe(old);
    const during = await sent(rig);
    expect(during.headers["webhook-signature"]?.split(" ")).toHaveLength(2);
    expect([accepts(old, during, rig.clock.at), accepts(fresh, during, rig.clock.at)]).toEqual([true, true]);
    expect(await channels.rotateSecret(channel.id, DAY, { actor: "tok_1" })).toMatchObject({
      code: "channel_secret_overlap",
    });
    rig.clock.advance(DAY);
    const after = await sent(rig);
    expect([accepts(old, after, rig.clock.at), accepts(fresh, after, rig.clock.at)]).toEqual([false, true]);

    // By hand, once the receiver has said that it has the new one.
    const again = await channels.rotateSecret(channel.id, DAY, { actor: "tok_1" });
    const third = again.ok ? (again.value.secret?.reveal() ?? "") : "";
    await channels.endOldSecret(channel.id, { actor: "tok_1" });
    const last = await sent(rig);
    expect([accepts(fresh, last, rig.clock.at), accepts(third, last, rig.clock.at)]).toEqual([false, true]);
    const audit = (await rig.store.audit(0, 100))
      .map(({ action }) => action)
      .filter((action) => action.includes("secret"));
    expect(audit).toEqual(["channel.secret-rotated", "channel.secret-rotated", "channel.secret-ended"]);
  });

  test("no secret is in a row, an audit entry or a log line", async () => {
    const rig = rigWith();
    const { channel, secret } = await rig.channel({ kind: "webhook", url: receiver.url });
    const slack = `${receiver.url}/T0/${"s".repeat(24)}`;
    await rig.channel({ kind: "slack", url: slack });
    // As many a server does it for a path that it does not know.
    receiver.answer = ({ path }, response) => void response.writeHead(500).end(`Cannot POST ${path}, ${path.slice(1)}`);
    await rig.raise(aDraft());
    await rig.round();
    expect(receiver.heard.map(({ path }) => path)).toContain(new URL(slack).pathname);
    const tables = ["channel", "notice", "notice_event", "sealed"] as const;
    const rows = await Promise.all(tables.map((table) => rig.store.list(table, {}, { limit: 100 })));
    const all = JSON.stringify([rows, await rig.store.audit(0, 100), rig.lines]);
    expect(all).toContain(channel.id);
    for (const text of [secret?.reveal() ?? "", slack, slack.slice(-24)]) expect(all).not.toContain(text);
  });
});

describe("a target", () => {
  const failing = async (rig: NoticeRig, url: string): Promise<string | null> => {
    await rig.channel({ kind: "webhook", url });
    await rig.raise(aDraft());
    await rig.round();
    return (await rig.only()).lastError;
  };

  test("that redirects is not followed", async () => {
    const other = await listening("127.0.0.1");
    receiver.answer = (_heard, response) => void response.writeHead(307, { location: other.url }).end();
    expect(await failing(rigWith(), receiver.url)).toBe("answered 307 (redirects are not followed)");
    expect(other.heard).toEqual([]);
  });

  test("whose answer never ends is taken at its word", async () => {
    receiver.answer = (_heard, response) => {
      response.writeHead(200);
      const more = () => response.write("x".repeat(65_536)) && setImmediate(more);
      response.on("drain", more);
      more();
    };
    const rig = rigWith();
    await rig.channel({ kind: "webhook", url: receiver.url });
    await rig.raise(aDraft());
    await rig.round();
    expect((await rig.only()).state).toBe("sent");
  });

  test("that sends its answer drop by drop is given up", async () => {
    receiver.answer = (_heard, response) => {
      response.writeHead(200);
      response.write("x");
    };
    const rig = rigWith();
    await rig.channel({ kind: "webhook", url: receiver.url });
    await rig.raise(aDraft());
    await rig.notices.office.run();
    await vi.waitFor(() => expect(receiver.heard).toHaveLength(1), { timeout: 30_000 });
    rig.clock.advance(10_000);
    await rig.notices.office.idle();
    expect((await rig.only()).lastError).toContain("did not answer within 10 s");
  });

  test("that refuses, hangs up, or speaks no HTTP is a failure with a name", async () => {
    const noise = createServer((socket) => socket.end("220 hello\r\n"));
    noise.listen(0, "127.0.0.1");
    await once(noise, "listening");
    const { port } = noise.address() as { port: number };
    expect(await failing(rigWith(), `http://127.0.0.1:${port}/`)).toMatch(/^127\.0\.0\.1: (HPE_\w+|ECONNRESET|EPIPE)/);
    noise.close();
    expect(await failing(rigWith(), `http://127.0.0.1:${port}/`)).toBe("127.0.0.1: ECONNREFUSED");
  });

  test("its path and query, which may be secrets, are in no error", async () => {
    const rig = rigWith();
    await failing(rig, "http://127.0.0.1:9/services/abcdef?token=uvwxyz");
    expect(JSON.stringify([await rig.all(), rig.lines])).not.toMatch(/abcdef|uvwxyz/);
  });
});

test("what can stop all of them at once holds on to none that is over, and stops one that is under way", async () => {
  const all = new AbortController();
  const egress = createEgress({ clock: new NoticeRig().clock, allowedPrivate: ["127.0.0.0/8"] });
  const post = () => egress.post({ url: receiver.url, headers: {}, body: "{}" }, all.signal);
  const waiting = () => getEventListeners(all.signal, "abort").length;
  expect((await post()).status).toBe(204);
  expect(waiting()).toBe(0);
  receiver.answer = () => all.abort();
  const stopped = post();
  expect(waiting()).toBe(1);
  await expect(stopped).rejects.toThrow("stopped, because this process ends");
  await expect(post()).rejects.toThrow("stopped, because this process ends");
  expect(waiting()).toBe(0);
});

describe("where nothing may be sent", () => {
  const attempt = async (answers: string[][], options: { allowedPrivate?: string[]; url?: string } = {}) => {
    const asked: string[] = [];
    const { url = "https://hooks.example.com/", allowedPrivate = [] } = options;
    const resolve = async (host: string) => {
      asked.push(host);
      return answers[Math.min(asked.length, answers.length) - 1] ?? [];
    };
    const egress = createEgress({ clock: new NoticeRig().clock, allowedPrivate, resolve });
    const signal = new AbortController().signal;
    const outcome = await egress.post({ url, headers: {}, body: "{}" }, signal).catch((error: Error) => error.message);
    return { outcome, asked };
  };

  test.each([
    [["127.0.0.1"]],
    [["169.254.169.254"]],
    [["10.0.0.7"]],
    [["::1"]],
    [["::ffff:10.0.0.7"]],
    [["fd00:ec2::254"]],
    [["8.8.8.8", "10.0.0.7"]],
    [["2606:4700::1111", "fe80::1"]],
  ])("a name that leads to %j is refused, whatever else it leads to", async (addresses) => {
    expect((await attempt([addresses])).outcome).toMatch(/^hooks\.example\.com leads to .*, which is not public$/);
  });

  test("a name without an address is a failure", async () => {
    expect((await attempt([[]])).outcome).toBe("hooks.example.com has no address");
  });

  test("an address is judged without asking anybody, however it is written", async () => {
    for (const host of ["127.0.0.1", "2130706433", "0177.0.0.1", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"]) {
      const { outcome, asked } = await attempt([["8.8.8.8"]], { url: `https://${host}/` });
      expect(outcome, host).toContain("which is not public");
      expect(asked).toEqual([]);
    }
  });

  test("in the clear only where the operator has allowed the address", async () => {
    const url = "http://hooks.example.com/";
    expect((await attempt([["8.8.8.8"]], { url, allowedPrivate: ["127.0.0.0/8"] })).outcome).toContain("in the clear");
  });

  test("a name that leads elsewhere the second time (DNS rebinding) is connected by the first, judged answer alone", async () => {
    // 127.0.0.2 stands for a public address, 127.0.0.1 for a private one.
    const open = await listening("127.0.0.2");
    const inner = await listening("127.0.0.1", open.port);
    const asked: string[] = [];
    const resolve = async () => {
      asked.push("");
      return asked.length === 1 ? ["127.0.0.2"] : ["127.0.0.1"];
    };
    const rig = rigWith({ allowedPrivate: ["127.0.0.2/32"], resolve });
    await rig.channel({ kind: "webhook", url: `http://rebinding.example:${open.port}/` });
    await rig.raise(aDraft());
    await rig.round();
    expect([asked.length, open.heard.length, inner.heard.length]).toEqual([1, 1, 0]);
    expect(open.heard[0]?.headers.host).toBe(`rebinding.example:${open.port}`);
    await rig.raise(aDraft());
    await rig.round();
    expect([open.heard.length, inner.heard.length]).toEqual([1, 0]);
    expect((await rig.all("waiting"))[0]?.lastError).toContain("which is not public");
  });

  test("a channel is not even made for an address that is not public", async () => {
    const rig = rigWith({ allowedPrivate: [] });
    const made = rig.channel({ kind: "webhook", url: "https://192.168.1.1/" });
    await expect(made).rejects.toThrow("channel_target_refused");
  });
});
