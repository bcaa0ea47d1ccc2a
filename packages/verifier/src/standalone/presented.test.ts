import { describe, expect, test } from "vitest";
import { newText } from "../authority.test-double.ts";
import { addressBehind } from "../forwarded.ts";
import { type ReadingRules, readPresented } from "./presented.ts";

const plain: ReadingRules = { trustedHops: 0, keyHeader: undefined, keyParameter: undefined };
const read = (rawHeaders: string[], rules: Partial<ReadingRules> = {}, path?: string) =>
  readPresented({ rawHeaders, socket: { remoteAddress: "127.0.0.1" } }, { ...plain, ...rules }, path);

describe("where the caller is", () => {
  test.each([
    [1, "203.0.113.7", "203.0.113.7"],
    [1, "6.6.6.6, 203.0.113.7", "203.0.113.7"],
    [2, "6.6.6.6, 203.0.113.7, 10.0.0.1", "203.0.113.7"],
    [2, "203.0.113.7,10.0.0.1", "203.0.113.7"],
    [2, "203.0.113.7", undefined],
    [3, "1.1.1.1,2.2.2.2", undefined],
    [1, "", undefined],
    [2, ",", undefined],
    [2, ",,", undefined],
    [1, "203.0.113.7:4711", "203.0.113.7"],
    [1, "2001:db8::1", "2001:db8::1"],
    [1, "[2001:db8::1]:4711", "2001:db8::1"],
    [1, "[2001:db8::1]", "2001:db8::1"],
    [1, "[2001:db8::1", undefined],
    [1, "::ffff:203.0.113.7", "::ffff:203.0.113.7"],
    [1, `203.0.113.7, ${"9".repeat(100)}`, undefined],
    [1, undefined, undefined],
  ])("of %i trusted hops behind %j: %j", (hops, forwarded, address) => {
    expect(addressBehind(forwarded, hops)).toBe(address);
  });

  test("of no trusted hop the header is the caller's own text, and the connection counts", () => {
    expect(read(["X-Forwarded-For", "6.6.6.6"]).network).toBe("127.0.0.1");
    expect(read(["X-Forwarded-For", "6.6.6.6", "x-forwarded-for", "7.7.7.7"], { trustedHops: 1 }).network).toBe(
      "7.7.7.7",
    );
    expect(read([], { trustedHops: 1 }).network).toBeUndefined();
  });
});

describe("the key", () => {
  const text = newText();
  test.each([
    ["Authorization", `Bearer ${text}`, text],
    ["AUTHORIZATION", `bEARER ${text}`, text],
    ["authorization", `Bearer    ${text}`, text],
    ["authorization", `Bearer ${text} ${text}`, `${text} ${text}`],
    ["authorization", `Basic ${text}`, undefined],
    ["authorization", `Bearer${text}`, undefined],
    ["authorization", "", undefined],
    ["X-API-Key", text, text],
    ["X-Acme-Key", text, undefined],
  ])("in %s: %s", (name, value, expected) => {
    expect(read([name, value])).toMatchObject({ text: expected, problem: undefined });
  });

  test("a header of one's own is the only one then", () => {
    const rules = { keyHeader: "x-acme-key" };
    expect(read(["X-Acme-Key", ` ${text}`], rules).text).toBe(text);
    expect(read(["Authorization", `Bearer ${text}`, "X-API-Key", text], rules).text).toBeUndefined();
    expect(read(["X-Acme-Key", text, "x-acme-key", text], rules)).toMatchObject({
      text: undefined,
      problem: "two_credentials",
    });
  });

  test.each([
    ["Authorization", `Bearer ${text}`, "authorization", `Bearer ${text}`],
    ["X-API-Key", text, "x-api-KEY", newText()],
  ])("twice is no key", (...raw) => {
    expect(read(raw)).toMatchObject({ text: undefined, problem: "two_credentials" });
  });
});

describe("a key in the query string", () => {
  const text = newText();
  const encoded = Buffer.from(text).toString("hex").replace(/../g, "%$&");
  test.each([
    `/v1/ticker?api_key=${text}`,
    `/v1/ticker?a=1&anything=${text}&b=2`,
    `/v1/ticker?${text}`,
    `/v1/ticker?x=${encoded}`,
    `/v1/ticker?a=1;b=${text}#there`,
    `/?api_key=${text}&other=${newText()}`,
  ])("is seen whatever its name: %#", (uri) => {
    const header = ["X-Forwarded-Uri", uri, "Authorization", `Bearer ${text}`];
    expect(read(header)).toMatchObject({ text: undefined, problem: "key_in_query", keyInQuery: true });
    expect(read([], {}, `/ext-authz${uri}`)).toMatchObject({ problem: "key_in_query" });
  });

  test.each([
    "/v1/ticker",
    "/v1/ticker?",
    "/?a=b",
    `/${text}?a=b`,
    `/?key=${text.slice(0, -1)}~`,
    "/?%zz=%",
    `/?${"&".repeat(5_000)}`,
  ])("is not what has another form: %#", (uri) => {
    expect(read(["X-Forwarded-Uri", uri])).toMatchObject({ problem: undefined, keyInQuery: false });
  });

  test("takes time for its length, and not for its square", () => {
    expect(read(["X-Forwarded-Uri", `/?${"&".repeat(2_000_000)}`])).toMatchObject({ keyInQuery: false });
  });

  test("passes in the one parameter that may carry it, unless a header carries one too", () => {
    const rules = { keyParameter: "api_key" };
    const uri = ["X-Forwarded-Uri", `/v1/ticker?symbol=BTC&api_key=${text}`];
    expect(read(uri, rules)).toMatchObject({ text, problem: undefined, keyInQuery: true });
    const other = newText();
    expect(read([...uri, "X-API-Key", other], rules).text).toBe(other);
    expect(read(["X-Forwarded-Uri", `/?key=${text}`], rules).problem).toBe("key_in_query");
    expect(read(["X-Forwarded-Uri", `/?api_key=${text}&api_key=${text}`], rules).problem).toBe("key_in_query");
  });
});

test("what the caller calls itself, and what the gateway wants, is read once", () => {
  const raw = [
    "User-Agent",
    "bot/1",
    "Keyover-Instance",
    "pod-1",
    "Keyover-Want-Scope",
    "a",
    "Keyover-Want-Environment",
    "live",
    "Keyover-Want-Cost",
    "5",
  ];
  expect(read(raw)).toMatchObject({
    client: "bot/1",
    instance: "pod-1",
    wantedScope: "a",
    wantedEnvironment: "live",
    wantedCost: "5",
    wantedTwice: false,
  });
  expect(read([...raw, "keyover-want-scope", "b"]).wantedTwice).toBe(true);
  expect(read([...raw, "keyover-want-cost", "0"]).wantedTwice).toBe(true);
});
