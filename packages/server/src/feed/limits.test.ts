/** What verifiers say they let through, and hear of all of them. */
import type { Limit } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import type { ScriptedVerifier } from "../verifier.test-support.ts";

const rate: Limit = { kind: "rate", name: "rate", per: "key", units: 10, windowMs: 1_000, burst: 20 };
const quota: Limit = { kind: "quota", name: "quota", per: "key", units: 1_000, period: "month", zone: "UTC" };
const shared: Limit = { kind: "quota", name: "shared", per: "consumer", units: 500, period: "day", zone: "UTC" };

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
let one: ScriptedVerifier;
let two: ScriptedVerifier;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
  await keyover.ok("POST", `/v1/apis/${api.id}/plans`, { name: "pro", limits: [rate, quota, shared] });
  key = await keyover.key({ api, consumer }, { plan: "pro" });
  one = await keyover.verifier(api);
  two = await keyover.verifier(api);
  // The count of verifiers is a second old at most.
  await keyover.clock.advance(SECOND);
});
afterEach(() => keyover.close());

/** The beginning of the month, and of the day. */
const month = () => Date.UTC(new Date(keyover.now()).getUTCFullYear(), new Date(keyover.now()).getUTCMonth());
const day = () => keyover.now() - (keyover.now() % (24 * HOUR));
const told = async (verifier: ScriptedVerifier) => {
  const answer = await verifier.report();
  expect(answer.status, answer.text).toBe(200);
  return answer.body;
};
const own = (path: string, secret = key.secret) => keyover.ok("GET", path, undefined, { token: secret });

