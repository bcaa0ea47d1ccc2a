import { createHash, randomBytes } from "node:crypto";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeBase62 } from "./base62.ts";
import { crc32, crc32Bytes } from "./crc32.ts";
import { digestKeyText, makeKeyText, maskKeyText, parseKeyText, TEXT_LENGTH_MAX, withoutKeyTexts } from "./key-text.ts";
import { digestText, parseDigestText, sha256Ascii, sha256Text } from "./sha256.ts";

const random = (length: number) => randomBytes(length);
const name = fc.stringMatching(/^[a-z][a-z0-9]{1,9}$/);
const ascii = (length: number) => Buffer.from(randomBytes(length).map((byte) => 33 + (byte % 94))).toString("latin1");
const sha256 = (text: string) => createHash("sha256").update(text).digest("base64url");

describe("SHA-256 and CRC-32 agree with Node's own", () => {
  test("for every length from 0 to 200, and some large ones", () => {
    for (const length of [...Array(201).keys(), 1000, 4096, 16_384, 100_003]) {
      const text = ascii(length);
      expect(sha256Text(text), `length ${length}`).toBe(sha256(text));
      expect(crc32(text), `length ${length}`).toBe(zlibCrc32(text));
      expect(crc32Bytes(Buffer.from(text), length), `length ${length}`).toBe(zlibCrc32(text));
    }
  });

  test("a short text after a long one is not padded with what the long one left", () => {
    const digest = new Int32Array(8);
    sha256Ascii("x".repeat(500), digest);
    expect(sha256Text("abc")).toBe(sha256("abc"));
  });

  test("a digest's text has one spelling, and that one comes back", () => {
    const digest = new Int32Array(8);
    const again = new Int32Array(8);
    sha256Ascii("abc", digest);
    const text = digestText(digest);
    expect(parseDigestText(text, again)).toBe(true);
    expect(again).toEqual(digest);
    const last = text.at(-1) as string;
    for (const other of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=") {
      if (other !== last && parseDigestText(text.slice(0, -1) + other, again)) expect(digestText(again)).not.toBe(text);
    }
    expect(parseDigestText(`${text}A`, again)).toBe(false);
    expect(parseDigestText(text.replace(/./, "+"), again)).toBe(false);
  });
});

describe("key text", () => {
  test("what is made is parsed, and digested as SHA-256 says, with every length of prefix and environment", () => {
    fc.assert(
      fc.property(name, name, (prefix, environment) => {
        const text = makeKeyText(prefix, environment, random);
        expect(text.length).toBeLessThanOrEqual(TEXT_LENGTH_MAX);
        expect(parseKeyText(text)).toEqual({ prefix, environment });
        const digest = new Int32Array(8);
        expect(digestKeyText(text, digest)).toBe(prefix.length);
        expect(digestText(digest)).toBe(sha256(text));
      }),
    );
  });

  test("one changed, missing or added character is noticed", () => {
    const digest = new Int32Array(8);
    for (let round = 0; round < 20; round++) {
      const text = makeKeyText("mkt", "live", random);
      for (let at = 0; at < text.length; at++) {
        for (const other of ["x", "0", "_", "-", " ", "é", "☃", "\u{1f511}", "\0", ""]) {
          const changed = text.slice(0, at) + other + text.slice(at + 1);
          if (changed === text) continue;
          expect(parseKeyText(changed), changed).toBeUndefined();
          expect(digestKeyText(changed, digest), changed).toBe(0);
        }
      }
      expect(parseKeyText(`${text}x`)).toBeUndefined();
      expect(parseKeyText(` ${text}`)).toBeUndefined();
    }
  });

  test("a right checksum does not excuse a wrong form", () => {
    const body = "a".repeat(32);
    for (const head of [
      `m_live_${body}`,
      `mkt_l_${body}`,
      `mkt__${body}`,
      `mktlive_${body}`,
      `mkt_li_ve_${body}`,
      `_mkt_li_${body}`,
      `mkt-live_${body}`,
      `mktmktmktmk_live_${body}`,
      `mkt_live__${body}`,
    ]) {
      expect(parseKeyText(head + encodeBase62(crc32(head), 6)), head).toBeUndefined();
    }
    const good = `mkt_live_${body}`;
    expect(parseKeyText(good + encodeBase62(crc32(good), 6))).toEqual({ prefix: "mkt", environment: "live" });
  });

  test("any other text is no key's, however long or strange", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => parseKeyText(text) === undefined));
    expect(parseKeyText("mkt_live_".repeat(10_000))).toBeUndefined();
    expect(parseKeyText("")).toBeUndefined();
  });

  test("a masked text shows its head and four digits", () => {
    const text = makeKeyText("mkt", "live", random);
    expect(maskKeyText(text)).toBe(`${text.slice(0, 13)}…`);
    expect(maskKeyText("secret")).toBe("[not a key]");
  });
});

test("a secret in the wrong place is taken out of a text, whatever touches it", () => {
  const text = makeKeyText("mkt", "live", random);
  for (const around of [
    (each: string) => each,
    (each: string) => `no key ${each}.`,
    (each: string) => `x${each}y`,
    (each: string) => `"${each}","${each}"`,
  ]) {
    const cleaned = withoutKeyTexts(around(text));
    expect(cleaned).toContain("[secret]");
    expect(cleaned).not.toContain(text.slice(-30, -2));
  }
  expect(withoutKeyTexts("key_0VbfIg4UzzJypkEdKV9c3I is a handle")).toBe("key_0VbfIg4UzzJypkEdKV9c3I is a handle");
});
