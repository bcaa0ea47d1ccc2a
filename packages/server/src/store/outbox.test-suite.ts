/** What every store promises of the outbox and of notices on their way. */
import { isHandle } from "@keyover/core";
import { describe, expect, test } from "vitest";
import type { Notice, NoticeDraft, RaisedEvent } from "./notice-entities.ts";
import { AT, aBatch, aConsumer, aReplica, aToken, mustCommit } from "./store.test-support.ts";
import { mailed, put, type Store } from "./store.ts";

const aDraft = (change: Partial<NoticeDraft> = {}): NoticeDraft => ({
  event: "rotation.offered",
  at: AT,
  keyId: "key_a",
  details: { from: 1 },
  ...change,
});

const aNotice = (id: string, change: Partial<Notice> = {}): Notice => ({
  id,
  channelId: "chn_a",
  consumerId: null,
  kind: "webhook",
  state: "waiting",
  severity: "info",
  events: [],
  about: "rotation.offered",
  collects: false,
  createdAt: AT,
  dueAt: AT,
  firstDueAt: AT,
  attempts: 0,
  lastAttemptAt: null,
  lastError: null,
  sentAt: null,
  acknowledgedAt: null,
  acknowledgedBy: null,
  escalateAt: null,
  escalatedFrom: [],
  ...change,
});

