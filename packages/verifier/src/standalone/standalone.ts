/**
 * @keyover/verifier/standalone: the verifier as a small HTTP server beside a gateway (`keyover verifier` runs it).
 *
 *     any method  /check?scope=…           nginx, Caddy, Traefik, HAProxy: 204, or 401, 403, 503
 *     any method  /ext-authz/<any path>    Envoy: 200, or the same
 *     POST        /verify, /verify/batch   a gateway of one's own: JSON
 *     POST        /introspect              what speaks OAuth (RFC 7662): a form
 *     GET         /healthz, /readyz, /metrics
 *     gRPC        Authorization/Check      Envoy, on a server of its own (grpc.ts)
 *
 * Plain node:http, and nothing between it and the decision: what a request costs beyond an empty answer is one pass over its
 * headers, the look-up, and five headers more. Everything that a caller can make large has a bound.
 *
 *     serving ──drain()──▶ no new connections; each answer ends its connection
 *                              │ LINGER_MS: connections that stand idle are closed. A request that was on its way in the very moment
 *                              │ that an idle connection is closed would be lost, so busy ones are given the time to be told
 *                              ▼
 *                          none left, or drainMs over: all closed, verifier.close()
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Http2Server } from "node:http2";
import { Server as NetServer, type Socket } from "node:net";
import type { World } from "@keyover/core";
import type { ApiStatus } from "../api-replica.ts";
import { TRUSTED_HOPS_MAX } from "../forwarded.ts";
import type { Verifier } from "../verifier.ts";
import { type Answer, bareUnavailable, json, plain, problem, rawProblem } from "./answers.ts";
import { Asks } from "./asks.ts";
import { Connections } from "./connections.ts";
import type { CheckRequest } from "./ext-authz.ts";
import { Gate } from "./gate.ts";
import { GrpcDoor } from "./grpc.ts";
import { Introspection, type IntrospectionCallers } from "./introspection.ts";
import type { ReadingRules } from "./presented.ts";
import { metricsText, type Sample, Tallies, type Unread } from "./tallies.ts";
import { type Misconfigured, type Wanted, WantedBook } from "./wanted.ts";
import { Yes } from "./yes.ts";

export { TRUSTED_HOPS_MAX } from "../forwarded.ts";
export { INTROSPECTION_TOKEN_LENGTH_MIN, type IntrospectionCallers } from "./introspection.ts";
export type { Sample } from "./tallies.ts";
export { metricsText } from "./tallies.ts";

export interface StandaloneOptions {
  /** So many proxies stand before this process, the gateway among them; each appends to `X-Forwarded-For`. Default 0: the connection's address. */
  trustedHops?: number | undefined;
  /** The one header that carries the key. Default: `Authorization: Bearer`, else `X-API-Key`. */
  keyHeader?: string | undefined;
  /** The one parameter of a query string that may carry the key. Default: none, and a key in a query string is refused. */
  keyParameter?: string | undefined;
  /** Who may ask at `/introspect`. Default: nobody, there is none. */
  introspection?: IntrospectionCallers | undefined;
  /** Each question there is a request of the key, and costs of its limits. */
  introspectionCharges?: boolean | undefined;
  /** Answer Envoy over gRPC too. */
  grpc?: boolean | undefined;
  /** About so long a connection of gRPC lasts; then the gateway is sent elsewhere, to another of several processes. Default: as long as it likes. */
  grpcAgeMsMax?: number | undefined;
  /** For `/metrics` of several processes behind one port: all their samples. Default: this one's. */
  gather?: ((own: Sample[]) => Promise<Sample[]>) | undefined;
  world: World;
}

export interface Standalone {
  /** Not listening yet. */
  readonly server: Server;
  /** The same, where gRPC was asked for. */
  readonly grpcServer: Http2Server | undefined;
  samples(): Sample[];
  /** Resolves when every connection is gone and the verifier is closed, after `drainMs` at most and the verifier's own goodbye. */
  drain(drainMs: number): Promise<void>;
}

