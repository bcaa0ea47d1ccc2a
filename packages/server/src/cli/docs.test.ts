/** docs/cli.md and --help say what the program does. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { resolvePolicy } from "@keyover/core";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { runProgram } from "./cli.test-world.ts";
import { programOn } from "./cli.ts";
import { exitCodes, exitMeanings } from "./exit-codes.ts";
import { processIo } from "./io.ts";
import { NOTHING, valueText } from "./policy-values.ts";

const docs = readFileSync(join(import.meta.dirname, "../../../../docs/cli.md"), "utf8");

function leaves(command: Command, path: string[]): { path: string; command: Command }[] {
  if (command.commands.length === 0) return [{ path: path.join(" "), command }];
  return command.commands.flatMap((inner) => leaves(inner, [...path, inner.name()]));
}

const commands = leaves(programOn(processIo()), ["keyover"]);

describe("docs/cli.md", () => {
  it("lists every command, and none that there isn't", () => {
    const table = docs.slice(docs.indexOf("## Commands"), docs.indexOf("## Where"));
    const listed = [...table.matchAll(/`(keyover [a-z -]+)`/g)].map((match) => match[1]);
    expect(new Set(listed)).toEqual(new Set(commands.map(({ path }) => path)));
  });

  it("and --help list the same exit codes", async () => {
    const { out } = await runProgram(["--help"]);
    const rows = [...docs.slice(docs.indexOf("## Exit codes")).matchAll(/^\| (\d) \| (.*) \|$/gm)].map((match) => [
      Number(match[1]),
      match[2],
    ]);
    expect(rows).toEqual(
      Object.entries(exitCodes).map(([name, code]) => [code, exitMeanings[name as keyof typeof exitCodes]]),
    );
    for (const [code, meaning] of rows) expect(out).toContain(`  ${code}  ${meaning}`);
  });
});

/** Every variable that the code reads, by the name in `env.NAME`, `env["NAME"]` or a reader that is handed the name. */
function variablesRead(folder: string): Set<string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && !/\.test|environment\.ts$/.test(file),
  );
  const names = files.flatMap((file) => {
    const text = readFileSync(join(folder, file), "utf8");
    return [...text.matchAll(/\benv(?:\.|\[")([A-Z][A-Z0-9_]+)\b|\(env, "([A-Z][A-Z0-9_]+)"\)/g)].map(
      ([, own, handed]) => (own ?? handed) as string,
    );
  });
  return new Set(names);
}

describe("environment variables", () => {
  const read = variablesRead(join(import.meta.dirname, ".."));

  it("are all in --help, with the server's own in serve --help too, and none that nobody reads", async () => {
    const [all, serve] = await Promise.all([runProgram(["--help"]), runProgram(["serve", "--help"])]);
    const listed = (text: string) =>
      [...text.slice(text.indexOf("Environment:")).matchAll(/^ {2}([A-Z][A-Z0-9_]+) {2}/gm)].map((match) => match[1]);
    // Node reads the certificates by itself, and NO_COLOR's neighbour stands beside it.
    const known = new Set([...read].filter((name) => name !== "TERM"));
    expect(new Set(listed(all.out))).toEqual(new Set([...known, "NODE_EXTRA_CA_CERTS"]));
    for (const name of listed(serve.out)) expect(listed(all.out)).toContain(name);
    for (const name of ["KEYOVER_MAIL_FROM", "KEYOVER_NOTICE_PRIVATE_TARGETS", "KEYOVER_DATABASE_URL_FILE"])
      expect(listed(serve.out)).toContain(name);
    expect(read.size).toBeGreaterThan(15);
  });

  it("are all in docs/cli.md", () => {
    for (const name of read) if (name !== "TERM") expect(docs, name).toContain(`\`${name}`);
  });
});

describe("--help", () => {
  it("of policies shows each member with its default, and of an option too", async () => {
    const { out } = await runProgram(["policy", "--help"]);
    for (const [member, { value }] of Object.entries(resolvePolicy([]).members))
      expect(out).toContain(`${member.padEnd(20)}  ${valueText(member, value, NOTHING[member] ?? "none")}\n`);
    const rotate = await runProgram(["key", "rotate", "--help"]);
    expect(rotate.out.replaceAll(/\s+/g, " ")).toContain(
      "from the offer to the deadline (14d where nothing says otherwise)",
    );
    const create = await runProgram(["api", "create", "--help"]);
    expect(create.out.replaceAll(/\s+/g, " ")).toContain("from the authority (15s where nothing says otherwise)");
  });

  it("marks the options that a command can't do without", async () => {
    for (const { path, command } of commands) {
      const { out } = await runProgram([...path.split(" ").slice(1), "--help"]);
      expect(out.match(/\(needed\)/g) ?? [], path).toHaveLength(
        command.options.filter((each) => each.mandatory).length,
      );
    }
  });

  it.each(commands)("of $path describes it, each of its options, and shows an example", async ({ path, command }) => {
    const { code, out } = await runProgram([...path.split(" ").slice(1), "--help"]);
    expect(code).toBe(0);
    expect(out).toMatch(/Examples?:\n {2}\$ .*keyover /);
    expect(command.description()).not.toBe("");
    for (const option of command.options) expect(option.description, option.flags).not.toBe("");
  });
});
