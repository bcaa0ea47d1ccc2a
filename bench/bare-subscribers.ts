/** The baseline's subscribers: `fetch`, as the verifiers have it, and nothing done with what comes but to look for the one event. */
import type { BareSaid } from "./fleet.ts";
import { machineNow, peerSettings } from "./processes.ts";

const { url, count } = peerSettings<{ url: string; count: number }>();
const tell = (said: BareSaid["said"], times: number[] = []) =>
  process.send?.({ said, at: machineNow(), times } satisfies BareSaid);
let subscribed = 0;
let heardAt: number[] = [];

function take(event: string): void {
  if (event.startsWith(":")) {
    if (++subscribed === count) tell("subscribed");
    return;
  }
  if (!event.includes("\nevent: entry\n")) return;
  heardAt.push(machineNow());
  if (heardAt.length < count) return;
  tell("heard", heardAt);
  heardAt = [];
}

async function subscribe(): Promise<void> {
  const response = await fetch(url);
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n", from)) {
      take(text.slice(from, end));
      from = end + 2;
    }
    text = text.slice(from);
  }
}

await Promise.all(Array.from({ length: count }, subscribe));
