import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Row } from "./report.ts";

const main = fileURLToPath(new URL("./main.ts", import.meta.url));
const NODE_OPTIONS = "--conditions=keyover-source --disable-warning=ExperimentalWarning";

function bench(...args: string[]) {
  return spawnSync(process.execPath, [main, ...args], { encoding: "utf8", env: { ...process.env, NODE_OPTIONS } });
}

test("the last line with --json is one object with a row for each thing measured", { timeout: 60_000 }, () => {
  const { status, stdout, stderr } = bench("verify", "--quick", "--json");
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const said = JSON.parse(stdout.trimEnd().split("\n").at(-1) as string) as { rows: Row[] };
  expect(said).toMatchObject({ bench: "verify", node: process.version, cpu: expect.any(String) });
  expect(said.rows.map(({ name, baselineName }) => `${name} / ${baselineName}`)).toEqual([
    "verify, 1,000 keys / crypto.hash",
    "verify, 1,000 keys / naive check",
    "verify, 1,000 keys, with a rate / without limits",
    "verify, 1,000 keys, with a rate and a quota / without limits",
    "verify, 10,000 keys, each for the first time / crypto.hash",
    "verify, 10,000 keys / crypto.hash",
    "verify, 10,000 keys / naive check",
  ]);
  for (const { value, min, max, baseline, ratio, unit } of said.rows) {
    expect(unit).toBe("ns");
    expect(min).toBeLessThanOrEqual(value);
    expect(max).toBeGreaterThanOrEqual(value);
    // Each of the three is told in three digits.
    expect(Math.abs((ratio * baseline) / value - 1)).toBeLessThan(0.02);
  }
});

test("a kill among many changes is timed at each verifier, beside a plain stream", { timeout: 60_000 }, () => {
  const { status, stdout } = bench("revocation-busy", "--quick", "--json");
  expect(status).toBe(0);
  const { rows } = JSON.parse(stdout.trimEnd().split("\n").at(-1) as string) as { rows: Row[] };
  expect(rows.map(({ name }) => name)).toEqual([
    "commit to refused at all 6, under 100 changes/s, p50",
    "commit to refused at all 6, under 100 changes/s, p99",
    "commit to refused at each of 6, under 100 changes/s, p50",
    "commit to refused at each of 6, under 100 changes/s, p99",
    "changes committed",
    "processor time of the authority",
    "processor time of 6 verifiers",
    "processor time of who changes the keys",
  ]);
  for (const { value, baseline } of rows.slice(0, 5)) {
    expect(value).toBeGreaterThan(0);
    expect(baseline).toBeGreaterThan(0);
  }
});

test("a name that is none, or none at all, ends with exit code 2 and the usage", () => {
  for (const args of [[], ["verfy"], ["verify", "http"], ["verify", "--fast"]]) {
    const { status, stderr } = bench(...args);
    expect(status).toBe(2);
    expect(stderr).toContain("usage: npm run bench -- NAME");
  }
});
