/**
 * Standalone verifiers as `keyover verifier --workers` runs them: one process that takes the connections and hands them out in turn, and
 * workers that answer; and bare servers of node:http in the same workers. All hold the keys that they are told.
 */
import cluster from "node:cluster";
import { createServer, type Server } from "node:http";
import { createStandalone } from "@keyover/verifier/standalone";
import { realWorld } from "../packages/verifier/src/world.ts";
import { type HeldKey, verifierOf } from "./keyring.ts";
import { freePort, peerSettings } from "./processes.ts";

export interface WorkersSaid {
  bare: number;
  checks: number;
}

interface Start {
  keys: HeldKey[];
  bare: number;
  checks: number;
}

if (cluster.isWorker) {
  const { keys, bare, checks } = await new Promise<Start>((resolve) => process.once("message", resolve));
  const answering = createServer((_request, response) => response.end('{"symbol":"BTC-USD","price":"97000.10"}'));
  answering.keepAliveTimeout = 75_000;
  await listen(answering, bare);
  await listen(createStandalone(await verifierOf(keys), { world: realWorld() }).server, checks);
  process.send?.("ready");
} else {
  const { workers } = peerSettings<{ workers: number }>();
  // Too long for settings.
  const keys = await new Promise<HeldKey[]>((resolve) => process.once("message", resolve));
  const [bare, checks] = [await freePort(), await freePort()];
  await Promise.all(
    Array.from({ length: workers }, () => {
      const worker = cluster.fork();
      worker.send({ keys, bare, checks } satisfies Start);
      return new Promise((resolve) => worker.once("message", resolve));
    }),
  );
  process.send?.({ bare, checks } satisfies WorkersSaid);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
}
