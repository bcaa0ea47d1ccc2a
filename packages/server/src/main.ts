#!/usr/bin/env node
/** The program `keyover`. */
import { runCli } from "./cli/cli.ts";

// What this program writes holds secrets, or hashes of them: for its user alone.
process.umask(0o077);
// The world's timers keep no process alive, so that a finished one can end; this one does until the command has.
const alive = setInterval(() => {}, 2 ** 30);
process.exitCode = await runCli(process.argv);
clearInterval(alive);
