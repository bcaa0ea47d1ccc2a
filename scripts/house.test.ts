import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { inspect, readRepository, show } from "./house.ts";

const errors = (path: string, text: string) => inspect([{ path, text }]).filter((finding) => finding.level === "error");
const messages = (path: string, text: string) => errors(path, text).map((finding) => finding.message);

test("the repository keeps its own rules", () => {
  const findings = inspect(readRepository(join(import.meta.dirname, "..")));
  expect(findings.filter((finding) => finding.level === "error").map(show)).toEqual([]);
});

describe("directions", () => {
  test.each([
    ["packages/core/src/rotation.ts", 'import { readFileSync } from "node:fs";'],
    ["packages/core/src/rotation.ts", 'import { z } from "zod";'],
    ["packages/core/src/rotation.ts", 'import type { Verifier } from "@keyover/verifier";'],
    ["packages/core/src/rotation.ts", 'import { Verifier } from "../../verifier/src/verifier.ts";'],
    ["packages/verifier/src/replica.ts", 'import { holdKey } from "@keyover/client";'],
    ["packages/verifier/src/replica.ts", 'export { createAuthority } from "keyover";'],
    ["packages/verifier/src/replica.ts", 'const fastify = await import("fastify");'],
    ["packages/verifier/src/replica.ts", 'import type { FastifyRequest } from "fastify";'],
    ["packages/verifier/src/adapters/fastify.ts", 'import fastify from "fastify";'],
    ["packages/verifier/src/adapters/fastify.ts", 'import type { Request } from "express";'],
    ["packages/verifier/src/adapters/nest.ts", 'import { Controller } from "@nestjs/common";'],
    ["packages/client/src/client.ts", 'export * from "@keyover/verifier";'],
    ["packages/client/src/client.ts", 'type Pool = import("undici").Pool;'],
    ["packages/client/src/client.ts", "const what = await import(name);"],
    ["packages/server/src/engine/tick.ts", 'import { createClient } from "@keyover/client/api";'],
    ["packages/server/src/engine/tick.ts", 'import { route } from "../http/routes.ts";'],
    ["packages/server/src/keys/issue.ts", 'import { tick } from "../engine/tick.ts";'],
    ["packages/server/src/keys/issue.ts", 'import { fold } from "../evidence/fold.ts";'],
    ["packages/server/src/keys/issue.ts", 'import { createAuthority } from "../authority.ts";'],
    ["packages/server/src/store/store.ts", 'import type { World } from "../world.ts";'],
    ["packages/server/src/store/store.ts", 'import { seal } from "../custody/seal.ts";'],
    ["packages/server/src/world.ts", 'import { route } from "./http/routes.ts";'],
    ["packages/server/src/attic/box.ts", 'import { a } from "../store/store.ts";'],
    ["packages/server/src/http/app.ts", 'import { run } from "../cli/run.ts";'],
  ])("%s may not say %s", (path, text) => {
    expect(errors(path, text).map((finding) => finding.rule)).toEqual(["direction"]);
  });

  test.each([
    ["packages/core/src/rotation.ts", 'import { check } from "./key-text.ts";'],
    ["packages/verifier/src/replica.ts", 'import { hash } from "node:crypto"; import { parse } from "@keyover/core";'],
    ["packages/verifier/src/adapters/fastify.ts", 'import type { FastifyRequest } from "fastify";'],
    ["packages/verifier/src/adapters/nest.ts", 'import type { CanActivate } from "@nestjs/common";'],
    ["packages/client/src/client.ts", 'import { parse } from "@keyover/core";'],
    ["packages/server/src/cli/watch.ts", 'import { createClient } from "@keyover/client/api";'],
    ["packages/server/src/http/app.ts", 'import { tick } from "../engine/tick.ts"; import "../store/store.ts";'],
    ["packages/server/src/engine/tick.ts", 'import { seal } from "../custody/seal.ts"; import "fastify";'],
    ["packages/server/src/keys/issue.ts", 'import type { Store } from "../store/store.ts"; import "../world.ts";'],
    ["packages/server/src/authority.ts", 'import { app } from "./http/app.ts";'],
    ["packages/server/src/http/app.test.ts", 'import { createClient } from "@keyover/client/api";'],
  ])("%s may say %s", (path, text) => {
    expect(messages(path, text)).toEqual([]);
  });
});

