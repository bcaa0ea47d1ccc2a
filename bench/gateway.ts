/**
 * What a check costs where a gateway asks for it: the standalone verifier beside a bare node:http of the same process, and nginx before a
 * Node API with `auth_request` to it (the configuration of examples/gateways/nginx) beside the same nginx without.
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

const ROUNDS = 7;
const SECONDS = 3;
const CONNECTIONS = 32;
const KEYS = 1_000;
const BUSY_MIN = 0.9;
const EXAMPLE = fileURLToPath(new URL("../examples/gateways/nginx/keyover.conf", import.meta.url));

type Said = StandaloneSaid | Spent;
type Measure = () => Promise<number>;

export async function gateway(quick: boolean): Promise<Row[]> {
  return [...(await standalone(quick)), ...(await behindNginx(quick))];
}

/** By the clock, and by the processor time that the server's process takes: other work on the machine lengthens the one and hardly the other. */
async function standalone(quick: boolean): Promise<Row[]> {
  const seconds = quick ? 0.3 : SECONDS;
  const server = startPeer<Said>("./standalone-server.ts", { keys: KEYS });
  const { bare, checks, texts } = (await server.next((said) => "bare" in said)) as StandaloneSaid;
  const spent = async () => {
    const answer = server.next((said) => "spentUs" in said) as Promise<Spent>;
    server.send("spent?");
    return answer;
  };
  let busyMin = 1;
  const micros: [number[], number[]] = [[], []];
  const measured = (which: 0 | 1, port: number, wanted: number) => async () => {
    await spent();
    const perSecond = await loadOf(port, "/check?scope=market:read", texts, CONNECTIONS, seconds, wanted);
    const { spentUs, busy } = await spent();
    busyMin = Math.min(busyMin, busy);
    micros[which].push(spentUs / (perSecond * seconds));
    return perSecond;
  };
  const [baselineRounds, rounds] = await inTurn(measured(0, bare, 200), measured(1, checks, 204));
  await server.stop();
  if (busyMin < BUSY_MIN)
    process.stderr.write(
      `the server was busy only ${Math.round(100 * busyMin)} % of a round: the client was too slow\n`,
    );
  const names = { name: "keyover verifier, /check", baselineName: "bare node:http" };
  // The first of each is for the compiler.
  const [bareMicros, checkMicros] = micros.map((each) => each.slice(1)) as [number[], number[]];
  return [
    rowOf({ ...names, unit: "requests/s", rounds, baselineRounds }, { ratioMin: 0.9 }),
    rowOf({ ...names, unit: "µs of processor time", rounds: checkMicros, baselineRounds: bareMicros }),
  ];
}

async function behindNginx(quick: boolean): Promise<Row[]> {
  const seconds = quick ? 0.3 : SECONDS;
  const folder = mkdtempSync(join(tmpdir(), "keyover-bench-"));
  const socket = join(folder, "verifier.sock");
  const verifier = startPeer<Said>("./standalone-server.ts", { keys: KEYS, socket });
  const api = startPeer<Said>("./standalone-server.ts", { keys: 0 });
  const { texts } = (await verifier.next((said) => "bare" in said)) as StandaloneSaid;
  const { api: upstream } = (await api.next((said) => "bare" in said)) as StandaloneSaid;
  const [checked, open] = [await freePort(), await freePort()];
  const nginx = await startNginx(folder, { socket, upstream, checked, open });
  try {
    if (nginx === undefined) return [];
    const [baselineRounds, rounds] = await inTurn(
      () => loadOf(open, "/v1/ticker", texts, CONNECTIONS, seconds),
      () => loadOf(checked, "/v1/ticker", texts, CONNECTIONS, seconds),
    );
    const names = { name: "nginx with auth_request", unit: "requests/s", baselineName: "nginx without" };
    return [rowOf({ ...names, rounds, baselineRounds }, { ratioMin: 0.85 })];
  } finally {
    if (nginx !== undefined) await stopChild(nginx);
    await verifier.stop();
    await api.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Undefined where there is no nginx. */
async function startNginx(
  folder: string,
  at: { socket: string; upstream: number; checked: number; open: number },
): Promise<ChildProcess | undefined> {
  const site = readFileSync(EXAMPLE, "utf8")
    .replaceAll("/run/keyover/verifier.sock", at.socket)
    .replaceAll("127.0.0.1:3000", `127.0.0.1:${at.upstream}`)
    .replaceAll("listen 8080", `listen 127.0.0.1:${at.checked}`);
  const without = `server {
    listen 127.0.0.1:${at.open};
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
  const main = `daemon off;
${process.getuid?.() === 0 ? "user root;" : ""}
worker_processes 2;
pid ${folder}/pid;
error_log stderr error;
events {}
http {
    access_log off;
    keepalive_requests 1000000000;
    ${places.join(" ")}
    ${site.replaceAll("keepalive 32;", "keepalive 64; keepalive_requests 1000000000;")}
    ${without}
}`;
  writeFileSync(join(folder, "nginx.conf"), main);
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
    const up = await fetch(`http://127.0.0.1:${at.open}/`).then(
      () => true,
      () => false,
    );
    if (up) return child;
    await sleep(25);
  }
  throw new Error("nginx does not answer");
}

/** Rounds of the two, in turn; the first of each is for the compiler. */
async function inTurn(baseline: Measure, measured: Measure): Promise<[number[], number[]]> {
  const rounds: [number[], number[]] = [[], []];
  for (let round = -1; round < ROUNDS; round++) {
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    for (const which of order) {
      const perSecond = await (which === 0 ? baseline : measured)();
      if (round >= 0) rounds[which as 0 | 1].push(perSecond);
    }
  }
  return rounds;
}
