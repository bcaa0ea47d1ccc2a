/** One Fastify app with the same route twice: open, and behind the adapter. Its keys' texts go to the client. */
import { requireKey } from "@keyover/verifier/fastify";
import Fastify, { type FastifyRequest } from "fastify";
import type { Texts } from "./http.ts";
import { makeKeys, verifierOf } from "./keyring.ts";
import { peerSettings } from "./processes.ts";

const { keys: count } = peerSettings<{ keys: number }>();
const keys = makeKeys(count, 0);
const verifier = await verifierOf(keys);
const app = Fastify({ logger: false });
const ticker = async (_request: FastifyRequest) => ({
  symbol: "BTC-USD",
  price: "97000.10",
  volume: "12.5",
  at: 1_763_683_200_000,
});
app.get("/open", ticker);
app.get("/protected", { onRequest: requireKey(verifier, "market:read") }, ticker);
await app.listen({ host: "127.0.0.1", port: 0 });
const { port } = app.server.address() as { port: number };
process.send?.({ port, texts: keys.map(({ text }) => text) } satisfies Texts);

// How busy it was since it was asked last: a client that is too slow would flatter the protected route.
let before = performance.eventLoopUtilization();
process.on("message", () => {
  const now = performance.eventLoopUtilization();
  process.send?.({ busy: performance.eventLoopUtilization(now, before).utilization });
  before = now;
});
