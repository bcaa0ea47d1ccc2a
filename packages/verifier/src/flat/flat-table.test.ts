import { type KeyRecord, makeHandle, parseDigestText, sha256Text, type VersionRecord } from "@keyover/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FlatTable } from "./flat-table.ts";

/** The same numbers for the same seed (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const digestOf = (sha256: string) => {
  const digest = new Int32Array(8);
  parseDigestText(sha256, digest);
  return digest;
};

/** What a replica would do with it, by objects. A digest belongs to the newest record that has it. */
class Model {
  readonly keys = new Map<string, KeyRecord>();
  readonly owners = new Map<string, string>();

  write(record: KeyRecord): void {
    this.drop(record.key);
    this.keys.set(record.key, record);
    for (const { sha256 } of record.versions) {
      const owner = this.keys.get(this.owners.get(sha256) ?? "");
      if (owner === undefined || owner.seq < record.seq) this.owners.set(sha256, record.key);
    }
  }

  drop(key: string): void {
    this.keys.delete(key);
    for (const [sha256, owner] of this.owners) if (owner === key) this.owners.delete(sha256);
  }
}

function expectSame(table: FlatTable, model: Model, secrets: readonly string[]): void {
  const held = [...table.heads()].map((head) => table.recordOf(head));
  expect(new Map(held.map((record) => [record.key, record]))).toEqual(model.keys);
  expect([held.length, table.size]).toEqual([model.keys.size, model.keys.size]);
  for (const [key, record] of model.keys) {
    expect(table.recordOf(table.headOf(key))).toEqual(record);
    expect(table.seqOf(table.headOf(key))).toBe(record.seq);
  }
  for (const sha256 of secrets) {
    const slot = table.find(digestOf(sha256));
    const owner = model.owners.get(sha256);
    expect(slot < 0 ? undefined : table.keyOf(slot)).toBe(owner);
    if (slot < 0) continue;
    expect(table.heldOf(slot).version.sha256).toBe(sha256);
    expect(table.heldOf(slot).held.record).toEqual(model.keys.get(owner as string));
  }
}

describe("a flat table holds what a Map of records would", () => {
  const names = ["key_1", "key_ü", ...Array.from({ length: 4 }, (_, i) => `key_0UbAw3xk0000000000000${i}`)];
  const secrets = Array.from({ length: 8 }, (_, i) => sha256Text(`secret ${i}`));
  const version: fc.Arbitrary<VersionRecord> = fc.record(
    {
      number: fc.constantFrom(0, 1, 65_535, 65_536),
      state: fc.constantFrom("active", "pending", "retiring", "retired", "quantum" as "active"),
      sha256: fc.constantFrom(...secrets, "not a digest"),
      compromised: fc.boolean(),
      retiredAt: fc.constantFrom(1, 2),
    },
    { requiredKeys: ["number", "state", "sha256", "compromised"] },
  );
  const record: fc.Arbitrary<KeyRecord> = fc
    .record(
      {
        key: fc.constantFrom(...names),
        consumer: fc.constantFrom("con_0UbAw3xk00000000000001", "con_0UbAw3xk00000000000002", "con_1"),
        environment: fc.constantFrom("live", "test"),
        status: fc.constantFrom("active", "suspended", "revoked"),
        scopes: fc.subarray(["a b", "a", "b"]),
        networks: fc.subarray(["10.0.0.0/8"]),
        versions: fc.oneof(
          { weight: 3, arbitrary: version.map((each) => [each]) },
          { weight: 1, arbitrary: fc.array(version, { maxLength: 3 }) },
        ),
        expiresAt: fc.constantFrom(1, 2),
      },
      { requiredKeys: ["key", "consumer", "environment", "status", "scopes", "networks", "versions"] },
    )
    .map((each) => ({ seq: 0, current: each.versions[0]?.number ?? 1, ...each }));
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        record,
        seq: fc.oneof(fc.integer({ min: 0, max: 2 ** 33 }), fc.integer({ min: 2 ** 44 - 2, max: 2 ** 45 })),
      }),
    },
    { weight: 1, arbitrary: fc.record({ drop: fc.constantFrom(...names) }) },
  );

  test("whatever is written, taken over and dropped", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const [table, model] = [new FlatTable(), new Model()];
        for (const each of steps) {
          if ("drop" in each) {
            if (table.headOf(each.drop) >= 0) table.drop(table.headOf(each.drop));
            model.drop(each.drop);
            continue;
          }
          const written = { ...each.record, seq: each.seq };
          // Two of one key with one number do not come; and two versions with one digest are one too many for the model.
          const taken = [...model.keys.values()].some(({ seq }) => seq === each.seq);
          if (taken || new Set(written.versions.map(({ sha256 }) => sha256)).size < written.versions.length) continue;
          const lost = new Set(written.versions.map(({ sha256 }) => sha256));
          table.write(structuredClone(written), table.headOf(written.key));
          model.write(written);
          if (lost.has("not a digest")) model.owners.delete("not a digest");
        }
        expectSame(table, model, secrets);
        const environments = [...table.perEnvironment].reduce((sum, [, keys]) => sum + keys, 0);
        expect(environments).toBe(model.keys.size);
      }),
      { numRuns: 500 },
    );
  });
});

