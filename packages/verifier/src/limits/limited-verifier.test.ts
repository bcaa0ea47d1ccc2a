/** Limits through the verifier itself, beside an authority that is a double. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KeyRecord, type Limit, makeHandle, type Verdict } from "@keyover/core";
import { afterEach, describe, expect, test } from "vitest";
import { type AuthorityDouble, keyRecord, newText, version } from "../authority.test-double.ts";
import { FlatReplica } from "../flat/flat-replica.ts";
import { isPlain } from "../flat/line.ts";
import { fileChunks, TableReader } from "../flat/table-file.ts";
import { stage } from "../verifier.test-support.ts";
import { createVerifier, type Verifier } from "../verifier.ts";
import { settle } from "../virtual-clock.test-support.ts";

const rate = (units: number, burst: number, more: object = {}): Limit => ({
  kind: "rate",
  name: "burst",
  per: "key",
  units,
  windowMs: 1_000,
  burst,
  ...more,
});
const quota = (units: number, more: object = {}): Limit => ({
  kind: "quota",
  name: "daily",
  per: "key",
  units,
  period: "day",
  zone: "UTC",
  ...more,
});
const plan = (limits: Limit[], more: object = {}) => ({ plan: "pln_1", name: "pro", limits, ...more });

/** `text` is of a key that has the plan. */
const limitedTo = (limits: Limit[], more: (double: AuthorityDouble) => void = () => {}) => {
  const text = newText();
  const prepare = (double: AuthorityDouble) => {
    double.writePlan(plan(limits));
    double.write(keyRecord("key_9", [version(text)], { plan: "pln_1" }));
    more(double);
  };
  return { text, prepare };
};

const allowed = (verifier: Verifier, text: string, most = 1_000): number => {
  let count = 0;
  while (count < most && verifier.verifyNow(text, {})?.valid === true) count++;
  return count;
};

