/** The program as a process: starts, refusals to start, and its end. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const main = join(import.meta.dirname, "../main.ts");
vi.setConfig({ testTimeout: 30_000 });

let folder: string;
let data: string;
let running: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "keyover-process-"));
  data = join(folder, "data");
});
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
  running = [];
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function start(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ["--conditions=keyover-source", main, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.push(child);
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    err += String(chunk);
  });
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  const ready = async () => {
    await expect.poll(() => out + err, { timeout: 30_000 }).toMatch(/Keyover listens on \S+/);
    return /Keyover listens on (\S+)/.exec(out)?.[1] ?? "";
  };
  return { child, ended, ready, stdout: () => out };
}

const run = (args: string[], env?: Record<string, string>) => start(args, env).ended;

/** Refused with 4 and one sentence. */
async function refused(args: string[], sentence: string | RegExp, env?: Record<string, string>): Promise<void> {
  const { code, out, err } = await run(
    ["serve", "--data", data, ...(args.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"]), ...args],
    env,
  );
  expect(err).toMatch(sentence);
  expect(err.trim().split("\n")).toHaveLength(1);
  expect(out).toBe("");
  expect(code).toBe(4);
}

describe("serve", () => {
  it("makes a private folder, shows the first token once, says how soon it was ready, and ends with 0 on SIGTERM", async () => {
    const first = start(["serve", "--data", data, "--listen", "127.0.0.1:0"]);
    const url = await first.ready();
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const token = /kot_admin_\w{38}/.exec(first.stdout())?.[0] ?? "";
    expect((await fetch(`${url}/v1/apis`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
    expect(first.stdout()).toMatch(/Ready in [\d.]+m?s/);
    expect(statSync(data).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(data)) expect(statSync(join(data, file)).mode & 0o077).toBe(0);
    first.child.kill("SIGTERM");
    expect((await first.ended).code).toBe(0);

    const second = start(["serve"], { KEYOVER_DATA: data, KEYOVER_LISTEN: "127.0.0.1:0", KEYOVER_LOG_LEVEL: "silent" });
    await second.ready();
    second.child.kill("SIGINT");
    const { code, out, err } = await second.ended;
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).not.toContain("kot_");
  });

  it("refuses what is unsafe, and leaves nothing behind", async () => {
    await Promise.all([
      refused(["--listen", "0.0.0.0:7799"], /would send secrets in the clear.*--behind-tls-proxy/),
      refused(["--listen", "here"], /--listen takes host:port.*got here/),
      refused(["--listen", "127.0.0.1:99999"], /--listen takes host:port/),
      refused(["--log-level", "loud"], /--log-level takes/),
      refused(["--tls-cert", "x.pem"], /go together/),
      refused(["--tls-cert", "x.pem", "--tls-key", "y.pem"], /TLS certificate and key can't be used/),
      refused(["--listen", "203.0.113.1:7799", "--behind-tls-proxy"], /is no address of this machine/),
    ]);
    expect(existsSync(data)).toBe(false);
  });

  it("ends without a word when nobody reads on", async () => {
    const child = spawn(process.execPath, ["--conditions=keyover-source", main, "key", "create", "--help"], {
      env: { PATH: process.env.PATH },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.push(child);
    child.stdout.destroy();
    let err = "";
    child.stderr.on("data", (chunk) => {
      err += String(chunk);
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect([code, err]).toEqual([141, ""]);
  });

  it("refuses a port in use, and a start that failed so has made nothing", async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) =>
      other.listen(0, "127.0.0.1", () => resolve((other.address() as { port: number }).port)),
    );
    await refused(["--listen", `127.0.0.1:${port}`], new RegExp(`127.0.0.1:${port} is in use`));
    expect(existsSync(data)).toBe(false);
    other.close();
  });

  it("refuses a folder that another server uses, and disturbs nothing", async () => {
    const first = start(["serve", "--data", data, "--listen", "127.0.0.1:0"]);
    const url = await first.ready();
    await refused([], /another process is using/);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  it("refuses a master key or a folder that others can read, and a file for a folder", async () => {
    await run(["init", "--data", data]);
    chmodSync(join(data, "master.key"), 0o644);
    await refused([], /can be read by others.*chmod 600/);
    chmodSync(join(data, "master.key"), 0o600);
    chmodSync(data, 0o755);
    await refused([], /is open to others.*chmod 700/);
    await refused(["--data", join(data, "master.key")], /is not a folder/);
  });

  it("refuses a lost or foreign master key rather than making another", async () => {
    await run(["init", "--data", data]);
    await run(["init", "--data", join(folder, "other")]);
    await refused(["--master-key-file", join(folder, "other", "master.key")], /does not belong to this database/);
    rmSync(join(data, "master.key"));
    await refused([], /there is no master key at/);
    expect(existsSync(join(data, "master.key"))).toBe(false);
  });

  it("refuses a database that is damaged, or of a newer program", async () => {
    mkdirSync(data, { mode: 0o700 });
    const file = join(data, "keyover.sqlite");
    writeFileSync(file, "this is no database, and it is longer than a header of one would be. ".repeat(4));
    const before = readFileSync(file);
    await refused([], /damaged/);
    expect(readFileSync(file)).toEqual(before);
    expect(readdirSync(data)).toEqual(["keyover.sqlite"]);
    rmSync(file);
    await run(["init", "--data", data]);
    const sqlite = new SqliteDatabase(file);
    sqlite.exec("insert into schema_version (version) values (999)");
    sqlite.close();
    await refused([], /schema 999/);
  });
});

describe("init", () => {
  it("puts the token into a file of mode 0600, and changes nothing the second time", async () => {
    const file = join(folder, "admin.token");
    const first = await run(["init", "--data", data, "--admin-token-file", file]);
    expect(first.code).toBe(0);
    expect(first.out + first.err).not.toContain("kot_");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const token = readFileSync(file, "utf8");
    expect(token).toMatch(/^kot_admin_\w{38}\n$/);
    expect(await run(["init", "--data", data, "--admin-token-file", file])).toMatchObject({
      code: 0,
      out: expect.stringContaining("nothing was changed"),
    });
    expect(readFileSync(file, "utf8")).toBe(token);
    const elsewhere = await run(["init", "--data", data, "--admin-token-file", join(folder, "b.token")]);
    expect(elsewhere).toMatchObject({ code: 1, err: expect.stringContaining("was set up before") });
    expect(existsSync(join(folder, "b.token"))).toBe(false);
  });

  it("makes nothing where the token file can't be written", async () => {
    const { code, err } = await run(["init", "--data", data, "--admin-token-file", join(folder, "none", "t")]);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("can't be written") });
    expect(existsSync(data)).toBe(false);
  });

  it("--json answers the token", async () => {
    const { out } = await run(["init", "--data", data, "--json"]);
    expect(JSON.parse(out)).toEqual({ adminToken: expect.stringMatching(/^kot_admin_/) });
  });
});

describe("doctor --data", () => {
  it("finds a whole folder whole, and names an altered audit entry and a foreign master key", async () => {
    await run(["init", "--data", data]);
    const whole = await run(["doctor", "--data", data]);
    expect(whole.out).not.toContain("✗");
    expect(whole.code).toBe(0);
    const sqlite = new SqliteDatabase(join(data, "keyover.sqlite"));
    sqlite.exec("update audit set body = replace(body, 'first', 'other')");
    sqlite.close();
    await run(["init", "--data", join(folder, "other")]);
    const broken = await run(["doctor", "--data", data, "--master-key-file", join(folder, "other", "master.key")]);
    expect(broken.code).toBe(1);
    expect(broken.out).toContain("✗ audit: entry 1 is missing or not what was written");
    expect(broken.out).toContain("✗ sealed secrets: 1 of 1 don't open");
  });
});

it("a help that was asked for ends with 0, a command that is missing with 2", async () => {
  expect(await run(["--help"])).toMatchObject({ code: 0, err: "" });
  expect(await run([])).toMatchObject({ code: 2, out: "" });
});
