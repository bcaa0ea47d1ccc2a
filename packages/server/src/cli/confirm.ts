/** Questions to the person at the terminal. Where there is nobody to ask, what can't be undone needs `--yes`. */
import type { Writable } from "node:stream";
import { confirm as clackConfirm, password as clackPassword, isCancel } from "@clack/prompts";
import { UsageError } from "./exit-codes.ts";
import type { Io } from "./io.ts";

/** Returns if it is to be done. `consequence` is a sentence about what cannot be taken back. */
export async function confirmOrStop(io: Io, yes: boolean | undefined, consequence: string): Promise<void> {
  if (yes === true) return;
  if (!io.isTty)
    throw new UsageError(
      `${consequence} There is no terminal to ask at: repeat with --yes if you mean it. Nothing was done`,
    );
  const answer = await clackConfirm({
    message: `${consequence} Go on?`,
    initialValue: false,
    input: io.stdin,
    output: promptOutput(io),
  });
  if (isCancel(answer) || !answer) throw new UsageError("not confirmed; nothing was done");
}

/** A secret, typed unseen. */
export async function askSecret(io: Io, message: string): Promise<string> {
  const answer = await clackPassword({ message, input: io.stdin, output: promptOutput(io) });
  if (isCancel(answer) || answer === undefined) throw new UsageError("nothing was entered");
  return answer;
}

/** Prompts are remarks, not results. */
function promptOutput(io: Io): Writable {
  return io.stderr;
}
