/** Several verifiers and one authority: the bounds that limit-state.ts states hold under faults, and can be reached. */
import { creditOf, debtMax, type Limit, type QuotaLimit, type RateLimit } from "@keyover/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EPOCH, Fleet, type Node, REPORT_MS } from "./limits.test-world.ts";

const rateOf = (units: number, burst: number, more: Partial<RateLimit> = {}): RateLimit => ({
  kind: "rate",
  name: "rate",
  per: "key",
  units,
  windowMs: 1_000,
  burst,
  ...more,
});
const quotaOf = (units: number): QuotaLimit => ({
  kind: "quota",
  name: "quota",
  per: "key",
  units,
  period: "day",
  zone: "UTC",
});
const fleetOf = (limit: Limit, verifiers: number) => new Fleet({ limits: [limit] }, verifiers);

/** `used ≤ burst + rate × t + (V - 1) × (burst + rate × 2 reports)`, less what grows with t; or the largest cost for the burst. */
const rateBound = ({ units, burst }: RateLimit, verifiers: number, reports = 2, cost = 1) =>
  Math.max(burst, cost) + (verifiers - 1) * (Math.max(burst, cost) + (units * reports * REPORT_MS) / 1_000);

/** Mostly as usual, else also more than most limits here hold. */
const costs = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 200 }));

const atOnce = (node: Node | undefined, most = 100_000): number => {
  let taken = 0;
  while (taken < most && node?.take().code === "ok") taken++;
  return taken;
};

interface Step {
  passMs: number;
  node: number;
  takes: number;
  what: "go on" | "cut" | "no answers" | "good" | "kill" | "register";
}

const stepsWith = (...what: Step["what"][]) =>
  fc.array(
    fc.record({
      passMs: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 4_000 })),
      node: fc.nat(4),
      takes: fc.oneof(fc.constant(1), fc.nat(60)),
      what: fc.oneof(
        { weight: 6, arbitrary: fc.constant("go on" as const) },
        { weight: 1, arbitrary: fc.constantFrom(...what) },
      ),
    }),
    { minLength: 1, maxLength: 250 },
  );

/** Each third request costs `cost`. Answers how many boots there were, and how long, added up, verifiers had no answers. */
function play(fleet: Fleet, steps: readonly Step[], cost = 1): { killed: number; awayMs: number } {
  let [killed, awayMs] = [0, 0];
  for (const { passMs, node, takes, what } of steps) {
    awayMs += passMs * fleet.nodes.filter(({ network }) => network !== "good").length;
    fleet.passTo(fleet.now + passMs);
    const each = fleet.nodes[node % fleet.nodes.length] as Node;
    if (what === "kill") {
      each.kill();
      killed++;
    } else if (what === "register") each.register();
    else if (what !== "go on") each.network = what;
    for (let i = 0; i < takes; i++) each.take(i % 3 === 0 ? cost : 1);
  }
  return { killed, awayMs };
}

