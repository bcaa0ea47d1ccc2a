import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { encodeBase62 } from "./base62.ts";
import { crc32 } from "./crc32.ts";
import { digestInWasm, digestKeyText } from "./key-digest.ts";
import { digestPlainly } from "./key-scan.ts";
import { makeKeyText, TEXT_LENGTH_MAX } from "./key-text.ts";
import { digestText } from "./sha256.ts";

type DigestKeyText = typeof digestKeyText;
const inWasm = digestInWasm() as DigestKeyText;
const WAYS: [string, DigestKeyText][] = [
  ["WebAssembly", inWasm],
  ["JavaScript", digestPlainly],
  ["what is chosen", digestKeyText],
];

const random = (length: number) => randomBytes(length);
const name = fc.stringMatching(/^[a-z][a-z0-9]{1,9}$/);
const nodes = (text: string) => createHash("sha256").update(text).digest("base64url");
const checked = (head: string) => head + encodeBase62(crc32(head), 6);

/** What both say of a text: undefined for no key's, else the length of its prefix and the digest. */
function said(digest: DigestKeyText, text: string): string | undefined {
  const words = new Int32Array(8);
  const prefixEnd = digest(text, words);
  if (prefixEnd === 0 && words.some((word) => word !== 0)) return "words for a text that is no key's";
  return prefixEnd === 0 ? undefined : `${prefixEnd} ${digestText(words)}`;
}

/** The same text as the engine may hold it. */
function spellings(text: string): string[] {
  const half = text.length >> 1;
  return [
    text,
    Buffer.from(text, "utf8").toString("utf8"),
    Buffer.from(text, "utf16le").toString("utf16le"),
    Buffer.from(`Bearer ${text} `, "utf8").toString("utf8").slice(7, -1),
    Buffer.from(`☃ ${text} ☃`, "utf16le").toString("utf16le").slice(2, -2),
    text.slice(0, half) + text.slice(half),
    Array.from(text).reduce((all, each) => all + each, ""),
  ];
}

test("this Node has WebAssembly with vectors, so that what is tested here is what runs", () => {
  expect(inWasm).toBeDefined();
});

describe.each(WAYS)("a key's text to its digest: %s", (_, digest) => {
  test("every length of prefix and environment, however the engine holds the text, agrees with Node's SHA-256", () => {
    for (let prefix = 2; prefix <= 10; prefix++) {
      for (let environment = 2; environment <= 10; environment++) {
        const text = makeKeyText("mktmktmktm".slice(0, prefix), "livelivelive".slice(0, environment), random);
        for (const spelling of spellings(text)) expect(said(digest, spelling)).toBe(`${prefix} ${nodes(text)}`);
      }
    }
    fc.assert(
      fc.property(name, name, (prefix, environment) => {
        const text = makeKeyText(prefix, environment, random);
        expect(said(digest, text)).toBe(`${prefix.length} ${nodes(text)}`);
      }),
    );
  });

  test("each of 62 digits in each place that may be one", () => {
    for (let value = 0; value < 62; value++) {
      const digit = encodeBase62(value, 1);
      const text = checked(`${digit.repeat(3)}_${digit.repeat(4)}_${digit.repeat(32)}`);
      expect(said(digest, text), text).toBe(`3 ${nodes(text)}`);
    }
  });

  test("each of the other characters in each place is noticed, with a right checksum too", () => {
    const good = `mkt_live_${"aZ09".repeat(8)}`;
    for (let code = 0; code < 0x180; code++) {
      const other = String.fromCharCode(code);
      if (/[0-9A-Za-z]/.test(other)) continue;
      for (let at = 0; at < good.length; at++) {
        if (good[at] === other) continue;
        const head = good.slice(0, at) + other + good.slice(at + 1);
        // In the prefix an underscore ends it sooner; the environment then has one too many.
        expect(said(digest, checked(head)), `${code} at ${at}`).toBeUndefined();
      }
    }
  });

  test("a checksum that is off by what 32 bits cannot hold", () => {
    const head = `mkt_live_${"a".repeat(32)}`;
    expect(said(digest, head + encodeBase62(crc32(head) + 2 ** 32, 6))).toBeUndefined();
    expect(said(digest, head + encodeBase62(crc32(head) ^ 1, 6))).toBeUndefined();
    expect(said(digest, head + encodeBase62(crc32(head), 6))).toBeDefined();
  });

  test("names that are too short or too long, and texts that are", () => {
    for (let prefix = 0; prefix <= 20; prefix++) {
      for (let environment = 0; environment <= 20; environment++) {
        const text = checked(`${"m".repeat(prefix)}_${"l".repeat(environment)}_${"a".repeat(32)}`);
        const fits = prefix >= 2 && prefix <= 10 && environment >= 2 && text.length <= TEXT_LENGTH_MAX;
        expect(said(digest, text), text).toBe(fits ? `${prefix} ${nodes(text)}` : undefined);
      }
    }
  });

  test("what an earlier text left behind does not matter", () => {
    const texts = [10, 2, 9, 3, 2].map((length) => makeKeyText("m".repeat(length), "l".repeat(length), random));
    for (const text of texts) {
      said(digest, "é".repeat(TEXT_LENGTH_MAX));
      said(digest, `${text.slice(0, -1)}_`);
      expect(said(digest, text)).toBe(`${text.indexOf("_")} ${nodes(text)}`);
    }
  });
});

test("WebAssembly and JavaScript say the same of texts that are nearly a key's", () => {
  const piece = fc.oneof(
    fc.constantFrom("_", "m", "Z", "0", "-", "é", "☃", "\u{1f511}", "\ud83d", "\udd11", "\0", "\x7f", "\x80", "ÿ"),
    fc.stringMatching(/^[0-9A-Za-z]{0,12}$/),
  );
  const head = fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(head, fc.boolean(), (text, withChecksum) => {
      const given = withChecksum ? checked(text) : text;
      for (const spelling of spellings(given)) expect(said(inWasm, spelling)).toBe(said(digestPlainly, spelling));
    }),
    { numRuns: 2_000 },
  );
  const edit = fc.tuple(fc.nat(60), fc.nat(3), piece);
  fc.assert(
    fc.property(name, name, fc.array(edit, { maxLength: 3 }), (prefix, environment, edits) => {
      let text = makeKeyText(prefix, environment, random);
      for (const [at, gone, come] of edits) text = text.slice(0, at) + come + text.slice(at + gone);
      expect(said(inWasm, text)).toBe(said(digestPlainly, text));
    }),
    { numRuns: 2_000 },
  );
});

describe("where WebAssembly is not to be had", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  const wrongly = {
    Module: class {},
    Instance: class {
      exports = { memory: { buffer: new ArrayBuffer(65_536) }, run: () => 2 };
    },
  };
  const refused = {
    Module: class {
      constructor() {
        throw new Error("no vectors");
      }
    },
  };
  test.each([
    ["is missing", undefined],
    ["is refused", refused],
    ["answers wrongly", wrongly],
  ])("it %s", async (_, stub) => {
    vi.stubGlobal("WebAssembly", stub);
    vi.resetModules();
    const { digestKeyText: chosen } = await import("./key-digest.ts");
    const text = makeKeyText("mkt", "live", random);
    expect(said(chosen, text)).toBe(`3 ${nodes(text)}`);
    expect(said(chosen, `${text}x`)).toBeUndefined();
  });
});
