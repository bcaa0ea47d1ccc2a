// The house rules (docs: DESIGN "The house", STYLE): who may import whom, what may touch the outside world, how files
// are named, how long they get. Read from the sources with a parser; `scripts/house.test.ts` shows that every rule bites.
//
//   node scripts/house.ts      prints what is broken, and what is growing long

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { parseSync } from "oxc-parser";

/** A file of the repository; the path is relative to the root, with forward slashes. */
export type SourceFile = { path: string; text: string };

/** `warning` is shown and passes, `error` fails. */
export type Finding = { rule: Rule; level: "error" | "warning"; path: string; line: number; message: string };

export type Rule = "direction" | "banned" | "name" | "size" | "parse";

export function inspect(files: SourceFile[]): Finding[] {
  return files.flatMap((file) => [...nameFindings(file), ...sizeFindings(file), ...codeFindings(file)]);
}

// ---- directions ------------------------------------------------------------------------------------------------------

type House = { keyover: string[]; outside: "none" | "node" | "any" };

/** What each published package may import: packages of ours, and what from outside. */
const HOUSES: Record<string, House> = {
  core: { keyover: [], outside: "none" },
  verifier: { keyover: ["@keyover/core"], outside: "node" },
  client: { keyover: ["@keyover/core"], outside: "node" },
  server: { keyover: ["@keyover/core", "@keyover/verifier"], outside: "any" },
};

const MIDDLE = ["keys", "feed", "evidence", "audit", "custody"];

/**
 * The server's rooms (folders of packages/server/src) and the rooms that each may import, itself apart. A new folder
 * gets a line here. Files beside the folders: authority.ts and main.ts put the house together and may import all;
 * any other (world.ts, say) is the ground that every room but the store stands on, and imports no room.
 */
const ROOMS: Record<string, string[] | "all"> = {
  http: ["engine", "restore", "notices", "policies", "campaigns", "custodians", ...MIDDLE, "store", "ground"],
  // Strikes what is known to have leaked, as an emergency does.
  restore: ["engine", "keys", "custody", "store", "ground"],
  engine: [...MIDDLE, "store", "ground"],
  ...Object.fromEntries(MIDDLE.map((room) => [room, ["store", "ground"]])),
  policies: ["engine", "keys", "evidence", "store", "ground"],
  campaigns: ["engine", "policies", "keys", "evidence", "feed", "store", "ground"],
  // Whoever leaves is replaced by a campaign.
  custodians: ["campaigns", "keys", "store", "ground"],
  // Channels are changed by the desk, and their secrets sealed.
  notices: ["keys", "custody", "store", "ground"],
  // A key's change seals the secret that it makes.
  keys: ["custody", "store", "ground"],
  store: [],
  ground: [],
  cli: "all",
  top: "all",
};

const TOP = ["authority.ts", "gauges.ts", "main.ts", "upkeep.ts"];

/** Where an adapter's file is not called after the package whose types it needs. */
const ADAPTER_OF: Record<string, string> = { "@nestjs/common": "nest" };

function direction(path: string, specifier: string, typeOnly: boolean): string | undefined {
  const place = /^packages\/([^/]+)\/src\/(.+)$/.exec(path);
  const name = place?.[1] ?? "";
  const inside = place?.[2] ?? "";
  const house = HOUSES[name];
  if (!house || isTest(path)) return undefined;

  if (specifier.startsWith(".") || specifier.startsWith("/")) {
    const target = posix.join(posix.dirname(path), specifier);
    const source = `packages/${name}/src/`;
    if (!target.startsWith(source)) return `leaves its package: import the other package by its name`;
    return name === "server" ? roomDirection(inside, target.slice(source.length)) : undefined;
  }
  const wanted = packageOf(specifier);
  if (wanted === "keyover" || wanted.startsWith("@keyover/")) {
    if (name === "server" && wanted === "@keyover/client" && roomOf(inside) === "cli") return undefined;
    if (house.keyover.includes(wanted)) return undefined;
    const where = wanted === "@keyover/client" && name === "server" ? " outside packages/server/src/cli/" : "";
    return `${name} may not import ${wanted}${where}; it may import ${list(house.keyover)}`;
  }
  if (house.outside === "any") return undefined;
  if (house.outside === "node" && wanted.startsWith("node:")) return undefined;
  if (name === "verifier" && typeOnly && inside === `adapters/${ADAPTER_OF[wanted] ?? wanted}.ts`) return undefined;
  return house.outside === "none"
    ? `${name} imports nothing but itself, not even node: modules`
    : `${name} depends on nothing but ${list(house.keyover)} and node: modules (an adapter may import its framework's types, with \`import type\`)`;
}

