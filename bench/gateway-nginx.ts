/**
 * nginx before a Node API, with `auth_request` to the standalone verifier over a Unix socket (examples/gateways/nginx as it stands), and
 * without. What it costs is mostly nginx's own, and node:http's. So there are two more between:
 *
 *     without     nginx, the API
 *     own         … and a subrequest that nginx answers itself: `return 204`
 *     bare        … that a bare node:http on a Unix socket answers 204
 *     checked     … that the verifier answers
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { loadOf } from "./http-load.ts";
import { freePort, ownChild, startPeer, stopChild } from "./processes.ts";
import { type Row, rowOf } from "./report.ts";
import type { Spent, StandaloneSaid } from "./standalone-server.ts";
import { inTurn } from "./turns.ts";

type Said = StandaloneSaid | Spent;

const CONNECTIONS = 32;
const KEYS = 1_000;
const EXAMPLE = fileURLToPath(new URL("../examples/gateways/nginx/keyover.conf", import.meta.url));
const SITES = ["without", "own", "bare", "checked"] as const;
type Ports = Record<(typeof SITES)[number], number>;

export async function behindNginx(seconds: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "keyover-bench-"));
  const [socket, bareSocket] = [join(folder, "verifier.sock"), join(folder, "bare.sock")];
  const verifier = startPeer<Said>("./standalone-server.ts", { keys: KEYS, socket });
  const bare = startPeer<Said>("./standalone-server.ts", { keys: 0, bareSocket });
  const api = startPeer<Said>("./standalone-server.ts", { keys: 0 });
  const { texts } = (await verifier.next((said) => "bare" in said)) as StandaloneSaid;
  const { api: upstream } = (await api.next((said) => "bare" in said)) as StandaloneSaid;
  await bare.next((said) => "bare" in said);
  const ports = { without: 0, own: 0, bare: 0, checked: 0 };
  for (const site of SITES) ports[site] = await freePort();
  const nginx = await startNginx(folder, configuration(folder, { socket, bareSocket, upstream }, ports), ports.without);
  try {
    if (nginx === undefined) return [];
    const measures = SITES.map((site) => () => loadOf(ports[site], "/v1/ticker", texts, CONNECTIONS, seconds));
    const [without, own, toBare, checked] = (await inTurn(measures)) as [number[], number[], number[], number[]];
    const unit = "requests/s";
    const baseline = { unit, baselineName: "nginx without", baselineRounds: without };
    const withIt = { name: "nginx with auth_request", unit, rounds: checked };
    return [
      rowOf({ ...baseline, ...withIt }, { ratioMin: 0.85 }),
      rowOf({ ...baseline, name: "auth_request to `return 204` of nginx", rounds: own }),
      rowOf({ ...baseline, name: "auth_request to a bare node:http", rounds: toBare }),
      rowOf({ ...withIt, baselineName: "auth_request to a bare node:http", baselineRounds: toBare }),
    ];
  } finally {
    if (nginx !== undefined) await stopChild(nginx);
    for (const peer of [verifier, bare, api]) await peer.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function configuration(
  folder: string,
  at: { socket: string; bareSocket: string; upstream: number },
  ports: Ports,
): string {
  const example = readFileSync(EXAMPLE, "utf8")
    .replaceAll("/run/keyover/verifier.sock", at.socket)
    .replaceAll("127.0.0.1:3000", `127.0.0.1:${at.upstream}`)
    .replaceAll("keepalive 32;", "keepalive 64; keepalive_requests 1000000000;");
  const serverAt = example.indexOf("server {\n    listen");
  const [shared, server] = [example.slice(0, serverAt), example.slice(serverAt)];
  const listening = (site: keyof Ports, text: string) => text.replace("listen 8080", `listen 127.0.0.1:${ports[site]}`);
  const without = `server {
    listen 127.0.0.1:${ports.without};
    location / {
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Connection "";
        proxy_http_version 1.1;
        proxy_pass http://api;
    }
}`;
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (each) => `${each}_temp_path ${folder}/${each};`,
  );
  // Two workers, as on any machine with a core to spare; as root they could not read the socket otherwise.
  return `daemon off;
${process.getuid?.() === 0 ? "user root;" : ""}
worker_processes 2;
pid ${folder}/pid;
error_log stderr error;
events {}
http {
    access_log off;
    keepalive_requests 1000000000;
    ${places.join(" ")}
    ${shared}
    upstream bare { server unix:${at.bareSocket}; keepalive 64; keepalive_requests 1000000000; }
    ${listening("checked", server)}
    ${listening("bare", server.replace("http://keyover/", "http://bare/"))}
    ${listening("own", server.replace(/(location = \/_keyover \{)[^}]*\}/, "$1 internal; return 204; }"))}
    ${without}
}`;
}

/** Undefined where there is no nginx. */
async function startNginx(folder: string, text: string, port: number): Promise<ChildProcess | undefined> {
  writeFileSync(join(folder, "nginx.conf"), text);
  const env = { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin` };
  const child = spawn("nginx", ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const missing = new Promise<boolean>((resolve) => {
    child.once("error", () => resolve(true)).once("spawn", () => resolve(false));
  });
  if (await missing) {
    process.stderr.write("nginx is left out: there is none on this machine (Debian's package nginx-light)\n");
    return undefined;
  }
  ownChild(child);
  for (let tries = 0; tries < 200; tries++) {
    const up = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (up) return child;
    await sleep(25);
  }
  throw new Error("nginx does not answer");
}
