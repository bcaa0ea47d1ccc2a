/** `keyover policy …`: policies as files, what they are attached to, and what follows for a key. */
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import type { paths } from "@keyover/client/api";
import type { Command } from "commander";
import { type Call, calls, show, showList } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { everything } from "./connection.ts";
import { UsageError } from "./exit-codes.ts";
import { type Io, widthOf } from "./io.ts";
import { type ListOptions, listOptions } from "./options.ts";
import { specLines, valueText } from "./policy-values.ts";
import { reasonOf } from "./private-file.ts";
import { clean, fields, moment, relative, table, widthOfText } from "./render.ts";

type Answer<P extends keyof paths, M extends "get" | "put" | "post"> = paths[P] extends {
  [K in M]: { responses: { 200: { content: { "application/json": infer T } } } };
}
  ? T
  : never;
/** In which what is absent is left out, never undefined. */
type Spec = paths["/v1/policies/{policy}"]["put"]["requestBody"]["content"]["application/json"]["spec"];
type Applied = Answer<"/v1/policies/{policy}", "put">;
type Shown = Answer<"/v1/policies/{policy}", "get">;
type Explained = Answer<"/v1/keys/{key}/policy", "get">;
type Target = Shown["attachments"][number]["target"];

interface TargetOptions {
  api?: string;
  environment?: string;
  consumerLabel?: string;
  key?: string;
}

const POLICY = "name or handle";

export function policyCommands(program: Command, io: Io): void {
  const group = program.command("policy").description("when keys rotate and what each step waits for, as files");
  applyCommand(group, io);
  readPolicies(group, io);
  attachCommands(group, io);
  explainCommand(group, io);
}

function applyCommand(group: Command, io: Io): void {
  const apply = group
    .command("apply")
    .description("make the policy that a file describes, or change it to say just that")
    .requiredOption("-f, --file <file>", "YAML or JSON; - reads from standard input")
    .option("--dry-run", "change nothing; show what would change");
  calls<{ file: string; dryRun?: boolean }>(
    apply,
    io,
    ["keyover policy apply -f market-hours.yaml --dry-run", "keyover policy apply -f market-hours.yaml"],
    async (call) => {
      const { file, dryRun } = call.options;
      // With its YAML reader, which no other command needs.
      const { readPolicyFile } = await import("./policy-file.ts");
      const { name, spec } = readPolicyFile(await contentOf(io, file), file === "-" ? "standard input" : file);
      const body = { spec: spec as Spec, dryRun: dryRun === true };
      show(
        call,
        await call.api.request("put", "/v1/policies/{policy}", { params: { policy: name }, body }),
        appliedText,
      );
    },
  );
}

async function contentOf(io: Io, file: string): Promise<string> {
  if (file === "-") return text(io.stdin);
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`${file} can't be read: ${reasonOf(error)}`);
  }
}

function appliedText({ policy, outcome, dryRun, changes, reach, warnings }: Applied): string {
  const would = { created: "would be made", changed: "would be changed", unchanged: "says this already" };
  const did = { created: "made", changed: "changed", unchanged: "says this already" };
  const lines = [`${policy.name} (version ${policy.version}): ${(dryRun ? would : did)[outcome]}`];
  for (const { member, before, after } of changes)
    lines.push(`  ${member}: ${valueText(member, before, "not said")} → ${valueText(member, after, "not said")}`);
  if (reach.length === 0)
    lines.push(`It is attached to nothing yet. Say where it holds: keyover policy attach ${policy.name} --api …`);
  for (const { target, keys } of reach)
    lines.push(`  reaches ${keys === 1 ? "1 key" : `${keys} keys`}: ${targetText(target)}`);
  for (const warning of warnings) lines.push(`warning: ${warning}`);
  return lines.join("\n");
}

function readPolicies(group: Command, io: Io): void {
  calls<ListOptions>(
    listOptions(group.command("list").description("list policies")),
    io,
    ["keyover policy list"],
    async (call) => {
      const page = await everything((query) => call.api.request("get", "/v1/policies", { query }), call.options.limit);
      const columns = [
        { title: "HANDLE", of: (policy: (typeof page.items)[number]) => policy.id },
        { title: "NAME", of: (policy: (typeof page.items)[number]) => policy.name, flexible: true },
        { title: "VERSION", of: (policy: (typeof page.items)[number]) => policy.version, right: true },
        { title: "CHANGED", of: (policy: (typeof page.items)[number]) => relative(policy.changedAt, call.now) },
      ];
      showList(call, page, columns, "There is no policy yet. Make one with: keyover policy apply");
    },
  );

  calls<object, [string]>(
    group.command("show").argument("<policy>", POLICY).description("show a policy and what it is attached to"),
    io,
    ["keyover policy show market-hours"],
    async (call, policy) =>
      show(call, await call.api.request("get", "/v1/policies/{policy}", { params: { policy } }), (answer) =>
        shownText(answer, call.now),
      ),
  );

  calls<object, [string]>(
    group.command("history").argument("<policy>", POLICY).description("what a policy said before, the newest first"),
    io,
    ["keyover policy history market-hours"],
    async (call, policy) =>
      show(call, await call.api.request("get", "/v1/policies/{policy}/versions", { params: { policy } }), ({ items }) =>
        items
          .map(({ version, spec, changedAt, changedBy }) =>
            [`version ${version}, ${moment(changedAt, call.now)} by ${changedBy}`, ...specLines(spec)].join("\n"),
          )
          .join("\n\n"),
      ),
  );

  const remove = group
    .command("remove")
    .argument("<policy>", POLICY)
    .description("remove a policy that is attached to nothing; its history stays")
    .option("--yes", "do not ask");
  calls<{ yes?: boolean }, [string]>(remove, io, ["keyover policy remove market-hours"], async (call, policy) => {
    await confirmOrStop(io, call.options.yes, `The policy ${policy} will be gone.`);
    show(
      call,
      await call.api.request("delete", "/v1/policies/{policy}", { params: { policy } }),
      ({ name }) => `${name} is removed`,
    );
  });
}