function roomDirection(from: string, to: string): string | undefined {
  const [source, target] = [roomOf(from), roomOf(to)];
  for (const room of [source, target]) {
    if (!(room in ROOMS)) return `the room ${room}/ is unknown: give it a line in ROOMS (scripts/house.ts)`;
  }
  const allowed = ROOMS[source];
  if (allowed === undefined || allowed === "all" || source === target || allowed.includes(target)) return undefined;
  return `${source} may not import ${target}; it may import ${list(allowed)}`;
}

function roomOf(inside: string): string {
  const slash = inside.indexOf("/");
  if (slash > 0) return inside.slice(0, slash);
  return TOP.includes(inside) ? "top" : "ground";
}

function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
}

// ---- banned calls ----------------------------------------------------------------------------------------------------

type Kind = "clock" | "chance" | "timer" | "process" | "console";

const INSTEAD: Record<Kind, string> = {
  clock: "take `world.clock.now()`",
  chance: "take `world.random`",
  timer: "take `world.clock`'s timers",
  process: "only main.ts and the command line touch the process; pass the value in",
  console: "take `world.log`",
};

/** The files that may touch the outside world themselves, and which parts of it. */
const MAY: [pattern: RegExp, kinds: Kind[] | "all"][] = [
  [/^packages\/server\/src\/(main|world)\.ts$/, "all"],
  [/^packages\/(verifier|client)\/src\/world\.ts$/, "all"],
  [/^packages\/server\/src\/cli\//, ["process", "console"]],
];

const BANNED_NAMES: Record<string, Kind> = {
  setTimeout: "timer",
  setInterval: "timer",
  setImmediate: "timer",
  process: "process",
  console: "console",
};

const CHANCE = "randomBytes randomUUID randomInt randomFill randomFillSync getRandomValues pseudoRandomBytes".split(
  " ",
);

const BANNED_MEMBERS: Record<string, Kind> = {
  "Date.now": "clock",
  "performance.now": "clock",
  "performance.timeOrigin": "clock",
  "Math.random": "chance",
  "AbortSignal.timeout": "timer",
  ...Object.fromEntries(CHANCE.map((name) => [`crypto.${name}`, "chance" as const])),
};

const BANNED_MODULES: Record<string, Kind> = {
  process: "process",
  "node:process": "process",
  "node:console": "console",
  timers: "timer",
  "node:timers": "timer",
  "node:timers/promises": "timer",
  perf_hooks: "clock",
  "node:perf_hooks": "clock",
};

/** `crypto` and `node:crypto` are fine but for these names. */
const CRYPTO_MODULES = ["crypto", "node:crypto"];

function mayUse(path: string, kind: Kind): boolean {
  return MAY.some(([pattern, kinds]) => pattern.test(path) && (kinds === "all" || kinds.includes(kind)));
}

// ---- reading the code ------------------------------------------------------------------------------------------------

type Node = { type: string; start: number; end: number; [key: string]: unknown };

function codeFindings(file: SourceFile): Finding[] {
  if (!isPublished(file.path) || isTest(file.path)) return [];
  const parsed = parseSync(file.path, file.text);
  const broken = parsed.errors[0];
  if (broken) return [{ rule: "parse", level: "error", path: file.path, line: 1, message: broken.message }];

  const findings: Finding[] = [];
  const program = parsed.program as unknown as Node;
  const own = declaredNames(program);
  const report = (rule: Rule, node: Node, message: string) =>
    findings.push({ rule, level: "error", path: file.path, line: lineOf(file.text, node.start), message });

  walk(program, undefined, "", (node, parent, key) => {
    const imported = importOf(node, file.text);
    if (imported) {
      const wrong = direction(file.path, imported.from, imported.typeOnly);
      if (wrong) report("direction", node, `${imported.from}: ${wrong}`);
    }
    const banned = bannedImport(node, imported) ?? bannedUse(node, parent, key, own);
    if (banned && !mayUse(file.path, banned.kind)) {
      report("banned", node, `${banned.what}: ${INSTEAD[banned.kind]}`);
    }
  });
  return findings;
}

type Import = { from: string; typeOnly: boolean };

/** Every form that names another module: import, export from, import(), import type, import =, require(). */
function importOf(node: Node, text: string): Import | undefined {
  switch (node.type) {
    case "ImportDeclaration":
      return { from: textOf(node.source), typeOnly: node.importKind === "type" };
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
      if (!node.source) return undefined;
      return { from: textOf(node.source), typeOnly: node.exportKind === "type" };
    case "ImportExpression":
      return { from: textOf(node.source, text), typeOnly: false };
    case "TSImportType":
      return { from: textOf(node.source), typeOnly: true };
    case "TSExternalModuleReference":
      return { from: textOf(node.expression), typeOnly: false };
    case "CallExpression": {
      if (nameOf(node.callee) !== "require") return undefined;
      const first = (node.arguments as Node[])[0];
      return first && { from: textOf(first, text), typeOnly: false };
    }
    default:
      return undefined;
  }
}

type Banned = { kind: Kind; what: string };

function bannedImport(node: Node, imported: Import | undefined): Banned | undefined {
  if (!imported || imported.typeOnly) return undefined;
  const kind = BANNED_MODULES[imported.from];
  if (kind) return { kind, what: imported.from };
  if (!CRYPTO_MODULES.includes(imported.from)) return undefined;
  const names = ((node.specifiers as Node[] | undefined) ?? []).map((each) => nameOf(each.imported));
  const found = names.find((name) => CHANCE.includes(name));
  return found ? { kind: "chance", what: found } : undefined;
}

function bannedUse(node: Node, parent: Node | undefined, key: string, own: Set<string>): Banned | undefined {
  if (node.type === "MemberExpression") {
    const object = lastName(node.object);
    const member = `${object}.${memberName(node)}`;
    const kind = object && !(own.has(object) && object !== "crypto") ? BANNED_MEMBERS[member] : undefined;
    if (kind) return { kind, what: member };
    const global = object === "globalThis" || object === "global" ? BANNED_NAMES[memberName(node)] : undefined;
    return global && { kind: global, what: member };
  }
  const dateless = nameOf(node.callee) === "Date" && (node.arguments as unknown[]).length === 0;
  if (dateless && (node.type === "NewExpression" || node.type === "CallExpression")) {
    return { kind: "clock", what: "new Date() without a time" };
  }
  const name = nameOf(node);
  const kind = Object.hasOwn(BANNED_NAMES, name) ? BANNED_NAMES[name] : undefined;
  return kind && !own.has(name) && isReference(parent, key) ? { kind, what: name } : undefined;
}

/** Whether an identifier at this place reads a variable, and isn't a property's name, a label or part of a type. */
function isReference(parent: Node | undefined, key: string): boolean {
  if (!parent || parent.type.startsWith("TS")) return parent?.type.endsWith("Expression") ?? false;
  if (parent.type === "MemberExpression") return key === "object" || parent.computed === true;
  if (key === "key") return parent.computed === true || parent.shorthand === true;
  return key !== "label" && !parent.type.endsWith("Specifier");
}

/** Names that the file itself binds: a parameter called `process` isn't the process. Imports are judged on their own. */
function declaredNames(program: Node): Set<string> {
  const names = new Set<string>();
  const bind = (pattern: unknown): void => {
    const node = pattern as Node | null;
    if (!node) return;
    if (node.type === "Identifier") names.add(nameOf(node));
    if (node.type === "ObjectPattern") for (const each of node.properties as Node[]) bind(each.value ?? each);
    if (node.type === "ArrayPattern") for (const each of node.elements as Node[]) bind(each);
    if (node.type === "AssignmentPattern") bind(node.left);
    if (node.type === "RestElement") bind(node.argument);
    if (node.type === "TSParameterProperty") bind(node.parameter);
  };
  walk(program, undefined, "", (node) => {
    if (node.type === "VariableDeclarator" || node.type === "FunctionDeclaration") bind(node.id);
    if (node.type === "CatchClause") bind(node.param);
    if (node.type.endsWith("Specifier") && node.local) bind(node.local);
    if (/^(Arrow)?Function/.test(node.type)) for (const each of node.params as Node[]) bind(each);
  });
  return names;
}

function walk(
  node: Node,
  parent: Node | undefined,
  key: string,
  visit: (node: Node, parent: Node | undefined, key: string) => void,
): void {
  visit(node, parent, key);
  for (const [name, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === "object" && child !== null && "type" in child) walk(child as Node, node, name, visit);
    }
  }
}

