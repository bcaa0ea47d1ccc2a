/**
 * OAuth 2.0 Token Introspection (RFC 7662) for resource servers and gateways that speak it: a form with `token` in, what the key may do out.
 *
 * - An answer tells of an accepted key alone. Of all others it is `{ "active": false }` to the byte, so that nothing is learned by trying. Where
 *   nothing can be decided it is 503: a false "no" would be kept by whoever caches it.
 * - `exp` is the key's own end. That of an overlap is a deadline that moves, and stands in `keyover:rotation`.
 * - It counts as a use of the key, because it is the sign of one. Nothing is charged to the key's limits, because it is asked about a key, not for a
 *   request of it: unless this server is told that it is (`charges`). A gateway that asks here for each request makes no other call, and
 *   would never hear of a limit. What it understands of an answer is `active`, so a key without room is not.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import {
  clientCredential,
  costProblem,
  isForm,
  type LimitState,
  type OauthErrorCode,
  oauthError,
  readForm,
  type Verdict,
} from "@keyover/core";
import type { PresentedAsk } from "../api-replica.ts";
import type { Verifier } from "../verifier.ts";
import { type Answer, json } from "./answers.ts";
import { ASK_BYTES_MAX, lengthProblem, readBody } from "./ask-bodies.ts";
import type { Tallies } from "./tallies.ts";

/** Who may ask: whoever reaches this server, or whoever has one of these tokens. */
export type IntrospectionCallers = "anybody" | readonly string[];

/** Fewer characters could be guessed, or were meant for something else. */
export const INTROSPECTION_TOKEN_LENGTH_MIN = 20;

/** RFC 7662 §2.1 leaves room for context: what a key's lists of networks, and the evidence of its use, need. */
const CONTEXT = ["environment", "network", "client", "instance"] as const;

export class Introspection {
  readonly #verifier: Verifier;
  readonly #tallies: Tallies;
  readonly #callers: "anybody" | readonly Buffer[];
  readonly #charges: boolean;

  constructor(verifier: Verifier, tallies: Tallies, callers: IntrospectionCallers, charges = false) {
    if (callers !== "anybody") {
      if (callers.length === 0 || callers.some((token) => token.length < INTROSPECTION_TOKEN_LENGTH_MIN))
        throw new TypeError(`a token for introspection has at least ${INTROSPECTION_TOKEN_LENGTH_MIN} characters`);
    }
    this.#verifier = verifier;
    this.#tallies = tallies;
    this.#charges = charges;
    this.#callers = callers === "anybody" ? callers : callers.map(sha256);
  }

  async answerTo(request: IncomingMessage): Promise<Answer> {
    const refused = this.#refuseCaller(request.headers.authorization);
    if (refused !== undefined) return refused;
    if (!isForm(request.headers["content-type"]))
      return this.#refuse(400, "invalid_request", "Content-Type must be application/x-www-form-urlencoded.");
    const body = await readBody(request, ASK_BYTES_MAX);
    if (body === undefined) return this.#refuse(413, "invalid_request", `At most ${ASK_BYTES_MAX} bytes are taken.`);
    const form = readForm(body);
    if (typeof form === "string") return this.#refuse(400, "invalid_request", form);
    const token = form.get("token");
    if (token === undefined) return this.#refuse(400, "invalid_request", "The parameter token is needed.");
    const cost = this.#charges ? Number(form.get("cost") ?? 1) : 0;
    const wrongCost = costProblem(cost);
    if (wrongCost !== undefined) return this.#refuse(400, "invalid_request", `cost: ${wrongCost}.`);
    const ask: PresentedAsk = { cost };
    for (const name of CONTEXT) {
      const value = form.get(name);
      if (value === undefined) continue;
      const problem = lengthProblem(name, value);
      if (problem !== undefined) return this.#refuse(400, "invalid_request", problem);
      ask[name] = value;
    }
    const verdict = this.#verifier.verifyNow(token, ask) ?? (await this.#verifier.verify(token, ask));
    this.#tallies.decided("introspect", verdict.code);
    return this.#answer(verdict, token);
  }

  #answer(verdict: Verdict, token: string): Answer {
    if (verdict.code === "stale_replica") {
      const answer = json(503, oauthError("temporarily_unavailable", "This server can not decide at the moment."));
      answer.headers.push("Retry-After", "1");
      return answer;
    }
    if (isLimited(verdict) && this.#charges) return json(200, { active: false, ...limitMembers(verdict) });
    if (!verdict.valid && !isLimited(verdict)) return json(200, { active: false });
    const { key, version, consumer, environment, scopes = [], rotation, expiresAt, stale } = verdict;
    const prefix = token.slice(0, token.indexOf("_"));
    return json(200, {
      active: true,
      scope: scopes.join(" "),
      client_id: consumer,
      sub: consumer,
      aud: this.#verifier.status().find((each) => each.prefix === prefix)?.api,
      token_type: "Bearer",
      exp: expiresAt === undefined ? undefined : Math.floor(expiresAt / 1_000),
      "keyover:key": key,
      "keyover:version": version,
      "keyover:environment": environment,
      "keyover:rotation": rotation,
      "keyover:stale": stale,
      ...(this.#charges ? limitMembers(verdict) : {}),
    });
  }

  /** RFC 7662 §2.3: as RFC 6749 §5.2 and RFC 6750 §3 have it. */
  #refuseCaller(authorization: string | undefined): Answer | undefined {
    if (this.#callers === "anybody") return undefined;
    const given = clientCredential(authorization);
    const digests = (given?.secrets ?? []).map(sha256);
    if (this.#callers.some((each) => digests.some((digest) => timingSafeEqual(each, digest)))) return undefined;
    const answer =
      given?.scheme === "bearer"
        ? this.#refuse(401, "invalid_token", "This bearer token is not one for introspection here.")
        : this.#refuse(
            401,
            "invalid_client",
            "A token for introspection is needed, as Bearer or as the password of Basic.",
          );
    const problem = given?.scheme === "bearer" ? ', error="invalid_token"' : "";
    answer.headers.push("WWW-Authenticate", `Bearer realm="keyover"${problem}, Basic realm="keyover"`);
    return answer;
  }

  #refuse(status: number, code: OauthErrorCode, description: string): Answer {
    this.#tallies.unread(status === 401 ? "unauthenticated" : "malformed_request");
    return json(status, oauthError(code, description));
  }
}

/** One that has used its limits up is a good key still. */
function isLimited({ code }: Verdict): boolean {
  return code === "rate_limited" || code === "quota_exceeded";
}

/** For who can answer its caller with 429, or tell it what is left. Times in seconds, as OAuth's are. */
function limitMembers({ code, limits, retryAfterMs }: Verdict) {
  return {
    "keyover:code": code === "ok" ? undefined : code,
    "keyover:retry_after": retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1_000),
    "keyover:limits": limits?.map(({ limit, remaining, resetMs }: LimitState) => ({
      name: limit.name,
      remaining,
      reset: Math.ceil(resetMs / 1_000),
    })),
  };
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
