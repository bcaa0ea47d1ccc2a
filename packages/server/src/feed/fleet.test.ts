/** What verifiers say to the authority, and what it makes of it when they say it wrong. */
import { makeHandle } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, random, SECOND, TestAuthority } from "../authority.test-support.ts";
import { bot, type ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
let verifier: ScriptedVerifier;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  verifier = await keyover.verifier(api);
});
afterEach(() => keyover.close());

const boots = async () => (await keyover.ok("GET", `/v1/apis/${api.id}/verifiers`)).items;
const own = async (boot: string) => (await boots()).find((each: { boot: string }) => each.boot === boot);
const uses = async (id = key.id) => (await keyover.ok("GET", `/v1/keys/${id}/usage`)).sources;
const accepted = async () =>
  (await uses())
    .flatMap(({ versions }: Answer["body"]) => versions)
    .reduce((sum: number, v: { accepted: number }) => sum + v.accepted, 0);

describe("a report", () => {
  test("counts once, however often it comes", async () => {
    verifier.see(key.id, 1);
    const report = {
      boot: verifier.boot,
      n: 2,
      from: verifier.coveredTo,
      to: keyover.now(),
      applied: 1,
      sightings: verifier.sightings,
    };
    for (let i = 0; i < 3; i++) expect((await verifier.call("POST", "/reports", report)).status).toBe(200);
    const other = { ...report, sightings: [...report.sightings, ...report.sightings] };
    expect((await verifier.call("POST", "/reports", other)).status).toBe(200);
    expect(await accepted()).toBe(1);
  });

  test("sent many times at once counts once", async () => {
    verifier.see(key.id, 1);
    const report = {
      boot: verifier.boot,
      n: 2,
      from: verifier.coveredTo,
      to: keyover.now(),
      applied: 1,
      sightings: verifier.sightings,
    };
    const answers = await Promise.all([1, 2, 3, 4].map(() => verifier.call("POST", "/reports", report)));
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    expect((await verifier.call("POST", "/reports", report)).status).toBe(200);
    expect(await accepted()).toBe(1);
  });

  test.each<[string, (at: number) => Record<string, unknown>, string]>([
    ["a gap", () => ({ from: verifier.coveredTo + 1 }), "report_gap"],
    ["an overlap", () => ({ from: verifier.coveredTo - 1 }), "report_gap"],
    ["an interval that runs backward", () => ({ to: verifier.coveredTo - 1 }), "report_gap"],
    ["a number left out", () => ({ n: 3 }), "report_gap"],
    ["an old number", () => ({ n: 99 }), "report_gap"],
    ["an end in the future: a clock an hour ahead", (now) => ({ to: now + HOUR }), "unknown_boot"],
    ["entries applied that the feed does not have", () => ({ applied: 2 }), "feed_ahead"],
    ["another boot", () => ({ boot: "boo_0000000000000000000000" }), "unknown_boot"],
    [
      "a use that is no number",
      () => ({ sightings: [{ ...verifier.sightings[0], accepted: "1" }] }),
      "invalid_request",
    ],
  ])("with %s is refused, and counts for nothing", async (_what, change, code) => {
    await keyover.clock.advance(SECOND);
    verifier.see(key.id, 1);
    const before = await own(verifier.boot);
    const answer = await verifier.report(change(keyover.now()));
    expect(answer.body).toMatchObject({ code });
    expect(await own(verifier.boot)).toEqual(before);
    expect(await uses()).toEqual([]);
    expect((await verifier.report()).status).toBe(200);
    expect(await accepted()).toBe(1);
  });

  test("repeated with a number of entries that the feed does not have is refused as well", async () => {
    await verifier.report();
    const again = { boot: verifier.boot, n: verifier.n, from: 0, to: 0, sightings: [], applied: 99 };
    expect((await verifier.call("POST", "/reports", again)).body.code).toBe("feed_ahead");
    expect((await own(verifier.boot)).applied).toBe(1);
  });

  test("members that a newer verifier adds are passed over", async () => {
    verifier.see(key.id, 1);
    const sightings = verifier.sightings.map((each) => ({ ...each, country: "DE" }));
    expect((await verifier.report({ sightings, mood: "good" })).status).toBe(200);
    expect(await accepted()).toBe(1);
  });

  test("an interval of no length, parts of milliseconds, and an end slightly ahead are fine", async () => {
    expect((await verifier.report({ to: verifier.coveredTo })).status).toBe(200);
    expect((await verifier.report({ to: keyover.now() + 0.25 })).status).toBe(200);
    const at = keyover.now();
    verifier.see(key.id, 1, { first: keyover.now() - 0.75, last: keyover.now() - 0.25, longestGapMs: 0.1 });
    expect((await verifier.report({ to: keyover.now() + 1_900 })).status).toBe(200);
    const [use] = await uses();
    expect(use).toMatchObject({ lastSeen: at, longestGapMs: expect.any(Number) });
    expect(Number.isInteger(use.versions[0].first)).toBe(true);
  });

  test("about another api's key, or a key that this token may not see, is dropped and noted", async () => {
    const foreign = await keyover.key({ api: await keyover.api(), consumer });
    const tester = await keyover.verifier(api, "tester", { environments: ["test"] });
    verifier.see(foreign.id, 1).see("key_none", 1).see(key.id, 1);
    tester.see(key.id, 1);
    await verifier.report();
    await tester.report();
    expect(await uses(foreign.id)).toEqual([]);
    expect(await accepted()).toBe(1);
    expect(keyover.lines.filter((line) => line.includes("verifier.foreign_sighting"))).toHaveLength(3);
  });

  test("that is lost because the disk is full may be sent again", async () => {
    verifier.see(key.id, 1);
    const sound = { ...keyover.store };
    keyover.store.record = () => Promise.reject(new Error("no"));
    expect((await verifier.report()).status).toBe(500);
    Object.assign(keyover.store, sound);
    expect((await verifier.report()).status).toBe(200);
    expect(await accepted()).toBe(1);
  });

  test("of 50 verifiers at once are each counted whole", async () => {
    const fleet = await Promise.all(Array.from({ length: 50 }, () => keyover.verifier(api)));
    await keyover.clock.advance(SECOND);
    for (const each of fleet) each.see(key.id, 1, { accepted: 3 });
    const answers = await Promise.all(fleet.map((each) => each.report()));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(await accepted()).toBe(150);
    for (const each of fleet) expect((await own(each.boot)).coveredTo).toBe(each.coveredTo);
  });
});

