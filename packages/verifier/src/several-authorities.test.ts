import type { World } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { type AuthorityDouble, keyRecord, newText, version } from "./authority.test-double.ts";
import { AuthorityCalls } from "./authority-calls.ts";
import { Lease } from "./lease.ts";
import { patienceOf, Tries } from "./tries.ts";
import { type Stage, stage, status } from "./verifier.test-support.ts";
import { createVerifier, type VerifierOptions } from "./verifier.ts";
import { settle, VirtualClock } from "./virtual-clock.test-support.ts";

const two = ["https://a.test", "https://b.test"];
const three = [...two, "https://c.test"];

const closed = (leaseMs: number) => (authority: AuthorityDouble) => {
  authority.latencyMs = 20;
  authority.policy = { leaseMs, onStale: "closed", staticMs: 0 };
};

/** The verifier's current authority. */
const current = ({ verifier }: Stage) => status(verifier).authority;

/** Every answer in the next `ms` is a fresh one; answers how many there were. */
async function staysFresh({ clock, verifier, text }: Stage, ms: number, story: string): Promise<number> {
  let answers = 0;
  for (let passed = 0; passed < ms; passed += 25) {
    await clock.pass(25);
    const verdict = verifier.verifyNow(text, { network: "203.0.113.9" });
    expect([story, passed, verdict?.code, verdict?.stale]).toEqual([story, passed, "ok", undefined]);
    answers++;
  }
  return answers;
}

/** Uses that the authority has heard of. */
function counted(authority: AuthorityDouble): number {
  const seen = authority.counted.flatMap(({ sightings }) => sightings);
  return seen.reduce((sum, { accepted, refused }) => sum + accepted + refused, 0);
}

describe("with two authorities, of which one", () => {
  const faults = {
    "is killed": (authority: AuthorityDouble, host: string) => authority.kill(host),
    "stands still, and takes connections": (authority: AuthorityDouble, host: string) => authority.stop(host),
    "is started again": (authority: AuthorityDouble, host: string) => authority.start(host),
  };

  for (const [name, fault] of Object.entries(faults)) {
    test(`${name}, a verifier with the shortest lease never answers stale, whatever moment it is`, async () => {
      for (let offset = 0; offset < 1_000; offset += 15) {
        const staged = await stage({ url: two }, closed(2_000));
        await staged.clock.pass(3_000 + offset);
        const lost = current(staged);
        fault(staged.authority, lost);
        await staysFresh(staged, 5_000, `${name} at ${offset}`);
        expect(staged.authority.boots.size).toBe(1);
        if (name !== "is started again") expect(current(staged)).not.toBe(lost);
      }
    });
  }

  test("stands still, a lease of three seconds needs no beat at once", async () => {
    for (let offset = 0; offset < 1_000; offset += 15) {
      const staged = await stage({ url: two }, (authority) => {
        closed(3_000)(authority);
        authority.beatsAtOnce = false;
      });
      await staged.clock.pass(3_000 + offset);
      staged.authority.stop(current(staged));
      await staysFresh(staged, 5_000, `at ${offset}`);
    }
  });

  test("is dead from the start, ready does not wait for it", async () => {
    for (const host of ["a.test", "b.test"]) {
      for (const state of ["killed", "stopped"] as const) {
        const { verifier, clock, code, text } = await stage({ url: two }, (authority) => {
          authority.host(host).state = state;
        });
        await clock.pass(4_000);
        expect(code(text)).toBe("ok");
        await verifier.ready;
      }
    }
  });

  test("stands still, a fresh key is still found, and a revocation comes through", async () => {
    const staged = await stage({ url: two }, closed(2_000));
    const { authority, verifier, clock, code, text } = staged;
    await clock.pass(3_000);
    authority.stop(current(staged));
    const fresh = newText();
    authority.write(keyRecord("key_2", [version(fresh)]));
    authority.write(keyRecord("key_1", [version(text)], { status: "revoked" }));
    const asked = verifier.verify(fresh, {});
    await clock.pass(700);
    expect((await asked).code).toBe("ok");
    await clock.pass(1_300);
    expect(code(text)).toBe("revoked");
  });

  test("only refuses reports, the feed goes on where it is", async () => {
    const staged = await stage({ url: two }, closed(2_000));
    const { authority, clock, text, code, events } = staged;
    await clock.pass(1_500);
    authority.lostAnswers = 1;
    await staysFresh(staged, 3_000, "a lost answer");
    expect(events.filter(({ event }) => event === "authority.moved")).toHaveLength(1);
    expect(events.filter(({ event }) => event === "follower.disconnected")).toEqual([]);
    authority.write(keyRecord("key_1", [version(text)], { status: "revoked" }));
    await clock.pass(50);
    expect(code(text)).toBe("revoked");
  });
});

describe("with three authorities", () => {
  test("one dies in the middle of everything: no stale answer, no hole, every use reported once", async () => {
    for (let offset = 0; offset < 1_000; offset += 55) {
      const staged = await stage({ url: three }, closed(4_000));
      const { authority, clock, code } = staged;
      await clock.pass(300);
      let answers = await staysFresh(staged, 2_000 + offset, `before ${offset}`);
      // A change that is on its way, a report that may be: its answer may be lost, or the report itself.
      const fresh = newText();
      authority.write(keyRecord("key_2", [version(fresh)]));
      authority[offset % 2 === 0 ? "kill" : "stop"](current(staged));
      answers += await staysFresh(staged, 6_000, `after ${offset}`);
      await clock.pass(1_100);
      expect(code(fresh)).toBe("ok");
      expect(authority.live.applied).toBe(2);
      expect(authority.boots.size).toBe(1);
      expect(authority.live.coveredTo).toBeGreaterThan(clock.now() - 1_200);
      expect(counted(authority)).toBe(answers);
    }
  });

  test("a rolling restart is not felt", async () => {
    const staged = await stage({ url: three }, closed(2_000));
    const { authority, clock } = staged;
    await clock.pass(2_000);
    for (const host of ["a.test", "b.test", "c.test", "a.test", "b.test", "c.test"]) {
      authority.kill(host);
      await staysFresh(staged, 700, `${host} is down`);
      authority.start(host);
      await staysFresh(staged, 300, `${host} is back`);
    }
    expect(authority.boots.size).toBe(1);
  });
});

