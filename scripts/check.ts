// Everything that must hold besides the tests: `npm run check`. One line per check with its time; a failing one prints
// what it said. `--report <file>` writes `{ passed, failures: { name, output }[] }` for whoever counts.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

type Check = { name: string; steps: string[][] };

const root = dirname(import.meta.dirname);
const scratch = mkdtempSync(join(tmpdir(), "keyover-check-"));
const document = join(scratch, "openapi.json");

const checks: Check[] = [
  { name: "format and lint (biome)", steps: [["biome", "ci", "--colors=off", "--error-on-warnings", "."]] },
  { name: "floating promises (oxlint)", steps: [["oxlint", "--type-aware", "--deny-warnings"]] },
  { name: "types (tsc)", steps: [["tsc", "-p", "tsconfig.json"]] },
  { name: "dead code, dependencies (knip)", steps: [["knip", "--no-progress", "--no-config-hints"]] },
  { name: "house rules", steps: [["node", "scripts/house.ts"]] },
  {
    name: "packages as published (tsc -b, publint, attw)",
    steps: [
      ["node", "scripts/build.ts"],
      ["node", "scripts/published.ts"],
    ],
  },
  { name: "client types equal OpenAPI", steps: [["node", "scripts/openapi-types.ts", "--check"]] },
  {
    name: "OpenAPI document (redocly)",
    steps: [
      ["node", "scripts/openapi-types.ts", "--document", document],
      ["redocly", "lint", "--format=stylish", document],
    ],
  },
  { name: "simulator, 200 seeds", steps: [["node", "sim/main.ts", "--seeds", "200"]] },
];

type Failure = { name: string; output: string };
type Outcome = { ok: boolean; output: string };

/** What a failing check said, or undefined where all is well. */
async function perform(check: Check): Promise<Failure | undefined> {
  const started = performance.now();
  let output = "";
  let ok = true;
  for (const step of check.steps) {
    const outcome = await execute(step);
    output += outcome.output;
    ok = outcome.ok;
    if (!ok) break;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const said = ok ? warningsIn(output) : output;
  console.log(`${ok ? "ok  " : "FAIL"}  ${check.name}  ${seconds} s${said ? `\n${indent(said)}` : ""}`);
  return ok ? undefined : { name: check.name, output };
}

function execute([command = "", ...args]: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const quiet = { NO_COLOR: "1", REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...quiet },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const collect = (chunk: string) => {
      output += chunk;
    };
    child.stdout.setEncoding("utf8").on("data", collect);
    child.stderr.setEncoding("utf8").on("data", collect);
    child.on("error", (error) => resolve({ ok: false, output: `${output}${error.message}\n` }));
    child.on("close", (code) => resolve({ ok: code === 0, output }));
  });
}

/** Of a check that passed only what it warns of is worth a line. */
function warningsIn(output: string): string {
  return output
    .split("\n")
    .filter((line) => line.startsWith("warning "))
    .join("\n");
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, "      ");
}

/** Runs `count` at a time: most tools use several threads themselves. */
async function performAll(queue: Check[], count: number): Promise<(Failure | undefined)[]> {
  const results: (Failure | undefined)[] = [];
  const waiting = [...queue];
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results.push(await perform(next));
  };
  await Promise.all(Array.from({ length: count }, work));
  return results;
}

const { values } = parseArgs({ options: { report: { type: "string" } } });
const results = await performAll(checks, 4);
rmSync(scratch, { recursive: true, force: true });
const failures = results.filter((it) => it !== undefined);
const passed = results.length - failures.length;
console.log(`\n${passed} checks passed, ${failures.length} failed`);
if (values.report !== undefined) writeFileSync(values.report, JSON.stringify({ passed, failures }));
process.exitCode = failures.length === 0 ? 0 : 1;
