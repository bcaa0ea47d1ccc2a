/** What people hear of a rotation, from the real authority through its API to a real receiver. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DAY, HOUR, MINUTE, TestAuthority } from "../authority.test-support.ts";
import { Receiver } from "./notices.test-support.ts";

let keyover: TestAuthority;
let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.start();
  keyover = await TestAuthority.start({ notices: { allowedPrivate: ["127.0.0.0/8"] } });
});
afterEach(async () => {
  await keyover.close();
  await receiver.close();
});

const channel = (change: Record<string, unknown> = {}) =>
  keyover.ok("POST", "/v1/channels", { name: "hook", target: { kind: "webhook", url: receiver.url }, ...change });

/** Events of this rotation or key that were heard, in the order in which they happened. */
const heard = async (count: number): Promise<string[]> => {
  await vi.waitFor(
    async () => {
      await keyover.clock.advance(50);
      expect(receiver.heard.length).toBeGreaterThanOrEqual(count);
    },
    { timeout: 30_000 },
  );
  return receiver.heard.toSorted((a, b) => a.json.data.at - b.json.data.at).map(({ json }) => json.type);
};

const scene = async (policy: Record<string, unknown> = {}) => {
  const of = { api: await keyover.api({ policy: { ...quick, ...policy } }), consumer: await keyover.consumer() };
  const key = await keyover.key(of);
  const verifier = await keyover.verifier(of.api);
  return { ...of, key, verifier };
};

/** Long enough for reminders, short enough to follow. */
const quick = {
  overlapMinMs: MINUTE,
  overlapMs: 10 * DAY,
  claimMs: 20 * DAY,
  quietMs: 10 * MINUTE,
  gapMargin: 1.5,
  rollbackMs: HOUR,
};

describe("a rotation", () => {
  test("is told of at each of its moves", async () => {
    await channel();
    const { key, verifier } = await scene();
    const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { reason: "yearly" });
    await keyover.clock.advance(1_000);
    await verifier.catchUp();
    await keyover.tick();
    await keyover.clock.advance(1_000);
    await keyover.ok("POST", `/v1/rotations/${id}/retire`, { reason: "the bot is gone" });
    await keyover.clock.advance(1_000);
    await keyover.ok("POST", `/v1/rotations/${id}/rollback`, { reason: "it is not" });
    expect(await heard(4)).toEqual([
      "rotation.planned",
      "rotation.offered",
      "rotation.retired",
      "rotation.rolled-back",
    ]);
    const offered = receiver.heard.find(({ json }) => json.type === "rotation.offered");
    expect(offered?.json.data).toMatchObject({
      key: key.id,
      rotation: id,
      names: { key: "default" },
      state: { phase: "offered", reason: "yearly", from: 1, to: 2 },
      details: { from: 1, to: 2, reason: "yearly" },
    });
  });

  test("reminds at each step before its deadline, once, and says at the deadline what it waits for (L2)", async () => {
    await channel();
    const { key, verifier } = await scene({ remindMs: [7 * DAY, DAY] });
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { reason: "yearly" });
    await keyover.clock.advance(1_000);
    await verifier.catchUp();
    await keyover.tick();
    verifier.see(key.id, 1);
    for (let day = 0; day < 11; day++) for (let half = 0; half < 2; half++) await keyover.pass(DAY / 2);
    await heard(5);
    await keyover.pass(2 * DAY);
    const told = await heard(6);
    expect(told).toEqual([
      "rotation.planned",
      "rotation.offered",
      "rotation.reminder",
      "rotation.reminder",
      "rotation.deadline",
      "rotation.stuck",
    ]);
    const stuck = receiver.heard.find(({ json }) => json.type === "rotation.deadline");
    expect(stuck?.json.data.details).toMatchObject({ why: "deadline", waitsFor: ["the first use of the successor"] });
    const [left] = receiver.heard.filter(({ json }) => json.type === "rotation.reminder");
    expect(left?.json.data.details.leftMs).toBeGreaterThan(6 * DAY);
  });

  test("that waits for a verifier names it (L2)", async () => {
    await channel({ events: ["rotation.stuck"] });
    const { key } = await scene();
    const { verifiers } = keyover;
    // It reports, and so is alive, but never applies what it is sent.
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { reason: "yearly" });
    for (let i = 0; i < 45; i++) {
      await keyover.clock.advance(8_000);
      for (const verifier of verifiers) await verifier.report();
      await keyover.tick();
    }
    expect(await heard(1)).toEqual(["rotation.stuck"]);
    const { details, text } = receiver.heard[0]?.json.data ?? {};
    expect(details).toMatchObject({ why: "verifiers", waitsFor: [expect.stringContaining("verifier web-")] });
    expect(text).toMatch(/^It waits for verifier web-\d+ \(boo_\w+\) since 20/);
  });
});

