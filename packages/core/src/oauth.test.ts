import { describe, expect, test } from "vitest";
import { clientCredential, isForm, readForm } from "./oauth.ts";

describe("a form", () => {
  test.each([
    ["token=a_b&token_type_hint=access_token", { token: "a_b", token_type_hint: "access_token" }],
    ["token=a%5Fb+c%20d", { token: "a_b c d" }],
    ["&&token=x&", { token: "x" }],
    ["token=x=y", { token: "x=y" }],
    ["token=%E2%82%AC", { token: "€" }],
    // Without a value: as if it were not there.
    ["token=&other", {}],
    ["", {}],
  ])("%s", (text, parameters) => {
    expect(Object.fromEntries(readForm(text) as Map<string, string>)).toEqual(parameters);
  });

  test.each(["token=a&token=b", "token=a&token=", "other&other", "token=a&%74oken=b", "__proto__=a&__proto__=b"])(
    "%s has one twice",
    (text) => expect(readForm(text)).toBe("A parameter is there twice."),
  );

  test.each(["token=%", "token=%zz", "%E2%82=x", "token=%ff"])("%s is no form", (text) =>
    expect(readForm(text)).toContain("percent-encoded"),
  );

  test.each([
    ["application/x-www-form-urlencoded", true],
    ["Application/X-WWW-Form-Urlencoded; charset=UTF-8", true],
    ["application/x-www-form-urlencoded ;charset=utf-8", true],
    ["application/x-www-form-urlencodedx", false],
    ["application/json", false],
    [undefined, false],
  ])("the content type %s", (type, is) => expect(isForm(type)).toBe(is));
});

describe("a client's credential", () => {
  const basic = (pair: string) => `Basic ${btoa(pair)}`;
  test.each([
    ["Bearer abc", "bearer", ["abc"]],
    ["bEaReR   abc ", "bearer", ["abc"]],
    [basic("id:abc"), "basic", ["abc"]],
    [basic(":abc"), "basic", ["abc"]],
    [basic("id:a%2Bb+c:d"), "basic", ["a%2Bb+c:d", "a+b c:d"]],
    [basic("id:%zz"), "basic", ["%zz"]],
    // Not readable.
    ["Bearer", "bearer", []],
    ["Digest abc", "bearer", []],
    ["Bearer a b", "bearer", []],
    [basic("no colon"), "basic", []],
    [basic("id:"), "basic", []],
    ["Basic ====", "basic", []],
    [`Bearer ${"x".repeat(4_001)}`, "bearer", []],
  ] as const)("%.40s", (header, scheme, secrets) => {
    expect(clientCredential(header)).toEqual({ scheme, secrets });
  });

  test("none", () => expect(clientCredential(undefined)).toBeUndefined());
});
