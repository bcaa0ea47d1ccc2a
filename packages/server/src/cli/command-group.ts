/** What the commands that call the authority have in common: connect, call, show the answer as text or as JSON. */
import { ApiError } from "@keyover/client/api";
import type { Command } from "commander";
import { inOptions } from "./body-options.ts";
import { type Connection, type ConnectionOptions, connect, connectionOptions } from "./connection.ts";
import { UsageError } from "./exit-codes.ts";
import { type Io, say, sayJson, widthOf } from "./io.ts";
import { present } from "./options.ts";
import { type Column, clean, cut, table } from "./render.ts";

export interface Call<O> extends Connection {
  io: Io;
  options: O & ConnectionOptions;
  now: number;
}

/** Makes `command` call the authority: its options, its examples, and what it does. */
export function calls<O, A extends string[] = string[]>(
  command: Command,
  io: Io,
  examples: string[],
  run: (call: Call<O>, ...args: A) => Promise<void>,
): void {
  connectionOptions(command);
  withExamples(command, examples);
  command.action(async () => {
    const options = command.opts<O & ConnectionOptions>();
    refuseMistaken(command);
    const connection = connect(options, io);
    try {
      await run({ ...connection, io, options, now: io.world.clock.now() }, ...(command.processedArgs as A));
    } catch (error) {
      throw error instanceof ApiError ? inOptions(error, command) : error;
    }
  });
}

/** What can't be what it stands for: a name that is empty or only dots, which would make another path of the call, and another thing's handle. */
function refuseMistaken(command: Command): void {
  const { args, registeredArguments } = command;
  const blank = args.find((name) => /^\.{0,2}$/.test(name.trim()));
  if (blank !== undefined) throw new UsageError(`"${blank}" is no name or handle`);
  const long = args.find((name) => name.length > NAME_MAX);
  if (long !== undefined) throw new UsageError(`"${cut(clean(long), SHOWN_MAX)}" is longer than any name or handle`);
  for (const [i, argument] of registeredArguments.entries())
    refuseOtherHandle(`<${argument.name()}>`, argument.description, args[i]);
  const options = command.opts() as Record<string, unknown>;
  for (const option of command.options)
    for (const given of [options[option.attributeName()]].flat())
      refuseOtherHandle(option.long ?? option.flags, option.description, given);
}

/** More than any of them may have; a path of a call has room for some thousands. */
const NAME_MAX = 1_000;
const SHOWN_MAX = 60;

/** `about` says `key_…` where a key's handle belongs. */
function refuseOtherHandle(where: string, about: string, given: unknown): void {
  const prefix = /\b([a-z]{3})_…/.exec(about)?.[1];
  if (typeof given !== "string" || prefix === undefined) return;
  if (given.includes("…")) throw new UsageError(`${where}: ${given} stands for a handle; give one that a list shows`);
  if (!given.startsWith(`${prefix}_`))
    throw new UsageError(`${where} takes a handle that begins with ${prefix}_; got "${cut(clean(given), SHOWN_MAX)}"`);
}

export function withExamples(command: Command, examples: string[]): void {
  const heading = examples.length === 1 ? "Example" : "Examples";
  command.addHelpText("after", `\n${heading}:\n${examples.map((example) => `  $ ${example}`).join("\n")}`);
}

/** The answer: exactly as it came, or as text. */
export function show<T>(call: Call<object>, answer: T, text: (answer: T) => string): void {
  if (call.options.json) sayJson(call.io, answer);
  else say(call.io, text(answer));
}

/** A filter that is misspelt matches nothing; so where nothing matches it is asked whether there is such an api. */
export async function refuseUnknownApi(
  { api: calls }: Call<object>,
  { items }: { items: unknown[] },
  api: string | undefined,
): Promise<void> {
  if (items.length > 0 || api === undefined) return;
  await calls.request("get", "/v1/apis/{api}", { params: { api } }).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 404) throw error;
  });
}

/** Of an empty list: with filters they may be wrong, without there is nothing, and `make` makes the first. */
export function nothing(what: string, filter: object, make: string): string {
  return Object.keys(present(filter)).length > 0
    ? `No ${what} matches.`
    : `There is no ${what} yet. Make one with: ${make}`;
}

export function showList<T>(
  call: Call<object>,
  answer: { items: T[]; next: string | null },
  columns: Column<T>[],
  empty: string,
): void {
  show(call, answer, ({ items, next }) => {
    if (items.length === 0) return empty;
    const rows = table(items, columns, widthOf(call.io));
    return next === null ? rows : `${rows}\n(there are more; raise --limit)`;
  });
}
