/**
 * Custody of recoverable secrets: envelope encryption. Each secret is sealed under a data key of its own (AES-256-GCM), the data key
 * under the master key. Record, version and purpose are bound in as associated data, so a ciphertext that is moved to
 * another row does not open (I18). GCM does not commit to its key; a commitment (HMAC-SHA256 of a fixed label under the data
 * key) is checked first, so that no envelope opens under two keys.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { RandomBytes } from "@keyover/core";
import { Secret } from "./secret.ts";

/** What the ciphertext belongs to. */
export interface SealedFor {
  /** The handle of the key, token or channel. */
  owner: string;
  version: number;
  purpose: "claim" | "token" | "channel";
}

export interface Custody {
  seal(secret: Secret, belongsTo: SealedFor): string;
  /** Throws `CustodyError` if the envelope was altered, moved, or sealed under another master key. */
  open(envelope: string, belongsTo: SealedFor): Secret;
}

export class CustodyError extends Error {
  override name = "CustodyError";
}

interface Envelope {
  format: 1;
  master: string;
  dataKey: string;
  commitment: string;
  text: string;
}

/** Custody under one 32-byte master key held in memory. */
export function createCustody(masterKey: Uint8Array, random: RandomBytes): Custody {
  if (masterKey.length !== 32) throw new CustodyError("the master key must have 32 bytes");
  const wrappingKey = wrappingKeyOf(masterKey);
  const master = masterKeyId(masterKey);
  return {
    seal(secret, belongsTo) {
      const dataKey = random(32);
      const bound = associatedData(belongsTo);
      const envelope: Envelope = {
        format: 1,
        master,
        dataKey: encrypt(wrappingKey, dataKey, bound, random),
        commitment: commitmentOf(dataKey).toString("base64url"),
        text: encrypt(dataKey, Buffer.from(secret.reveal(), "utf8"), bound, random),
      };
      return JSON.stringify(envelope);
    },
    open(text, belongsTo) {
      const envelope = parse(text);
      if (envelope.master !== master) {
        throw new CustodyError("sealed under another master key; was the master key file replaced?");
      }
      const bound = associatedData(belongsTo);
      const dataKey = decrypt(wrappingKey, envelope.dataKey, bound);
      if (!timingSafeEqual(commitmentOf(dataKey), bytesOf(envelope.commitment))) {
        throw new CustodyError("the envelope's key commitment does not hold");
      }
      return new Secret(decrypt(dataKey, envelope.text, bound).toString("utf8"));
    },
  };
}

/** Tells master keys apart, and says nothing of them. */
export function masterKeyId(masterKey: Uint8Array): string {
  const mac = createHmac("sha256", wrappingKeyOf(masterKey)).update("keyover master key id");
  return mac.digest("base64url").slice(0, 12);
}

function wrappingKeyOf(masterKey: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", masterKey, "", "keyover data key wrapping v1", 32));
}

function parse(text: string): Envelope {
  try {
    const envelope = JSON.parse(text) as Envelope;
    const { format, master, dataKey, commitment, text: sealed } = envelope;
    if (format !== 1 || typeof master !== "string" || bytesOf(commitment).length !== 32) throw new Error("format");
    bytesOf(dataKey);
    bytesOf(sealed);
    return envelope;
  } catch (error) {
    throw new CustodyError("this is no envelope of a format that this program knows", { cause: error });
  }
}

/** Strict: of the texts that a lenient decoder takes for the same bytes only one is right. */
function bytesOf(text: string): Buffer {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) throw new CustodyError("the envelope was altered");
  return bytes;
}

function associatedData({ owner, version, purpose }: SealedFor): Buffer {
  return Buffer.from(`keyover/1|${purpose}|${owner}|${version}`, "utf8");
}

function commitmentOf(dataKey: Uint8Array): Buffer {
  return createHmac("sha256", dataKey).update("keyover data key commitment v1").digest();
}

/** Nonce (12 bytes), ciphertext and tag (16 bytes) in one base64url text. */
function encrypt(key: Uint8Array, plain: Uint8Array, bound: Buffer, random: RandomBytes): string {
  const nonce = random(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(bound);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString("base64url");
}

function decrypt(key: Uint8Array, text: string, bound: Buffer): Buffer {
  const bytes = bytesOf(text);
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12), { authTagLength: 16 });
    decipher.setAAD(bound);
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
  } catch (error) {
    throw new CustodyError("the envelope was altered, or belongs to another record", { cause: error });
  }
}
