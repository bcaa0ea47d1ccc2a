/**
 * The workers of a `keyover verifier`: changed over by SIGHUP while Envoy, by grpc's own client, asks them without a pause; and left alone by the
 * process that listens.
 */
import { Agent, request } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { EnvoyDouble } from "../packages/verifier/src/standalone/ext-authz.test-support.ts";
import { type Issued, issueKey, protectApi, startAuthority } from "./authority.test-support.ts";
import { startVerifier, type VerifierProcess } from "./gateway.test-support.ts";
import { endAll, freePort, until } from "./processes.test-support.ts";

let verifier: VerifierProcess;
let grpc: string;
let key: Issued;

beforeAll(async () => {
  const authority = await startAuthority();
  const { verifierToken } = await protectApi(authority, "market", "mkt");
  key = await issueKey(authority, "market", "caller");
  grpc = `127.0.0.1:${await freePort()}`;
  const options = ["--grpc-listen", grpc, "--workers", "2", "--log-level", "info"];
  verifier = await startVerifier(authority.url, verifierToken, options);
});
afterAll(endAll);

it("SIGHUP changes the workers over under load by gRPC: no check fails", async () => {
  let stop = false;
  const wrong: unknown[] = [];
  let checks = 0;
  const loops = [1, 2, 3, 4].map(async () => {
    const envoy = new EnvoyDouble(grpc);
    while (!stop) {
      const rpc = await envoy.outcome({ "x-api-key": key.secret }).then(
        (outcome) => outcome.rpc,
        (error: unknown) => String(error),
      );
      checks++;
      if (rpc !== 0) wrong.push(rpc);
    }
    envoy.close();
  });
  const done = () => verifier.process.err().includes('"verifier.change_over_done"');
  process.kill(verifier.process.pid, "SIGHUP");
  await until(done, "the workers to be changed over", { waitMs: 60_000 });
  const before = checks;
  await until(() => checks > before + 100, "checks by the new workers");
  stop = true;
  await Promise.all(loops);
  expect(wrong).toEqual([]);
});

it("a worker whose listening process stands still says what it has counted itself", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const get = (path: string) =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const sent = request({ socketPath: verifier.socket, path, agent }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode, text }));
      });
      sent.on("error", reject).end();
    });
  const workersIn = (text: string) =>
    new Set([...text.matchAll(/_ready\{worker="(\d+)"\}/g)].map(([, worker]) => worker));
  expect(workersIn((await get("/metrics")).text).size).toBe(2);
  verifier.process.pause();
  try {
    const { status, text } = await get("/metrics");
    expect([status, text.includes("keyover_verifier_ready 1\n"), workersIn(text).size]).toEqual([200, true, 0]);
  } finally {
    verifier.process.resume();
    agent.destroy();
  }
});
