import type { Clock } from "@keyover/core";

/** What `work` gives, or undefined if that takes longer than `ms` or fails. The work itself goes on. */
export async function bounded<T>(work: Promise<T>, ms: number, clock: Clock): Promise<T | undefined> {
  let cancel = (): void => {};
  const timeout = new Promise<undefined>((resolve) => {
    cancel = clock.after(ms, () => resolve(undefined));
  });
  try {
    return await Promise.race([work.catch(() => undefined), timeout]);
  } finally {
    cancel();
  }
}

/** What may be said of an error: never its message, which may quote a secret (a callback of the application threw it). */
export function reasonOf(error: unknown): string {
  if (error instanceof KeyHolderError) return error.code;
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" ? code : error.name;
}

export type KeyHolderErrorCode =
  | "no_secret"
  | "not_ready"
  | "foreign_origin"
  | "invalid_options"
  | "lock_lost"
  | "source_slow"
  | "probe_undecided";

export class KeyHolderError extends Error {
  readonly code: KeyHolderErrorCode;

  constructor(code: KeyHolderErrorCode, message: string) {
    super(message);
    this.name = "KeyHolderError";
    this.code = code;
  }
}
