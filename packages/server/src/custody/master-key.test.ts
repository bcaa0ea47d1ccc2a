import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadMasterKey, MasterKeyError } from "./master-key.ts";

let folder: string;
let path: string;
const load = () => loadMasterKey(path, (length) => randomBytes(length));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "keyover-master-"));
  path = join(folder, "master.key");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("the first start makes a key that only the owner can read, and later starts find the same", () => {
  const made = load();
  expect(made).toMatchObject({ created: true, key: { length: 32 } });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, "utf8")).toMatch(/^[A-Za-z0-9_-]{43}\n$/);
  expect(load()).toEqual({ key: new Uint8Array(made.key), created: false });
  expect(readdirSync(folder)).toEqual(["master.key"]);
});

test.each([0o644, 0o640, 0o620, 0o604, 0o660, 0o601])("mode %o is refused, with the command that mends it", (mode) => {
  load();
  chmodSync(path, mode);
  expect(load).toThrow(MasterKeyError);
  expect(load).toThrow(`chmod 600 ${path}`);
  chmodSync(path, 0o600);
  expect(load().created).toBe(false);
});

test.each([
  ["an empty file", ""],
  ["half a key", "q".repeat(21)],
  ["another length", "q".repeat(44)],
  ["other characters", `${"q".repeat(42)}!`],
  ["two lines", `${"q".repeat(43)}\n${"q".repeat(43)}`],
  ["a key's last digit that no 32 bytes have", `${"A".repeat(42)}B`],
])("%s is refused and left as it is", (_what, text) => {
  writeFileSync(path, text, { mode: 0o600 });
  expect(load).toThrow(MasterKeyError);
  expect(load).toThrow(/holds no master key.*backup/);
  expect(readFileSync(path, "utf8")).toBe(text);
});

test("a creation that was cut off leaves no half key behind: the next start makes a whole one", () => {
  writeFileSync(`${path}.new`, "half", { mode: 0o600 });
  expect(load()).toMatchObject({ created: true });
  expect(load()).toMatchObject({ created: false });
  expect(readdirSync(folder)).toEqual(["master.key"]);
});

test("the error does not show what the file holds", () => {
  writeFileSync(path, "c2VjcmV0-but-too-short", { mode: 0o600 });
  expect(load).not.toThrow(/c2VjcmV0/);
});
