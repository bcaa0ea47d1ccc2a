/** Where the authority is. Secrets and tokens go there, so it must be reached by TLS unless it is on this machine (R04, R73). */
import { parseAddress } from "./network.ts";

/** Why `url` is no address to send secrets to, or undefined. */
export function authorityUrlProblem(url: string, allowPlainHttp = false): string | undefined {
  // Not repeated: somebody may have mixed it up with the token.
  if (!URL.canParse(url)) return "that is no URL; write https://keys.example.com";
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:") return undefined;
  if (protocol !== "http:") return `the authority speaks http or https, not ${protocol.slice(0, 20)}`;
  if (allowPlainHttp || isLoopback(hostname)) return undefined;
  return `http://${hostname} would carry secrets in the clear; use https, or say allowPlainHttp: true if nobody else can listen`;
}

function isLoopback(hostname: string): boolean {
  if (hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]") return true;
  return parseAddress(hostname)?.[12] === 127;
}
