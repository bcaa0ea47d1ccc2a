import type { Report } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, newText, version, worldOf } from "./authority.test-double.ts";
import { stage, status } from "./verifier.test-support.ts";
import { createVerifier } from "./verifier.ts";
import { START, settle, VirtualClock } from "./virtual-clock.test-support.ts";

describe("deciding", () => {
  test("a known key is decided at once, the same each time", async () => {
    const { verifier, text, clock } = await stage();
    await verifier.ready;
    const verdict = verifier.verifyNow(text, { scope: "market:read" });
    expect(verdict).toMatchObject({ valid: true, code: "ok", key: "key_1", version: 1, consumer: "con_1" });
    expect(verifier.verifyNow(text, { scope: "market:read" })).toEqual(verdict);
    expect(verifier.verifyNow(text, { scope: "trade:write" })?.code).toBe("insufficient_scope");
    expect(verifier.verifyNow(text, { environment: "test" })?.code).toBe("wrong_environment");
    expect(verifier.verifyNow(`${text}x`, {})?.code).toBe("malformed");
    expect(verifier.verifyNow(newText("live", "other"), {})?.code).toBe("malformed");
    expect(verifier.verifyNow(undefined as unknown as string, {})?.code).toBe("malformed");
    await clock.pass(60_000);
    expect(verifier.verifyNow(text, {})).toEqual(verdict);
  });

  test("a verdict of a plain key shows all its members, and keeps them when the key changes", async () => {
    const handles = { key: "key_0UbAw3xk00000000000001", consumer: "con_0UbAw3xk00000000000002" };
    const text = newText();
    const { verifier, authority } = await stage({}, (double) =>
      double.write(keyRecord(handles.key, [version(text)], { consumer: handles.consumer })),
    );
    const expected = { valid: true, code: "ok", ...handles, version: 1, environment: "live", scopes: ["market:read"] };
    const verdict = verifier.verifyNow(text, {});
    authority.write(keyRecord(handles.key, [], { consumer: handles.consumer }));
    authority.write(keyRecord("key_0UbAw3xk00000000000009", [version(newText())], { consumer: handles.consumer }));
    await settle();
    expect(verifier.verifyNow(text, {})?.valid).not.toBe(true);
    expect(JSON.parse(JSON.stringify(verdict))).toEqual(expected);
    const { valid, code, key, version: number, consumer, environment, scopes } = verdict!;
    expect({ valid, code, key, version: number, consumer, environment, scopes }).toEqual(expected);
  });

  test("a text of another environment is told so, without asking and without a look at whether it exists", async () => {
    const { code, authority } = await stage();
    expect(code(newText("test"))).toBe("wrong_environment");
    expect(authority.missed).toEqual([]);
  });

  test("a change comes over the feed, is in force at once and acknowledged", async () => {
    const { authority, text, code, events } = await stage();
    expect(code(text)).toBe("ok");
    authority.write(keyRecord("key_1", [version(text)], { status: "revoked" }));
    await settle();
    expect(code(text)).toBe("revoked");
    expect(authority.live.applied).toBe(2);
    expect(events.filter((each) => each.level !== "info")).toEqual([]);
  });

  test("several texts go to the apis of their prefixes", async () => {
    const clock = new VirtualClock();
    const [one, two] = [new AuthorityDouble(clock), new AuthorityDouble(clock)];
    two.prefix = "wal";
    const texts = [newText("live", "mkt"), newText("live", "wal")] as const;
    one.write(keyRecord("key_1", [version(texts[0])]));
    two.write(keyRecord("key_2", [version(texts[1])]));
    const { world } = worldOf(one);
    world.fetch = (input, init) => ((input as string).includes("/wallet/") ? two : one).fetch(input, init);
    const verifier = createVerifier({ url: "https://keys.test/", token: "t", apis: ["market", "wallet"], world });
    await settle();
    await verifier.ready;
    expect(texts.map((text) => verifier.verifyNow(text, {})?.key)).toEqual(["key_1", "key_2"]);
  });
});

