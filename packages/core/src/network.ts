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

/** Answers whether a list lets an address through; an empty list allows every address. */
export interface NetworkMatcher {
  readonly any: boolean;
  allows(address: string): boolean;
}

/** What an entry of a list says: `10.0.0.0/8` is let through, `!10.1.0.0/16` is not. */
export interface NetworkEntry {
  denies: boolean;
  network: Network;
}

/** An entry of a list of networks; undefined if it is none. */
export function parseNetworkEntry(text: string): NetworkEntry | undefined {
  const denies = text.startsWith("!");
  const network = parseNetwork(denies ? text.slice(1) : text);
  return network && { denies, network };
}

/**
 * What is denied is denied, whatever else allows it; what is neither is allowed only by a list that allows nothing by name. An entry that
 * can't be read allows nothing, and where it denies, nothing is let through at all.
 */
export function compileNetworks(list: readonly string[]): NetworkMatcher {
  if (list.length === 0) return EVERYWHERE;
  const ranges = allowedRanges(list);
  const v4 = v4Ranges(ranges);
  const v6 = ranges.map(({ first, last }) => ({ first: bytesOf(first), last: bytesOf(last) }));
  return {
    any: false,
    allows(address) {
      const number = v4Number(address);
      if (number >= 0) return isWithin(v4, number);
      const bytes = parseAddress(address);
      if (bytes === undefined) return false;
      // By halves: the last range that begins at or before it.
      let [low, high] = [0, v6.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (compareBytes((v6[middle] as BytesRange).first, bytes) <= 0) low = middle + 1;
        else high = middle;
      }
      const range = v6[low - 1];
      return range !== undefined && compareBytes(bytes, range.last) <= 0;
    },
  };
}

const EVERYWHERE: NetworkMatcher = Object.freeze({ any: true, allows: () => true });

/** Addresses as numbers of 128 bits, both ends included. */
interface Range {
  first: bigint;
  last: bigint;
}

interface BytesRange {
  first: Uint8Array;
  last: Uint8Array;
}

const LAST_ADDRESS = (1n << 128n) - 1n;
const FIRST_V4 = 0xffffn << 32n;
const LAST_V4 = FIRST_V4 | 0xffff_ffffn;

/** In order, without overlap. */
function allowedRanges(list: readonly string[]): Range[] {
  const entries = list.map(parseNetworkEntry);
  if (entries.some((entry, i) => entry === undefined && (list[i] as string).startsWith("!"))) return [];
  const namesNone = list.every((text) => text.startsWith("!"));
  const rangesOf = (denies: boolean) =>
    merged(entries.flatMap((e) => (e?.denies === denies ? [rangeOf(e.network)] : [])));
  const allowed = namesNone ? [{ first: 0n, last: LAST_ADDRESS }] : rangesOf(false);
  return without(allowed, rangesOf(true));
}

function rangeOf({ bytes, bits }: Network): Range {
  const first = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { first, last: first | ((1n << BigInt(128 - bits)) - 1n) };
}

function merged(ranges: readonly Range[]): Range[] {
  const inOrder = [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const out: Range[] = [];
  for (const { first, last } of inOrder) {
    const before = out.at(-1);
    if (before === undefined || first > before.last + 1n) out.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  return out;
}

function without(ranges: readonly Range[], holes: readonly Range[]): Range[] {
  const out: Range[] = [];
  for (const range of ranges) {
    let { first } = range;
    for (const hole of holes) {
      if (hole.last < first || hole.first > range.last) continue;
      if (hole.first > first) out.push({ first, last: hole.first - 1n });
      first = hole.last + 1n;
    }
    if (first <= range.last) out.push({ first, last: range.last });
  }
  return out;
}

/** The part of it that is IPv4: first and last, one after the other. */
function v4Ranges(ranges: readonly Range[]): Float64Array {
  const inside = ranges.filter(({ first, last }) => last >= FIRST_V4 && first <= LAST_V4);
  return Float64Array.from(
    inside.flatMap(({ first, last }) => [
      Number((first < FIRST_V4 ? FIRST_V4 : first) - FIRST_V4),
      Number((last > LAST_V4 ? LAST_V4 : last) - FIRST_V4),
    ]),
  );
}

function isWithin(ranges: Float64Array, number: number): boolean {
  let [low, high] = [0, ranges.length >> 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[2 * middle] as number) <= number) low = middle + 1;
    else high = middle;
  }
  return low > 0 && number <= (ranges[2 * low - 1] as number);
}

function bytesOf(address: bigint): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => Number((address >> BigInt(8 * (15 - i))) & 255n));
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < 16; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** How much of one network a list lets through. */
export function shareAllowed(list: readonly string[], text: string): "all" | "some" | "none" {
  const network = parseNetwork(text);
  if (network === undefined) return list.length === 0 ? "all" : "none";
  if (list.length === 0) return "all";
  const { first, last } = rangeOf(network);
  const inside = allowedRanges(list).filter((range) => range.last >= first && range.first <= last);
  if (inside.length === 0) return "none";
  const [only] = inside;
  return inside.length === 1 && only !== undefined && only.first <= first && only.last >= last ? "all" : "some";
}

/** The network that use is remembered under: `203.0.113.0/24`, `2001:db8:1::/48`, or `unknown`. */
export function truncatedNetwork(address: string): string {
  const bytes = parseAddress(address);
  if (bytes === undefined) return "unknown";
  if (isMappedV4(bytes)) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.0/24`;
  const groups = [0, 2, 4].map((i) => (((bytes[i] as number) << 8) | (bytes[i + 1] as number)).toString(16));
  return `${groups.join(":").replace(/(^|:)(0:)*0$/, "")}::/48`;
}

/** Dotted decimals as a number; -1 for what is none. Makes nothing: it is on the way of each request of a key with networks. */
function v4Number(text: string): number {
  if (text.length > 15) return -1;
  let [number, part, digits, parts] = [0, 0, 0, 1];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (digits === 0 || ++parts > 4) return -1;
      number = number * 256 + part;
      part = 0;
      digits = 0;
    } else {
      if (code < ZERO || code > ZERO + 9 || (digits > 0 && part === 0)) return -1;
      part = part * 10 + code - ZERO;
      if (part > 255) return -1;
      digits++;
    }
  }
  return parts === 4 && digits > 0 ? number * 256 + part : -1;
}

const DOT = 46;
const ZERO = 48;

function parseV4(text: string): Uint8Array | undefined {
  const number = v4Number(text);
  return number < 0 ? undefined : bytesOf(FIRST_V4 | BigInt(number));
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