describe("an acknowledgement", () => {
  test("ahead of the feed is refused, an old one moves nothing back", async () => {
    expect((await verifier.ack(2)).body).toMatchObject({ code: "feed_ahead", status: 409 });
    expect((await verifier.ack(0)).status).toBe(200);
    expect((await own(verifier.boot)).applied).toBe(1);
  });

  test("renews no lease: only a report, which is durable, does; also after a restart", async () => {
    await keyover.ok("PATCH", `/v1/apis/${api.id}`, { staleness: { onStale: "static", staticMs: HOUR } });
    await verifier.report();
    const granted = keyover.now();
    const until = async () => (await own(verifier.boot)).answersUntil;
    const first = await until();
    for (const restart of [false, true]) {
      await keyover.clock.advance(4 * SECOND);
      if (restart) await keyover.crash();
      const { body } = await verifier.ack();
      expect(body.leaseMs).toBeLessThanOrEqual(10 * SECOND - (keyover.now() - granted) + 10);
      expect(body.now + body.leaseMs + body.staticMs).toBeLessThanOrEqual(await until());
    }
    expect(await until()).toBe(first);
  });

  test("with another token than the one that registered counts for nothing, nor does its report", async () => {
    const token = await keyover.token("verifier", { apis: [api.id] });
    for (const [path, body] of [
      ["acks", { boot: verifier.boot, applied: 1 }],
      [
        "reports",
        { boot: verifier.boot, n: 2, from: verifier.coveredTo, to: keyover.now(), applied: 1, sightings: [] },
      ],
    ] as const) {
      await keyover.refused("unknown_boot", "POST", `/v1/apis/${api.id}/${path}`, body, { token });
    }
  });

  test("for another api's feed counts for nothing", async () => {
    const second = await keyover.api();
    const token = await keyover.token("verifier", { apis: [api.id, second.id] });
    const boot = "boo_0000000000000000000009";
    await keyover.ok("POST", `/v1/apis/${api.id}/verifiers`, { boot, instance: "i", software: "" }, { token });
    await keyover.refused("unknown_boot", "POST", `/v1/apis/${second.id}/acks`, { boot, applied: 0 }, { token });
  });
});

