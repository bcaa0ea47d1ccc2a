/** The baseline's subscribers: `fetch`, as the verifiers have it, and nothing done with what comes. */
import type { BareSaid } from "./fleet.ts";
import { machineNow, peerSettings } from "./processes.ts";

const { url, count } = peerSettings<{ url: string; count: number }>();
const tell = (said: BareSaid["said"]) => process.send?.({ said, at: machineNow() } satisfies BareSaid);
let subscribed = 0;
let heard = 0;

async function subscribe(): Promise<void> {
  const response = await fetch(url);
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      if (text.startsWith(":")) {
        if (++subscribed === count) tell("subscribed");
      } else if (++heard % count === 0) tell("heard");
      text = text.slice(end + 2);
    }
  }
}

await Promise.all(Array.from({ length: count }, subscribe));