describe("a report", () => {
  test("tells what a verifier let through, and hears what all have used", async () => {
    const from = one.coveredTo;
    const first = await told(one.spend(key.id, "rate", 15).spend(key.id, "quota", 15, { period: month() }));
    expect(first.verifiers).toBe(2);
    expect(first.limits).toEqual([
      { subject: key.id, limit: "rate", owedMs: from + 1_500 - first.now },
      { subject: key.id, limit: "quota", quota: { period: month(), used: 15, own: 15, granted: expect.any(Number) } },
    ]);
    const second = await told(two.spend(key.id, "rate", 5).spend(key.id, "quota", 4, { period: month() }));
    expect(second.limits[0].owedMs).toBe(first.limits[0].owedMs + 500 - (second.now - first.now));
    expect(second.limits[1].quota).toMatchObject({ used: 19, own: 4 });
    const granted = [first, second].map((answer) => answer.limits[1].quota.granted);
    expect(granted.every((units) => units > 0)).toBe(true);
    expect(granted[0] + granted[1]).toBeLessThanOrEqual(quota.units);
  });

  test("what one request cost beyond the burst is owed, also when others tell of theirs, or are refused", async () => {
    const until = ({ now, limits }: Answer["body"]) => now + limits[0].owedMs;
    await told(one.spend(key.id, "rate", 100, { largest: 100 }));
    const both = await told(two.spend(key.id, "rate", 100, { largest: 100 }));
    expect(both.limits[0].owedMs).toBeGreaterThan(17_000);
    await keyover.clock.advance(SECOND);
    expect(until(await told(one.spend(key.id, "rate", 0, { refused: 5 })))).toBe(until(both));
    await keyover.ok("POST", "/v1/verify", { api: api.id, key: key.secret, cost: 0 });
    await keyover.clock.advance(20 * SECOND);
    await Promise.all([told(one), told(two)]);
    await keyover.clock.advance(SECOND);
    // Then it is paid, and who says no such thing can owe no more than a few bursts.
    const paid = await told(one.spend(key.id, "rate", 400));
    expect(paid.limits[0].owedMs).toBe(2 * (2_000 + 2_000));
  });

  test("what the authority let through itself beyond the burst is owed after a verifier's report too", async () => {
    await keyover.ok("POST", "/v1/verify", { api: api.id, key: key.secret, cost: 200 });
    const { limits } = await told(one.spend(key.id, "rate", 1));
    expect(limits[0].owedMs).toBeGreaterThanOrEqual(20_000);
  });

  test("is granted what a request lacked, past an even share; and nothing more while there is not as much", async () => {
    const at = { period: month() };
    const granted = async (verifier: ScriptedVerifier) => (await told(verifier)).limits[0].quota.granted;
    expect(await granted(one.spend(key.id, "quota", 0, { ...at, refused: 1, wants: 700 }))).toBe(700);
    expect(await granted(two.spend(key.id, "quota", 0, { ...at, refused: 1, wants: 400 }))).toBeLessThanOrEqual(300);
    expect(await granted(two.spend(key.id, "quota", 0, { ...at, refused: 1, wants: 400, holds: 7 }))).toBe(7);
    expect(await granted(one.spend(key.id, "quota", 0, { ...at, keeps: 50 }))).toBe(50);
    expect(await granted(two.spend(key.id, "quota", 0, { ...at, refused: 1, wants: 400, holds: 7 }))).toBe(400);
  });

  test("that comes again is answered with what stands, and counts once", async () => {
    const spent = [{ subject: key.id, limit: "quota", units: 10, refused: 0, period: month(), keeps: 5 }];
    const granted: number[] = [];
    const report = {
      boot: one.boot,
      n: 2,
      from: one.coveredTo,
      to: keyover.now(),
      applied: one.applied,
      sightings: [],
      spent,
    };
    for (let i = 0; i < 3; i++) {
      const { body } = await one.call("POST", "/reports", report);
      expect(body.limits[0].quota).toMatchObject({ used: 10, own: 10 });
      granted.push(body.limits[0].quota.granted);
    }
    // Whoever heard the first answer may be using what it granted: a late copy of the report gives none of it back.
    expect(Math.min(...granted)).toBe(granted[0]);
    expect(granted[0]).toBeGreaterThan(15);
  });

  test("one that speaks of no limits hears of none", async () => {
    expect((await told(one)).limits).toBeUndefined();
  });

  test("of what is not its own to speak of, or its plan lacks, is passed over, and said", async () => {
    const other = await keyover.api();
    const foreign = await keyover.key({ api: other, consumer: await keyover.consumer() });
    const stranger = await keyover.consumer();
    await keyover.ok("PATCH", `/v1/apis/${api.id}`, { defaultPlan: "pro" });
    one.spend(foreign.id, "rate", 5).spend(key.id, "unknown", 5).spend(stranger.id, "shared", 5, { period: day() });
    one.spend(key.id, "shared", 5, { period: day() }).spend("key_0000000000000000000000", "rate", 5);
    expect((await told(one.spend(key.id, "rate", 1))).limits.map(({ limit }: { limit: string }) => limit)).toEqual([
      "rate",
    ]);
    expect(keyover.lines.find((line) => line.includes("verifier.foreign_limit"))).toMatch(/"count":5/);
    const test = await keyover.verifier(api, "tester", { environments: ["test"] });
    expect((await told(test.spend(key.id, "rate", 1))).limits).toBeUndefined();
  });

  test("of a verifier of tests says nothing of a consumer that has live keys alone, and hears nothing", async () => {
    await told(one.spend(consumer.id, "shared", 7, { period: day() }));
    const test = await keyover.verifier(api, "tester", { environments: ["test"] });
    expect((await told(test.spend(consumer.id, "shared", 500, { period: day() }))).limits).toBeUndefined();
    expect((await told(one.spend(consumer.id, "shared", 1, { period: day() }))).limits[0].quota.used).toBe(8);
    await keyover.key({ api, consumer }, { plan: "pro", environment: "test" });
    const both = await told(test.spend(consumer.id, "shared", 2, { period: day() }));
    expect(both.limits[0].quota).toMatchObject({ used: 10, own: 2 });
  });

  test("keys of a consumer share its limit; of several plans that name it the widest counts", async () => {
    const wide = { ...shared, units: 5_000 };
    await keyover.ok("POST", `/v1/apis/${api.id}/plans`, { name: "big", limits: [wide] });
    const answer = await told(one.spend(consumer.id, "shared", 450, { period: day() }));
    expect(answer.limits[0].quota.granted).toBeLessThanOrEqual(500);
    await keyover.key({ api, consumer }, { plan: "big" });
    await keyover.clock.advance(10 * SECOND);
    const later = await told(two.spend(consumer.id, "shared", 450, { period: day() }));
    expect(later.limits[0].quota).toMatchObject({ used: 900, own: 450 });
    expect(later.limits[0].quota.granted).toBeGreaterThan(500);
  });

  test("a changed plan counts at once, and what was used of a limit stays", async () => {
    await told(one.spend(key.id, "quota", 900, { period: month() }));
    await keyover.ok("PATCH", `/v1/apis/${api.id}/plans/pro`, { limits: [{ ...quota, units: 910 }] });
    const answer = await told(two.spend(key.id, "quota", 5, { period: month() }).spend(key.id, "rate", 3));
    expect(answer.limits).toHaveLength(1);
    expect(answer.limits[0].quota).toMatchObject({ used: 905, own: 5 });
    expect(answer.limits[0].quota.granted).toBeLessThanOrEqual(10);
  });

  test("counts for a key without a plan what its api gives", async () => {
    const plain = await keyover.key({ api, consumer });
    expect((await told(one.spend(plain.id, "rate", 1))).limits).toBeUndefined();
    await keyover.ok("PATCH", `/v1/apis/${api.id}`, { defaultPlan: "pro" });
    expect((await told(one.spend(plain.id, "rate", 1))).limits).toHaveLength(1);
  });

  test("what a closed verifier was granted is there for the others", async () => {
    await told(one.spend(key.id, "quota", 100, { period: month() }));
    await one.close();
    const { body } = await two.spend(key.id, "quota", 895, { period: month() }).report();
    expect(body.limits[0].quota).toMatchObject({ used: 995, own: 895 });
    expect(body.limits[0].quota.granted).toBeGreaterThan(895);
  });
});

