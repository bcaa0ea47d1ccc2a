/** `keyover channel …` and `keyover notices …` against a real authority and a real receiver. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Receiver } from "../notices/notices.test-support.ts";
import { type Rig, startRig } from "./cli.test-world.ts";
import { noticesConfigOf } from "./notices-config.ts";

let rig: Rig;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await Receiver.start();
  rig = await startRig({ allowedPrivate: ["127.0.0.0/8"] });
  await rig.json("api", "create", "market", "--prefix", "mkt", "--scope", "market:read");
  await rig.json("consumer", "create", "acme-bot");
});
afterAll(async () => {
  await rig.close();
  await receiver.close();
});

interface Row {
  id: string;
  state: string;
}

const suspendAKey = async () => {
  const named = ["--api", "market", "--environment", "live", "--consumer", "acme-bot", "--scope", "market:read"];
  const { id } = await rig.json<Row>("key", "create", ...named);
  await rig.json("key", "suspend", id, "--reason", "look");
};
const inState = async (state: string) => {
  await vi.waitFor(
    async () => expect((await rig.json<{ items: Row[] }>("notices", "list", "--state", state)).items).not.toEqual([]),
    30_000,
  );
  return (await rig.json<{ items: Row[] }>("notices", "list", "--state", state)).items;
};

test("a webhook: added with its secret in a file, tested, changed, its secret changed over", async () => {
  const file = join(rig.folder, "hook.secret");
  const added = await rig.run(["channel", "add", "hook", "--webhook", receiver.url, "--secret-file", file]);
  expect(added.code, added.err).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const secret = readFileSync(file, "utf8").trim();
  expect(secret).toMatch(/^whsec_/);
  expect(added.out).not.toContain(secret);
  expect((await rig.run(["channel", "test", "hook"])).out).toContain("delivered  yes");
  const quiet = await rig.run([
    "channel",
    "update",
    "hook",
    "--quiet",
    "22:00-07:00@Europe/Berlin",
    "--severity",
    "warning",
  ]);
  expect(quiet.out).toContain("22:00 to 07:00, Europe/Berlin");
  const loud = await rig.run(["channel", "update", "hook", "--no-quiet"]);
  expect([loud.code, loud.err]).toEqual([0, ""]);
  expect(loud.out).toMatch(/quiet\s+–/);
  const rotated = await rig.run(["channel", "rotate-secret", "hook", "--keep-old", "1h"]);
  expect(rotated.out).toMatch(/signing secrets\s+2, 1 \(until .* \(in 1h\)\)/);
  expect(rotated.out).toMatch(/whsec_/);
  expect((await rig.run(["channel", "rotate-secret", "hook"])).err).toContain("Two signing secrets");
  expect((await rig.run(["channel", "rotate-secret", "hook", "--end-old"])).out).toMatch(/signing secrets\s+2\n/);
  expect((await rig.run(["channel", "list"])).out).toMatch(/hook\s+webhook\s+http:\/\/127/);
});

test("a target that does not answer well makes the test end with 1", async () => {
  receiver.answer = (_heard, response) => void response.writeHead(500).end("no");
  const { code, out } = await rig.run(["channel", "test", "hook"]);
  expect([code, out]).toEqual([1, expect.stringContaining("answered 500: no")]);
  receiver.answer = (_heard, response) => void response.writeHead(204).end();
});

test("what is dead is listed, shown, and sent again", async () => {
  receiver.answer = (_heard, response) => void response.writeHead(410).end();
  await suspendAKey();
  const [dead] = await inState("dead");
  expect((await rig.run(["notices", "dead", "--channel", "hook"])).out).toContain("answered 410");
  expect((await rig.run(["notices", "show", dead?.id ?? ""])).out).toContain("is suspended");
  receiver.answer = (_heard, response) => void response.writeHead(204).end();
  expect((await rig.run(["channel", "update", "hook", "--enable"])).out).toMatch(/state\s+on/);
  expect((await rig.run(["notices", "resend", "--all-dead"])).err).toContain("1 notice is sent again");
  const [sent] = await inState("sent");
  expect(sent?.id).toBe(dead?.id);
  expect((await rig.run(["notices", "acknowledge", dead?.id ?? ""])).out).toMatch(/acknowledged\s+.*by tok_/);
  expect((await rig.run(["notices", "resend"])).code).toBe(2);
});

test("secrets of other kinds come from private files alone", async () => {
  const file = join(rig.folder, "bot.token");
  writeFileSync(file, `123:${"t".repeat(30)}\n`, { mode: 0o644 });
  const add = ["channel", "add", "chat", "--telegram", "-100", "--bot-token-file", file];
  expect((await rig.run(add)).err).toContain("chmod 600");
  expect((await rig.run(add.slice(0, 5))).err).toContain("--bot-token-file");
  expect((await rig.run(["channel", "add", "both", "--email", "a@b.de", "--webhook", receiver.url])).code).toBe(2);
  expect((await rig.run(["channel", "add", "nowhere"])).err).toContain("say where to");
  const odd = await rig.run(["channel", "add", "odd", "--webhook", receiver.url, "--quiet", "night"]);
  expect(odd.err).toContain("22:00-07:00@Europe/Berlin");
});

test("removing asks first", async () => {
  expect((await rig.run(["channel", "remove", "hook"])).code).toBe(2);
  expect((await rig.run(["channel", "remove", "hook", "--yes"])).out).toContain("Removed hook");
  expect((await rig.run(["channel", "show", "hook"])).err).toContain("there is no channel hook");
});

test("the environment of serve: what is half or wrong is refused, without repeating a password", () => {
  const mail = { KEYOVER_SMTP_URL: "smtps://a:hush@mail.example.com", KEYOVER_MAIL_FROM: "k@example.com" };
  expect(noticesConfigOf({}).mail).toBeUndefined();
  expect(noticesConfigOf(mail).mail).toEqual({ url: mail.KEYOVER_SMTP_URL, from: "k@example.com" });
  expect(noticesConfigOf({ KEYOVER_NOTICE_PRIVATE_TARGETS: "10.0.0.0/8, fd00::/8" }).allowedPrivate).toEqual([
    "10.0.0.0/8",
    "fd00::/8",
  ]);
  for (const env of [
    { KEYOVER_SMTP_URL: mail.KEYOVER_SMTP_URL },
    { KEYOVER_MAIL_FROM: mail.KEYOVER_MAIL_FROM },
    { ...mail, KEYOVER_SMTP_URL: "https://a:hush@mail.example.com" },
    { KEYOVER_NOTICE_PRIVATE_TARGETS: "10.0.0.1/8" },
    { KEYOVER_PAGERDUTY_URL: "eu" },
  ]) {
    expect(() => noticesConfigOf(env)).toThrow(/KEYOVER_/);
    expect(() => noticesConfigOf(env)).not.toThrow(/hush/);
  }
});

test("a channel that others rely on is removed by force, with a warning; one that asks for nothing says so", async () => {
  const quiet = await rig.run(["channel", "add", "team", "--webhook", receiver.url, "--event", "none"]);
  expect(quiet.out).toMatch(/events\s+only what policies and other channels send it/);
  await rig.json("channel", "add", "night", "--webhook", receiver.url, "--escalate", "team");
  const refused = await rig.run(["channel", "remove", "team", "--yes"]);
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("night escalates to team")]);
  const disabled = await rig.run(["channel", "update", "team", "--disable", "--force"]);
  const warning = "warning: night escalates to team, which reaches nobody from now on.";
  expect([disabled.code, disabled.err]).toEqual([0, expect.stringContaining(warning)]);
  const sick = await rig.run(["doctor"]);
  expect([sick.code, sick.out]).toEqual([
    1,
    expect.stringContaining("channel night: escalates to team, which is disabled"),
  ]);
  await rig.json("channel", "update", "night", "--no-escalate");
  const gone = await rig.run(["channel", "remove", "team", "--yes"]);
  expect([gone.code, gone.err]).toEqual([0, ""]);
});

test("a doctor names the policies whose channels are gone, and the channels that get nothing", async () => {
  await rig.json("channel", "add", "desk", "--webhook", receiver.url, "--event", "none");
  expect((await rig.run(["doctor"])).out).toContain("channel desk: gets nothing");
  const file = join(rig.folder, "desk.yaml");
  writeFileSync(file, "name: desk\nspec:\n  channels: [desk]\n");
  expect((await rig.run(["policy", "apply", "-f", file])).code).toBe(0);
  expect((await rig.run(["doctor"])).out).not.toContain("gets nothing");
  await rig.json("channel", "remove", "desk", "--yes", "--force");
  const sick = await rig.run(["doctor"]);
  expect(sick.out).toContain("policy desk: names the channel desk, and there is no such channel (any more)");
  const again = await rig.run(["policy", "apply", "-f", file]);
  expect([again.code, again.err]).toEqual([1, expect.stringContaining("there is no channel desk; there are")]);
});
