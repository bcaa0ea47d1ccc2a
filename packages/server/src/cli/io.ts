/** What a command may touch: handed in, so that a test can run the program inside its own process. */
import type { Readable, Writable } from "node:stream";
import { styleText } from "node:util";
import type { World } from "@keyover/core";
import { createLogger, realWorld } from "../world.ts";

export interface Io {
  stdout: Writable & { columns?: number | undefined };
  stderr: Writable;
  stdin: Readable;
  /** A person sits at both ends: may be asked, sees colours and live views. */
  isTty: boolean;
  env: Record<string, string | undefined>;
  world: World;
}

export function processIo(): Io {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    isTty: process.stdin.isTTY === true && process.stdout.isTTY === true,
    env: process.env,
    world: realWorld(createLogger("warn")),
  };
}

/** Lines for the reader of the command's result. */
export function say(io: Io, text: string): void {
  io.stdout.write(`${text}\n`);
}

/** A remark beside the result, which a pipeline does not want to read. */
export function remark(io: Io, text: string): void {
  io.stderr.write(`${text}\n`);
}

/** On one line for a pipeline, indented for a person. */
export function sayJson(io: Io, value: unknown): void {
  const text = JSON.stringify(value ?? null, undefined, io.isTty ? 2 : undefined);
  say(io, text.replace(/[\x7f-\x9f\p{Cf}\u2028\u2029]/gu, escaped));
}

/** JSON says the same either way; a terminal does not. */
function escaped(unseen: string): string {
  return [...Array(unseen.length).keys()]
    .map((i) => `\\u${unseen.charCodeAt(i).toString(16).padStart(4, "0")}`)
    .join("");
}

/** The width to fit into; a pipe has none. */
export function widthOf(io: Io): number | undefined {
  return io.isTty ? (io.stdout.columns ?? 80) : undefined;
}

type Style = Parameters<typeof styleText>[0];

/** Colours where a person looks and has not said NO_COLOR. */
export function painterOf(io: Io): (style: Style, text: string) => string {
  const plain = !io.isTty || (io.env.NO_COLOR ?? "") !== "" || io.env.TERM === "dumb";
  return (style, text) => (plain ? text : styleText(style, text, { validateStream: false }));
}
