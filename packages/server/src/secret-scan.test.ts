/** The scan that the canaries rely on finds what it should, and says nothing of the secret itself. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeKeyText } from "@keyover/core";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { random } from "./authority.test-support.ts";
import { Secret } from "./custody/secret.ts";
import { SecretScan } from "./secret-scan.test-support.ts";

let folder: string;
let secret: string;
let scan: SecretScan;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "keyover-scan-"));
  secret = makeKeyText("mkt", "live", random);
  scan = new SecretScan();
  scan.plant("the key", secret);
});
afterEach(() => rmSync(folder, { recursive: true }));

const hex = (text: string) => Buffer.from(text).toString("hex");
const encodings: [name: string, encode: (text: string) => string | Buffer][] = [
  ["raw", (text) => text],
  ["JSON", (text) => JSON.stringify({ text })],
  ["lower-case hex", hex],
  ["upper-case hex", (text) => hex(text).toUpperCase()],
  ["URL-encoded", (text) => `?key=${encodeURIComponent(text)}`],
  ["URL-encoded in every byte", (text) => hex(text).replace(/../g, "%$&")],
  ["URL-encoded in every byte, upper case", (text) => hex(text).toUpperCase().replace(/../g, "%$&")],
  ["UTF-16", (text) => Buffer.from(text, "utf16le")],
  ["UTF-16, big end first", (text) => Buffer.from(text, "utf16le").swap16()],
  ["reversed", (text) => Buffer.from(text).reverse()],
  ["its random part", (text) => text.slice(text.lastIndexOf("_") + 1)],
  ...["", "x", "xy", "key="].flatMap((before): typeof encodings => [
    [`base64 after "${before}"`, (text) => Buffer.from(`${before}${text}`).toString("base64")],
    [
      `base64 after "${before}", with more behind`,
      (text) => Buffer.from(`${before}${text}, and so on`).toString("base64"),
    ],
    [`base64url after "${before}"`, (text) => Buffer.from(`${before}${text}`).toString("base64url")],
  ]),
];

describe.each(encodings)("planted %s", (_name, encode) => {
  test("it is found in a binary file, wherever it lies and whatever lies around it, and not printed", () => {
    for (const before of [0, 1, 4_095, 70_001]) {
      scan = new SecretScan();
      scan.plant("the key", secret);
      const inside = join(folder, `at ${before}`, "deeper");
      mkdirSync(inside, { recursive: true });
      writeFileSync(join(inside, "bytes"), Buffer.concat([random(before), Buffer.from(encode(secret)), random(999)]));
      scan.lookInto(inside);
      expect(scan.findings.length, `${before} bytes in`).toBeGreaterThan(0);
      expect(scan.findings.join("\n")).toContain(`in ${join(inside, "bytes")}`);
      const other = new SecretScan();
      other.plant("the key", secret);
      other.look("the findings", scan.findings.join("\n"));
      expect(other.findings).toEqual([]);
    }
  });
});

test("it is found in a database that was not checkpointed, and in a file's name", () => {
  const sqlite = new SqliteDatabase(join(folder, "live.sqlite"));
  sqlite.pragma("journal_mode = WAL");
  sqlite.exec("create table t (body blob)");
  sqlite.prepare("insert into t values (?)").run(Buffer.from(secret).toString("base64"));
  scan.lookInto(folder);
  expect(scan.findings.some((found) => found.endsWith(".sqlite-wal"))).toBe(true);
  sqlite.close();
  const named = new SecretScan();
  named.plant("the key", secret);
  writeFileSync(join(folder, secret), "");
  named.lookInto(folder);
  expect(named.findings.some((found) => found.startsWith("the key, raw"))).toBe(true);
});

test("it is found in an error: in what it says, in a member of any depth, in its cause", () => {
  const errors = [
    new Error(`no such key: ${secret}`),
    Object.assign(new Error("refused"), { request: { headers: new Map([["authorization", [`Bearer ${secret}`]]]) } }),
    new Error("outer", { cause: new Error("middle", { cause: secret }) }),
    Object.defineProperty(new Error("hidden"), "key", { value: hex(secret), enumerable: false }),
  ];
  for (const error of errors) {
    const found = new SecretScan();
    found.plant("the key", secret);
    found.lookAt("an error", error);
    expect(found.findings.length, error.message.replace(secret, "…")).toBeGreaterThan(0);
  }
});

test("a master key, which is no text, is found as bytes, hex and base64", () => {
  const master = Buffer.from(random(32));
  for (const form of [master, master.toString("hex"), master.toString("base64"), master.toString("base64url")]) {
    const found = new SecretScan();
    found.plant("the master key", master);
    found.look("here", Buffer.concat([random(7), Buffer.from(form), random(7)]));
    expect(found.findings.length).toBeGreaterThan(0);
  }
});

test("what is too short to be found by anything but chance can't be planted", () => {
  expect(() => scan.plant("a PIN", "1234")).toThrow("a PIN is so short");
});

test("nothing is found where nothing was planted, and how much was looked through is counted", () => {
  writeFileSync(join(folder, "a"), random(100_000));
  mkdirSync(join(folder, "b"));
  writeFileSync(join(folder, "b", "c"), `${makeKeyText("mkt", "live", random)} ${JSON.stringify({ code: "unknown" })}`);
  scan.lookInto(folder);
  scan.lookAt("an error", new TypeError("no such key"));
  expect(scan.findings).toEqual([]);
  expect(scan.scanned.files).toBe(2);
  expect(scan.size).toBe(1);
});

test("a folder that a unit test removes is looked through for the secrets that the server's code held (e2e/canary-folders.ts)", () => {
  const left = mkdtempSync(join(tmpdir(), "keyover-left-"));
  const held = new Secret(makeKeyText("mkt", "live", random)).reveal();
  writeFileSync(join(left, "admin.token"), held);
  mkdirSync(join(left, "deeper"));
  writeFileSync(join(left, "deeper", "rows"), Buffer.from(`x${held}`).toString("base64"));
  expect(() => rmSync(left, { recursive: true })).toThrow(
    /^I15: a test has left secrets:\n {2}secret \d+, base64 from offset 1, in .*rows$/,
  );
  expect(existsSync(left)).toBe(false);
});