describe("starting", () => {
  test("a refused token or an unknown api is said, not waited for", async () => {
    for (const [status, code] of [
      [401, "unauthenticated"],
      [403, "forbidden"],
      [404, "not_found"],
    ] as const) {
      const { verifier, text } = await stage({}, (authority) => {
        authority.refuse = { status, code };
      });
      await expect(verifier.ready).rejects.toThrow(
        /authority at https:\/\/keys.test refuses this verifier for the api "market"/,
      );
      expect(verifier.verifyNow(text, {})?.code).toBe("stale_replica");
    }
  });

  test("whose first registration came late, and twice, registers another time", async () => {
    const { verifier, authority, clock, text, code } = await stage({}, (each) => {
      each.refuse = { status: 409, code: "conflict" };
    });
    authority.refuse = undefined;
    await clock.pass(2_000);
    await verifier.ready;
    expect(code(text)).toBe("ok");
  });

  test("an authority that is away is waited for", async () => {
    const { verifier, authority, clock, text, code } = await stage({}, (each) => {
      each.down = true;
    });
    await clock.pass(30_000);
    expect(code(text)).toBe("stale_replica");
    expect(authority.calls.length).toBeLessThan(25);
    authority.down = false;
    await clock.pass(8_000);
    await verifier.ready;
    expect(code(text)).toBe("ok");
  });

  test("with several environments the one must be named, and be one that the token covers", async () => {
    const many = (authority: AuthorityDouble) => {
      authority.environments = ["live", "test"];
    };
    const unnamed = await stage({}, many);
    await expect(unnamed.verifier.ready).rejects.toThrow(/several environments of market \(live, test\); say which/);
    const wrong = await stage({ environment: "dev" }, many);
    await expect(wrong.verifier.ready).rejects.toThrow(
      /does not cover the environment "dev" of market; it covers live, test/,
    );
    for (const { authority } of [unnamed, wrong])
      expect([authority.calls, authority.live.closed], "nobody waits for it").toEqual([["verifiers", "reports"], true]);
    const named = await stage({ environment: "live" }, many);
    await named.verifier.ready;
    expect(named.code(named.text)).toBe("ok");
  });

  test("a snapshot that was cut off, or lacks a record, is thrown away whole", async () => {
    const cut = (each: AuthorityDouble) => Object.assign(each, { cutAfter: 2 });
    const lacking = (each: AuthorityDouble) => Object.assign(each, { endsAt: 2 });
    for (const damage of [cut, lacking]) {
      const { authority, clock, code, text, verifier } = await stage({}, damage);
      expect(status(verifier).keys).toBe(0);
      expect(code(text)).toBe("stale_replica");
      await clock.pass(200);
      expect(authority.calls.filter((each) => each === "snapshot")).toHaveLength(2);
      expect(code(text)).toBe("ok");
    }
  });
});

