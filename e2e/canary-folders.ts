/**
 * Loaded first in each file of unit tests: a temporary folder that the file removes is looked through first, for the secrets that the server's
 * code made or opened in it so far (I15). What is found fails the hook or the test that removes the folder.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "../packages/server/src/custody/secret.ts";
import { SecretScan } from "../packages/server/src/secret-scan.test-support.ts";
import { filesBelow, keepsASecret, secretsIn } from "./canary.test-support.ts";

/** Of a file that makes thousands of keys, these stand for all. */
const SOUGHT_MAX = 300;

const sought = new Set<string>();
const reveal = Object.getOwnPropertyDescriptor(Secret.prototype, "reveal")?.value as (this: Secret) => string;
Secret.prototype.reveal = function (this: Secret) {
  const text = reveal.call(this);
  if (sought.size < SOUGHT_MAX) for (const secret of secretsIn(text)) sought.add(secret);
  return text;
};

const { rmSync } = fs;
fs.rmSync = (path, options) => {
  const folder = String(path);
  const found = folder.startsWith(join(tmpdir(), "keyover-")) ? findingsIn(folder) : [];
  rmSync(path, options);
  if (found.length > 0) throw new Error(["I15: a test has left secrets:", ...found].join("\n  "));
};
syncBuiltinESMExports();

function findingsIn(folder: string): string[] {
  if (sought.size === 0 || !fs.existsSync(folder) || !fs.statSync(folder).isDirectory()) return [];
  const scan = new SecretScan();
  for (const [i, secret] of [...sought].entries()) scan.plant(`secret ${i}`, secret);
  for (const file of filesBelow(folder)) if (!keepsASecret(file)) scan.lookInto(file);
  return scan.findings;
}
