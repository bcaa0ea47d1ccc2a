/** `keyover policy explain`: which rule gives which value for a key, and what will happen when. */
import type { AnswerOf, paths } from "@keyover/client/api";
import type { Command } from "commander";
import { calls, show } from "./command-group.ts";
import { named } from "./entity-tables.ts";
import { type Io, widthOf } from "./io.ts";
import { type Names, namesOf, type Wanted } from "./names.ts";
import { targetText, wantedOfTargets } from "./policy-targets.ts";
import { NOTHING, valueText } from "./policy-values.ts";
import { clean, fields, moment, table, widthOfText } from "./render.ts";

type Explained = AnswerOf<paths["/v1/keys/{key}/policy"]["get"]>;

export function explainCommand(group: Command, io: Io): void {
  const explain = group
    .command("explain")
    .argument("<key>", "handle, key_…")
    .description("which rule gives which value for a key, and what will happen when");
  calls<object, [string]>(explain, io, ["keyover policy explain key_…"], async (call, key) => {
    const answer = await call.api.request("get", "/v1/keys/{key}/policy", { params: { key } });
    const names = await namesOf(call, wantedOf(answer));
    show(call, answer, () => explainedText(answer, names, call.now, widthOf(io)));
  });
}

type Rule = Explained["members"][number]["rule"];

function wantedOf({ key, members }: Explained): Wanted {
  const rules = members.flatMap(({ rule, overrode }) => [rule, ...overrode.map((each) => each.rule)]);
  const wanted = wantedOfTargets(rules.flatMap(({ target }) => target ?? []));
  return { ...wanted, keys: [key, ...(wanted.keys ?? [])] };
}

/** The authority's words, with names for handles. */
function ruleText({ name, version, target, text }: Rule, names: Names): string {
  if (name === undefined || target === undefined) return text;
  return `policy ${clean(name)} (version ${version}), attached to ${targetText(target, names)}`;
}

function explainedText(answer: Explained, names: Names, now: number, width: number | undefined): string {
  const rows = answer.members.map(({ member, value, rule, overrode }) => ({
    member,
    value: valueText(member, value, NOTHING[member] ?? "none"),
    rule: ruleText(rule, names),
    overrode: overrode
      .map((each) => `${valueText(member, each.value, NOTHING[member] ?? "none")} (${ruleText(each.rule, names)})`)
      .join("; "),
  }));
  const wide = table(rows, [
    { title: "MEMBER", of: (row) => row.member },
    { title: "VALUE", of: (row) => row.value },
    { title: "FROM", of: (row) => row.rule },
    { title: "INSTEAD OF", of: (row) => row.overrode },
  ]);
  // A value or a rule that is cut off explains nothing.
  const fits = width === undefined || wide.split("\n").every((line) => widthOfText(line) <= width);
  const members = fits
    ? wide
    : fields(
        rows.map(({ member, value, rule, overrode }) => [
          member,
          `${value}  (${rule}${overrode === "" ? "" : `; instead of ${overrode}`})`,
        ]),
      );
  const whens = answer.calendar.map(({ at }) => moment(at, now));
  const longest = Math.max(...whens.map((when) => when.length));
  const calendar = answer.calendar.map(({ text }, i) => `  ${whens[i]?.padEnd(longest)}  ${clean(text)}`);
  const reasons = answer.reasons.map((reason) => `    ${clean(reason.text)}`);
  const next =
    answer.rotateAt === null
      ? "It does not rotate by itself now."
      : `It rotates by itself ${moment(answer.rotateAt, now)}:`;
  const trouble = answer.problem === null ? [] : [`No rotation can begin: ${answer.problem}`];
  const warnings = answer.warnings.map((warning) => `warning: ${clean(warning)}`);
  return [
    named(names.key(answer.key), answer.key),
    "",
    members,
    "",
    ...trouble,
    next,
    ...reasons,
    ...(calendar.length === 0 ? [] : ["", "Calendar", ...calendar]),
    ...warnings,
  ].join("\n");
}
