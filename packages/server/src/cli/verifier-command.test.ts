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
    [["--listen", "0.0.0.0:7710"], 4, "would send secrets in the clear"],
    [["--listen", "unix:relative.sock"], 4, "takes a whole path"],
    [["--listen", `unix:/${"x".repeat(107)}`], 4, "at most 107 bytes"],
    [["--listen", "unix:/tmp/x.sock", "--socket-mode", "999"], 2, "--socket-mode takes octal digits"],
    [["--trusted-hops", "17"], 2, "--trusted-hops takes 0 to 16"],
    [["--trusted-hops", "-1"], 2, "write a whole number"],
    [["--trusted-hops", "one"], 2, "write a whole number"],
    [["--key-header", "X Key"], 2, "--key-header takes a header's name"],
    [["--workers", "0"], 2, "write a number from 1 on"],
    [["--workers", "65"], 2, "--workers takes 1 to 64"],
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
