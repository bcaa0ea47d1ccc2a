import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { leaveFolder } from "./canary.test-support.ts";

const DEMO = fileURLToPath(new URL("../examples/demo/main.ts", import.meta.url));
const run = (args: string[]) =>
  promisify(execFile)(process.execPath, [DEMO, ...args], {
    env: { ...process.env, NODE_OPTIONS: "--conditions=keyover-source --disable-warning=ExperimentalWarning" },
    maxBuffer: 10 * 1024 * 1024,
  });

/** The last line. What its processes leave is looked through with the rest. */
async function resultOf(args: string[]) {
  const { stdout, stderr } = await run([...args, "--json", "--keep"]);
  const [folder] = /\/\S*keyover-demo-\w+/.exec(stderr) ?? [];
  if (folder === undefined) throw new Error(`the demo did not say where its folder is: ${stderr}`);
  if (!leaveFolder(folder)) rmSync(folder, { recursive: true });
  return JSON.parse(stdout.trim().split("\n").at(-1) as string);
}

test("the main job: every key changes over under traffic and kills, and nobody is refused", {
  timeout: 120_000,
}, async () => {
  const result = await resultOf(["--seconds", "20", "--bots", "6"]);
  expect(result).toMatchObject({
    refused: 0,
    rotations: 6,
    rolledBack: 1,
    processKills: 2,
    bots: 6,
    heldBackByStragglers: true,
    victimMovedOn: true,
  });
  // All but the one that was rolled back and the one whose successor was killed.
  expect(result.retiredOnEvidence).toBe(4);
  expect(result.requests).toBeGreaterThan(500);
  expect(result.thiefRefused).toBeGreaterThan(0);
});

test("the same with the authority as three processes on a PostgreSQL, which is killed too", {
  timeout: 120_000,
}, async () => {
  const result = await resultOf(["--postgres", "--seconds", "20", "--bots", "4"]);
  expect(result).toMatchObject({ refused: 0, rotations: 4, rolledBack: 1, processKills: 3, victimMovedOn: true });
  expect(result.retiredOnEvidence).toBe(2);
});

test("a wrong option ends the demo with a sentence and starts nothing", async () => {
  const failed = await run(["--bots", "none"]).catch((error: unknown) => error as { code: number; stderr: string });
  expect(failed).toMatchObject({ code: 2 });
  expect(failed.stderr).toContain("--bots takes a whole number from 4 to 200");
});
