/**
 * The master key in a file: 32 bytes as base64url on one line, mode 0600, made on first start. Losing it loses the sealed
 * secrets that nobody has claimed yet, and nothing else: every key goes on working, because keys are kept as hashes.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { RandomBytes } from "@keyover/core";

export class MasterKeyError extends Error {
  override name = "MasterKeyError";
}

/** Reads the master key, or makes it if there is none. */
export function loadMasterKey(path: string, random: RandomBytes): { key: Uint8Array; created: boolean } {
  if (!existsSync(path)) return { key: create(path, random), created: true };
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    throw new MasterKeyError(
      `the master key ${path} can be read by others (mode ${mode.toString(8).padStart(4, "0")}). If nobody has read it, run: chmod 600 ${path}`,
    );
  }
  const text = readFileSync(path, "utf8").trim();
  const key = new Uint8Array(Buffer.from(text, "base64url"));
  if (key.length !== 32 || Buffer.from(key).toString("base64url") !== text) {
    throw new MasterKeyError(
      `${path} holds no master key (expected 43 characters of base64url). Restore it from your backup; a new one would not open what is sealed`,
    );
  }
  return { key, created: false };
}

/** Whole or not at all: a torn file would stop every later start. */
function create(path: string, random: RandomBytes): Uint8Array {
  const key = random(32);
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  const file = openSync(fresh, "wx", 0o600);
  writeSync(file, `${Buffer.from(key).toString("base64url")}\n`);
  fsyncSync(file);
  closeSync(file);
  linkSync(fresh, path); // unlike a rename it never replaces a key
  rmSync(fresh);
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
  return key;
}
