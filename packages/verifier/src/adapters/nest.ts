/**
 * @keyover/verifier/nest, for NestJS 11 and 12 on Express or Fastify:
 *
 *     @UseGuards(requireKey(verifier, "market:read"))
 *     @Get("ticker")
 *     ticker(@Req() request: KeyedRequest) { return request.keyover.consumer; }
 *
 * The caller's address is `request.ip`, so `trust proxy` or `trustProxy` decides whether a proxy's word counts. A guard that says no answers by
 * itself, as the other adapters do; Nest's exception filters find the response sent.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { CanActivate, ExecutionContext } from "@nestjs/common";
import type { Verifier } from "../verifier.ts";
import {
  type AnswerParts,
  createDoor,
  isDuplicated,
  type RequireOptions,
  scopesRefusal,
  type Verdict,
} from "./answer.ts";

export type { RequireOptions, Verdict } from "./answer.ts";

/** The request of a route behind `requireKey`. */
export interface KeyedRequest extends NestRequest {
  /** What the verifier said of this request's key. */
  keyover: Verdict;
}

/** What Express' and Fastify's requests have in common, as far as a guard needs it. */
export interface NestRequest {
  headers: IncomingMessage["headers"];
  ip?: string | undefined;
  /** Express' request is Node's. */
  rawHeaders?: string[] | undefined;
  /** Fastify's has Node's in it. */
  raw?: IncomingMessage | undefined;
}

/** Express' response is Node's; Fastify's reply has it in it, and must be told that it is used. */
type NestResponse = ServerResponse & {
  raw?: ServerResponse;
  hijack?(): void;
  getHeaders(): Record<string, number | string | string[] | undefined>;
};

export function requireKey(
  verifier: Verifier,
  options?: string | readonly string[] | RequireOptions<NestRequest>,
): CanActivate {
  const door = createDoor(verifier, options);
  const settle = (verdict: Verdict, request: KeyedRequest, response: NestResponse): boolean => {
    request.keyover = verdict;
    if (!verdict.valid) return refuse(response, door.refuse(verdict));
    for (const [name, value] of door.headers(verdict)) (response.raw ?? response).setHeader(name, value);
    return true;
  };
  return {
    canActivate(context) {
      const [request, response] = sidesOf(context);
      const raw = request.rawHeaders ?? request.raw?.rawHeaders ?? [];
      const verdict = door.check(request, request.headers, isDuplicated(raw), request.ip);
      if (verdict instanceof Promise) return verdict.then((late) => settle(late, request, response));
      return settle(verdict, request, response);
    },
  };
}

/** A route's own scopes, behind a `requireKey` that holds for the controller or for all. */
export function requireScopes(...scopes: string[]): CanActivate {
  return {
    canActivate(context) {
      const [request, response] = sidesOf(context);
      const refusal = scopesRefusal(request.keyover, scopes);
      return refusal === undefined || refuse(response, refusal);
    },
  };
}

function sidesOf(context: ExecutionContext): [KeyedRequest, NestResponse] {
  const http = context.switchToHttp();
  return [http.getRequest<KeyedRequest>(), http.getResponse<NestResponse>()];
}

function refuse(response: NestResponse, { status, headers, body }: AnswerParts): false {
  const raw = response.raw ?? response;
  if (response.raw !== undefined) {
    // What hooks have set at the reply (CORS, say) would be lost with it.
    for (const [name, value] of Object.entries(response.getHeaders()))
      if (value !== undefined) raw.setHeader(name, value);
    response.hijack?.();
  }
  for (const [name, value] of headers) raw.setHeader(name, value);
  raw.writeHead(status).end(body);
  return false;
}
