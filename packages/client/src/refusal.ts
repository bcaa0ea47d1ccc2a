/** Why a response refuses the key, read from a copy of its body so that the application still finds the body whole. */
import type { Clock } from "@keyover/core";
import { bounded } from "./failure.ts";
import { isRecord } from "./sidecar.ts";

/**
 * `invalid_key`: unknown, or revoked in an emergency. `key_retired`: replaced by a newer version. `key_brownout`: refused for a short time, as
 * it will be for good. `key_fenced`: refused for this request, while a successor waits. `unauthorized`: a 401 that says nothing more (a gateway
 * swallowed the body).
 */
export type Refusal = (typeof codes)[number] | "unauthorized";

const codes = ["invalid_key", "key_retired", "key_brownout", "key_fenced"] as const;

/** The secret works elsewhere or later: it is time to move on, and the way back stays open. */
export function isPassing(refusal: Refusal): boolean {
  return refusal === "key_brownout" || refusal === "key_fenced";
}

const RETRY_AFTER_MS_MAX = 3_600_000;

/** When a refusal that passes is worth another look at the authority; 0: at once. */
export function retryAfterMs(response: Response): number {
  const seconds = /^\d{1,9}$/.exec(response.headers.get("retry-after") ?? "");
  return seconds === null ? 0 : Math.min(Number(seconds[0]) * 1_000, RETRY_AFTER_MS_MAX);
}

const PEEK_BYTES_MAX = 16_384;
const PEEK_MS = 2_000;

export async function refusalOf(response: Response, clock: Clock): Promise<Refusal | undefined> {
  if (response.status !== 401 && response.status !== 403) return undefined;
  const code = await problemCode(response, clock);
  const known = codes.find((each) => each === code);
  if (known !== undefined) return known;
  return code === undefined && response.status === 401 ? "unauthorized" : undefined;
}

async function problemCode(response: Response, clock: Clock): Promise<string | undefined> {
  if (response.body === null || response.bodyUsed) return undefined;
  if (!/^application\/([\w.-]+\+)?json\b/i.test(response.headers.get("content-type") ?? "")) return undefined;
  if (Number(response.headers.get("content-length") ?? 0) > PEEK_BYTES_MAX) return undefined;
  const reader = (response.clone().body as ReadableStream<Uint8Array>).getReader();
  try {
    const text = await bounded(readAll(reader), PEEK_MS, clock);
    if (text === undefined) return undefined;
    const body: unknown = JSON.parse(text);
    return isRecord(body) && typeof body.code === "string" ? body.code : undefined;
  } catch {
    return undefined;
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks).toString("utf8");
    length += value.byteLength;
    if (length > PEEK_BYTES_MAX) return undefined;
    chunks.push(value);
  }
}