describe("a rate whose size changes", () => {
  const sized = (units: number, burst: number, windowMs = 1_000): Limit => ({
    kind: "rate",
    name: "team",
    per: "consumer",
    units,
    windowMs,
    burst,
  });
  const size = (limit: Limit) => ({
    rate: limit.kind === "rate" ? { unitMs: limit.windowMs / limit.units, burst: limit.burst } : undefined,
  });

  test("charges what was used before a downgrade as it was used", async () => {
    await keyover.ok("PATCH", `/v1/apis/${api.id}/plans/pro`, { limits: [{ ...rate, units: 1, burst: 1 }] });
    const from = one.coveredTo;
    const answer = await told(one.spend(key.id, "rate", 15, size(rate)));
    expect(answer.limits[0].owedMs).toBe(Math.min(1_000, from + 1_500 - answer.now));
    // An older verifier does not say: then it is charged as what it is now.
    const older = await told(two.spend(key.id, "rate", 2));
    expect(older.limits[0].owedMs).toBeGreaterThan(1_000);
  });

  test("of a consumer is resized with its plan", async () => {
    const [day, fast] = [sized(1_000, 1_000, 24 * HOUR), sized(100, 200)];
    await keyover.ok("PATCH", `/v1/apis/${api.id}/plans/pro`, { limits: [day] });
    const before = await told(one.spend(consumer.id, "team", 1_000, size(day)));
    expect(before.limits[0].owedMs).toBeGreaterThan(HOUR);
    expect(before.limits[0].rate).toEqual(size(day).rate);
    await keyover.ok("PATCH", `/v1/apis/${api.id}/plans/pro`, { limits: [fast] });
    const after = await told(one.spend(consumer.id, "team", 0, size(fast)));
    expect(after.limits[0]).toMatchObject({ owedMs: expect.any(Number), rate: size(fast).rate });
    expect(after.limits[0].owedMs).toBeLessThanOrEqual(2_000);
    expect(after.limits[0].owedMs).toBeGreaterThan(900);
    const { limits } = await keyover.ok("POST", "/v1/verify", { api: api.id, key: key.secret });
    expect(limits[0].remaining).toBe(0);
    await keyover.clock.advance(2 * SECOND);
    expect((await own("/v1/self/limits")).limits[0]).toMatchObject({ remaining: 200 });
  });

  test("of a consumer with two plans is counted by size, each by itself", async () => {
    const [fast, slow] = [sized(100, 200), sized(5, 5)];
    await keyover.ok("PATCH", `/v1/apis/${api.id}/plans/pro`, { limits: [fast] });
    await keyover.ok("POST", `/v1/apis/${api.id}/plans`, { name: "small", limits: [slow] });
    const other = await keyover.key({ api, consumer }, { plan: "small" });
    const from = one.coveredTo;
    one.spend(consumer.id, "team", 300, size(fast)).spend(consumer.id, "team", 13, size(slow));
    const { limits, now } = await told(one);
    expect(limits).toEqual([
      { subject: consumer.id, limit: "team", owedMs: from + 3_000 - now, rate: size(fast).rate },
      { subject: consumer.id, limit: "team", owedMs: from + 2_600 - now, rate: size(slow).rate },
    ]);
    expect((await own("/v1/self/limits", other.secret)).limits[0].resetMs).toBe(from + 2_600 - keyover.now());
    expect((await own("/v1/self/limits")).limits[0].resetMs).toBe(from + 3_000 - keyover.now());
  });
});

