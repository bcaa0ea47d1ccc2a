/** The walk through the keys that a selection means: whole, in pieces, from wherever it was left. */
import { isSelected, type KeySelection } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { versionCustodian } from "../store/custodian-entities.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import { AT, aBatch, aConsumer, aKey, anApi, aVersion, mustCommit } from "../store/store.test-support.ts";
import { put, type Store } from "../store/store.ts";
import { selectPage, WALK_START } from "./selection.ts";

let store: Store;
const consumers = Array.from({ length: 700 }, (_, i) =>
  aConsumer({
    id: `con_${String(i).padStart(4, "0")}`,
    name: `desk ${i}`,
    labels: { partner: i % 7 === 0 ? "acme" : "other", region: i % 2 === 0 ? "eu" : "us" },
  }),
);
const keys = Array.from({ length: 1_400 }, (_, i) =>
  aKey({
    id: `key_${String((i * 617) % 1_400).padStart(5, "0")}`,
    apiId: i % 3 === 0 ? "api_b" : "api_a",
    environment: i % 4 === 0 ? "test" : "live",
    consumerId: consumers[(i * 13) % consumers.length]?.id as string,
    name: `bot ${i}`,
    labels: i % 5 === 0 ? { team: "desk" } : {},
    status: i % 10 === 0 ? "revoked" : "active",
    rotationId: null,
  }),
);
const madeAt = (i: number) => AT + i;

beforeEach(async () => {
  store = openMemoryStore({ now: () => AT });
  await mustCommit(store, aBatch([put("api", anApi()), put("api", anApi({ id: "api_b", name: "b", prefix: "bbb" }))]));
  for (let i = 0; i < keys.length; i += 350) {
    const page = keys.slice(i, i + 350);
    const versions = page.map(({ id }, n) => aVersion({ id: `ver_${id}`, keyId: id, createdAt: madeAt(i + n) }));
    await mustCommit(
      store,
      aBatch([...page.map((key) => put("key", key)), ...versions.map((version) => put("version", version))]),
    );
  }
  for (let i = 0; i < consumers.length; i += 350)
    await mustCommit(store, aBatch(consumers.slice(i, i + 350).map((consumer) => put("consumer", consumer))));
});
afterEach(() => store.close());

const labelsOf = new Map(consumers.map(({ id, labels }) => [id, labels]));
const expected = (select: KeySelection) =>
  keys
    .filter((key, i) =>
      isSelected(select, { key, consumerLabels: labelsOf.get(key.consumerId) ?? {}, madeAt: [madeAt(i)] }),
    )
    .filter(({ status }) => status !== "revoked")
    .map(({ id }) => id)
    .sort();

async function walk(select: KeySelection, limit: number) {
  const found: string[] = [];
  const sizes: number[] = [];
  let revoked = 0;
  for (let cursor: string | null = WALK_START; cursor !== null; ) {
    const page = await selectPage(store, select, cursor, limit);
    found.push(...page.found.map(({ key }) => key.id));
    sizes.push(page.found.length);
    revoked += page.revoked;
    cursor = page.cursor;
  }
  return { found, sizes, revoked };
}

const selections: [what: string, select: KeySelection][] = [
  ["everything", { everything: true }],
  ["named keys", { keys: keys.slice(10, 90).map(({ id }) => id) }],
  ["one api", { apis: ["api_a"] }],
  ["two apis and an environment", { apis: ["api_b", "api_a"], environments: ["test"] }],
  ["consumers", { consumers: consumers.slice(3, 40).map(({ id }) => id) }],
  ["a partner's tag", { consumerLabels: { partner: "acme" } }],
  ["a partner's tag in a region, of an api", { consumerLabels: { partner: "acme", region: "us" }, apis: ["api_b"] }],
  ["labels of keys", { keyLabels: { team: "desk" } }],
  ["what was made before", { createdBefore: AT + 321 }],
  ["what nobody has", { keyLabels: { team: "moon" } }],
];

describe.each(selections)("%s", (_what, select) => {
  test.each([7, 100, 5_000])("by %d", async (limit) => {
    const { found, sizes } = await walk(select, limit);
    expect([...found].sort()).toEqual(expected(select));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(limit);
  });
});

test("revoked keys are counted, and not found", async () => {
  expect(await walk({ apis: ["api_a"] }, 50)).toMatchObject({
    revoked: keys.filter(({ apiId, status }) => apiId === "api_a" && status === "revoked").length,
  });
});

test("a key that is made meanwhile is met behind the cursor, and not before it", async () => {
  const { cursor } = await selectPage(store, { apis: ["api_a"] }, WALK_START, 10);
  const [before, behind] = ["key_00000a", "key_99999"].map((id) => aKey({ id, rotationId: null }));
  await mustCommit(store, aBatch([before, behind].map((key) => put("key", key as ReturnType<typeof aKey>))));
  const rest: string[] = [];
  for (let at: string | null = cursor; at !== null; ) {
    const page = await selectPage(store, { apis: ["api_a"] }, at, 100);
    rest.push(...page.found.map(({ key }) => key.id));
    at = page.cursor;
  }
  expect(rest).toContain("key_99999");
  expect(rest).not.toContain("key_00000a");
});

test("a page looks at a limited number of keys, however few of them are meant", async () => {
  let read = 0;
  const counting: Store = {
    ...store,
    async list(table, filter, page) {
      const rows = await store.list(table, filter, page);
      if (table === "key") read += rows.length;
      return rows;
    },
  };
  const page = await selectPage(counting, { keyLabels: { team: "moon" } }, WALK_START, 100);
  expect(page.found).toEqual([]);
  expect(page.cursor).not.toBeNull();
  expect(read).toBeLessThanOrEqual(1_100);
});

test("somebody may have made more tokens than a database takes in one question", async () => {
  const [shown] = keys.filter(({ status }) => status !== "revoked");
  const keyId = shown?.id ?? "";
  const number = 1;
  const seen = { keyId, version: number, who: "tok_99999", how: "created" as const, rotationId: null, via: null };
  await mustCommit(store, aBatch([put("custodian", versionCustodian({ ...seen, at: AT }))]));
  const custodians = Array.from({ length: 70_000 }, (_, i) => `tok_${String(i + 30_000).padStart(5, "0")}`);
  expect((await walk({ custodians }, 100)).found).toEqual([shown?.id]);
});
