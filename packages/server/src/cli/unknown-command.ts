/**
 * Finds the command before commander does. For a word that is no command commander shows the help of what stands before it and ends well if
 * `--help` follows, so `keyover rotate --help` seemed to work; and it looks for what was meant among neighbours alone, where `rotate` stands
 * one level deeper. Here what was meant is looked for in the whole tree. `help` in front, or between, is the same as `--help` behind.
 */
import type { Command } from "commander";
import { distanceOf, isNear } from "../http/nearest.ts";
import { UsageError } from "./exit-codes.ts";
import { clean, cut } from "./render.ts";

const SHOWN_MAX = 4;
const WORD_MAX = 40;

/** The arguments with `help` put behind; throws a UsageError for a word that is no command. `args`: without node and script. */
export function knownCommand(program: Command, args: readonly string[]): string[] {
  let command = program;
  let helps = false;
  const path: string[] = [];
  for (const [i, word] of args.entries()) {
    // From here on it is options, and arguments.
    if (word.startsWith("-") || command.commands.length === 0) {
      if (command.commands.length > 0 && !GLOBAL.test(word)) throw new UsageError(tooEarly(command, word));
      return [...path, ...(helps ? ["--help"] : args.slice(i))];
    }
    if (word === "help") helps = true;
    else {
      const inner = command.commands.find((each) => each.name() === word);
      if (inner === undefined) throw new UsageError(unknownWord(program, command, word, args.slice(i + 1)));
      path.push(word);
      command = inner;
    }
  }
  return helps ? [...path, "--help"] : path;
}

function unknownWord(program: Command, within: Command, word: string, rest: readonly string[]): string {
  const meant = meantBy(program, within, word).map((command) => follow(command, rest));
  const shown = [...new Set(meant.map(nameOf))].slice(0, SHOWN_MAX);
  const known = within === program ? "" : `; there are ${within.commands.map((each) => each.name()).join(", ")}`;
  const asked = shown.length === 0 ? known : `. Did you mean: ${shown.join(", ")}?`;
  const many = meant.length > shown.length && shown.length === SHOWN_MAX ? " …" : "";
  return `there is no command "${nameOf(within)} ${cut(clean(word), WORD_MAX)}"${asked}${many}${HINT}`;
}

/** What every command takes, and what the program itself takes. */
const GLOBAL = /^(-h|--help|-V|--version)$/;

/** Without its value, which may be what nobody should see. */
function tooEarly(command: Command, word: string): string {
  const option = cut(clean(word.replace(/=.*/s, "")), WORD_MAX);
  return `${option} stands before the command; options come behind it: ${nameOf(command)} … ${option}${HINT}`;
}

const HINT = "\n(keyover help shows every command; --help after a command shows its options)";

/** Behind a word that is known its own commands first; else the nearest. */
function meantBy(program: Command, within: Command, word: string): Command[] {
  return everyInner(program)
    .map((command) => ({
      command,
      distance: distanceOf(word, command.name()),
      elsewhere: command.parent === within ? 0 : 1,
    }))
    .filter(({ command, distance, elsewhere }) => (elsewhere ? distance === 0 : isNear(distance, command.name())))
    .sort((a, b) => {
      const [nearer, closer] = [a.distance - b.distance, a.elsewhere - b.elsewhere];
      return within === program ? nearer || closer : closer || nearer;
    })
    .map(({ command }) => command);
}

function everyInner(command: Command): Command[] {
  return command.commands.flatMap((inner) => [inner, ...everyInner(inner)]);
}

/** As far as the words behind are commands too. */
function follow(command: Command, rest: readonly string[]): Command {
  const inner = command.commands.find((each) => each.name() === rest[0]);
  return inner === undefined ? command : follow(inner, rest.slice(1));
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}