describe("a rate", () => {
  const limits = fc
    .tuple(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 60 }))
    .map(([units, burst]) => rateOf(units, burst));

  test("on one verifier is exact: no time in which more is used, whatever becomes of its reports", () => {
    fc.assert(
      fc.property(limits, stepsWith("cut", "no answers", "good", "register"), (limit, steps) => {
        const fleet = fleetOf(limit, 1);
        play(fleet, steps);
        expect(fleet.excess(limit.units / 1_000)).toBeLessThanOrEqual(limit.burst + 0.001);
      }),
    );
  });

  test("on one verifier refuses nothing that fits, whatever becomes of its reports", () => {
    const fleet = fleetOf(rateOf(10, 5), 1);
    const [node] = fleet.nodes as [Node];
    for (let i = 0; i < 600; i++) {
      if (i % 97 === 0) node.network = i % 2 === 0 ? "good" : "no answers";
      if (i % 131 === 130) node.register();
      fleet.passTo(100 * i);
      expect([i, node.take().code]).toEqual([i, "ok"]);
    }
  });

  test("on many: no more than is stated, over any time", () => {
    fc.assert(
      fc.property(
        limits,
        fc.integer({ min: 2, max: 5 }),
        stepsWith("go on"),
        costs,
        (limit, verifiers, steps, cost) => {
          const fleet = fleetOf(limit, verifiers);
          play(fleet, steps, cost);
          expect(fleet.excess(limit.units / 1_000)).toBeLessThanOrEqual(rateBound(limit, verifiers, 2, cost));
        },
      ),
      { numRuns: 200 },
    );
  });

  test("on many comes near to what is stated", () => {
    const limit = rateOf(10, 40);
    const fleet = fleetOf(limit, 4);
    for (let at = 10; at <= 6_000; at += 10) {
      fleet.passTo(at);
      for (const node of fleet.nodes) node.take();
    }
    expect(fleet.excess(limit.units / 1_000)).toBeGreaterThan(0.8 * rateBound(limit, 4));
  });

  test("on many is exact in the long run, and gives all that there is", () => {
    const limit = rateOf(20, 10);
    const fleet = fleetOf(limit, 4);
    for (let at = 20; at <= 600_000; at += 20) {
      fleet.passTo(at);
      fleet.nodes[(at / 20) % 4]?.take();
    }
    expect(fleet.used() / 12_000).toBeGreaterThan(0.97);
    expect(fleet.used()).toBeLessThanOrEqual(12_000 + rateBound(limit, 4));
  });

  test("where a request costs more than the burst it is exact in the long run too, whoever asks for less meanwhile", () => {
    const limit = rateOf(5, 1, { windowMs: 2_000 });
    const fleet = fleetOf(limit, 4);
    for (let at = 150; at <= 600_000; at += 150) {
      fleet.passTo(at);
      fleet.nodes[(at / 150) % 4]?.take((at / 150) % 7 === 0 ? 1 : 20);
    }
    expect(fleet.used()).toBeGreaterThan(0.97 * 1_500);
    expect(fleet.used()).toBeLessThanOrEqual(1_500 + 20 + 3 * (20 + 2 * 2.5));
  });

  test("under partitions, lost answers and restarts: a share more for each that is cut off, as another verifier for each start", () => {
    const faults = stepsWith("cut", "no answers", "good", "good", "kill", "register");
    fc.assert(
      fc.property(limits, fc.integer({ min: 2, max: 5 }), faults, costs, (limit, verifiers, steps, cost) => {
        const fleet = fleetOf(limit, verifiers);
        const { killed, awayMs } = play(fleet, steps, cost);
        // Until it knows that it is cut off a verifier goes on for 2.5 reports; and the others have not heard of its last.
        const bound = rateBound(limit, verifiers + killed, 4, cost) + (limit.units * awayMs) / 1_000 / verifiers;
        expect(fleet.excess(limit.units / 1_000)).toBeLessThanOrEqual(bound);
      }),
      { numRuns: 200 },
    );
  });

  test("what others used, and what was used here since the report, add up", () => {
    const fleet = fleetOf(rateOf(1, 20), 2);
    const [here, other] = fleet.nodes as [Node, Node];
    for (let i = 0; i < 10; i++) other.take();
    other.report();
    here.take();
    here.network = "no answers";
    here.report();
    for (let i = 0; i < 4; i++) here.take();
    here.network = "good";
    here.report();
    expect(here.take()).toMatchObject({ code: "ok", limits: [{ remaining: 4 }] });
  });

  test("a verifier that hears nothing has a share, and all of it again when it hears", () => {
    const fleet = fleetOf(rateOf(40, 40), 4);
    const [cut] = fleet.nodes as [Node];
    fleet.passTo(3_000);
    expect(atOnce(cut)).toBe(40);
    cut.network = "cut";
    fleet.passTo(10_000);
    expect(atOnce(cut)).toBe(10);
    fleet.passTo(11_000);
    expect(atOnce(cut)).toBe(10);
    fleet.passTo(11_050);
    expect(atOnce(cut)).toBe(0);
    cut.network = "good";
    fleet.passTo(16_000);
    expect(atOnce(cut)).toBe(40);
  });

  test("nobody is locked out for as long as the network was away", () => {
    const limit = rateOf(10, 10);
    const fleet = fleetOf(limit, 2);
    const [cut, other] = fleet.nodes as [Node, Node];
    cut.network = "cut";
    for (let at = 50; at <= 600_000; at += 50) {
      fleet.passTo(at);
      cut.take();
      other.take();
    }
    cut.network = "good";
    fleet.passTo(fleet.now + 2_000);
    const from = fleet.now;
    while (other.take().code !== "ok") fleet.passTo(fleet.now + 100);
    expect(fleet.now - from).toBeLessThanOrEqual(debtMax(limit, 2, REPORT_MS));
  });
});