describe("following", () => {
  test("a gap is noticed, and healed from what is held", async () => {
    const { authority, clock, text, code, verifier } = await stage();
    const lost = authority.seq + 1;
    authority.seq = lost;
    authority.log.push({
      seq: lost,
      record: { seq: lost, ...keyRecord("key_1", [version(text)], { status: "revoked" }) },
    });
    authority.write(keyRecord("key_2", [version(newText())]));
    await settle();
    expect(status(verifier).seq).toBe(1);
    await clock.pass(200);
    expect(status(verifier).seq).toBe(3);
    expect(code(text)).toBe("revoked");
    expect(authority.calls.filter((each) => each === "snapshot")).toHaveLength(1);
  });

  test("a silent connection is given up and made anew", async () => {
    const { authority, clock, text, code } = await stage();
    authority.freeze();
    authority.write(keyRecord("key_1", [version(text)], { status: "revoked" }));
    await clock.pass(4_000);
    expect(code(text)).toBe("ok");
    await clock.pass(1_200);
    expect(code(text)).toBe("revoked");
  });

  test("a feed that no longer holds our number is replaced by a snapshot", async () => {
    const { authority, clock, text, code, verifier } = await stage();
    authority.down = true;
    authority.hangUp();
    await clock.pass(100);
    authority.write(keyRecord("key_1", [version(text)], { status: "suspended" }));
    authority.write(keyRecord("key_2", [version(newText())]));
    authority.log = [];
    authority.down = false;
    await clock.pass(10_000);
    expect(code(text)).toBe("suspended");
    expect(status(verifier)).toMatchObject({ seq: 3, keys: 2, stale: false, lag: 0 });
  });

  test("a boot that the authority forgot is over at once, and the next begins with its sightings", async () => {
    const { authority, clock, text, code, verifier } = await stage();
    await clock.pass(3_500);
    expect(code(text)).toBe("ok");
    authority.boots.clear();
    await clock.pass(2_500);
    expect(authority.boots.size).toBe(1);
    const [boot] = authority.boots.keys();
    const reports = authority.reports.filter((report) => report.boot === boot);
    expect(reports[0]?.n).toBe(1);
    expect(reports.flatMap((report) => report.sightings)).toMatchObject([{ key: "key_1", accepted: 1 }]);
    expect(status(verifier)).toMatchObject({ stale: false, phase: "following" });
  });

  for (const counted of [true, false]) {
    const name = counted ? "was counted is not told twice" : "was not counted goes with the next boot, in one piece";
    test(`a report whose answer was lost as its boot ended, and that ${name}`, async () => {
      const { authority, clock, text, code, world } = await stage();
      const { fetch } = authority;
      let lost: Report | undefined;
      world.fetch = async (input, init) => {
        const report = (input as string).endsWith("/reports")
          ? (JSON.parse(init?.body as string) as Report)
          : undefined;
        if (report !== undefined && lost === undefined && report.sightings.length > 0) {
          lost = report;
          authority.boots.clear();
          authority.hangUp();
          throw new Error("no answer");
        }
        if (report === undefined || report.boot !== lost?.boot) return fetch(input, init);
        return Response.json({ code: "unknown_boot", ...(counted ? { counted: report.n } : {}) }, { status: 409 });
      };
      expect(code(text)).toBe("ok");
      await clock.pass(10_000);
      expect(code(text)).toBe("ok");
      await clock.pass(2_000);
      expect(lost).toBeDefined();
      const seen = authority.reports.flatMap((report) => report.sightings);
      expect(seen.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(counted ? 1 : 2);
    });
  }

  test("boots that the authority forgets again and again are made with pauses between", async () => {
    const { authority, clock, world } = await stage();
    const { fetch } = authority;
    const refuse = () => Promise.resolve(Response.json({ code: "unknown_boot" }, { status: 409 }));
    world.fetch = (input, init) => ((input as string).includes("/feed") ? refuse() : fetch(input, init));
    authority.hangUp();
    await clock.pass(1_000);
    const before = authority.boots.size;
    expect(before).toBeGreaterThan(1);
    for (let i = 0; i < 20; i++) await settle(); // no time passes
    expect(authority.boots.size).toBe(before);
  });

  test("another api under the same name leaves nothing of the old one", async () => {
    const { authority, clock, text, code, verifier } = await stage();
    authority.write(keyRecord("key_1", [version(text)]));
    await clock.pass(1_000);
    authority.id = "api_other";
    authority.boots.clear();
    authority.records.clear();
    authority.log = [];
    authority.seq = 0;
    const fresh = newText();
    authority.write(keyRecord("key_9", [version(fresh)]));
    authority.hangUp();
    await clock.pass(5_000);
    expect(code(fresh)).toBe("ok");
    expect(code(text)).toBeUndefined();
    expect(status(verifier).keys).toBe(1);
  });
});

describe("the lease", () => {
  test("closed: past its lease a cut-off verifier answers nothing", async () => {
    const { authority, clock, text, code } = await stage({}, (each) => {
      each.policy = { leaseMs: 15_000, onStale: "closed", staticMs: 0 };
    });
    await clock.pass(5_000);
    authority.down = true;
    await clock.pass(13_000);
    expect(code(text)).toBe("ok");
    await clock.pass(2_500);
    expect(code(text)).toBe("stale_replica");
    authority.down = false;
    await clock.pass(8_000);
    expect(code(text)).toBe("ok");
  });

  test("a boot that the authority no longer knows has none, until the next is registered", async () => {
    const { authority, clock, text, code } = await stage({}, (each) => {
      each.policy = { leaseMs: 15_000, onStale: "closed", staticMs: 0 };
    });
    await clock.pass(3_000);
    authority.full = true;
    authority.boots.clear();
    await clock.pass(1_100);
    expect(code(text)).toBe("stale_replica");
    authority.full = false;
    await clock.pass(3_000);
    expect(code(text)).toBe("ok");
  });

  test("static: it goes on and says so, for the set time", async () => {
    const { authority, clock, text, verifier } = await stage({}, (each) => {
      each.policy = { leaseMs: 15_000, onStale: "static", staticMs: 60_000 };
    });
    authority.down = true;
    await clock.pass(16_000);
    expect(verifier.verifyNow(text, {})).toMatchObject({ valid: true, code: "ok", stale: true });
    expect(await Promise.race([verifier.verify(newText(), {}), clock.pass(2_000)])).toMatchObject({
      code: "stale_replica",
    });
    await clock.pass(60_000);
    expect(verifier.verifyNow(text, {})?.code).toBe("stale_replica");
    expect(status(verifier).lease).toEqual({ standing: "over", remainingMs: 0 });
  });

  test("reports that arrive do not keep a verifier fresh whose feed is stuck", async () => {
    const { authority, clock, text, code } = await stage({}, (each) => {
      each.policy = { leaseMs: 6_000, onStale: "closed", staticMs: 0 };
    });
    await clock.pass(2_000);
    authority.silent = true;
    authority.write(keyRecord("key_1", [version(text)], { status: "revoked" }));
    await clock.pass(7_500);
    expect(authority.reports.length).toBeGreaterThan(7);
    expect(code(text)).toBe("stale_replica");
  });

  test("nor do entries: each may have been long on its way, with a revocation behind it", async () => {
    const { authority, clock, code, text } = await stage({}, (each) => {
      each.policy = { leaseMs: 6_000, onStale: "closed", staticMs: 0 };
    });
    await clock.pass(2_000);
    authority.beats = false;
    for (let i = 0; i < 7; i++) {
      expect(code(text)).toBe(i < 6 ? "ok" : "stale_replica");
      authority.write(keyRecord("key_2", [version(newText())]));
      await clock.pass(1_000);
    }
    authority.beats = true;
    await clock.pass(1_000);
    expect(code(text)).toBe("ok");
  });

  test("a verifier an hour off decides the same, and reports in the authority's time", async () => {
    for (const wallMs of [3_600_000, -3_600_000]) {
      const clock = new VirtualClock();
      const authority = new AuthorityDouble(clock);
      authority.latencyMs = 20;
      const text = newText();
      authority.write(keyRecord("key_1", [version(text)], { expiresAt: START + 30_000 }));
      let step = 0;
      const { world } = worldOf(
        authority,
        clock.skewed(() => wallMs + step),
      );
      const verifier = createVerifier({ url: "https://keys.test", token: "t", apis: ["market"], world });
      await clock.pass(10_000);
      expect(verifier.verifyNow(text, {})?.code).toBe("ok");
      step = -2 * wallMs; // and somebody sets the machine's clock
      await clock.pass(19_990);
      expect(verifier.verifyNow(text, {})?.code).toBe("ok");
      await clock.pass(60);
      expect(verifier.verifyNow(text, {})?.code).toBe("expired");
      await clock.pass(5_000);
      for (const report of authority.reports) {
        expect(report.from).toBeGreaterThanOrEqual(START);
        expect(report.to).toBeLessThanOrEqual(clock.now());
        for (const { last } of report.sightings) expect(Math.abs(last - (START + 30_000))).toBeLessThan(20_100);
      }
      expect(authority.live.coveredTo).toBeGreaterThan(clock.now() - 1_200);
    }
  });
});

describe("reports", () => {
  test("intervals are numbered, meet without a gap and carry what was seen", async () => {
    const { authority, clock, text, verifier } = await stage();
    for (let i = 0; i < 30; i++) {
      verifier.verifyNow(text, { network: "203.0.113.9", client: "bot/2.1 (x)", instance: "a" });
      verifier.verifyNow(text, { network: "203.0.113.77", client: "bot/2.1", instance: "a", scope: "trade:write" });
      await clock.pass(100);
    }
    await clock.pass(1_100);
    const { reports } = authority;
    expect(reports.map((report) => report.n)).toEqual(reports.map((_, i) => i + 1));
    for (const [i, report] of reports.entries()) if (i > 0) expect(report.from).toBe(reports[i - 1]?.to);
    const seen = reports.flatMap((report) => report.sightings);
    expect(new Set(seen.map((each) => JSON.stringify(each.source)))).toEqual(
      new Set([JSON.stringify({ network: "203.0.113.0/24", client: "bot/2.1", instance: "a" })]),
    );
    expect(seen.reduce((sum, each) => sum + each.accepted, 0)).toBe(30);
    expect(seen.reduce((sum, each) => sum + each.refused, 0)).toBe(30);
    expect(seen[0]?.longestGapMs).toBe(100);
  });

  test("a lost report is sent again with the same number and content", async () => {
    const { authority, clock, text, verifier } = await stage();
    await clock.pass(1_500);
    verifier.verifyNow(text, {});
    authority.lostAnswers = 3;
    await clock.pass(3_000);
    const numbers = authority.reports.map((report) => report.n);
    expect(numbers.filter((n) => n === 2).length).toBe(4);
    const same = authority.reports.filter((report) => report.n === 2).map((report) => JSON.stringify(report));
    expect(new Set(same).size).toBe(1);
    expect(authority.boots.size).toBe(1);
  });

  test("an hour without a connection ends with one report of the hour, without a hole", async () => {
    const { authority, clock, text, verifier } = await stage();
    await clock.pass(2_500);
    authority.down = true;
    for (let minute = 0; minute < 60; minute++) {
      verifier.verifyNow(text, { network: "198.51.100.1" });
      await clock.pass(60_000);
    }
    expect(status(verifier).pendingReports).toBeLessThanOrEqual(1);
    authority.down = false;
    await clock.pass(20_000);
    expect(authority.boots.size).toBe(1);
    expect(authority.live.coveredTo).toBeGreaterThan(clock.now() - 1_100);
    const seen = authority.reports.flatMap((report) => report.sightings);
    expect(seen.reduce((sum, each) => sum + each.accepted + each.refused, 0)).toBe(60);
  });

  test("more sightings than a report takes go out in several, the rest covering no time", async () => {
    const texts = Array.from({ length: 5_200 }, () => newText());
    const { authority, clock, verifier } = await stage({}, (each) => {
      for (const [i, text] of texts.entries()) each.write(keyRecord(`key_many_${i}`, [version(text)]));
    });
    await clock.pass(1_500);
    await verifier.ready;
    for (const text of texts) verifier.verifyNow(text, {});
    await clock.pass(1_000);
    const [first, rest] = authority.reports.filter((report) => report.sightings.length > 0);
    expect(first?.sightings).toHaveLength(5_000);
    expect(rest?.sightings).toHaveLength(200);
    expect(rest).toMatchObject({ n: first!.n + 1, from: first!.to, to: first!.to });
  });

  test("a report refused as a gap begins a new boot", async () => {
    const { authority, clock } = await stage();
    await clock.pass(2_500);
    authority.live.coveredTo -= 1;
    await clock.pass(3_000);
    expect(authority.boots.size).toBe(2);
    expect(authority.live.n).toBeGreaterThan(0);
  });

  test("close: it answers nothing any more, and its last report says so", async () => {
    const { authority, clock, text, verifier } = await stage();
    await clock.pass(1_500);
    verifier.verifyNow(text, {});
    const closed = verifier.close();
    expect(verifier.verifyNow(text, {})?.code).toBe("stale_replica");
    await closed;
    expect(authority.live.closed).toBe(true);
    expect(authority.reports.at(-1)).toMatchObject({ final: true, sightings: [{ accepted: 1 }] });
    expect(authority.followers).toBe(0);
    const calls = authority.calls.length;
    await clock.pass(60_000);
    expect(authority.calls.length).toBe(calls);
  });

  test.each([
    ["in time", 400],
    ["too late for it", 1_200],
  ])("close: a registration that is under way is taken back, with an answer %s", async (_, latencyMs) => {
    const { authority, clock, verifier } = await stage({}, (each) => {
      each.latencyMs = latencyMs;
    });
    verifier.ready.catch(() => undefined);
    const closed = verifier.close();
    await clock.pass(2_000);
    await closed;
    await clock.pass(60_000);
    expect(authority.calls).toEqual(["verifiers", "reports"]);
    expect(authority.reports).toMatchObject([{ n: 1, final: true, sightings: [] }]);
    expect(authority.live.closed).toBe(true);
  });

  test("close waits no longer than two seconds for an authority that is away", async () => {
    const { authority, clock, verifier } = await stage();
    await clock.pass(1_500);
    authority.down = true;
    const closed = verifier.close();
    await clock.pass(2_000);
    await closed;
  });
});

describe("misses", () => {
  test("a key that the replica lacks is asked for once, and works at once", async () => {
    const { authority, verifier, clock } = await stage();
    authority.silent = true;
    const fresh = newText();
    authority.write(keyRecord("key_2", [version(fresh)]));
    expect(verifier.verifyNow(fresh, {})).toBeUndefined();
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, () => verifier.verify(fresh, { scope: "market:read" })),
    );
    expect(new Set(verdicts.map((each) => each.code))).toEqual(new Set(["ok"]));
    expect(authority.missed).toHaveLength(1);
    expect(verifier.verifyNow(fresh, {})?.code).toBe("ok");
    await clock.pass(0);
  });

  test("an unknown key is unknown on the authority's word alone, remembered for two seconds", async () => {
    const { authority, verifier, clock } = await stage();
    const stranger = newText();
    expect((await verifier.verify(stranger, {})).code).toBe("unknown");
    expect(verifier.verifyNow(stranger, {})?.code).toBe("unknown");
    expect(authority.missed).toHaveLength(1);
    await clock.pass(2_001);
    expect(verifier.verifyNow(stranger, {})).toBeUndefined();
    authority.down = true;
    expect((await verifier.verify(stranger, {})).code).toBe("stale_replica");
  });

  test("an answer on its way resurrects nothing that was revoked meanwhile", async () => {
    const { authority, verifier, clock } = await stage();
    authority.silent = true;
    const fresh = newText();
    authority.write(keyRecord("key_2", [version(fresh)]));
    authority.silent = false;
    authority.hangUp();
    let release = () => {};
    authority.beforeMissAnswer = () => new Promise((go) => (release = go));
    const asked = verifier.verify(fresh, {});
    await settle();
    authority.write(keyRecord("key_2", [version(fresh)], { status: "revoked" }));
    await clock.pass(500);
    release();
    expect((await asked).code).toBe("revoked");
    expect(verifier.verifyNow(fresh, {})?.code).toBe("revoked");
  });
});