describe("banned calls", () => {
  const path = "packages/server/src/engine/tick.ts";

  test.each([
    ["const t = Date.now();", "world.clock.now()"],
    ["const t = new Date();", "world.clock.now()"],
    ["const clock = { now: Date.now };", "world.clock.now()"],
    ["const t = globalThis.Date.now();", "world.clock.now()"],
    ["const t = performance.now();", "world.clock.now()"],
    ['import { performance } from "node:perf_hooks";', "world.clock.now()"],
    ["const r = Math.random();", "world.random"],
    ['const r = Math["random"]();', "world.random"],
    ['import { randomBytes as bytes } from "node:crypto";', "world.random"],
    ['import * as crypto from "node:crypto"; const r = crypto.randomUUID();', "world.random"],
    ["crypto.getRandomValues(new Uint8Array(8));", "world.random"],
    ["setTimeout(go, 10);", "world.clock"],
    ["const wait = setInterval;", "world.clock"],
    ["globalThis.setImmediate(go);", "world.clock"],
    ["const signal = AbortSignal.timeout(10);", "world.clock"],
    ['import { setTimeout } from "node:timers/promises";', "world.clock"],
    ["const home = process.env.HOME;", "main.ts"],
    ["const { env } = process;", "main.ts"],
    ['import { env } from "node:process";', "main.ts"],
    ['console.log("here");', "world.log"],
  ])("%s", (text, instead) => {
    const found = errors(path, text);
    expect(found.map((finding) => finding.rule)).toEqual(["banned"]);
    expect(found[0]?.message).toContain(instead);
  });

  test.each([
    "const t = new Date(now);",
    'import { createHash, hash } from "node:crypto";',
    "type Timer = ReturnType<typeof setTimeout>;",
    "const clock = { setTimeout: later }; clock.setTimeout(go, 10);",
    "function run(process: Rotation) { return process.phase; }",
    "// Date.now() in a comment, and in 'Math.random()' a string\nconst a = 'setTimeout(go)';",
  ])("%s is fine", (text) => {
    expect(messages(path, text)).toEqual([]);
  });

  test("one file per package may touch the world, and the command line its process and console", () => {
    const all = "setTimeout(go, Date.now() * Math.random()); console.log(process.pid);";
    for (const free of ["server/src/main.ts", "server/src/world.ts", "verifier/src/world.ts", "client/src/world.ts"]) {
      expect(messages(`packages/${free}`, all)).toEqual([]);
    }
    expect(messages("packages/core/src/world.ts", all)).toHaveLength(5);
    expect(messages("packages/server/src/cli/watch.ts", "console.log(process.argv);")).toEqual([]);
    expect(messages("packages/server/src/cli/watch.ts", "Date.now();")).toHaveLength(1);
    expect(messages("packages/server/src/engine/tick.test.ts", all)).toEqual([]);
  });
});

describe("names and sizes", () => {
  test.each([
    "packages/core/src/index.ts",
    "packages/core/src/keyText.ts",
    "packages/core/src/KeyText.ts",
    "packages/core/src/key_text.ts",
    "packages/server/src/store/store-manager.ts",
    "packages/server/src/http/route-helpers.ts",
    "packages/server/src/utils/text.ts",
    "packages/client/src/key-service.test.ts",
    "examples/common/bot.ts",
    "packages/server/src/Http/app.ts",
  ])("%s is no name", (path) => {
    expect(errors(path, "").map((finding) => finding.rule)).toContain("name");
  });

  test.each([
    "packages/core/src/key-text.ts",
    "packages/core/src/key-text.test.ts",
    "packages/server/src/store/store.test-suite.ts",
    "dashboard/src/RotationPage.tsx",
    "packages/client/src/generated/api.ts",
  ])("%s is a name", (path) => {
    expect(messages(path, "")).toEqual([]);
  });

  test("a file may grow to 400 lines, is listed to 500, and fails beyond, unless it is generated or a test", () => {
    const levels = (path: string, lines: number) =>
      inspect([{ path, text: "\n".repeat(lines) }]).map((finding) => finding.level);
    expect(levels("packages/core/src/rotation.ts", 400)).toEqual([]);
    expect(levels("packages/core/src/rotation.ts", 401)).toEqual(["warning"]);
    expect(levels("packages/core/src/rotation.ts", 501)).toEqual(["error"]);
    expect(levels("packages/core/src/rotation.test.ts", 501)).toEqual(["warning"]);
    expect(levels("packages/client/src/generated/api.ts", 5000)).toEqual([]);
  });
});

test("a file that doesn't parse is reported, not passed over", () => {
  expect(errors("packages/core/src/rotation.ts", "const = ;").map((finding) => finding.rule)).toEqual(["parse"]);
});
