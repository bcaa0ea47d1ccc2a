/** An authority in the same thread that has nothing to say but beats, and the changes that it is asked for. */
import type { DiskHead } from "@keyover/verifier";
import type { ManyKeys } from "./many-keys.ts";

const api = { id: "api_market", name: "market", prefix: "mkt" };
/** Of a file that goes with it. */
export const head: DiskHead = { api, environments: ["live"], boot: "boo_0", instance: "bench", epoch: "bench", seq: 0 };

/** An authority that has nothing to say but beats, and the changes that it is asked for. */
export class QuietFeed {
  seq = 0;
  readonly #keys: ManyKeys;
  #send: ((text: string) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(keys: ManyKeys) {
    this.#keys = keys;
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const now = Date.now();
    const grant = { now, leaseMs: 600_000, onStale: "closed", staticMs: 0 };
    const name = new URL(input as string).pathname.split("/").at(-1);
    if (name === "snapshot") return new Response(`${JSON.stringify({ seq: 0, now })}\n${JSON.stringify({ end: 0 })}\n`);
    if (name === "feed") return new Response(this.#stream(init?.signal));
    if (name === "verifiers") {
      return Response.json({ ...grant, api, environments: ["live"], reportEveryMs: 500, epoch: "bench" });
    }
    return Response.json(grant);
  };

  /** From now on so many keys a second get another secret, or come. */
  change(perSecond: number): void {
    clearInterval(this.#timer);
    if (perSecond > 0) this.#timer = setInterval(() => this.#changes(perSecond / 100), 10);
  }

  #changes(many: number): void {
    let text = "";
    for (let i = 0; i < many; i++) {
      const record = this.#keys.record(this.#keys.unpresented(++this.seq), this.#keys.count + this.seq);
      text += `event: entry\ndata: ${JSON.stringify({ seq: this.seq, record })}\n\n`;
    }
    this.#send?.(text);
  }

  #stream(signal: AbortSignal | null | undefined): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    return new ReadableStream({
      start: (stream) => {
        this.#send = (text) => stream.enqueue(encoder.encode(text));
        const beat = () => this.#send?.(`event: beat\ndata: ${JSON.stringify({ seq: this.seq, now: Date.now() })}\n\n`);
        const timer = setInterval(beat, 1_000);
        signal?.addEventListener("abort", () => clearInterval(timer));
        beat();
      },
    });
  }
}
