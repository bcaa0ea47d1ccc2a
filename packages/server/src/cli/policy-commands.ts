/** `keyover policy …`: policies as files, what they are attached to, and what follows for a key. */
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import type { paths } from "@keyover/client/api";
import type { Command } from "commander";
import { calls, show, showList } from "./command-group.ts";
import { confirmOrStop } from "./confirm.ts";
import { everything } from "./connection.ts";
import { UsageError } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import type { Names } from "./names.ts";
import { type ListOptions, listOptions } from "./options.ts";
import { explainCommand } from "./policy-explain.ts";
import { namesOfTargets, type TargetOptions, targetOf, targetText } from "./policy-targets.ts";
import { memberLines, specLines, valueText } from "./policy-values.ts";
import { reasonOf } from "./private-file.ts";
import { clean, count, fields, moment, relative } from "./render.ts";

type Answer<P extends keyof paths, M extends "get" | "put" | "post"> = paths[P] extends {
  [K in M]: { responses: { 200: { content: { "application/json": infer T } } } };
}
  ? T
  : never;
/** In which what is absent is left out, never undefined. */
type Spec = paths["/v1/policies/{policy}"]["put"]["requestBody"]["content"]["application/json"]["spec"];
type Applied = Answer<"/v1/policies/{policy}", "put">;
type Shown = Answer<"/v1/policies/{policy}", "get">;

const POLICY = "name or handle";

export function policyCommands(program: Command, io: Io): void {
  const group = program
    .command("policy")
    .description("when keys rotate and what each step waits for, as files")
    .addHelpText("after", `\n${membersHelp()}`);
  applyCommand(group, io);
  readPolicies(group, io);
  attachCommands(group, io);
  explainCommand(group, io);
}

function membersHelp(): string {
  return [
    "What a policy's file may say under spec, and what holds where nothing says it:",
    ...memberLines("  "),
    "",
    "A file: {name: desk, spec: {overlapMs: 21d, schedule: {maxAgeMs: 60d}}}, or the same as YAML. Each member, with its limits: docs/policies.md.",
  ].join("\n");
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
      const answer = await call.api.request("put", "/v1/policies/{policy}", { params: { policy: name }, body });
      const names = await namesOfTargets(call, answer.reach);
      show(call, answer, () => appliedText(answer, names));
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

function appliedText({ policy, outcome, dryRun, changes, reach, warnings }: Applied, names: Names): string {
  const would = { created: "would be made", changed: "would be changed", unchanged: "says this already" };
  const did = { created: "made", changed: "changed", unchanged: "says this already" };
  const lines = [`${policy.name} (version ${policy.version}): ${(dryRun ? would : did)[outcome]}`];
  for (const { member, before, after } of changes)
    lines.push(`  ${member}: ${valueText(member, before, "not said")} → ${valueText(member, after, "not said")}`);
  if (reach.length === 0)
    lines.push(`It is attached to nothing yet. Say where it holds: keyover policy attach ${policy.name} --api …`);
  for (const { target, keys } of reach) lines.push(`  reaches ${count(keys, "key")}: ${targetText(target, names)}`);
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
    async (call, policy) => {
      const answer = await call.api.request("get", "/v1/policies/{policy}", { params: { policy } });
      const names = await namesOfTargets(call, answer.attachments);
      show(call, answer, () => shownText(answer, call.now, names));
    },
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

function shownText(policy: Shown, now: number, names: Names): string {
  const head = fields([
    ["handle", policy.id],
    ["name", policy.name],
    ["version", policy.version],
    ["changed", `${moment(policy.changedAt, now)} by ${policy.changedBy}`],
    ["created", `${moment(policy.createdAt, now)} by ${policy.createdBy}`],
  ]);
  const attached = policy.attachments.map(({ id, target }) => `  ${id}  ${targetText(target, names)}`);
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
      .option("--key <key>", "handle, key_…");

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
      const names = await namesOfTargets(call, [answer]);
      show(call, answer, ({ id, target, warnings }) =>
        [
          `${policy} holds for ${targetText(target, names)} (${id})`,
          ...warnings.map((text) => `warning: ${clean(text)}`),
        ].join("\n"),
      );
    },
  );

  calls<object, [string]>(
    group.command("detach").argument("<attachment>", "handle, att_…").description("let a policy no longer hold there"),
    io,
    ["keyover policy detach att_…"],
    async (call, attachment) => {
      const answer = await call.api.request("delete", "/v1/attachments/{attachment}", { params: { attachment } });
      const names = await namesOfTargets(call, [answer]);
      show(call, answer, ({ target }) => `no longer holds for ${targetText(target, names)}`);
    },
  );
}