test("a leak and a suspension are told of, with whether the leaked version is refused", async () => {
  await channel({ events: ["key.*"] });
  const { key, verifier } = await scene();
  await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "contain", reason: "in a log" });
  await verifier.catchUp();
  await keyover.clock.advance(1_000);
  await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "kill", version: 1, reason: "seen in use" });
  await keyover.clock.advance(1_000);
  await keyover.ok("POST", `/v1/keys/${key.id}/suspend`, { reason: "until it is clear" });
  await keyover.ok("POST", `/v1/keys/${key.id}/suspend`, { reason: "again" });
  await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "kill", version: 1, reason: "again" });
  expect(await heard(3)).toEqual(["key.compromised", "key.compromised", "key.suspended"]);
  const told = receiver.heard.map(({ json }) => json.data).filter(({ event }) => event === "key.compromised");
  expect(told.map(({ severity, details }) => [severity, details])).toEqual([
    ["urgent", { version: 1, refused: false, reason: "in a log" }],
    ["urgent", { version: 1, refused: true, reason: "seen in use" }],
  ]);
  expect(told[0].text).toBe(
    "Version 1 is limited from now on, and will retire. A successor is made at once. Reason: in a log.",
  );
});

test("the reason of an emergency carries no key's text out", async () => {
  await channel({ events: ["key.compromised"] });
  const { key } = await scene();
  const reason = `found ${key.secret} in a log`;
  await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "kill", reason });
  await heard(1);
  expect(receiver.heard[0]?.json.data.text).toMatch(/Reason: found .* in a log\.$/);
  expect(receiver.heard[0]?.body).not.toContain(key.secret);
});

describe("a policy's channels", () => {
  test("get what concerns its keys, though they ask for nothing; never below their severity, never a stranger's", async () => {
    const { key, api, consumer } = await scene();
    const other = await keyover.key({ api: await keyover.api(), consumer });
    const stranger = await keyover.consumer();
    await channel({ name: "team", events: [] });
    await channel({ name: "pager", events: [], severity: "urgent" });
    await channel({ name: "theirs", events: [], consumer: stranger.id });
    await channel({ name: "nobody's", events: [] });
    await keyover.ok("PUT", "/v1/policies/desk", { spec: { channels: ["team", "pager", "theirs"] } });
    await keyover.ok("POST", "/v1/policies/desk/attachments", { target: { kind: "api", api: api.id } });
    for (const { id } of [key, other]) await keyover.ok("POST", `/v1/keys/${id}/suspend`, { reason: "look" });
    await heard(1);
    await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "kill", version: 1, reason: "leaked" });
    await heard(3);
    const { items: notices } = await keyover.ok("GET", "/v1/notices");
    const { items: channels } = await keyover.ok("GET", "/v1/channels");
    const nameOf = (id: string) => channels.find((each: { id: string }) => each.id === id).name;
    const sent = notices.map(({ about, channel: id }: Record<string, string>) => `${about} by ${nameOf(id ?? "")}`);
    expect(sent.filter((text: string) => !text.startsWith("rotation.")).sort()).toEqual([
      "key.compromised by pager",
      "key.compromised by team",
      "key.suspended by team",
    ]);
    expect(receiver.heard.every(({ json }) => json.data.key === key.id)).toBe(true);
  });

  test("that asks for the event by itself gets it once", async () => {
    const { key, api } = await scene();
    await channel({ name: "team" });
    await keyover.ok("PUT", "/v1/policies/desk", { spec: { channels: ["team"] } });
    await keyover.ok("POST", "/v1/policies/desk/attachments", { target: { kind: "api", api: api.id } });
    await keyover.ok("POST", `/v1/keys/${key.id}/suspend`, { reason: "look" });
    await heard(1);
    await keyover.tick();
    expect(receiver.heard).toHaveLength(1);
  });
});

test("a change that is refused, or repeated by its Idempotency-Key, is told of once or not at all", async () => {
  await channel({ events: ["rotation.planned"] });
  const { key } = await scene();
  const start = () =>
    keyover.call("POST", `/v1/keys/${key.id}/rotations`, { reason: "yearly" }, { idempotencyKey: "once" });
  await start();
  await start();
  await keyover.refused("rotation_in_progress", "POST", `/v1/keys/${key.id}/rotations`, { reason: "again" });
  await heard(1);
  await keyover.tick();
  expect(receiver.heard).toHaveLength(1);
});
