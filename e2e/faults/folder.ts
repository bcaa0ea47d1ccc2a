/**
 * Where a run keeps all that it makes. It is removed in the end, unless something was wrong; a line of shell on a pipe sees to it where the
 * run itself was killed.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SmallDisk, smallDisk } from "../small-disk.test-support.ts";

export interface Folder {
  path: string;
  /** What was written down, one file for each process (history.ts). */
  history: string;
  /** The secrets, and what is looked through for them (canary.test-support.ts). */
  canary: string;
  /** A file for what a process says. */
  log(name: string): string;
  /** A folder for a process. */
  home(name: string): string;
  /** The same, on a disk that can be filled; undefined where none can be made. */
  smallHome(name: string): SmallDisk | undefined;
  /** It stays. */
  keep(): void;
}

const GUARDIAN = `cat >/dev/null
for mount in "$0"/homes/*; do umount -l "$mount" 2>/dev/null; done
[ -e "$0/keep" ] || rm -rf "$0"`;

export function openFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), "keyover-faults-"));
  guard(path);
  for (const name of ["history", "logs", "homes"]) mkdirSync(join(path, name), { mode: 0o700 });
  const home = (name: string) => {
    const folder = join(path, "homes", name);
    mkdirSync(folder, { mode: 0o700, recursive: true });
    return folder;
  };
  return {
    path,
    history: join(path, "history"),
    canary: join(path, "canary"),
    log: (name) => join(path, "logs", `${name}.log`),
    home,
    smallHome(name) {
      const disk = smallDisk(home(name));
      // A limit on the size of files would hit what the process writes elsewhere too.
      return disk?.kind === "tmpfs" ? disk : undefined;
    },
    keep: () => writeFileSync(join(path, "keep"), ""),
  };
}

/** In a session of its own: a Ctrl-C in the terminal is not for it. */
function guard(path: string): void {
  const guardian = spawn("sh", ["-c", GUARDIAN, path], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  guardian.unref();
  (guardian.stdin as unknown as { unref(): void }).unref();
}