function shownText(policy: Shown, now: number): string {
  const head = fields([
    ["handle", policy.id],
    ["name", policy.name],
    ["version", policy.version],
    ["changed", `${moment(policy.changedAt, now)} by ${policy.changedBy}`],
    ["created", `${moment(policy.createdAt, now)} by ${policy.createdBy}`],
  ]);
  const attached = policy.attachments.map(({ id, target }) => `  ${id}  ${targetText(target)}`);
  return [
    head,
    "",
    ...specLines(policy.spec),
    "",
    attached.length === 0 ? "attached to nothing" : "attached to",
    ...attached,
  ].join("\n");
}

function attachCommands(group: Command, io: Io): void {
  const where = (command: Command) =>
    command
      .option("--api <api>", "name or handle")
      .option("--environment <name>", "of that api; or --api alone for all of them")
      .option("--consumer-label <name=value>", "keys of consumers that carry it; with --api of that api alone")
      .option("--key <key>", "handle");

  calls<TargetOptions, [string]>(
    where(group.command("attach").argument("<policy>", POLICY).description("let a policy hold somewhere")),
    io,
    [
      "keyover policy attach market-hours --api market --environment live",
      "keyover policy attach desk --consumer-label team=desk",
    ],
    async (call, policy) => {
      const body = { target: await targetOf(call) };
      const params = { policy };
      const answer = await call.api.request("post", "/v1/policies/{policy}/attachments", { params, body });
      show(call, answer, ({ id, target, warnings }) =>
        [
          `${policy} holds for ${targetText(target)} (${id})`,
          ...warnings.map((text) => `warning: ${clean(text)}`),
        ].join("\n"),
      );
    },
  );

  calls<object, [string]>(
    group.command("detach").argument("<attachment>", "handle, att_…").description("let a policy no longer hold there"),
    io,
    ["keyover policy detach att_…"],
    async (call, attachment) =>
      show(
        call,
        await call.api.request("delete", "/v1/attachments/{attachment}", { params: { attachment } }),
        ({ target }) => `no longer holds for ${targetText(target)}`,
      ),
  );
}

async function targetOf(call: Call<TargetOptions>): Promise<Target> {
  const { api: named, environment, consumerLabel, key } = call.options;
  const kinds = [environment, consumerLabel, key].filter((each) => each !== undefined).length;
  if (kinds > 1 || (key !== undefined && named !== undefined) || (kinds === 0 && named === undefined))
    throw new UsageError("give --api, --api with --environment, --consumer-label, or --key");
  if (key !== undefined) return { kind: "key", key };
  const api =
    named === undefined ? null : (await call.api.request("get", "/v1/apis/{api}", { params: { api: named } })).id;
  if (consumerLabel !== undefined) {
    const equals = consumerLabel.indexOf("=");
    if (equals < 1)
      throw new UsageError(`--consumer-label takes name=value, such as team=desk; got "${consumerLabel}"`);
    return { kind: "label", name: consumerLabel.slice(0, equals), value: consumerLabel.slice(equals + 1), api };
  }
  if (api === null) throw new UsageError("--environment needs --api");
  return environment === undefined ? { kind: "api", api } : { kind: "environment", api, environment };
}

/** What none means, where it is not nothing. */
const NOTHING: Record<string, string> = { "schedule.jitterMs": "a tenth of the period, 7d at most" };

function explainCommand(group: Command, io: Io): void {
  const explain = group
    .command("explain")
    .argument("<key>", "handle, key_…")
    .description("which rule gives which value for a key, and what will happen when");
  calls<object, [string]>(explain, io, ["keyover policy explain key_…"], async (call, key) =>
    show(call, await call.api.request("get", "/v1/keys/{key}/policy", { params: { key } }), (answer) =>
      explainedText(answer, call.now, widthOf(io)),
    ),
  );
}

function explainedText(answer: Explained, now: number, width: number | undefined): string {
  const rows = answer.members.map(({ member, value, rule, overrode }) => ({
    member,
    value: valueText(member, value, NOTHING[member] ?? "none"),
    rule: rule.text,
    overrode: overrode
      .filter((each) => each.rule.kind !== "default")
      .map((each) => `${valueText(member, each.value, NOTHING[member] ?? "none")} (${each.rule.text})`)
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
    members,
    "",
    ...trouble,
    next,
    ...reasons,
    ...(calendar.length === 0 ? [] : ["", "Calendar", ...calendar]),
    ...warnings,
  ].join("\n");
}

// ---- texts ---------------------------------------------------------------------------------------------------------------

function targetText(target: Target): string {
  switch (target.kind) {
    case "api":
      return `api ${target.api}`;
    case "environment":
      return `environment ${clean(target.environment)} of api ${target.api}`;
    case "label":
      return clean(
        `consumers with ${target.name}=${target.value}${target.api === null ? "" : `, in api ${target.api}`}`,
      );
    case "key":
      return `key ${target.key}`;
  }
}
