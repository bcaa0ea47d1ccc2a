import { createCipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CustodyError, createCustody, type SealedFor } from "./custody.ts";
import { Secret } from "./secret.ts";

const random = (length: number) => randomBytes(length);
const masterKey = randomBytes(32);
const custody = createCustody(masterKey, random);
const owner: SealedFor = { owner: "key_1", version: 2, purpose: "claim" };

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

describe("custody", () => {
  test.each(["", "k", ["mkt", "live", "0123456789abcdef".repeat(2), "0000AB"].join("_"), "ü — 10 MB ".repeat(1_000)])(
    "gives back what was sealed (%#)",
    (text) => {
      expect(custody.open(custody.seal(new Secret(text), owner), owner).reveal()).toBe(text);
    },
  );

  test("an envelope shows nothing of the secret, and two of the same secret share nothing", () => {
    const [a, b] = [1, 2].map(() => custody.seal(new Secret("mkt_live_same"), owner));
    expect(a).not.toContain("mkt_live");
    const [one, two] = [a, b].map((text) => JSON.parse(text ?? "") as Record<string, string>);
    expect(one?.master).toBe(two?.master);
    for (const part of ["dataKey", "commitment", "text"]) expect(one?.[part]).not.toBe(two?.[part]);
  });

  test.each<[string, SealedFor]>([
    ["key", { ...owner, owner: "key_2" }],
    ["version", { ...owner, version: 1 }],
    ["purpose", { ...owner, purpose: "token" }],
    ["key and version whose names run together", { ...owner, owner: "key_1|2", version: 2 }],
  ])("an envelope that was moved to another %s does not open", (_what, other) => {
    const envelope = custody.seal(new Secret("s"), owner);
    expect(() => custody.open(envelope, other)).toThrow(/altered, or belongs to another record/);
  });

  test("an altered byte at any position is found", () => {
    // Two lengths: base64url leaves unused bits in the last digit of one of them.
    for (const text of ["mkt_live_0123456789", "mkt_live_01234567890"]) {
      const envelope = custody.seal(new Secret(text), owner);
      for (let at = 0; at < envelope.length; at++) {
        const byte = envelope.charCodeAt(at);
        const digit = DIGITS.indexOf(envelope.charAt(at));
        const near = digit < 0 ? [] : [1, 2, 3].map((bits) => DIGITS.charAt(digit ^ bits));
        for (const other of [...[byte ^ 1, byte ^ 32, 0xfc].map((code) => String.fromCharCode(code)), ...near]) {
          const altered = envelope.slice(0, at) + other + envelope.slice(at + 1);
          expect(() => custody.open(altered, owner), `position ${at}: ${altered.slice(at - 5, at + 5)}`).toThrow(
            CustodyError,
          );
        }
      }
    }
  });

  test.each(["", "{}", "null", '"x"', "[]", '{"format":2}', '{"format":1,"commitment":3}'])(
    "%j is no envelope",
    (text) => {
      expect(() => custody.open(text, owner)).toThrow(CustodyError);
    },
  );

  test("parts of two envelopes of the same record do not make a third", () => {
    const [a, b] = ["one", "two"].map((text) => JSON.parse(custody.seal(new Secret(text), owner)) as object);
    for (const part of ["dataKey", "commitment", "text"] as const) {
      const mixed = { ...a, [part]: (b as Record<string, string>)[part] };
      expect(() => custody.open(JSON.stringify(mixed), owner)).toThrow(CustodyError);
    }
  });

  test("another master key is named as the reason", () => {
    const other = createCustody(randomBytes(32), random);
    expect(() => other.open(custody.seal(new Secret("s"), owner), owner)).toThrow(/another master key.*replaced/);
  });

  test("a data key that the commitment does not name is refused, though it decrypts", () => {
    const wrapping = new Uint8Array(hkdfSync("sha256", masterKey, "", "keyover data key wrapping v1", 32));
    const master = createHmac("sha256", wrapping).update("keyover master key id").digest("base64url").slice(0, 12);
    const wrap = (key: Uint8Array, plain: Uint8Array) => {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from("keyover/1|claim|key_1|2"));
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString("base64url");
    };
    const dataKey = randomBytes(32);
    const envelope = { format: 1, master, dataKey: wrap(wrapping, dataKey), text: wrap(dataKey, Buffer.from("s")) };
    const commitment = createHmac("sha256", dataKey).update("keyover data key commitment v1").digest("base64url");
    expect(custody.open(JSON.stringify({ ...envelope, commitment }), owner).reveal()).toBe("s");
    const wrong = randomBytes(32).toString("base64url");
    expect(() => custody.open(JSON.stringify({ ...envelope, commitment: wrong }), owner)).toThrow(/commitment/);
  });

  test("a master key of another length is refused", () => {
    for (const length of [0, 16, 31, 33])
      expect(() => createCustody(new Uint8Array(length), random)).toThrow(/32 bytes/);
  });
});
