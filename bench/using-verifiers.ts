/** A verifier in a process of its own that uses each text that it is sent, once. */
import { createVerifier } from "@keyover/verifier";
import { peerSettings } from "./processes.ts";

const { urls, token } = peerSettings<{ urls: string[]; token: string }>();
const verifier = createVerifier({ url: urls, token, apis: ["market"] });
await verifier.ready;
process.send?.({ said: "ready" });
let uses = 0;
process.on("message", (text: string) => {
  // Each from an instance that comes once: one that came back would have a usual gap, as long as a rotation takes.
  void verifier.verify(text, { scope: "market:read", instance: `bot-${++uses}` });
});
