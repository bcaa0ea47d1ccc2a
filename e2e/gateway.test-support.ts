/** The gateways themselves, from Debian's packages, with the configurations of examples/gateways; `keyover verifier`; and an API behind them. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { KEYOVER } from "./authority.test-support.ts";
import { makeFolder, pathOf, type Running, run, until } from "./processes.test-support.ts";

export interface Gateway {
  name: string;
  /** The program, and Debian's package with it. */
  program: string;
  debian: string;
  /** Starts it on `port`, before the API on `upstream`, with the verifier at `socket`. */
  start(at: { port: number; upstream: number; socket: string }): Program;
}

export interface Program {
  /** All that it wrote. */
  said(): string;
  exited(): boolean;
  stop(): Promise<void>;
}

const example = (path: string) => readFileSync(pathOf(`../examples/gateways/${path}`), "utf8");

/** An example with this machine's places in it; each must be there, or the test would run something else than what is shown. */
function fitted(path: string, places: Record<string, string>): string {
  let text = example(path);
  for (const [shown, real] of Object.entries(places)) {
    if (!text.includes(shown)) throw new Error(`${path} does not have ${shown}`);
    text = text.replaceAll(shown, real);
  }
  return text;
}

const SOCKET = "/run/keyover/verifier.sock";

export const gateways: Gateway[] = [
  {
    name: "nginx",
    program: "nginx",
    debian: "nginx-light",
    start({ port, upstream, socket }) {
      const folder = makeFolder("nginx");
      const site = fitted("nginx/keyover.conf", {
        "listen 8080": `listen 127.0.0.1:${port}`,
        "127.0.0.1:3000": `127.0.0.1:${upstream}`,
        [SOCKET]: socket,
      });
      const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
        (each) => `${each}_temp_path ${folder}/${each};`,
      );
      writeFileSync(join(folder, "site.conf"), site);
      writeFileSync(
        join(folder, "nginx.conf"),
        `daemon off;\nmaster_process off;\npid ${folder}/pid;\nerror_log stderr warn;\nevents {}\n` +
          `http {\naccess_log off;\n${places.join("\n")}\ninclude ${folder}/site.conf;\n}\n`,
      );
      return launch("nginx", ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")]);
    },
  },
  {
    name: "Caddy",
    program: "caddy",
    debian: "caddy",
    start({ port, upstream, socket }) {
      const folder = makeFolder("caddy");
      const site = fitted("caddy/Caddyfile", {
        ":8080": `http://127.0.0.1:${port}`,
        "127.0.0.1:3000": `127.0.0.1:${upstream}`,
        [SOCKET]: socket,
      });
      writeFileSync(join(folder, "Caddyfile"), `{\n\tadmin off\n\tauto_https off\n}\n${site}`);
      const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
      return launch("caddy", ["run", "--config", join(folder, "Caddyfile"), "--adapter", "caddyfile"], env);
    },
  },
  {
    name: "HAProxy",
    program: "haproxy",
    debian: "haproxy",
    start({ port, upstream, socket }) {
      const folder = makeFolder("haproxy");
      const lua = join(folder, "keyover.lua");
      writeFileSync(lua, fitted("haproxy/keyover.lua", { [SOCKET]: socket }));
      const config = fitted("haproxy/haproxy.cfg", {
        "/etc/haproxy/keyover.lua": lua,
        "bind :8080": `bind 127.0.0.1:${port}`,
        "127.0.0.1:3000": `127.0.0.1:${upstream}`,
      });
      writeFileSync(join(folder, "haproxy.cfg"), config);
      return launch("haproxy", ["-db", "-f", join(folder, "haproxy.cfg")]);
    },
  },
];

/** Debian puts servers into /usr/sbin, which is on nobody's path but root's. */
const FOLDERS = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];

function isThere(program: string): boolean {
  return FOLDERS.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const missing = ({ program, debian }: Gateway) =>
  `there is no ${program} on this machine: apt-get install --no-install-recommends ${debian}`;

/** Not where nobody has it by chance; in CI it must be there. */
export function isTested(gateway: Gateway): boolean {
  const tested = isThere(gateway.program) || Boolean(process.env.CI);
  if (!tested) console.log(`the tests with ${gateway.name} are skipped: ${missing(gateway)}`);
  return tested;
}

export function startGateway(gateway: Gateway, at: Parameters<Gateway["start"]>[0]): Program {
  if (!isThere(gateway.program)) throw new Error(missing(gateway));
  return gateway.start(at);
}

const programs = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of programs) child.kill("SIGKILL");
});

/** On Linux `setpriv` ends it when this process is killed; these are no Node that could be tethered. */
function launch(program: string, args: string[], env: Record<string, string> = {}): Program {
  const tether = process.platform === "linux" ? ["setpriv", "--pdeathsig", "KILL"] : [];
  const [command = program, ...all] = [...tether, program, ...args];
  const child = spawn(command, all, {
    env: { PATH: FOLDERS.join(delimiter), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  programs.add(child);
  let said = "";
  const keep = (text: string) => {
    said += text;
  };
  child.stdout?.setEncoding("utf8").on("data", keep);
  child.stderr?.setEncoding("utf8").on("data", keep);
  child.on("error", (error) => keep(String(error)));
  const end = new Promise<void>((resolve) => child.once("close", () => resolve()));
  void end.then(() => programs.delete(child));
  return {
    said: () => said,
    exited: () => child.exitCode !== null || child.signalCode !== null,
    async stop() {
      child.kill("SIGKILL");
      await end;
    },
  };
}

// ---- the verifier -------------------------------------------------------------------------------------------------------

export interface VerifierProcess {
  socket: string;
  process: Running;
}

/** `keyover verifier`, on a Unix socket. */
export async function startVerifier(
  authorityUrl: string,
  token: string,
  more: string[] = [],
): Promise<VerifierProcess> {
  const folder = makeFolder("verifier");
  const socket = join(folder, "verifier.sock");
  const data = join(folder, "data");
  mkdirSync(data, { mode: 0o700 });
  const given = ["--url", authorityUrl, "--api", "market", "--data", data, "--listen", `unix:${socket}`];
  const running = run(KEYOVER, ["verifier", ...given, "--trusted-hops", "1", ...more], {
    env: { KEYOVER_TOKEN: token },
  });
  await until(() => {
    if (running.exited()) throw new Error(`keyover verifier ended: ${running.out()}${running.err()}`);
    return running.out().includes("Keyover decides on");
  }, "keyover verifier to be ready");
  return { socket, process: running };
}

/** So that a gateway of another user may connect: tests alone let everybody in. */
export const OPEN_SOCKET = ["--socket-mode", "666"];

// ---- the API behind -----------------------------------------------------------------------------------------------------

export interface Upstream {
  port: number;
  /** Of the last request. */
  headers(): IncomingHttpHeaders;
  requests(): number;
  close(): void;
}

/** Answers with nothing of its own, and remembers what reached it. */
export async function startUpstream(): Promise<Upstream> {
  let last: IncomingHttpHeaders = {};
  let requests = 0;
  const server = createServer((request, response) => {
    last = request.headers;
    requests++;
    request.resume();
    response.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}');
  });
  server.keepAliveTimeout = 75_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    headers: () => last,
    requests: () => requests,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export async function listeningOn(program: Program, port: number): Promise<void> {
  await until(async () => {
    if (program.exited()) throw new Error(`the gateway ended: ${program.said()}`);
    return fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
  }, "the gateway to listen");
}
