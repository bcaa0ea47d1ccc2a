/** What every store promises to several processes that share it; part of store.test-suite.ts. */
import { describe, expect, test } from "vitest";
import { SCHEMA_VERSION, SHARDS } from "./schema.ts";
import {
  AT,
  aBatch,
  aKey,
  anEntry,
  aRecord,
  aReplica,
  aRotation,
  aSealed,
  aToken,
  aUse,
  aVersion,
  mustCommit,
  picture,
} from "./store.test-support.ts";
import { type Fence, put, SchemaError, type Shard, type Store } from "./store.ts";

const LONG_MS = 60_000;
/** A lease that is over when it is given. */
const OVER_MS = -1;

export function replicaSuite(current: () => Store): void {
  const share = (id: string, leaseMs = LONG_MS) => current().share(aReplica(id), leaseMs);
  const fenceOf = (replica: string, { shard, fence }: Shard): Fence => ({ shard, replica, fence });
  const first = async (id: string) => (await share(id)).shards[0] as Shard;
  const numbers = (shards: Shard[]) => shards.map(({ shard }) => shard).sort((a, b) => a - b);

  describe("shares of the work", () => {
    test("one process has all of it, and keeps its numbers", async () => {
      const { shards, replicas } = await share("rep_a");
      expect(numbers(shards)).toEqual(Array.from({ length: SHARDS }, (_, i) => i));
      expect(replicas).toMatchObject([{ id: "rep_a", software: "keyover/test", schema: SCHEMA_VERSION }]);
      expect(await share("rep_a")).toMatchObject({ shards });
    });

    test("each has its fair part, no part has two owners, and whoever leaves is followed at once", async () => {
      const all = ["rep_a", "rep_b", "rep_c"];
      const settled = async (ids: string[]) => {
        let held: Shard[][] = [];
        for (let turn = 0; turn < 3; turn++) {
          held = [];
          for (const id of ids) held.push((await share(id)).shards);
        }
        expect(numbers(held.flat())).toEqual(Array.from({ length: SHARDS }, (_, i) => i));
        return held.map((shards) => shards.length);
      };
      expect(await settled(all)).toEqual([6, 6, 4]);
      await current().leave("rep_b");
      expect(await settled(["rep_a", "rep_c"])).toEqual([8, 8]);
      expect((await share("rep_a")).replicas.map(({ id }) => id)).toEqual(["rep_a", "rep_c"]);
    });

    test("a process whose lease is over lives no more, and another takes its parts with higher numbers", async () => {
      const before = (await share("rep_a")).shards;
      await share("rep_a", OVER_MS);
      const { shards, replicas } = await share("rep_b");
      expect(replicas.map(({ id }) => id)).toEqual(["rep_b"]);
      expect(shards).toEqual(before.map(({ shard, fence }) => ({ shard, fence: fence + 1 })));
    });

    test("a schema that is too old for the database is refused, and does not join", async () => {
      await share("rep_b");
      await expect(current().share(aReplica("rep_a", { schema: 1 }), LONG_MS)).rejects.toThrow(SchemaError);
      expect((await share("rep_b")).replicas.map(({ id }) => id)).toEqual(["rep_b"]);
    });
  });

  describe("a fence", () => {
    const fenced = (fence: Fence) => current().commit(aBatch([put("token", aToken())], { fence }));
    const refused = async (fence: Fence) => {
      const before = await picture(current());
      expect(await fenced(fence)).toEqual({ ok: false, conflict: "fence" });
      expect(await picture(current())).toEqual(before);
    };

    test("lets the owner write", async () => {
      expect(await fenced(fenceOf("rep_a", await first("rep_a")))).toMatchObject({ ok: true });
    });

    test("refuses whose lease is over, though nobody has taken the work yet", async () => {
      const shard = await first("rep_a");
      await share("rep_a", OVER_MS);
      await refused(fenceOf("rep_a", shard));
      await share("rep_a");
      expect(await fenced(fenceOf("rep_a", shard))).toMatchObject({ ok: true });
    });

    test("refuses whom another has followed, also when it lives again", async () => {
      const shard = await first("rep_a");
      await share("rep_a", OVER_MS);
      await share("rep_b");
      await share("rep_a");
      await refused(fenceOf("rep_a", shard));
      await refused(fenceOf("rep_b", shard));
      expect(await fenced(fenceOf("rep_b", { ...shard, fence: shard.fence + 1 }))).toMatchObject({ ok: true });
    });

    test("refuses what was given back, and an owner that nobody knows", async () => {
      const { shards } = await share("rep_a");
      await share("rep_b");
      const kept = (await share("rep_a")).shards;
      const given = shards.find(({ shard }) => !kept.some((each) => each.shard === shard)) as Shard;
      await refused(fenceOf("rep_a", given));
      await refused(fenceOf("rep_x", kept[0] as Shard));
      await current().leave("rep_a");
      await refused(fenceOf("rep_a", kept[0] as Shard));
    });

    test("is looked at before all else", async () => {
      const fence = { shard: 0, replica: "rep_x", fence: 1 };
      const idempotency = { id: "a", request: "r", status: 201, body: {}, sealedId: null, createdAt: 1 };
      await mustCommit(current(), aBatch([put("token", aToken())], { idempotency }));
      const batch = aBatch([put("token", aToken())], { fence, idempotency });
      expect(await current().commit(batch)).toEqual({ ok: false, conflict: "fence" });
    });
  });

  describe("what processes tell each other", () => {
    test("what is settled stands, whoever asks later", async () => {
      expect(await current().settled("colour")).toBeUndefined();
      expect(await current().settle("colour", "red")).toBe("red");
      expect(await current().settle("colour", "blue")).toBe("red");
      expect(await current().settle("shape", "round")).toBe("round");
      expect(await current().settled("colour")).toBe("red");
    });

    test("changes are the subjects of the entries after a number", async () => {
      const entries = [["key_1", "api_a"], ["key_2"], ["key_1"], []];
      for (const [i, subjects] of entries.entries())
        await mustCommit(current(), aBatch([], { audit: [anEntry(`n${i}`, subjects)] }));
      const after = async (seq: number, limit: number) => {
        const { head, subjects } = await current().changes(seq, limit);
        return [head, subjects.sort()];
      };
      expect(await after(0, 99)).toEqual([4, ["api_a", "key_1", "key_2"]]);
      expect(await after(1, 99)).toEqual([4, ["key_1", "key_2"]]);
      expect(await after(0, 2)).toEqual([2, ["api_a", "key_1", "key_2"]]);
      expect(await after(2, 1)).toEqual([3, ["key_1"]]);
      expect(await after(4, 99)).toEqual([4, []]);
    });

    test("the heads of several feeds are read at once", async () => {
      const feed = ["api_a", "api_b", "api_a"].map((apiId) => ({ apiId, record: aRecord() }));
      await mustCommit(current(), aBatch([], { feed }));
      const heads = await current().feedHeads(["api_a", "api_b", "api_none"]);
      expect(Object.fromEntries(heads)).toEqual({ api_a: 2, api_b: 1 });
      expect(await current().feedHeads([])).toEqual(new Map());
    });

    test("the time is whole milliseconds, and does not go back", async () => {
      const times = [await current().now(), await current().now(), await current().now()];
      for (const time of times) expect(Number.isInteger(time)).toBe(true);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times[0]).toBeGreaterThan(Date.UTC(2020, 0));
    });
  });

  describe("the engine's look", () => {
    test("live rotations come in order, ended ones do not come", async () => {
      const rotations = [
        aRotation({ id: "rot_b" }),
        aRotation({ id: "rot_A" }),
        aRotation({ id: "rot_c", endedAt: 1 }),
      ];
      await mustCommit(current(), aBatch(rotations.map((rotation) => put("rotation", rotation))));
      expect(await current().liveRotations("", 9)).toEqual(["rot_A", "rot_b"]);
      expect(await current().liveRotations("", 1)).toEqual(["rot_A"]);
      expect(await current().liveRotations("rot_A", 9)).toEqual(["rot_b"]);
    });

    test("used successors are those of offered rotations, by an accepted use of the new version", async () => {
      const offered = (name: string, more = {}) =>
        aRotation({ id: `rot_${name}`, keyId: `key_${name}`, phase: "offered", ...more });
      const rotations = [
        offered("used"),
        offered("refused"),
        offered("old"),
        offered("ended", { endedAt: 1 }),
        offered("further", { phase: "overlapping" }),
        offered("silent"),
      ];
      await mustCommit(current(), aBatch(rotations.map((each) => put("rotation", each))));
      await mustCommit(current(), aBatch([put("key", aKey())]));
      const use = (name: string, more = {}) => aUse({ keyId: `key_${name}`, version: 2, ...more });
      const rows = [
        use("used"),
        use("refused", { accepted: 0, refused: 1 }),
        use("old", { version: 1 }),
        use("ended"),
        use("further"),
      ];
      await current().record({ rows, reports: [] });
      const ids = rotations.map(({ id }) => id);
      expect(await current().usedSuccessors(ids)).toEqual(["rot_used"]);
      expect(await current().usedSuccessors(ids.filter((id) => id !== "rot_used"))).toEqual([]);
      expect(await current().usedSuccessors([])).toEqual([]);
    });

    test("expired secrets are those of no rotation, the longest first", async () => {
      const of = (name: string, more = {}) => aSealed({ id: `ver_${name}`, keyId: `key_${name}`, ...more });
      const all = [
        of("late", { expiresAt: AT + 3 }),
        of("later", { expiresAt: AT + 2 }),
        of("rotating", { expiresAt: AT + 1, rotationId: "rot_a" }),
        of("now", { expiresAt: AT + 5 }),
      ];
      await mustCommit(current(), aBatch(all.map((each) => put("sealed", each))));
      const found = async (limit: number) => (await current().expiredSecrets(AT + 5, limit)).map(({ id }) => id);
      expect(await found(9)).toEqual(["ver_later", "ver_late"]);
      expect(await found(1)).toEqual(["ver_later"]);
    });

    test("proven secrets are sealed ones whose version was accepted since it was made, a page at a time", async () => {
      const names = ["a", "b", "c", "d", "e"];
      const writes = names.flatMap((name) => [
        put("version", aVersion({ id: `ver_${name}`, keyId: `key_${name}`, createdAt: AT })),
        put("sealed", aSealed({ id: `ver_${name}`, keyId: `key_${name}` })),
      ]);
      await mustCommit(current(), aBatch(writes));
      const use = (name: string, more = {}) => aUse({ keyId: `key_${name}`, ...more });
      const rows = [
        use("a"),
        use("b", { accepted: 0, refused: 1 }),
        use("c", { first: AT - 2, last: AT - 1 }),
        use("d", { version: 2 }),
        use("e"),
      ];
      await current().record({ rows, reports: [] });
      const [a, e] = ["a", "e"].map((name) => ({ keyId: `key_${name}`, version: 1 }));
      expect(await current().provenSecrets("", 9)).toEqual({ found: [a, e], next: undefined });
      expect(await current().provenSecrets("", 3)).toEqual({ found: [a], next: "ver_c" });
      expect(await current().provenSecrets("ver_c", 3)).toEqual({ found: [e], next: undefined });
      expect(await current().provenSecrets("ver_c", 2)).toEqual({ found: [e], next: "ver_e" });
      expect(await current().provenSecrets("ver_e", 2)).toEqual({ found: [], next: undefined });
    });
  });
}
