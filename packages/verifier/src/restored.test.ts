/** A database that was restored: what is remembered is told, and nothing that is held goes back with it (I5, I17). */
import { REMEMBERED_PER_CALL_MAX } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { type AuthorityDouble, keyRecord, newText, version } from "./authority.test-double.ts";
import { type Stage, stage, status } from "./verifier.test-support.ts";
import { settle } from "./virtual-clock.test-support.ts";

const closed = (authority: AuthorityDouble) => {
  authority.policy = { leaseMs: 15_000, onStale: "closed", staticMs: 0 };
};

const suspended = (text: string) => keyRecord("key_1", [version(text)], { status: "suspended" });
const revoked = (text: string) => keyRecord("key_1", [version(text)], { status: "revoked" });
const called = ({ authority }: Stage, name: string) => authority.calls.filter((call) => call === name).length;
const said = ({ events }: Stage, event: string) => events.filter((each) => each.event === event);

interface Restored extends Stage {
  /** The text of a key that was made after the backup. */
  fresh: string;
  restore: () => void;
}

/** Entry 1 is in the backup; after it `key_1` was revoked and `key_2` made. */
async function afterBackup(prepare: (authority: AuthorityDouble) => void = closed): Promise<Restored> {
  const staged = await stage({}, prepare);
  const { authority, clock, text } = staged;
  await clock.pass(1_500);
  const restore = authority.backup();
  const fresh = newText();
  authority.write(suspended(text));
  authority.write(keyRecord("key_2", [version(fresh)]));
  await clock.pass(1_500);
  return { ...staged, fresh, restore };
}