describe("a key with limits", () => {
  test("is refused beyond them, is told what is left, and for how long to wait", async () => {
    const { text, prepare } = limitedTo([rate(2, 3), quota(100)]);
    const { clock, verifier, events } = await stage({}, prepare);
    const first = verifier.verifyNow(text, {});
    expect(first).toMatchObject({
      valid: true,
      key: "key_9",
      limits: [{ remaining: 2, resetMs: 500 }, { remaining: 99 }],
    });
    expect(JSON.parse(JSON.stringify(first)).limits[0].limit.name).toBe("burst");
    expect(allowed(verifier, text)).toBe(2);
    const refused = verifier.verifyNow(text, {});
    expect(refused).toMatchObject({ valid: false, code: "rate_limited", retryAfterMs: 500, key: "key_9" });
    // Neither limit was charged.
    expect(refused?.limits).toMatchObject([{ remaining: 0, resetMs: 500 }, { remaining: 97 }]);
    await clock.pass(500);
    expect(allowed(verifier, text)).toBe(1);
    expect(events.filter(({ event }) => event.startsWith("limits."))).toEqual([]);
  });

  test("of a used up quota is refused until its period ends, by the authority's clock", async () => {
    const { text, prepare } = limitedTo([quota(2)]);
    const { clock, authority, verifier } = await stage({}, prepare);
    expect(allowed(verifier, text)).toBe(2);
    const untilMidnight = 86_400_000 - (authority.clock.now() % 86_400_000);
    const { code, retryAfterMs = 0 } = verifier.verifyNow(text, {}) as Verdict;
    expect([code, Math.abs(retryAfterMs - untilMidnight) < 100]).toEqual(["quota_exceeded", true]);
    authority.aheadMs = untilMidnight - 3_000;
    await clock.pass(2_500);
    expect(allowed(verifier, text)).toBe(0);
    await clock.pass(2_500);
    expect(allowed(verifier, text)).toBe(2);
  });

  test("uses as many as its requests cost; what is no cost is one unit, said once and never thrown", async () => {
    const { text, prepare } = limitedTo([rate(1, 10)]);
    const { verifier, events } = await stage({}, prepare);
    const left = (cost: number) => verifier.verifyNow(text, { cost })?.limits?.[0]?.remaining;
    expect([left(0), left(4), left(0)]).toEqual([10, 6, 6]);
    const odd = [Number.NaN, -3, 0.5, "2" as unknown as number].map(left);
    expect(odd).toEqual([5, 4, 3, 2]);
    expect(verifier.verifyNow(text, { cost: 3 })).toMatchObject({ code: "rate_limited", retryAfterMs: 1_000 });
    expect(verifier.verifyNow(text, { cost: 0 })).toMatchObject({ valid: true });
    expect(events.filter(({ event }) => event === "limits.bad_cost")).toHaveLength(1);
  });

  test("of a larger plan does not wait for what it owed under the smaller one", async () => {
    const slow = rate(1, 3, { windowMs: 86_400_000 });
    const { text, prepare } = limitedTo([slow]);
    const { clock, authority, verifier } = await stage({}, prepare);
    expect(allowed(verifier, text)).toBe(3);
    expect(verifier.verifyNow(text, {})?.retryAfterMs).toBeGreaterThan(80_000_000);
    authority.writePlan(plan([rate(100, 200)]));
    await clock.pass(100);
    // Three units are owed still, and no longer three days' thirds.
    expect(allowed(verifier, text)).toBe(197);
    // A smaller burst alone does it as well, and a request that costs more than the burst is still owed whole.
    await clock.pass(5_000);
    authority.writePlan(plan([rate(1, 1_000)]));
    await clock.pass(100);
    expect(verifier.verifyNow(text, { cost: 1_000 })?.valid).toBe(true);
    authority.writePlan(plan([rate(1, 5)]));
    await clock.pass(100);
    expect(verifier.verifyNow(text, {})?.retryAfterMs).toBeLessThanOrEqual(1_000);
    await clock.pass(10_000);
    expect(verifier.verifyNow(text, { cost: 50 })?.valid).toBe(true);
    expect(verifier.verifyNow(text, {})?.retryAfterMs).toBeGreaterThan(45_000);
  });

  test("that may not use what it asked for is not charged", async () => {
    const { text, prepare } = limitedTo([rate(1, 2)]);
    const { verifier } = await stage({}, prepare);
    for (let i = 0; i < 5; i++) expect(verifier.verifyNow(text, { scope: "other" })?.code).toBe("insufficient_scope");
    expect(allowed(verifier, text)).toBe(2);
  });

  test("counts as in use while it is refused for its limits: nobody takes it for quiet (I3)", async () => {
    const { text, prepare } = limitedTo([rate(1, 1)]);
    const { clock, authority, verifier } = await stage({}, prepare);
    for (let i = 0; i < 5; i++) verifier.verifyNow(text, {});
    await clock.pass(1_500);
    const seen = authority.counted.flatMap(({ sightings }) => sightings).filter(({ key }) => key === "key_9");
    expect(seen).toMatchObject([{ accepted: 5, refused: 0 }]);
    const spent = authority.counted.flatMap((report) => report.spent ?? []);
    const size = { unitMs: 1_000, burst: 1 };
    expect(spent).toEqual([{ subject: "key_9", limit: "burst", units: 1, refused: 4, rate: size }]);
  });

  test("shares a limit of its consumer with the other keys of that consumer, and no other", async () => {
    const texts = [newText(), newText(), newText()];
    const { prepare } = limitedTo([rate(1, 4, { per: "consumer" }), rate(1, 3, { name: "own" })], (double) => {
      for (const [i, consumer] of ["con_a", "con_a", "con_b"].entries())
        double.write(keyRecord(`key_${20 + i}`, [version(texts[i]!)], { plan: "pln_1", consumer }));
    });
    const { verifier } = await stage({}, prepare);
    expect(texts.map((text) => allowed(verifier, text))).toEqual([3, 1, 3]);
  });

  test("can't get round them by the way its key is held: plain, in rotation, plain again, of a new record, in a new snapshot", async () => {
    const [old, fresh] = [newText(), newText()];
    const handle = makeHandle("key", 1_750_000_000_000, () => new Uint8Array(20).fill(7));
    const consumer = makeHandle("consumer", 1_750_000_000_000, () => new Uint8Array(20).fill(9));
    const write = (double: AuthorityDouble, versions: KeyRecord["versions"], more: Partial<KeyRecord> = {}) =>
      double.write(keyRecord(handle, versions, { plan: "pln_1", consumer, ...more }));
    const limits = [rate(1, 8), rate(1, 8, { name: "all", per: "consumer" })];
    const { prepare } = limitedTo(limits, (double) => write(double, [version(old)]));
    const { authority, clock, verifier } = await stage({}, prepare);
    const left = (text: string) => verifier.verifyNow(text, {})?.limits?.map(({ remaining }) => remaining);
    expect(left(old)).toEqual([7, 7]);
    write(authority, [version(old, { state: "retiring" }), version(fresh, { number: 2 })], { current: 2 });
    await settle();
    expect([left(old), left(fresh), left(old)]).toEqual([
      [6, 6],
      [5, 5],
      [4, 4],
    ]);
    write(authority, [version(fresh, { number: 2 })], { current: 2 });
    await settle();
    expect(left(fresh)).toEqual([3, 3]);
    authority.log = [];
    authority.seq += 10;
    authority.hangUp();
    await clock.pass(1_000);
    expect(authority.calls.filter((name) => name === "snapshot")).toHaveLength(2);
    const spent = authority.counted.flatMap((report) => report.spent ?? []);
    expect(spent).toMatchObject([
      { subject: handle, limit: "burst", units: 5 },
      { subject: consumer, limit: "all", units: 5 },
    ]);
    expect(left(fresh)).toEqual([3, 3]);
  });

  test("in an overlap has one limit: old and new version alternately get exactly what one of them would", async () => {
    const [old, fresh] = [newText(), newText()];
    const { prepare } = limitedTo([rate(10, 5)], (double) => {
      const versions = [version(old, { state: "retiring" }), version(fresh, { number: 2 })];
      double.write(keyRecord("key_10", versions, { plan: "pln_1", current: 2 }));
    });
    const { clock, verifier } = await stage({}, prepare);
    const accepted = { old: 0, fresh: 0 };
    for (let i = 0; i < 2_000; i++) {
      if (verifier.verifyNow(old, {})?.valid === true) accepted.old++;
      if (verifier.verifyNow(fresh, {})?.valid === true) accepted.fresh++;
      await clock.pass(10);
    }
    // A burst of 5, and 10 a second for 20 seconds less the last 10 ms.
    expect(accepted.old + accepted.fresh).toBe(5 + 199);
  });
});

