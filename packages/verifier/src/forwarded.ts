/**
 * Where a request came from, by `X-Forwarded-For`. Each proxy appends the address that it sees, and the caller may have sent a header of its
 * own, so only entries that proxies of one's own have written count: the last ones, as many as one is told.
 */

/** The longest text of an address is 45 characters (RFC 4291 §2.2); a zone and a port may follow. */
const ADDRESS_LENGTH_MAX = 64;

export const TRUSTED_HOPS_MAX = 16;

/**
 * The address that the outermost of `hops` trusted proxies saw: the entry so far from the right. What stands left of it is the caller's
 * own text. Undefined if there are not so many entries, because then the request did not come the way that was configured.
 */
export function addressBehind(forwarded: string | undefined, hops: number): string | undefined {
  if (forwarded === undefined) return undefined;
  let end = forwarded.length;
  for (let hop = 1; hop < hops; hop++) {
    end = end === 0 ? -1 : forwarded.lastIndexOf(",", end - 1);
    if (end < 0) return undefined;
  }
  const start = end === 0 ? 0 : forwarded.lastIndexOf(",", end - 1) + 1;
  return withoutPort(forwarded.slice(start, end).trim());
}

/** Some proxies write `192.0.2.1:4711` and `[2001:db8::1]:4711`. */
function withoutPort(entry: string): string | undefined {
  if (entry === "" || entry.length > ADDRESS_LENGTH_MAX) return undefined;
  if (entry.startsWith("[")) {
    const end = entry.indexOf("]");
    return end < 0 ? undefined : entry.slice(1, end);
  }
  const colon = entry.indexOf(":");
  return colon > 0 && entry.includes(".") && colon === entry.lastIndexOf(":") && entry.indexOf(".") < colon
    ? entry.slice(0, colon)
    : entry;
}
