/**
 * @keyover/verifier/standalone: the verifier as a small HTTP server beside a gateway (`keyover verifier` runs it).
 *
 *     any method  /check?scope=…           nginx, Caddy, Traefik, HAProxy: 204, or 401, 403, 503
 *     any method  /ext-authz/<any path>    Envoy: 200, or the same
 *     POST        /verify, /verify/batch   a gateway of one's own: JSON
 *     GET         /healthz, /readyz, /metrics
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
import { Server as NetServer, type Socket } from "node:net";
import type { Verdict, World } from "@keyover/core";
import type { ApiStatus } from "../api-replica.ts";
import type { Verifier } from "../verifier.ts";
import { type Answer, json, no, noForItsForm, plain, problem, rawProblem, yes } from "./answers.ts";
import { ASK_BYTES_MAX, type AskBody, asAsk, asBatch, BATCH_BYTES_MAX, isBodyProblem, readJson } from "./ask-bodies.ts";
import { type ReadingRules, readPresented, TRUSTED_HOPS_MAX } from "./presented.ts";
import { type Endpoint, metricsText, type Sample, Tallies, type Unread } from "./tallies.ts";
import { type Wanted, WantedBook } from "./wanted.ts";

export { TRUSTED_HOPS_MAX } from "./presented.ts";
export type { Sample } from "./tallies.ts";
export { metricsText } from "./tallies.ts";

export interface StandaloneOptions {
  /** So many proxies stand before this process, the gateway among them; each appends to `X-Forwarded-For`. Default 0: the connection's address. */
  trustedHops?: number | undefined;
  /** The one header that carries the key. Default: `Authorization: Bearer`, else `X-API-Key`. */
  keyHeader?: string | undefined;
  /** The one parameter of a query string that may carry the key. Default: none, and a key in a query string is refused. */
  keyParameter?: string | undefined;
  /** For `/metrics` of several processes behind one port: all their samples. Default: this one's. */
  gather?: ((own: Sample[]) => Promise<Sample[]>) | undefined;
  world: World;
}

export interface Standalone {
  /** Not listening yet. */
  readonly server: Server;
  samples(): Sample[];
  /** Resolves when every connection is gone and the verifier is closed, after `drainMs` at most and the verifier's own goodbye. */
  drain(drainMs: number): Promise<void>;
}

/** All headers of a request together. A gateway's own bound is mostly lower. */
const HEADER_BYTES_MAX = 65_536;
const CONNECTIONS_MAX = 10_000;
/** Longer than gateways keep an idle connection (nginx: 60 s): the side that sends requests must be the one that closes. */
const IDLE_MS_MAX = 75_000;
const LINGER_MS = 1_000;
const DRAIN_LOOK_MS = 20;

export function createStandalone(verifier: Verifier, options: StandaloneOptions): Standalone {
  return new StandaloneServer(verifier, options);
}

class StandaloneServer implements Standalone {
  readonly server: Server;
  readonly #verifier: Verifier;
  readonly #world: World;
  readonly #rules: ReadingRules;
  readonly #gather: (own: Sample[]) => Promise<Sample[]>;
  readonly #book: WantedBook;
  readonly #tallies = new Tallies();
  readonly #connections = new Set<Socket>();
  #settled = false;
  #draining: Promise<void> | undefined;

