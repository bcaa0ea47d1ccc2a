/**
 * Networks: allow-lists in CIDR form, and the truncated form in which use is remembered (/24 and /48: exact addresses
 * are personal data in some laws).
 */
export interface Network {
  /** 16 bytes; an IPv4 address is held as ::ffff:a.b.c.d, so that one comparison serves both. */
  bytes: Uint8Array;
  /** Leading bits that count, 0 to 128. */
  bits: number;
}

/** The 16 bytes of an IPv4 or IPv6 address, or undefined. The zone of an IPv6 address (`%eth0`) is dropped. */
export function parseAddress(text: string): Uint8Array | undefined {
  if (!text.includes(":")) return parseV4(text);
  const bare = text.split("%", 1)[0] as string;
  return bare.length > 45 ? undefined : parseV6(bare);
}

/** `10.0.0.0/8`, `2001:db8::/32`, or a single address. Undefined if it is none, has a zone, or bits beyond the prefix are set. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf("/");
  const addressText = slash < 0 ? text : text.slice(0, slash);
  const bytes = parseAddress(addressText);
  if (bytes === undefined) return undefined;
  const v4 = !addressText.includes(":");
  const width = v4 ? 32 : 128;
  if (addressText.includes("%")) return undefined;
  if (slash >= 0 && !/^(0|[1-9]\d{0,2})$/.test(text.slice(slash + 1))) return undefined;
  const prefix = slash < 0 ? width : Number(text.slice(slash + 1));
  if (prefix > width) return undefined;
  const bits = v4 ? prefix + 96 : prefix;
  if (!sameBytes(truncate(bytes, bits), bytes)) return undefined;
  return { bytes, bits };
}

/** Answers whether an address lies in one of the networks; an empty list allows every address. */
export interface NetworkMatcher {
  readonly any: boolean;
  allows(address: string): boolean;
}

export function compileNetworks(list: readonly string[]): NetworkMatcher {
  const networks = list.map(parseNetwork).filter((network) => network !== undefined);
  return {
    any: list.length === 0,
    allows(address) {
      if (list.length === 0) return true;
      const bytes = parseAddress(address);
      if (bytes === undefined) return false;
      return networks.some((network) => sameBytes(truncate(bytes, network.bits), network.bytes));
    },
  };
}

/** The network that use is remembered under: `203.0.113.0/24`, `2001:db8:1::/48`, or `unknown`. */
export function truncatedNetwork(address: string): string {
  const bytes = parseAddress(address);
  if (bytes === undefined) return "unknown";
  if (isMappedV4(bytes)) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.0/24`;
  const groups = [0, 2, 4].map((i) => (((bytes[i] as number) << 8) | (bytes[i + 1] as number)).toString(16));
  return `${groups.join(":").replace(/(^|:)(0:)*0$/, "")}::/48`;
}

function parseV4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(16);
  bytes[10] = 255;
  bytes[11] = 255;
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[12 + i] = Number(part);
  }
  return bytes;
}

function parseV6(text: string): Uint8Array | undefined {
  let source = text;
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (tail !== null) {
    const v4 = parseV4(tail[2] as string);
    if (v4 === undefined) return undefined;
    const group = (i: number) => (((v4[i] as number) << 8) | (v4[i + 1] as number)).toString(16);
    source = `${tail[1]}${group(12)}:${group(14)}`;
  }
  const halves = source.split("::");
  if (halves.length > 2) return undefined;
  const head = halves[0] === "" ? [] : (halves[0] as string).split(":");
  const rest = halves.length < 2 || halves[1] === "" ? [] : (halves[1] as string).split(":");
  const missing = 8 - head.length - rest.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...rest];
  const bytes = new Uint8Array(16);
  for (const [i, group] of groups.entries()) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    bytes[2 * i] = value >> 8;
    bytes[2 * i + 1] = value & 255;
  }
  return bytes;
}

function isMappedV4(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 255 && bytes[11] === 255;
}

function truncate(bytes: Uint8Array, bits: number): Uint8Array {
  const out = new Uint8Array(16);
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) out[i] = bytes[i] as number;
  if (whole < 16) out[whole] = (bytes[whole] as number) & (0xff00 >> (bits & 7));
  return out;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) if (a[i] !== b[i]) return false;
  return true;
}
