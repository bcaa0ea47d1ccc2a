import { describe, expect, test } from "vitest";
import {
  defaultRotationPolicy,
  defaultStalenessPolicy,
  effectivePolicy,
  effectiveStaleness,
  policyLimits,
  policyProblem,
  type RotationPolicyPatch,
} from "./policy.ts";

describe("the policy in force", () => {
  test("what nobody says is the default", () => {
    expect(effectivePolicy()).toEqual(defaultRotationPolicy);
    expect(effectivePolicy({}, {})).toEqual(defaultRotationPolicy);
    expect(effectiveStaleness({})).toEqual(defaultStalenessPolicy);
  });

  test("the nearest patch wins, value by value", () => {
    const api: RotationPolicyPatch = { overlapMs: 1, quietMs: 2, onDeadline: "retire" };
    const key: RotationPolicyPatch = { quietMs: 3, overlapMs: undefined, claim: "self" };
    expect(effectivePolicy(api, key)).toEqual({
      ...defaultRotationPolicy,
      overlapMs: 1,
      quietMs: 3,
      onDeadline: "retire",
      claim: "self",
    });
  });

  test("a zero is said, not left out", () => {
    expect(effectivePolicy({ rollbackMs: 0 }).rollbackMs).toBe(0);
    expect(effectiveStaleness({ staticMs: 0, onStale: "closed" })).toEqual({
      leaseMs: 15_000,
      onStale: "closed",
      staticMs: 0,
    });
  });

  test("what is no part of a policy does not get in", () => {
    const patch = { quietMs: 3, admin: true } as RotationPolicyPatch;
    expect(effectivePolicy(patch)).not.toHaveProperty("admin");
  });

  test("the defaults are never changed", () => {
    const before = structuredClone(defaultRotationPolicy);
    effectivePolicy({ quietMs: 3 }).overlapMs = 4;
    expect(defaultRotationPolicy).toEqual(before);
  });
});

describe("limits", () => {
  test("the defaults lie within them and do not contradict themselves", () => {
    const defaults: Record<string, unknown> = { ...defaultRotationPolicy, ...defaultStalenessPolicy };
    for (const [name, { min, max }] of Object.entries(policyLimits)) {
      expect(defaults[name], name).toBeGreaterThanOrEqual(min);
      expect(defaults[name], name).toBeLessThanOrEqual(max);
    }
    expect(policyProblem(defaultRotationPolicy)).toBeUndefined();
  });

  test("each number of a policy has them", () => {
    const all = { ...defaultRotationPolicy, ...defaultStalenessPolicy };
    const numbers = Object.entries(all).filter(([, value]) => typeof value === "number");
    expect(Object.keys(policyLimits).sort()).toEqual(numbers.map(([name]) => name).sort());
  });

  test("the deadline can't come before the minimum overlap is over", () => {
    expect(policyProblem(effectivePolicy({ overlapMinMs: 5_000, overlapMs: 5_000 }))).toBeUndefined();
    expect(policyProblem(effectivePolicy({ overlapMinMs: 5_001, overlapMs: 5_000 }))).toContain("5001");
  });
});
