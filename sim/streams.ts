/** Answers that go on, such as server-sent events: in order, stalled while the link is blocked, cut at any time. */
import type { Network } from "./network.ts";
import type { Process } from "./process.ts";
import type { ServerStream } from "./wire.ts";

/** A response that goes on: server-sent events, a snapshot. The server's end and the client's each learn of the end on their own. */
export class Stream {
  readonly from: string;
  readonly to: string;
  readonly readable: StreamReader;
  readonly #network: Network;
  readonly #server: ServerStream;
  /** Between two pieces at least: a proxy that hands them on slowly, while everything else goes past it. */
  trickleMs = 0;
  #lastAt = 0;
  #left = false;

  constructor(network: Network, from: string, to: string, reader: Process, server: ServerStream) {
    this.#network = network;
    this.from = from;
    this.to = to;
    this.#server = server;
    this.readable = new StreamReader(reader, () => this.leave());
    server.onChunk = (chunk) => this.#deliver(() => this.readable.push(chunk));
    server.onEnd = (clean) =>
      this.#deliver(() => {
        if (clean) this.readable.end();
        else this.readable.break();
        network.forget(this);
      });
    server.begin();
  }

  /** The reader has gone. The server learns it when the word reaches it. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#network.forget(this);
    this.#network.passInOrder(this.to, this.from, 0, () => this.#server.close());
  }

  cut(): void {
    this.#network.counts.cut++;
    this.#network.forget(this);
    this.#left = true;
    this.readable.break();
    this.#network.passInOrder(this.to, this.from, 0, () => this.#server.close());
  }

  #deliver(arrive: () => void): void {
    this.#lastAt = this.#network.passInOrder(this.from, this.to, this.#lastAt + this.trickleMs, () => {
      if (!this.#left) arrive();
    });
  }
}

/** As much of a `ReadableStream` as is read here: its own is ten times slower. */
export class StreamReader {
  readonly #process: Process;
  readonly #onCancel: () => void;
  #chunks: Uint8Array[] = [];
  #state: "open" | "ended" | "broken" = "open";
  #wake: (() => void) | undefined;

  constructor(process: Process, onCancel: () => void) {
    this.#process = process;
    this.#onCancel = onCancel;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#ring();
  }

  end(): void {
    if (this.#state === "open") this.#state = "ended";
    this.#ring();
  }

  break(): void {
    if (this.#state === "open") this.#state = "broken";
    this.#ring();
  }

  getReader(): this {
    return this;
  }

  async read(): Promise<{ done: boolean; value: Uint8Array | undefined }> {
    for (;;) {
      const value = this.#chunks.shift();
      if (value !== undefined) return { done: false, value };
      if (this.#state === "ended") return { done: true, value: undefined };
      if (this.#state === "broken") throw failure("ECONNRESET");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async cancel(): Promise<void> {
    this.#state = "ended";
    this.#chunks = [];
    this.#ring();
    this.#onCancel();
  }

  #ring(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    if (wake !== undefined) this.#process.do(wake);
  }
}

/** What `fetch` rejects with. */
export function failure(code: string): Error {
  return Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error(code), { code }) });
}
