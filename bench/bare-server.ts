/** The baseline's server: node:http and nothing else. Told to, it writes one event to everybody who is connected, or many of them. */
import { createServer, type ServerResponse } from "node:http";
import type { BareSaid, BareStream, BareTold } from "./fleet.ts";
import { machineNow, peerSettings } from "./processes.ts";

peerSettings();
const open = new Set<ServerResponse>();
/** As long as an entry of the feed. */
const EVENT = eventOf("entry", 630);

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

/** A subscriber that lets more than this pile up is passed over, as the authority cuts such a one off. */
const BACKLOG_BYTES_MAX = 8 * 1024 * 1024;
/** What is later than this, on a machine that is too busy, is left out. */
const LATE_MS_MAX = 100;

let stop: (() => number) | undefined;

/** What is due is written when the loop comes round: under load several events at once, which Node then sends together. */
function begin({ perSecond, bytes }: BareStream): () => number {
  const event = eventOf("other", bytes);
  const beganAt = machineNow();
  let [passed, written, stopped] = [0, 0, false];
  const writeDue = () => {
    if (stopped) return;
    const due = ((machineNow() - beganAt) * perSecond) / 1_000;
    for (passed = Math.max(passed, Math.floor(due - (LATE_MS_MAX * perSecond) / 1_000)); passed < due; passed++) {
      written++;
      for (const response of open) if (response.writableLength < BACKLOG_BYTES_MAX) response.write(event);
    }
    setTimeout(writeDue, 1);
  };
  writeDue();
  return () => {
    stopped = true;
    return (written * 1_000) / (machineNow() - beganAt);
  };
}

process.on("message", (told: BareTold) => {
  if (told !== "write") {
    process.send?.({ said: "streamed", at: stop?.() ?? 0 } satisfies BareSaid);
    stop = told.stream && begin(told.stream);
    return;
  }
  const at = machineNow();
  for (const response of open) response.write(EVENT);
  process.send?.({ said: "written", at } satisfies BareSaid);
});

function eventOf(name: string, bytes: number): string {
  const [before, after] = [`id: 1\nevent: ${name}\ndata: {"seq":1,"record":"`, `"}\n\n`];
  return before + "x".repeat(Math.max(0, bytes - before.length - after.length)) + after;
}