export function outboxSuite(current: () => Store): void {
  const waiting = async () => {
    const rows = await current().list("notice_event", { equals: { waits: 1 } }, { limit: 1_000 });
    return rows.map(({ value }) => value);
  };
  const entries = async () => (await current().audit(0, 1_000)).length;

  describe("the outbox", () => {
    test("takes a row for each draft, in the commit that raised it", async () => {
      const notices = [aDraft(), aDraft({ event: "key.suspended", rotationId: "rot_a", dedupe: "x" })];
      await mustCommit(current(), aBatch([put("token", aToken())], { notices }));
      const rows = await waiting();
      expect(rows.map(({ event, keyId, rotationId, dedupe }) => [event, keyId, rotationId, dedupe])).toEqual(
        expect.arrayContaining([
          ["rotation.offered", "key_a", null, null],
          ["key.suspended", "key_a", "rot_a", "x"],
        ]),
      );
      expect(rows.every(({ id }) => isHandle("noticeEvent", id))).toBe(true);
    });

    test("takes nothing of a commit that is refused", async () => {
      await mustCommit(current(), aBatch([put("consumer", aConsumer())]));
      const refused = aBatch([put("consumer", aConsumer({ id: "con_b" }))], { notices: [aDraft()] });
      expect(await current().commit(refused)).toMatchObject({ ok: false });
      expect(await waiting()).toEqual([]);
    });

    test("keeps equal drafts apart, of one commit and of several", async () => {
      for (let i = 0; i < 5; i++) await mustCommit(current(), aBatch([], { notices: [aDraft(), aDraft()] }));
      expect(new Set((await waiting()).map(({ id }) => id)).size).toBe(10);
    });

    test("what was raised before, by its dedupe, is not raised again: in a commit, by post, by both at once", async () => {
      const once = aDraft({ dedupe: "reminder rot_a" });
      await mustCommit(current(), aBatch([], { notices: [once, once] }));
      expect(await current().post({ raise: [once, aDraft({ dedupe: "other" })] })).toBe(true);
      await Promise.all([1, 2, 3].map(() => current().post({ raise: [aDraft({ dedupe: "third" })] })));
      const raised = (await waiting()).map(({ dedupe }) => dedupe);
      expect(raised).toHaveLength(3);
      expect(new Set(raised)).toEqual(new Set(["other", "reminder rot_a", "third"]));
    });

    test("dedupe holds after the event was spread", async () => {
      await current().post({ raise: [aDraft({ dedupe: "x" })] });
      const [held] = await current().list("notice_event", { equals: { waits: 1 } }, { limit: 1 });
      const spread: RaisedEvent = { ...(held?.value as RaisedEvent), spreadAt: AT };
      expect(await current().post({ writes: [mailed("notice_event", spread, held)] })).toBe(true);
      await current().post({ raise: [aDraft({ dedupe: "x" })] });
      expect(await waiting()).toEqual([]);
    });
  });

  describe("posting", () => {
    const write = (notice: Notice, rev?: number) =>
      mailed("notice", notice, rev === undefined ? undefined : { value: notice, rev });

    test("writes no audit entry", async () => {
      const before = await entries();
      await current().post({ raise: [aDraft()], writes: [write(aNotice("ntc_a"))] });
      expect(await entries()).toBe(before);
      expect((await current().get("notice", "ntc_a"))?.rev).toBe(1);
    });

    test("is refused whole where a row has changed since it was read, or is there already", async () => {
      expect(await current().post({ writes: [write(aNotice("ntc_a"))] })).toBe(true);
      const fresh = write(aNotice("ntc_b"));
      expect(await current().post({ raise: [aDraft()], writes: [fresh, write(aNotice("ntc_a"))] })).toBe(false);
      expect(await current().post({ raise: [aDraft()], writes: [fresh, write(aNotice("ntc_a"), 7)] })).toBe(false);
      expect(await current().get("notice", "ntc_b")).toBeUndefined();
      expect(await waiting()).toEqual([]);
      expect(await current().post({ writes: [fresh, write(aNotice("ntc_a", { state: "sent" }), 1)] })).toBe(true);
    });

    test("is refused to a process whose work it is no longer (I9)", async () => {
      const { shards } = await current().share(aReplica("rep_a"), 60_000);
      const fence = { shard: 0, replica: "rep_a", fence: shards.find(({ shard }) => shard === 0)?.fence ?? 0 };
      expect(await current().post({ fence, writes: [write(aNotice("ntc_a"))] })).toBe(true);
      await current().leave("rep_a");
      await current().share(aReplica("rep_b"), 60_000);
      expect(await current().post({ fence, raise: [aDraft()], writes: [write(aNotice("ntc_b"))] })).toBe(false);
      expect(await current().get("notice", "ntc_b")).toBeUndefined();
      expect(await waiting()).toEqual([]);
    });
  });

  test("what is overdue comes the longest overdue first, without the channels that are busy", async () => {
    const all = [
      aNotice("ntc_a", { dueAt: AT + 20 }),
      aNotice("ntc_b", { dueAt: AT + 10, channelId: "chn_b" }),
      aNotice("ntc_c", { dueAt: AT + 99, escalateAt: AT + 5 }),
      aNotice("ntc_d", { dueAt: null, state: "sent", escalateAt: AT + 3 }),
    ];
    await current().post({ writes: all.map((notice) => mailed("notice", notice)) });
    const ids = async (...asked: Parameters<Store["overdue"]>) =>
      (await current().overdue(...asked)).map(({ value }) => value.id);
    expect(await ids("due_at", AT + 20, [], 9)).toEqual(["ntc_b", "ntc_a"]);
    expect(await ids("due_at", AT + 200, [], 2)).toEqual(["ntc_b", "ntc_a"]);
    expect(await ids("due_at", AT + 200, ["chn_a"], 9)).toEqual(["ntc_b"]);
    expect(await ids("escalate_at", AT + 5, [], 9)).toEqual(["ntc_d", "ntc_c"]);
    expect(await ids("escalate_at", AT + 2, [], 9)).toEqual([]);
  });

  test("pruning forgets notices that are through, and events that were spread", async () => {
    const open = aNotice("ntc_a");
    const through = aNotice("ntc_b", { dueAt: null, state: "sent" });
    const watched = aNotice("ntc_c", { dueAt: null, state: "sent", escalateAt: AT });
    await current().post({ writes: [open, through, watched].map((notice) => mailed("notice", notice)) });
    await current().post({ raise: [aDraft(), aDraft({ dedupe: "x" })] });
    const [first] = await current().list("notice_event", { equals: { waits: 1 } }, { limit: 1 });
    const spread: RaisedEvent = { ...(first?.value as RaisedEvent), spreadAt: AT };
    await current().post({ writes: [mailed("notice_event", spread, first)] });
    const kept = { feedKeep: 9, idempotency: 0, buckets: 0, boots: 0 };
    await current().prune(kept);
    await current().prune({ ...kept, notices: AT });
    expect(await current().count("notice", {})).toBe(3);
    await current().prune({ ...kept, notices: AT + 1 });
    expect((await current().list("notice", {}, { limit: 9 })).map(({ value }) => value.id)).toEqual(["ntc_a", "ntc_c"]);
    expect(await current().count("notice_event", {})).toBe(1);
    expect(await waiting()).toHaveLength(1);
  });
}