describe("while the authority reconciles", () => {
  test("a verifier tells once what it holds and the database lacks, and keeps asking", async () => {
    const staged = await afterBackup();
    const { authority, clock, restore } = staged;
    const { instance, holds } = authority.live;
    expect(holds).toBeUndefined();
    restore();
    authority.reconciling = { after: 1 };
    await clock.pass(60_000);
    expect(authority.remembered).toMatchObject([
      {
        instance,
        epoch: "epoch-1",
        seq: 3,
        n: 1,
        last: true,
        records: [
          { key: "key_1", seq: 2 },
          { key: "key_2", seq: 3 },
        ],
      },
    ]);
    const before = called(staged, "verifiers");
    await clock.pass(60_000);
    expect(called(staged, "verifiers") - before).toBeGreaterThanOrEqual(11);
    expect(called(staged, "verifiers") - before).toBeLessThan(38);
    expect(authority.boots.size).toBe(0);
  });

  test("its lease goes on as it was: no right to answer arises, and none is lost", async () => {
    const { authority, clock, restore, code, fresh, text, verifier } = await afterBackup();
    const { remainingMs } = status(verifier).lease;
    restore();
    authority.reconciling = { after: 1 };
    await clock.pass(remainingMs - 100);
    expect([code(fresh), code(text)]).toEqual(["ok", "suspended"]);
    await clock.pass(200);
    expect(code(fresh)).toBe("stale_replica");
    await clock.pass(60_000);
    expect(code(fresh)).toBe("stale_replica");
  });

  test("whichever call is told so: its boot is over, its lease is not", async () => {
    for (const name of ["reports", "acks", "feed", "snapshot"]) {
      const staged = await afterBackup();
      const { authority, clock, events } = staged;
      const { fetch } = authority;
      let told = false;
      staged.world.fetch = (input, init) => {
        if (told || !(input as string).includes(`/${name}`)) return fetch(input, init);
        told = true;
        return Promise.resolve(Response.json({ code: "reconciling", after: 1 }, { status: 503 }));
      };
      if (name === "feed" || name === "snapshot") authority.hangUp();
      if (name === "acks" || name === "snapshot") authority.write(keyRecord("key_3", [version(newText())]));
      if (name === "snapshot") authority.log = []; // and the feed was compacted
      for (let passed = 0; passed < 3_000; passed += 10) {
        await clock.pass(10);
        expect([name, status(staged.verifier).stale]).toEqual([name, false]);
      }
      const over = events.filter(({ event }) => event === "follower.boot_over").map(({ fields }) => fields?.code);
      expect([name, over, authority.boots.size]).toEqual([name, ["reconciling"], 2]);
    }
  });

  test("one that holds nothing newer has nothing to tell", async () => {
    for (const after of [3, 10]) {
      const { authority, clock } = await afterBackup();
      authority.boots.clear();
      authority.reconciling = { after };
      authority.hangUp();
      await clock.pass(30_000);
      expect(authority.remembered).toEqual([]);
    }
  });

  test("a record that only a miss has brought is newer too", async () => {
    const { authority, clock, verifier } = await stage();
    authority.silent = true;
    const fresh = newText();
    authority.write(keyRecord("key_2", [version(fresh)]));
    await verifier.verify(fresh, {});
    authority.reconciling = { after: 1 };
    authority.hangUp();
    await clock.pass(5_000);
    expect(authority.remembered).toMatchObject([{ seq: 2, records: [{ key: "key_2" }] }]);
    expect(authority.refusedHolds).toEqual({ epoch: "epoch-1", seq: 2, followed: 1 });
  });

  test("and one that came in a snapshot, and was changed while that was sent", async () => {
    const { authority, clock } = await stage({}, (double) => {
      double.write(keyRecord("key_2", [version(newText())]));
      double.beganAt = 1;
      double.silent = true;
    });
    authority.reconciling = { after: 1 };
    authority.hangUp();
    await clock.pass(5_000);
    expect(authority.remembered).toMatchObject([{ seq: 2, records: [{ key: "key_2" }] }]);
  });

  test("but not one that came while nobody knows whose numbers the feed has", async () => {
    const { authority, clock, verifier } = await stage();
    authority.hangUp();
    authority.full = true;
    authority.boots.clear();
    await clock.pass(20_000);
    expect(status(verifier).lease.standing).toBe("static");
    const fresh = newText();
    authority.seq = 1_000;
    authority.write(keyRecord("key_2", [version(fresh)]));
    expect((await verifier.verify(fresh, {})).code).toBe("ok");
    authority.full = false;
    authority.reconciling = { after: 0 };
    await clock.pass(6_000);
    expect(authority.refusedHolds).toEqual({ epoch: "epoch-1", seq: 1, followed: 1 });
    expect(authority.remembered).toMatchObject([{ seq: 1, records: [{ key: "key_1" }] }]);
  });

  test("a key that it lacks is not asked for by the side", async () => {
    const { authority, clock, verifier, restore } = await afterBackup();
    restore();
    authority.reconciling = { after: 1 };
    await clock.pass(2_000);
    expect((await verifier.verify(newText(), {})).code).toBe("stale_replica");
    expect(authority.calls).not.toContain("misses");
    authority.reconcile("epoch-2", []);
    await clock.pass(6_000);
    expect((await verifier.verify(newText(), {})).code).toBe("unknown");
  });

  test("nor is what it asks for taken from another epoch: it would put the backup over what nobody has heard yet", async () => {
    const { authority, clock, verifier, text, fresh, restore } = await afterBackup(() => {});
    authority.full = true;
    restore();
    // It has missed that anybody was asked, and can't register yet.
    authority.epoch = "epoch-2";
    authority.seq = 1_000;
    const older = newText();
    authority.write(keyRecord("key_1", [version(text), version(older, { number: 2 })]));
    await clock.pass(1_000);
    expect((await verifier.verify(older, {})).code).toBe("stale_replica");
    expect(authority.missed).toHaveLength(1);
    expect([await verifier.verify(text, {}), await verifier.verify(fresh, {})]).toMatchObject([
      { code: "suspended" },
      { code: "ok" },
    ]);
    authority.full = false;
    authority.reconciling = { after: 1 };
    await clock.pass(6_000);
    expect(authority.remembered.at(-1)).toMatchObject({ epoch: "epoch-1", seq: 3, followed: 3 });
  });

  test("where the authority lost the thread, it begins again", async () => {
    const count = REMEMBERED_PER_CALL_MAX + 1;
    const staged = await stage();
    const { authority, clock } = staged;
    for (let i = 0; i < count; i++) authority.write(keyRecord(`key_m${i}`, [version(newText())]));
    await clock.pass(1_500);
    authority.reconciling = { after: 1 };
    authority.hangUp();
    const { fetch } = authority;
    let lost = false;
    staged.world.fetch = (input, init) => {
      if (lost || !(input as string).endsWith("/remembered") || authority.remembered.length !== 1)
        return fetch(input, init);
      lost = true;
      return Promise.resolve(Response.json({ code: "conflict" }, { status: 409 }));
    };
    await clock.pass(20_000);
    expect(authority.remembered.map(({ n, last }) => [n, last])).toEqual([
      [1, false],
      [1, false],
      [2, true],
    ]);
  });

  test("one whose newer entries were all of other environments says so with no record", async () => {
    const { authority, clock } = await stage();
    authority.push({ seq: ++authority.seq });
    await settle();
    authority.reconciling = { after: 1 };
    authority.hangUp();
    await clock.pass(5_000);
    expect(authority.remembered).toMatchObject([{ seq: 2, n: 1, last: true, records: [] }]);
  });

  test("many records go in parts; a part that fails goes again, and no other does", async () => {
    const count = 2 * REMEMBERED_PER_CALL_MAX + 1;
    const staged = await stage();
    const { authority, clock } = staged;
    for (let i = 0; i < count; i++) authority.write(keyRecord(`key_m${i}`, [version(newText())]));
    await clock.pass(1_500);
    authority.reconciling = { after: 1 };
    authority.hangUp();
    const { fetch } = authority;
    staged.world.fetch = (input, init) => {
      // The answers to the first two parts are lost once.
      const losing = (input as string).endsWith("/remembered") && [0, 2].includes(authority.remembered.length);
      authority.lostAnswers = losing ? 1 : 0;
      return fetch(input, init);
    };
    await clock.pass(30_000);
    expect(authority.remembered.map(({ n, last, records }) => [n, last, records.length])).toEqual([
      [1, false, REMEMBERED_PER_CALL_MAX],
      [1, false, REMEMBERED_PER_CALL_MAX],
      [2, false, REMEMBERED_PER_CALL_MAX],
      [2, false, REMEMBERED_PER_CALL_MAX],
      [3, true, 1],
    ]);
    const keys = authority.remembered.flatMap(({ records }) => records.map(({ key }) => key));
    expect(new Set(keys).size).toBe(count);
  });

  test("another restore is told anew: one with another name, and one that comes after service", async () => {
    const { authority, clock, restore } = await afterBackup();
    restore();
    authority.reconciling = { after: 1, epoch: "r1" };
    await clock.pass(10_000);
    authority.reconciling = { after: 1, epoch: "r2" };
    await clock.pass(10_000);
    expect(authority.remembered).toHaveLength(2);
    authority.reconcile("epoch-2", []);
    await clock.pass(10_000);
    authority.reconciling = { after: 1, epoch: "r2" };
    authority.hangUp();
    await clock.pass(10_000);
    expect(authority.remembered).toHaveLength(3);
  });

  test("what is refused for what it is, is said and not sent for ever", async () => {
    const staged = await afterBackup();
    const { authority, clock, restore } = staged;
    const { fetch } = authority;
    staged.world.fetch = (input, init) =>
      (input as string).endsWith("/remembered")
        ? Promise.resolve(Response.json({ code: "payload_too_large" }, { status: 413 }))
        : fetch(input, init);
    restore();
    authority.reconciling = { after: 1 };
    await clock.pass(30_000);
    expect(said(staged, "remembered.refused")).toHaveLength(1);
    authority.reconcile("epoch-2", []);
    await clock.pass(6_000);
    expect(status(staged.verifier).stale).toBe(false);
  });
});

