/** What the commands that call the authority have in common: connect, call, show the answer as text or as JSON. */
import type { Command } from "commander";
import { type Connection, type ConnectionOptions, connect, connectionOptions } from "./connection.ts";
import { UsageError } from "./exit-codes.ts";
import { type Io, say, sayJson, widthOf } from "./io.ts";
import { type Column, table } from "./render.ts";

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
    refuseBlank(command.args);
    const connection = connect(options, io);
    await run({ ...connection, io, options, now: io.world.clock.now() }, ...(command.processedArgs as A));
  });
}

/** A name that is empty or only dots would make another path of the call. */
function refuseBlank(names: readonly string[]): void {
  const wrong = names.find((name) => /^\.{0,2}$/.test(name.trim()));
  if (wrong !== undefined) throw new UsageError(`"${wrong}" is no name or handle`);
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
