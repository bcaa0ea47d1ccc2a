// Builds every published package into its dist/, from nothing: a file whose source is gone must not be shipped.

import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);

for (const name of ["core", "verifier", "client", "server"]) {
  const folder = join(root, "packages", name);
  rmSync(join(folder, "dist"), { recursive: true, force: true });
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
}

const built = spawnSync("tsc", ["-b", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
process.exitCode = built.status ?? 1;

const program = join(root, "packages/server/dist/main.js");
if (existsSync(program)) chmodSync(program, 0o755);
