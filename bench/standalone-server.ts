/**
 * A standalone verifier with keys of its own, and in the same process a bare node:http that answers 200 to everything; each on a port, and the
 * verifier on a Unix socket besides. Or, without keys, an API of one Fastify route, or what answers 204 to everything on a Unix socket.
 */
import { createServer } from "node:http";
import { createStandalone } from "@keyover/verifier/standalone";
import Fastify from "fastify";
import { realWorld } from "../packages/verifier/src/world.ts";
import { makeKeys, verifierOf } from "./keyring.ts";
import { peerSettings } from "./processes.ts";

export interface StandaloneSaid {
  api: number;
  bare: number;
  checks: number;
  texts: string[];
}

export interface Spent {
  spentUs: number;
  busy: number;
}

const settings = peerSettings<{ keys: number; socket?: string; bareSocket?: string }>();
const bare = createServer((_request, response) => response.end('{"symbol":"BTC-USD","price":"97000.10"}'));
bare.keepAliveTimeout = 75_000;
const portOf = async (server: typeof bare): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as { port: number }).port;
};

const keys = makeKeys(settings.keys, 0);
// Handles are all of one length, as real ones are: the client counts on answers that are.
for (const [i, { record }] of keys.entries()) {
  record.key = `key_${String(i).padStart(22, "0")}`;
  record.consumer = `con_${String(i).padStart(22, "0")}`;
}
let checks = 0;
if (settings.keys > 0) {
  const verifier = await verifierOf(keys);
  const options = { world: realWorld(), trustedHops: settings.socket === undefined ? 0 : 1 };
  checks = await portOf(createStandalone(verifier, options).server);
  const { server } = createStandalone(verifier, options);
  if (settings.socket !== undefined) await new Promise<void>((resolve) => server.listen(settings.socket, resolve));
}
if (settings.bareSocket !== undefined) {
  const empty = createServer((_request, response) => response.writeHead(204).end());
  empty.keepAliveTimeout = 75_000;
  await new Promise<void>((resolve) => empty.listen(settings.bareSocket, resolve));
}
const api = Fastify({ logger: false, keepAliveTimeout: 75_000 });
api.get("/v1/ticker", async () => ({ symbol: "BTC-USD", price: "97000.10", volume: "12.5", at: 1_763_683_200_000 }));
await api.listen({ host: "127.0.0.1", port: 0 });
const { port } = api.server.address() as { port: number };
process.send?.({
  api: port,
  bare: await portOf(bare),
  checks,
  texts: keys.map(({ text }) => text),
} satisfies StandaloneSaid);

// Since it was asked last: what it took, and how busy it was. A client that is too slow would flatter the checks.
let before = performance.eventLoopUtilization();
let spent = process.cpuUsage();
process.on("message", () => {
  const now = performance.eventLoopUtilization();
  const { user, system } = process.cpuUsage(spent);
  const busy = performance.eventLoopUtilization(now, before).utilization;
  process.send?.({ spentUs: user + system, busy } satisfies Spent);
  before = now;
  spent = process.cpuUsage();
});
