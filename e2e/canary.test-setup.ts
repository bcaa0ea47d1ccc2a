/** For vitest's `globalSetup`: when all black-box tests are over, what they left is looked through, and the run fails if a secret is found. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPlanted, openCanary } from "./canary.test-support.ts";

const TOLD = 20;

export default function setup(): () => void {
  const place = mkdtempSync(join(tmpdir(), "keyover-canary-"));
  process.once("exit", () => rmSync(place, { recursive: true, force: true }));
  openCanary(place);
  return () => {
    const { secrets, files, findings } = findPlanted(place);
    rmSync(place, { recursive: true, force: true });
    const looked = `I15: ${secrets} secrets of the black-box tests, looked for in ${files} files that they left:`;
    process.stderr.write(`${looked} ${findings.length === 0 ? "none was found" : "FOUND"}\n`);
    if (findings.length > 0) throw new Error([looked, ...findings.slice(0, TOLD)].join("\n  "));
  };
}
