/** The baseline's server: node:http and nothing else. Told to, it writes one event to everybody who is connected. */
import { createServer, type ServerResponse } from "node:http";
import type { BareSaid } from "./fleet.ts";
import { machineNow, peerSettings } from "./processes.ts";

peerSettings();
const open = new Set<ServerResponse>();
/** As long as an entry of the feed. */
const EVENT = `id: 1\nevent: entry\ndata: ${JSON.stringify({ seq: 1, record: "x".repeat(600) })}\n\n`;

const server = createServer((request, response) => {
  request.socket.setNoDelay(true);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write(": follow\n\n");
  open.add(response);
  response.once("close", () => open.delete(response));
});
server.listen(0, "127.0.0.1", () => {
  process.send?.({ said: "port", at: (server.address() as { port: number }).port } satisfies BareSaid);
});
process.on("message", () => {
  const at = machineNow();
  for (const response of open) response.write(EVENT);
  process.send?.({ said: "written", at } satisfies BareSaid);
});
