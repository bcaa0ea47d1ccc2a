/**
 * @keyover/verifier/next, for route handlers of Next.js (app router) on Node, and for anything else that takes a `Request` and answers a `Response`:
 *
 *     const keyed = requireKey(verifier, "market:read");
 *     export const GET = keyed(async (request) => Response.json({ for: request.keyover.consumer }));
 *
 * A route handler can't see the connection: give `network` where keys have network lists, from a header that a proxy of yours sets on
 * every request. A header given twice arrives joined by a comma, which no key contains.
 */
import type { Verifier } from "../verifier.ts";
import { createDoor, type RequireOptions, scopesRefusal, type Verdict } from "./answer.ts";

export type { RequireOptions, Verdict } from "./answer.ts";

/** The request of a handler behind `requireKey`. */
export type KeyedRequest<R extends Request = Request> = R & {
  /** What the verifier said of this request's key. */
  readonly keyover: Verdict;
};

/** `context` is Next's own: `{ params }`. */
export type RouteHandler<R, C extends unknown[]> = (request: R, ...context: C) => Response | Promise<Response>;

export function requireKey<R extends Request = Request>(
  verifier: Verifier,
  options?: string | readonly string[] | RequireOptions<R>,
): <C extends unknown[]>(handler: RouteHandler<KeyedRequest<R>, C>) => RouteHandler<R, C> {
  const door = createDoor(verifier, options);
  return (handler) =>
    async (request, ...context) => {
      const verdict = await door.check(request, Object.fromEntries(request.headers), false, undefined);
      if (!verdict.valid) {
        const { status, headers, body } = door.refuse(verdict);
        return new Response(body, { status, headers });
      }
      const keyed = Object.defineProperty(request, "keyover", { value: verdict, configurable: true });
      return withHeaders(await handler(keyed as KeyedRequest<R>, ...context), door.headers(verdict));
    };
}

/** A handler's own scopes, within `requireKey`: `keyed(requireScopes("trade:write")(async (request) => …))`. */
export function requireScopes(
  ...scopes: string[]
): <R extends KeyedRequest, C extends unknown[]>(handler: RouteHandler<R, C>) => RouteHandler<R, C> {
  return (handler) =>
    async (request, ...context) => {
      const refusal = scopesRefusal(request.keyover, scopes);
      if (refusal === undefined) return handler(request, ...context);
      return new Response(refusal.body, { status: refusal.status, headers: refusal.headers });
    };
}

/** The headers of some responses can't be changed: those of a redirect, or of a `fetch`. */
function withHeaders(response: Response, headers: [name: string, value: string][]): Response {
  if (headers.length === 0) return response;
  const told = new Response(response.body, response);
  for (const [name, value] of headers) told.headers.set(name, value);
  return told;
}
