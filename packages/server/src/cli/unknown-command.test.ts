/** Whatever word stands where a command belongs: its help, or exit 2 with what was meant. */
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { distanceOf, nearestOf } from "../http/nearest.ts";
import { runProgram } from "./cli.test-world.ts";
import { programOn } from "./cli.ts";
import { processIo } from "./io.ts";

function leaves(command: Command, path: string[]): string[][] {
  if (command.commands.length === 0) return [path];
  return command.commands.flatMap((inner) => leaves(inner, [...path, inner.name()]));
}

const commands = leaves(programOn(processIo()), []);

describe("a word that is no command", () => {
  it.each([
    ["rotate --help", "Did you mean: keyover key rotate?"],
    ["rotate key_1", "Did you mean: keyover key rotate?"],
    ["help rotate", "Did you mean: keyover key rotate?"],
    ["revoke", "Did you mean: keyover key revoke, keyover token revoke?"],
    ["kye list --help", "Did you mean: keyover key list?"],
    ["keys list", "Did you mean: keyover key list?"],
    ["polciy explain key_1", "Did you mean: keyover policy explain?"],
    ["key roatte --help", "Did you mean: keyover key rotate?"],
    ["key lsit", "Did you mean: keyover key list?"],
    ["key delete key_1", "there are create, list, show, usage, update, rotate"],
    ["campaign rollback cam_1", "Did you mean: keyover campaign roll-back, keyover rotation rollback?"],
    ["list", "keyover api list, keyover consumer list, keyover plan list, keyover key list? …"],
    ["frobnicate --help", 'there is no command "keyover frobnicate"'],
    ["--json key list", "options come behind it"],
    ["key --token=kot_mine list", "--token stands before the command"],
  ])("%s", async (line, said) => {
    const { code, out, err } = await runProgram(line.split(" "));
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(said);
    expect(err).not.toContain("kot_mine");
  });

  it("can't move the cursor, and is not repeated at length", async () => {
    const { code, err } = await runProgram([`\u001b[2J${"x".repeat(100_000)}`]);
    expect(code).toBe(2);
    expect(err).not.toContain("\u001b");
    expect(err.length).toBeLessThan(300);
  });
});

describe("help", () => {
  it.each(commands)("of keyover %s %s is the same in each way", async (...path) => {
    const words = path.filter((word) => word !== undefined);
    const { code, out } = await runProgram([...words, "--help"]);
    expect([code, out]).toEqual([0, expect.stringContaining(`Usage: keyover ${words.join(" ")}`)]);
    for (const asked of [
      ["help", ...words],
      [...words.slice(0, -1), "help", ...words.slice(-1)],
    ])
      expect(await runProgram(asked)).toMatchObject({ code: 0, out });
  });

  it("of a group is its own, not an error", async () => {
    for (const asked of [["key", "--help"], ["help", "key"], ["key", "help"], ["help"], ["--help"], ["help", "help"]])
      expect(await runProgram(asked)).toMatchObject({ code: 0, err: "" });
  });
});

describe("a misspelt option", () => {
  it.each([
    ["key rotate key_1 --raeson x", "--reason"],
    ["key list --enviroment live", "--environment"],
    ["campaign start --name n --reason r --dryrun", "--dry-run"],
    ["serve --lsiten x", "--listen"],
  ])("%s", async (line, meant) => {
    const { code, err } = await runProgram(line.split(" "));
    expect([code, err]).toEqual([2, expect.stringContaining(`Did you mean ${meant}?`)]);
  });
});

describe("what was meant", () => {
  it.each([
    ["kye", "key", 1],
    ["roatte", "rotate", 1],
    ["lsit", "list", 1],
    ["key", "key", 0],
    ["KEY", "key", 0],
    ["overlap", "overlapMs", 1],
    ["ca", "abc", 3],
    ["", "key", 3],
    ["ab", "ba", 1],
    ["quitMs", "quietMs", 1],
  ])("%j is %j, %d letters away", (given, known, distance) => expect(distanceOf(given, known)).toBe(distance));

  it("of two swapped letters is the word, though another is as short a way off by its letters", () => {
    expect(nearestOf("lsit", ["show", "list", "last"])).toBe("list");
    expect(nearestOf("ovrelapMs", ["quietMs", "overlapMs", "overlapMinMs"])).toBe("overlapMs");
    expect(nearestOf("nothing", ["list", "show"])).toBeUndefined();
  });
});
