/**
 * @keyover/verifier/fastify, for Fastify 5:
 *
 *     app.get("/ticker", { onRequest: requireKey(verifier, "market:read") }, async (request) => request.keyover.consumer);
 *
 * The caller's address is `request.ip`, so `trustProxy` decides whether a proxy's word counts.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Verifier } from "../verifier.ts";
import { createDoor, isDuplicated, type RequireOptions, scopesRefusal, type Verdict } from "./answer.ts";

export type { RequireOptions, Verdict } from "./answer.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** What the verifier said of this request's key; set by `requireKey`. */
    keyover: Verdict;
  }
}

/** With a callback and no promise: a hit goes on in the same tick. */
export type KeyHook = (request: FastifyRequest, reply: FastifyReply, done: () => void) => void;

export function requireKey(
  verifier: Verifier,
  options?: string | readonly string[] | RequireOptions<FastifyRequest>,
): KeyHook {
  const door = createDoor(verifier, options);
  const settle = (verdict: Verdict, request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    request.keyover = verdict;
    if (!verdict.valid) {
      const { status, headers, body } = door.refuse(verdict);
      for (const [name, value] of headers) void reply.header(name, value);
      void reply.code(status).send(body);
      return;
    }
    for (const [name, value] of door.headers(verdict)) void reply.header(name, value);
    done();
  };
  return (request, reply, done) => {
    const { headers, rawHeaders } = request.raw;
    const verdict = door.check(request, headers, isDuplicated(rawHeaders), request.ip);
    if (verdict instanceof Promise) void verdict.then((late) => settle(late, request, reply, done));
    else settle(verdict, request, reply, done);
  };
}

/** A route's own scopes, behind a `requireKey` that holds for all: `{ onRequest: requireScopes("trade:write") }`. */
export function requireScopes(...scopes: string[]): KeyHook {
  return (request, reply, done) => {
    const refusal = scopesRefusal(request.keyover, scopes);
    if (refusal === undefined) return done();
    for (const [name, value] of refusal.headers) void reply.header(name, value);
    void reply.code(refusal.status).send(refusal.body);
    return undefined;
  };
}
