/**
 * @keyover/verifier/node, for plain node:http and what is built on it:
 *
 *     const authorize = requireKey(verifier, "market:read");
 *     const verdict = await authorize(request, response);
 *     if (verdict === undefined) return;    // refused, and answered
 */
import type { IncomingMessage, ServerResponse } from "node:http";
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

declare module "node:http" {
  interface IncomingMessage {
    /** What the verifier said of this request's key; set by `requireKey`. */
    keyover: Verdict;
  }
}

export type Authorize = (
  request: IncomingMessage,
  response: ServerResponse,
) => Verdict | undefined | Promise<Verdict | undefined>;

export function requireKey(
  verifier: Verifier,
  options?: string | readonly string[] | RequireOptions<IncomingMessage>,
): Authorize {
  const door = createDoor(verifier, options);
  const settle = (verdict: Verdict, request: IncomingMessage, response: ServerResponse) => {
    request.keyover = verdict;
    if (!verdict.valid) {
      send(response, door.refuse(verdict));
      return undefined;
    }
    for (const [name, value] of door.headers(verdict)) response.setHeader(name, value);
    return verdict;
  };
  return (request, response) => {
    const verdict = door.check(
      request,
      request.headers,
      isDuplicated(request.rawHeaders),
      request.socket.remoteAddress,
    );
    if (verdict instanceof Promise) return verdict.then((late) => settle(late, request, response));
    return settle(verdict, request, response);
  };
}

/** A route's own scopes, after `authorize`: `if (!requireScopes("trade:write")(request, response)) return;    // refused, and answered` */
export function requireScopes(...scopes: string[]): (request: IncomingMessage, response: ServerResponse) => boolean {
  return (request, response) => {
    const refusal = scopesRefusal(request.keyover, scopes);
    if (refusal !== undefined) send(response, refusal);
    return refusal === undefined;
  };
}

function send(response: ServerResponse, { status, headers, body }: AnswerParts): void {
  response.statusCode = status;
  for (const [name, value] of headers) response.setHeader(name, value);
  response.end(body);
}
