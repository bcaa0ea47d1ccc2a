/** Small files that hold a secret. */
import { readFileSync, statSync } from "node:fs";
import { UnsafeConfigurationError, UsageError } from "./exit-codes.ts";

/** Refuses one that others can read. */
export function readPrivateFile(path: string, what: string): string {
  let mode: number;
  try {
    mode = statSync(path).mode & 0o777;
  } catch (error) {
    throw new UsageError(`the ${what} ${path} can't be read: ${reasonOf(error)}`);
  }
  if ((mode & 0o077) !== 0) {
    throw new UnsafeConfigurationError(
      `the ${what} ${path} can be read by others (mode ${mode.toString(8).padStart(4, "0")}). If nobody has read it, run: chmod 600 ${path}`,
    );
  }
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`the ${what} ${path} can't be read: ${reasonOf(error)}`);
  }
}

/** Why a file can't be read, for people. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const reasons: Record<string, string> = {
    ENOENT: "there is no such file",
    EACCES: "permission denied",
    EISDIR: "it is a folder",
  };
  return reasons[String(code)] ?? (error instanceof Error ? error.message : String(error));
}
