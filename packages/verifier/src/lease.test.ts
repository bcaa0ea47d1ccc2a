import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AuthorityClock, Lease } from "./lease.ts";
import { START, VirtualClock } from "./virtual-clock.test-support.ts";

describe("the authority's clock", () => {
  test("lies between the two bounds, whatever the network does and however the crystals drift", () => {
    const exchange = fc.record({
      pause: fc.integer({ min: 0, max: 600_000 }),
      there: fc.integer({ min: 0, max: 3_000 }),
      back: fc.integer({ min: 0, max: 3_000 }),
    });
    fc.assert(
      fc.property(
        fc.array(exchange, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: -200, max: 200 }),
        (exchanges, ppm) => {
          const local = new VirtualClock();
          const clock = new AuthorityClock(local);
          const trueAt = (at: number) => START + 1_234_567 + at * (1 + ppm / 1e6);
          let at = 0;
          for (const { pause, there, back } of exchanges) {
            const sentAt = at + pause;
            at = sentAt + there + back;
            clock.heard(trueAt(sentAt + there), sentAt, at);
            for (const later of [at, at + 1_000, at + 3_600_000]) {
              expect(clock.earliest(later)).toBeLessThanOrEqual(trueAt(later) + 1e-3);
              expect(clock.latest(later)).toBeGreaterThanOrEqual(trueAt(later) - 1e-3);
            }
            expect(clock.latest(at) - clock.earliest(at)).toBeLessThanOrEqual((there + back) * 1.001 + 1e-3);
          }
        },
      ),
    );
  });

  test("that was set is believed anew", () => {
    const clock = new AuthorityClock(new VirtualClock());
    clock.heard(1_000_000, 0, 10);
    clock.heard(1_000_000 - 3_600_000, 100, 110);
    expect(clock.earliest(110)).toBeCloseTo(1_000_000 - 3_600_000, 0);
    expect(clock.latest(110)).toBeCloseTo(1_000_010 - 3_600_000, 0);
  });
});

describe("a step of the authority's clock", () => {
  const exchange = fc.record({
    pause: fc.integer({ min: 0, max: 60_000 }),
    there: fc.integer({ min: 0, max: 3_000 }),
    back: fc.integer({ min: 0, max: 3_000 }),
  });

  test("is not found where there was none, whatever the network does and however the crystals drift", () => {
    fc.assert(
      fc.property(
        fc.array(exchange, { minLength: 2, maxLength: 20 }),
        fc.integer({ min: -200, max: 200 }),
        (all, ppm) => {
          const local = new VirtualClock();
          const clock = new AuthorityClock(local);
          const marks: ReturnType<typeof clock.mark>[] = [];
          for (const { pause, there, back } of all) {
            const sentAt = local.at + pause;
            local.at = sentAt + there + back;
            clock.heard(START + (sentAt + there) * (1 + ppm / 1e6), sentAt, local.at);
            for (const mark of marks) expect(clock.steppedSince(mark)).toBe(0);
            marks.push(clock.mark());
          }
        },
      ),
    );
  });

  test("is found as soon as an answer tells of it, unless it is small or what the answers took hides it", () => {
    fc.assert(
      fc.property(exchange, exchange, fc.integer({ min: -3_600_000, max: 3_600_000 }), (before, after, stepMs) => {
        const local = new VirtualClock();
        const clock = new AuthorityClock(local);
        const hear = ({ pause, there, back }: typeof before, stepped: number) => {
          const sentAt = local.at + pause;
          local.at = sentAt + there + back;
          clock.heard(START + stepped + sentAt + there, sentAt, local.at);
        };
        hear(before, 0);
        const mark = clock.mark();
        hear(after, stepMs);
        const hidden = before.there + before.back + after.there + after.back;
        const found = clock.steppedSince(mark);
        if (Math.abs(stepMs) <= 1_000) expect(found).toBe(0);
        if (Math.abs(stepMs) > 1_200 + hidden) expect(Math.sign(found)).toBe(Math.sign(stepMs));
      }),
    );
  });

  test("takes the meaning from a beat of the new time, until an answer tells how it was set", () => {
    const local = new VirtualClock();
    const clock = new AuthorityClock(local);
    clock.heard(START, 0, 0);
    local.at = 5_000;
    expect(clock.localOf(START + 4_000)).toBeCloseTo(4_000, -1);
    expect(clock.localOf(START + 4_000)).toBeLessThanOrEqual(4_000);
    // As little ahead as two authorities may be: not later than it was heard.
    expect(clock.localOf(START + 5_900)).toBe(5_000);
    expect(clock.localOf(START + 3_600_000)).toBe(Number.NEGATIVE_INFINITY);
    clock.heard(START + 3_600_000, 4_990, 5_000);
    expect(clock.localOf(START + 3_600_000)).toBeCloseTo(4_990, 0);
  });
});

