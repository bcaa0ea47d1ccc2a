/** Every refusal of a value says what would be right, in our words. */
import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { plainIssues } from "./issues.ts";
import { newChannel } from "./notice-schemas.ts";
import { applyPolicy } from "./policy-schemas.ts";

const said = (schema: z.ZodType, value: unknown) => {
  const parsed = schema.safeParse(value);
  return parsed.success
    ? []
    : plainIssues(parsed.error.issues).map(({ path, message }) => `${path.join(".")}: ${message}`);
};

const hook = { name: "hook", target: { kind: "webhook", url: "https://hooks.example/" } };
const policy = (spec: unknown) => said(applyPolicy, { spec });

describe("what is wrong, and what would be right", () => {
  test.each<[string, string[], unknown]>([
    ["a missing member", ["name: is missing; it takes a text"], { ...hook, name: undefined }],
    ["another type", ["name: takes a text, not a number"], { ...hook, name: 7 }],
    ["null", ["name: takes a text, not null"], { ...hook, name: null }],
    ["a list", ["target: takes an object, not a list"], { ...hook, target: [] }],
    ["no list", ["events: takes a list, not a text"], { ...hook, events: "key.*" }],
    ["an empty text", ["name: is empty"], { ...hook, name: " " }],
    ["a long text", ["name: takes at most 100 characters"], { ...hook, name: "x".repeat(101) }],
    ["a word that is none of those", ["severity: takes info, warning or urgent"], { ...hook, severity: "high" }],
    ["a misspelt member", [": there is no digest; did you mean digestMs?"], { ...hook, digest: 1 }],
    [
      "a member that is like none",
      [": there is no colour; there are name, consumer, target, events, severity, quiet, digestMs and escalate"],
      { ...hook, colour: 1 },
    ],
    [
      "another kind",
      ["target.kind: takes webhook, email, slack, telegram or pagerduty"],
      { ...hook, target: { kind: "fax" } },
    ],
    [
      "no address",
      ["target.to.0: is no mail address, such as ops@example.com"],
      { ...hook, target: { kind: "email", to: ["example.com"] } },
    ],
    ["too few", ["target.to: takes at least 1 entries"], { ...hook, target: { kind: "email", to: [] } }],
    ["half a number", ["digestMs: takes milliseconds, 0 (0 s) to 604800000 (7 days)"], { ...hook, digestMs: 0.5 }],
    [
      "a number that is too small",
      ["digestMs: takes milliseconds, 0 (0 s) to 604800000 (7 days)"],
      { ...hook, digestMs: -1 },
    ],
  ])("%s", (_what, expected, value) => {
    expect(said(newChannel, value)).toEqual(expected);
  });

  test.each<[string, string, unknown]>([
    [
      "a cron expression",
      "spec.schedule.cron.expression: the minute can't be 61",
      { schedule: { cron: { expression: "61 * * * *", zone: "UTC" } } },
    ],
    [
      "a zone",
      "spec.schedule.cron.zone: not a time zone of the IANA list, such as Europe/Berlin",
      { schedule: { cron: { expression: "0 0 * * *", zone: "Mars/Base" } } },
    ],
    ["a duration", "spec.overlapMs: takes milliseconds, ", { overlapMs: "14d" }],
    ["a duration out of range", "spec.overlapMs: takes milliseconds, ", { overlapMs: -1 }],
    ["a member", "spec: there is no overlapMS; did you mean overlapMs?", { overlapMS: 1 }],
    [
      "a member of a blackout",
      "spec.schedule.blackouts.0: there is no length; there are name, zone, days, from and to",
      { schedule: { blackouts: [{ zone: "UTC", from: "10:00", to: "11:00", length: "x" }] } },
    ],
    [
      "a member with two letters swapped",
      "spec.schedule.blackouts.0: there is no form; did you mean from?",
      { schedule: { blackouts: [{ zone: "UTC", from: "10:00", to: "11:00", form: "x" }] } },
    ],
  ])("%s of a policy", (_what, expected, spec) => {
    expect(policy(spec).join("\n")).toContain(expected);
  });

  test("a name as long as a book is not compared letter by letter", () => {
    expect(policy({ ["overlap".repeat(10_000)]: 1 })).toHaveLength(1);
  });
});