  constructor(verifier: Verifier, options: StandaloneOptions) {
    const { trustedHops = 0, keyHeader, keyParameter } = options;
    if (!Number.isInteger(trustedHops) || trustedHops < 0 || trustedHops > TRUSTED_HOPS_MAX)
      throw new TypeError(`trustedHops is a whole number from 0 to ${TRUSTED_HOPS_MAX}`);
    if (keyHeader !== undefined && !/^[A-Za-z0-9-]{1,100}$/.test(keyHeader))
      throw new TypeError("keyHeader is a header's name, such as X-Acme-Key");
    this.#verifier = verifier;
    this.#world = options.world;
    this.#rules = { trustedHops, keyHeader: keyHeader?.toLowerCase(), keyParameter };
    this.#gather = options.gather ?? (async (own) => own);
    this.#book = new WantedBook(verifier);
    verifier.ready.then(
      () => {
        this.#settled = true;
      },
      () => undefined,
    );
    this.server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        keepAliveTimeout: IDLE_MS_MAX,
        headersTimeout: 10_000,
        requestTimeout: 30_000,
        connectionsCheckingInterval: 5_000,
      },
      (request, response) => this.#serve(request, response),
    );
    // Of more than a thousand, older Nodes pass over the last without a word: those that a gateway puts after the caller's. The bytes are bound enough.
    this.server.maxHeadersCount = 0;
    this.server.maxConnections = CONNECTIONS_MAX;
    this.server.on("connection", (socket: Socket) => {
      this.#connections.add(socket);
      socket.once("close", () => this.#connections.delete(socket));
    });
    this.server.on("drop", () => this.#tallies.unread("too_many_connections"));
    this.server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => this.#unreadable(error, socket));
  }

  samples(): Sample[] {
    return this.#tallies.samples(this.#verifier.status(), this.#connections.size, this.#isReady());
  }

  drain(drainMs: number): Promise<void> {
    this.#draining ??= this.#drain(drainMs);
    return this.#draining;
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
    wantedByQuery: Wanted | string | undefined,
    path: string | undefined,
  ): void {
    const endpoint: Endpoint = path === undefined ? "check" : "ext-authz";
    const presented = readPresented(request, this.#rules, path);
    const wanted =
      wantedByQuery ??
      (presented.wantedTwice
        ? "Keyover-Want-Scope or Keyover-Want-Environment is there twice: the gateway must set them, not append"
        : this.#book.byHeaders(presented.wantedScope, presented.wantedEnvironment));
    if (typeof wanted === "string") {
      this.#tallies.unread("misconfigured");
      this.#send(response, problem("invalid_request", `The gateway's configuration: ${wanted}.`));
      return;
    }
    if (presented.keyInQuery) this.#tallies.keyInQuery(presented.problem === "key_in_query" ? "refused" : "allowed");
    if (presented.problem !== undefined) {
      if (presented.problem === "two_credentials") this.#tallies.twoCredentials();
      this.#tallies.decided(endpoint, "malformed");
      this.#send(response, noForItsForm(presented.problem, wanted));
      return;
    }
    const settle = (verdict: Verdict) => {
      this.#tallies.decided(endpoint, verdict.code);
      this.#send(
        response,
        verdict.valid ? yes(verdict, wanted, endpoint === "check" ? 204 : 200) : no(verdict, wanted),
      );
    };
    const ask = {
      scope: wanted.scope,
      environment: wanted.environment,
      network: presented.network,
      client: presented.client,
      instance: presented.instance,
    };
    const text = presented.text ?? "";
    const verdict = this.#verifier.verifyNow(text, ask);
    if (verdict !== undefined) settle(verdict);
    else void this.#verifier.verify(text, ask).then(settle);
  }

  async #rest(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    try {
      this.#send(response, await this.#answerTo(request, path));
    } catch {
      // The caller went away in the midst of its body.
      this.#tallies.unread("malformed_request");
      response.destroy();
    }
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
    if (path === "/verify" && method === "POST") return this.#verifyOne(request);
    if (path === "/verify/batch" && method === "POST") return this.#verifyBatch(request);
    return problem(
      "not_found",
      "There are /check, /ext-authz/…, POST /verify, POST /verify/batch, GET /healthz, GET /readyz, GET /metrics.",
    );
  }

  async #verifyOne(request: IncomingMessage): Promise<Answer> {
    const body = await readJson(request, ASK_BYTES_MAX);
    const ask = isBodyProblem(body) ? body : asAsk(body.value);
    if (isBodyProblem(ask)) return this.#refuseBody(ask.code, ask.detail);
    if (!this.#knows(ask)) return problem("not_found", `This verifier decides for ${this.#apis()}.`);
    return json(200, await this.#decide(ask, "verify"));
  }

  async #verifyBatch(request: IncomingMessage): Promise<Answer> {
    const body = await readJson(request, BATCH_BYTES_MAX);
    const asks = isBodyProblem(body) ? body : asBatch(body.value);
    if (!Array.isArray(asks)) return this.#refuseBody(asks.code, asks.detail);
    const unknown = asks.findIndex((ask) => !this.#knows(ask));
    if (unknown >= 0) return problem("not_found", `asks[${unknown}]: this verifier decides for ${this.#apis()}.`);
    return json(200, { verdicts: await Promise.all(asks.map((ask) => this.#decide(ask, "batch"))) });
  }

  #refuseBody(code: "invalid_request" | "payload_too_large" | "unsupported_media_type", detail: string): Answer {
    this.#tallies.unread("malformed_request");
    return problem(code, detail);
  }

  #knows({ api }: AskBody): boolean {
    return api === undefined || this.#verifier.status().some((each) => each.api === api);
  }

  #apis(): string {
    return this.#verifier
      .status()
      .map(({ api }) => api)
      .join(", ");
  }

  async #decide({ api, key, ask }: AskBody, endpoint: Endpoint): Promise<Verdict> {
    const verdict = await this.#decideFor(api, key, ask);
    this.#tallies.decided(endpoint, verdict.code);
    return verdict;
  }

  async #decideFor(api: string | undefined, key: string, ask: AskBody["ask"]): Promise<Verdict> {
    const prefix = api === undefined ? undefined : this.#verifier.status().find((each) => each.api === api)?.prefix;
    // As at the authority: a key of another api is none of this one's, whether it exists or not.
    if (prefix !== undefined && prefix !== "" && !key.startsWith(`${prefix}_`))
      return { valid: false, code: "malformed" };
    return this.#verifier.verifyNow(key, ask) ?? this.#verifier.verify(key, ask);
  }

  #send(response: ServerResponse, { status, headers, body }: Answer): void {
    if (this.#draining !== undefined) response.shouldKeepAlive = false;
    // Without it a body would go in chunks, which not every gateway's check reads.
    if (body !== "") headers.push("Content-Length", String(Buffer.byteLength(body)));
    response.writeHead(status, headers);
    response.end(body);
  }

  #unreadable(error: NodeJS.ErrnoException, socket: Socket): void {
    const [reason, answer] = unreadAnswers[error.code ?? ""] ?? (["malformed_request", BAD_REQUEST] as const);
    this.#tallies.unread(reason);
    if (socket.writable && socket.bytesWritten === 0) socket.end(answer);
    else socket.destroy();
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
    for (;;) {
      const elapsed = clock.elapsed() - began;
      if (elapsed >= LINGER_MS) this.server.closeIdleConnections();
      if (elapsed >= drainMs) this.server.closeAllConnections();
      if (this.#connections.size === 0 || elapsed >= drainMs + LINGER_MS) break;
      await new Promise<void>((resolve) => {
        clock.after(DRAIN_LOOK_MS, resolve);
      });
    }
    this.server.close();
    await this.#verifier.close();
  }
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
