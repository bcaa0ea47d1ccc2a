/**
 * Envoy's ext_authz over gRPC, and the health check of gRPC (`grpc.health.v1`). gRPC is HTTP/2 with five bytes before each message
 * and the outcome in trailers (grpc/grpc, doc/PROTOCOL-HTTP2.md); node:http2 does the rest. Both calls have one message in and one out.
 *
 *     serving ──notify()──▶ a GOAWAY that names no last stream: the gateway opens another connection; what is on its way is answered
 *             ──close()───▶ a GOAWAY with the last stream: what is under way is answered, the connection ends
 *
 * Node can send only the second of the two, which cuts off what is on its way (RFC 9113 §6.8). So the first is written by hand, between
 * two of Node's frames.
 */
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { Answer } from "./answers.ts";
import { type CheckRequest, lookAlikes, readCheckRequest, writeCheckResponse } from "./ext-authz.ts";
import { Fields, MessageWriter, WireError } from "./protobuf.ts";

export interface GrpcCalls {
  /** Never throws and never rejects. */
  check(request: CheckRequest): Answer | Promise<Answer>;
  isReady(): boolean;
  /** Of a call that was not decided on. */
  unread(reason: "malformed_request" | "timed_out" | "too_many_connections"): void;
  /** Monotonic, in milliseconds. */
  elapsed(): number;
}

const CHECK = "/envoy.service.auth.v3.Authorization/Check";
const HEALTH = "/grpc.health.v1.Health/Check";
/** What `Health/Check` may ask about; nothing is the whole server. */
const SERVICES = ["", "envoy.service.auth.v3.Authorization"];
const SERVING = 1;
const NOT_SERVING = 2;

/** The caller's headers, and what Envoy says of certificates besides. */
const MESSAGE_BYTES_MAX = 1 << 20;
const STREAMS_MAX = 1_000;
const REQUEST_MS_MAX = 30_000;
const GRPC = "application/grpc";
/** Length and flag before each message. */
const PREFIX_BYTES = 5;

/** https://grpc.io/docs/guides/status-codes */
const codes = { notFound: 5, resourceExhausted: 8, unimplemented: 12, internal: 13 } as const;

class CallError extends Error {
  readonly code: number;
  constructor(code: keyof typeof codes, message: string) {
    super(message);
    this.code = codes[code];
  }
}

/** Length 8, type GOAWAY, no flags, of the connection; last stream 2^31 - 1, NO_ERROR. */
const GOAWAY_NOTICE = Buffer.from("000008070000000000" + "7fffffff" + "00000000", "hex");

export class GrpcDoor {
  readonly server: Http2Server;
  readonly #calls: GrpcCalls;
  readonly #credentials: readonly string[];
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();

  /** `credentials`: the headers that may carry the key, in lower case. */
  constructor(calls: GrpcCalls, credentials: readonly string[], connectionsMax: number) {
    this.#calls = calls;
    this.#credentials = credentials;
    this.server = createServer({ settings: { maxConcurrentStreams: STREAMS_MAX, enablePush: false } });
    this.server.maxConnections = connectionsMax;
    this.server.on("drop", () => calls.unread("too_many_connections"));
    this.server.on("sessionError", () => calls.unread("malformed_request"));
    this.server.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
    });
    this.server.on("stream", (stream, headers) => this.#serve(stream, headers));
    this.server.on("connection", (socket: Socket) => {
      socket.setKeepAlive(true, 60_000).setNoDelay(true);
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  get connections(): number {
    return this.#sockets.size;
  }

  notify(): void {
    for (const socket of this.#sockets) if (socket.bytesWritten > 0) socket.write(GOAWAY_NOTICE);
  }

  /** Streams that are under way go on. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // Its resets, and its end before the answer.
    stream.on("error", () => undefined);
    if (headers[":method"] !== "POST" || !/^application\/grpc($|[+;])/.test(headers["content-type"] ?? "")) {
      stream.respond({ ":status": 415 }, { endStream: true });
      return;
    }
    const tooLate = () => {
      if (stream.destroyed) return;
      this.#calls.unread("timed_out");
      stream.destroy();
    };
    // From one piece to the next; a stream that drips is found when it does.
    stream.setTimeout(REQUEST_MS_MAX, tooLate);
    const began = this.#calls.elapsed();
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (error: unknown) => {
      if (stream.destroyed || stream.headersSent) return;
      this.#calls.unread("malformed_request");
      const { code, message } =
        error instanceof CallError ? error : { code: codes.internal, message: "the message can't be read" };
      stream.respond(
        { ":status": 200, "content-type": GRPC, "grpc-status": String(code), "grpc-message": message },
        { endStream: true },
      );
    };
    stream.on("data", (chunk: Buffer) => {
      if (this.#calls.elapsed() - began > REQUEST_MS_MAX) return tooLate();
      bytes += chunk.length;
      if (bytes <= MESSAGE_BYTES_MAX + PREFIX_BYTES) chunks.push(chunk);
      else fail(new CallError("resourceExhausted", `a message has at most ${MESSAGE_BYTES_MAX} bytes`));
    });
    stream.once("end", () => {
      if (stream.headersSent) return;
      try {
        const answered = this.#call(headers[":path"], messageOf(chunks));
        if (answered instanceof Promise) answered.then((answer) => send(stream, answer)).catch(fail);
        else send(stream, answered);
      } catch (error) {
        fail(error);
      }
    });
  }

  #call(path: string | undefined, message: Buffer): Buffer | Promise<Buffer> {
    if (path === HEALTH) return this.#health(message);
    if (path !== CHECK) throw new CallError("unimplemented", "there are Authorization/Check and Health/Check");
    const request = readCheckRequest(message);
    const remove = [...this.#credentials, ...lookAlikes(request.rawHeaders)];
    const framed = (answer: Answer) => frame(writeCheckResponse(answer, remove, PREFIX_BYTES));
    const answer = this.#calls.check(request);
    return answer instanceof Promise ? answer.then(framed) : framed(answer);
  }

  #health(message: Buffer): Buffer {
    const request = new Fields(message);
    let service = "";
    while (request.next()) if (request.number === 1) service = request.text();
    if (!SERVICES.includes(service)) throw new CallError("notFound", "there is no such service");
    return frame(new MessageWriter(PREFIX_BYTES).number(1, this.#calls.isReady() ? SERVING : NOT_SERVING).bytes());
  }
}

function messageOf(chunks: readonly Buffer[]): Buffer {
  const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  if (body.length < PREFIX_BYTES) throw new WireError("cut off");
  if (body[0] !== 0) throw new CallError("unimplemented", "compressed messages are not taken");
  if (body.readUInt32BE(1) !== body.length - PREFIX_BYTES) throw new WireError("not one message");
  return body.subarray(PREFIX_BYTES);
}

/** The message stands behind five bytes that were left free. */
function frame(bytes: Buffer): Buffer {
  bytes[0] = 0;
  bytes.writeUInt32BE(bytes.length - PREFIX_BYTES, 1);
  return bytes;
}

function send(stream: ServerHttp2Stream, framed: Buffer): void {
  // Reset meanwhile: the gateway's caller has gone, or its patience.
  if (stream.destroyed || stream.headersSent) return;
  stream.respond({ ":status": 200, "content-type": GRPC }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(framed);
}