describe("what says nothing any more is forgotten", () => {
  const plan = [rateOf(1, 100, { windowMs: 10_000 }), quotaOf(1_000)];

  test("a rate when it is paid and nobody has used it for a minute; a quota when its period is over", () => {
    const fleet = new Fleet({ limits: plan }, 1);
    const [node] = fleet.nodes as [Node];
    for (let i = 0; i < 5_000; i++) node.take(i === 0 ? 50 : 1, `key_${i}`);
    expect(node.size).toBe(10_000);
    fleet.passTo(100_000);
    // What was used fifty times at once is owed for 500 seconds.
    expect(node.size).toBe(5_001);
    expect(node.take(1, "key_0").limits.map(({ remaining }) => remaining)).toEqual([59, 949]);
    fleet.passTo(700_000);
    expect(node.size).toBe(5_000);
    expect(node.take(1, "key_0").limits.map(({ remaining }) => remaining)).toEqual([99, 948]);
    fleet.passTo(fleet.now + 2_000);
    fleet.now += 33 * 86_400_000;
    node.dueAt = fleet.now;
    fleet.passTo(fleet.now + 100_000);
    expect(node.size).toBe(0);
  });

  test("more subjects than a report takes are told with the next ones, each once and of when they were used", () => {
    const fleet = new Fleet({ limits: plan }, 1);
    const [node] = fleet.nodes as [Node];
    fleet.passTo(500);
    for (let i = 0; i < 6_000; i++) node.take(2, `key_${i}`);
    fleet.passTo(1_000);
    expect(fleet.settling.uses.size).toBe(5_000);
    fleet.passTo(5_000);
    expect(fleet.settling.uses.size).toBe(12_000);
    for (const use of fleet.settling.uses.values()) {
      if (use.kind === "quota") expect(Object.values(use.boots)).toMatchObject([{ spent: 2 }]);
      else expect(use.tat).toBeLessThanOrEqual(EPOCH + 500 + 20_000);
    }
  });
});

