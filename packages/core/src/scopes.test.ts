import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commonGrants, compileScopes, covers, scopeNameProblem, unknownGrants } from "./scopes.ts";

const segment = fc.constantFrom("market", "trade", "read", "mar", "x");
const name = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join(":"));
const grant = fc.oneof(
  name,
  name.map((prefix) => `${prefix}:*`),
  fc.constant("*"),
);
const grants = fc.array(grant, { maxLength: 4 });

describe("covering", () => {
  test.each([
    ["market:read", "market:read", true],
    ["market:read", "market:reader", false],
    ["market:read", "market", false],
    ["market:*", "market:read", true],
    ["market:*", "market:read:all", true],
    ["market:*", "market:read:*", true],
    ["market:*", "market:*", true],
    ["market:*", "market", false],
    ["market:*", "market:", false],
    ["market:*", "marketing:read", false],
    ["market:*", "*", false],
    ["market:read:*", "market:*", false],
    ["*", "market:read", true],
    ["*", "*", true],
    ["*", "market:*", true],
    ["mark*", "market", false],
    ["*:read", "market:read", false],
    ["market:read", "Market:read", false],
  ])("%s against %s: %s", (held, wanted, expected) => {
    expect(covers([held], [wanted])).toBe(expected);
    expect(compileScopes([held]).allows(wanted)).toBe(expected);
  });

  test("nothing granted denies everything, and nothing wanted needs nothing", () => {
    expect(covers([], ["market:read"])).toBe(false);
    expect(compileScopes([]).allows("market:read")).toBe(false);
    expect(covers([], [])).toBe(true);
  });

  test("a list covers itself, and what it covers covers no more than it does", () => {
    fc.assert(
      fc.property(grants, grants, grants, (a, b, c) => {
        expect(covers(a, a)).toBe(true);
        if (covers(a, b) && covers(b, c)) expect(covers(a, c)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  test("R25: grants that are covered allow nothing that the wider ones do not", () => {
    fc.assert(
      fc.property(grants, grants, name, (wide, narrow, wanted) => {
        if (!covers(wide, narrow)) return;
        if (compileScopes(narrow).allows(wanted)) expect(compileScopes(wide).allows(wanted)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  test("the prepared form answers as the plain one does", () => {
    fc.assert(
      fc.property(grants, grant, (held, wanted) => {
        expect(compileScopes(held).allows(wanted)).toBe(covers(held, [wanted]));
      }),
      { numRuns: 2_000 },
    );
  });

  test("what two lists have in common allows exactly what both allow", () => {
    fc.assert(
      fc.property(grants, grants, name, (a, b, wanted) => {
        const both = compileScopes(a).allows(wanted) && compileScopes(b).allows(wanted);
        expect(compileScopes(commonGrants(a, b)).allows(wanted)).toBe(both);
        expect(covers(a, commonGrants(a, b)) && covers(b, commonGrants(a, b))).toBe(true);
      }),
      { numRuns: 5_000 },
    );
    expect(commonGrants(["market:*", "trade:write"], ["market:read", "trade:*"])).toEqual([
      "trade:write",
      "market:read",
    ]);
    expect(commonGrants(["*"], [])).toEqual([]);
  });
});

test("a grant that stands for none of the api's scopes is named", () => {
  const names = ["market:read", "trade:write"];
  expect(unknownGrants(["market:*", "trade:write", "*"], names)).toEqual([]);
  expect(unknownGrants(["market:raed", "account:*", "market:read:*", "mark*", ""], names)).toEqual([
    "market:raed",
    "account:*",
    "market:read:*",
    "mark*",
    "",
  ]);
  expect(unknownGrants(["*"], [])).toEqual(["*"]);
});

test.each(["market", "market:read", "a:b:c", "account:with-draw_2", "m:2"])("%s names a scope", (text) => {
  expect(scopeNameProblem(text)).toBeUndefined();
});

test.each([
  "",
  "*",
  "market:*",
  "Market",
  "2market",
  ":read",
  "market:",
  "market::read",
  "market read",
  "märkt",
  "a\n",
])("%j names no scope", (text) => {
  expect(scopeNameProblem(text)).toContain("is no scope name");
});

test("a scope's name has at most 100 characters", () => {
  expect(scopeNameProblem("a".repeat(100))).toBeUndefined();
  expect(scopeNameProblem("a".repeat(101))).toContain("100");
});