function nameOf(node: unknown): string {
  const found = node as Node | undefined;
  return found?.type === "Identifier" ? String(found.name) : "";
}

/** `Date` of `Date.now`, and of `globalThis.Date.now`. */
function lastName(node: unknown): string {
  const found = node as Node;
  return found.type === "MemberExpression" && nameOf(found.object) === "globalThis" ? memberName(found) : nameOf(node);
}

function memberName(node: Node): string {
  return node.computed === true ? textOf(node.property) : nameOf(node.property);
}

/** A string literal's value; of anything else its source text, so that a computed import() can't pass unseen. */
function textOf(node: unknown, text = ""): string {
  const found = node as Node;
  return typeof found.value === "string" ? found.value : text.slice(found.start, found.end);
}

// ---- names and sizes -------------------------------------------------------------------------------------------------

const EMPTY_WORDS = /^(managers?|helpers?|utils?|utilities|services?|commons?)$/;
const FILE = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|test-[a-z-]+|config|d))?\.(ts|mts|js|mjs)$/;
const COMPONENT = /^[A-Z][A-Za-z0-9]*(\.test)?\.tsx$/;
const FOLDER = /^[a-z0-9.]+(-[a-z0-9]+)*$/;

function nameFindings({ path }: SourceFile): Finding[] {
  const found = (message: string): Finding => ({ rule: "name", level: "error", path, line: 1, message });
  const parts = path.split("/");
  const base = parts.at(-1) ?? "";
  const words = parts.flatMap((part) => part.split(/[.-]|(?<=[a-z])(?=[A-Z])/)).map((word) => word.toLowerCase());
  const empty = words.find((word) => EMPTY_WORDS.test(word));
  const findings: Finding[] = [];
  if (/^index\.[a-z]+$/.test(base)) findings.push(found("no index files: name the file for what is in it"));
  if (!FILE.test(base) && !COMPONENT.test(base)) {
    findings.push(found("file names are kebab-case (React components PascalCase .tsx)"));
  }
  if (!parts.slice(0, -1).every((part) => FOLDER.test(part))) findings.push(found("folder names are kebab-case"));
  if (empty) findings.push(found(`"${empty}" says nothing: name it for the domain (DESIGN, Words)`));
  return findings;
}

