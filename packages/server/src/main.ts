#!/usr/bin/env node
/**
 * The program `keyover`. What it is made of is loaded only once the Node beneath is known to be new enough: on an older one the embedded
 * database does not fail but crashes the process, without a word.
 */
import { nodeProblem } from "./node-version.ts";

const problem = nodeProblem(process.versions.node);
if (problem !== undefined) {
  process.stderr.write(`keyover: ${problem}\n`);
  process.exit(4);
}
// What this program writes holds secrets, or hashes of them: for its user alone.
process.umask(0o077);
// Whoever reads it may have enough (`| head`): the end is then the one that a shell knows of such programs, 128 and SIGPIPE.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(141);
  throw error;
});
// The world's timers keep no process alive, so that a finished one can end; this one does until the command has.
const alive = setInterval(() => {}, 2 ** 30);
const { runCli } = await import("./cli/cli.ts");
process.exitCode = await runCli(process.argv);
clearInterval(alive);