/** All headers of a request together. A gateway's own bound is mostly lower. */
const HEADER_BYTES_MAX = 65_536;
const CONNECTIONS_MAX = 10_000;
/**
 * Longer than gateways keep an idle connection (nginx 60 s, Traefik 90 s, Caddy 120 s; Envoy's hour must be set lower): the side that sends
 * requests must be the one that closes.
 */
const IDLE_MS_MAX = 150_000;
const KEEP_ALIVE = `timeout=${IDLE_MS_MAX / 1_000}`;
const LINGER_MS = 1_000;
const DRAIN_LOOK_MS = 20;

export function createStandalone(verifier: Verifier, options: StandaloneOptions): Standalone {
  return new StandaloneServer(verifier, options);
}

class StandaloneServer implements Standalone {
  readonly server: Server;
  readonly #grpc: GrpcDoor | undefined;
  readonly #verifier: Verifier;
  readonly #world: World;
  readonly #rules: ReadingRules;
  readonly #gather: (own: Sample[]) => Promise<Sample[]>;
  readonly #book: WantedBook;
  readonly #tallies = new Tallies();
  readonly #gate: Gate;
  readonly #asks: Asks;
  readonly #introspection: Introspection | undefined;
  readonly #connections: Connections;
  #endOf = Number.NaN;
  #endText = "";
  #settled = false;
  #draining: Promise<void> | undefined;

