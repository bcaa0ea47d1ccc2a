import { type KeyRecord, parseDigestText, sha256Text } from "@keyover/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyRecord, version } from "../authority.test-double.ts";
import { CachedReplica, cacheProblem } from "./cached-replica.ts";

const digests = new Map<string, Int32Array>();
const digestOf = (text: string): Int32Array => {
  const digest = digests.get(text) ?? new Int32Array(8);
  if (!digests.has(text)) parseDigestText(sha256Text(text), digest);
  digests.set(text, digest);
  return digest;
};

/** Six keys, each with one version or two; a version's text stays with its key while the versions come and go. */
const KEYS = 6;
const ENTRIES = 120;
const nameOf = (key: number) => `key_0UbAw3xk0000000000000${key}`;
const secret = (key: number, number: number) => `key ${key} secret ${number}`;
const history: KeyRecord[] = [];
for (let seq = 1; seq <= ENTRIES; seq++) {
  const key = (seq * seq + (seq >> 2)) % KEYS;
  const number = 1 + Math.floor(seq / 12);
  const versions = [version(secret(key, number), { number, state: seq % 7 === 0 ? "retired" : "active" })];
  if (seq % 3 === 0) versions.push(version(secret(key, number + 1), { number: number + 1, state: "pending" }));
  history.push({ seq, ...keyRecord(nameOf(key), versions, { status: seq % 11 === 0 ? "revoked" : "active" }) });
}
/** By number: the newest record of each key. */
const states = [new Map<string, KeyRecord>()];
for (const record of history) states.push(new Map(states.at(-1)).set(record.key, record));
const newestOf = (key: string, seq: number) => states[seq]?.get(key);
const hashes = new Map<string, string>();
const hashOf = (text: string): string => {
  const hash = hashes.get(text) ?? sha256Text(text);
  hashes.set(text, hash);
  return hash;
};
const byText = (text: string, seq: number) => {
  for (const record of (states[seq] as Map<string, KeyRecord>).values())
    if (record.versions.some(({ sha256 }) => sha256 === hashOf(text))) return record;
  return undefined;
};

interface Answer {
  text: string;
  asOf: number;
}

const step = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: fc.constant("feed" as const), count: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 30,
    // Answered by whoever knows so many entries more, or fewer, than the verifier has heard.
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      key: fc.nat(KEYS - 1),
      successor: fc.boolean(),
      ahead: fc.integer({ min: -8, max: 8 }),
    }),
  },
  { weight: 30, arbitrary: fc.record({ do: fc.constant("answer" as const), which: fc.nat() }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant("use" as const), key: fc.nat(KEYS - 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("begin anew" as const), ahead: fc.nat(10) }) },
);

