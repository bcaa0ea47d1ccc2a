/**
 * A disk that can be filled. A tmpfs of a few megabytes where the test may mount one; elsewhere the kernel's limit on the size
 * of a file (EFBIG instead of ENOSPC; SQLite says the same of both), set on the running process.
 */
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

export interface SmallDisk {
  folder: string;
  kind: "tmpfs" | "file size limit";
  /** From now on the process finds no room. */
  fill(pid: number): void;
  free(pid: number): void;
  remove(): void;
}

const MEGABYTES = 6;

export function smallDisk(folder: string): SmallDisk | undefined {
  return tmpfs(folder) ?? limited(folder);
}

function tmpfs(folder: string): SmallDisk | undefined {
  if (!runs("mount", ["-t", "tmpfs", "-o", `size=${MEGABYTES}m,mode=0700`, "tmpfs", folder])) return undefined;
  const ballast = join(folder, "ballast");
  return {
    folder,
    kind: "tmpfs",
    fill() {
      const file = openSync(ballast, "a");
      try {
        for (const size of [65_536, 4_096, 512]) writeUntilFull(file, size);
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(ballast),
    remove: () => void runs("umount", ["-l", folder]),
  };
}

function limited(folder: string): SmallDisk | undefined {
  if (!runs("prlimit", ["--pid", String(process.pid), "--fsize"])) return undefined;
  const limit = (pid: number, bytes: string) => execFileSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:`]);
  return {
    folder,
    kind: "file size limit",
    fill: (pid) => limit(pid, String(Math.max(...filesBelow(folder).map((file) => statSync(file).size)))),
    free: (pid) => limit(pid, "unlimited"),
    remove: () => undefined,
  };
}

function writeUntilFull(file: number, size: number): void {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < (MEGABYTES * 1_048_576) / size; i++) {
    try {
      if (writeSync(file, bytes) < size) return;
    } catch {
      return;
    }
  }
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function runs(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