describe("when all authorities are away", () => {
  test("each is tried at once, and then there are pauses", async () => {
    for (const state of ["killed", "stopped"] as const) {
      const { authority, clock, code, text } = await stage({ url: three }, closed(15_000));
      await clock.pass(2_000);
      for (const host of ["a.test", "b.test", "c.test"]) authority[state === "killed" ? "kill" : "stop"](host);
      const before = authority.calls.length;
      await clock.pass(60_000);
      expect(authority.calls.length - before).toBeLessThan(260);
      expect(code(text)).toBe("stale_replica");
      authority.start("c.test");
      await clock.pass(16_000);
      expect(code(text)).toBe("ok");
      expect(authority.boots.size).toBe(1);
    }
  });

  test("those that are merely slow are waited for after the first round", async () => {
    const { authority, clock } = await stage({ url: two }, (each) => {
      each.policy = { leaseMs: 2_000, onStale: "static", staticMs: 60_000 };
      each.latencyMs = 400; // there, and back: longer than a hurried verifier waits
    });
    await clock.pass(30_000);
    expect(authority.boots.size).toBe(1);
    expect(authority.live.coveredTo).toBeGreaterThan(clock.now() - 5_000);
  });
});

describe("one authority alone", () => {
  test("is waited for as ever: a slow answer is an answer, even with the shortest lease", async () => {
    const staged = await stage({}, (each) => {
      each.policy = { leaseMs: 2_000, onStale: "static", staticMs: 60_000 };
      each.latencyMs = 400;
    });
    await staged.clock.pass(5_000);
    const before = staged.authority.reports.length;
    await staged.clock.pass(10_000);
    expect(staged.authority.reports.length - before).toBe(10);
    expect(staged.events.filter(({ event }) => event === "authority.moved")).toEqual([]);
  });

  test("that ends its stream again and again is asked with a pause between", async () => {
    for (const url of ["https://a.test", two]) {
      const { authority, clock } = await stage({ url });
      await clock.pass(1_000);
      const before = authority.calls.filter((call) => call === "feed").length;
      for (let i = 0; i < 100; i++) {
        await clock.pass(10);
        authority.hangUp();
        await settle();
      }
      const feeds = authority.calls.filter((call) => call === "feed").length - before;
      expect(feeds).toBeGreaterThan(5);
      expect(feeds).toBeLessThan(45);
    }
  });
});

describe("tries", () => {
  /** When each of six tries that fail is made, in milliseconds. */
  async function times(urls: string[], elsewhere: boolean): Promise<number[]> {
    const clock = new VirtualClock();
    const world: World = { clock, random: (length) => new Uint8Array(length), fetch, log: () => {} };
    const tries = new Tries(world, new AuthorityCalls(world, { urls, token: "t", api: "market" }), new Lease());
    const made: number[] = [];
    const all = (async () => {
      for (let i = 0; i < 6; i++) {
        made.push(clock.at);
        await tries.next(elsewhere);
      }
    })();
    await clock.pass(60_000);
    await all;
    return made;
  }

  test("are made at once at each authority, and then after a pause that doubles", async () => {
    // No chance: each pause is the shortest, half of what it is on average.
    expect(await times(three, true)).toEqual([0, 0, 0, 25, 25, 25]);
    expect(await times(two, true)).toEqual([0, 0, 25, 25, 75, 75]);
  });

  test("wait where no other authority would do better, or there is none", async () => {
    expect(await times(three, false)).toEqual([0, 25, 75, 175, 375, 775]);
    expect(await times(["https://a.test"], true)).toEqual([0, 25, 75, 175, 375, 775]);
  });
});

describe("patience", () => {
  test("in the first round leaves time to be answered by another within the lease", () => {
    for (const leaseMs of [2_000, 3_000, 6_000, 15_000, 600_000]) {
      const { callMs, feedMs } = patienceOf(leaseMs, true);
      expect(feedMs).toBeGreaterThanOrEqual(1_500);
      expect(leaseMs - feedMs).toBeGreaterThanOrEqual(500);
      expect(leaseMs - 1_000 - callMs).toBeGreaterThanOrEqual(500);
      expect(Math.max(callMs, feedMs)).toBeLessThanOrEqual(5_000);
    }
  });

  test("is what it was where there is nobody else", () => {
    expect(patienceOf(2_000, false)).toEqual({ callMs: 5_000, feedMs: 2_500, snapshotMs: 10_000 });
    expect(patienceOf(15_000, false)).toEqual({ callMs: 5_000, feedMs: 5_000, snapshotMs: 10_000 });
  });
});

describe("the option `url`", () => {
  const make = (url: VerifierOptions["url"]) => () =>
    createVerifier({ url, token: "t", apis: ["market"], world: { clock: new VirtualClock() } as never });

  test("names the one of several that is no address for secrets", () => {
    expect(make([...two, "http://keys.example.com"])).toThrow(/url\[2\] of 3: http:\/\/keys\.example\.com would carry/);
    expect(make(["ftp://a.test", "https://b.test"])).toThrow(/url\[0\] of 2: the authority speaks http or https/);
    expect(make("keys")).toThrow(/^createVerifier: that is no URL/);
    expect(make([])).toThrow(/at least one address/);
  });
});
