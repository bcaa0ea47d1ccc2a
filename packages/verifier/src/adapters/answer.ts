/**
 * What all adapters share: where a credential stands in a request, and what a verdict looks like as a response.
 *
 * The caller is told the public code only: an unknown, a revoked and a malformed key get the same answer to the byte, so
 * that nothing is learned by trying. The holder of a version that was valid once is told what became of it (`key_retired`).
 */
import { costProblem, covers, docsUrl, limitHeaders, rotationHeaders, type Verdict, verdicts } from "@keyover/core";
import type { PresentedAsk } from "../api-replica.ts";
import { addressBehind, TRUSTED_HOPS_MAX } from "../forwarded.ts";
import type { Verifier } from "../verifier.ts";

export type { Verdict } from "@keyover/core";

/** Header names in lower case. */
type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface RequireOptions<Request> {
  /** One scope or several, all needed. None: any accepted key will do. */
  scope?: string | readonly string[] | undefined;
  /** Instead of the verifier's own environment. */
  environment?: string | undefined;
  /** Where the key stands. Default: `Authorization: Bearer …`, else `X-API-Key`. */
  credential?: ((headers: Headers) => string | undefined) | undefined;
  /**
   * The caller's address. Default: the connection's, or what the framework derives from trusted proxies. Take it from a
   * header only if a proxy of yours sets that header on every request.
   */
  network?: ((request: Request) => string | undefined) | undefined;
  /**
   * So many proxies of yours stand before this server, from 1, and each appends the address that it sees to `X-Forwarded-For`: the address is
   * the one that the outermost of them saw. A request that did not come through so many has none. Otherwise the header is not looked at.
   */
  trustedHops?: number | undefined;
  /** What a request takes of the key's limits, in units: a whole number, or what says it of a request. Default 1; 0 is free. */
  cost?: number | ((request: Request) => number) | undefined;
}

/** What to respond, as data. */
export interface AnswerParts {
  status: number;
  headers: [name: string, value: string][];
  body: string;
}

/** A key check for one kind of request: the options read once, so that a request costs the check alone. */
export interface Door<Request> {
  /** The verdict at once where the replica has it, else a promise. */
  check(
    request: Request,
    headers: Headers,
    duplicated: boolean,
    address: string | undefined,
  ): Verdict | Promise<Verdict>;
  /** The headers for the response to an accepted request; none of a key without limits outside a rotation. */
  headers(verdict: Verdict): [name: string, value: string][];
  /** The response to a refused one. */
  refuse(verdict: Verdict): AnswerParts;
}

const NO_HEADERS: [string, string][] = [];
const NO_KEY: Verdict = Object.freeze({ valid: false, code: "malformed" });

export function createDoor<Request>(
  verifier: Verifier,
  given: string | readonly string[] | RequireOptions<Request> = {},
): Door<Request> {
  const options: RequireOptions<Request> = typeof given === "string" || isList(given) ? { scope: given } : given;
  const { scope, environment, network, trustedHops, cost } = options;
  const problem =
    hopsProblem(options) ?? (cost === undefined || typeof cost === "function" ? undefined : costProblem(cost));
  if (problem !== undefined) throw new TypeError(`requireKey: ${problem}`);
  const credential = options.credential ?? defaultCredential;
  const addressOf = (request: Request, headers: Headers, address: string | undefined) => {
    if (network !== undefined) return network(request);
    return trustedHops === undefined ? address : addressBehind(joined(headers["x-forwarded-for"]), trustedHops);
  };
  return {
    check(request, headers, duplicated, address) {
      const text = duplicated ? undefined : credential(headers);
      if (text === undefined) return NO_KEY;
      const ask: PresentedAsk = {
        environment,
        scope,
        network: addressOf(request, headers, address),
        client: single(headers["user-agent"]),
        instance: single(headers["keyover-instance"]),
        cost: typeof cost === "function" ? cost(request) : cost,
      };
      return verifier.verifyNow(text, ask) ?? verifier.verify(text, ask);
    },
    headers(verdict) {
      const { rotation, limits } = verdict;
      if (limits === undefined && rotation === undefined) return NO_HEADERS;
      return [...limitHeaders(limits), ...rotationHeaders(rotation, verdict.version as number, verifier.docsUrl)];
    },
    refuse(verdict) {
      return answerOf(verdict, scope, verifier.docsUrl);
    },
  };
}