describe("a quota", () => {
  const bound = (units: number, verifiers: number, boots: number) => units + (boots - 1) * creditOf(units, verifiers);

  test("on one verifier is used to the last unit and no further, at once or one by one", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), stepsWith("cut", "no answers", "good"), (units, steps) => {
        const fleet = fleetOf(quotaOf(units), 1);
        play(fleet, steps);
        expect(fleet.used()).toBeLessThanOrEqual(units);
        const [node] = fleet.nodes as [Node];
        node.network = "good";
        for (let i = 0; i < 40; i++) {
          fleet.passTo(fleet.now + REPORT_MS);
          atOnce(node);
        }
        expect(fleet.used()).toBe(units);
      }),
    );
    const fleet = fleetOf(quotaOf(100), 1);
    expect(atOnce(fleet.nodes[0])).toBe(100);
  });

  test("on many: no more than is stated, under partitions, lost answers, new boots and kills", () => {
    const faults = stepsWith("cut", "no answers", "good", "good", "register", "kill");
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3_000 }),
        fc.integer({ min: 2, max: 5 }),
        faults,
        costs,
        (units, verifiers, steps, cost) => {
          const fleet = fleetOf(quotaOf(units), verifiers);
          play(fleet, steps, cost);
          const untold = fleet.nodes.reduce((sum, node) => sum + node.untold, 0);
          expect(fleet.used()).toBeLessThanOrEqual(bound(units, verifiers, fleet.boots) + untold);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("what was used since the report is no part of the answer: room and rest are without it", () => {
    const fleet = fleetOf(quotaOf(1_000), 2);
    const [here, other] = fleet.nodes as [Node, Node];
    for (let i = 0; i < 30; i++) other.take();
    other.report();
    for (let i = 0; i < 10; i++) here.take();
    here.network = "no answers";
    here.report();
    for (let i = 0; i < 40; i++) here.take();
    here.network = "good";
    here.report();
    expect(here.take()).toMatchObject({ code: "ok", limits: [{ remaining: 1_000 - 30 - 10 - 41 }] });
    // Granted were as much as the credit, 100, beyond the 10 that were told.
    expect(atOnce(here)).toBe(100 - 41);
  });

  test("what a verifier holds and does not use it gives back, and keeps its word also if it hears nothing", () => {
    const fleet = fleetOf(quotaOf(1_000), 2);
    const [here, other] = fleet.nodes as [Node, Node];
    for (let i = 0; i < 100; i++) here.take();
    fleet.passTo(9_500);
    here.network = "no answers";
    fleet.passTo(10_500);
    const told = [...fleet.settling.uses.values()][0];
    expect(told).toMatchObject({ boots: { boo_1: { spent: 100, granted: 145 } } });
    for (let i = 0; i < 400; i++) {
      fleet.passTo(fleet.now + 50);
      for (let n = 0; n < 5; n++) other.take();
    }
    expect(fleet.used()).toBe(1_000 - 45);
    expect(atOnce(here)).toBe(45);
  });

  test("what was granted to a boot ends with it: the next has its credit", () => {
    const fleet = fleetOf(quotaOf(10_000), 2);
    const [node] = fleet.nodes as [Node];
    for (let i = 0; i < 400; i++) node.take();
    node.report();
    node.register();
    expect(atOnce(node)).toBe(creditOf(10_000, 2));
  });

  test("reaches what is stated: one uses it up, and none of the others has heard", () => {
    const fleet = fleetOf(quotaOf(100), 5);
    for (let at = 100; fleet.used() < 100; at += 100) {
      fleet.passTo(at);
      fleet.nodes[0]?.take();
    }
    for (const node of fleet.nodes) atOnce(node);
    expect(fleet.used()).toBe(bound(100, 5, 5));
    // From then on they know.
    fleet.passTo(fleet.now + 2 * REPORT_MS);
    for (const node of fleet.nodes)
      expect(node.take()).toMatchObject({ code: "quota_exceeded", limits: [{ remaining: 0 }] });
  });

  test("a verifier that is killed takes along what it did not tell, and no more", () => {
    const fleet = fleetOf(quotaOf(100), 1);
    const [node] = fleet.nodes as [Node];
    for (let i = 0; i < 40; i++) node.take();
    fleet.passTo(1_500);
    for (let i = 0; i < 7; i++) node.take();
    node.kill();
    for (let i = 0; i < 40; i++) {
      fleet.passTo(fleet.now + REPORT_MS);
      for (let n = 0; n < 10; n++) node.take();
    }
    expect(fleet.used()).toBe(107);
  });

  test("a verifier that is cut off with much of it, and killed, lets through twice what it did not tell: no more", () => {
    const fleet = fleetOf(quotaOf(1_000), 2);
    const [cut, other] = fleet.nodes as [Node, Node];
    for (let i = 0; i < 60; i++) cut.take();
    fleet.passTo(1_500);
    cut.network = "cut";
    const untold = atOnce(cut);
    expect(untold).toBeGreaterThan(bound(1_000, 2, 3) - 1_000);
    cut.kill();
    for (let i = 0; i < 60; i++) {
      fleet.passTo(fleet.now + REPORT_MS);
      atOnce(other);
    }
    expect(cut.untold).toBe(untold);
    expect(fleet.used()).toBe(1_000 + untold);
  });

  test("a request that costs more than an even share of what is left is let through while there is as much", () => {
    const fleet = fleetOf(quotaOf(60), 4);
    for (let i = 0; i < 240; i++) {
      fleet.passTo(500 * i);
      fleet.nodes[i % 4]?.take(20);
    }
    expect(fleet.used()).toBe(60);
  });

  test("what is left in parts that are too little for anybody comes together", () => {
    const fleet = fleetOf(quotaOf(60), 3);
    for (const node of fleet.nodes) for (let i = 0; i < 5; i++) node.take();
    fleet.passTo(2_000);
    for (const node of fleet.nodes) expect(node.take(30).code).toBe("quota_exceeded");
    for (let i = 0; i < 30; i++) {
      fleet.passTo(2_500 + 500 * i);
      fleet.nodes[i % 3]?.take(30);
    }
    expect(fleet.used()).toBe(45);
  });

  test("small requests are granted beside large ones that nobody has enough for", () => {
    const fleet = fleetOf(quotaOf(60), 3);
    for (const node of fleet.nodes) for (let i = 0; i < 4; i++) node.take();
    fleet.passTo(2_000);
    for (let i = 10; i < 400; i++) {
      fleet.passTo(250 * i);
      fleet.nodes[0]?.take(59);
      fleet.nodes[0]?.take(1);
    }
    expect(fleet.used()).toBeGreaterThanOrEqual(54);
  });

  test.each([
    ["that became smaller: nobody goes on to keep a share of what it was, asked or not", false],
    ["of a smaller plan: whoever is asked keeps a share of that, though other keys have the larger", true],
  ])("%s", (_, former) => {
    const fleet = fleetOf(quotaOf(5_000), 4);
    const [asked, ...others] = fleet.nodes as [Node, Node, Node, Node];
    for (const node of others) node.take();
    fleet.passTo(20_000);
    fleet.replan([quotaOf(60)], { former });
    for (const node of former ? others : []) node.take(0);
    fleet.passTo(34_000);
    for (let i = 0; i < 200; i++) {
      fleet.passTo(fleet.now + 250);
      asked.take();
    }
    expect(fleet.used()).toBeGreaterThanOrEqual(54);
    expect(fleet.used()).toBeLessThanOrEqual(60);
  });

  test("moves with its user from one verifier to another, to the last unit", () => {
    const fleet = fleetOf(quotaOf(200), 3);
    for (let i = 0; i < 1_000; i++) {
      fleet.passTo(100 * i);
      fleet.nodes[Math.floor(i / 30) % 3]?.take();
    }
    expect(fleet.used()).toBe(200);
  });

  test("refuses early only within the last tenth", () => {
    const fleet = fleetOf(quotaOf(1_000), 3);
    for (let i = 0; i < 2_000; i++) {
      fleet.passTo(50 * i);
      const { code } = fleet.nodes[(7 * i) % 3]?.take() ?? {};
      if (fleet.let.length < 900) expect([i, code]).toEqual([i, "ok"]);
    }
    expect(fleet.used()).toBe(1_000);
  });
});