describe("plans", () => {
  test("change at run time; what is used stays used", async () => {
    const { text, prepare } = limitedTo([rate(1, 5)]);
    const { authority, verifier } = await stage({}, prepare);
    expect(allowed(verifier, text)).toBe(5);
    authority.writePlan(plan([rate(1, 8)]));
    await settle();
    expect(allowed(verifier, text)).toBe(3);
    authority.push({ seq: ++authority.seq, plan: { ...plan([rate(1, 1_000)]), seq: 1 } });
    await settle();
    expect(allowed(verifier, text), "an older one").toBe(0);
    authority.writePlan(plan([], { removed: true }));
    await settle();
    expect(verifier.verifyNow(text, {})).toMatchObject({ valid: true });
    expect(verifier.verifyNow(text, {})?.limits).toBeUndefined();
  });

  test("an api's default is that of keys without one of their own; of two the newer", async () => {
    const own = newText();
    const { authority, verifier, text } = await stage({}, (double) => {
      double.writePlan(plan([rate(1, 2)], { default: true }));
      double.writePlan({ plan: "pln_2", name: "own", limits: [rate(1, 4)] });
      double.write(keyRecord("key_9", [version(own)], { plan: "pln_2" }));
    });
    expect([allowed(verifier, text), allowed(verifier, own)]).toEqual([2, 4]);
    authority.writePlan({ plan: "pln_3", name: "new", limits: [rate(1, 3)], default: true });
    await settle();
    expect(allowed(verifier, text)).toBe(1);
  });

  test("one that nobody knows limits nothing, and is said once", async () => {
    const text = newText();
    const { verifier, events } = await stage({}, (double) => {
      double.writePlan(plan([rate(1, 1)]));
      double.write(keyRecord("key_9", [version(text)], { plan: "pln_other" }));
    });
    expect(allowed(verifier, text, 50)).toBe(50);
    const said = events.filter(({ event }) => event === "limits.plan_missing");
    expect(said).toMatchObject([{ level: "warn", fields: { api: "market", plan: "pln_other" } }]);
  });

  test("of a limit that is not understood the others count, and it is said", async () => {
    const odd = [{ kind: "concurrency", name: "odd" }, quota(5, { name: "moon", zone: "Moon/Crater" }), rate(1, 0)];
    const { text, prepare } = limitedTo([...(odd as unknown as Limit[]), rate(1, 2, { name: "good" })]);
    const { verifier, events } = await stage({}, prepare);
    expect(allowed(verifier, text)).toBe(2);
    expect(events.filter(({ event }) => event === "limits.not_understood")).toHaveLength(3);
  });

  test("of more limits than there may be, or two of one name, the first count", async () => {
    const many = Array.from({ length: 12 }, (_, i) => rate(1, 20 - i, { name: `r${i}` }));
    const { text, prepare } = limitedTo([rate(1, 15, { name: "r0" }), ...many]);
    const { verifier } = await stage({}, prepare);
    expect(verifier.verifyNow(text, {})?.limits?.map(({ remaining }) => remaining)).toEqual([
      14, 18, 17, 16, 15, 14, 13,
    ]);
  });

  test("what is gone from a snapshot is gone here", async () => {
    const { authority, clock, verifier, text } = await stage({}, (double) =>
      double.writePlan(plan([rate(1, 2)], { default: true })),
    );
    expect(allowed(verifier, text)).toBe(2);
    authority.limits.plans.length = 0;
    authority.log = [];
    authority.seq += 10;
    authority.hangUp();
    await clock.pass(500);
    expect(allowed(verifier, text, 20)).toBe(20);
  });

  test("of a key that is in no other way special take no more room: its line says it, in memory and in a file", () => {
    const replica = new FlatReplica();
    const handle = makeHandle("key", 1_750_000_000_000, () => new Uint8Array(20));
    const consumer = makeHandle("consumer", 1_750_000_000_000, () => new Uint8Array(20));
    const record = { ...keyRecord(handle, [version(newText())], { consumer, plan: "pln_1" }), seq: 1 };
    replica.put(record);
    const head = replica.table.headOf(handle);
    expect(isPlain(replica.table.metaOf(head))).toBe(true);
    const bytes = Buffer.concat([...fileChunks(replica.table, {})]);
    const reader = new TableReader();
    for (let at = 0; at < bytes.length; ) at += reader.take(bytes, at);
    reader.finish(0);
    for (const table of [replica.table, reader.table])
      expect([...table.heads()].map((slot) => table.recordOf(slot))).toEqual([record]);
  });
});