describe("once it is in service again", () => {
  test("a new epoch is taken up by a snapshot, though the replica was level; and held from then on", async () => {
    const staged = await afterBackup();
    const { authority, clock, restore, code, text, fresh } = staged;
    restore();
    authority.reconciling = { after: 1 };
    await clock.pass(3_000);
    const snapshots = called(staged, "snapshot");
    // What was in force is so again, and has numbers beyond all that was heard of.
    authority.reconcile("epoch-2", [suspended(text), keyRecord("key_2", [version(fresh)])]);
    await clock.pass(6_000);
    expect(called(staged, "snapshot") - snapshots).toBe(1);
    expect([code(text), code(fresh)]).toEqual(["suspended", "ok"]);
    expect(status(staged.verifier)).toMatchObject({ stale: false, seq: authority.seq, lag: 0 });
    expect(authority.live.holds).toEqual({ epoch: "epoch-1", seq: 3, followed: 3 });
    authority.boots.clear();
    await clock.pass(3_000);
    expect(authority.live.holds).toEqual({ epoch: "epoch-2", seq: authority.seq, followed: authority.seq });
    expect(called(staged, "snapshot") - snapshots).toBe(1);
  });

  test("what the backup decided is in force, since it was written anew", async () => {
    const { authority, clock, restore, code, text, fresh } = await afterBackup();
    restore();
    authority.reconciling = { after: 1 };
    await clock.pass(3_000);
    authority.reconcile("epoch-2", [keyRecord("key_1", [version(text)])]);
    await clock.pass(6_000);
    expect(code(text)).toBe("ok");
    expect(code(fresh)).toBeUndefined();
  });

  test("what was not written anew stays as new as it is, and that is said", async () => {
    const staged = await afterBackup();
    const { authority, clock, restore, code, text } = staged;
    restore();
    authority.reconciling = { after: 1 };
    await clock.pass(3_000);
    authority.reconcile("epoch-2", []);
    await clock.pass(6_000);
    expect(code(text)).toBe("suspended");
    expect(said(staged, "follower.not_reconciled")).toMatchObject([{ level: "error", fields: { keys: 1 } }]);
    expect(status(staged.verifier).stale).toBe(false);
  });

  test("nor is it followed by its number where that would do", async () => {
    const staged = await afterBackup();
    const { authority, clock } = staged;
    authority.epoch = "epoch-2";
    authority.boots.clear();
    await clock.pass(3_000);
    expect(called(staged, "snapshot")).toBe(2);
  });

  test("a verifier that missed all of it learns it from the epoch", async () => {
    const staged = await afterBackup();
    const { authority, clock, restore, code, text } = staged;
    authority.down = true;
    await clock.pass(1_000);
    restore();
    authority.reconcile("epoch-2", [revoked(text)]);
    authority.down = false;
    const snapshots = called(staged, "snapshot");
    await clock.pass(6_000);
    expect(called(staged, "snapshot") - snapshots).toBe(1);
    expect(code(text)).toBe("revoked");
  });

  test("an authority that knows no epochs has the empty one, time and again", async () => {
    const staged = await afterBackup((authority) => {
      closed(authority);
      authority.epoch = undefined as never;
    });
    const { authority, clock } = staged;
    authority.boots.clear();
    await clock.pass(3_000);
    expect(authority.live.holds).toEqual({ epoch: "", seq: 3, followed: 3 });
    expect(called(staged, "snapshot")).toBe(1);
    // Another api under the same name: nothing is held any more that its numbers could go on from.
    authority.id = "api_other";
    authority.boots.clear();
    authority.hangUp();
    await clock.pass(3_000);
    expect(called(staged, "snapshot")).toBe(2);
  });
});

