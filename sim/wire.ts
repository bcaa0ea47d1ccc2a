/** Requests and answers as they lie on the wire, and the little of `Response` that the clients look at. */
import type { StreamReader } from "./streams.ts";

export interface WireRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
  /** The caller's host. */
  from: string;
}

export interface WireAnswer {
  status: number;
  headers: Record<string, string>;
  body?: string | undefined;
  /** Instead of `body`: it goes on. */
  stream?: ServerStream | undefined;
}

/** The server's end of a stream. What it writes before anybody listens is kept. */
export class ServerStream {
  onChunk: (chunk: Uint8Array) => void = () => {};
  /** False: broken off. */
  onEnd: (clean: boolean) => void = () => {};
  readonly #onClose: () => void;
  #early: Uint8Array[] | undefined = [];
  #ended: boolean | undefined;
  closed = false;

  /** `onClose`: the client has gone. */
  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  write(chunk: Uint8Array): void {
    if (this.closed || this.#ended !== undefined) return;
    if (this.#early === undefined) this.onChunk(chunk);
    else this.#early.push(chunk);
  }

  end(clean: boolean): void {
    if (this.#ended !== undefined) return;
    this.#ended = clean;
    if (this.#early === undefined) this.onEnd(clean);
  }

  begin(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const chunk of early) this.onChunk(chunk);
    if (this.#ended !== undefined) this.onEnd(this.#ended);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#onClose();
  }
}

/** `stream`: the client's end of `answer.stream`. */
export function wireResponse(answer: WireAnswer, stream: StreamReader | undefined): Response {
  const { status, headers, body = "" } = answer;
  const response = {
    status,
    ok: status >= 200 && status < 300,
    headers: { get: (name: string) => headers[name.toLowerCase()] ?? null },
    bodyUsed: false,
    body: stream ?? bodyOf(body),
    text: async () => body,
    json: async () => JSON.parse(body) as unknown,
    clone: () => ({ body: bodyOf(body) }),
  };
  return response as unknown as Response;
}

function bodyOf(text: string) {
  let left: Uint8Array | undefined = Buffer.from(text);
  const reader = {
    async read() {
      const value = left;
      left = undefined;
      return { done: value === undefined, value };
    },
    async cancel() {},
  };
  return { getReader: () => reader, async cancel() {} };
}
