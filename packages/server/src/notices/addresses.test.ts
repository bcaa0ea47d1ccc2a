import { describe, expect, test } from "vitest";
import { literalAddress, reachOf, targetProblem } from "./addresses.ts";

describe("addresses", () => {
  test.each([
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "2001:4860:4860::8888",
  ])("%s is public", (address) => {
    expect(reachOf(address, [])).toBe("public");
  });

  test.each([
    ["this network", "0.0.0.0"],
    ["loopback", "127.0.0.1"],
    ["loopback, another", "127.255.255.254"],
    ["private", "10.0.0.1"],
    ["private", "172.16.0.1"],
    ["private", "172.31.255.255"],
    ["private", "192.168.1.1"],
    ["shared by carriers, a cloud's metadata", "100.100.100.200"],
    ["link-local, most clouds' metadata", "169.254.169.254"],
    ["a cloud's inside", "168.63.129.16"],
    ["protocol assignments, a cloud's metadata", "192.0.0.192"],
    ["documentation", "203.0.113.7"],
    ["benchmarks", "198.18.0.1"],
    ["multicast", "224.0.0.1"],
    ["reserved", "240.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["loopback, IPv6", "::1"],
    ["unspecified, IPv6", "::"],
    ["unique local", "fc00::1"],
    ["unique local, a cloud's metadata", "fd00:ec2::254"],
    ["link-local, IPv6", "fe80::1"],
    ["link-local with its zone", "fe80::1%eth0"],
    ["public with a zone", "2606:4700::1%eth0"],
    ["site-local", "fec0::1"],
    ["multicast, IPv6", "ff02::1"],
    ["IPv4 mapped", "::ffff:127.0.0.1"],
    ["IPv4 mapped, in hex", "::ffff:7f00:1"],
    ["IPv4 mapped, private", "::ffff:10.1.2.3"],
    ["IPv4 compatible", "::127.0.0.1"],
    ["translated (NAT64)", "64:ff9b::7f00:1"],
    ["6to4 with loopback inside", "2002:7f00:1::"],
    ["Teredo", "2001:0:7f00:1::"],
    ["documentation, IPv6", "2001:db8::1"],
    ["no address", "localhost"],
    ["no address either", "1.2.3"],
    ["octal", "0177.0.0.1"],
    ["empty", ""],
  ])("%s is refused: %s", (_what, address) => {
    expect(reachOf(address, [])).toBe("refused");
  });

  test("an operator's list allows what it names, and nothing beside it", () => {
    const allowed = ["10.1.0.0/16", "fd00::/8"];
    expect(reachOf("10.1.2.3", allowed)).toBe("allowed");
    expect(reachOf("::ffff:10.1.2.3", allowed)).toBe("allowed");
    expect(reachOf("fd12::1", allowed)).toBe("allowed");
    expect(reachOf("10.2.2.3", allowed)).toBe("refused");
    expect(reachOf("127.0.0.1", allowed)).toBe("refused");
    expect(reachOf("8.8.8.8", allowed)).toBe("public");
  });
});

describe("targets as they are written", () => {
  test.each([
    ["decimal", "https://2130706433/"],
    ["octal", "https://0177.0.0.01/"],
    ["hex", "https://0x7f.1/"],
    ["short", "https://127.1/"],
    ["full-width digits", "https://１２７.０.０.１/"],
    ["IPv6", "https://[::1]/"],
    ["IPv4 mapped", "https://[::ffff:127.0.0.1]/"],
    ["metadata", "https://169.254.169.254/latest/meta-data"],
    ["with a final dot", "https://127.0.0.1./"],
  ])("%s: %s is refused", (_what, url) => {
    expect(targetProblem(url, [])).toContain("not on the public Internet");
  });

  test.each([
    ["no URL", "example.com"],
    ["a password", "https://user:pass@example.com/"],
    ["in the clear", "http://example.com/"],
    ["another protocol", "file:///etc/passwd"],
    ["another protocol", "ftp://example.com/"],
    ["another protocol", "gopher://example.com:25/"],
  ])("%s: %s is refused", (_what, url) => {
    expect(targetProblem(url, [])).toBeDefined();
  });

  test("a name is judged when it is used, and http where the operator has allowed somewhere", () => {
    expect(targetProblem("https://hooks.example.com/x?y=1", [])).toBeUndefined();
    expect(targetProblem("http://127.0.0.1:8080/", ["127.0.0.0/8"])).toBeUndefined();
    expect(targetProblem("file:///etc/passwd", ["127.0.0.0/8"])).toBeDefined();
    expect(literalAddress(new URL("https://hooks.example.com/"))).toBeUndefined();
    expect(literalAddress(new URL("https://[::1]/"))).toBe("::1");
  });
});