describe("an authority that was restored and does not say so", () => {
  test("makes nobody go back: what is held stays, the lease ends, the log says it once, and no new boots are made", async () => {
    const staged = await afterBackup();
    const { authority, clock, restore, code, text, fresh, verifier } = staged;
    const boots = structuredClone([...authority.boots]);
    restore();
    for (const [boot, state] of boots) authority.boots.set(boot, state); // they are in the backup
    await clock.pass(5_000);
    expect([code(text), code(fresh)]).toEqual(["suspended", "ok"]);
    expect(status(verifier).seq).toBe(3);
    await clock.pass(12_000);
    expect([code(text), code(fresh)]).toEqual(["stale_replica", "stale_replica"]);
    const before = authority.calls.length;
    await clock.pass(60_000);
    expect(authority.calls.length - before).toBeLessThan(90);
    expect(authority.boots.size).toBe(1);
    expect(said(staged, "follower.authority_behind")).toMatchObject([
      { level: "error", fields: { held: 3, advice: expect.stringContaining("keyover restore") } },
    ]);
    // Then somebody restores it as it should be, and decides for the backup.
    authority.reconciling = { after: 1 };
    await clock.pass(10_000);
    authority.reconcile("epoch-2", [keyRecord("key_1", [version(text)])]);
    await clock.pass(10_000);
    expect([code(text), code(fresh)]).toEqual(["ok", undefined]);
    expect(said(staged, "follower.not_reconciled")).toEqual([]);
  });

  test("is not believed when its numbers have passed ours with another history", async () => {
    for (const story of ["a key has an older record", "a key is missing"]) {
      const staged = await afterBackup();
      const { authority, clock, restore, code, text, fresh } = staged;
      restore();
      await clock.pass(3_000);
      if (story === "a key is missing") authority.write(suspended(text));
      // Entries 2 and 3 again, and they are others.
      while (authority.seq < 6) authority.write(keyRecord(`key_n${authority.seq}`, [version(newText())]));
      await clock.pass(60_000);
      expect([story, code(text), code(fresh)]).toEqual([story, "stale_replica", "stale_replica"]);
      const snapshots = called(staged, "snapshot");
      await clock.pass(60_000);
      expect(called(staged, "snapshot")).toBe(snapshots);
      expect(said(staged, "follower.authority_behind")).toHaveLength(1);
      // And then it is restored as it should be.
      authority.boots.clear();
      authority.reconciling = { after: 1 };
      authority.hangUp();
      await clock.pass(10_000);
      expect(authority.remembered).toHaveLength(1);
      authority.reconcile("epoch-2", [revoked(text), keyRecord("key_2", [version(fresh)])]);
      await clock.pass(10_000);
      expect([code(text), code(fresh)]).toEqual(["revoked", "ok"]);
    }
  });

  test("nor is it by the number alone where nobody saw it behind, and a snapshot is taken", async () => {
    const staged = await afterBackup();
    const { authority, clock, restore, code, fresh } = staged;
    authority.down = true;
    await clock.pass(500);
    restore();
    while (authority.seq < 6) authority.write(keyRecord(`key_n${authority.seq}`, [version(newText())]));
    authority.log = [];
    authority.down = false;
    await clock.pass(20_000);
    expect(code(fresh)).toBe("stale_replica");
    expect(said(staged, "follower.authority_behind")).toHaveLength(1);
  });

  test("was it a false alarm, and the feed is the old one, it is followed again", async () => {
    const staged = await afterBackup();
    const { authority, clock, code, fresh } = staged;
    const undo = authority.backup();
    const boots = structuredClone([...authority.boots]);
    authority.seq = 1;
    authority.hangUp();
    await clock.pass(20_000);
    expect(code(fresh)).toBe("stale_replica");
    undo();
    for (const [boot, state] of boots) authority.boots.set(boot, state);
    await clock.pass(12_000);
    expect(code(fresh)).toBe("ok");
    const another = newText();
    authority.write(keyRecord("key_3", [version(another)]));
    await clock.pass(100);
    expect(code(another)).toBe("ok");
  });
});