test("a key that is asked for comes with its plan, or with its api's default", async () => {
  const askFor = async (id: string) => {
    const [version] = await keyover.store.list("version", { equals: { key_id: id } }, { limit: 1 });
    return (await one.call("POST", "/misses", { sha256: version?.value.sha256 })).body;
  };
  expect((await askFor(key.id)).plans).toMatchObject([{ name: "pro", limits: [rate, quota, shared] }]);
  const plain = await keyover.key({ api, consumer });
  expect((await askFor(plain.id)).plans).toBeUndefined();
  await keyover.ok("POST", `/v1/apis/${api.id}/plans`, { name: "free", limits: [rate] });
  await keyover.ok("PATCH", `/v1/apis/${api.id}`, { defaultPlan: "free" });
  expect((await askFor(plain.id)).plans).toMatchObject([{ name: "free", default: true }]);
  const test = await keyover.verifier(api, "tester", { environments: ["test"] });
  const [version] = await keyover.store.list("version", { equals: { key_id: key.id } }, { limit: 1 });
  const { body } = await test.call("POST", "/misses", { sha256: version?.value.sha256 });
  expect([body.record, body.plans]).toEqual([null, undefined]);
});

describe("POST /v1/verify", () => {
  const ask = (cost?: number) => {
    const body = { api: api.id, key: key.secret, ...(cost === undefined ? {} : { cost }) };
    return keyover.ok("POST", "/v1/verify", body);
  };

  test("is no way around: it charges what verifiers charge", async () => {
    expect(await ask(20)).toMatchObject({
      valid: true,
      limits: [{ remaining: 0 }, { remaining: 980 }, { remaining: 480 }],
    });
    const refused = await ask();
    expect(refused).toMatchObject({ valid: false, code: "rate_limited", retryAfterMs: expect.any(Number) });
    await keyover.clock.advance(refused.retryAfterMs);
    expect(await ask()).toMatchObject({ valid: true, code: "ok" });
    await keyover.clock.advance(MINUTE);
    const { limits } = await told(one.spend(key.id, "quota", 1, { period: month() }));
    expect(limits[0].quota.used).toBe(22);
  });

  test("refuses what is used up, and leaves the others alone", async () => {
    await keyover.ok("PATCH", `/v1/apis/${api.id}/plans/pro`, { limits: [{ ...quota, units: 3 }, rate] });
    expect(await ask(3)).toMatchObject({ valid: true });
    const refused = await ask(1);
    expect(refused).toMatchObject({ valid: false, code: "quota_exceeded" });
    expect(Math.abs(keyover.now() + refused.retryAfterMs - Date.UTC(2027, 1))).toBeLessThan(100);
    expect(refused.limits.map(({ remaining }: { remaining: number }) => remaining)).toEqual([0, 17]);
  });

  test("many at once take no more than there is", async () => {
    await keyover.ok("PATCH", `/v1/apis/${api.id}/plans/pro`, { limits: [{ ...quota, units: 5 }] });
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask()));
    expect(answers.filter(({ valid }) => valid)).toHaveLength(5);
  });

  test("a bad cost is refused", async () => {
    for (const cost of [-1, 1.5, 1e7, "1"])
      await keyover.refused("invalid_request", "POST", "/v1/verify", { api: api.id, key: key.secret, cost });
  });
});