describe("a cache", () => {
  test("holds of each key the newest record that the feed has brought, or none, whatever was asked and answered when, and by whom", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { minLength: 40, maxLength: 200, size: "max" }),
        (keysMax, steps) => {
          const replica = new CachedReplica(keysMax, () => undefined);
          const answers: Answer[] = [];
          let remembered: Answer[] = [];
          let newestSeen = 0;
          replica.settle(5, new Set());
          for (const each of steps) {
            if (each.do === "feed")
              for (const entry of history.slice(replica.seq, replica.seq + each.count))
                expect(replica.apply({ seq: entry.seq, record: structuredClone(entry) })).toBe("applied");
            if (each.do === "ask") {
              const asOf = Math.max(0, Math.min(ENTRIES, replica.seq + each.ahead));
              const number = newestOf(nameOf(each.key), asOf)?.versions[0]?.number ?? 1;
              answers.push({ text: secret(each.key, number + Number(each.successor)), asOf });
            }
            if (each.do === "use") {
              const newest = newestOf(nameOf(each.key), replica.seq);
              const slot = replica.find(digestOf(secret(each.key, newest?.versions[0]?.number ?? 1)));
              if (slot >= 0) replica.used(slot);
            }
            if (each.do === "begin anew") replica.settle(Math.min(ENTRIES, replica.seq + each.ahead), new Set());
            if (each.do === "answer" && answers.length > 0) {
              const [{ text, asOf } = { text: "", asOf: 0 }] = answers.splice(each.which % answers.length, 1);
              const record = byText(text, asOf) ?? null;
              const current = replica.isCurrent(digestOf(text), record, asOf);
              if (asOf >= Math.max(replica.seq, newestSeen)) expect(current).toBe(true);
              if (current && record === null) remembered = [...remembered, { text, asOf }].slice(-8);
              if (current && record !== null) {
                replica.put(structuredClone(record));
                newestSeen = Math.max(newestSeen, record.seq);
                const held = history[(replica.seqOf(record.key) as number) - 1];
                const has = held?.versions.some(({ sha256 }) => sha256 === hashOf(text));
                expect(replica.find(digestOf(text)) >= 0).toBe(has);
              }
            }
            // What came by the side may know better than the feed's last entry.
            for (const { text, asOf } of newestSeen > replica.seq ? [] : remembered)
              if (replica.find(digestOf(text)) < 0 && replica.isCurrent(digestOf(text), null, asOf))
                expect(byText(text, Math.max(asOf, replica.seq))).toBeUndefined();
            expect(replica.size).toBeLessThanOrEqual(keysMax);
            for (const { key, seq } of replica.records())
              if (seq <= replica.seq) expect(seq).toBe(newestOf(key, replica.seq)?.seq);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("gives up what was not used since the hand came by, and never what has just come", () => {
    const replica = new CachedReplica(3, () => undefined);
    const put = (seq: number) =>
      replica.put({ seq, ...keyRecord(`key_0UbAw3xk00000000000${100 + seq}`, [version(`text ${seq}`)]) });
    const held = () => [1, 2, 3, 4, 5, 6, 7].filter((seq) => replica.find(digestOf(`text ${seq}`)) >= 0);
    const use = (seq: number) => replica.used(replica.find(digestOf(`text ${seq}`)));
    for (const seq of [1, 2, 3]) put(seq);
    for (const seq of [1, 3]) use(seq);
    put(4);
    expect(held()).toEqual([1, 3, 4]);
    for (const seq of [1, 3, 4]) use(seq);
    put(5);
    expect(held()).toContain(5);
    expect(held()).toHaveLength(3);
    put(6);
    put(7);
    expect(held()).toContain(7);
    expect({ size: replica.size, hits: replica.hits, evictions: replica.evictions }).toEqual({
      size: 3,
      hits: 5,
      evictions: 4,
    });
  });

  test("all versions of a key stay while one of them is used, and go together; each is told of", () => {
    const released: number[] = [];
    const replica = new CachedReplica(2, (slot) => void released.push(slot));
    const pair = [version("old"), version("new", { number: 2, state: "pending" })];
    replica.put({ seq: 1, ...keyRecord("key_1", pair) });
    replica.put({ seq: 2, ...keyRecord("key_2", [version("other")]) });
    replica.used(replica.find(digestOf("new")));
    replica.put({ seq: 3, ...keyRecord("key_3", [version("third")]) });
    expect(["old", "new", "other", "third"].map((text) => replica.find(digestOf(text)) >= 0)).toEqual([
      true,
      true,
      false,
      true,
    ]);
    released.length = 0;
    const slots = [replica.find(digestOf("old")), replica.find(digestOf("new"))];
    replica.used(replica.find(digestOf("third")));
    replica.put({ seq: 4, ...keyRecord("key_4", [version("fourth")]) });
    expect(["old", "new", "third", "fourth"].map((text) => replica.find(digestOf(text)) >= 0)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(new Set(released)).toEqual(new Set(slots));
  });

  test("its size has bounds, said in a sentence", () => {
    for (const keys of [1, 100_000, 10_000_000]) expect(cacheProblem(keys)).toBeUndefined();
    for (const keys of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 10_000_001, 2 ** 53, "100", undefined, null])
      expect(cacheProblem(keys)).toMatch(/^a whole number of keys from 1 to 10000000; got /);
  });
});