const LINES_MAX = 500;
const LINES_GOOD = 400;

function sizeFindings({ path, text }: SourceFile): Finding[] {
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  if (lines <= LINES_GOOD || path.includes("/generated/")) return [];
  // A test's table may be as long as what it pins; it is listed and passes.
  const level = lines > LINES_MAX && !isTest(path) ? "error" : "warning";
  const message = `${lines} lines; a file fits a sitting (about ${LINES_GOOD}, at most ${LINES_MAX})`;
  return [{ rule: "size", level, path, line: lines, message }];
}

// ---- the repository --------------------------------------------------------------------------------------------------

function isTest(path: string): boolean {
  return /\.test(-[a-z-]+)?\.tsx?$/.test(path);
}

function isPublished(path: string): boolean {
  return /^packages\/[^/]+\/src\//.test(path) && !path.includes("/generated/");
}

function list(names: string[]): string {
  return names.length === 0 ? "nothing else" : names.join(", ");
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

const FOLDERS = ["packages", "scripts", "examples", "bench", "e2e", "sim", "dashboard"];
const PASSED_OVER = new Set(["node_modules", "dist", "data"]);

export function readRepository(root: string): SourceFile[] {
  const read = (folder: string): SourceFile[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const full = join(folder, entry.name);
      if (entry.isDirectory()) return PASSED_OVER.has(entry.name) ? [] : read(full);
      if (!/\.(tsx?|mts|m?js)$/.test(entry.name)) return [];
      return [{ path: relative(root, full).split(sep).join("/"), text: readFileSync(full, "utf8") }];
    });
  const present = new Set(readdirSync(root));
  return FOLDERS.filter((folder) => present.has(folder)).flatMap((folder) => read(join(root, folder)));
}

export function show(finding: Finding): string {
  const { level, rule, path, line, message } = finding;
  return `${level === "warning" ? "warning " : ""}${path}:${line} [${rule}] ${message}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const findings = inspect(readRepository(dirname(import.meta.dirname)));
  for (const finding of findings) console.log(show(finding));
  process.exitCode = findings.some((finding) => finding.level === "error") ? 1 : 0;
}