/** The real disk takes real time. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2_000 && !(await isSo()); i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await settle();
  }
}
const isFresh = (verifier: Verifier) => verifier.status()[0]?.lease.standing === "fresh";

describe("a key that is asked of the authority", () => {
  /** The authority has both, and the feed is behind. */
  const ahead = (double: AuthorityDouble, key: string, units: number) => {
    const text = newText();
    const seq = double.seq + 10;
    double.limits.plans.splice(0, 1, { seq: seq - 1, ...plan([rate(units, units)]) });
    double.records.set(key, { seq, ...keyRecord(key, [version(text)], { plan: "pln_1" }) });
    return text;
  };

  test("brings its plan along, before the feed does; also the default of its api", async () => {
    const { authority, verifier, events } = await stage({});
    const text = ahead(authority, "key_9", 3);
    const first = await verifier.verify(text, {});
    expect(first).toMatchObject({ valid: true, key: "key_9", limits: [{ remaining: 2 }] });
    expect(allowed(verifier, text)).toBe(2);
    const other = newText();
    authority.limits.plans.push({ seq: 90, plan: "pln_2", name: "free", limits: [rate(7, 7)], default: true });
    authority.records.set("key_8", { seq: 91, ...keyRecord("key_8", [version(other)]) });
    expect(await verifier.verify(other, {})).toMatchObject({ limits: [{ remaining: 6 }] });
    expect(events.filter(({ event }) => event === "limits.plan_missing")).toEqual([]);
  });

  test("by an answer that was long on its way changes nothing that is newer", async () => {
    const { authority, clock, verifier } = await stage({}, (double) => double.writePlan(plan([rate(9, 9)])));
    const text = newText();
    authority.records.set("key_9", { seq: 90, ...keyRecord("key_9", [version(text)], { plan: "pln_1" }) });
    const { promise, resolve } = Promise.withResolvers<void>();
    authority.beforeMissAnswer = () => promise;
    const answer = verifier.verify(text, {});
    await clock.pass(10);
    authority.writePlan(plan([rate(4, 4)]));
    await clock.pass(10);
    resolve();
    expect(await answer).toMatchObject({ limits: [{ remaining: 3 }] });
  });

  test("of an older authority has no limits until the feed brings them, as before", async () => {
    const { authority, verifier } = await stage({});
    authority.older = true;
    const text = ahead(authority, "key_9", 3);
    expect(await verifier.verify(text, {})).toMatchObject({ valid: true });
    expect(allowed(verifier, text, 9)).toBe(9);
  });
});

