import { foldSighting, parseDigestText, type Sighting, type SourceUse, sha256Text, sourceId } from "@keyover/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyRecord, version } from "./authority.test-double.ts";
import { FlatReplica } from "./flat/flat-replica.ts";
import { clientProduct, label, Sightings } from "./sightings.ts";

function stage(at = 0) {
  const sightings = new Sightings(at);
  const replica: FlatReplica = new FlatReplica((slot) => sightings.release(replica, slot));
  const slotOf = (text: string) => {
    const digest = new Int32Array(8);
    parseDigestText(sha256Text(text), digest);
    return replica.find(digest);
  };
  return { sightings, replica, slotOf };
}

const use = fc.record({
  wait: fc.integer({ min: 0, max: 5_000 }),
  network: fc.constantFrom("203.0.113.1", "203.0.113.2", "198.51.100.7", "2001:db8::1", undefined),
  client: fc.constantFrom("bot/1", "bot/1 (x)", undefined),
  accepted: fc.boolean(),
  limited: fc.boolean(),
  event: fc.constantFrom("use", "use", "use", "use", "drain", "replace"),
});

test("whatever the order of callers, reports and replaced records, the sums and gaps are those of the uses", () => {
  fc.assert(
    fc.property(fc.array(use, { maxLength: 80 }), (uses) => {
      const { sightings, replica, slotOf } = stage();
      let seq = 1;
      replica.put({ seq, ...keyRecord("key_1", [version("a")]) });
      const folded = new Map<string, SourceUse>();
      let [at, limitedSeen, limitedCounted] = [0, 0, 0];
      const fold = (all: Sighting[]) => {
        limitedSeen += all.reduce((sum, each) => sum + (each.limited ?? 0), 0);
        for (const each of all)
          folded.set(sourceId(each.source), foldSighting(folded.get(sourceId(each.source)), each));
      };
      const model = new Map<string, { first: number; last: number; accepted: number; refused: number; gap: number }>();
      for (const { wait, network, client, accepted, limited, event } of uses) {
        at += wait;
        if (event === "drain") fold(sightings.drain(replica, at, (each) => each));
        if (event === "replace") replica.put({ seq: ++seq, ...keyRecord("key_1", [version("a")]) });
        if (event !== "use") continue;
        sightings.count(slotOf("a"), { network, client }, at, accepted);
        if (accepted && limited) {
          sightings.limited(slotOf("a"));
          limitedCounted++;
        }
        const truncated =
          network === undefined ? "unknown" : network.includes(":") ? "2001:db8::/48" : network.replace(/\d+$/, "0/24");
        const id = sourceId({ network: truncated, client: client === undefined ? "" : "bot/1", instance: "" });
        const seen = model.get(id) ?? { first: at, last: at, accepted: 0, refused: 0, gap: 0 };
        seen.gap = Math.max(seen.gap, at - seen.last);
        seen.last = at;
        seen[accepted ? "accepted" : "refused"]++;
        model.set(id, seen);
      }
      fold(sightings.drain(replica, at, (each) => each));
      expect(limitedSeen).toBe(limitedCounted);
      const got = [...folded].map(([id, { versions, longestGapMs }]) => {
        const { first = 0, last = 0, accepted = 0, refused = 0 } = versions[1] ?? {};
        return [id, { first, last, accepted, refused, gap: longestGapMs }];
      });
      expect(Object.fromEntries(got)).toEqual(Object.fromEntries(model));
    }),
    { numRuns: 500 },
  );
});

test("versions that share a cell lose nothing to each other", () => {
  const slots = [0, 65_536, 131_072, 7, 65_543];
  const step = fc.record({
    slot: fc.constantFrom(...slots),
    wait: fc.integer({ min: 0, max: 50 }),
    release: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const sightings = new Sightings(0);
      const names = { nameOf: (slot: number) => ({ key: `key_${slot}`, version: 1 }) };
      const counted = new Map<string, { accepted: number; gap: number; last: number }>();
      let at = 0;
      for (const { slot, wait, release } of steps) {
        at += wait;
        if (release && wait === 0) sightings.release(names, slot);
        sightings.count(slot, {}, at, true);
        const before = counted.get(`key_${slot}`) ?? { accepted: 0, gap: 0, last: at };
        const gap = Math.max(before.gap, at - before.last);
        counted.set(`key_${slot}`, { accepted: before.accepted + 1, gap, last: at });
      }
      const got = new Map<string, { accepted: number; gap: number; last: number }>();
      for (const { key, accepted, first, last, longestGapMs } of sightings.drain(names, at, (each) => each)) {
        const before = got.get(key) ?? { accepted: 0, gap: 0, last: first };
        const gap = Math.max(before.gap, longestGapMs, first - before.last);
        got.set(key, { accepted: before.accepted + accepted, gap, last });
      }
      expect(got).toEqual(counted);
    }),
    { numRuns: 500 },
  );
});

test("more versions in one interval than there is room for are folded, and all come out", () => {
  const sightings = new Sightings(0);
  const names = { nameOf: (slot: number) => ({ key: `key_${slot}`, version: 1 }) };
  const count = 65_536 * 2;
  // Each use meets a cell that is another's: 1.2 million cells are spilled, more than are kept unfolded.
  for (let round = 0; round < 9; round++)
    for (let slot = 0; slot < count; slot++) sightings.count(slot, {}, round, true);
  const drained = sightings.drain(names, 10, (at) => at);
  expect(drained).toHaveLength(count);
  expect(drained.every((each) => each.accepted === 9 && each.first === 0 && each.last === 8)).toBe(true);
});

describe("sources", () => {
  test("64 of a version are told apart; the rest are one, and nothing is lost", () => {
    const { sightings, replica, slotOf } = stage(5_000);
    replica.put({ seq: 1, ...keyRecord("key_1", [version("a")]) });
    const slot = slotOf("a");
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 200; i++) sightings.count(slot, { network: `10.0.${i}.1` }, 6_000 + i, true);
    }
    const drained = sightings.drain(replica, 7_000, (at) => at);
    expect(drained).toHaveLength(65);
    expect(drained.find((each) => each.source.network === "other")?.accepted).toBe(272);
    expect(drained.reduce((sum, each) => sum + each.accepted, 0)).toBe(400);
    expect(sightings.drain(replica, 8_000, (at) => at)).toEqual([]);
  });

  test("a hundred thousand different callers take bounded memory, and the next interval knows them again", () => {
    const { sightings, replica, slotOf } = stage();
    replica.put({ seq: 1, ...keyRecord("key_1", [version("a")]) });
    const slot = slotOf("a");
    for (let i = 0; i < 100_000; i++) sightings.count(slot, { client: `c${i}` }, i, true);
    expect(sightings.drain(replica, 100_000, (at) => at)).toHaveLength(65);
    sightings.count(slot, { client: "c99999" }, 100_001, true);
    expect(sightings.drain(replica, 100_002, (at) => at)).toMatchObject([
      { source: { client: "c99999" }, accepted: 1 },
    ]);
  });

  test("client software is its first product token, printable and short", () => {
    expect(clientProduct("acme-bot/2.1 (linux; x64) undici/7")).toBe("acme-bot/2.1");
    expect(clientProduct("  Mozilla/5.0(X11)")).toBe("Mozilla/5.0");
    expect(clientProduct("")).toBe("");
    expect(clientProduct(`${"x".repeat(20_000)} y`)).toHaveLength(64);
    expect(label("a\u0000b\u001b[31m|é☃")).toBe("a?b?[31m???");
  });
});
