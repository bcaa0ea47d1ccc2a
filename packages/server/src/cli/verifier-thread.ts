/** One thread of `keyover verifier --threads` (verifier-threads.ts). */
import { parentPort, workerData } from "node:worker_threads";
import { attachVerifier } from "@keyover/verifier";
import type { Sample } from "@keyover/verifier/standalone";
import { createLogger, realWorld } from "../world.ts";
import { GatheringsAsked } from "./gatherings.ts";
import { listenAll, standaloneOf } from "./verifier-process.ts";
import { portOf } from "./verifier-socket.ts";
import type { FromThread, ThreadData, ToThread } from "./verifier-threads.ts";

const { handle, settings } = workerData as ThreadData;
const world = realWorld(createLogger(settings.logLevel));
const tell = (message: FromThread) => parentPort?.postMessage(message);
const asked = new GatheringsAsked(world, (number) => {
  tell({ gather: number });
  return true;
});
const verifier = attachVerifier(handle, { world });
const standalone = standaloneOf(verifier, settings, world, (own: Sample[]) => asked.gather(own));

// As long as it listens for these, the thread lives.
parentPort?.on("message", (message: ToThread) => {
  if ("samplesFor" in message) tell({ samplesFor: message.samplesFor, samples: standalone.samples() });
  else if ("gathered" in message) asked.answered(message.gathered, message.samples);
  else void drain();
});

await verifier.ready;
const address = await listenAll(standalone, settings, { reusePort: true });
const [port, grpcPort] = [portOf(standalone.server), portOf(standalone.grpcServer)];
tell({ listening: { address, port, grpcPort } });

async function drain(): Promise<void> {
  await standalone.drain(settings.drainMs);
  parentPort?.close();
}
