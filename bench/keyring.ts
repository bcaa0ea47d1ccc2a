/**
 * Keys, and an authority in this process that hands them to a real verifier: it speaks core's wire.ts behind `fetch`, sends
 * the snapshot line by line, a beat every second, and grants every report.
 */
import { randomBytes } from "node:crypto";
import { type KeyRecord, makeHandle, makeKeyText, type PlanRecord, sha256Text } from "@keyover/core";
import { createVerifier, type Verifier } from "@keyover/verifier";
import { realWorld } from "../packages/verifier/src/world.ts";

const random = (length: number) => randomBytes(length);
const START = 1_790_000_000_000;

export interface HeldKey {
  text: string;
  record: KeyRecord;
}

/** Every key may read the market; one in `boundEvery` (0: none) may do so from its own network only. */
export function makeKeys(count: number, boundEvery: number): HeldKey[] {
  return Array.from({ length: count }, (_, i) => {
    // The digits of a request's header are one flat string, and so is this.
    const text = Buffer.from(makeKeyText("mkt", "live", random)).toString("latin1");
    const record: KeyRecord = {
      seq: i + 1,
      key: makeHandle("key", START + i, random),
      consumer: makeHandle("consumer", START + i, random),
      environment: "live",
      status: "active",
      scopes: ["market:read", "trade:write"],
      networks: boundEvery > 0 && i % boundEvery === 0 ? [networkOf(i)] : [],
      current: 1,
      versions: [{ number: 1, state: "active", sha256: sha256Text(text), compromised: false }],
    };
    return { text, record };
  });
}

/** Where the consumer of key `i` calls from. */
export function addressOf(i: number): string {
  return `203.0.${i % CALLERS}.7`;
}

export const CALLERS = 64;

function networkOf(i: number): string {
  return `203.0.${i % CALLERS}.0/24`;
}

/** A verifier, ready, that holds these keys, and plans, by its own snapshot and feed. */
export async function verifierOf(keys: readonly HeldKey[], plans: readonly PlanRecord[] = []): Promise<Verifier> {
  const world = { ...realWorld(), fetch: authorityOf(keys, plans) };
  const verifier = createVerifier({ url: "https://authority.invalid", token: "none", apis: ["market"], world });
  // A verifier's own timers keep no process alive.
  const alive = setInterval(() => {}, 1_000);
  await verifier.ready.finally(() => clearInterval(alive));
  return verifier;
}

const LINES_AT_ONCE = 1_000;

function authorityOf(keys: readonly HeldKey[], plans: readonly PlanRecord[]): typeof globalThis.fetch {
  const seq = keys.length;
  const encoder = new TextEncoder();
  // Long enough for a round that never lets the reports out.
  const grant = () => ({ now: Date.now(), leaseMs: 600_000, onStale: "closed", staticMs: 0 });
  const api = { id: "api_market", name: "market", prefix: "mkt" };

  const snapshot = () => {
    let at = 0;
    return new ReadableStream<Uint8Array>({
      start: (stream) => stream.enqueue(encoder.encode(`${JSON.stringify({ seq, now: Date.now(), plans })}\n`)),
      pull(stream) {
        const lines = keys.slice(at, at + LINES_AT_ONCE).map(({ record }) => `${JSON.stringify(record)}\n`);
        at += lines.length;
        if (lines.length > 0) return stream.enqueue(encoder.encode(lines.join("")));
        stream.enqueue(encoder.encode(`${JSON.stringify({ end: keys.length })}\n`));
        stream.close();
      },
    });
  };

  const feed = (signal: AbortSignal | null | undefined) =>
    new ReadableStream<Uint8Array>({
      start(stream) {
        const beat = () =>
          stream.enqueue(encoder.encode(`event: beat\ndata: ${JSON.stringify({ seq, now: Date.now() })}\n\n`));
        const timer = setInterval(beat, 1_000);
        timer.unref();
        signal?.addEventListener("abort", () => {
          clearInterval(timer);
          stream.error(new Error("aborted"));
        });
        beat();
      },
    });

  return async (input, init) => {
    const name = new URL(input as string).pathname.split("/").at(-1);
    if (name === "snapshot") return new Response(snapshot());
    if (name === "feed") return new Response(feed(init?.signal));
    if (name === "verifiers") return Response.json({ ...grant(), api, environments: ["live"], reportEveryMs: 1_000 });
    return Response.json(grant());
  };
}
