/**
 * @keyover/verifier/koa, for Koa 3:
 *
 *     app.use(requireKey(verifier, "market:read"));
 *     app.use((ctx) => { ctx.body = ctx.state.keyover.consumer; });
 *
 * The caller's address is `ctx.ip`, so `app.proxy` and `app.maxIpsCount` decide whether a proxy's word counts.
 */
import type { Middleware, ParameterizedContext } from "koa";
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

/** What `requireKey` adds to `ctx.state`. */
export interface KeyState {
  /** What the verifier said of this request's key. */
  keyover: Verdict;
}

export function requireKey(
  verifier: Verifier,
  options?: string | readonly string[] | RequireOptions<ParameterizedContext>,
): Middleware<KeyState> {
  const door = createDoor(verifier, options);
  return async (ctx, next) => {
    const { headers, rawHeaders } = ctx.req;
    const checked = door.check(ctx as unknown as ParameterizedContext, headers, isDuplicated(rawHeaders), ctx.ip);
    const verdict = checked instanceof Promise ? await checked : checked;
    ctx.state.keyover = verdict;
    if (!verdict.valid) {
      send(ctx, door.refuse(verdict));
      return;
    }
    for (const [name, value] of door.headers(verdict)) ctx.set(name, value);
    await next();
  };
}

/** A route's own scopes, behind a `requireKey` that holds for all. */
export function requireScopes(...scopes: string[]): Middleware<KeyState> {
  return async (ctx, next) => {
    const refusal = scopesRefusal(ctx.state.keyover, scopes);
    if (refusal === undefined) await next();
    else send(ctx, refusal);
  };
}

/** Koa sets a content type of its own with the body; ours comes after it. */
function send(
  ctx: Pick<ParameterizedContext, "status" | "body" | "set">,
  { status, headers, body }: AnswerParts,
): void {
  ctx.status = status;
  ctx.body = body;
  for (const [name, value] of headers) ctx.set(name, value);
}
