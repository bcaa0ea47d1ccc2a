/**
 * @keyover/verifier/express, for Express 5:
 *
 *     app.get("/ticker", requireKey(verifier, "market:read"), (req, res) => res.json({ for: req.keyover.consumer }));
 *
 * The caller's address is `req.ip`, so `trust proxy` decides whether a proxy's word counts.
 */
import type { Request, RequestHandler, Response } from "express";
import type { Verifier } from "../verifier.ts";
import { createDoor, isDuplicated, type RequireOptions, scopesRefusal, type Verdict } from "./answer.ts";

export type { RequireOptions, Verdict } from "./answer.ts";

declare global {
  namespace Express {
    interface Request {
      /** What the verifier said of this request's key; set by `requireKey`. */
      keyover: Verdict;
    }
  }
}

export function requireKey(
  verifier: Verifier,
  options?: string | readonly string[] | RequireOptions<Request>,
): RequestHandler {
  const door = createDoor(verifier, options);
  const settle = (verdict: Verdict, request: Request, response: Response, next: () => void) => {
    request.keyover = verdict;
    if (!verdict.valid) {
      const { status, headers, body } = door.refuse(verdict);
      response.status(status);
      for (const [name, value] of headers) response.setHeader(name, value);
      response.end(body);
      return;
    }
    for (const [name, value] of door.headers(verdict)) response.setHeader(name, value);
    next();
  };
  return (request, response, next) => {
    const verdict = door.check(request, request.headers, isDuplicated(request.rawHeaders), request.ip);
    if (verdict instanceof Promise) return verdict.then((late) => settle(late, request, response, next));
    settle(verdict, request, response, next);
    return undefined;
  };
}

/** A route's own scopes, behind a `requireKey` that holds for all: `app.post("/orders", requireScopes("trade:write"), …)`. */
export function requireScopes(...scopes: string[]): RequestHandler {
  return (request, response, next) => {
    const refusal = scopesRefusal(request.keyover, scopes);
    if (refusal === undefined) return next();
    response.status(refusal.status);
    for (const [name, value] of refusal.headers) response.setHeader(name, value);
    response.end(refusal.body);
    return undefined;
  };
}
