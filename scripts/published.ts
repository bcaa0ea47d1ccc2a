// Checks the packages as a user gets them: packs each one, then reads the tarball.
//
//   node scripts/published.ts      after a build; publint, attw, and what verifier and client import

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { parseSync } from "oxc-parser";

const root = dirname(import.meta.dirname);
const run = promisify(execFile);

/** The packages, and what their built JavaScript may import besides its own files. */
const PACKAGES: { folder: string; imports: (specifier: string) => boolean }[] = [
  { folder: "core", imports: () => false },
  { folder: "verifier", imports: coreOrNode },
  { folder: "client", imports: coreOrNode },
  { folder: "server", imports: () => true },
];

function coreOrNode(specifier: string): boolean {
  return specifier === "@keyover/core" || specifier.startsWith("node:");
}

async function check({ folder, imports }: (typeof PACKAGES)[number], place: string): Promise<string[]> {
  const destination = mkdtempSync(join(place, `${folder}-`));
  const packing = { cwd: join(root, "packages", folder) };
  const packed = await run("npm", ["pack", "--json", "--pack-destination", destination], packing);
  const tarball = join(destination, readdirSync(destination)[0] ?? "");
  await run("tar", ["-xzf", tarball, "-C", destination]);
  const unpacked = join(destination, "package");
  const outside = await Promise.all([
    complaints("publint", ["run", tarball, "--strict"]),
    complaints("attw", [tarball, "--profile", "esm-only", "--no-emoji", "--format", "ascii"]),
  ]);
  const own = [
    ...strayFiles(packed.stdout),
    ...strayImports(unpacked, imports),
    ...strayDependencies(unpacked, folder),
  ];
  return [...outside.flat(), ...own].map((complaint) => `${folder}: ${complaint}`);
}

async function complaints(tool: string, args: string[]): Promise<string[]> {
  try {
    await run(tool, args);
    return [];
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return [`${tool}\n${stdout}${stderr}`];
  }
}

function strayFiles(packJson: string): string[] {
  const [packed] = Object.values(JSON.parse(packJson) as Record<string, { files: { path: string }[] }>);
  const paths = (packed?.files ?? []).map((file) => file.path);
  const stray = paths.filter((path) => /\.test[.-]|tsbuildinfo/.test(path) || !/^(dist|src)\/|^[^/]+$/.test(path));
  const missing = paths.some((path) => path.startsWith("dist/")) ? [] : ["has no dist/: build first"];
  return [...stray.map((path) => `ships ${path}`), ...missing];
}

function strayImports(unpacked: string, allowed: (specifier: string) => boolean): string[] {
  const dist = join(unpacked, "dist");
  if (!existsSync(dist)) return [];
  const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".js"));
  return files.flatMap((file) =>
    importsOf(join(dist, file))
      .filter((specifier) => !specifier.startsWith("./") && !specifier.startsWith("../") && !allowed(specifier))
      .map((specifier) => `dist/${file} imports ${specifier}`),
  );
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const { module } = parseSync(file, text);
  return [
    ...module.staticImports.map((each) => each.moduleRequest.value),
    ...module.staticExports.flatMap((each) => each.entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
    ...module.dynamicImports.map((each) =>
      text.slice(each.moduleRequest.start, each.moduleRequest.end).replace(/^["'`]|["'`]$/g, ""),
    ),
  ];
}

function strayDependencies(unpacked: string, folder: string): string[] {
  if (folder === "server") return [];
  const manifest = JSON.parse(readFileSync(join(unpacked, "package.json"), "utf8"));
  const wanted = folder === "core" ? [] : ["@keyover/core"];
  const stray = Object.keys(manifest.dependencies ?? {}).filter((name) => !wanted.includes(name));
  return stray.map((name) => `depends on ${name}`);
}

const place = mkdtempSync(join(tmpdir(), "keyover-published-"));
try {
  const found = (await Promise.all(PACKAGES.map((each) => check(each, place)))).flat();
  for (const complaint of found) console.error(complaint);
  process.exitCode = found.length === 0 ? 0 : 1;
} finally {
  rmSync(place, { recursive: true, force: true });
}
