/** `keyover verifier --threads N`: one process, one table, N threads on one port, beside a real authority. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { EnvoyDouble } from "../packages/verifier/src/standalone/ext-authz.test-support.ts";
import {
  type Authority,
  type Issued,
  issueKey,
  KEYOVER,
  protectApi,
  rotate,
  rotationOf,
  startAuthority,
} from "./authority.test-support.ts";
import { endAll, freePort, makeFolder, type Running, run, until } from "./processes.test-support.ts";

const THREADS = 3;
let authority: Authority;
let key: Issued;
let verifier: Running;
let url: string;
let grpc: string;

beforeAll(async () => {
  authority = await startAuthority();
  const { verifierToken } = await protectApi(authority, "market", "mkt");
  key = await issueKey(authority, "market", "caller");
  grpc = `127.0.0.1:${await freePort()}`;
  const data = join(makeFolder("threads"), "data");
  const given = [
    "--url",
    authority.url,
    "--api",
    "market",
    "--instance",
    "gate",
    "--data",
    data,
    "--grpc-listen",
    grpc,
  ];
  verifier = run(KEYOVER, ["verifier", ...given, "--listen", "127.0.0.1:0", "--threads", String(THREADS)], {
    env: { KEYOVER_TOKEN: verifierToken },
  });
  await until(() => {
    if (verifier.exited()) throw new Error(`keyover verifier ended: ${verifier.out()}${verifier.err()}`);
    return verifier.out().includes("Keyover decides on");
  }, "the threads to be ready");
  url = /http:\S+?:\d+/.exec(verifier.out())?.[0] ?? "";
});
afterAll(endAll);

/** By a connection of its own, so that all threads have their turn. */
const check = async (secret: string, scope = "market:read"): Promise<number> => {
  const answer = await fetch(`${url}/check?scope=${scope}`, {
    headers: { authorization: `Bearer ${secret}`, connection: "close" },
  });
  await answer.arrayBuffer();
  return answer.status;
};
const statuses = async (secret: string, count = 40): Promise<number[]> => [
  ...new Set(await Promise.all(Array.from({ length: count }, () => check(secret)))),
];

it("all threads decide, each says what it counted, and to the authority each is a verifier", async () => {
  expect(await statuses(key.secret, 100)).toEqual([204]);
  expect(await check(key.secret, "trade")).toBe(403);
  expect(await check(`${key.secret.slice(0, -1)}${key.secret.endsWith("0") ? "1" : "0"}`)).toBe(401);
  const text = await (await fetch(`${url}/metrics`)).text();
  const counts = [...text.matchAll(/_decisions_total\{[^}]*code="ok"[^}]*worker="(\d+)"\} (\d+)/g)];
  expect(new Set(counts.map(([, thread]) => thread))).toEqual(new Set(["1", "2", "3"]));
  expect(counts.reduce((sum, [, , count]) => sum + Number(count), 0)).toBe(100);
  const { items } = await authority.admin.request("get", "/v1/apis/{api}/verifiers", { params: { api: "market" } });
  expect(items.map(({ instance }) => instance).sort()).toEqual(["gate", "gate/1", "gate/2", "gate/3"]);
});

it("Envoy's threads ask on one port too", async () => {
  const envoys = Array.from({ length: 6 }, () => new EnvoyDouble(grpc));
  for (const envoy of envoys) expect((await envoy.outcome({ "x-api-key": key.secret })).rpc).toBe(0);
  for (const envoy of envoys) envoy.close();
});

it("a rotation goes to its end by what the threads saw, and no request is refused", async () => {
  const moved = await issueKey(authority, "market", "mover");
  let [stop, secret] = [false, moved.secret];
  const wrong: number[] = [];
  const bot = (async () => {
    while (!stop) {
      const status = await check(secret);
      if (status !== 204) wrong.push(status);
      await new Promise((next) => setTimeout(next, 5));
    }
  })();
  const { id } = await rotate(authority, moved.keyId);
  const phase = async () => (await rotationOf(authority, id)).phase;
  await until(async () => (await phase()) === "offered", "the successor to be offered");
  const claimed = await moved.consumer.request("post", "/v1/rotations/{rotation}/claim", { params: { rotation: id } });
  const old = secret;
  secret = claimed.secret;
  await until(async () => (await phase()) === "retired", "the old version to be retired", { waitMs: 60_000 });
  stop = true;
  await bot;
  expect(wrong).toEqual([]);
  expect(await statuses(old)).toEqual([401]);
  expect(await statuses(secret)).toEqual([204]);
});

it("a killed key is refused by every thread once the call has been acknowledged", async () => {
  const doomed = await issueKey(authority, "market", "doomed");
  await until(async () => (await statuses(doomed.secret)).join() === "204", "the key to be accepted");
  const params = { key: doomed.keyId };
  await authority.admin.request("post", "/v1/keys/{key}/emergency", {
    params,
    body: { mode: "kill", reason: "leaked" },
  });
  await until(async () => (await statuses(doomed.secret)).join() === "401", "all threads to refuse it");
});

it("SIGTERM: what is under way is answered, the process ends with 0", async () => {
  process.kill(verifier.pid, "SIGTERM");
  await until(() => verifier.exited(), "the process to end", { waitMs: 20_000 });
  expect(verifier.err()).not.toContain('"level":"error"');
  const { items } = await authority.admin.request("get", "/v1/apis/{api}/verifiers", { params: { api: "market" } });
  expect(new Set(items.map(({ state }) => state))).toEqual(new Set(["closed"]));
});

it.each([[["--threads", "2"]], [[]]])("a port in use is said and ends it: %j", async (more) => {
  const { verifierToken } = await protectApi(authority, `taken${more.length}`, `tk${more.length}`);
  const { port } = new URL(authority.url);
  const given = ["--url", authority.url, "--api", `taken${more.length}`, "--environment", "live"];
  const refused = run(KEYOVER, ["verifier", ...given, "--listen", `127.0.0.1:${port}`, ...more], {
    env: { KEYOVER_TOKEN: verifierToken },
  });
  expect(await refused.end).toBe(4);
  expect(refused.err()).toContain(port);
});

it("one port for both doors is refused", async () => {
  const { verifierToken } = await protectApi(authority, "doors", "dr");
  const port = await freePort();
  const given = ["--url", authority.url, "--api", "doors", "--listen", `127.0.0.1:${port}`];
  const refused = run(KEYOVER, ["verifier", ...given, "--grpc-listen", `127.0.0.1:${port}`, "--threads", "2"], {
    env: { KEYOVER_TOKEN: verifierToken },
  });
  expect(await refused.end).toBe(4);
});
