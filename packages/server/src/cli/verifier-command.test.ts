/** The options of `keyover verifier`. What it does is shown by e2e/gateways.test.ts and e2e/verifier-restart.test.ts, with real processes. */
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runProgram } from "./cli.test-world.ts";
import { UnsafeConfigurationError } from "./exit-codes.ts";
import { listenOn, prepareSocket } from "./verifier-socket.ts";

const env = { KEYOVER_TOKEN: "kot_verifier_any" };
const run = (...args: string[]) => runProgram(["verifier", "--api", "market", ...args], { env });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "keyover-verifier-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("bad input is refused with a sentence, before anything is opened", () => {
  it.each([
    [["--listen", "nonsense"], 4, "--listen takes host:port"],
    [["--listen", "127.0.0.1:70000"], 4, "--listen takes host:port"],
    [["--listen", "/tmp/x.sock"], 4, "or unix:/path/of/a/socket"],
    [["--listen", "0.0.0.0:7710"], 4, "keys in the clear: listen on 127.0.0.1 or a Unix socket"],
    [["--listen", "unix:/nowhere/x.sock"], 4, "there is no folder /nowhere for the socket"],
    [["--listen", "unix:relative.sock"], 4, "takes a whole path"],
    [["--listen", `unix:/${"x".repeat(107)}`], 4, "at most 107 bytes"],
    [["--listen", "unix:/tmp/x.sock", "--socket-mode", "999"], 2, "--socket-mode takes octal digits"],
    [["--grpc-listen", "nonsense"], 4, "--grpc-listen takes host:port"],
    [["--grpc-listen", "0.0.0.0:9191"], 4, "keys in the clear"],
    [["--grpc-listen", "unix:relative.sock"], 4, "--grpc-listen unix: takes a whole path"],
    [["--introspection-token-file", "/nowhere"], 2, "there is no such file"],
    [["--trusted-hops", "17"], 2, "--trusted-hops takes 0 to 16"],
    [["--trusted-hops", "-1"], 2, "write a whole number"],
    [["--trusted-hops", "one"], 2, "write a whole number"],
    [["--key-header", "X Key"], 2, "--key-header takes a header's name"],
    [["--key-in-query", ""], 2, "--key-in-query takes a parameter's name"],
    [["--key-in-query", "a&b"], 2, "--key-in-query takes a parameter's name"],
    [["--data", ""], 2, "--data takes a folder"],
    [["--instance", ""], 2, "--instance takes a name"],
    [["--cache-keys", "0"], 2, "write a number from 1 on"],
    [["--cache-keys", "-5"], 2, "write a whole number"],
    [["--cache-keys", "2.5"], 2, "write a whole number"],
    [["--cache-keys", "10000001"], 2, "--cache-keys takes 1 to 10000000"],
    [["--cache-keys", "1000", "--data", "/tmp/x"], 2, "a cache is not kept on disk"],
    [["--workers", "0"], 2, "write a number from 1 on"],
    [["--workers", "65"], 2, "--workers takes 1 to 64"],
    [["--threads", "0"], 2, "write a number from 1 on"],
    [["--threads", "65"], 2, "--threads takes 1 to 64"],
    [["--threads", "2", "--workers", "2"], 2, "--threads and --workers exclude each other"],
    [["--threads", "2", "--cache-keys", "9"], 2, "--threads and --cache-keys exclude each other"],
    [["--threads", "2", "--listen", "unix:/tmp/x.sock"], 2, "threads can't share a Unix socket"],
    [["--threads", "2", "--grpc-listen", "unix:/tmp/x.sock"], 2, "threads can't share a Unix socket"],
    [["--drain", "2h"], 2, "--drain takes 1h at most"],
    [["--drain", "soon"], 2, "write a duration"],
    [["--docs-url", "docs"], 2, "--docs-url takes a URL"],
    [["--url", "ftp://keys"], 2, "http or https"],
    [["--log-level", "loud"], 2, "Allowed choices are"],
  ] as const)("%j", async (args, code, sentence) => {
    const ended = await run(...args);
    expect(ended.err).toContain(sentence);
    expect(ended.code).toBe(code);
    expect(ended.out).toBe("");
  });

  it("an api and a token must be there", async () => {
    expect(await runProgram(["verifier"], { env })).toMatchObject({ code: 2, err: expect.stringContaining("--api") });
    const noToken = await runProgram(["verifier", "--api", "market"], { env: {} });
    expect(noToken).toMatchObject({ code: 2, err: expect.stringContaining("no token") });
    const file = join(folder, "open.token");
    writeFileSync(file, "kot_verifier_any\n");
    chmodSync(file, 0o644);
    const readable = await runProgram(["verifier", "--api", "market", "--token-file", file], { env: {} });
    expect(readable).toMatchObject({ code: 4, err: expect.stringContaining("chmod 600") });
  });
});

describe("tokens for introspection", () => {
  it.each([
    ["", 0o600, 2],
    ["too-short-for-one\n", 0o600, 2],
    [`${"x".repeat(32)}\nshort\n`, 0o600, 2],
    ["x".repeat(32), 0o644, 4],
  ])("a file with %j and mode %o is refused, and not shown", async (text, mode, code) => {
    const file = join(folder, "introspection.tokens");
    writeFileSync(file, text);
    chmodSync(file, mode);
    const ended = await run("--introspection-token-file", file);
    expect([ended.code, ended.err.includes("xxx"), ended.err.includes("introspection")]).toEqual([code, false, true]);
    const named = { ...env, KEYOVER_INTROSPECTION_TOKEN_FILE: file };
    expect((await runProgram(["verifier", "--api", "market"], { env: named })).code).toBe(code);
  });

  it("so is one in the environment that is too short", async () => {
    const short = { ...env, KEYOVER_INTROSPECTION_TOKEN: "short" };
    const ended = await runProgram(["verifier", "--api", "market"], { env: short });
    expect(ended).toMatchObject({
      code: 2,
      err: expect.stringContaining("KEYOVER_INTROSPECTION_TOKEN holds no token"),
    });
  });
});

describe("the Unix socket", () => {
  it("of a killed process is taken away; one that is listened on, and what is no socket, is not", async () => {
    const path = join(folder, "verifier.sock");
    await prepareSocket(path);
    const server = createServer();
    await listenOn(server, { path, mode: 0o660 });
    expect(statSync(path).mode & 0o777).toBe(0o660);
    await expect(prepareSocket(path)).rejects.toThrow(UnsafeConfigurationError);
    await new Promise((resolve) => server.close(resolve));
    writeFileSync(path, "precious");
    await expect(prepareSocket(path)).rejects.toThrow("is no socket");
    expect(statSync(path).size).toBe(8);
  });
});
