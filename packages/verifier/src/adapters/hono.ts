/**
 * @keyover/verifier/hono, for Hono 4:
 *
 *     app.get("/ticker", requireKey(verifier, "market:read"), (c) => c.json({ for: c.get("keyover").consumer }));
 *
 * The caller's address is the connection's, where the platform tells it (`@hono/node-server` does); elsewhere give `network`.
 */
import type { Context, MiddlewareHandler } from "hono";
import type { Verifier } from "../verifier.ts";
import { createDoor, isDuplicated, type RequireOptions, scopesRefusal, type Verdict } from "./answer.ts";

export type { RequireOptions, Verdict } from "./answer.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** What the verifier said of this request's key; set by `requireKey`. */
    keyover: Verdict;
  }
}

export function requireKey(
  verifier: Verifier,
  options?: string | readonly string[] | RequireOptions<Context>,
): MiddlewareHandler {
  const door = createDoor(verifier, options);
  return async (c, next) => {
    const incoming = (c.env as NodeBindings | undefined)?.incoming;
    // Elsewhere a header given twice arrives joined by a comma, which no key contains.
    const duplicated = incoming?.rawHeaders !== undefined && isDuplicated(incoming.rawHeaders);
    const checked = door.check(c, c.req.header(), duplicated, incoming?.socket?.remoteAddress);
    const verdict = checked instanceof Promise ? await checked : checked;
    c.set("keyover", verdict);
    if (!verdict.valid) {
      const { status, headers, body } = door.refuse(verdict);
      return new Response(body, { status, headers });
    }
    await next();
    for (const [name, value] of door.headers(verdict)) c.header(name, value);
    return undefined;
  };
}

/** As `@hono/node-server` hands them over. */
interface NodeBindings {
  incoming?: { rawHeaders?: string[]; socket?: { remoteAddress?: string } };
}

/** A route's own scopes, behind a `requireKey` that holds for all: `app.post("/orders", requireScopes("trade:write"), …)`. */
export function requireScopes(...scopes: string[]): MiddlewareHandler {
  return async (c, next) => {
    const refusal = scopesRefusal(c.get("keyover"), scopes);
    if (refusal !== undefined) return new Response(refusal.body, { status: refusal.status, headers: refusal.headers });
    await next();
    return undefined;
  };
}