  constructor(verifier: Verifier, options: StandaloneOptions) {
    const { trustedHops = 0, keyHeader, keyParameter, introspection, introspectionCharges } = options;
    if (!Number.isInteger(trustedHops) || trustedHops < 0 || trustedHops > TRUSTED_HOPS_MAX)
      throw new TypeError(`trustedHops is a whole number from 0 to ${TRUSTED_HOPS_MAX}`);
    if (keyHeader !== undefined && !/^[A-Za-z0-9-]{1,100}$/.test(keyHeader))
      throw new TypeError("keyHeader is a header's name, such as X-Acme-Key");
    this.#verifier = verifier;
    this.#world = options.world;
    this.#rules = { trustedHops, keyHeader: keyHeader?.toLowerCase(), keyParameter };
    this.#gather = options.gather ?? (async (own) => own);
    this.#book = new WantedBook(verifier);
    this.#gate = new Gate(verifier, this.#book, this.#tallies, options.world.log);
    this.#asks = new Asks(verifier, this.#tallies, (error) => this.#gate.defect(error));
    this.#introspection =
      introspection === undefined
        ? undefined
        : new Introspection(verifier, this.#tallies, introspection, introspectionCharges);
    if (options.grpc === true) this.#grpc = this.#openGrpc(options.grpcAgeMsMax);
    verifier.ready.then(
      () => {
        this.#settled = true;
      },
      () => undefined,
    );
    this.server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        // Idle ones are found by `Connections`.
        keepAliveTimeout: 0,
        // From the moment that the connection is opened, or the first byte of a later request: of one that says nothing as well.
        headersTimeout: 10_000,
        requestTimeout: 30_000,
        connectionsCheckingInterval: 5_000,
        // Of a request without a body none is waited for: `readBody` knows. Older Nodes pass over this.
        optimizeEmptyRequests: true,
      },
      (request, response) => this.#serve(request, response),
    );
    // Of more than a thousand, older Nodes pass over the last without a word: those that a gateway puts after the caller's. The bytes are bound enough.
    this.server.maxHeadersCount = 0;
    this.#connections = new Connections(this.server, {
      clock: options.world.clock,
      log: options.world.log,
      max: CONNECTIONS_MAX,
      dropped: () => this.#tallies.unread("too_many_connections"),
      look({ socket, heardAt }, at) {
        if (at - heardAt > IDLE_MS_MAX) socket.destroy();
      },
    });
    this.server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => this.#unreadable(error, socket));
  }

  get grpcServer(): Http2Server | undefined {
    return this.#grpc?.server;
  }

  samples(): Sample[] {
    return this.#tallies.samples(this.#verifier.status(), this.#connectionsOpen(), this.#isReady());
  }

  drain(drainMs: number): Promise<void> {
    this.#draining ??= this.#drain(drainMs);
    return this.#draining;
  }

  #openGrpc(ageMsMax: number | undefined): GrpcDoor {
    const calls = {
      check: (request: CheckRequest) => this.#checkForGrpc(request),
      isReady: () => this.#isReady(),
      unread: (reason: Unread) => this.#tallies.unread(reason),
    };
    const { keyHeader } = this.#rules;
    return new GrpcDoor(calls, {
      credentials: keyHeader === undefined ? ["authorization", "x-api-key"] : [keyHeader],
      connectionsMax: CONNECTIONS_MAX,
      ageMsMax,
      world: this.#world,
    });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url as string;
    if (url.startsWith("/check") && (url.length === 6 || url.charCodeAt(6) === 63)) {
      this.#check(request, response, this.#book.byQuery(url.slice(7)), undefined);
    } else if (url.startsWith("/ext-authz") && (url.length === 10 || isPathOrQuery(url.charCodeAt(10)))) {
      this.#check(request, response, undefined, url);
    } else {
      void this.#rest(request, response, url.split("?", 1)[0] as string);
    }
  }

  /** `path`: of Envoy's question, the caller's path and query within. */
  #check(
    request: IncomingMessage,
    response: ServerResponse,
    wanted: Wanted | Misconfigured | undefined,
    path: string | undefined,
  ): void {
    const answer = this.#gate.answer({
      endpoint: path === undefined ? "check" : "ext-authz",
      request,
      rules: this.#rules,
      path,
      wanted,
      yesStatus: path === undefined ? 204 : 200,
    });
    if (answer instanceof Promise) void answer.then((late) => this.#send(response, late));
    else this.#send(response, answer);
  }

  /** Envoy's question over gRPC. It says itself where the caller is, so with one trusted hop nothing needs to be looked for in headers. */
  #checkForGrpc({ rawHeaders, path, address, extensions }: CheckRequest): Answer | Promise<Answer> {
    const { trustedHops } = this.#rules;
    return this.#gate.answer({
      endpoint: "grpc",
      request: { rawHeaders, socket: { remoteAddress: address } },
      rules: { ...this.#rules, trustedHops: trustedHops === 1 ? 0 : trustedHops },
      path,
      wanted: this.#book.byExtensions(extensions),
      yesStatus: 200,
    });
  }

  async #rest(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answerTo(request, path);
    } catch (error) {
      if (request.destroyed && !request.complete) {
        // The caller went away in the midst of its body.
        this.#tallies.unread("malformed_request");
        response.destroy();
        return;
      }
      answer = this.#gate.defect(error);
    }
    this.#send(response, answer);
  }

  async #answerTo(request: IncomingMessage, path: string): Promise<Answer> {
    const { method } = request;
    const reads = method === "GET" || method === "HEAD";
    if (path === "/healthz" && reads) return json(200, { status: "ok" });
    if (path === "/readyz" && reads) {
      const ready = this.#isReady();
      return json(ready ? 200 : 503, { status: ready ? "ready" : this.#draining ? "draining" : "not ready" });
    }
    if (path === "/metrics" && reads) return plain(metricsText(await this.#gather(this.samples())));
    if (path === "/verify" && method === "POST") return this.#asks.one(request);
    if (path === "/verify/batch" && method === "POST") return this.#asks.batch(request);
    if (path === "/introspect" && method === "POST") {
      if (this.#introspection !== undefined) return this.#introspection.answerTo(request);
      return problem("not_found", "Introspection is not offered here without a token for those who ask.");
    }
    return problem(
      "not_found",
      "There are /check, /ext-authz/…, POST /verify, POST /verify/batch, POST /introspect, GET /healthz, GET /readyz, GET /metrics.",
    );
  }

  #send(response: ServerResponse, answer: Answer): void {
    if (this.#draining !== undefined) response.shouldKeepAlive = false;
    try {
      const head = answer instanceof Yes && goesOn(response) ? answer.head(this.#end()) : undefined;
      if (head === undefined || !writeHeadAsItIs(response, answer.status, head)) write(response, answer);
    } catch (error) {
      // A header that HTTP can't carry. Nothing is on the way yet, and the gateway must not wait for ever.
      this.#gate.defect(error);
      if (response.headersSent) response.destroy();
      else write(response, bareUnavailable());
    }
  }

  /** What Node would put behind the headers of an answer on a connection that goes on. The date is made once for each second. */
  #end(): string {
    const second = Math.floor(this.#world.clock.now() / 1_000);
    if (second !== this.#endOf) {
      this.#endOf = second;
      const date = new Date(1_000 * second).toUTCString();
      this.#endText = `Date: ${date}\r\nConnection: keep-alive\r\nKeep-Alive: ${KEEP_ALIVE}\r\n\r\n`;
    }
    return this.#endText;
  }

  #unreadable(error: NodeJS.ErrnoException, socket: Socket): void {
    const [reason, answer] = unreadAnswers[error.code ?? ""] ?? (["malformed_request", BAD_REQUEST] as const);
    this.#tallies.unread(reason);
    if (socket.writable && socket.bytesWritten === 0) socket.end(answer);
    else socket.destroy();
  }

  #connectionsOpen(): number {
    return this.#connections.size + (this.#grpc?.connections ?? 0);
  }

  #isReady(): boolean {
    const answers = ({ lease }: ApiStatus) => lease.standing !== "over";
    return this.#settled && this.#draining === undefined && this.#verifier.status().every(answers);
  }

  async #drain(drainMs: number): Promise<void> {
    const { clock } = this.#world;
    const began = clock.elapsed();
    // http.Server's own close would shut idle connections at once, those among them that a request is on its way on.
    if (this.server.listening) NetServer.prototype.close.call(this.server);
    if (this.#grpc?.server.listening === true) NetServer.prototype.close.call(this.#grpc.server);
    this.#grpc?.notify();
    for (;;) {
      const elapsed = clock.elapsed() - began;
      if (elapsed >= LINGER_MS) {
        this.server.closeIdleConnections();
        this.#grpc?.close();
      }
      if (elapsed >= drainMs) {
        this.server.closeAllConnections();
        this.#grpc?.destroy();
      }
      if (this.#connectionsOpen() === 0 || elapsed >= drainMs + LINGER_MS) break;
      await new Promise<void>((resolve) => {
        clock.after(DRAIN_LOOK_MS, resolve);
      });
    }
    this.server.close();
    await this.#verifier.close();
  }
}

/** HTTP/1.1, and neither side wants the connection to end with this answer. */
function goesOn({ shouldKeepAlive, req }: ServerResponse): boolean {
  return shouldKeepAlive && req.httpVersionMinor === 1;
}

/**
 * Everything but the making of the head stays Node's: the order of answers, what is written when, the end. That a head stands in `_header`
 * is nothing that Node promises, so it is asked whether there is one now. False: not this Node, and nothing was written.
 */
function writeHeadAsItIs(response: ServerResponse, status: number, head: string): boolean {
  response.statusCode = status;
  (response as { _header?: string })._header = head;
  if (!response.headersSent) return false;
  response.end();
  return true;
}

function write(response: ServerResponse, { status, headers, body }: Answer): void {
  if (goesOn(response)) headers.push("Keep-Alive", KEEP_ALIVE);
  // Without it a body would go in chunks, which not every gateway's check reads.
  if (body !== "") headers.push("Content-Length", String(Buffer.byteLength(body)));
  response.writeHead(status, headers);
  response.end(body);
}

function isPathOrQuery(code: number): boolean {
  return code === 47 || code === 63;
}

const BAD_REQUEST = rawProblem(400, "Bad Request", "The request is no HTTP/1.1 that can be read.");
const unreadAnswers: Record<string, readonly [Unread, string]> = {
  HPE_HEADER_OVERFLOW: [
    "header_too_large",
    rawProblem(431, "Request Header Fields Too Large", `At most ${HEADER_BYTES_MAX} bytes of headers are taken.`),
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    "timed_out",
    rawProblem(408, "Request Timeout", "The request did not come whole in time."),
  ],
};
