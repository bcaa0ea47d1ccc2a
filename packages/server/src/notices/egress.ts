/**
 * How a notice leaves by HTTP: one POST, without redirects, over a connection of its own.
 *
 *     name ──▶ resolved by us, once ──▶ every address judged (addresses.ts) ──▶ connected by just these addresses
 *
 * A name is not resolved a second time by whoever connects, so it can't lead elsewhere in between (DNS rebinding). Names are asked of the DNS
 * alone: /etc/hosts is for this machine, and a resolver that hangs blocks no thread.
 */
import { Resolver } from "node:dns/promises";
import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Clock } from "@keyover/core";
import { literalAddress, reachOf } from "./addresses.ts";

export interface Post {
  url: string;
  headers: Record<string, string>;
  body: string;
}

export interface Posted {
  status: number;
  retryAfter: string | undefined;
  /** The beginning of the answer. */
  body: string;
}

/**
 * Nothing was answered. The message names the host at most: a path or a query may be a secret. What a name leads to in our own network, and
 * where our own servers are, is for operators: `publicMessage` says what anybody may hear.
 */
export class EgressError extends Error {
  override name = "EgressError";
  readonly publicMessage: string;
  constructor(message: string, publicMessage: string) {
    super(message);
    this.publicMessage = publicMessage;
  }
}

const NOT_ALLOWED = "notices may not be sent to this target";
const NO_ADDRESS = "the target has no address";

export interface Egress {
  post(post: Post, signal: AbortSignal): Promise<Posted>;
}

export interface EgressOptions {
  clock: Clock;
  /** Networks that may be reached though they are not public, and without TLS. */
  allowedPrivate: readonly string[];
  /** The addresses of a name; rejects if there are none. */
  resolve?: ((host: string) => Promise<string[]>) | undefined;
}

/** From the first packet to the end of the answer. */
const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 4_096;
const DNS = { timeout: 2_000, tries: 2 };

export function createEgress({ clock, allowedPrivate, resolve = resolveByDns }: EgressOptions): Egress {
  const pinned = async (url: URL): Promise<string[]> => {
    const literal = literalAddress(url);
    const addresses = literal === undefined ? await resolved(url.hostname) : [literal];
    for (const address of addresses) {
      const reach = reachOf(address, allowedPrivate);
      if (reach === "refused")
        throw new EgressError(`${url.hostname} leads to ${address}, which is not public`, NOT_ALLOWED);
      if (url.protocol !== "https:" && reach !== "allowed")
        throw new EgressError(`${url.hostname} would be sent to in the clear; use https://`, NOT_ALLOWED);
    }
    return addresses;
  };

  const resolved = async (host: string): Promise<string[]> => {
    const addresses = await resolve(host).catch((error: unknown) => {
      throw new EgressError(`${host} has no address (${codeOf(error)})`, NO_ADDRESS);
    });
    if (addresses.length === 0) throw new EgressError(`${host} has no address`, NO_ADDRESS);
    return addresses;
  };

  return {
    async post({ url: text, headers, body }, signal) {
      const url = new URL(text);
      if (url.protocol !== "https:" && url.protocol !== "http:") throw new EgressError("no such protocol", NOT_ALLOWED);
      // Not `AbortSignal.any`: what depends on a signal that lives as long as the process is never let go of.
      const ended = new AbortController();
      let late = false;
      const cancel = clock.after(TIMEOUT_MS, () => {
        late = true;
        ended.abort();
      });
      const stop = () => ended.abort();
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop();
      try {
        const addresses = await unlessAborted(pinned(url), ended.signal);
        return await send(url, addresses, headers, body, ended.signal);
      } catch (error) {
        const silent = `did not answer within ${TIMEOUT_MS / 1_000} s`;
        if (late) throw new EgressError(`${url.hostname} ${silent}`, `the target ${silent}`);
        if (signal.aborted) throw new EgressError("stopped, because this process ends", "stopped");
        if (error instanceof EgressError) throw error;
        throw new EgressError(`${url.hostname}: ${codeOf(error)}`, `the target can't be reached (${codeOf(error)})`);
      } finally {
        cancel();
        signal.removeEventListener("abort", stop);
      }
    },
  };
}

function send(
  url: URL,
  addresses: readonly string[],
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const known = addresses.map((address) => ({ address, family: isIP(address) }));
    const [first] = known as [(typeof known)[number]];
    const lookup: LookupFunction = (_host, options, done) => {
      if (options.all === true) done(null, known);
      else done(null, first.address, first.family);
    };
    const request = (url.protocol === "https:" ? tlsRequest : plainRequest)(url, {
      method: "POST",
      headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
      lookup,
      agent: false,
      signal,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      beginningOf(response).then((answer) => {
        request.destroy();
        const { statusCode, headers: answered } = response;
        resolve({ status: statusCode ?? 0, retryAfter: answered["retry-after"], body: answer });
      }, reject);
    });
    request.end(body);
  });
}

/** Reads no further than is looked at: an answer without an end holds nobody up. */
function beginningOf(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    const done = () => resolve(Buffer.concat(parts).subarray(0, ANSWER_BYTES_MAX).toString("utf8"));
    response.on("data", (part: Buffer) => {
      parts.push(part);
      length += part.length;
      if (length >= ANSWER_BYTES_MAX) done();
    });
    response.on("end", done);
    response.on("error", reject);
    response.on("aborted", () => reject(new Error("cut off")));
  });
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
    work.then(resolve, reject);
  });
}

async function resolveByDns(host: string): Promise<string[]> {
  const resolver = new Resolver(DNS);
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  const [failed] = answers.filter((answer) => answer.status === "rejected");
  if (addresses.length === 0) throw failed?.reason ?? new Error("no address");
  return addresses;
}

/** Node's messages can hold URLs; its codes can't. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "failed";
}