describe("the lease", () => {
  const policy = { leaseMs: 15_000, onStale: "static" as const, staticMs: 60_000 };
  const closed = { ...policy, onStale: "closed" as const };

  test("ends after the earlier of the grant and the last whole replica", () => {
    const lease = new Lease();
    expect(lease.standing(0)).toBe("over");
    lease.grant(policy, 1_000, 1_010);
    expect(lease.standing(1_000)).toBe("over");
    lease.whole(900);
    expect([lease.standing(15_899), lease.standing(15_900), lease.standing(75_899), lease.standing(75_900)]).toEqual([
      "fresh",
      "static",
      "static",
      "over",
    ]);
    lease.grant(policy, 9_000, 9_010);
    expect(lease.standing(15_900)).toBe("static");
    lease.whole(9_500);
    expect(lease.standing(23_999)).toBe("fresh");
    expect(lease.standing(24_000)).toBe("static");
  });

  test("an answer that was overtaken changes nothing", () => {
    const lease = new Lease();
    lease.grant({ leaseMs: 2_000, onStale: "closed", staticMs: 0 }, 10_000, 10_010);
    lease.grant(policy, 5_000, 10_020);
    lease.whole(10_500);
    expect([lease.standing(11_999), lease.standing(12_000)]).toEqual(["fresh", "over"]);
  });

  test("a grant that comes after its end needs a replica that is whole since then: the authority went on without this verifier", () => {
    const lease = new Lease();
    lease.grant(closed, 0, 10);
    lease.whole(100);
    lease.whole(14_900);
    expect(lease.standing(15_000)).toBe("over");
    lease.grant(closed, 15_100, 15_200);
    expect(lease.standing(15_200)).toBe("over");
    lease.whole(15_199);
    expect(lease.standing(15_210)).toBe("over");
    lease.whole(15_201);
    expect(lease.standing(15_210)).toBe("fresh");
  });

  test("and another one of a replica that is not whole yet needs it as well: a beat may have been on its way all the time", () => {
    const lease = new Lease();
    lease.grant(closed, 0, 10);
    lease.whole(100);
    lease.grant(closed, 15_100, 15_200);
    lease.grant(closed, 40_000, 40_100);
    lease.whole(39_900);
    expect(lease.standing(40_100)).toBe("over");
    lease.whole(40_101);
    expect(lease.standing(40_110)).toBe("fresh");
  });

  test("while grants come in time, a feed that is slow suffices: nothing is handed out without this verifier's word", () => {
    const lease = new Lease();
    lease.grant(closed, 0, 10);
    lease.whole(100);
    for (let at = 1_000; at <= 20_000; at += 1_000) lease.grant(closed, at, at + 10);
    expect(lease.standing(20_010)).toBe("over");
    lease.whole(18_000);
    expect(lease.standing(20_020)).toBe("fresh");
  });

  test("a boot that is over ends it at once; the next grant begins it anew, and what was whole before is not enough", () => {
    const lease = new Lease();
    lease.grant(closed, 1_000, 1_010);
    lease.whole(1_500);
    lease.end(2_000);
    expect(lease.standing(2_000)).toBe("over");
    lease.grant(closed, 2_600, 2_610);
    expect(lease.standing(2_610)).toBe("over");
    lease.whole(1_999);
    expect(lease.standing(2_610)).toBe("over");
    lease.whole(2_615);
    expect(lease.standing(2_620)).toBe("fresh");
  });
});
