/** Several keys in one commit: one that is contended, refused or gone keeps no other from being changed. */
import { effectivePolicy, resolvePolicy, type World } from "@keyover/core";
import { afterEach, expect, test } from "vitest";
import { random, TestAuthority } from "../authority.test-support.ts";
import { createCustody } from "../custody/custody.ts";
import { accept, type Outcome, refuse } from "../outcome.ts";
import type { Batch, CommitOutcome, Store } from "../store/store.ts";
import { KeyChange } from "./change.ts";
import { type ChangedKey, changeMany, type Ledger, type ManyKeysDeps } from "./many-keys.ts";

let keyover: TestAuthority;
let keys: string[];
let commits: Batch[];
/** Somebody else changes this key before each of so many commits. */
let rival: { id: string; times: number };
let deps: ManyKeysDeps;
afterEach(() => keyover.close());

async function open(count: number): Promise<void> {
  keyover = await TestAuthority.start();
  const real = keyover.store;
  const api = await keyover.api();
  const consumer = await keyover.consumer();
  keys = [];
  for (let i = 0; i < count; i++) keys.push((await keyover.key({ api, consumer }, { name: `bot ${i}` })).id);
  commits = [];
  rival = { id: "", times: 0 };
  const custody = createCustody(keyover.masterKey, random);
  const clock = { now: () => keyover.now(), elapsed: () => 0, after: () => () => {} };
  const world: World = { clock, random, log: () => {}, fetch: () => Promise.reject(new Error("no network")) };
  deps = {
    store: real,
    commit: (batch) => rivalled(real, batch),
    heldBack: async () => undefined,
    begin: (state, actor) => new KeyChange(state, { world, custody, policy: effectivePolicy(), actor }),
    finish: async () => {},
    onRotation: () => {},
    refusalOf: (conflict) => refuse("conflict", conflict),
  };
}

async function rivalled(store: Store, batch: Batch): Promise<CommitOutcome> {
  const touches = batch.writes.some((write) => "put" in write && write.value.id === rival.id);
  if (touches && rival.times > 0) {
    rival.times--;
    await keyover.ok("PATCH", `/v1/keys/${rival.id}`, { notes: `change ${rival.times}` });
  }
  const outcome = await store.commit(batch);
  if (outcome.ok) commits.push(batch);
  return outcome;
}

const aPolicy = resolvePolicy([]);

const rename = (change: KeyChange): Outcome<string> => {
  change.key = { ...change.key, name: `new ${change.key.name}` };
  change.note("key.renamed", {});
  return accept(change.key.id);
};

class Noted implements Ledger<string> {
  readonly noted: Record<string, string> = {};
  entries(): Pick<Batch, "writes" | "audit" | "notices"> {
    return { writes: [], audit: [], notices: [] };
  }
  kept(outcomes: ReadonlyMap<string, Outcome<string>>): void {
    for (const [id, outcome] of outcomes) this.noted[id] = outcome.ok ? "changed" : outcome.code;
  }
}

const run = async (ids: readonly string[], refused?: string) => {
  const ledger = new Noted();
  const outcome = await changeMany(
    deps,
    ids,
    { actor: "test" },
    async (all) => all.map(({ change }) => (change.key.id === refused ? refuse("invalid_policy") : rename(change))),
    ledger,
  );
  return { outcome, kept: ledger.noted };
};
const names = async () =>
  (await keyover.ok("GET", "/v1/keys?limit=100")).items.map(({ name }: { name: string }) => name);

test("all of them are one commit, with an audit entry each", async () => {
  await open(20);
  const { outcome, kept } = await run(keys);
  expect(outcome).toMatchObject({ ok: true });
  expect(kept).toEqual(Object.fromEntries(keys.map((id) => [id, "changed"])));
  expect(commits).toHaveLength(1);
  expect(commits[0]?.audit).toHaveLength(20);
  expect((await names()).every((name: string) => name.startsWith("new "))).toBe(true);
});

