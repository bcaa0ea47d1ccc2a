/** What the program's exit code means; `keyover --help` shows this table and docs/cli.md is held equal to it by a test. */
export const exitCodes = {
  ok: 0,
  refused: 1,
  usage: 2,
  unreachable: 3,
  configuration: 4,
  defect: 5,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitMeanings: Record<keyof typeof exitCodes, string> = {
  ok: "done",
  refused: "the authority refused, or what was asked about is not so (a key that is not valid, a doctor with findings)",
  usage: "the command line is wrong, or a confirmation is missing; nothing was done",
  unreachable: "the authority, or its database, can't be reached",
  configuration: "the configuration is unsafe or the data folder unusable; nothing was started",
  defect: "the program itself failed; please report it",
};

/** The start is refused; the message says what to do. */
export class UnsafeConfigurationError extends Error {
  override name = "UnsafeConfigurationError";
}

/** The command line can't be carried out as it stands; the message says what to write. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Asked and answered: no. The message says what, and what to do about it. */
export class RefusedError extends Error {
  override name = "RefusedError";
}
