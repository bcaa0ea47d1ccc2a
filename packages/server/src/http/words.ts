/**
 * What is wrong with a value and what would be right, in our words: zod's own speak of schemas to people who have never seen one. Where a
 * shape gives a sentence of its own, that one stands. Pure.
 */
import type { z } from "zod";
import { nearestOf } from "./nearest.ts";

type Issue = z.core.$ZodRawIssue;

/** As many as one reads. */
const NAMED_MAX = 30;

export function wordsOf(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined
        ? `is missing; it takes ${KINDS[issue.expected] ?? issue.expected}`
        : wrongKind(issue);
    case "too_small":
      return issue.origin === "string" && issue.minimum === 1 ? "is empty" : `takes ${amount(issue, "least")}`;
    case "too_big":
      return `takes ${amount(issue, "most")}`;
    case "unrecognized_keys":
      return unknownMembers(issue.keys, membersOf(issue.inst));
    case "invalid_value":
      return `takes ${either(issue.values.map(String))}`;
    case "invalid_union":
      return oneForm(issue);
    case "invalid_format":
      return FORMATS[issue.format] ?? "does not have the right form";
    case "invalid_key":
      return "has a member whose name is not allowed";
    default:
      return "can't be read";
  }
}

function unknownMembers(unknown: readonly string[], known: readonly string[]): string {
  return unknown
    .map((name) => {
      const near = nearestOf(name, known);
      if (near !== undefined) return `there is no ${name}; did you mean ${near}?`;
      return known.length === 0 || known.length > NAMED_MAX
        ? `there is no ${name}`
        : `there is no ${name}; there are ${listed(known, "and")}`;
    })
    .join("; ");
}

const KINDS: Record<string, string> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  null: "null",
};

const FORMATS: Record<string, string> = {
  email: "is no mail address, such as ops@example.com",
  url: "is no URL, such as https://example.com/hook",
};

function wrongKind({ expected, input }: Extract<Issue, { code: "invalid_type" }>): string {
  const given = Array.isArray(input) ? "array" : input === null ? "null" : typeof input;
  const kind = expected === "number" && given === "number" ? "a finite number" : (KINDS[expected] ?? expected);
  return given === "number" && expected === "int" ? `takes ${kind}` : `takes ${kind}, not ${KINDS[given] ?? given}`;
}

function amount(issue: Extract<Issue, { code: "too_small" | "too_big" }>, side: "least" | "most"): string {
  const [limit, inclusive] =
    issue.code === "too_small" ? [issue.minimum, issue.inclusive] : [issue.maximum, issue.inclusive];
  const unit = { string: "characters", array: "entries", set: "entries", object: "members" }[issue.origin as string];
  if (unit !== undefined) return `at ${side} ${limit} ${unit}`;
  if (inclusive === false) return side === "least" ? `more than ${limit}` : `less than ${limit}`;
  return `${limit} at ${side}`;
}

function membersOf(schema: unknown): string[] {
  const shape = (schema as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def?.shape;
  return shape === undefined ? [] : Object.keys(shape);
}

/** Of a union that is told apart by one member, what that member takes; of others plainIssues looks for the nearest form. */
function oneForm(issue: Extract<Issue, { code: "invalid_union" }>): string {
  const { discriminator } = issue as { discriminator?: string };
  const inside = (issue.inst as { _zod?: { propValues?: Record<string, Set<unknown>> } } | undefined)?._zod?.propValues;
  const values = discriminator === undefined ? undefined : inside?.[discriminator];
  return values === undefined ? "has none of the forms that it may have" : `takes ${either([...values].map(String))}`;
}

function either(values: readonly string[]): string {
  return values.length === 1 ? `${values[0]} alone` : listed(values, "or");
}

function listed(names: readonly string[], last: "and" | "or"): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} ${last} ${names.at(-1)}`;
}
