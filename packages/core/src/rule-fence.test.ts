import { describe, expect, test } from "vitest";
import type { SourceUse } from "./evidence.ts";
import type { FenceRule } from "./policy.ts";
import { planned, START } from "./rotation.test-world.ts";
import { atMost, planFence } from "./rule-fence.ts";
import { matchesPattern, scopePatternProblem } from "./scopes.ts";

const scopes = ["market:read", "market:trades", "trade:write", "account:withdraw", "withdraw"];
const rotation = planned({}, START);
const rule = (more: Partial<FenceRule>): FenceRule => ({ from: "offered", afterMs: 0, ...more });

function use(network: string, change: Partial<SourceUse["versions"][number]> = {}, version = 1): SourceUse {
  const whole = { first: START - 1, last: START, accepted: 1, refused: 0, refusedRun: { count: 0, since: 0 } };
  const source = { network, client: "bot/1", instance: "" };
  return {
    source,
    versions: { [version]: { ...whole, ...change } },
    lastSeen: START,
    longestGapMs: 0,
    gaps: [],
    gapsSince: 0,
  };
}

function plan(wanted: Partial<FenceRule>, grants: string[], uses: SourceUse[] = []) {
  return planFence(rule(wanted), rotation, { grants, scopes, uses });
}

describe("R08: what the policy's fence comes to for one version", () => {
  test("withdrawals first: what the version may do, but for what matches", () => {
    const without = ["*:withdraw", "withdraw"];
    expect(plan({ without }, ["*"]).fence).toEqual({ scopes: ["market:read", "market:trades", "trade:write"] });
    expect(plan({ without }, ["market:*", "withdraw"]).fence).toEqual({ scopes: ["market:read", "market:trades"] });
    // That is what the rule is for.
    expect(plan({ without }, ["account:withdraw"]).fence).toEqual({ scopes: [] });
  });

  test("of given scopes those that the version has", () => {
    expect(plan({ scopes: ["market:*"] }, ["market:read", "trade:write"])).toEqual({
      fence: { scopes: ["market:read"] },
      notes: [],
    });
    expect(plan({ scopes: ["market:read"] }, ["*"]).fence).toEqual({ scopes: ["market:read"] });
    expect(plan({ scopes: ["*"], without: ["trade:*"] }, ["market:read", "trade:write"]).fence).toEqual({
      scopes: ["market:read"],
    });
  });

  test("a rule that fits nothing of the version limits nothing, and says so", () => {
    expect(plan({ scopes: ["account:withdraw"] }, ["market:read"])).toEqual({
      fence: {},
      notes: [expect.stringContaining("none of the rule's scopes")],
    });
    expect(plan({ without: ["*:withdraw"] }, ["market:read"])).toEqual({
      fence: {},
      notes: [expect.stringContaining("no scope that")],
    });
    expect(plan({ scopes: ["market:*"] }, ["market:read"])).toEqual({ fence: {}, notes: [] });
  });

  test("networks: those that the version was accepted from before the rotation", () => {
    const uses = [
      use("203.0.113.0/24"),
      use("198.51.100.0/24", { accepted: 0, refused: 9 }),
      use("192.0.2.0/24", { first: START }),
      use("192.0.3.0/24", {}, 2),
      use("203.0.113.0/24"),
    ];
    expect(plan({ networks: "seen" }, ["*"], uses)).toEqual({ fence: { networks: ["203.0.113.0/24"] }, notes: [] });
  });

  test("a version that was never seen, or seen from nobody knows where, is not fenced into nowhere", () => {
    expect(plan({ networks: "seen" }, ["*"])).toEqual({ fence: {}, notes: [expect.stringContaining("never seen")] });
    const uses = [use("203.0.113.0/24"), use("other")];
    expect(plan({ networks: "seen", without: ["withdraw"] }, ["withdraw", "market:read"], uses)).toEqual({
      fence: { scopes: ["market:read"] },
      notes: [expect.stringContaining("not known (other)")],
    });
  });
});

test("an emergency's fence does not loosen the policy's", () => {
  const standing = { scopes: ["market:*"], networks: ["203.0.113.0/24"] };
  expect(atMost({}, standing)).toEqual(standing);
  expect(atMost({ scopes: ["market:read", "trade:write"], networks: [] }, standing)).toEqual({
    scopes: ["market:read"],
    networks: [],
  });
});

test("patterns of scopes", () => {
  const matches = (pattern: string) =>
    ["withdraw", "account:withdraw", "a:b:withdraw", "withdraw:all", "xwithdraw"].filter((name) =>
      matchesPattern(pattern, name),
    );
  expect(matches("withdraw")).toEqual(["withdraw"]);
  expect(matches("*:withdraw")).toEqual(["account:withdraw", "a:b:withdraw"]);
  expect(matches("withdraw*")).toEqual(["withdraw", "withdraw:all"]);
  expect(matches("*withdraw*")).toHaveLength(5);
  expect(matches("a*b*draw")).toEqual(["a:b:withdraw"]);
  expect(matchesPattern(`${"*a".repeat(40)}b`, "a".repeat(100))).toBe(false);
  expect(["*", "*:withdraw", "a_b:c-d"].map(scopePatternProblem)).toEqual([undefined, undefined, undefined]);
  expect(scopePatternProblem("With draw")).toContain("*:withdraw");
});
