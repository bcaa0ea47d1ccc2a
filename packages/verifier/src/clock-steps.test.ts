/** An interval of a report says that nothing else was seen in it. Time that a set clock skips or repeats is in none. */
import type { Report } from "@keyover/core";
import { describe, expect, test } from "vitest";
import type { AuthorityDouble } from "./authority.test-double.ts";
import { type Stage, stage } from "./verifier.test-support.ts";

const HOUR = 3_600_000;
const slow = (authority: AuthorityDouble) => {
  authority.latencyMs = 20;
};

/** One use each 100 ms. */
async function use({ clock, verifier, text }: Stage, ms: number): Promise<number> {
  for (let passed = 0; passed < ms; passed += 100) {
    expect(verifier.verifyNow(text, { network: "203.0.113.9" })?.code).toBe("ok");
    await clock.pass(100);
  }
  return ms / 100;
}

const lengths = (reports: readonly Report[]) => reports.map(({ from, to }) => to - from);
const seen = (reports: readonly Report[]) =>
  reports.flatMap(({ sightings }) => sightings).reduce((sum, { accepted }) => sum + accepted, 0);

describe("an authority whose clock was set", () => {
  for (const byMs of [HOUR, -HOUR, 5_000, -5_000]) {
    test(`by ${byMs} ms: no interval claims what never passed; the boot is over, and what it saw is not lost`, async () => {
      for (let offset = 0; offset < 1_000; offset += 100) {
        const staged = await stage({}, slow);
        const { authority, clock, events } = staged;
        await clock.pass(200);
        let uses = await use(staged, 3_000 + offset);
        authority.aheadMs = byMs;
        uses += await use(staged, 5_000);
        await clock.pass(2_500);
        expect(Math.max(...lengths(authority.counted))).toBeLessThan(2_100);
        expect(seen(authority.counted)).toBe(uses);
        // Set back, the authority may find it first: our interval ends in its future.
        const codes = events.filter(({ event }) => event === "follower.boot_over").map(({ fields }) => fields?.code);
        expect(codes).toHaveLength(1);
        if (byMs > 0) expect(codes).toEqual(["clock_stepped"]);
        expect(authority.boots.size).toBe(2);
        expect(authority.live.coveredTo).toBeGreaterThan(clock.now() + byMs - 1_200);
      }
    });
  }

  test("says so in the log", async () => {
    const { authority, clock, events } = await stage({}, slow);
    await clock.pass(3_000);
    authority.aheadMs = HOUR;
    await clock.pass(3_000);
    const [said] = events.filter(({ event }) => event === "report.clock_stepped");
    expect(said?.level).toBe("warn");
    expect(Math.abs((said?.fields?.byMs as number) - HOUR)).toBeLessThan(100);
  });

  test("forward: the lease of the boot that ends by it is none the worse", async () => {
    const staged = await stage({}, (authority) => {
      authority.latencyMs = 20;
      authority.policy = { leaseMs: 15_000, onStale: "closed", staticMs: 0 };
    });
    await staged.clock.pass(3_000);
    staged.authority.aheadMs = HOUR;
    for (let passed = 0; passed < 5_000; passed += 10) {
      await staged.clock.pass(10);
      expect([passed, staged.code(staged.text)]).toEqual([passed, "ok"]);
    }
    expect(staged.authority.boots.size).toBe(2);
  });

  test("by less than a second: the intervals go on, and meet", async () => {
    for (const byMs of [900, -900]) {
      const staged = await stage({}, slow);
      const { authority, clock } = staged;
      await clock.pass(200);
      await use(staged, 3_000);
      for (let times = 1; times <= 3; times++) {
        authority.aheadMs = times * byMs;
        await use(staged, 3_000);
      }
      expect(authority.boots.size).toBe(1);
      const reports = authority.counted;
      expect(reports.length).toBeGreaterThan(6);
      for (const [i, { from, to }] of reports.entries()) {
        expect(to).toBeGreaterThanOrEqual(from);
        if (i > 0) expect(from).toBe(reports[i - 1]?.to);
      }
    }
  });

  test("an hour's outage without a step is still one interval; with one it is a hole", async () => {
    for (const byMs of [0, HOUR]) {
      const { authority, clock } = await stage({}, slow);
      await clock.pass(2_500);
      authority.down = true;
      await clock.pass(HOUR);
      authority.down = false;
      authority.aheadMs = byMs;
      await clock.pass(20_000);
      expect(authority.boots.size).toBe(byMs === 0 ? 1 : 2);
      const longest = Math.max(...lengths(authority.counted));
      if (byMs === 0) expect(Math.abs(longest - HOUR)).toBeLessThan(10_000);
      else expect(longest).toBeLessThan(2_100);
    }
  });

  test("is found out at the farewell too: what was seen is told, and nothing is claimed", async () => {
    const staged = await stage({}, slow);
    const { authority, clock, verifier } = staged;
    await clock.pass(200);
    const uses = await use(staged, 2_000);
    authority.aheadMs = HOUR;
    // An answer that tells of the step, and the farewell before the next report.
    await clock.pass(900);
    const closing = verifier.close();
    await clock.pass(1_000);
    await closing;
    expect(authority.counted.every(({ final }) => final === undefined)).toBe(true);
    expect(lengths(authority.counted).at(-1)).toBe(0);
    expect(seen(authority.counted)).toBe(uses);
  });
});

test("another authority's clock is a step too", async () => {
  const staged = await stage({ url: ["https://a.test", "https://b.test"] }, (authority) => {
    slow(authority);
    authority.host("b.test").aheadMs = HOUR;
  });
  const { authority, clock, verifier } = staged;
  await clock.pass(200);
  let uses = await use(staged, 3_000);
  authority.kill(verifier.status()[0]!.authority);
  uses += await use(staged, 5_000);
  await clock.pass(2_500);
  expect(Math.max(...lengths(authority.counted))).toBeLessThan(2_100);
  expect(authority.boots.size).toBe(2);
  expect(seen(authority.counted)).toBe(uses);
});