test("one that others change is taken out, and changed by itself; each is changed once", async () => {
  await open(10);
  rival = { id: keys[4] as string, times: 3 };
  const { kept } = await run(keys);
  expect(new Set(Object.values(kept))).toEqual(new Set(["changed"]));
  expect(commits.map(({ audit }) => audit.length)).toEqual([9, 1]);
  expect((await names()).filter((name: string) => name.startsWith("new bot"))).toHaveLength(10);
  expect((await keyover.ok("GET", `/v1/keys/${keys[4]}`)).notes).toBe("change 0");
});

test("one that is changed without end is left, and the others are done", async () => {
  await open(5);
  rival = { id: keys[0] as string, times: 1_000 };
  const { outcome, kept } = await run(keys);
  expect(outcome).toMatchObject({ ok: true });
  expect(kept[keys[0] as string]).toBe("conflict");
  expect(Object.values(kept).filter((each) => each === "changed")).toHaveLength(4);
});

/** Each key's work relies on its api's row, which somebody changes before each of so many commits. */
const relying = async (ids: readonly string[], times: number) => {
  const { store } = keyover;
  const apiId = (await keyover.ok("GET", "/v1/apis")).items[0].id;
  const revs: number[] = [];
  let left = times;
  deps.commit = async (batch) => {
    if (left-- > 0) await keyover.ok("PATCH", `/v1/apis/${apiId}`, { policy: { quietMs: 60_000 + left } });
    const outcome = await store.commit(batch);
    if (outcome.ok) commits.push(batch);
    return outcome;
  };
  const ledger = new Noted();
  const work = async (all: readonly ChangedKey[]) => {
    const api = await store.get("api", apiId);
    if (api === undefined) throw new Error("it was made");
    revs.push(api.rev);
    return all.map(({ change }) => {
      change.follow(aPolicy, [{ table: "api", id: apiId, rev: api.rev }]);
      return rename(change);
    });
  };
  const outcome = await changeMany(deps, ids, { actor: "test" }, work, ledger);
  return { outcome, kept: ledger.noted, looks: revs.length };
};

test("what they rely on is looked at again if it was changed meanwhile, and nothing is committed that relies on the former", async () => {
  await open(4);
  const { outcome, kept, looks } = await relying(keys, 2);
  expect(outcome).toMatchObject({ ok: true });
  expect(new Set(Object.values(kept))).toEqual(new Set(["changed"]));
  expect(looks).toBe(3);
  expect(commits).toHaveLength(1);
  expect(commits[0]?.checks).toHaveLength(1);
});

test("what is changed without end refuses the whole, after some tries", async () => {
  await open(2);
  const { outcome, kept, looks } = await relying(keys, 1_000);
  expect(outcome).toMatchObject({ ok: false, code: "conflict" });
  expect(kept).toEqual({});
  expect(looks).toBe(6);
  expect(commits).toEqual([]);
});

test("one that is refused, and one that is gone, are not in the commit", async () => {
  await open(4);
  const { kept } = await run([...keys, "key_none"], keys[1]);
  expect(kept).toMatchObject({ [keys[1] as string]: "invalid_policy", key_none: "not_found" });
  expect(commits.map(({ writes }) => writes.length)).toEqual([3]);
});

test("a ledger that others have changed refuses the whole, and nothing is written", async () => {
  await open(3);
  const ledger = new Noted();
  // A row that is not there can't be written over.
  const replan = { id: "x", apiId: null, consumerId: null, keyId: null, after: "", cause: "test", createdAt: 0 };
  const absent = { put: "replan" as const, value: replan, expect: 7 };
  ledger.entries = () => ({ writes: [absent], audit: [], notices: [] });
  const outcome = await changeMany(
    deps,
    keys,
    { actor: "test" },
    async (all) => all.map(({ change }) => rename(change)),
    ledger,
  );
  expect(outcome).toMatchObject({ ok: false, code: "conflict" });
  expect(commits).toEqual([]);
  expect((await names()).some((name: string) => name.startsWith("new "))).toBe(false);
});