test("ten thousand keys come, change, become rare and go while the table grows", () => {
  const random = chance(20_261_122);
  const pick = (count: number) => Math.floor(random() * count);
  const [table, model] = [new FlatTable(), new Map<string, KeyRecord>()];
  const keys = Array.from({ length: 10_000 }, (_, i) =>
    makeHandle("key", 1_790_000_000_000 + i, (n) => Uint8Array.from({ length: n }, () => pick(248))),
  );
  const secretOf = (key: string, number: number) => sha256Text(`${key} ${number}`);
  for (let seq = 1; seq <= 40_000; seq++) {
    const key = keys[pick(Math.min(keys.length, 100 + seq))] as string;
    if (pick(5) === 0) {
      if (model.delete(key)) table.drop(table.headOf(key));
      continue;
    }
    const number = 1 + pick(2);
    const versions: VersionRecord[] = [{ number, state: "active", sha256: secretOf(key, number), compromised: false }];
    if (pick(4) === 0) versions.push({ number: 3, state: "pending", sha256: secretOf(key, 3), compromised: false });
    const consumer = `con_${key.slice(4, -1)}0`;
    const record: KeyRecord = {
      seq,
      key,
      consumer,
      environment: "live",
      status: "active",
      scopes: ["a"],
      networks: [],
      current: number,
      versions,
    };
    table.write(structuredClone(record), table.headOf(key));
    model.set(key, record);
  }
  expect(table.size).toBe(model.size);
  for (const key of keys) {
    const record = model.get(key);
    const head = table.headOf(key);
    if (record === undefined) expect(head).toBe(-1);
    else expect(table.recordOf(head)).toEqual(record);
    for (const number of [1, 2, 3]) {
      const slot = table.find(digestOf(secretOf(key, number)));
      expect(slot >= 0).toBe(record?.versions.some((each) => each.number === number) ?? false);
      if (slot >= 0) expect(table.keyOf(slot)).toBe(key);
    }
  }
  // Slots are used again: there were never more lines than at the fullest moment, give or take.
  expect(table.end).toBeLessThan(3 * keys.length);
});

test("a walk over all keys that others change meanwhile leaves out none that stays", () => {
  const random = chance(7);
  const table = new FlatTable();
  const record = (i: number, seq: number): KeyRecord => ({
    seq,
    key: `key_0UbAw3xk0000000000${1_000 + i}`,
    consumer: "con_0UbAw3xk00000000000001",
    environment: "live",
    status: "active",
    scopes: [],
    networks: [],
    current: 1,
    versions: [{ number: 1, state: "active", sha256: sha256Text(`${i}`), compromised: false }],
  });
  for (let i = 0; i < 1_000; i++) table.write(record(i, i + 1), -1);
  for (let i = 0; i < 1_000; i += 3) table.drop(table.headOf(record(i, 0).key));
  const seen = new Set<string>();
  let seq = 2_000;
  for (const head of table.heads()) {
    seen.add(table.keyOf(head));
    const i = 3 * Math.floor(random() * 333) + 1 + Math.floor(random() * 2);
    table.write(record(i, seq++), table.headOf(record(i, 0).key));
  }
  expect(seen.size).toBe(666);
});
