// What the runs of .ci/run left behind, counted: what failed, with what it said, and alone on the last line
// `N passed, N failed`. A run that left no report, or failed without a failed item to show for it, counts as one
// failure; so does each test file that could not be loaded. Plain JavaScript, for whatever Node the machine has.
//
// node .ci/summary.mjs REPORTS CHECKS_EXIT TESTS_EXIT SLOW_EXIT

import { readFileSync } from "node:fs";
import { join } from "node:path";

const [reports, checksExit, testsExit, slowExit] = process.argv.slice(2);

function read(name) {
  try {
    return JSON.parse(readFileSync(join(reports, name), "utf8"));
  } catch {
    return undefined;
  }
}

const failure = (name, output) => ({ name, output: output ?? "" });

/** `{ passed: number, failures: { name, output }[] }` of one run of vitest. */
function ofTests(report) {
  const files = report?.testResults ?? [];
  const failures = files.flatMap((file) => {
    const failed = file.assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0 && file.status === "failed") return [failure(file.name, file.message)];
    return failed.map((test) => failure(`${file.name}: ${test.fullName}`, test.failureMessages.join("\n")));
  });
  return { passed: report?.numPassedTests ?? 0, failures };
}

function ofChecks(report) {
  return { passed: report?.passed ?? 0, failures: (report?.failures ?? []).map((it) => failure(it.name, it.output)) };
}

/** A run is as good as its exit code at best. */
function heldTo(exit, name, { passed, failures }) {
  const unexplained = exit !== "0" && failures.length === 0;
  return { passed, failures: unexplained ? [failure(`${name} ended with exit code ${exit}`)] : failures };
}

const runs = [
  heldTo(checksExit, "npm run check", ofChecks(read("checks.json"))),
  heldTo(testsExit, "npm test", ofTests(read("tests.json"))),
  heldTo(slowExit, "npm run test:slow", ofTests(read("slow.json"))),
];
const passed = runs.reduce((all, run) => all + run.passed, 0);
const failures = runs.flatMap((run) => run.failures);

for (const { name, output } of failures) {
  const said = output.trimEnd();
  console.log(`failed: ${name}\n${(said.length > 3_000 ? `…${said.slice(-3_000)}` : said).replace(/^/gm, "  ")}`);
}
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;
