/** The command line: what there is, and how it ends. */
import { Command } from "commander";
import { apiCommands } from "./api-commands.ts";
import { auditCommands } from "./audit-commands.ts";
import { backupCommand } from "./backup.ts";
import { campaignCommands } from "./campaign-commands.ts";
import { channelCommands } from "./channel-commands.ts";
import { consumerCommands } from "./consumer-commands.ts";
import { doctorCommand } from "./doctor.ts";
import { emergencyCommands } from "./emergency-commands.ts";
import { type ExitCode, exitCodes, exitMeanings } from "./exit-codes.ts";
import { endingOf } from "./failures.ts";
import { initCommand } from "./init.ts";
import { type Io, processIo, remark } from "./io.ts";
import { keyCommands } from "./key-commands.ts";
import { migrateCommand } from "./migrate.ts";
import { noticeCommands } from "./notice-commands.ts";
import { offboardCommand } from "./offboard-command.ts";
import { policyCommands } from "./policy-commands.ts";
import { reconcileCommand } from "./reconcile.ts";
import { restoreCommand } from "./restore.ts";
import { rotationCommands } from "./rotation-commands.ts";
import { serveCommand } from "./serve.ts";
import { tokenCommands } from "./token-commands.ts";
import { verifyCommand } from "./verify-command.ts";
import { versionOf } from "./version.ts";
import { watchCommand } from "./watch.ts";

/** Runs one command line (`argv` as in process.argv) and answers its exit code. */
export async function runCli(argv: readonly string[], io: Io = processIo()): Promise<ExitCode> {
  try {
    await programOn(io).parseAsync(argv);
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
    .addHelpText("after", () => `\n${environmentText}\n\n${exitCodeText()}`);
  serveCommand(program, io);
  initCommand(program, io);
  migrateCommand(program, io);
  backupCommand(program, io);
  restoreCommand(program, io);
  reconcileCommand(program, io);
  apiCommands(program, io);
  consumerCommands(program, io);
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
      outputError: (text, write) => write(text.replace(/^error: /, "keyover: ")),
    });
  });
  return program;
}

function everyCommand(command: Command, act: (command: Command) => void): void {
  act(command);
  for (const inner of command.commands) everyCommand(inner, act);
}

const environmentText = `Environment:
  KEYOVER_URL              the authority (otherwise http://127.0.0.1:7700)
  KEYOVER_TOKEN            the token, or KEYOVER_TOKEN_FILE: a file of mode 0600 that holds it
  KEYOVER_ALLOW_PLAIN_HTTP 1: send tokens over http:// to another machine, where nobody else can listen
  DATABASE_URL             PostgreSQL instead of SQLite, for serve, init, migrate and doctor
  KEYOVER_SMTP_URL         mail server for notices, for serve, with KEYOVER_MAIL_FROM
  NODE_EXTRA_CA_CERTS      certificate to trust besides the well-known ones
  NO_COLOR                 no colours`;

function exitCodeText(): string {
  const lines = Object.entries(exitCodes).map(
    ([name, code]) => `  ${code}  ${exitMeanings[name as keyof typeof exitCodes]}`,
  );
  return `Exit codes:\n${lines.join("\n")}`;
}
