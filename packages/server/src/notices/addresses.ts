/**
 * Which addresses notices may be sent to. A target is named by whoever makes a channel, and our own network trusts us: so what is not on the
 * public Internet is refused unless the operator has allowed it (server-side request forgery). IPv6 is judged by what is public (2000::/3 without its
 * special parts), so that mapped, translated, unique-local, link-local and multicast addresses fall out by themselves.
 */
import { compileNetworks, parseAddress } from "@keyover/core";

/** RFC 6890 and its registry; 168.63.129.16 is public in form, and the inside of one cloud. */
const NOT_PUBLIC = compileNetworks([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  // within 2000::/3: protocols (Teredo among them), documentation, 6to4 with an IPv4 address inside
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
]);
/** IPv4, and global unicast. */
const PUBLIC_SPACE = compileNetworks(["0.0.0.0/0", "2000::/3"]);

export type Reach = "public" | "allowed" | "refused";

/** `allowed`: by the operator's list. What is no address is refused. */
export function reachOf(address: string, allowedPrivate: readonly string[]): Reach {
  if (address.includes("%") || parseAddress(address) === undefined) return "refused";
  if (allowedPrivate.length > 0 && compileNetworks(allowedPrivate).allows(address)) return "allowed";
  return PUBLIC_SPACE.allows(address) && !NOT_PUBLIC.allows(address) ? "public" : "refused";
}

/** The host of a URL if it is an address, without brackets; the URL parser has made decimal, octal and hex forms plain already. */
export function literalAddress(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return parseAddress(host) === undefined ? undefined : host;
}

/** What is wrong with a target as it is written; what its name leads to is looked at each time it is used. */
export function targetProblem(text: string, allowedPrivate: readonly string[]): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return "that is no URL; write https://…";
  if (url.username !== "" || url.password !== "") return "the URL holds a user name or password";
  if (url.protocol !== "https:" && !(url.protocol === "http:" && allowedPrivate.length > 0))
    return url.protocol === "http:"
      ? "the URL must begin with https://; http:// is for targets in KEYOVER_NOTICE_PRIVATE_TARGETS, which the authority was started without"
      : "the URL must begin with https://";
  const address = literalAddress(url);
  if (address !== undefined && reachOf(address, allowedPrivate) === "refused")
    return `${address} is not on the public Internet; an operator can allow it (KEYOVER_NOTICE_PRIVATE_TARGETS)`;
  return undefined;
}
