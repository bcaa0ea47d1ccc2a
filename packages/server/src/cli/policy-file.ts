/**
 * A policy's file: YAML (and so JSON) in which durations may be written as `14d`. What it can't be read as is said with the place and, for a
 * misspelt member, what was probably meant. Aliases are refused: a few lines of them can stand for gigabytes.
 */

import { isAlias, isPair, LineCounter, type Node, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { plainIssues } from "../http/issues.ts";
import { distanceOf, isNear } from "../http/nearest.ts";
import { policyFile, policyJsonSchema } from "../http/policy-schemas.ts";
import { asWritten } from "./body-options.ts";
import { UsageError } from "./exit-codes.ts";
import { parseDuration } from "./render.ts";

export type PolicyFile = z.infer<typeof policyFile>;

const BYTES_MAX = 256 * 1024;

/** `path`: what sentences call it. */
export function readPolicyFile(text: string, path: string): PolicyFile {
  if (text.length > BYTES_MAX) throw new UsageError(`${path} is longer than a policy can be (${BYTES_MAX / 1024} KiB)`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, merge: false, prettyErrors: false });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${path}, line ${line}, column ${col}`;
  };
  const [trouble] = [...document.errors, ...document.warnings];
  if (trouble !== undefined) throw new UsageError(`${place(trouble.pos[0])}: ${troubleText(trouble)}`);
  visit(document, (_key, node) => {
    if (node === null) return;
    if (isAlias(node) || (!isPair(node) && (node as Node & { anchor?: string }).anchor !== undefined)) {
      const offset = (node as Node).range?.[0] ?? 0;
      throw new UsageError(`${place(offset)}: anchors and aliases are not taken; write it out`);
    }
  });
  const value = withMilliseconds(document.toJS({ maxAliasCount: 0 }));
  if (value === null) throw new UsageError(`${path} is no policy: it is empty`);
  const parsed = policyFile.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UsageError(`${path} is no policy:\n${issueLines(plainIssues(parsed.error.issues)).join("\n")}`);
}

function troubleText({ code, message }: { code: string; message: string }): string {
  if (code === "DUPLICATE_KEY") return "this member is given twice";
  if (code === "MULTIPLE_DOCS") return "a second policy begins here; a file holds one";
  // The parser's own words, when a file is nested deeper than it can follow.
  if (/call stack/.test(message)) return "this is nested too deep";
  return message;
}

/** A text in a member whose name ends in `Ms` is a duration, alone or in a list. */
function withMilliseconds(value: unknown, member = ""): unknown {
  if (Array.isArray(value)) return value.map((each) => withMilliseconds(each, member));
  if (typeof value === "string" && member.endsWith("Ms")) return parseDuration(value) ?? value;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withMilliseconds(inner, name)]));
}

type Issue = z.core.$ZodIssue;

function issueLines(issues: readonly Issue[]): string[] {
  return issues.flatMap((issue) => {
    const at = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => `  ${at}there is no ${key}${meant(key, issue.path)}`);
    const last = String(issue.path.at(-1) ?? "");
    const wanted =
      last.endsWith("Ms") && issue.code === "invalid_type"
        ? "takes a duration such as 90s, 36h, 14d or 1h30m"
        : asWritten(issue.message);
    return [`  ${at}${wanted}`];
  });
}

// ---- what was meant ------------------------------------------------------------------------------------------------------

interface SchemaNode {
  $ref?: string;
  $defs?: Record<string, SchemaNode>;
  properties?: Record<string, SchemaNode>;
  anyOf?: SchemaNode[];
  oneOf?: SchemaNode[];
  items?: SchemaNode;
}

/** Every member that there is, with the path to what holds it. */
function knownMembers(
  root: SchemaNode,
  node: SchemaNode = root,
  path: string[] = [],
): { name: string; path: string[] }[] {
  const named = node.$ref === undefined ? undefined : root.$defs?.[node.$ref.replace("#/$defs/", "")];
  const own = Object.entries(node.properties ?? {}).flatMap(([name, inner]) => [
    { name, path },
    ...knownMembers(root, inner, [...path, name]),
  ]);
  const others = [named, node.items, ...(node.anyOf ?? []), ...(node.oneOf ?? [])].filter((each) => each !== undefined);
  return [...own, ...others.flatMap((inner) => knownMembers(root, inner, path))];
}

function meant(key: string, path: readonly PropertyKey[]): string {
  const here = path.filter((step) => typeof step === "string").join(".");
  const near = knownMembers(policyJsonSchema() as SchemaNode)
    .map((known) => ({ ...known, distance: distanceOf(key, known.name), away: known.path.join(".") === here ? 0 : 1 }))
    .filter(({ distance, name }) => isNear(distance, name))
    .sort((a, b) => a.distance + a.away - (b.distance + b.away))[0];
  if (near === undefined) return "";
  return near.away === 0 ? `; did you mean ${near.name}?` : `; did you mean ${[...near.path, near.name].join(".")}?`;
}
