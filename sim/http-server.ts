/**
 * Hands a request to the authority's real fastify app and takes its answer, without sockets: the request and the response are plain
 * node streams with the few members that fastify looks at. `app.inject` does the same with twice the work.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable, Writable } from "node:stream";
import { ServerStream, type WireAnswer, type WireRequest } from "./wire.ts";

type Routing = (request: IncomingMessage, response: ServerResponse) => void;

/** Resolves with the head of the answer: at once with a whole body, or with a stream that goes on. */
export function ask(app: { routing: Routing }, request: WireRequest): Promise<WireAnswer> {
  return new Promise((resolve) => {
    const response = new Responding(resolve);
    app.routing(new Asked(request) as never, response as never);
  });
}

const socket = { remoteAddress: "10.9.9.9", encrypted: true, setNoDelay() {}, destroyed: false, writable: true };

class Asked extends Readable {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly socket: object;
  readonly httpVersion = "1.1";
  readonly httpVersionMajor = 1;
  readonly httpVersionMinor = 1;
  #body: string | undefined;

  constructor({ method, path, headers, body, from }: WireRequest) {
    super();
    this.method = method;
    this.url = path;
    this.#body = body;
    this.headers = { host: "authority", ...headers };
    this.socket = socket;
    if (body !== undefined) this.headers["content-length"] = String(Buffer.byteLength(body));
    this.headers["x-forwarded-for"] = addressOf(from);
  }

  override _read(): void {
    if (this.#body !== undefined) this.push(this.#body);
    this.#body = undefined;
    this.push(null);
  }
}

/** Each host has an address of its own. */
export function addressOf(host: string): string {
  const number = Number(/\d+/.exec(host)?.[0] ?? 0);
  return `10.${host.length}.${number}.7`;
}

const STREAMED = ["text/event-stream", "application/x-ndjson"];

class Responding extends Writable {
  statusCode = 200;
  headersSent = false;
  readonly #headers: Record<string, string> = {};
  readonly #answered: (answer: WireAnswer) => void;
  #chunks: Buffer[] = [];
  #stream: ServerStream | undefined;

  constructor(answered: (answer: WireAnswer) => void) {
    super({ decodeStrings: true });
    this.#answered = answered;
    this.on("error", () => {});
    this.on("close", () => this.#stream?.end(this.writableFinished));
  }

  setHeader(name: string, value: unknown): this {
    this.#headers[name.toLowerCase()] = String(value);
    return this;
  }

  getHeader(name: string): string | undefined {
    return this.#headers[name.toLowerCase()];
  }

  hasHeader(name: string): boolean {
    return name.toLowerCase() in this.#headers;
  }

  removeHeader(name: string): void {
    delete this.#headers[name.toLowerCase()];
  }

  writeHead(status: number, headers: Record<string, unknown> = {}): this {
    this.statusCode = status;
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) this.setHeader(name, value);
    this.#sendHead();
    return this;
  }

  #sendHead(): void {
    if (this.headersSent) return;
    this.headersSent = true;
    const type = this.getHeader("content-type") ?? "";
    if (!STREAMED.some((each) => type.startsWith(each))) return;
    this.#stream = new ServerStream(() => this.destroy());
    this.#answered({ status: this.statusCode, headers: this.#headers, stream: this.#stream });
  }

  flushHeaders(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#sendHead();
    if (this.#stream === undefined) this.#chunks.push(chunk);
    else this.#stream.write(chunk);
    done();
  }

  override _final(done: () => void): void {
    done();
    if (this.#stream !== undefined) {
      this.#stream.end(true);
      return;
    }
    const body = this.#chunks.length === 1 ? String(this.#chunks[0]) : Buffer.concat(this.#chunks).toString();
    this.#answered({ status: this.statusCode, headers: this.#headers, body });
  }
}
