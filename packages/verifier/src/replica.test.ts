import { type Ask, judgeCode, type KeyRecord, parseDigestText, sha256Text, type VersionRecord } from "@keyover/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyRecord, version } from "./authority.test-double.ts";
import { FlatReplica } from "./flat/flat-replica.ts";

const digestOf = (text: string) => {
  const digest = new Int32Array(8);
  parseDigestText(sha256Text(text), digest);
  return digest;
};
const find = (replica: FlatReplica, text: string) => {
  const slot = replica.find(digestOf(text));
  return slot < 0 ? undefined : replica.held(slot);
};

describe("a replica never goes back", () => {
  /** The history of three keys: each number is an entry; what arrives is any part of it, in any order and way. */
  const history: KeyRecord[] = [];
  for (let seq = 1; seq <= 30; seq++) {
    const name = seq % 3 === 0 ? "key_0" : `key_0UbAw3xk0000000000000${seq % 3}`;
    const number = Math.ceil(seq / 9);
    const versions = [version(`${name} secret ${number}`, { number, state: seq > 24 ? "retired" : "active" })];
    if (seq % 9 > 4) versions.push(version(`${name} secret ${number + 1}`, { number: number + 1, state: "pending" }));
    history.push({ seq, ...keyRecord(name, versions, { status: seq > 27 ? "revoked" : "active" }) });
  }
  const stateAt = (seq: number) => new Map(history.filter((each) => each.seq <= seq).map((each) => [each.key, each]));

  const arrival = fc.oneof(
    fc.record({ kind: fc.constant("miss" as const), seq: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ kind: fc.constant("entry" as const), seq: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ kind: fc.constant("snapshot" as const), seq: fc.integer({ min: 0, max: 30 }) }),
  );

  test("by any order of entries, snapshots old and new, and answers to misses", () => {
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 60 }), (arrivals) => {
        const replica = new FlatReplica();
        const newest = new Map<string, number>();
        const learned = (record: KeyRecord) =>
          newest.set(record.key, Math.max(record.seq, newest.get(record.key) ?? 0));
        for (const each of arrivals) {
          const before = replica.seq;
          const record = history[each.seq - 1];
          if (each.kind === "miss" && record !== undefined) {
            replica.put(structuredClone(record));
            learned(record);
          }
          if (each.kind === "entry" && record !== undefined) {
            const outcome = replica.apply({ seq: each.seq, record: structuredClone(record) });
            expect(outcome).toBe(each.seq > before + 1 ? "gap" : each.seq === before + 1 ? "applied" : "old");
            if (outcome !== "gap") learned(record);
          }
          if (each.kind === "snapshot") {
            const records = [...stateAt(each.seq).values()];
            for (const one of records) {
              replica.put(structuredClone(one));
              learned(one);
            }
            replica.settle(each.seq, new Set(records.map((one) => one.key)));
            for (const [key, seq] of newest) if (seq <= each.seq && !stateAt(each.seq).has(key)) newest.delete(key);
          }
          expect(replica.seq).toBeGreaterThanOrEqual(before);
        }
        // Held is exactly the newest record of each key, and by its digests nothing but it.
        expect(new Map([...replica.records()].map((one) => [one.key, one.seq]))).toEqual(newest);
        for (const { key, versions } of history) {
          const held = history[(newest.get(key) ?? 0) - 1];
          for (const { sha256 } of versions) {
            const digest = new Int32Array(8);
            parseDigestText(sha256, digest);
            const slot = replica.find(digest);
            const wanted = held?.versions.find((one) => one.sha256 === sha256);
            expect(slot < 0 ? undefined : replica.held(slot).version).toEqual(wanted);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("a version that a newer record lacks is gone", () => {
    const replica = new FlatReplica();
    replica.apply({ seq: 1, record: { seq: 1, ...keyRecord("key_1", [version("a"), version("b", { number: 2 })]) } });
    replica.apply({ seq: 2, record: { seq: 2, ...keyRecord("key_1", [version("b", { number: 2 })]) } });
    expect(find(replica, "a")).toBeUndefined();
    expect(find(replica, "b")?.version.number).toBe(2);
  });

  test("a digest that a second key brings belongs to the second, and the first does not take it away", () => {
    const replica = new FlatReplica();
    replica.put({ seq: 1, ...keyRecord("key_1", [version("a")]) });
    replica.put({ seq: 2, ...keyRecord("key_2", [version("a")]) });
    replica.put({ seq: 3, ...keyRecord("key_1", []) });
    expect(find(replica, "a")?.held.record.key).toBe("key_2");
  });

  test("a version that takes another's place in memory is not taken for it", () => {
    const replica = new FlatReplica();
    for (let seq = 1; seq < 50; seq++) {
      // Rare ones, which are remembered as they were last asked for.
      const secret = `secret ${seq}`;
      replica.put({ seq, ...keyRecord(`key_${seq % 2}`, [version(secret, { number: seq })], { expiresAt: seq }) });
      expect(find(replica, secret)?.version.number).toBe(seq);
      expect(find(replica, secret)?.held.record).toMatchObject({ key: `key_${seq % 2}`, expiresAt: seq });
    }
  });

  test("an entry that we may not see counts, and brings nothing", () => {
    const replica = new FlatReplica();
    expect(replica.apply({ seq: 1 })).toBe("applied");
    expect([replica.seq, replica.size]).toEqual([1, 0]);
  });

  test("keys of environments that the token no longer covers are forgotten", () => {
    const replica = new FlatReplica();
    replica.put({ seq: 1, ...keyRecord("key_1", [version("a")]) });
    replica.put({ seq: 2, ...keyRecord("key_2", [version("b")], { environment: "test" }) });
    replica.keepEnvironments(["live"]);
    expect([find(replica, "a")?.held.record.key, find(replica, "b")]).toEqual(["key_1", undefined]);
  });
});

test("the short way says ok only where the long way does, and does say so for a plain version", () => {
  const scopes = fc.subarray(["market:read", "market:*", "trade:write", "*"]);
  const networks = fc.constantFrom([], [], [], ["203.0.113.0/24"]).map((each): string[] => [...each]);
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
  const mostly = <T>(usual: T, other: T) => fc.constantFrom(...Array<T>(15).fill(usual), other);
  const versionRecord: fc.Arbitrary<VersionRecord> = fc.record({
    number: fc.constant(1),
    state: fc.constantFrom("active", "active", "pending", "retiring", "retired"),
    sha256: fc.constant(sha256Text("a")),
    compromised: fc.boolean(),
    fence: maybe(fc.record({ scopes: maybe(scopes), networks: maybe(networks) })),
    brownoutUntil: fc.constantFrom(...Array<undefined>(10).fill(undefined), 500, 1_500),
    scopes: maybe(scopes),
  });
  const record: fc.Arbitrary<KeyRecord> = fc.record({
    seq: fc.constant(1),
    key: mostly("key_0UbAw3xk00000000000001", "key_1"),
    consumer: mostly("con_0UbAw3xk00000000000001", "con_1"),
    environment: fc.constantFrom("live", "test"),
    status: fc.constantFrom("active", "active", "active", "suspended", "revoked"),
    scopes,
    networks,
    expiresAt: maybe(fc.constantFrom(500, 1_500)),
    current: fc.constant(1),
    versions: versionRecord.map((each) => [each]),
  });
  const ask: fc.Arbitrary<Ask> = fc.record({
    environment: maybe(fc.constantFrom("live", "test")),
    scope: maybe(
      fc.oneof(
        fc.constantFrom("market:read", "trade:write", "x"),
        fc.array(fc.constantFrom("market:read", "trade:write")),
      ),
    ),
    network: maybe(fc.constantFrom("203.0.113.9", "198.51.100.1")),
  });
  let short = 0;
  fc.assert(
    fc.property(record, ask, (one, asked) => {
      const replica = new FlatReplica();
      replica.put(structuredClone(one));
      const slot = replica.find(digestOf("a"));
      const code = judgeCode(replica.held(slot), asked, 1_000);
      const plain = replica.isPlainlyOk(slot, asked);
      if (plain) short++;
      if (plain) expect(code).toBe("ok");
      // What it remembers of the first answer changes none after it.
      expect(replica.isPlainlyOk(slot, asked)).toBe(plain);
      for (const network of ["", "203.0.113.9", "198.51.100.1", undefined]) {
        const other = { ...asked, network };
        if (replica.isPlainlyOk(slot, other)) expect(judgeCode(replica.held(slot), other, 1_000)).toBe("ok");
      }
      const { fence, brownoutUntil, scopes: own } = one.versions[0] as VersionRecord;
      const limited = fence !== undefined || brownoutUntil !== undefined;
      const usual = !limited && own === undefined && one.expiresAt === undefined;
      // In the short way it decides on keys with handles alone; others are in tests.
      const named = one.key !== "key_1" && one.consumer !== "con_1";
      if (usual && named && code === "ok") expect(plain).toBe(true);
    }),
    { numRuns: 3_000 },
  );
  expect(short).toBeGreaterThan(20);
});

test("a key in rotation is not parsed anew at each request: its verdict is made once, until the key changes", () => {
  const replica = new FlatReplica();
  const key = "key_0UbAw3xk00000000000001";
  const rotation = { id: "rot_1", phase: "overlapping", from: 1, to: 2, since: 1, endsAt: 2 } as const;
  replica.put({ seq: 1, ...keyRecord(key, [version("old"), version("new", { number: 2 })], { rotation }) });
  const okOf = (text: string) => replica.okVerdict(replica.find(digestOf(text)));
  const verdict = okOf("old");
  expect(verdict).toMatchObject({ valid: true, key, version: 1, rotation });
  expect(okOf("old")).toBe(verdict);
  expect(okOf("new")).toMatchObject({ version: 2 });
  const later = { ...rotation, endsAt: 3 };
  replica.put({ seq: 2, ...keyRecord(key, [version("old"), version("new", { number: 2 })], { rotation: later }) });
  expect(okOf("old")).toMatchObject({ rotation: later });
});
