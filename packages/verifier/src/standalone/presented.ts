/**
 * What a request at the standalone verifier presents: the key, where the caller is, what it calls itself. The gateway copies the caller's
 * headers, so each of them is the caller's word, but for two:
 *
 *     X-Forwarded-For   the gateway appends the address that it sees; only the entry of the last trusted hop counts
 *     X-Forwarded-Uri   the gateway says what was asked for; looked at for keys that stand in a query string
 *
 * One pass over the raw headers: `request.headers` would make an object of all of them and hide that one was given twice.
 */
import { parseKeyText } from "@keyover/core";
import { addressBehind } from "../forwarded.ts";

export interface ReadingRules {
  /** So many proxies stand before this process, the gateway among them; each appends to `X-Forwarded-For`. 0: the connection's address counts. */
  trustedHops: number;
  /** The one header that carries the key, in lower case. Undefined: `Authorization: Bearer`, else `X-API-Key`. */
  keyHeader: string | undefined;
  /** The one parameter of a query string that may carry the key. Undefined: none. */
  keyParameter: string | undefined;
}

/** Why a request is refused before its key is looked at. */
export type FormProblem = "two_credentials" | "key_in_query";

export interface Presented {
  text: string | undefined;
  problem: FormProblem | undefined;
  /** A key stands in the query string, allowed or not. */
  keyInQuery: boolean;
  network: string | undefined;
  client: string | undefined;
  instance: string | undefined;
  /** `Keyover-Want-Scope`, `-Environment` and `-Cost`, for gateways that say so what they want. */
  wantedScope: string | undefined;
  wantedEnvironment: string | undefined;
  wantedCost: string | undefined;
  /** One of them was there more than once: the caller's beside the gateway's. */
  wantedTwice: boolean;
}

/** The bits of an incoming request that count here. */
export interface RawRequest {
  rawHeaders: readonly string[];
  socket: { remoteAddress?: string | undefined };
}

/** `path`: what was asked for, where the gateway appends it to the path of the check. */
export function readPresented(request: RawRequest, rules: ReadingRules, path: string | undefined): Presented {
  const raw = request.rawHeaders;
  let authorization: string | undefined;
  let apiKey: string | undefined;
  let configured: string | undefined;
  let forwarded: string | undefined;
  let twice = false;
  let inQuery = path === undefined ? undefined : keyInQuery(path, rules.keyParameter);
  const found: Presented = {
    text: undefined,
    problem: undefined,
    keyInQuery: false,
    network: undefined,
    client: undefined,
    instance: undefined,
    wantedScope: undefined,
    wantedEnvironment: undefined,
    wantedCost: undefined,
    wantedTwice: false,
  };
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (rules.keyHeader !== undefined && is(name, rules.keyHeader)) {
      twice ||= configured !== undefined;
      configured = value;
    }
    switch (name.length) {
      case 9:
        if (!is(name, "x-api-key")) break;
        twice ||= apiKey !== undefined;
        apiKey = value;
        break;
      case 10:
        if (is(name, "user-agent")) found.client ??= value;
        break;
      case 13:
        if (!is(name, "authorization")) break;
        twice ||= authorization !== undefined;
        authorization = value;
        break;
      case 15:
        if (is(name, "x-forwarded-for")) forwarded = forwarded === undefined ? value : `${forwarded},${value}`;
        else if (is(name, "x-forwarded-uri")) inQuery ??= keyInQuery(value, rules.keyParameter);
        break;
      case 16:
        if (is(name, "keyover-instance")) found.instance ??= value;
        break;
      case 17:
        if (!is(name, "keyover-want-cost")) break;
        found.wantedTwice ||= found.wantedCost !== undefined;
        found.wantedCost = value;
        break;
      case 18:
        if (!is(name, "keyover-want-scope")) break;
        found.wantedTwice ||= found.wantedScope !== undefined;
        found.wantedScope = value;
        break;
      case 24:
        if (!is(name, "keyover-want-environment")) break;
        found.wantedTwice ||= found.wantedEnvironment !== undefined;
        found.wantedEnvironment = value;
        break;
    }
  }
  const inHeader = rules.keyHeader === undefined ? (bearerOf(authorization) ?? apiKey) : configured;
  found.network = rules.trustedHops === 0 ? request.socket.remoteAddress : addressBehind(forwarded, rules.trustedHops);
  found.keyInQuery = inQuery !== undefined;
  if (inQuery?.allowed === false) found.problem = "key_in_query";
  else if (twice) found.problem = "two_credentials";
  else found.text = inHeader?.trim() ?? inQuery?.text;
  return found;
}

function is(name: string, wanted: string): boolean {
  if (name === wanted) return true;
  // Most names of the same length begin otherwise, and are passed over without another string. In ASCII 32 is what sets a letter's case.
  return (
    name.length === wanted.length && (name.charCodeAt(0) | 32) === wanted.charCodeAt(0) && name.toLowerCase() === wanted
  );
}

/** RFC 6750 §2.1, the scheme in any case (RFC 9110 §11.1). */
function bearerOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const isBearer =
    authorization.startsWith("Bearer ") ||
    (authorization.charCodeAt(6) === 32 && authorization.slice(0, 6).toLowerCase() === "bearer");
  return isBearer ? authorization.slice(7) : undefined;
}

interface QueryKey {
  text: string;
  allowed: boolean;
}

/** Longer values, each of their characters written as %XX, are no keys either. */
const VALUE_LENGTH_MAX = 200;

/**
 * A well-formed key in a query string, whatever its parameter is called: it stands in every log on the way. Whether it is known is not
 * asked, so the answer tells nothing.
 */
function keyInQuery(uri: string, parameter: string | undefined): QueryKey | undefined {
  let at = uri.indexOf("?");
  if (at < 0) return undefined;
  let found: QueryKey | undefined;
  while (at >= 0 && at < uri.length) {
    const next = endOfPair(uri, at + 1);
    // Not in `uri`: to look beyond the pair, from each of thousands, takes time for the square of their number.
    const pair = uri.slice(at + 1, next);
    const valueAt = at + 2 + pair.indexOf("=");
    const text = next - valueAt <= VALUE_LENGTH_MAX ? decoded(uri.slice(valueAt, next)) : "";
    if (parseKeyText(text) !== undefined) {
      const allowed = valueAt > at + 1 && decoded(uri.slice(at + 1, valueAt - 1)) === parameter;
      // Two keys, or one that is not where it may be: the worse of the two decides.
      if (found !== undefined || !allowed) return { text, allowed: false };
      found = { text, allowed };
    }
    at = next;
  }
  return found;
}

function endOfPair(uri: string, from: number): number {
  for (let i = from; i < uri.length; i++) {
    const code = uri.charCodeAt(i);
    if (code === 38 || code === 59 || code === 35) return i;
  }
  return uri.length;
}

function decoded(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
