/** The command line: what there is, and how it ends. */
import { Command, Help, type Option } from "commander";
import { apiCommands } from "./api-commands.ts";
import { auditCommands } from "./audit-commands.ts";
import { backupCommand } from "./backup.ts";
import { campaignCommands } from "./campaign-commands.ts";
import { channelCommands } from "./channel-commands.ts";
import { consumerCommands } from "./consumer-commands.ts";
import { doctorCommand } from "./doctor.ts";
import { emergencyCommands } from "./emergency-commands.ts";
import { programEnvironment } from "./environment.ts";
import { type ExitCode, exitCodes, exitMeanings } from "./exit-codes.ts";
import { endingOf } from "./failures.ts";
import { initCommand } from "./init.ts";
import { type Io, processIo, remark } from "./io.ts";
import { keyCommands } from "./key-commands.ts";
import { migrateCommand } from "./migrate.ts";
import { noticeCommands } from "./notice-commands.ts";
import { offboardCommand } from "./offboard-command.ts";
import { planCommands } from "./plan-commands.ts";
import { policyCommands } from "./policy-commands.ts";
import { reconcileCommand } from "./reconcile.ts";
import { restoreCommand } from "./restore.ts";
import { rotationCommands } from "./rotation-commands.ts";
import { serveCommand } from "./serve.ts";
import { tokenCommands } from "./token-commands.ts";
import { knownCommand } from "./unknown-command.ts";
import { verifierCommand } from "./verifier-command.ts";
import { verifyCommand } from "./verify-command.ts";
import { versionOf } from "./version.ts";
import { watchCommand } from "./watch.ts";

/** Runs one command line (`argv` as in process.argv) and answers its exit code. */
export async function runCli(argv: readonly string[], io: Io = processIo()): Promise<ExitCode> {
  try {
    const program = programOn(io);
    await program.parseAsync(knownCommand(program, argv.slice(2)), { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    const { code, sentence } = endingOf(error);
    if (sentence !== undefined) remark(io, `keyover: ${sentence}`);
    return code;
  }
}

/** The program with all its commands; docs/cli.md is held equal to it by a test. */
export function programOn(io: Io): Command {
  const program = new Command("keyover")
    .description("Changes API keys over without losing a request.")
    .version(versionOf(), "-V, --version")
    // Otherwise `key kill <key> --version 2` would print the program's version, and kill nothing.
    .enablePositionalOptions()
    .showHelpAfterError("(keyover help shows every command; --help after a command shows its options)")
    .addHelpText("after", () => `\n${programEnvironment()}\n\n${exitCodeText()}`);
  serveCommand(program, io);
  verifierCommand(program, io);
  initCommand(program, io);
  migrateCommand(program, io);
  backupCommand(program, io);
  restoreCommand(program, io);
  reconcileCommand(program, io);
  apiCommands(program, io);
  consumerCommands(program, io);
  planCommands(program, io);
  keyCommands(program, io);
  rotationCommands(program, io);
  campaignCommands(program, io);
  emergencyCommands(program, io);
  policyCommands(program, io);
  tokenCommands(program, io);
  offboardCommand(program, io);
  channelCommands(program, io);
  noticeCommands(program, io);
  verifyCommand(program, io);
  watchCommand(program, io);
  auditCommands(program, io);
  doctorCommand(program, io);
  everyCommand(program, (command) => {
    command.exitOverride();
    command.configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => (io.isTty ? (io.stdout.columns ?? 100) : 100),
      getErrHelpWidth: () => 100,
      outputError: (text, write) => write(allMissing(command, text).replace(/^error: /, "keyover: ")),
    });
    command.configureHelp({ optionDescription });
  });
  return program;
}

/** Commander names the first alone. */
function allMissing(command: Command, text: string): string {
  if (!text.startsWith("error: required option")) return text;
  const missing = command.options.filter(
    (each) => each.mandatory && command.getOptionValue(each.attributeName()) === undefined,
  );
  return `error: needed and not given: ${missing.map(({ flags }) => flags).join(", ")}\n`;
}

/** Commander marks only what a default is, or the choices are. */
function optionDescription(this: Help, option: Option): string {
  const about = Help.prototype.optionDescription.call(this, option);
  return option.mandatory ? `${about} (needed)` : about;
}

function everyCommand(command: Command, act: (command: Command) => void): void {
  act(command);
  for (const inner of command.commands) everyCommand(inner, act);
}

function exitCodeText(): string {
  const lines = Object.entries(exitCodes).map(
    ([name, code]) => `  ${code}  ${exitMeanings[name as keyof typeof exitCodes]}`,
  );
  return `Exit codes:\n${lines.join("\n")}`;
}
