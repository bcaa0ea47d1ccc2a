/**
 * `--secret-file`: a secret goes straight into a file of mode 0600. The file is made before the secret is, so that a full disk or a
 * missing folder is found while there is still nothing to lose.
 */
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { UsageError } from "./exit-codes.ts";
import { type Io, remark } from "./io.ts";

export interface ReservedFile {
  /** False, with a remark, if it can't be written after all: the caller shows the secret instead, there is no second chance to see it. */
  write(io: Io, secret: string, again?: string): boolean;
  /** Nothing came of it. */
  release(): void;
}

export function reserveSecretFile(path: string): ReservedFile {
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST")
      throw new UsageError(`${path} exists already and is not overwritten; name another file, or remove it first`);
    throw new UsageError(`${path} can't be written: ${messageOf(error)}`);
  }
  const release = () => {
    closeSync(file);
    rmSync(path, { force: true });
  };
  return {
    release,
    write(io, secret, again = "It can't be shown again.") {
      try {
        writeSync(file, `${secret}\n`);
        fsyncSync(file);
      } catch (error) {
        release();
        remark(io, `${path} could not be written (${messageOf(error)}); the secret follows instead.`);
        return false;
      }
      closeSync(file);
      remark(io, `The secret is in ${path}, readable by you alone. ${again}`);
      return true;
    },
  };
}

/** Runs `make` and puts the secret of its answer into the file, if one was asked for; the answer then goes on without it. `again`: whether it can be had again. */
export async function keepSecret<T extends { secret: string | null }>(
  io: Io,
  path: string | undefined,
  make: () => Promise<T>,
  again?: string,
): Promise<T> {
  if (path === undefined) return make();
  const reserved = reserveSecretFile(path);
  let answer: T;
  try {
    answer = await make();
  } catch (error) {
    reserved.release();
    throw error;
  }
  if (answer.secret === null) {
    reserved.release();
    remark(io, `There is no secret to write to ${path}.`);
    return answer;
  }
  return reserved.write(io, answer.secret, again) ? { ...answer, secret: null } : answer;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