describe("a boot", () => {
  test("is told the api, its environments, its lease and the authority's time", async () => {
    const tester = await keyover.verifier(api, "tester", { environments: ["test"] });
    expect(await tester.register()).toEqual({
      now: keyover.now(),
      leaseMs: 10 * SECOND,
      onStale: "closed",
      staticMs: expect.any(Number),
      verifiers: 2,
      api: { id: api.id, name: api.name, prefix: api.prefix },
      environments: ["test"],
      reportEveryMs: SECOND,
      epoch: api.id,
      asks: true,
    });
  });

  test("that a proxy sends twice is answered twice alike, and begins once", async () => {
    const body = { boot: makeHandle("boot", keyover.now(), random), instance: "twice", software: "test" };
    const send = () => keyover.ok("POST", `${verifier.path}/verifiers`, body, { token: verifier.token });
    const first = await send();
    await keyover.clock.advance(300);
    expect(await send()).toEqual(first);
    const report = { boot: body.boot, n: 1, from: first.now, to: keyover.now(), applied: 0, sightings: [] };
    await keyover.ok("POST", `${verifier.path}/reports`, report, { token: verifier.token });
    await keyover.refused("conflict", "POST", `${verifier.path}/verifiers`, body, { token: verifier.token });
  });

  test("registers once", async () => {
    const body = { boot: verifier.boot, instance: "other", software: "" };
    await keyover.refused("conflict", "POST", `${verifier.path}/verifiers`, body, { token: verifier.token });
  });

  test("replaces the one before of its instance, and the one that it names; they count for nothing then", async () => {
    const old = verifier.boot;
    await keyover.clock.advance(SECOND);
    await verifier.register();
    expect((await own(old)).state).toBe("replaced");
    const late = { boot: old, n: 2, from: keyover.now() - SECOND, to: keyover.now(), applied: 1, sightings: [] };
    expect((await verifier.call("POST", "/reports", late)).body.code).toBe("unknown_boot");
    expect((await verifier.call("POST", "/acks", { boot: old, applied: 1 })).body.code).toBe("unknown_boot");
    const named = verifier.boot;
    await verifier.register({ instance: "renamed", replaces: named });
    expect((await own(named)).state).toBe("replaced");
    expect((await own(verifier.boot)).state).toBe("live");
  });

  test("that is over is told which of its reports was counted last, and nobody else is", async () => {
    const [old, from] = [verifier.boot, verifier.coveredTo];
    await keyover.clock.advance(SECOND);
    const late = { boot: old, n: 2, from, to: keyover.now(), applied: 1, sightings: [] };
    expect((await verifier.call("POST", "/reports", late)).status).toBe(200);
    await verifier.register();
    expect((await verifier.call("POST", "/reports", late)).body).toMatchObject({ code: "unknown_boot", counted: 2 });
    const stranger = await keyover.verifier(api);
    expect((await stranger.call("POST", "/reports", late)).body).not.toHaveProperty("counted");
  });

  test("another instance, and the same instance of another api, are left alone", async () => {
    const second = await keyover.api();
    const twin = await keyover.verifier(second, verifier.instance);
    const other = await keyover.verifier(api);
    expect((await own(verifier.boot)).state).toBe("live");
    expect((await own(other.boot)).state).toBe("live");
    expect((await twin.report()).status).toBe(200);
  });

  test("that is closed, lost or removed is shown so; a removed one must register anew, and the removal is on record", async () => {
    const [closed, removed] = [await keyover.verifier(api), await keyover.verifier(api)];
    await closed.close();
    const before = await keyover.entries();
    await keyover.ok("DELETE", `/v1/apis/${api.id}/verifiers/${removed.boot}`);
    expect(await keyover.entries()).toBe(before + 1);
    await keyover.refused("not_found", "DELETE", `/v1/apis/${api.id}/verifiers/${removed.boot}`);
    await keyover.refused("not_found", "DELETE", `/v1/apis/${api.id}/verifiers/boo_none`);
    expect((await removed.report()).body.code).toBe("unknown_boot");
    await keyover.clock.advance(11 * SECOND);
    const states = Object.fromEntries((await boots()).map(({ boot, state }: Answer["body"]) => [boot, state]));
    expect(states).toEqual({ [verifier.boot]: "lost", [closed.boot]: "closed", [removed.boot]: "removed" });
    await removed.register();
  });

  test("is remembered over a restart: it need not register again", async () => {
    await keyover.crash();
    expect((await verifier.report()).status).toBe(200);
    expect((await own(verifier.boot)).applied).toBe(1);
    expect((await boots()).map(({ state }: Answer["body"]) => state)).toEqual(["live"]);
  });
});

describe("a miss", () => {
  test("finds a key that the feed has not brought yet, by hash, and shows nothing else", async () => {
    const [version] = await keyover.store.list("version", { equals: { key_id: key.id } }, { limit: 1 });
    const found = await verifier.call("POST", "/misses", { sha256: version?.value.sha256 });
    expect(found.body).toMatchObject({ now: keyover.now(), record: { key: key.id, seq: 1 } });
    expect((await verifier.call("POST", "/misses", { sha256: "A".repeat(43) })).body.record).toBeNull();
    expect((await verifier.call("POST", "/misses", { sha256: "short" })).status).toBe(400);
  });
});

test("a late, reordered sighting widens what is known and never makes silence longer", async () => {
  const now = keyover.now();
  verifier.see(key.id, 1, { first: now, last: now });
  await verifier.report();
  const other = await keyover.verifier(api);
  other.see(key.id, 1, { first: now - DAY, last: now - DAY });
  await other.report();
  const [use] = await uses();
  expect(use).toMatchObject({ source: bot, lastSeen: now, longestGapMs: DAY });
  expect(use.versions[0]).toMatchObject({ first: now - DAY, last: now, accepted: 2 });
});

test("a use in the future of the authority's clock counts as now", async () => {
  verifier.see(key.id, 1, { first: keyover.now() + HOUR, last: keyover.now() + HOUR });
  await verifier.report();
  expect((await uses())[0].lastSeen).toBeLessThanOrEqual(keyover.now());
});
