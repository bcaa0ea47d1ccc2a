/** What holds of notices on every store: at least once, and never in the way of others. `openStore` gives an empty one. */
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { put, type Store } from "../store/store.ts";
import { aDraft, Receiver } from "./notices.test-support.ts";
import { NoticeRig } from "./rig.test-support.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export function postOfficeSuite(name: string, openStore: (() => Promise<Store>) | undefined): void {
  describe(name, () => {
    let rig: NoticeRig;
    let receiver: Receiver;
    const others: Receiver[] = [];
    beforeEach(async () => {
      rig = new NoticeRig({ store: await openStore?.() });
      receiver = await Receiver.start();
    });
    afterEach(async () => {
      await rig.close();
      for (const each of [receiver, ...others.splice(0)]) await each.close();
    });
    const another = async () => {
      const more = await Receiver.start();
      others.push(more);
      return more;
    };
    const hook = (to: Receiver = receiver) => ({ kind: "webhook" as const, url: to.url });

    test("each event reaches each channel that wants it, once, and is marked sent", async () => {
      const second = await another();
      await rig.channel(hook());
      await rig.channel(hook(second), { events: ["key.*"] });
      await rig.channel(hook(second), { consumerId: null, severity: "urgent" });
      await rig.raise(aDraft(), aDraft({ event: "key.suspended" }));
      await rig.round();
      expect(receiver.heard.map(({ json }) => json.type)).toEqual(
        expect.arrayContaining(["key.suspended", "rotation.offered"]),
      );
      expect(receiver.heard).toHaveLength(2);
      expect(second.heard.map(({ json }) => json.type)).toEqual(["key.suspended"]);
      expect((await rig.all()).map(({ state, attempts }) => [state, attempts])).toEqual(Array(3).fill(["sent", 1]));
      await rig.pass(DAY);
      expect([receiver.heard.length, second.heard.length]).toEqual([2, 1]);
      expect(rig.counts).toEqual({ "sent webhook": 3 });
    });

    test("without a channel nothing is kept waiting, and an event from before a channel is not sent to it", async () => {
      await rig.raise(aDraft());
      await rig.round();
      expect(await rig.store.count("notice_event", { equals: { waits: 1 } })).toBe(0);
      await rig.channel(hook());
      await rig.round();
      expect(receiver.heard).toEqual([]);
    });

    test("an event that was raised with the same dedupe is told once", async () => {
      await rig.channel(hook());
      for (let i = 0; i < 3; i++) await rig.raise(aDraft({ dedupe: "reminder" }));
      await rig.round();
      await rig.raise(aDraft({ dedupe: "reminder" }));
      await rig.round();
      expect(receiver.heard).toHaveLength(1);
    });

    describe("at least once (L4)", () => {
      test("a crash between sending and noting it: sent again, under the same id", async () => {
        await rig.channel(hook());
        await rig.raise(aDraft());
        const dead: Store = { ...rig.store, post: (mail) => refusing(rig.store, mail) };
        rig.begin(dead);
        await rig.round();
        expect(receiver.heard).toHaveLength(1);
        expect((await rig.only()).state).toBe("waiting");
        rig.begin();
        await rig.round();
        const ids = receiver.heard.map(({ headers }) => headers["webhook-id"]);
        expect(ids).toEqual([(await rig.only()).id, (await rig.only()).id]);
        expect((await rig.only()).state).toBe("sent");
      });

      test("a crash before spreading, or before sending, loses nothing", async () => {
        await rig.channel(hook());
        await rig.raise(aDraft());
        rig.begin();
        rig.clock.advance(HOUR);
        const never: Store = { ...rig.store, overdue: async () => [] };
        rig.begin(never);
        await rig.round();
        expect((await rig.only()).state).toBe("waiting");
        rig.begin();
        await rig.round();
        expect(receiver.heard).toHaveLength(1);
      });

      test("a database that can't note what was sent does not make it go out again and again", async () => {
        await rig.channel(hook());
        await rig.raise(aDraft());
        rig.begin({ ...rig.store, post: (mail) => refusing(rig.store, mail) });
        for (let i = 0; i < 5; i++) await rig.pass(6_000);
        expect(receiver.heard).toHaveLength(1);
        expect(rig.lines.filter(({ event }) => event === "notice.not_noted").length).toBeGreaterThan(2);
      });

      test("that its channel was disabled is not noted later, once it is enabled again", async () => {
        const { channel } = await rig.channel(hook(), { digestMs: 60_000 });
        await rig.raise(aDraft());
        await rig.round();
        const enable = (enabled: boolean) =>
          rig.notices.channels.update(channel.id, { enabled }, { actor: "tok_1" }, true);
        expect(await enable(false)).toMatchObject({ ok: true });
        let full = true;
        rig.begin({ ...rig.store, post: (mail) => (full ? refusing(rig.store, mail) : rig.store.post(mail)) });
        await rig.pass(61_000);
        expect(rig.lines.filter(({ event }) => event === "notice.not_noted")).toHaveLength(1);
        expect(await enable(true)).toMatchObject({ ok: true });
        full = false;
        await rig.pass(6_000);
        expect(receiver.heard).toHaveLength(1);
        expect((await rig.only()).state).toBe("sent");
      });

      test("acknowledged while it is on its way: it goes out once, and stays acknowledged", async () => {
        await rig.channel(hook());
        receiver.answer = async (heard, response) => {
          const id = heard.headers["webhook-id"] ?? "";
          expect(await rig.notices.channels.acknowledge(id, { actor: "tok_2" })).toMatchObject({ ok: true });
          response.writeHead(200).end();
        };
        await rig.raise(aDraft());
        await rig.round();
        expect(receiver.heard).toHaveLength(1);
        expect(await rig.only()).toMatchObject({ state: "sent", acknowledgedBy: "tok_2" });
      });

      test("two that both believe that it is their work: the same id, and only one notes it", async () => {
        await rig.channel(hook());
        await rig.raise(aDraft());
        const [first] = [rig.notices];
        rig.begin();
        await Promise.all([first.office.run(), rig.notices.office.run()]);
        await Promise.all([first.office.idle(), rig.notices.office.idle()]);
        await rig.round();
        expect(new Set(receiver.heard.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
        expect((await rig.only()).state).toBe("sent");
      });

      test("what has gone out while the office looked is not sent again", async () => {
        await rig.channel(hook());
        await rig.raise(aDraft());
        let first: Promise<void> | undefined;
        const office = () => rig.notices.office;
        rig.begin({
          ...rig.store,
          async overdue(...asked) {
            const rows = await rig.store.overdue(...asked);
            // The first look has begun to send; the second one's answer comes after all of that.
            if (first !== undefined) await office().idle();
            return rows;
          },
        });
        first = new Promise((resolve) => {
          receiver.answer = async (_heard, response) => {
            resolve();
            await turn();
            response.writeHead(200).end();
          };
        });
        await office().run();
        await first;
        await office().run();
        await office().idle();
        expect(receiver.heard).toHaveLength(1);
      });

      test("who does not lead sends nothing", async () => {
        await rig.channel(hook());
        await rig.raise(aDraft());
        rig.leads = false;
        await rig.round();
        expect(receiver.heard).toEqual([]);
      });
    });

    describe("failures", () => {
      test("are tried again with growing pauses, and end as a dead letter after three days; by hand it goes out again, under its id", async () => {
        const { channel } = await rig.channel(hook());
        receiver.answer = (_heard, response) => void response.writeHead(500).end("not today");
        await rig.raise(aDraft());
        await rig.round();
        const first = await rig.only();
        expect(first).toMatchObject({ state: "waiting", attempts: 1, lastError: "answered 500: not today" });
        expect(first.dueAt).toBeGreaterThan(rig.clock.at + 3_000);
        await rig.pass(1_000);
        expect(receiver.heard).toHaveLength(1);
        for (let hours = 0; hours < 4 * 24; hours++) await rig.pass(HOUR);
        const dead = await rig.only();
        expect(dead).toMatchObject({ state: "dead", dueAt: null });
        expect(receiver.heard.length).toBe(dead.attempts);
        expect(dead.attempts).toBeGreaterThan(12);
        expect(rig.counts["dead webhook"]).toBe(1);

        receiver.answer = (_heard, response) => void response.writeHead(200).end();
        const again = await rig.notices.channels.resend(dead.id, { actor: "tok_2" });
        expect(again).toMatchObject({ ok: true });
        expect(await rig.notices.channels.resend(dead.id, { actor: "tok_2" })).toMatchObject({
          code: "notice_waiting",
        });
        await rig.round();
        expect(await rig.only()).toMatchObject({ id: dead.id, state: "sent", channelId: channel.id });
        expect(new Set(receiver.heard.map(({ headers }) => headers["webhook-id"]))).toEqual(new Set([dead.id]));
        const audit = await rig.store.audit(0, 1_000);
        expect(audit.filter(({ action }) => action.startsWith("notice."))).toMatchObject([
          { action: "notice.resent", actor: "tok_2", subjects: [dead.id, channel.id] },
        ]);
      });

      test("a pause that the target asks for is kept", async () => {
        await rig.channel(hook());
        receiver.answer = (_heard, response) => void response.writeHead(503, { "retry-after": "3600" }).end();
        await rig.raise(aDraft());
        await rig.round();
        await rig.pass(59 * MINUTE);
        expect(receiver.heard).toHaveLength(1);
        await rig.pass(MINUTE);
        expect(receiver.heard).toHaveLength(2);
      });

      test("410 disables the channel, audited; what waits for it is dead, and it can be enabled again", async () => {
        const { channel } = await rig.channel(hook());
        receiver.answer = (_heard, response) => void response.writeHead(410).end();
        await rig.raise(aDraft());
        await rig.round();
        expect(await rig.only()).toMatchObject({ state: "dead", attempts: 1 });
        const held = await rig.store.get("channel", channel.id);
        expect(held?.value).toMatchObject({ disabledAt: rig.clock.at, disabledReason: expect.stringContaining("410") });
        await rig.raise(aDraft());
        await rig.round();
        expect(receiver.heard).toHaveLength(1);
        expect((await rig.store.audit(0, 100)).map(({ action }) => action)).toContain("channel.disabled");
        receiver.answer = (_heard, response) => void response.writeHead(204).end();
        await rig.notices.channels.update(channel.id, { enabled: true }, { actor: "tok_1" });
        await rig.raise(aDraft());
        await rig.round();
        expect(receiver.heard).toHaveLength(2);
      });

      test("what another process has changed of a channel counts at once, before word of it has come", async () => {
        await rig.channel(hook());
        receiver.answer = (_heard, response) => void response.writeHead(410).end();
        await rig.raise(aDraft());
        await rig.round();
        const [notice] = await rig.store.list("notice", {}, { limit: 1 });
        const [channel] = await rig.store.list("channel", {}, { limit: 1 });
        if (notice === undefined || channel === undefined) throw new Error("there is none");
        expect([notice.value.state, channel.value.disabledAt]).toEqual(["dead", rig.clock.at]);
        const again = { ...notice.value, state: "waiting" as const, dueAt: rig.clock.at, firstDueAt: rig.clock.at };
        const writes = [put("channel", { ...channel.value, disabledAt: null }, channel), put("notice", again, notice)];
        const audit = [
          { at: rig.clock.at, actor: "tok_1", action: "notice.resent", subjects: [again.id], details: {} },
        ];
        expect(await rig.store.commit({ writes, audit, feed: [] })).toMatchObject({ ok: true });
        receiver.answer = (_heard, response) => void response.writeHead(204).end();
        await rig.round();
        expect((await rig.only()).state).toBe("sent");
      });

      test("a channel that is removed leaves dead letters, not waiting ones", async () => {
        const { channel } = await rig.channel(hook(), { digestMs: MINUTE });
        await rig.raise(aDraft());
        await rig.round();
        await rig.notices.channels.remove(channel.id, { actor: "tok_1" });
        await rig.pass(MINUTE);
        expect(await rig.only()).toMatchObject({ state: "dead", lastError: "the channel was removed" });
        expect(receiver.heard).toEqual([]);
      });
    });

    test("a target that never answers keeps nobody else waiting, however much there is for it", async () => {
      const silent = await another();
      silent.answer = () => {};
      await rig.channel(hook(silent));
      await rig.raise(...Array.from({ length: 200 }, () => aDraft()));
      await rig.notices.office.run();
      await vi.waitFor(() => expect(silent.heard.length).toBeGreaterThan(0), { timeout: 30_000 });
      await rig.channel(hook());
      await rig.raise(...Array.from({ length: 20 }, () => aDraft()));
      for (let i = 0; i < 50 && receiver.heard.length < 20; i++) {
        await rig.notices.office.run();
        await turn();
      }
      await vi.waitFor(
        async () => {
          await rig.notices.office.run();
          expect(receiver.heard).toHaveLength(20);
        },
        { timeout: 30_000 },
      );
      expect(silent.heard.length).toBeLessThanOrEqual(8);
      // After its time is over it gets one try at a time.
      const before = silent.heard.length;
      rig.clock.advance(10_000);
      await vi.waitFor(
        async () => {
          await rig.notices.office.run();
          expect(silent.heard.length).toBeGreaterThan(before);
        },
        { timeout: 30_000 },
      );
      for (let i = 0; i < 20; i++) {
        await rig.notices.office.run();
        await turn();
      }
      expect(silent.heard.length).toBe(before + 1);
      const errors = new Set((await rig.all()).flatMap(({ lastError }) => lastError ?? []));
      expect([...errors]).toEqual(["127.0.0.1 did not answer within 10 s"]);
    });

    test("of a great many that are raised at once a part is spread at a time, and the rest goes on by itself", async () => {
      await rig.channel(hook(), { digestMs: DAY });
      for (let i = 0; i < 3; i++) await rig.raise(...Array.from({ length: 100 }, () => aDraft()));
      const spread = async () => (await rig.all()).reduce((sum, { events }) => sum + events.length, 0);
      await rig.notices.office.part();
      expect(await spread()).toBe(64);
      await vi.waitFor(async () => {
        rig.clock.advance(20);
        expect(await spread()).toBe(300);
      });
    });

    describe("for people", () => {
      test("a thousand notices to one recipient are a handful of messages", async () => {
        await rig.channel(hook(), { digestMs: 5 * MINUTE });
        for (let i = 0; i < 10; i++) await rig.raise(...Array.from({ length: 100 }, () => aDraft()));
        await rig.round();
        expect(receiver.heard).toEqual([]);
        await rig.pass(5 * MINUTE);
        expect(receiver.heard.length).toBeGreaterThanOrEqual(1);
        expect(receiver.heard.length).toBeLessThanOrEqual(5);
        const told = receiver.heard.flatMap(({ json }) => json.data.events.map(({ id }: { id: string }) => id));
        expect(new Set(told).size).toBe(1_000);
        expect(told).toHaveLength(1_000);
        await rig.raise(aDraft());
        await rig.round();
        await rig.pass(5 * MINUTE);
        expect(receiver.heard.at(-1)?.json.type).toBe("rotation.offered");
      });

      test("urgent ones do not wait for the digest, but ten thousand at once are not ten thousand mails", async () => {
        await rig.channel(hook(), { digestMs: DAY });
        for (let i = 0; i < 4; i++)
          await rig.raise(...Array.from({ length: 250 }, () => aDraft({ event: "key.compromised" })), aDraft());
        await rig.round();
        await rig.pass(2_000);
        const sizes = receiver.heard.map(({ json }) => json.data.count);
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(1_000);
        expect(sizes.length).toBeLessThanOrEqual(5);
      });

      test("what is raised while a digest is on its way comes with the next one", async () => {
        await rig.channel(hook(), { digestMs: MINUTE });
        await rig.raise(aDraft());
        await rig.round();
        receiver.answer = async (_heard, response) => {
          await rig.raise(aDraft({ event: "key.suspended" }));
          await rig.notices.office.run();
          response.writeHead(200).end();
        };
        rig.clock.advance(MINUTE);
        await rig.notices.office.run();
        await rig.notices.office.idle();
        receiver.answer = (_heard, response) => void response.writeHead(200).end();
        await rig.pass(2 * MINUTE);
        expect(receiver.heard.map(({ json }) => json.type)).toEqual(["rotation.offered", "key.suspended"]);
      });

      test("quiet hours: only urgent ones come, the others together at the end", async () => {
        // It is noon in London.
        await rig.channel(hook(), { quiet: { zone: "Europe/London", from: "11:00", to: "13:00" } });
        await rig.raise(aDraft(), aDraft(), aDraft({ event: "key.compromised" }));
        await rig.round();
        expect(receiver.heard.map(({ json }) => json.type)).toEqual(["key.compromised"]);
        await rig.pass(59 * MINUTE);
        expect(receiver.heard).toHaveLength(1);
        await rig.pass(MINUTE);
        expect(receiver.heard.at(-1)?.json).toMatchObject({ type: "notices.digest", data: { count: 2 } });
        await rig.raise(aDraft());
        await rig.round();
        expect(receiver.heard).toHaveLength(3);
      });

      test("a consumer's channel gets what concerns that consumer, and nothing else", async () => {
        const consumer = { id: "con_1", name: "desk", labels: {}, notes: "", createdAt: 1, createdBy: "tok_1" };
        const audit = [{ at: 1, actor: "tok_1", action: "consumer.created", subjects: ["con_1"], details: {} }];
        await rig.store.commit({ writes: [{ put: "consumer", value: consumer, expect: 0 }], audit, feed: [] });
        await rig.channel(hook(), { consumerId: "con_1" });
        await rig.raise(
          aDraft(),
          aDraft({ consumerId: "con_2" }),
          aDraft({ event: "verifier.lost", consumerId: undefined }),
        );
        await rig.round();
        expect(receiver.heard.map(({ json }) => [json.type, json.data.consumer, json.data.names.consumer])).toEqual([
          ["rotation.offered", "con_1", "desk"],
        ]);
      });
    });

    describe("escalation", () => {
      const chain = async () => {
        const boss = await another();
        const second = await rig.channel(hook(boss), { events: ["campaign.ended"] });
        await rig.channel(hook(), { escalate: { channel: second.channel.id, afterMs: HOUR } });
        return boss;
      };
      const stuck = (change = {}) => aDraft({ event: "rotation.stuck", ...change });

      test("what nobody acknowledges goes on to the next channel, once, whatever that one wants to hear", async () => {
        const boss = await chain();
        await rig.raise(stuck(), aDraft());
        await rig.pass(59 * MINUTE);
        expect([receiver.heard.length, boss.heard.length]).toEqual([2, 0]);
        await rig.pass(MINUTE);
        await rig.pass(DAY);
        expect(boss.heard.map(({ json }) => json.type)).toEqual(["rotation.stuck"]);
        const [escalated] = (await rig.all()).filter(({ escalatedFrom }) => escalatedFrom.length > 0);
        const told = receiver.heard.find(({ json }) => json.type === "rotation.stuck");
        expect(escalated?.escalatedFrom[0]?.notice).toBe(told?.headers["webhook-id"]);
        expect(boss.heard[0]?.json.data.escalatedFrom).toBe(told?.headers["webhook-id"]);
        expect(told?.json.data.escalatedFrom).toBeUndefined();
      });

      test("what somebody acknowledges stays, and so does what asks for no reaction", async () => {
        const boss = await chain();
        await rig.raise(stuck(), aDraft());
        await rig.round();
        const notice = (await rig.all()).find(({ about }) => about === "rotation.stuck");
        await rig.notices.channels.acknowledge(notice?.id ?? "", { actor: "tok_2" });
        await rig.pass(2 * HOUR);
        expect(boss.heard).toEqual([]);
        expect((await rig.store.audit(0, 100)).at(-1)).toMatchObject({ action: "notice.acknowledged", actor: "tok_2" });
      });

      test("a dead letter goes on too: nobody has heard of it", async () => {
        const boss = await chain();
        receiver.answer = (_heard, response) => void response.writeHead(410).end();
        await rig.raise(stuck());
        await rig.pass(2 * HOUR);
        await rig.pass(2 * HOUR);
        expect(boss.heard).toHaveLength(1);
      });

      test("where the next channel is gone, the log says so", async () => {
        const boss = await chain();
        const rows = await rig.store.list("channel", {}, { limit: 9 });
        const value = rows.find((row) => row.value.events.includes("campaign.ended"))?.value;
        await rig.notices.channels.update(value?.id ?? "", { enabled: false }, { actor: "tok_1" }, true);
        await rig.raise(stuck());
        await rig.round();
        await rig.pass(2 * HOUR);
        expect(boss.heard).toEqual([]);
        const told = rig.lines.filter(({ event }) => event === "notice.not_escalated");
        expect(told).toMatchObject([{ fields: { channel: value?.id, gone: false } }]);
      });

      test("two that escalate to each other come to an end", async () => {
        const one = await rig.channel(hook());
        const two = await rig.channel(hook(), {
          escalate: { channel: one.channel.id, afterMs: HOUR },
          events: ["key.idle"],
        });
        const escalate = { channel: two.channel.id, afterMs: HOUR };
        await rig.notices.channels.update(one.channel.id, { escalate }, { actor: "tok_1" });
        await rig.raise(stuck());
        for (let i = 0; i < 10; i++) await rig.pass(HOUR);
        expect(receiver.heard).toHaveLength(2);
      });
    });
  });
}

/** Rejects what notes the outcome of an attempt, and lets the rest through. */
async function refusing(store: Store, mail: Parameters<Store["post"]>[0]): Promise<boolean> {
  const outcome = mail.writes?.some((write) => write.put === "notice" && write.value.attempts > 0);
  if (outcome) throw new Error("the disk is full");
  return store.post(mail);
}
