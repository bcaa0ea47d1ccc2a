/** What a policy's file may look like, and what is said of one that can't be read. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { policyJsonSchema } from "../http/policy-schemas.ts";
import { readPolicyFile } from "./policy-file.ts";

const DAY = 86_400_000;
const read = (text: string) => readPolicyFile(text, "desk.yaml");

const market = `
name: market-hours
spec:
  overlapMs: 14d
  overlapMinMs: 1h30m
  remindMs: [7d, 86400000]
  onDeadline: hold
  schedule:
    maxAgeMs: 90d
    everyMs: null
    cron: { expression: "0 3 * * 1", zone: Europe/Berlin }
    blackouts:
      - name: market hours
        zone: America/New_York
        days: [mon, tue, wed, thu, fri]
        from: 09:30
        to: 16:00
      - { zone: Europe/Berlin, from: 2026-12-24, to: 2027-01-01 }
    holidays:
      - zone: America/New_York
        dates: [2026-11-26, 2026-12-25]
  expiry:
    announceMs: [30d, 1d]
    graceMs: 2d
  channels: [desk]
`;

describe("a policy's file", () => {
  test("has durations as people write them, and times and dates without quotes", () => {
    const { name, spec } = read(market);
    expect(name).toBe("market-hours");
    expect(spec).toMatchObject({ overlapMs: 14 * DAY, overlapMinMs: 5_400_000, remindMs: [7 * DAY, DAY] });
    expect(spec.schedule).toMatchObject({ maxAgeMs: 90 * DAY, everyMs: null });
    expect(spec.schedule?.blackouts?.[0]).toMatchObject({ from: "09:30", to: "16:00" });
    expect(spec.schedule?.holidays?.[0]?.dates).toEqual(["2026-11-26", "2026-12-25"]);
    expect(spec.expiry).toEqual({ announceMs: [30 * DAY, DAY], graceMs: 2 * DAY });
  });

  test("may be JSON, with milliseconds", () => {
    expect(read('{"name":"a","spec":{"quietMs":86400000}}').spec).toEqual({ quietMs: DAY });
  });

  test.each([
    ["a misspelt member", "name: a\nspec: { overlpMs: 1d }", /spec: there is no overlpMs; did you mean overlapMs\?/],
    ["a member without its unit", "name: a\nspec: { overlap: 1d }", /there is no overlap; did you mean overlapMs\?/],
    [
      "a member in the wrong place",
      "name: a\nspec: { maxAgeMs: 90d }",
      /there is no maxAgeMs; did you mean spec\.schedule\.maxAgeMs\?/,
    ],
    [
      "a day that is none",
      "name: a\nspec: { schedule: { blackouts: [{ zone: UTC, days: [monday], from: 01:00, to: 02:00 }] } }",
      /is no policy:\n {2}spec\.schedule\.blackouts\.0\.days\.0: takes sun, mon, [^\n]*$/,
    ],
    [
      "a misspelt member of a blackout",
      "name: a\nspec: { schedule: { blackouts: [{ zone: UTC, form: '01:00', to: '02:00' }] } }",
      /blackouts\.0.*(there is no form; did you mean from\?|from)/s,
    ],
    ["a member that is like nothing", "name: a\nspec: { zebra: 1 }", /there is no zebra$/m],
    ["a duration that is none", "name: a\nspec: { overlapMs: soon }", /spec\.overlapMs: takes a duration such as 90s/],
    ["a duration beyond its limit", "name: a\nspec: { overlapMs: 500d }", /spec\.overlapMs: .*366 days/],
    [
      "a zone that is none",
      "name: a\nspec: { schedule: { cron: { expression: '0 3 * * 1', zone: Mars/Base } } }",
      /zone: not a time zone/,
    ],
    [
      "an expression that is none",
      "name: a\nspec: { schedule: { cron: { expression: '61 * * * *', zone: UTC } } }",
      /expression: .*minute/,
    ],
    [
      "a member that is given twice",
      "name: a\nspec:\n  overlapMs: 1d\n  overlapMs: 2d",
      /line 4, column 3: this member is given twice/,
    ],
    ["an alias", "name: a\nspec: &s { overlapMs: 1d }\nother: *s", /anchors and aliases are not taken/],
    ["an anchor that nobody uses", "name: &n a\nspec: {}", /line 1, column \d+: anchors and aliases are not taken/],
    ["a merge of members", "name: a\nspec:\n  <<: { overlapMs: 1d }", /there is no <</],
    ["a tag of its own", "name: a\nspec: !!js/function 'x'", /line 2, column \d+: /],
    ["two documents", "name: a\nspec: {}\n---\nname: b\nspec: {}", /line 3, column \d+: a second policy begins here/],
    ["nesting without end", `name: a\nspec: ${"[".repeat(60_000)}`, /line 2, column \d+: this is nested too deep/],
    ["no closing bracket", "name: a\nspec: { overlapMs: 1d", /line 2, column \d+: /],
    ["tabs for indentation", "name: a\nspec:\n\toverlapMs: 1d", /line 3, column \d+: /],
    ["nothing", "", /desk\.yaml is no policy: it is empty/],
    ["nothing but a comment", "# later\n", /desk\.yaml is no policy: it is empty/],
    ["a list", "- a", /desk\.yaml is no policy/],
    ["no name", "spec: {}", /name: /],
    ["a name like a handle", "name: pol_1\nspec: {}", /name: /],
    [
      "a member that would become a prototype",
      '{"name":"a","spec":{"__proto__":{"quietMs":1}}}',
      /there is no __proto__/,
    ],
  ])("%s is refused with the place or the name", (_what, text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test("that would unfold to gigabytes is refused at once", () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(", ")}]`,
    );
    expect(() => read(["l0: &l0 [a]", ...levels].join("\n"))).toThrow(/anchors and aliases are not taken/);
    expect(() => read(`name: a\nspec: {}\n# ${"x".repeat(300_000)}`)).toThrow(/longer than a policy can be/);
    expect(() => read(`${"[".repeat(20_000)}`)).toThrow();
  });
});

test("docs/policy.schema.json is made from the shapes; `npm run openapi-types` writes it", () => {
  const path = join(import.meta.dirname, "../../../../docs/policy.schema.json");
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(JSON.parse(JSON.stringify(policyJsonSchema())));
});
