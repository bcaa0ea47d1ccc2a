import { BlockList, isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileNetworks, parseAddress, parseNetwork, shareAllowed, truncatedNetwork } from "./network.ts";

const v4 = fc.ipV4();
const v6 = fc.ipV6();

describe("addresses", () => {
  test.each([
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "256.0.0.1",
    "1.2.3.-4",
    "1.2.3.4 ",
    " 1.2.3.4",
    "01.2.3.4",
    "1.2.3.04",
    "0x1.2.3.4",
    "1.2.3.4%eth0",
    "1.2.3.4:80",
    "1.2.3.4/32",
    "1..2.3",
    "localhost",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2:3:4:5:6:7:8",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "g::1",
    "12345::1",
    "::1.2.3",
    "::1.2.3.256",
    "::01.2.3.4",
    "1.2.3.4::",
    "1:2:3:4:5:6:7:1.2.3.4",
    "[::1]",
    "%eth0",
    "::1\n",
  ])("%j is none", (text) => {
    expect(parseAddress(text)).toBeUndefined();
    expect(truncatedNetwork(text)).toBe("unknown");
  });

  test("a mapped IPv4 address is the IPv4 address, in each of its spellings", () => {
    const plain = parseAddress("203.0.113.9");
    expect(plain).toBeDefined();
    for (const text of ["::ffff:203.0.113.9", "::FFFF:203.0.113.9", "::ffff:cb00:7109", "0:0:0:0:0:ffff:203.0.113.9"]) {
      expect(parseAddress(text)).toEqual(plain);
    }
    expect(parseAddress("::203.0.113.9")).not.toEqual(plain);
  });

  test("the zone of a link-local address is dropped", () => {
    expect(parseAddress("fe80::1%eth0")).toEqual(parseAddress("fe80::1"));
    expect(parseAddress(`fe80::1%${"x".repeat(1_000)}`)).toEqual(parseAddress("fe80::1"));
  });

  test("one `::` may stand for a single group, at either end", () => {
    expect(parseAddress("1:2:3:4:5:6:7::")).toEqual(parseAddress("1:2:3:4:5:6:7:0"));
    expect(parseAddress("::2:3:4:5:6:7:8")).toEqual(parseAddress("0:2:3:4:5:6:7:8"));
    expect(parseAddress("::")).toEqual(new Uint8Array(16));
  });

  test("they are what Node takes for one, and no other text", () => {
    const nearly = fc.string({ unit: fc.constantFrom("0", "1", "f", "25", ":", "::", ".", "1.2"), maxLength: 12 });
    fc.assert(
      fc.property(fc.oneof(v4, v6, nearly), (text) => {
        expect(parseAddress(text) !== undefined).toBe(isIP(text) !== 0);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe("networks", () => {
  test.each([
    ["10.0.0.0/8", 104],
    ["0.0.0.0/0", 96],
    ["192.0.2.7", 128],
    ["192.0.2.7/32", 128],
    ["192.0.2.6/31", 127],
    ["::/0", 0],
    ["2001:db8::/32", 32],
    ["2001:db8::1", 128],
    ["::ffff:10.0.0.0/104", 104],
  ])("%s has %i leading bits", (text, bits) => {
    expect(parseNetwork(text)?.bits).toBe(bits);
  });

  test.each([
    "10.0.0.1/8",
    "192.0.2.7/31",
    "2001:db8::1/32",
    "::1/0",
    "::ffff:10.0.0.0/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8.0",
    "10.0.0.0/08",
    "10.0.0.0/ 8",
    "10.0.0.0/8/8",
    "10.0.0.0/1e1",
    "::/129",
    "/8",
    "",
    "fe80::%eth0/10",
    "10.0.0/8",
    "*",
  ])("%j is none", (text) => {
    expect(parseNetwork(text)).toBeUndefined();
  });

  test("they hold what Node's own block list holds", () => {
    const near = fc.tuple(v4, v4, fc.integer({ min: 0, max: 32 }), fc.integer({ min: 0, max: 32 }));
    fc.assert(
      fc.property(near, ([base, other, prefix, common]) => {
        const text = `${masked(base, prefix)}/${prefix}`;
        // An address that shares some leading bits, so that both answers are common.
        const address = joined(base, other, common);
        const list = new BlockList();
        list.addSubnet(masked(base, prefix), prefix);
        const matcher = compileNetworks([text]);
        expect(matcher.allows(address), `${address} in ${text}`).toBe(list.check(address));
        expect(matcher.allows(`::ffff:${address}`)).toBe(list.check(address));
      }),
      { numRuns: 2_000 },
    );
  });

  test("IPv6 networks end at any bit", () => {
    const matcher = compileNetworks(["2001:db8:8000::/33"]);
    expect(matcher.allows("2001:db8:8000::1")).toBe(true);
    expect(matcher.allows("2001:db8:ffff::1")).toBe(true);
    expect(matcher.allows("2001:db8:7fff::1")).toBe(false);
  });

  test("an empty list allows every address; a list of which nothing can be read allows none", () => {
    expect(compileNetworks([]).any).toBe(true);
    expect(compileNetworks([]).allows("no address")).toBe(true);
    const broken = compileNetworks(["10.0.0.1/8"]);
    expect(broken.any).toBe(false);
    expect(broken.allows("10.0.0.1")).toBe(false);
    expect(compileNetworks(["unknown"]).allows("unknown")).toBe(false);
  });

  test("what is denied stays out, whatever allows it; a list that only denies allows the rest", () => {
    const matcher = compileNetworks(["10.0.0.0/8", "!10.1.0.0/16", "2001:db8::/32", "!2001:db8:1::/48"]);
    const isIn = (address: string) => matcher.allows(address);
    expect(["10.0.255.255", "10.2.0.0", "::ffff:10.2.0.0", "2001:db8:2::", "2001:db8:0:ffff::1"].every(isIn)).toBe(
      true,
    );
    expect(["10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3", "11.0.0.0", "2001:db8:1:2::3"].some(isIn)).toBe(false);
    const rest = compileNetworks(["!203.0.113.0/24", "!::/1"]);
    expect(["8.8.8.8", "203.0.113.9", "::1", "7fff::1"].some((address) => rest.allows(address))).toBe(false); // IPv4 lies in ::/1
    expect(rest.allows("8000::")).toBe(true);
    expect(compileNetworks(["!203.0.113.0/24"]).allows("203.0.114.0")).toBe(true);
    expect(compileNetworks(["!10.0.0.1/8"]).allows("11.0.0.1"), "what it denies can't be read").toBe(false);
  });

  test("many entries, allowing and denying, are judged as each by itself would be", () => {
    const entry = fc.tuple(v4, fc.integer({ min: 0, max: 32 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 12 }), v4, fc.nat(32), (entries, other, common) => {
        const texts = entries.map(([base, prefix, denies]) => `${denies ? "!" : ""}${masked(base, prefix)}/${prefix}`);
        const lists = { allow: new BlockList(), deny: new BlockList() };
        for (const [base, prefix, denies] of entries)
          lists[denies ? "deny" : "allow"].addSubnet(masked(base, prefix), prefix);
        const address = joined((entries[0] as [string, number, boolean])[0], other, common);
        const allows = entries.every(([, , denies]) => denies) || lists.allow.check(address);
        const expected = allows && !lists.deny.check(address);
        expect(compileNetworks(texts).allows(address), `${address} by ${texts.join(" ")}`).toBe(expected);
        expect(compileNetworks(texts).allows(`::ffff:${address}`)).toBe(expected);
        expect(shareAllowed(texts, address)).toBe(expected ? "all" : "none");
      }),
      { numRuns: 5_000 },
    );
  });

  test("a network can lie in what is allowed, outside of it, or both", () => {
    expect(shareAllowed([], "203.0.113.0/24")).toBe("all");
    expect(shareAllowed(["203.0.112.0/25", "203.0.112.128/25", "203.0.113.0/24"], "203.0.112.0/23")).toBe("all");
    expect(shareAllowed(["203.0.113.0/24", "!203.0.113.7"], "203.0.113.0/24")).toBe("some");
    expect(shareAllowed(["203.0.113.7"], "203.0.113.0/24")).toBe("some");
    expect(shareAllowed(["203.0.113.7"], "unknown")).toBe("none");
  });

  test("`0.0.0.0/0` is all of IPv4 and none of IPv6; `::/0` is everything, because IPv4 lies in it", () => {
    expect(compileNetworks(["0.0.0.0/0"]).allows("203.0.113.9")).toBe(true);
    expect(compileNetworks(["0.0.0.0/0"]).allows("2001:db8::1")).toBe(false);
    expect(compileNetworks(["::/0"]).allows("203.0.113.9")).toBe(true);
  });
});

describe("the network that use is remembered under", () => {
  test.each([
    ["203.0.113.9", "203.0.113.0/24"],
    ["::ffff:203.0.113.9", "203.0.113.0/24"],
    ["2001:db8:1:2::3", "2001:db8:1::/48"],
    ["2001:db8:0:2::3", "2001:db8::/48"],
    ["2001:db8:10:2::3", "2001:db8:10::/48"],
    ["2001:0:0:2::3", "2001::/48"],
    ["0:0:1::", "0:0:1::/48"],
    ["::1", "::/48"],
    ["fe80::1%eth0", "fe80::/48"],
    ["unix:", "unknown"],
  ])("of %s is %s", (address, network) => {
    expect(truncatedNetwork(address)).toBe(network);
  });

  test("it is a network that holds the address, and is shared by the whole of it", () => {
    fc.assert(
      fc.property(fc.oneof(v4, v6), (address) => {
        const network = truncatedNetwork(address);
        expect(parseNetwork(network), network).toBeDefined();
        expect(compileNetworks([network]).allows(address)).toBe(true);
        expect(truncatedNetwork(network.slice(0, network.indexOf("/")))).toBe(network);
      }),
      { numRuns: 1_000 },
    );
  });
});

function numbered(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function dotted(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

function masked(address: string, prefix: number): string {
  const size = 2 ** (32 - prefix);
  return dotted(Math.floor(numbered(address) / size) * size);
}

/** The first `bits` of `a`, the rest of `b`. */
function joined(a: string, b: string, bits: number): string {
  const size = 2 ** (32 - bits);
  return dotted(Math.floor(numbered(a) / size) * size + (numbered(b) % size));
}
