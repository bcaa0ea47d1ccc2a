/** docs/cli.md and --help say what the program does. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { runProgram } from "./cli.test-world.ts";
import { programOn } from "./cli.ts";
import { exitCodes, exitMeanings } from "./exit-codes.ts";
import { processIo } from "./io.ts";

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

describe("--help", () => {
  it.each(commands)("of $path describes it, each of its options, and shows an example", async ({ path, command }) => {
    const { code, out } = await runProgram([...path.split(" ").slice(1), "--help"]);
    expect(code).toBe(0);
    expect(out).toMatch(/Examples?:\n {2}\$ .*keyover /);
    expect(command.description()).not.toBe("");
    for (const option of command.options) expect(option.description, option.flags).not.toBe("");
  });
});