describe("several boots", () => {
  const folders: string[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
  });

  test("what a boot that ended could not tell goes with the next one, once", async () => {
    const { text, prepare } = limitedTo([rate(1, 100), quota(1_000)]);
    const { authority, clock, verifier } = await stage({}, prepare);
    const told = () => {
      const all = authority.counted.flatMap((report) => report.spent ?? []);
      return ["burst", "daily"].map((name) =>
        all.reduce((sum, { limit, units }) => (limit === name ? sum + units : sum), 0),
      );
    };
    allowed(verifier, text, 3);
    await clock.pass(1_500);
    expect(told()).toEqual([3, 3]);
    authority.down = true;
    allowed(verifier, text, 4);
    await clock.pass(3_000);
    allowed(verifier, text, 5);
    const lastTold = authority.clock.now();
    authority.boots.clear();
    authority.down = false;
    await clock.pass(10_000);
    expect(told()).toEqual([12, 12]);
    const late = authority.counted.flatMap((report) => report.spent ?? []).filter(({ since }) => since !== undefined);
    expect(late.length).toBeGreaterThan(0);
    for (const { since = 0 } of late) expect(since).toBeLessThanOrEqual(lastTold);
  });

  test("plans are in force after a restart without the authority, from the snapshot on disk and the journal, with one's share", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "keyover-limits-"));
    folders.push(dataDir);
    const other = newText();
    const { text, prepare } = limitedTo([rate(40, 40)], (double) => {
      double.limits.verifiers = 4;
    });
    const { authority, clock, verifier, world } = await stage({ dataDir, instance: "a" }, prepare);
    await until(() => isFresh(verifier));
    const journal = join(dataDir, "api-market.journal");
    await until(async () => (await readFile(journal, "utf8").catch(() => "")).includes('"lease":{'));
    authority.writePlan({ plan: "pln_2", name: "late", limits: [rate(20, 20)] });
    authority.write(keyRecord("key_10", [version(other)], { plan: "pln_2" }));
    await until(async () => (await readFile(journal, "utf8")).includes('"pln_2"'));
    expect([allowed(verifier, text), allowed(verifier, other)]).toEqual([40, 20]);
    authority.down = true;
    const closing = verifier.close();
    await clock.pass(5_000);
    await closing;
    const again = createVerifier({
      url: "https://keys.test",
      token: "t",
      apis: ["market"],
      world,
      dataDir,
      instance: "a",
    });
    await until(() => isFresh(again));
    expect(again.status()).toMatchObject([{ lease: { standing: "fresh" }, keys: 3 }]);
    expect([allowed(again, text), allowed(again, other)]).toEqual([10, 5]);
    expect(again.verifyNow(text, {})).toMatchObject({ code: "rate_limited" });
    const end = again.close();
    await clock.pass(5_000);
    await end;
  });

  test("two verifiers share a quota to the last unit, also where one is cut off for a while", async () => {
    const { text, prepare } = limitedTo([quota(300)], (double) => {
      double.limits.verifiers = 2;
    });
    const { authority, clock, verifier, world } = await stage({ instance: "a" }, prepare);
    const second = createVerifier({ url: "https://keys.test", token: "t", apis: ["market"], world, instance: "b" });
    await settle();
    let accepted = 0;
    for (let i = 0; i < 600; i++) {
      authority.lostAnswers = i % 100 === 50 ? 3 : authority.lostAnswers;
      if ((i % 3 === 0 ? second : verifier).verifyNow(text, {})?.valid === true) accepted++;
      await clock.pass(100);
    }
    expect(accepted).toBe(300);
    expect(second.verifyNow(text, {})?.code).toBe("quota_exceeded");
    await second.close();
  });
});