/**
 * For `requireScopes`, behind a `requireKey` that has decided already: the response where the key lacks one of the scopes, undefined where it
 * has them all. The use is not counted again. A fenced version has the scopes that its fence leaves it.
 */
export function scopesRefusal(verdict: Verdict | undefined, scopes: readonly string[]): AnswerParts | undefined {
  // Without a verdict nobody has looked at a key: an error of the program, and no reason to let anybody in.
  if (verdict?.valid !== true) throw new Error("requireScopes: put requireKey before it");
  if (covers(verdict.scopes ?? [], scopes)) return undefined;
  return answerOf({ valid: false, code: "insufficient_scope" }, scopes, "");
}

function isList(given: object): given is readonly string[] {
  return Array.isArray(given);
}

function hopsProblem({ trustedHops, network }: RequireOptions<never>): string | undefined {
  if (trustedHops === undefined) return undefined;
  if (network !== undefined) return "give `network` or `trustedHops`, not both";
  const right = Number.isInteger(trustedHops) && trustedHops >= 1 && trustedHops <= TRUSTED_HOPS_MAX;
  return right ? undefined : `trustedHops is a whole number from 1 to ${TRUSTED_HOPS_MAX}, not ${trustedHops}`;
}

/** A header that was sent several times is one list (RFC 9110 §5.3). */
function joined(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "object" ? value.join(",") : value;
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" ? value : value?.[0];
}

/** `Authorization: Bearer …` (RFC 6750 §2.1, the scheme in any case), else `X-API-Key`. A header given twice is none. */
function defaultCredential(headers: Headers): string | undefined {
  const { authorization } = headers;
  if (typeof authorization === "string" && isBearer(authorization)) return authorization.slice(7).trim();
  const key = headers["x-api-key"];
  return typeof key === "string" ? key.trim() : undefined;
}

function isBearer(value: string): boolean {
  return value.startsWith("Bearer ") || (value.charCodeAt(6) === 32 && value.slice(0, 6).toLowerCase() === "bearer");
}

/** Node keeps the first `Authorization` of several and says nothing; a request with two is refused. */
export function isDuplicated(rawHeaders: readonly string[]): boolean {
  let seen = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 13 && (name === "Authorization" || name.toLowerCase() === "authorization")) seen++;
  }
  return seen > 1;
}

const titles: Record<string, string> = {
  invalid_key: "An API key is needed, and the one given is missing or not valid.",
};

function answerOf(verdict: Verdict, scope: RequireOptions<never>["scope"], documentation: string): AnswerParts {
  const { status, public: code, text } = verdicts[verdict.code];
  const secretive = code === "invalid_key";
  const body: Record<string, unknown> = { type: docsUrl(code), title: titles[code] ?? text, status, code };
  if (verdict.code === "retired" && verdict.retiredAt !== undefined) {
    body.retiredAt = new Date(verdict.retiredAt).toISOString();
  }
  const wanted = scope === undefined ? undefined : typeof scope === "string" ? scope : scope.join(" ");
  // A fence may be around networks, where no scope is wanted.
  if (verdict.code === "insufficient_scope" || verdict.code === "fenced") body.scope = wanted;
  const headers: [string, string][] = [
    ["content-type", "application/problem+json"],
    ["cache-control", "no-store"],
  ];
  if (status === 401) headers.push(["www-authenticate", `Bearer error="invalid_token"`]);
  if (verdict.code === "insufficient_scope") {
    headers.push(["www-authenticate", `Bearer error="insufficient_scope", scope="${wanted}"`]);
  }
  if (status === 503) headers.push(["retry-after", "1"]);
  if (verdict.retryAfterMs !== undefined)
    headers.push(["retry-after", String(Math.max(1, Math.ceil(verdict.retryAfterMs / 1_000)))]);
  headers.push(...limitHeaders(verdict.limits));
  if (!secretive && verdict.rotation !== undefined) {
    headers.push(...rotationHeaders(verdict.rotation, verdict.version as number, documentation));
  }
  return { status, headers, body: JSON.stringify(body) };
}
