/**
 * Envoy's ext_authz over gRPC, and the health check of gRPC (`grpc.health.v1`). gRPC is HTTP/2 with five bytes before each message
 * and the outcome in trailers (grpc/grpc, doc/PROTOCOL-HTTP2.md); node:http2 does the rest. Both calls have one message in and one out.
 *
 *     serving ──notify()──▶ a GOAWAY that names no last stream: the gateway opens another connection; what is on its way is answered
 *             ──close()───▶ a GOAWAY with the last stream: what is under way is answered, the connection ends
 *
 * That is how all connections end when the server drains, and each when it has become as old as it may: a gateway keeps few connections for
 * long, and of several processes behind one port some would else have more to do than others for as long as they run.
 *
 * Node can send only the second of the two, which cuts off what is on its way (RFC 9113 §6.8). So the first is written by hand, between
 * two of Node's frames: past Node, straight to the file descriptor, and only where nothing waits to be written. Node's HTTP/2 takes the end of
 * every write on its connection for that of one of its own, and a write that can't be finished at once would end the whole process.
 */
import { writeSync } from "node:fs";
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { jittered, type World } from "@keyover/core";
import type { Answer } from "./answers.ts";
import { type Connection, Connections, LOOK_MS } from "./connections.ts";
import { type CheckRequest, lookAlikes, readCheckRequest, writeCheckResponse } from "./ext-authz.ts";
import { Fields, MessageWriter, WireError } from "./protobuf.ts";

export interface GrpcCalls {
  /** Never throws and never rejects. */
  check(request: CheckRequest): Answer | Promise<Answer>;
  isReady(): boolean;
  /** Of a call that was not decided on. */
  unread(reason: "malformed_request" | "timed_out" | "too_many_connections"): void;
}

export interface GrpcOptions {
  /** The headers that may carry the key, in lower case. */
  credentials: readonly string[];
  connectionsMax: number;
  /** About so long a connection lasts. Undefined: as long as the gateway keeps it. */
  ageMsMax: number | undefined;
  world: World;
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
/** From its opening to its first call. A gateway that opens one has something to ask. */
const SILENT_MS_MAX = 75_000;
/** Of its age: connections that were opened together do not all end together. */
const AGE_JITTER = 0.2;
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

/** Node hands out a session's socket behind a proxy that lets other properties through: by this one the socket is known again. */
const STATE = Symbol("state");
type KnownSocket = Socket & { [STATE]?: SessionState };

interface SessionState {
  readonly session: ServerHttp2Session;
  /** Monotonic milliseconds. */
  readonly endsAt: number;
  asked: boolean;
  toldAt: number | undefined;
}

export class GrpcDoor {
  readonly server: Http2Server;
  readonly #calls: GrpcCalls;
  readonly #options: GrpcOptions;
  readonly #sockets: Connections;
  readonly #sessions = new Map<ServerHttp2Session, SessionState>();

  constructor(calls: GrpcCalls, options: GrpcOptions) {
    const { clock, log } = options.world;
    this.#calls = calls;
    this.#options = options;
    this.server = createServer({ settings: { maxConcurrentStreams: STREAMS_MAX, enablePush: false } });
    this.#sockets = new Connections(this.server, {
      clock,
      log,
      max: options.connectionsMax,
      dropped: () => calls.unread("too_many_connections"),
      look: (connection, at) => this.#look(connection, at),
    });
    this.server.on("sessionError", () => calls.unread("malformed_request"));
    this.server.on("session", (session) => this.#opened(session));
    this.server.on("stream", (stream, headers) => this.#serve(stream, headers));
    this.server.on("connection", (socket: Socket) => socket.setKeepAlive(true, 60_000).setNoDelay(true));
  }

  get connections(): number {
    return this.#sockets.size;
  }

  notify(): void {
    for (const socket of this.#sockets.all()) notify(socket);
  }

  /** Streams that are under way go on. */
  close(): void {
    for (const session of this.#sessions.keys()) session.close();
  }

  destroy(): void {
    for (const socket of this.#sockets.all()) socket.destroy();
  }

  #opened(session: ServerHttp2Session): void {
    const { ageMsMax, world } = this.#options;
    const lastsMs = ageMsMax === undefined ? Number.POSITIVE_INFINITY : jittered(ageMsMax, AGE_JITTER, world.random);
    const endsAt = world.clock.elapsed() + lastsMs;
    const state: SessionState = { session, endsAt, asked: false, toldAt: undefined };
    this.#sessions.set(session, state);
    (session.socket as KnownSocket)[STATE] = state;
    session.once("close", () => this.#sessions.delete(session));
  }

  #look({ socket, since }: Connection, at: number): void {
    const state = (socket as KnownSocket)[STATE];
    if (state?.asked !== true) {
      if (at - since <= SILENT_MS_MAX) return;
      this.#calls.unread("timed_out");
      socket.destroy();
    } else if (state.toldAt !== undefined) {
      if (at - state.toldAt >= LOOK_MS && !state.session.closed) state.session.close();
    } else if (at > state.endsAt) {
      state.toldAt = at;
      notify(socket);
    }
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const state = stream.session && this.#sessions.get(stream.session as ServerHttp2Session);
    if (state !== undefined) state.asked = true;
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
    const began = this.#options.world.clock.elapsed();
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (error: unknown) => {
      if (!canAnswer(stream)) return;
      this.#calls.unread("malformed_request");
      const { code, message } =
        error instanceof CallError ? error : { code: codes.internal, message: "the message can't be read" };
      stream.respond(
        { ":status": 200, "content-type": GRPC, "grpc-status": String(code), "grpc-message": message },
        { endStream: true },
      );
    };
    stream.on("data", (chunk: Buffer) => {
      if (this.#options.world.clock.elapsed() - began > REQUEST_MS_MAX) return tooLate();
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
    const remove = [...this.#options.credentials, ...lookAlikes(request.rawHeaders)];
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

/** False if it was reset meanwhile: the gateway's caller has gone, or its patience. Node throws at an answer then, before it destroys the stream. */
function canAnswer(stream: ServerHttp2Stream): boolean {
  return !stream.closed && !stream.destroyed && !stream.headersSent;
}

/** One that can't be told now, because its gateway does not read, is ended later by `close`. */
function notify(socket: Socket): void {
  const handle = (socket as { _handle?: { fd?: number; writeQueueSize?: number } | null })._handle;
  if (socket.bytesWritten === 0 || handle?.writeQueueSize !== 0 || handle.fd === undefined || handle.fd < 0) return;
  try {
    // Half a frame would make nonsense of all that follows.
    if (writeSync(handle.fd, GOAWAY_NOTICE) < GOAWAY_NOTICE.length) socket.destroy();
  } catch {
    // EAGAIN: the kernel has no room. EPIPE: it is gone.
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
  if (!canAnswer(stream)) return;
  stream.respond({ ":status": 200, "content-type": GRPC }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(framed);
}