describe("the holder of a key", () => {
  test("reads what is left of its limits, and when they are whole again", async () => {
    const from = one.coveredTo;
    await told(one.spend(key.id, "rate", 15).spend(key.id, "quota", 15, { period: month() }));
    const answer = await own("/v1/self/limits");
    expect(answer).toMatchObject({ key: key.id, plan: "pro", now: keyover.now() });
    const [first, second, third] = answer.limits;
    expect(first).toMatchObject({ limit: rate, remaining: 15, used: 0 });
    expect(first.resetMs).toBe(from + 1_500 - keyover.now());
    expect(second).toMatchObject({ limit: quota, remaining: 985, used: 15 });
    expect(keyover.now() + second.resetMs).toBe(Date.UTC(2027, 1));
    expect(third).toMatchObject({ limit: shared, remaining: 500, used: 0 });
    const plain = await keyover.key({ api, consumer });
    expect(await own("/v1/self/limits", plain.secret)).toMatchObject({ plan: null, limits: [] });
  });

  test("reads how much it was used, by version and time, and what was refused for a limit", async () => {
    one.see(key.id, 1, { accepted: 7, refused: 2, limited: 3 });
    await told(one);
    for (const by of ["10s", "minute", "day"]) {
      const { buckets } = await own(`/v1/self/usage?by=${by}`);
      expect(buckets).toEqual([{ version: 1, start: expect.any(Number), accepted: 7, refused: 2, limited: 3 }]);
      expect((await keyover.ok("GET", `/v1/keys/${key.id}/usage?by=${by}`)).buckets).toEqual(buckets);
    }
  });

  test("a verification that is refused for a limit shows the version in use", async () => {
    await keyover.ok("PATCH", `/v1/apis/${api.id}/plans/pro`, { limits: [{ ...quota, units: 1 }] });
    for (let i = 0; i < 3; i++) await keyover.ok("POST", "/v1/verify", { api: api.id, key: key.secret });
    const { buckets } = await own("/v1/self/usage");
    expect(buckets).toMatchObject([{ accepted: 3, refused: 0, limited: 2 }]);
  });
});

test.each([
  ["from=5&to=4", "lies behind"],
  ["by=10s&from=0", "a day at most"],
  ["by=minute&from=0", "two days at most"],
  ["by=day&from=0", "400 days at most"],
  ["by=hour", ""],
  ["from=-1", ""],
  ["from=x", ""],
])("a bad range of usage is refused: %s", async (query, sentence) => {
  const path = `/v1/keys/${key.id}/usage?${query}`;
  expect((await keyover.refused("invalid_request", "GET", path)).detail).toContain(sentence);
  await keyover.refused("invalid_request", "GET", `/v1/self/usage?${query}`, undefined, { token: key.secret });
});
