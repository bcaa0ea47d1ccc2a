/**
 * Signatures of webhooks as in the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`, base64, as `v1,…`. While a
 * secret takes over from another one there are two signatures, so a receiver that knows either accepts.
 */
import { createHmac } from "node:crypto";
import type { RandomBytes } from "@keyover/core";
import { Secret } from "../custody/secret.ts";

const PREFIX = "whsec_";
/** The specification takes 24 to 64. */
const SECRET_BYTES = 32;

export function makeSigningSecret(random: RandomBytes): Secret {
  return new Secret(PREFIX + Buffer.from(random(SECRET_BYTES)).toString("base64"));
}

/** `at`: epoch milliseconds; receivers refuse what is minutes off, so each attempt is signed anew. */
export function signedHeaders(
  id: string,
  at: number,
  body: string,
  secrets: readonly Secret[],
): Record<string, string> {
  const timestamp = String(Math.floor(at / 1_000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.reveal().slice(PREFIX.length), "base64");
    return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
  });
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}
